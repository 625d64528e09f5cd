//! What the clients of servers are told of the settings of the process.

use crate::config::{
    self, KafkaSettings, OnlineSettings, RedisAddress, RedisMode, RegistrySettings, Settings,
};
use crate::failure::Failure;
use crate::kafka::{KafkaConfig, KafkaLimits};
use crate::online::redis::{
    MemorySettings, RedisServers, RedisSettings, Secret, SentinelSettings, ServerAddress,
    TlsSettings,
};
use crate::peer_tls::IdentityFiles;
#[cfg(feature = "postgres")]
use crate::postgres::PostgresAddress;
use crate::registry::{Credential, Credentials, RegistryConfig, RegistryLimits, TlsFiles};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::plan::Plan;

/// The plan with `topic` (`KAFKA_TOPIC`) as the topic of its only source.
///
/// # Errors
/// When the job has several sources, or its source is files.
pub(crate) fn with_topic(plan: Arc<Plan>, topic: Option<&str>) -> Result<Arc<Plan>, Failure> {
    let Some(topic) = topic else { return Ok(plan) };
    let mut plan = Plan::clone(&plan);
    let refused = |why: String| {
        let hint = "unset KAFKA_TOPIC, and name topics in the job file";
        Err(Failure::usage(format!("environment: \"KAFKA_TOPIC\" {why}")).hint(hint))
    };
    match plan.sources.as_mut_slice() {
        [only] if only.files.is_empty() => only.topic = Some(topic.to_owned()),
        [only] => {
            let name = &only.name;
            return refused(format!("cannot be used: the source \"{name}\" is files"));
        }
        sources => {
            let count = sources.len();
            return refused(format!("cannot be used: the job has {count} sources, not one"));
        }
    }
    Ok(Arc::new(plan))
}

/// How Kafka is reached.
pub fn kafka(settings: &KafkaSettings) -> KafkaConfig {
    KafkaConfig {
        bootstrap_servers: settings.bootstrap_servers.clone(),
        group_id: settings.group_id.clone(),
        settings: settings.settings.clone(),
        limits: KafkaLimits {
            partition_queue_bytes_max: size(settings.partition_queue_bytes),
            batch_records_max: settings.batch_records,
            batch_bytes_max: size(settings.batch_bytes),
            discovery_interval: settings.discovery_interval,
        },
    }
}

/// How the schema registry is reached, if there is to be one. `schema_wait`: for how long it must
/// have denied an id before that is unknown.
pub fn registry(settings: &RegistrySettings, schema_wait: Duration) -> RegistryConfig {
    let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
    let credential = |text: &Option<config::Secret>, file: &Option<String>| match (text, file) {
        (Some(text), _) => Some(Credential::Text(text.clone())),
        (None, file) => path(file).map(Credential::File),
    };
    let password = credential(&settings.password, &settings.password_file);
    let credentials = match (&settings.user, credential(&settings.token, &settings.token_file)) {
        (Some(user), _) => Credentials::Basic { user: user.clone(), password },
        (None, Some(token)) => Credentials::Bearer(token),
        (None, None) => Credentials::None,
    };
    let urls = settings.url.iter().flat_map(|urls| urls.split(','));
    RegistryConfig {
        urls: urls.map(|url| url.trim().to_owned()).collect(),
        credentials,
        tls: TlsFiles {
            ca: path(&settings.tls.ca_file),
            client: path(&settings.tls.cert_file).zip(path(&settings.tls.key_file)),
        },
        timeout: settings.timeout,
        schema_wait,
        limits: RegistryLimits::default(),
    }
}

/// What a process shows the others of its cluster, if they speak over TLS.
pub fn identity(settings: &Settings) -> Option<IdentityFiles> {
    let tls = &settings.cluster.tls;
    let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
    Some(IdentityFiles {
        ca: path(&tls.ca_file)?,
        certificate: path(&tls.cert_file)?,
        key: path(&tls.key_file)?,
    })
}

/// Where PostgreSQL is, if rows of the job of this name are to go there.
#[cfg(feature = "postgres")]
pub fn postgres(settings: &Settings, job: &str) -> Option<PostgresAddress> {
    let postgres = &settings.offline.postgres;
    let url = postgres.url.clone()?;
    let ca_file = postgres.tls_ca_file.as_ref().map(PathBuf::from);
    Some(PostgresAddress { url, ca_file, application: format!("tidemark {job}") })
}

/// How Redis is reached and written to.
pub fn redis(settings: &Settings) -> RedisSettings {
    let OnlineSettings { redis, memory, .. } = &settings.online;
    let address = &redis.address;
    let path = |name: &Option<String>| name.as_ref().map(PathBuf::from);
    let client = path(&redis.tls.cert_file).zip(path(&redis.tls.key_file));
    let tls = TlsSettings { ca_file: path(&redis.tls.ca_file), client, insecure: false };
    RedisSettings {
        servers: servers(redis),
        // At most 16,383.
        db: i64::try_from(address.db).unwrap_or(0),
        username: address.username.clone(),
        password: address.password.as_ref().map(|secret| Secret::new(secret.reveal())),
        tls: address.tls.then_some(tls),
        connect_timeout: redis.connect_timeout,
        response_timeout: redis.response_timeout,
        probe_interval: redis.probe_interval,
        flush_interval: settings.online.flush_interval,
        flush_rows: settings.online.flush_rows,
        flush_bytes: size(settings.online.flush_bytes),
        decay_flush: settings.online.decay_flush,
        rewrite_rate: settings.online.rewrite_rate,
        sweep_rate: settings.online.sweep_rate,
        takeover_after: settings.online.takeover_after,
        write_rate: settings.online.write_rate,
        write_spacing_max: settings.online.write_spacing_max,
        backoff_first: redis.backoff_min,
        backoff_max: redis.backoff_max,
        breaker_after: u32::try_from(redis.breaker_failures).unwrap_or(u32::MAX),
        key_prefix: redis.key_prefix.clone(),
        layout: redis.layout,
        project: redis.project.clone(),
        ttl: settings.feature_ttl.map(millis),
        deletions_max: settings.limits.deletions_max,
        memory: MemorySettings {
            limit_bytes: memory.limit,
            policy: memory.policy.clone(),
            alert_threshold: memory.alert_threshold,
        },
    }
}

/// Which servers Redis is made up of.
fn servers(redis: &config::RedisSettings) -> RedisServers {
    let secret = |secret: &config::Secret| Secret::new(secret.reveal());
    // What is no list of addresses was refused with the settings.
    let addresses = redis.addresses.as_deref().map(ServerAddress::list);
    let addresses = addresses.and_then(Result::ok).unwrap_or_default();
    match redis.mode {
        RedisMode::Single => {
            let RedisAddress { host, port, .. } = &redis.address;
            RedisServers::Single(ServerAddress { host: host.clone(), port: *port })
        }
        RedisMode::Sentinel => RedisServers::Sentinel(SentinelSettings {
            addresses,
            name: redis.sentinel_name.clone().unwrap_or_default(),
            username: redis.sentinel_username.clone(),
            password: redis.sentinel_password.as_ref().map(secret),
        }),
        RedisMode::Cluster => RedisServers::Cluster(addresses),
    }
}

/// A duration in ms.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_from_outside_replaces_that_of_the_only_source() {
        let plan = crate::job_file::load("fraud").unwrap().plan;
        let same = with_topic(Arc::clone(&plan), None).unwrap();
        assert_eq!(same.sources[0].topic.as_deref(), Some("transactions"));
        let other = with_topic(Arc::clone(&plan), Some("payments")).unwrap();
        assert_eq!(other.sources[0].topic.as_deref(), Some("payments"));

        let mut two = Plan::clone(&plan);
        two.sources.push(two.sources[0].clone());
        let error = with_topic(Arc::new(two), Some("payments")).unwrap_err().to_string();
        assert!(error.contains("\"KAFKA_TOPIC\"") && error.contains("2 sources"), "{error}");
    }

    #[test]
    fn the_defaults_of_the_settings_are_those_of_the_clients() {
        let settings = Settings::default();
        let local = ServerAddress { host: "localhost".to_owned(), port: 6379 };
        let servers = RedisServers::Single(local);
        let expected = RedisSettings { servers, ..RedisSettings::default() };
        assert_eq!(redis(&settings), expected);
        assert_eq!(kafka(&settings.kafka).limits, KafkaLimits::default());
        let default = RegistryConfig::default();
        let expected = RegistryConfig { urls: Vec::new(), ..default.clone() };
        assert_eq!(registry(&settings.registry, default.schema_wait), expected);
    }

    #[test]
    fn a_registry_is_signed_in_to_as_a_user_or_by_a_token() {
        let of = |settings| registry(&settings, Duration::ZERO);
        let basic = of(RegistrySettings {
            url: Some("http://a:1, https://b".to_owned()),
            user: Some("ann".to_owned()),
            password_file: Some("file".to_owned()),
            ..RegistrySettings::default()
        });
        assert_eq!(basic.urls, ["http://a:1", "https://b"]);
        let password = Some(Credential::File(PathBuf::from("file")));
        assert_eq!(basic.credentials, Credentials::Basic { user: "ann".to_owned(), password });
        let token = config::Secret::new("t");
        let bearer =
            of(RegistrySettings { token: Some(token.clone()), ..RegistrySettings::default() });
        assert_eq!(bearer.credentials, Credentials::Bearer(Credential::Text(token)));
    }

    #[test]
    fn certificates_are_used_only_with_tls() {
        let mut settings = Settings::default();
        settings.online.redis.tls.ca_file = Some("ca.pem".to_owned());
        assert_eq!(redis(&settings).tls, None);
        settings.online.redis.address.tls = true;
        let tls = redis(&settings).tls.unwrap();
        assert_eq!(tls.ca_file.as_deref(), Some(std::path::Path::new("ca.pem")));
    }
}

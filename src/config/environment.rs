//! Settings from environment variables: those that deployments set.
//!
//! Why this way: an environment belongs to everyone. A variable that nothing reads is no error, as a
//! key of the file is: Kubernetes sets some for every service, and other programs have theirs. But
//! one that looks like a setting is not passed over in silence either (`unread`).

mod unread;

pub(super) use unread::unread;

use crate::config::health::{CLOCK_BEHIND, PENDING_AFTER, REFUSED_OVER};
use crate::config::log::level;
use crate::config::offline::is_postgres_url;
use crate::config::online::RedisAddress;
use crate::config::place::{is_host, is_store};
use crate::config::registry::{is_url, is_user};
use crate::config::state::CHECKPOINT_INTERVAL;
use crate::config::{Secret, Settings};
use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;
use tidemark_jobs::document::quantity::{self, show_duration};

/// Sets one setting from a variable's text, or says what the text must be.
type Apply = fn(&mut Settings, &str) -> Result<(), String>;

/// Every variable, in the order they are applied: `REDIS_URL` before its parts, which change it.
pub const VARIABLES: [(&str, Apply); 27] = [
    ("PARALLELISM", |s, text| number(text, 1, 256).map(|n| s.workers = n)),
    ("KAFKA_BOOTSTRAP_SERVERS", |s, text| s.kafka.use_brokers(text)),
    ("KAFKA_GROUP_ID", |s, text| some(text).map(|t| s.kafka.group_id = t)),
    ("KAFKA_BATCH_SIZE", |s, text| number(text, 1, 100_000).map(|n| s.kafka.batch_records = n)),
    ("KAFKA_TOPIC", |s, text| some(text).map(|t| s.topic = Some(t))),
    ("SCHEMA_REGISTRY_URL", |s, text| {
        is_url(text)?;
        s.registry.use_url(text.to_owned());
        Ok(())
    }),
    ("SCHEMA_REGISTRY_USER", |s, text| {
        is_user(text)?;
        s.registry.user = Some(text.to_owned());
        Ok(())
    }),
    ("SCHEMA_REGISTRY_PASSWORD", |s, text| {
        (s.registry.password, s.registry.password_file) = (Some(Secret::new(text)), None);
        Ok(())
    }),
    ("SCHEMA_REGISTRY_TOKEN", |s, text| {
        (s.registry.token, s.registry.token_file) = (Some(Secret::new(text)), None);
        Ok(())
    }),
    ("SCHEMAS_DIR", |s, text| some(text).map(|folder| s.registry.use_schemas(folder))),
    ("REDIS_URL", |s, text| RedisAddress::from_url(text).map(|a| s.online.redis.address = a)),
    ("REDIS_HOST", |s, text| {
        is_host(text)?;
        text.clone_into(&mut s.online.redis.address.host);
        Ok(())
    }),
    ("REDIS_PORT", |s, text| {
        number(text, 1, u16::MAX).map(|port| s.online.redis.address.port = port)
    }),
    ("REDIS_PASSWORD", |s, text| {
        s.online.redis.address.password = Some(Secret::new(text));
        Ok(())
    }),
    ("REDIS_DB", |s, text| number(text, 0, 16_383).map(|db| s.online.redis.address.db = db)),
    ("REDIS_FEATURE_TTL", |s, text| {
        let ten_years = 315_360_000;
        number(text, 1, ten_years)
            .map(|seconds| s.feature_ttl = Some(Duration::from_secs(seconds)))
            .map_err(|why| why + " (seconds)")
    }),
    ("REDIS_MEMORY_LIMIT_BYTES", |s, text| {
        number(text, 1 << 20, 1 << 50).map(|bytes| s.online.memory.limit = Some(bytes))
    }),
    ("REDIS_MEMORY_ALERT_THRESHOLD", |s, text| {
        share(text).map(|share| s.online.memory.alert_threshold = share)
    }),
    ("POSTGRES_URL", |s, text| {
        is_postgres_url(text)?;
        s.offline.postgres.url = Some(Secret::new(text));
        Ok(())
    }),
    ("STATE_URL", |s, text| {
        is_store(text)?;
        s.state.url = Some(text.to_owned());
        Ok(())
    }),
    ("CHECKPOINT_INTERVAL_MS", |s, text| {
        let (least, most) = CHECKPOINT_INTERVAL;
        let ms = |bound: Duration| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        number(text, ms(least), ms(most))
            .map(|ms| s.state.checkpoint_interval = Duration::from_millis(ms))
            .map_err(|why| why + " (milliseconds)")
    }),
    ("HEALTH_CHECK_PORT", |s, text| number(text, 0, u16::MAX).map(|port| s.http.port = port)),
    ("HEALTH_PENDING_AFTER", |s, text| {
        duration(text, PENDING_AFTER).map(|after| s.health.pending_after = after)
    }),
    ("HEALTH_REFUSED_SHARE", |s, text| share(text).map(|share| s.health.refused_share = share)),
    ("HEALTH_REFUSED_OVER", |s, text| {
        duration(text, REFUSED_OVER).map(|over| s.health.refused_over = over)
    }),
    ("HEALTH_CLOCK_BEHIND", |s, text| {
        duration(text, CLOCK_BEHIND).map(|behind| s.health.clock_behind = behind)
    }),
    ("LOG_LEVEL", |s, text| {
        level(text)?;
        text.clone_into(&mut s.log.level);
        Ok(())
    }),
];

/// Other names that variables are known by; the name itself goes before.
pub(super) const ALSO_KNOWN_AS: [(&str, &str); 2] =
    [("KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS"), ("KAFKA_SERVERS", "KAFKA_BOOTSTRAP_SERVERS")];

/// The key of the file that each variable goes before; two replace what the job says.
pub(super) const KEYS: [(&str, &str); VARIABLES.len() - 2] = [
    ("PARALLELISM", "workers"),
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap_servers"),
    ("KAFKA_GROUP_ID", "kafka.group_id"),
    ("KAFKA_BATCH_SIZE", "kafka.batch_records"),
    ("SCHEMA_REGISTRY_URL", "registry.url"),
    ("SCHEMA_REGISTRY_USER", "registry.user"),
    ("SCHEMA_REGISTRY_PASSWORD", "registry.password"),
    ("SCHEMA_REGISTRY_TOKEN", "registry.token"),
    ("SCHEMAS_DIR", "registry.schemas"),
    ("REDIS_URL", "online.redis.url"),
    ("REDIS_HOST", "online.redis.host"),
    ("REDIS_PORT", "online.redis.port"),
    ("REDIS_PASSWORD", "online.redis.password"),
    ("REDIS_DB", "online.redis.db"),
    ("REDIS_MEMORY_LIMIT_BYTES", "online.memory.limit"),
    ("REDIS_MEMORY_ALERT_THRESHOLD", "online.memory.alert_threshold"),
    ("POSTGRES_URL", "offline.postgres.url"),
    ("STATE_URL", "state.url"),
    ("CHECKPOINT_INTERVAL_MS", "state.checkpoint_interval"),
    ("HEALTH_CHECK_PORT", "http.port"),
    ("HEALTH_PENDING_AFTER", "health.pending_after"),
    ("HEALTH_REFUSED_SHARE", "health.refused_share"),
    ("HEALTH_REFUSED_OVER", "health.refused_over"),
    ("HEALTH_CLOCK_BEHIND", "health.clock_behind"),
    ("LOG_LEVEL", "log.level"),
];

/// The variable of this name, or else under another name it is known by: that name, and its text.
fn set(name: &str, variable: &impl Fn(&str) -> Option<OsString>) -> Option<(String, OsString)> {
    let others = ALSO_KNOWN_AS.iter().filter(|(_, known)| *known == name).map(|(other, _)| *other);
    [name].into_iter().chain(others).find_map(|name| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        Some((name.to_owned(), value))
    })
}

/// Applies all variables that are set and not empty; gives what is wrong with them, a line each.
pub(super) fn apply(
    settings: &mut Settings,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, apply) in VARIABLES {
        let Some((name, value)) = set(name, variable) else { continue };
        let service = value.to_str().is_some_and(|text| text.starts_with("tcp://"));
        let applied = match value.to_str() {
            Some(text) => apply(settings, text.trim()),
            None => Err("must be UTF-8".to_owned()),
        };
        if let Err(why) = applied {
            let hint = match name.ends_with("_PORT") && service {
                true => {
                    "\n  Kubernetes sets it for a service of that name: set it yourself, or \
                     enableServiceLinks: false"
                }
                false => "",
            };
            wrong.push(format!("environment: \"{name}\" {why}{hint}"));
        }
    }
    wrong
}

fn some(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("must be a whole number from {least} to {most}, not \"{text}\"")),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("must be a number from 0 to 1, not \"{text}\"")),
    }
}

fn duration(text: &str, (least, most): (Duration, Duration)) -> Result<Duration, String> {
    match quantity::duration(text).map(Duration::from_millis) {
        Some(duration) if duration >= least && duration <= most => Ok(duration),
        _ => {
            let shown = |duration: Duration| {
                show_duration(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
            };
            let (least, most) = (shown(least), shown(most));
            Err(format!("must be a duration from {least} to {most}, not \"{text}\""))
        }
    }
}

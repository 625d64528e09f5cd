use super::*;
use setting::SHIPPED;
use std::ffi::OsString;

/// The lines of one section of the shipped file; the root is the empty name.
fn section(name: &str) -> Vec<&'static str> {
    let header = format!("[{name}]");
    let from = if name.is_empty() {
        0
    } else {
        SHIPPED.lines().position(|line| line == header).expect(name) + 1
    };
    SHIPPED.lines().skip(from).take_while(|line| !line.starts_with('[')).collect()
}

fn nothing(_: &str) -> Option<OsString> {
    None
}

fn read(text: &str) -> Result<Settings, String> {
    Settings::from_parts(Some(("cluster.toml", text)), nothing).map_err(|e| e.to_string())
}

fn with(variables: &'static [(&str, &str)]) -> Result<Settings, String> {
    let variable = |name: &str| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    };
    Settings::from_parts(Some(("cluster.toml", SHIPPED)), variable).map_err(|e| e.to_string())
}

#[test]
fn the_shipped_file_lists_every_key_with_its_default_and_a_comment() {
    let settings = settings();
    assert!(settings.len() > 40);
    for Setting { section: name, key, default, .. } in settings {
        let lines = section(&name);
        if default.as_deref() == Some("{}") {
            assert!(SHIPPED.lines().any(|line| line == format!("[{name}.{key}]")), "{key}");
            continue;
        }
        let wanted = match &default {
            Some(default) => format!("{key} = {default}"),
            None => format!("# {key} = "),
        };
        let at = lines.iter().position(|line| match &default {
            Some(_) => *line == wanted,
            None => line.starts_with(&wanted),
        });
        let at = at.unwrap_or_else(|| panic!("[{name}] has no line `{wanted}`"));
        assert!(at > 0 && lines[at - 1].starts_with('#'), "[{name}] {key} has no comment");
    }
}

#[test]
fn the_shipped_file_gives_the_defaults_and_so_does_none() {
    assert_eq!(read(SHIPPED).unwrap(), Settings::default());
    assert_eq!(Settings::from_parts(None, nothing).unwrap(), Settings::default());
}

#[test]
fn the_examples_of_keys_without_default_are_valid() {
    let examples = SHIPPED.lines().filter(|line| {
        let Some((key, _)) = line.strip_prefix("# ").and_then(|l| l.split_once(" = ")) else {
            return false;
        };
        key != "url" && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    let mut tried = 0;
    for example in examples {
        let mut text = SHIPPED.replace(example, &example[2..]);
        for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
            if example.starts_with(&format!("# {one}")) {
                let stem = example.rsplit_once('.').map_or(example, |(stem, _)| stem);
                let stem = stem.replace(one, other);
                text = text.replace(&stem, &stem[2..]);
            }
        }
        if example.contains("/etc/tidemark/cluster") {
            // Between processes all three files are needed.
            for file in ["tls_ca_file", "tls_cert_file", "tls_key_file"] {
                let one = format!("{file} = \"/etc/tidemark/cluster");
                text = text.replace(&format!("# {one}"), &one);
            }
        }
        if example.starts_with("# sentinel") || example.starts_with("# addresses") {
            text = text.replace("mode = \"single\"", "mode = \"sentinel\"");
            text = text.replace("# addresses", "addresses");
            text = text.replace("# sentinel_name", "sentinel_name");
        }
        if example.starts_with("# topic") {
            // Rows are published from their file, as far as the state has them.
            text = text.replace("# path = \"sealed", "path = \"sealed");
            text = text.replace("[state]\n", "[state]\nurl = \"state\"\n");
        }
        if example.starts_with("# processes") {
            // Several processes need a state.
            text = text.replace("[state]\n", "[state]\nurl = \"state\"\n");
        }
        if ["# hot_window", "# cold"].iter().any(|key| example.starts_with(key)) {
            // One says when, the other where.
            text = text.replace("# hot_window", "hot_window").replace("# cold = ", "cold = ");
        }
        assert_ne!(read(&text).expect(example), Settings::default(), "{example}");
        tried += 1;
    }
    assert_eq!(tried, 34);
}

#[test]
fn all_mistakes_come_at_once_with_their_lines_and_the_nearest_names() {
    let text = "wrokers = 2\n[http]\nport = 70000\nbind = \"localhost\"\n[online]\n\
                kind = \"reddis\"\nflush_interval = 5\n[online.redis]\nurl = \"redis://h\"\n\
                port = 1\n[kafka.settings]\na = 1\n";
    let error = read(text).unwrap_err();
    for part in [
        "cluster.toml:1:1: unknown key \"wrokers\"",
        "did you mean \"workers\"?",
        "cluster.toml:3:8: \"port\" in [http] must be an integer from 0 to 65535",
        "cluster.toml:4:8: \"bind\" in [http] must be an IP address",
        "cluster.toml:6:8: \"kind\" in [online] cannot be \"reddis\"",
        "did you mean \"redis\"?",
        "cluster.toml:7:18: \"flush_interval\" in [online] must be a duration from 1ms to 1m",
        "cluster.toml:10:1: \"port\" in [online.redis] cannot be given beside \"url\"",
        "cluster.toml:12:5: \"a\" in [kafka.settings] must be a text in quotes",
        "hint: `tidemark docs --settings` lists every key",
    ] {
        assert!(error.contains(part), "no {part} in\n{error}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let error = read("[online.redis]\nbackoff_min = \"10s\"\ntls_key_file = \"k\"\n").unwrap_err();
    assert!(error.contains("\"backoff_min\" in [online.redis] is longer"), "{error}");
    assert!(error.contains("needs both"), "{error}");
    for (text, part) in [
        ("mode = \"sentinel\"", "name the Sentinels in \"addresses\""),
        ("mode = \"cluster\"", "name some of its servers"),
        ("mode = \"cluster\"\ndb = 1\naddresses = \"a:1\"", "\"db\" in [online.redis] must be 0"),
        ("sentinel_name = \"m\"", "are for \"mode = \\\"sentinel\\\"\""),
        ("addresses = \"a:1\"", "are of several servers"),
        ("addresses = \"a\"", "must be host:port"),
    ] {
        let error = read(&format!("[online.redis]\n{text}\n")).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let error = read("[online]\ndecay_flush = \"10s\"\n").unwrap_err();
    assert!(error.contains("\"pending_after\" in [health] is not longer"), "{error}");
}

#[test]
fn librdkafka_settings_may_be_dotted_or_quoted() {
    let text = "[kafka.settings]\nsasl.mechanism = \"PLAIN\"\n\"sasl.password\" = \"hunter2\"\n";
    let settings = read(text).unwrap();
    let get = |key: &str| settings.kafka.settings.get(key).map(String::as_str);
    assert_eq!(get("sasl.mechanism"), Some("PLAIN"));
    assert_eq!(get("sasl.password"), Some("hunter2"));
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = Some(("cluster.toml", "workers = 2\n[http]\nport = 1\n"));
    let variable = |name: &str| {
        [("PARALLELISM", "3"), ("HEALTH_CHECK_PORT", "2"), ("LOG_LEVEL", "")]
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    };
    let settings = Settings::from_parts(file, variable).unwrap();
    assert_eq!((settings.workers, settings.http.port), (3, 2));
    assert_eq!(settings.log.level, "info");
    let settings = settings.with_flags(Flags { workers: Some(4), ..Flags::default() });
    assert_eq!((settings.workers, settings.http.port), (4, 2));
}

#[test]
fn every_variable_sets_its_setting() {
    let settings = with(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2"),
        ("KAFKA_GROUP_ID", "g"),
        ("KAFKA_BATCH_SIZE", "77"),
        ("KAFKA_TOPIC", "t"),
        ("SCHEMA_REGISTRY_URL", "http://a:1,https://b"),
        ("SCHEMA_REGISTRY_USER", "ann"),
        ("SCHEMA_REGISTRY_PASSWORD", "hunter2"),
        ("REDIS_URL", "rediss://u:p@h:1/2"),
        ("REDIS_HOST", "other"),
        ("REDIS_PORT", "7"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_DB", "5"),
        ("REDIS_FEATURE_TTL", "3600"),
        ("REDIS_MEMORY_LIMIT_BYTES", "1048576"),
        ("REDIS_MEMORY_ALERT_THRESHOLD", "0.5"),
        ("POSTGRES_URL", "postgres://ann:hunter2@h/d"),
        ("HEALTH_CHECK_PORT", "9"),
        ("HEALTH_PENDING_AFTER", "1m30s"),
        ("HEALTH_REFUSED_SHARE", "0.25"),
        ("HEALTH_REFUSED_OVER", "1h"),
        ("HEALTH_CLOCK_BEHIND", "2m"),
        ("LOG_LEVEL", "debug"),
        ("PARALLELISM", "2"),
    ])
    .unwrap();
    let redis = &settings.online.redis.address;
    assert_eq!(settings.kafka.bootstrap_servers, "a:1,b:2");
    assert_eq!(settings.kafka.group_id, "g");
    assert_eq!(settings.kafka.batch_records, 77);
    assert_eq!(settings.topic.as_deref(), Some("t"));
    let registry = &settings.registry;
    assert_eq!(registry.url.as_deref(), Some("http://a:1,https://b"));
    assert_eq!(registry.user.as_deref(), Some("ann"));
    assert_eq!(registry.password.as_ref().map(Secret::reveal), Some("hunter2"));
    let others = with(&[("SCHEMA_REGISTRY_TOKEN", "t"), ("SCHEMAS_DIR", "here")]).unwrap();
    assert_eq!(others.registry.token.as_ref().map(Secret::reveal), Some("t"));
    assert_eq!(others.registry.schemas.as_deref(), Some("here"));
    assert_eq!((redis.host.as_str(), redis.port, redis.db, redis.tls), ("other", 7, 5, true));
    assert_eq!(redis.username.as_deref(), Some("u"));
    assert_eq!(redis.password.as_ref().map(Secret::reveal), Some("hunter2"));
    assert_eq!(settings.feature_ttl, Some(Duration::from_secs(3_600)));
    assert_eq!(settings.online.memory.limit, Some(1 << 20));
    assert!((settings.online.memory.alert_threshold - 0.5).abs() < f64::EPSILON);
    assert_eq!((settings.http.port, settings.workers), (9, 2));
    let health = &settings.health;
    assert_eq!(health.pending_after, Duration::from_secs(90));
    assert!((health.refused_share - 0.25).abs() < f64::EPSILON);
    assert_eq!(health.refused_over, Duration::from_secs(3_600));
    assert_eq!(health.clock_behind, Duration::from_secs(120));
    assert_eq!(settings.log.level, "debug");
    let postgres = settings.offline.postgres.url.as_ref().map(Secret::reveal);
    assert_eq!(postgres, Some("postgres://ann:hunter2@h/d"));
    assert!(!format!("{settings:?} {:?}", settings.told()).contains("hunter2"));
}

#[test]
fn a_password_that_would_be_taken_for_a_host_is_refused_and_not_shown() {
    for variables in [
        &[("POSTGRES_URL", "postgres://ann:p@hunter2@h/d")],
        &[("POSTGRES_URL", "postgres://ann:p@hunter2/x@h")],
        &[("POSTGRES_URL", "postgres://u:p@hunter2?@h")],
    ] {
        let error = with(variables).unwrap_err();
        assert!(error.contains("\"POSTGRES_URL\" must be postgres://"), "{error}");
        assert!(error.contains("%40") && !error.contains("hunter2"), "{error}");
    }
    let error = with(&[("REDIS_URL", "redis://u:hun@hunter2#x@h:6379/0")]).unwrap_err();
    assert!(error.contains("\"REDIS_URL\" must be redis://") && error.contains("%40"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let error = read("[online.redis]\nurl = \"redis://u:hun@hunter2#x@h:6379/0\"\n").unwrap_err();
    assert!(error.contains("\ncluster.toml:2:7: \"url\" in [online.redis] must be "), "{error}");
    assert!(error.contains("%40") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_password_where_none_belongs_is_refused_and_not_shown() {
    for (section, line) in [
        ("kafka", "bootstrap_servers = \"ann:hunter2@h:9092\""),
        ("state", "url = \"s3://k:hunter2@bucket/prefix\""),
        ("offline.parquet", "url = \"s3://k:hunter2@bucket/prefix\""),
        ("online.redis", "host = \"ann:hunter2@h\""),
        ("online.redis", "mode = \"cluster\"\naddresses = \"hunter2@h:6379\""),
        ("online.redis", "mode = \"cluster\"\naddresses = \"redis://ann:hunter2@h:6379\""),
        ("registry", "url = \"http://ann:12#hunter2@r\""),
        ("serve", "sources = \"redis, ann:hunter2@h:6379\""),
        ("serve", "sources = \"redis, hunter2@h:6379\""),
    ] {
        let error = read(&format!("[{section}]\n{line}\n")).unwrap_err();
        assert!(error.contains("\ncluster.toml:") && !error.contains("hunter2"), "{error}");
    }
    let error = with(&[
        ("KAFKA_BOOTSTRAP_SERVERS", "ann:hunter2@h:9092"),
        ("STATE_URL", "s3://k:hunter2@bucket"),
        ("REDIS_HOST", "ann:hunter2@h"),
    ])
    .unwrap_err();
    for part in [
        "\"KAFKA_BOOTSTRAP_SERVERS\" must be host:port",
        "\"STATE_URL\" must be a folder",
        "\"REDIS_HOST\" must be a server's name",
    ] {
        assert!(error.contains(part), "no {part} in\n{error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_bad_value_in_the_environment_names_its_variable() {
    let error = with(&[
        ("SCHEMA_REGISTRY_URL", "http://ann:hunter2@r"),
        ("REDIS_URL", "hunter2"),
        ("POSTGRES_URL", "hunter2"),
        ("REDIS_PORT", "http"),
        ("REDIS_FEATURE_TTL", "1h"),
        ("REDIS_MEMORY_ALERT_THRESHOLD", "80"),
        ("HEALTH_REFUSED_OVER", "5"),
        ("LOG_LEVEL", "loud"),
        ("PARALLELISM", "0"),
    ])
    .unwrap_err();
    for part in [
        "\"SCHEMA_REGISTRY_URL\" must hold no user and no password",
        "\"REDIS_URL\" must be redis://",
        "\"POSTGRES_URL\" must be postgres://",
        "\"REDIS_PORT\" must be a whole number from 1 to 65535, not \"http\"",
        "(seconds)",
        "\"REDIS_MEMORY_ALERT_THRESHOLD\" must be a number from 0 to 1",
        "\"HEALTH_REFUSED_OVER\" must be a duration from 10s to 24h, not \"5\"",
        "\"LOG_LEVEL\" is no log level",
        "\"PARALLELISM\" must be a whole number from 1 to 256",
    ] {
        assert!(error.contains(part), "no {part} in\n{error}");
    }
    assert!(!error.contains("hunter2"));
}

#[test]
fn other_names_of_the_brokers_are_taken_and_the_name_itself_goes_before() {
    for name in ["KAFKA_BOOTSTRAP", "KAFKA_SERVERS"] {
        let brokers = |settings: &[(&str, &str)]| {
            let variable = |asked: &str| {
                let found = settings.iter().find(|(name, _)| *name == asked);
                found.map(|(_, value)| OsString::from(value))
            };
            Settings::from_parts(None, variable).unwrap().kafka.bootstrap_servers
        };
        assert_eq!(brokers(&[(name, "k:9092")]), "k:9092");
        assert_eq!(brokers(&[("KAFKA_BOOTSTRAP_SERVERS", "a:1"), (name, "k:9092")]), "a:1");
    }
}

#[test]
fn a_port_that_kubernetes_set_for_a_service_is_said_to_be_one() {
    let error = with(&[("REDIS_PORT", "tcp://10.0.0.1:6379")]).unwrap_err();
    assert!(error.contains("\"REDIS_PORT\" must be a whole number"), "{error}");
    assert!(error.contains("Kubernetes sets it for a service of that name"), "{error}");
}

#[test]
fn a_key_in_the_wrong_section_is_answered_with_the_right_one() {
    let text = "port = 1\nwindow = \"5m\"\n[http]\nworkers = 2\n[redis]\nhost = \"h\"\n\
                [online]\nbatch_records = 5\n";
    let error = read(text).unwrap_err();
    for part in [
        "cluster.toml:1:1: unknown key \"port\" in the file\n  it stands in [online.redis] and in \
         [http]",
        "cluster.toml:2:1: unknown key \"window\" in the file\n  windows stand in the job",
        "cluster.toml:4:1: unknown key \"workers\" in [http]\n  it stands at the top of the file",
        "cluster.toml:5:2: unknown key \"redis\" in the file\n  it stands as [online.redis]",
        "cluster.toml:8:1: unknown key \"batch_records\" in [online]\n  it stands in [kafka]",
    ] {
        assert!(error.contains(part), "no {part} in\n{error}");
    }
}

#[test]
fn secrets_do_not_appear_in_debug_output() {
    let text = "[kafka.settings]\nsasl.password = \"hunter2\"\nssl.key.pem = \"hunter2\"\n\
                [online.redis]\npassword = \"hunter2\"\n\
                [registry]\npassword = \"hunter2\"\ntoken = \"hunter2\"\n";
    assert!(read(text).unwrap_err().contains("not both"));
    let text = &text.replace("token = \"hunter2\"\n", "");
    let shown = format!("{:?}", read(text).unwrap());
    assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_registry_said_later_replaces_a_folder_said_before_and_the_other_way_round() {
    let file = Some(("cluster.toml", "[registry]\nschemas = \"folder\"\n"));
    let variable = |name: &str| {
        (name == "SCHEMA_REGISTRY_URL").then(|| OsString::from("http://registry:8081"))
    };
    let settings = Settings::from_parts(file, variable).unwrap();
    assert_eq!(settings.registry.url.as_deref(), Some("http://registry:8081"));
    assert_eq!(settings.registry.schemas, None);
    let flags = Flags { schemas: Some("other".to_owned()), ..Flags::default() };
    let registry = settings.with_flags(flags).registry;
    assert_eq!((registry.url, registry.schemas.as_deref()), (None, Some("other")));
    let both = "[registry]\nurl = \"http://r\"\nschemas = \"folder\"\n";
    let error = read(both).unwrap_err();
    assert!(error.contains("\"schemas\" in [registry] cannot be given beside \"url\""), "{error}");
    let nobody = "[registry]\nurl = \"http://r\"\npassword = \"p\"\n";
    assert!(read(nobody).unwrap_err().contains("a password and no \"user\""));
}

#[test]
fn a_secret_without_quotes_is_refused_by_its_kind_and_never_shown() {
    let keys = [
        ("online.redis", "password"),
        ("online.redis", "sentinel_password"),
        ("registry", "password"),
        ("registry", "token"),
        ("offline.postgres", "url"),
        ("kafka.settings", "sasl.password"),
        ("kafka.settings", "\"ssl.key.password\""),
    ];
    let values = [
        ("12345678", "an integer"),
        ("-12345678", "an integer"),
        ("1234.5678", "a number"),
        ("[12345678]", "a list"),
        ("{ a = [12345678] }", "a "),
        ("1234-05-06", "a date"),
        ("true", "true or false"),
    ];
    for (section, key) in keys {
        for (value, kind) in values {
            let error = read(&format!("[{section}]\n{key} = {value}\n")).unwrap_err();
            let expected = format!("must be a text in quotes, found {kind}");
            assert!(error.contains(&expected), "{key} = {value}: {error}");
            assert!(!error.contains("1234") && !error.contains("5678"), "{error}");
        }
        let error = read(&format!("[{section}]\n{key} = hunter2\n")).unwrap_err();
        assert!(error.contains("\ncluster.toml:2:") && !error.contains("hunter2"), "{error}");
    }
}

//! Variables that look like settings and are read by nothing.

use super::{ALSO_KNOWN_AS, VARIABLES};
use tidemark_jobs::document::{mistyped, nearest};

/// What variables of Tidemark begin with; others that begin so may be meant for it.
const PREFIXES: [&str; 5] = ["KAFKA_", "REDIS_", "SCHEMA_REGISTRY_", "HEALTH_", "TIDEMARK_"];

const WINDOWS: &str = "windows stand in the job, feature by feature (window = \"5m\"), for they change \
                       values";
const BROKERS: &str = "did you mean \"KAFKA_BOOTSTRAP_SERVERS\"?";
const PORT: &str = "did you mean \"HEALTH_CHECK_PORT\"?";
const WORKERS: &str = "did you mean \"PARALLELISM\"?";
const USER: &str = "the user stands in REDIS_URL, or is \"username\" in [online.redis]";

/// Variables that are often meant for a feature engine, and what is to be said instead. One that
/// ends in an underscore is the beginning of some.
const ANSWERED: [(&str, &str); 16] = [
    ("KAFKA_BROKER", BROKERS),
    ("KAFKA_BROKERS", BROKERS),
    ("KAFKA_BROKER_LIST", BROKERS),
    ("BOOTSTRAP_SERVERS", BROKERS),
    ("HEALTH_PORT", PORT),
    ("HTTP_PORT", PORT),
    ("TIDEMARK_WORKERS", WORKERS),
    ("WORKERS", WORKERS),
    ("WINDOW_SIZE", WINDOWS),
    ("WINDOW_SIZE_", WINDOWS),
    ("WINDOW_MAX_SIZE", WINDOWS),
    (
        "FEATURE_PIPELINE_",
        "settings of the process are those of `tidemark docs --settings`; features and their windows \
         stand in the job, for they change values",
    ),
    (
        "KAFKA_BATCH_TIMEOUT_MS",
        "no batch waits to be full: records are taken as they come; how long a changed row may wait \
         is \"flush_interval\" in [online]",
    ),
    ("REDIS_USER", USER),
    ("REDIS_USERNAME", USER),
    (
        "REDIS_TTL",
        "the time to live is REDIS_FEATURE_TTL, in seconds, or \"ttl\" of a view in the job",
    ),
];

/// A sentence for each of `names` that looks like a setting and is none; sorted. Values, which may
/// be secrets, are not looked at.
pub(in crate::config) fn unread(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut said: Vec<String> = names.into_iter().filter_map(|name| sentence(&name)).collect();
    said.sort_unstable();
    said
}

fn sentence(name: &str) -> Option<String> {
    let known = || VARIABLES.iter().map(|(known, _)| *known);
    let others = ALSO_KNOWN_AS.iter().map(|(other, _)| *other);
    if known().chain(others).any(|known| known == name) {
        return None;
    }
    let read = format!("environment: nothing reads \"{name}\"");
    let answered = ANSWERED.iter().find(|(begins, _)| match begins.strip_suffix('_') {
        Some(_) => name.starts_with(begins),
        None => name == *begins,
    });
    if let Some((_, instead)) = answered {
        return Some(format!("{read}: {instead}"));
    }
    if is_of_a_service(name) {
        return None;
    }
    let ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    // Of variables that may be anybody's only a slip of the hand is one of ours.
    let near = if ours { nearest(name, known()) } else { mistyped(name, known()) };
    match near {
        Some(near) => Some(format!("{read}: did you mean \"{near}\"?")),
        None if ours => Some(format!(
            "{read}: `tidemark docs --settings` lists the variables; settings of librdkafka stand in \
             [kafka.settings]"
        )),
        None => None,
    }
}

/// Whether Kubernetes or Docker set it because there is a service of that name.
fn is_of_a_service(name: &str) -> bool {
    let Some((_, rest)) = name.split_once('_') else { return false };
    rest == "PORT"
        || rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest.contains("_TCP")
        || rest.ends_with("_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str) -> String {
        unread([name.to_owned()]).join("\n")
    }

    #[test]
    fn a_slip_of_the_hand_is_answered_with_the_name_that_was_meant() {
        for (name, meant) in [
            ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
            ("KAFKA_GROUPID", "KAFKA_GROUP_ID"),
            ("REDIS_PASWORD", "REDIS_PASSWORD"),
            ("REDIS_FEATURES_TTL", "REDIS_FEATURE_TTL"),
            ("PARALELISM", "PARALLELISM"),
            ("WORKERS", "PARALLELISM"),
            ("KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS"),
            ("HEALTH_PORT", "HEALTH_CHECK_PORT"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("SCHEMA_DIR", "SCHEMAS_DIR"),
        ] {
            assert_eq!(
                said(name),
                format!("environment: nothing reads \"{name}\": did you mean \"{meant}\"?")
            );
        }
    }

    #[test]
    fn what_does_not_exist_gets_a_sentence() {
        for (name, words) in [
            ("WINDOW_SIZE", "windows stand in the job"),
            ("WINDOW_SIZE_MINUTES", "windows stand in the job"),
            ("WINDOW_MAX_SIZE", "windows stand in the job"),
            ("FEATURE_PIPELINE_WINDOW", "stand in the job"),
            ("KAFKA_BATCH_TIMEOUT_MS", "no batch waits"),
            ("KAFKA_ACKS", "docs --settings"),
        ] {
            assert!(said(name).contains(words), "{}", said(name));
        }
    }

    #[test]
    fn variables_of_other_programs_and_of_kubernetes_are_left_alone() {
        for name in [
            "PATH",
            "HOME",
            "LOGNAME",
            "SHLVL",
            "WINDOWID",
            "LS_COLORS",
            "KAFKA_PORT",
            "KAFKA_SERVICE_HOST",
            "REDIS_SERVICE_PORT",
            "REDIS_PORT_6379_TCP_ADDR",
            "REDIS_MASTER_SERVICE_PORT_TCP_REDIS",
            "KAFKA_BOOTSTRAP",
            "REDIS_URL",
        ] {
            assert_eq!(said(name), "", "{name}");
        }
    }
}

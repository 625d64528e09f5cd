//! The shipped jobs against the feature catalogue.

use super::job;
use crate::{BEHAVIOR, FRAUD, PERSONALIZATION, SHIPPED, shipped};
use tidemark_operators::value::Type;

type Features = &'static [(&'static str, &'static str)];

/// Each view of `fraud`, its entity, and its features with their types.
const FRAUD_VIEWS: [(&str, &str, Features); 7] = [
    ("transaction_stats_5m", "card", STATS),
    ("card_fraud_indicators", "card", INDICATORS),
    ("user_transaction_stats_5m", "user", STATS),
    ("user_fraud_indicators", "user", INDICATORS),
    ("merchant_stats", "merchant", OTHERS),
    ("device_stats", "device", OTHERS),
    ("ip_stats", "ip", OTHERS),
];

const STATS: Features = &[
    ("txn_count_5m", "int64"),
    ("txn_count_30m", "int64"),
    ("txn_count_24h", "int64"),
    ("amount_sum_5m", "double"),
    ("amount_avg_5m", "double?"),
    ("amount_max_5m", "double?"),
    ("amount_stddev_24h", "double?"),
    ("amount_zscore", "double?"),
    ("unique_countries_5m", "int64"),
    ("geo_diversity_score", "double"),
    ("time_since_last_txn_min", "double?"),
    ("is_weekend", "bool?"),
    ("high_risk_txn_ratio", "double"),
    ("velocity_score", "double"),
    ("is_high_velocity", "bool"),
];

const INDICATORS: Features = &[
    ("fail_60s", "int64"),
    ("uniq_ip_60s", "int64"),
    ("merchant_count", "int64"),
    ("device_fingerprint_count", "int64"),
];

const OTHERS: Features = &[
    ("txn_count_5m", "int64"),
    ("txn_count_1h", "int64"),
    ("txn_count_24h", "int64"),
    ("decline_ratio_1h", "double"),
    ("cards_1h", "int64"),
];

/// Each view of `personalization`, its entity, and its features with their types.
const PERSONALIZATION_VIEWS: [(&str, &str, Features); 2] = [
    (
        "user_engagement_5m",
        "user",
        &[
            ("session_duration_min", "double"),
            ("pages_per_session", "int64"),
            ("avg_dwell_time_sec", "double?"),
            ("avg_scroll_depth", "double?"),
            ("click_rate_5m", "double"),
            ("cart_adds_session", "int64"),
            ("conversion_rate_session", "double"),
            ("engagement_score", "double"),
            ("is_likely_purchaser", "bool"),
        ],
    ),
    (
        "session_stats",
        "session",
        &[
            ("events", "int64"),
            ("pages", "int64"),
            ("cart_adds", "int64"),
            ("purchases", "int64"),
            ("duration_min", "double"),
        ],
    ),
];

/// Each view of `behavior`, its entity, and its features with their types.
const BEHAVIOR_VIEWS: [(&str, &str, Features); 3] = [
    (
        "behavior_temporal",
        "user",
        &[
            ("hour_of_day", "int64?"),
            ("day_of_week", "int64?"),
            ("is_weekend", "bool?"),
            ("is_business_hours", "bool?"),
            ("session_duration", "double"),
            ("login_frequency_1h", "int64"),
            ("events_5m", "int64"),
            ("events_24h", "int64"),
            ("activity_burst_score", "double"),
            ("time_since_last_event_sec", "double?"),
            ("time_pattern_anomaly", "double?"),
        ],
    ),
    (
        "behavior_categorical",
        "user",
        &[
            ("device_change_score", "double"),
            ("location_change_score", "double"),
            ("user_agent_change_score", "double"),
            ("ip_reputation_score", "double"),
            ("is_new_device", "bool?"),
            ("is_new_location", "bool?"),
            ("device_diversity_score", "double"),
            ("location_entropy", "double"),
        ],
    ),
    (
        "behavior_access",
        "user",
        &[
            ("resource_access_rate", "double"),
            ("unique_resources_count", "int64"),
            ("api_call_diversity", "double"),
            ("data_transfer_volume", "double"),
            ("failure_rate", "double"),
            ("admin_action_count", "int64"),
            ("distinct_sources_24h", "int64"),
            ("behavioral_consistency_score", "double?"),
        ],
    ),
];

/// Checks the views, entities, features and types of a job.
#[track_caller]
fn has_views(text: &str, views: &[(&str, &str, Features)]) {
    let job = job(text);
    assert_eq!(job.plan.views.len(), views.len());
    for (at, (name, entity, features)) in views.iter().enumerate() {
        let view = job.plan.view(at).expect("a view");
        assert_eq!(view.name, *name);
        assert_eq!(job.plan.entities[job.plan.views[at].entity].name, *entity);
        let shown: Vec<(String, String)> = view
            .features
            .iter()
            .map(|feature| {
                let name = if feature.ty == Type::Int { "int64" } else { feature.ty.name() };
                let null = if feature.nullable { "?" } else { "" };
                (feature.name.clone(), format!("{name}{null}"))
            })
            .collect();
        let wanted: Vec<(String, String)> =
            features.iter().map(|(name, ty)| ((*name).into(), (*ty).into())).collect();
        assert_eq!(shown, wanted, "{name}");
    }
}

#[test]
fn fraud_has_the_features_of_the_catalogue_in_its_order_and_types() {
    has_views(FRAUD, &FRAUD_VIEWS);
}

#[test]
fn personalization_has_the_features_of_the_catalogue_in_its_order_and_types() {
    has_views(PERSONALIZATION, &PERSONALIZATION_VIEWS);
}

#[test]
fn behavior_has_the_features_of_the_catalogue_in_its_order_and_types() {
    has_views(BEHAVIOR, &BEHAVIOR_VIEWS);
}

#[test]
fn only_the_user_and_the_time_must_be_in_clicks_and_behavior_events() {
    for (text, keys) in
        [(PERSONALIZATION, &["user_id", "session_id"][..]), (BEHAVIOR, &["user_id"])]
    {
        let job = job(text);
        let source = &job.plan.sources[0];
        let required = source.fields.iter().filter(|field| field.required);
        let required: Vec<&str> = required.map(|field| field.name.as_str()).collect();
        assert_eq!(required, ["user_id"]);
        let named: Vec<&str> =
            source.keys.iter().map(|key| source.fields[*key].name.as_str()).collect();
        assert_eq!(named, keys);
        assert_eq!(source.topic.as_deref(), Some(source.name.as_str()));
    }
}

#[test]
fn the_services_of_clicks_and_behavior_have_all_features_of_the_users_views() {
    let services = job(PERSONALIZATION).services;
    assert_eq!((services.len(), services[0].name.as_str()), (1, "personalization"));
    assert_eq!(services[0].features, (0..9).map(|at| (0, at)).collect::<Vec<_>>());
    let services = job(BEHAVIOR).services;
    assert_eq!((services.len(), services[0].name.as_str()), (1, "behavior_analytics"));
    let counts = BEHAVIOR_VIEWS.iter().map(|(.., features)| features.len()).enumerate();
    let all: Vec<(usize, usize)> =
        counts.flat_map(|(view, count)| (0..count).map(move |at| (view, at))).collect();
    assert_eq!(services[0].features, all);
}

#[test]
fn the_fraud_service_has_all_features_of_the_cards_views() {
    let job = job(FRAUD);
    let features: Vec<(usize, usize)> =
        (0..15).map(|at| (0, at)).chain((0..4).map(|at| (1, at))).collect();
    assert_eq!(job.services.len(), 1);
    assert_eq!(job.services[0].name, "fraud_detection");
    assert_eq!(job.services[0].features, features);
}

/// Checks what is said about a shipped job. To accept something else:
/// `TIDEMARK_REWRITE=1 cargo test -p tidemark-jobs`.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "whoever accepts a report has it written here")]
fn has_report(text: &str, name: &str, wanted: &str) {
    let report = job(text).report();
    if std::env::var_os("TIDEMARK_REWRITE").is_some() {
        let path = format!("{}/src/tests/{name}_report.txt", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, &report).expect("the report can be written");
    }
    for (at, (line, wanted)) in report.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(line, wanted, "line {}", at + 1);
    }
    assert_eq!(report.len(), wanted.len());
}

#[test]
fn the_report_on_fraud_is_the_one_checked_in() {
    has_report(FRAUD, "fraud", include_str!("fraud_report.txt"));
}

#[test]
fn the_report_on_personalization_is_the_one_checked_in() {
    let wanted = include_str!("personalization_report.txt");
    has_report(PERSONALIZATION, "personalization", wanted);
}

#[test]
fn the_report_on_behavior_is_the_one_checked_in() {
    has_report(BEHAVIOR, "behavior", include_str!("behavior_report.txt"));
}

#[test]
fn every_shipped_job_is_found_by_name() {
    for name in SHIPPED {
        let (file, text) = shipped(name).expect("a shipped job");
        assert_eq!(file, format!("{name}.toml"));
        assert_eq!(job(text).plan.name, name);
    }
    assert_eq!(shipped("fraudd"), None);
}

#[test]
fn the_benches_workload_has_the_windows_it_names() {
    let job = job(include_str!("../../../benches/w1.toml"));
    let card = &job.plan.entities[0];
    let mut windows: Vec<u64> = card.windows.iter().map(|window| window.length / 1_000).collect();
    windows.sort_unstable();
    assert_eq!(windows, [60, 300, 1_800, 86_400]);
    assert_eq!(job.plan.view(0).expect("a view").features.len(), 12);
    // Sum and average share one accumulator.
    assert_eq!(card.accumulators.len(), 11);
    assert_eq!(card.filters, 1);
    assert_eq!(job.plan.sources[0].fields.len(), 7);
}

#[test]
fn the_job_file_of_the_crates_documentation_is_right() {
    let documentation = include_str!("../lib.rs").lines();
    let example = documentation
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n");
    let example: String = example.collect();
    let job = job(&example);
    assert_eq!((job.plan.distinct_max, job.services.len()), (Some(100_000), 1));
}

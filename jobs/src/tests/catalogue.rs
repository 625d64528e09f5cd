//! The shipped jobs against the feature catalogue.

use super::job;
use crate::{FRAUD, SHIPPED, shipped};
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

#[test]
fn fraud_has_the_features_of_the_catalogue_in_its_order_and_types() {
    let job = job(FRAUD);
    assert_eq!(job.plan.views.len(), FRAUD_VIEWS.len());
    for (at, (name, entity, features)) in FRAUD_VIEWS.into_iter().enumerate() {
        let view = job.plan.view(at).expect("a view");
        assert_eq!(view.name, name);
        assert_eq!(job.plan.entities[job.plan.views[at].entity].name, entity);
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
fn the_fraud_service_has_all_features_of_the_cards_views() {
    let job = job(FRAUD);
    let features: Vec<(usize, usize)> =
        (0..15).map(|at| (0, at)).chain((0..4).map(|at| (1, at))).collect();
    assert_eq!(job.services.len(), 1);
    assert_eq!(job.services[0].name, "fraud_detection");
    assert_eq!(job.services[0].features, features);
}

#[test]
fn the_report_on_fraud_is_the_one_checked_in() {
    // To accept another one: TIDEMARK_REWRITE=1 cargo test -p tidemark-jobs
    let report = job(FRAUD).report();
    if std::env::var_os("TIDEMARK_REWRITE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/fraud_report.txt");
        std::fs::write(path, &report).expect("the report can be written");
    }
    let wanted = include_str!("fraud_report.txt");
    for (at, (line, wanted)) in report.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(line, wanted, "line {}", at + 1);
    }
    assert_eq!(report.len(), wanted.len());
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
    assert_eq!((job.plan.distinct_max, job.services.len()), (100_000, 1));
}

//! Derived features of the shipped jobs, computed.

use super::job;
use crate::FRAUD;
use std::sync::Arc;
use tidemark_operators::expression::Program;
use tidemark_operators::plan::{Plan, Read};
use tidemark_operators::value::Column;

/// What a read gives in these tests; `None` is null.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Int(i64),
    Double(f64),
    Null,
}

/// The columns of the first view over one row, each read given by `give`.
fn columns(plan: &Plan, give: impl Fn(Read) -> Given) -> Vec<Column> {
    columns_of(plan, 0, give)
}

/// The columns of a view over one row, each read given by `give`.
pub(super) fn columns_of(plan: &Plan, view: usize, give: impl Fn(Read) -> Given) -> Vec<Column> {
    let view = plan.view(view).expect("a view");
    let mut columns: Vec<Column> = Vec::new();
    for read in &view.reads {
        let mut column = Column::default();
        match give(*read) {
            Given::Int(int) => column.push_int(int),
            Given::Double(double) => column.push_double(double),
            Given::Null => column.push_null(),
        }
        columns.push(column);
    }
    for expr in &view.derived {
        let mut column = Column::default();
        Program::new(expr, Arc::clone(&plan.zone)).eval(&columns, 1, &mut column);
        columns.push(column);
    }
    columns
}

fn feature<'c>(plan: &Plan, columns: &'c [Column], name: &str) -> &'c Column {
    feature_of(plan, 0, columns, name)
}

/// The column of a feature.
pub(super) fn feature_of<'c>(
    plan: &Plan,
    view: usize,
    columns: &'c [Column],
    name: &str,
) -> &'c Column {
    let view = plan.view(view).expect("a view");
    let feature = view.features.iter().find(|feature| feature.name == name).expect("a feature");
    &columns[feature.column]
}

/// A card at 2026-01-31T10:00:00Z, a Saturday, that has just paid 100.10.
fn given(read: Read) -> Given {
    match read {
        Read::Count { .. } => Given::Int(5),
        Read::Sum { .. } => Given::Double(1_000.0),
        Read::SessionSum { .. } => Given::Double(1_000.0),
        Read::Avg { .. } => Given::Double(50.1),
        Read::Stddev { .. } | Read::Extreme { .. } => Given::Double(25.0),
        Read::Distinct { .. } => Given::Int(5),
        Read::Entropy { .. } | Read::Ratio { .. } | Read::HourShare { .. } => Given::Double(0.5),
        Read::Latest { .. } => Given::Int(100_100_000),
        Read::LatestTime { .. } => Given::Int(1_769_853_600_000),
        Read::Gap { .. } => Given::Int(90_000),
    }
}

#[test]
fn frauds_derived_features_are_what_the_catalogue_says() {
    let plan = job(FRAUD).plan;
    let columns = columns(&plan, given);
    let double = |name: &str| feature(&plan, &columns, name).double(0);
    assert_eq!(double("amount_zscore"), Some((100.1 - 50.1) / 25.0));
    assert_eq!(double("time_since_last_txn_min"), Some(1.5));
    let velocity = 0.5 * (5.0 / 10.0) + 0.3 * (1_000.0 / 2_000.0) + 0.2 * (5.0 / 5.0);
    assert_eq!(double("velocity_score"), Some(velocity));
    assert_eq!(feature(&plan, &columns, "is_weekend").bool(0), Some(true));
    assert_eq!(feature(&plan, &columns, "is_high_velocity").bool(0), Some(false));
}

#[test]
fn a_card_at_the_bounds_of_velocity_is_fast_and_one_just_below_is_not() {
    let plan = job(FRAUD).plan;
    let with = |count: i64, sum: f64, countries: i64| {
        let columns = columns(&plan, |read| match read {
            Read::Count { .. } => Given::Int(count),
            Read::Sum { .. } => Given::Double(sum),
            Read::Distinct { .. } => Given::Int(countries),
            other => given(other),
        });
        let velocity = feature(&plan, &columns, "velocity_score").double(0);
        (velocity, feature(&plan, &columns, "is_high_velocity").bool(0))
    };
    assert_eq!(with(10, 2_000.0, 5), (Some(1.0), Some(true)));
    assert_eq!(with(1_000, 1e9, 500), (Some(1.0), Some(true)));
    assert_eq!(with(10, 2_000.0, 0), (Some(0.8), Some(true)));
    assert_eq!(with(10, 1_999.99, 0).1, Some(false));
    assert_eq!(with(0, 0.0, 0), (Some(0.0), Some(false)));
}

#[test]
fn without_events_and_without_spread_there_is_no_score() {
    let plan = job(FRAUD).plan;
    let silent = columns(&plan, |read| match read {
        Read::Count { .. } | Read::Distinct { .. } => Given::Int(0),
        Read::Sum { .. } | Read::Entropy { .. } | Read::Ratio { .. } => Given::Double(0.0),
        _ => Given::Null,
    });
    for name in ["amount_zscore", "time_since_last_txn_min", "is_weekend"] {
        assert_eq!(feature(&plan, &silent, name).word(0), None, "{name}");
    }
    assert_eq!(feature(&plan, &silent, "velocity_score").double(0), Some(0.0));
    let level = columns(&plan, |read| match read {
        Read::Stddev { .. } => Given::Double(0.0),
        other => given(other),
    });
    assert_eq!(feature(&plan, &level, "amount_zscore").word(0), None);
}

#[test]
fn friday_is_no_weekend_and_the_jobs_time_zone_says_when_it_ends() {
    let weekend = |text: &str, time: i64| {
        let plan = job(text).plan;
        let columns = columns(&plan, |read| match read {
            Read::LatestTime { .. } => Given::Int(time),
            other => given(other),
        });
        feature(&plan, &columns, "is_weekend").bool(0)
    };
    let saturday = 1_769_817_600_000; // 2026-01-31T00:00:00Z
    assert_eq!(weekend(FRAUD, saturday - 1), Some(false));
    assert_eq!(weekend(FRAUD, saturday), Some(true));
    let berlin = FRAUD.replace("timezone = \"UTC\"", "timezone = \"Europe/Berlin\"");
    assert_eq!(weekend(&berlin, saturday - 3_600_001), Some(false));
    assert_eq!(weekend(&berlin, saturday - 3_600_000), Some(true));
}

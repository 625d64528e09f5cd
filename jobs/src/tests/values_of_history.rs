//! Features of sessions and behavior, computed from what is read of an entity.

use super::job;
use super::values::{Given, columns_of, feature_of};
use crate::{BEHAVIOR, PERSONALIZATION};
use tidemark_operators::plan::{EntityPlan, Plan, Read};
use tidemark_operators::time::MINUTE;
use tidemark_operators::value::Column;

/// 2026-01-30T16:59:59.999Z, a Friday.
const FRIDAY: i64 = 1_769_792_399_999;

/// What a read is of: an attribute's name, or an accumulator's attribute and window in minutes.
fn named(entity: &EntityPlan, read: Read) -> String {
    let name = |at: usize| entity.attributes[at].name.clone();
    match read {
        Read::Latest { last, attribute, .. } => name(entity.lasts[last].attributes[attribute]),
        Read::LatestTime { .. } => "time".into(),
        Read::Gap { .. } => "gap".into(),
        Read::Count { accumulator }
        | Read::Sum { accumulator }
        | Read::Avg { accumulator }
        | Read::Distinct { accumulator }
        | Read::HourShare { accumulator }
        | Read::Entropy { accumulator, .. }
        | Read::Ratio { numerator: accumulator, .. } => {
            let plan = entity.accumulators[accumulator];
            let of = plan.attribute.map_or("events".into(), name);
            let minutes = entity.windows[plan.window].length / MINUTE;
            let filtered = if plan.mask == 0 { "" } else { " where" };
            format!("{of}{filtered} {minutes}")
        }
        other => panic!("{other:?}"),
    }
}

/// The columns of a view over one row, reads given by their names.
fn columns(plan: &Plan, view: usize, given: &[(&str, Given)]) -> Vec<Column> {
    let entity = &plan.entities[plan.views[view].entity];
    columns_of(plan, view, |read| {
        let name = named(entity, read);
        let found = given.iter().find(|(of, _)| *of == name);
        found.map_or(Given::Null, |(_, given)| *given)
    })
}

/// A user's session of 7.5 minutes with 4 page views, an addition to the cart and a purchase.
fn visit() -> Vec<(&'static str, Given)> {
    vec![
        ("time", Given::Int(FRIDAY)),
        ("session 0: start", Given::Int(FRIDAY - 450_000)),
        ("session 0: events with 0b1", Given::Int(4)),
        ("session 0: events with 0b100", Given::Int(1)),
        ("session 0: events with 0b1000", Given::Int(1)),
        ("dwell_time_sec 5", Given::Double(30.0)),
        ("events where 5", Given::Double(0.5)),
    ]
}

#[test]
fn engagement_is_what_the_catalogue_says() {
    let plan = job(PERSONALIZATION).plan;
    let columns = columns(&plan, 0, &visit());
    let double = |name: &str| feature_of(&plan, 0, &columns, name).double(0);
    let int = |name: &str| feature_of(&plan, 0, &columns, name).word(0);
    assert_eq!(double("session_duration_min"), Some(7.5));
    assert_eq!((int("pages_per_session"), int("cart_adds_session")), (Some(4), Some(1)));
    assert_eq!(double("conversion_rate_session"), Some(0.25));
    assert_eq!((double("avg_dwell_time_sec"), double("avg_scroll_depth")), (Some(30.0), None));
    let score = 0.3 * (7.5 / 10.0) + 0.2 * (4.0 / 10.0) + 0.2 * (30.0 / 60.0) + 0.15 * 0.0;
    let score: f64 = score + 0.15 * 0.5;
    assert_eq!(double("engagement_score"), Some(score));
    assert!(score < 0.5);
    assert_eq!(feature_of(&plan, 0, &columns, "is_likely_purchaser").bool(0), Some(false));
}

#[test]
fn a_full_cart_and_half_the_score_make_a_likely_purchaser() {
    let plan = job(PERSONALIZATION).plan;
    let likely = |changes: &[(&'static str, Given)]| {
        let given: Vec<_> = changes.iter().copied().chain(visit()).collect();
        let columns = columns(&plan, 0, &given);
        let score = feature_of(&plan, 0, &columns, "engagement_score").double(0);
        (score, feature_of(&plan, 0, &columns, "is_likely_purchaser").bool(0))
    };
    // 0.30 + 0.20, everything else absent.
    let long = ("session 0: start", Given::Int(FRIDAY - 600_000));
    let none = [("dwell_time_sec 5", Given::Null), ("events where 5", Given::Double(0.0))];
    let pages = ("session 0: events with 0b1", Given::Int(10));
    assert_eq!(likely(&[long, none[0], none[1], pages]), (Some(0.5), Some(true)));
    let empty = ("session 0: events with 0b100", Given::Int(0));
    assert_eq!(likely(&[long, none[0], none[1], pages, empty]), (Some(0.5), Some(false)));
    let fewer = ("session 0: events with 0b1", Given::Int(9));
    assert_eq!(likely(&[long, none[0], none[1], fewer]).1, Some(false));
}

#[test]
fn a_closed_session_has_its_empty_values_and_a_purchase_without_a_page_converts_nothing() {
    let plan = job(PERSONALIZATION).plan;
    let closed = columns(&plan, 0, &[("events where 5", Given::Double(0.0))]);
    for name in ["session_duration_min", "conversion_rate_session", "engagement_score"] {
        assert_eq!(feature_of(&plan, 0, &closed, name).double(0), Some(0.0), "{name}");
    }
    for name in ["pages_per_session", "cart_adds_session"] {
        assert_eq!(feature_of(&plan, 0, &closed, name).word(0), Some(0), "{name}");
    }
    assert_eq!(feature_of(&plan, 0, &closed, "is_likely_purchaser").bool(0), Some(false));
    let mut given = visit();
    given.insert(0, ("session 0: events with 0b1", Given::Int(0)));
    let pageless = columns(&plan, 0, &given);
    let rate = feature_of(&plan, 0, &pageless, "conversion_rate_session").double(0);
    assert_eq!(rate, Some(0.0));
    let closed = columns(&plan, 1, &[]);
    for name in ["events", "pages", "cart_adds", "purchases"] {
        assert_eq!(feature_of(&plan, 1, &closed, name).word(0), Some(0), "{name}");
    }
    assert_eq!(feature_of(&plan, 1, &closed, "duration_min").double(0), Some(0.0));
}

/// A user on Friday just before five, who is busier than usual and has changed their place.
fn busy() -> Vec<(&'static str, Given)> {
    vec![
        ("time", Given::Int(FRIDAY)),
        ("session 0: start", Given::Int(FRIDAY)),
        ("events where 60", Given::Int(3)),
        ("events 5", Given::Int(4)),
        ("events 1440", Given::Int(100)),
        ("gap", Given::Int(1_250)),
        ("events 43200", Given::Double(0.75)),
        ("device_id 43200", Given::Int(4)),
        ("bytes 1440", Given::Double(2_500_000.0)),
        ("events where 1440", Given::Double(0.25)),
    ]
}

#[test]
fn behavior_at_the_latest_event_is_what_the_catalogue_says() {
    let plan = job(BEHAVIOR).plan;
    let columns = columns(&plan, 0, &busy());
    let double = |name: &str| feature_of(&plan, 0, &columns, name).double(0);
    let int = |name: &str| feature_of(&plan, 0, &columns, name).word(0);
    let bool = |name: &str| feature_of(&plan, 0, &columns, name).bool(0);
    assert_eq!((int("hour_of_day"), int("day_of_week")), (Some(16), Some(4)));
    assert_eq!((bool("is_weekend"), bool("is_business_hours")), (Some(false), Some(true)));
    assert_eq!(double("session_duration"), Some(0.0));
    // A hundred events a day are less than one in ten minutes.
    assert_eq!(double("activity_burst_score"), Some((4.0 / 5.0) / (10.0 * 0.1)));
    assert_eq!(double("time_since_last_event_sec"), Some(1.25));
    assert_eq!(double("time_pattern_anomaly"), Some(1.0 - 0.75));
}

#[test]
fn business_ends_at_five_and_a_burst_is_measured_by_the_day() {
    let plan = job(BEHAVIOR).plan;
    let with = |changes: &[(&'static str, Given)]| {
        let given: Vec<_> = changes.iter().copied().chain(busy()).collect();
        let columns = columns(&plan, 0, &given);
        let business = feature_of(&plan, 0, &columns, "is_business_hours").bool(0);
        (business, feature_of(&plan, 0, &columns, "activity_burst_score").double(0))
    };
    assert_eq!(with(&[("time", Given::Int(FRIDAY + 1))]).0, Some(false));
    let nine = FRIDAY + 1 - 8 * 3_600_000;
    assert_eq!(with(&[("time", Given::Int(nine))]).0, Some(true));
    assert_eq!(with(&[("time", Given::Int(nine - 1))]).0, Some(false));
    assert_eq!(with(&[("time", Given::Int(nine + 86_400_000))]).0, Some(false));
    let day = ("events 1440", Given::Int(2_880));
    assert_eq!(with(&[day]).1, Some((4.0 / 5.0) / (10.0 * 2.0)));
    assert_eq!(with(&[("events 5", Given::Int(6))]).1, Some(1.0));
    assert_eq!(with(&[("time", Given::Null)]).0, None);
}

#[test]
fn diversity_starts_at_the_second_device() {
    let plan = job(BEHAVIOR).plan;
    let diversity = |devices: i64| {
        let columns = columns(&plan, 1, &[("device_id 43200", Given::Int(devices))]);
        feature_of(&plan, 1, &columns, "device_diversity_score").double(0)
    };
    let scores = [0, 1, 2, 4].map(diversity);
    assert_eq!(scores, [Some(0.0), Some(0.0), Some(0.5), Some(0.75)]);
}

#[test]
fn consistency_is_what_is_left_of_the_mean_departure() {
    let plan = job(BEHAVIOR).plan;
    let columns = columns(&plan, 2, &busy());
    let double = |name: &str| feature_of(&plan, 2, &columns, name).double(0);
    assert_eq!(double("resource_access_rate"), Some(3.0));
    assert_eq!(double("data_transfer_volume"), Some(2.5));
    let mean = (0.25 + 0.25 + 0.25 + (4.0 / 5.0) / (10.0 * 0.1)) / 4.0;
    assert_eq!(double("behavioral_consistency_score"), Some(1.0 - mean));
    let silent: Vec<_> = busy().into_iter().filter(|(name, _)| *name != "events 43200").collect();
    let silent = self::columns(&plan, 2, &silent);
    let score = feature_of(&plan, 2, &silent, "behavioral_consistency_score");
    assert_eq!(score.double(0), None);
}

//! The job `behavior`, as the catalogue words it.

use super::arithmetic::{clamp01, distinct, entropy, normalised_entropy, ratio, tally, total};
use super::oracle::{AsOf, DAY, HOUR, Job, MINUTE, MONTH, Row, View, texts};
use super::record::Event;

pub const BEHAVIOR: Job = Job {
    name: "behavior",
    source: "behavior_events",
    views: &[
        View {
            name: "behavior_temporal",
            entity: "user",
            key: "user_id",
            keeps: MONTH,
            row: temporal,
        },
        View {
            name: "behavior_categorical",
            entity: "user",
            key: "user_id",
            keeps: MONTH,
            row: categorical,
        },
        View { name: "behavior_access", entity: "user", key: "user_id", keeps: MONTH, row: access },
    ],
    complete: |e| e.text("user_id").is_some(),
};

fn temporal(h: &AsOf<'_>) -> Row {
    let calendar = h.latest(MONTH).map(|(latest, _)| h.calendar(latest));
    let weekend = |(_, day): (i64, i64)| day >= 5;
    let office = |(hour, day): (i64, i64)| day < 5 && (9..17).contains(&hour);
    vec![
        ("hour_of_day", calendar.map(|(hour, _)| hour as u64).into()),
        ("day_of_week", calendar.map(|(_, day)| day as u64).into()),
        ("is_weekend", calendar.map(weekend).into()),
        ("is_business_hours", calendar.map(office).into()),
        ("session_duration", h.session_minutes().into()),
        ("login_frequency_1h", h.count(HOUR, |e| e.is("event_type", "login")).into()),
        ("events_5m", h.within(5 * MINUTE).len().into()),
        ("events_24h", h.within(DAY).len().into()),
        ("activity_burst_score", burst(h).into()),
        ("time_since_last_event_sec", h.gap(MONTH).map(|ms| ms as f64 / 1_000.0).into()),
        ("time_pattern_anomaly", time_pattern_anomaly(h).into()),
    ]
}

fn burst(h: &AsOf<'_>) -> f64 {
    let (five, day) = (h.within(5 * MINUTE).len() as f64, h.within(DAY).len() as f64);
    let usual = day / 1440.0;
    clamp01((five / 5.0) / (10.0 * if usual > 0.1 { usual } else { 0.1 }))
}

fn time_pattern_anomaly(h: &AsOf<'_>) -> Option<f64> {
    let (latest, _) = h.latest(MONTH)?;
    let hours = tally(h.within(MONTH).into_iter().map(|e| h.calendar(e).0));
    let busiest = hours.values().max()?;
    Some(1.0 - hours[&h.calendar(latest).0] as f64 / *busiest as f64)
}

fn location(e: &Event) -> Option<Vec<Option<&str>>> {
    e.tuple(&["location_info.country", "location_info.city"])
}

fn device(e: &Event) -> Option<Vec<Option<&str>>> {
    e.tuple(&["device_info.device_id"])
}

fn user_agent(e: &Event) -> Option<Vec<Option<&str>>> {
    e.tuple(&["data.user_agent"])
}

type Attribute = fn(&Event) -> Option<Vec<Option<&str>>>;

/// Changes of an attribute over the events of a day.
fn change_score(h: &AsOf<'_>, attribute: Attribute) -> f64 {
    let (mut changes, mut events) = (0, 0);
    for (at, event) in h.events.iter().enumerate() {
        if h.t >= event.ts + DAY {
            continue;
        }
        events += 1;
        let Some(value) = attribute(event) else { continue };
        let before = h.events[..at].iter().rev().find(|e| attribute(e).is_some());
        let near = before.filter(|e| event.ts < e.ts + MONTH);
        changes += usize::from(near.is_some_and(|e| attribute(e) != Some(value)));
    }
    ratio(changes, events)
}

/// Whether the latest event's value had not been there for a month.
fn is_new(h: &AsOf<'_>, attribute: Attribute) -> Option<bool> {
    let (latest, before) = h.latest(MONTH)?;
    let value = attribute(latest)?;
    let mut seen = before.iter().filter(|e| latest.ts < e.ts + MONTH);
    Some(!seen.any(|e| attribute(e).as_ref() == Some(&value)))
}

fn categorical(h: &AsOf<'_>) -> Row {
    let month = h.within(MONTH);
    let devices = distinct(month.iter().filter_map(|e| device(e)));
    let address = h.latest(MONTH).and_then(|(latest, _)| latest.text("data.source_ip"));
    let reputation = address.and_then(|ip| h.around.reputation.score(ip));
    let diversity = if devices <= 1 { 0.0 } else { 1.0 - 1.0 / devices as f64 };
    vec![
        ("device_change_score", change_score(h, device).into()),
        ("location_change_score", change_score(h, location).into()),
        ("user_agent_change_score", change_score(h, user_agent).into()),
        ("ip_reputation_score", reputation.unwrap_or(0.5).into()),
        ("is_new_device", is_new(h, device).into()),
        ("is_new_location", is_new(h, location).into()),
        ("device_diversity_score", diversity.into()),
        ("location_entropy", entropy(month.iter().filter_map(|e| location(e))).into()),
    ]
}

fn access(h: &AsOf<'_>) -> Row {
    let (hour, day) = (h.within(HOUR), h.within(DAY));
    let resource_accesses = h.count(HOUR, |e| e.is("event_type", "resource_access"));
    let api_calls: Vec<&Event> =
        hour.iter().copied().filter(|e| e.is("event_type", "api_call")).collect();
    let bytes: Vec<i128> = day.iter().filter_map(|e| e.int("data.bytes")).collect();
    let results = texts(&hour, "data.result");
    let failures = results.iter().filter(|result| **result == "failure").count();
    vec![
        ("resource_access_rate", (resource_accesses as f64).into()),
        ("unique_resources_count", distinct(texts(&day, "data.resource")).into()),
        ("api_call_diversity", normalised_entropy(&texts(&api_calls, "data.endpoint")).into()),
        ("data_transfer_volume", (total(&bytes) as f64 / 1e6).into()),
        ("failure_rate", ratio(failures, results.len()).into()),
        ("admin_action_count", h.count(DAY, |e| e.is("event_type", "admin_action")).into()),
        ("distinct_sources_24h", distinct(texts(&day, "source")).into()),
        ("behavioral_consistency_score", consistency(h).into()),
    ]
}

fn consistency(h: &AsOf<'_>) -> Option<f64> {
    let anomaly = time_pattern_anomaly(h)?;
    let signs = anomaly + change_score(h, device) + change_score(h, location) + burst(h);
    Some(1.0 - signs / 4.0)
}

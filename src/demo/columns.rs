//! Which features the screen shows first: those that are seen moving.

use std::collections::BTreeMap;
use tidemark_operators::plan::{EntityPlan, Plan, Read, ViewPlan};
use tidemark_operators::time::{HOUR, MINUTE, Millis};

/// A feature of the table: view, place in its row, name.
pub(super) type Column = (usize, usize, String);

/// How soon a feature is seen moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ChangeRate {
    /// With every event, and soon without one: windows up to five minutes, sessions.
    Minutes,
    /// Within an hour, or with another event.
    Hour,
    /// Slowly.
    Days,
    /// With the calendar.
    Calendar,
}

/// All features of an entity's views: the quickest first, and of those that are as quick the first
/// of each view, then the second, and so on.
pub(super) fn columns(plan: &Plan, entity: usize) -> Vec<Column> {
    let of_entity = plan.views.iter().enumerate().filter(|(_, view)| view.entity == entity);
    let mut columns = Vec::new();
    for (index, _) in of_entity {
        let (Some(entity), Some(view)) = (plan.entities.get(entity), plan.view(index)) else {
            continue;
        };
        let paces = paces(entity, view);
        let mut before = BTreeMap::new();
        for (at, feature) in view.features.iter().enumerate() {
            let pace = paces.get(feature.column).copied().unwrap_or(ChangeRate::Days);
            let round: &mut u32 = before.entry(pace).or_default();
            columns.push(((pace, *round), (index, at, feature.name.clone())));
            *round += 1;
        }
    }
    columns.sort_by_key(|(order, _)| *order);
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The pace of each column of a view: an expression is as quick as the quickest of its inputs.
fn paces(entity: &EntityPlan, view: &ViewPlan) -> Vec<ChangeRate> {
    let mut paces: Vec<ChangeRate> = view.reads.iter().map(|read| pace(entity, *read)).collect();
    for expression in &view.derived {
        let inputs = expression.inputs().into_iter();
        let quickest = inputs.filter_map(|input| paces.get(input).copied()).min();
        paces.push(quickest.unwrap_or(ChangeRate::Calendar));
    }
    paces
}

fn pace(entity: &EntityPlan, read: Read) -> ChangeRate {
    let of_window = |accumulator: usize| {
        let plan = entity.accumulators.get(accumulator);
        let window = plan.and_then(|plan| entity.windows.get(plan.window));
        window.map_or(ChangeRate::Days, |window| of(window.length))
    };
    match read {
        // Seldom more than once between two events.
        Read::HourShare { .. } | Read::Gap { .. } => ChangeRate::Hour,
        // What is shown for minutes belongs to a session.
        Read::Latest { horizon, .. } if horizon <= HOUR => ChangeRate::Minutes,
        Read::SessionSum { .. } => ChangeRate::Minutes,
        Read::Latest { .. } => ChangeRate::Hour,
        Read::LatestTime { horizon, .. } if horizon <= HOUR => ChangeRate::Minutes,
        Read::LatestTime { .. } => ChangeRate::Calendar,
        _ => read.accumulators().next().map_or(ChangeRate::Days, of_window),
    }
}

fn of(window: Millis) -> ChangeRate {
    match window {
        _ if window <= 5 * MINUTE => ChangeRate::Minutes,
        _ if window <= HOUR => ChangeRate::Hour,
        _ => ChangeRate::Days,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(job: &str) -> (std::sync::Arc<Plan>, Vec<Column>) {
        let plan = crate::job_file::load(job).unwrap().plan;
        let columns = columns(&plan, plan.views[0].entity);
        (plan, columns)
    }

    #[test]
    fn the_features_of_cards_come_from_both_views_and_the_quickest_first() {
        let (plan, columns) = names("fraud");
        let names: Vec<&str> = columns.iter().map(|(_, _, name)| name.as_str()).collect();
        assert_eq!(names[..4], ["txn_count_5m", "fail_60s", "amount_sum_5m", "uniq_ip_60s"]);
        assert_eq!(names.last(), Some(&"is_weekend"));
        let views: Vec<&str> =
            columns.iter().map(|(view, _, _)| plan.view(*view).unwrap().name.as_str()).collect();
        assert!(views.contains(&"transaction_stats_5m"));
        assert!(views.contains(&"card_fraud_indicators"));
        assert!(!views.contains(&"user_fraud_indicators"));
        for (view, at, name) in &columns {
            assert_eq!(plan.view(*view).unwrap().features[*at].name, *name);
        }
    }

    #[test]
    fn every_feature_of_the_entity_has_one_column_in_every_shipped_job() {
        for job in tidemark_jobs::SHIPPED {
            let (plan, columns) = names(job);
            let views = &plan.entities[plan.views[0].entity].views;
            assert_eq!(columns.len(), views.iter().map(|v| v.features.len()).sum::<usize>());
        }
    }

    #[test]
    fn sessions_are_quick_and_weeks_and_the_calendar_are_not() {
        let first = |job| {
            let (_, columns) = names(job);
            columns.into_iter().map(|(_, _, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(first("personalization")[..2], ["session_duration_min", "pages_per_session"]);
        let behavior = first("behavior");
        let place = |name: &str| behavior.iter().position(|n| n == name).expect(name);
        assert!(place("events_5m") < place("login_frequency_1h"));
        assert!(place("is_new_device") < place("data_transfer_volume"));
        assert!(place("location_entropy") < place("day_of_week"), "{behavior:?}");
    }
}

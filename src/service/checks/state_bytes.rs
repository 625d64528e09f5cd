//! State that nears what it may take in memory, so that little is read, or takes it, so that nothing is.
//!
//! This is said while the job catches up, too: then it may never catch up. Bound: one flag.

use crate::http::Part;
use crate::metrics::window_text;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{bytes_short, count_text, duration_text};
use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};
use tidemark_operators::ingest::reader::Standing;
use tidemark_operators::metrics::{HeldBytes, PartitionProgress};
use tidemark_operators::shared::Room;

/// How many of the busiest entities are named.
const NAMED_MAX: usize = 3;
/// Of so many of a thousand of the newest events an entity is named.
const BUSY_PERMILLE: u32 = 10;

/// Finds the memory when little is read for want of room, and when reading has stopped.
#[derive(Debug, Default)]
pub(crate) struct StateBytes {
    /// Reading has stopped, and there is not enough room again since then.
    stopped: Mutex<bool>,
}

impl HealthCheck for StateBytes {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let Some(bound) = moment.state else { return Vec::new() };
        let held = bound.held(moment.workers);
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let room = bound.room(held);
        *stopped = match room {
            Room::None => true,
            Room::Little => *stopped,
            Room::Enough => false,
        };
        if room == Room::Enough {
            return Vec::new();
        }
        let (reason, what) = match *stopped {
            true => ("state_full", "reading has stopped"),
            false => ("state_bytes", "less is read, and first of partitions that are behind"),
        };
        let text = format!(
            "the state takes {} of the {} that limits.state_bytes allows, so {what}. {}. {}",
            bytes_short(held.used()),
            bytes_short(bound.limit()),
            remedy(moment, held, bound.limit()),
            most(moment).unwrap_or_default(),
        );
        vec![Finding { part: Part::Memory, component: "memory".to_owned(), reason, text }]
    }
}

/// The entity type that has most of it, the window that reaches back furthest, and the busiest
/// entities.
fn most(moment: &Moment<'_>) -> Option<String> {
    let all = || moment.plan.entities.iter().enumerate();
    let of = |at: usize| moment.workers.iter().filter_map(move |worker| worker.entities.get(at));
    let held = |at: usize| of(at).map(|entity| entity.held()).sum::<HeldBytes>();
    let (at, plan) = all().max_by_key(|(at, _)| held(*at).used())?;
    let (bytes, entities) = (held(at).used(), of(at).map(|entity| entity.entities.get()).sum());
    let mut text = format!(
        "The largest part, {}, is of {} entities of the type {}",
        bytes_short(bytes),
        count_text(entities),
        plan.name
    );
    let rows = |window: usize| {
        of(at).filter_map(|entity| Some(entity.windows.get(window)?.rows.get())).sum::<u64>()
    };
    let windows = plan.windows.iter().enumerate().map(|(at, window)| (rows(at), window));
    if let Some((rows, window)) = windows.max_by_key(|(rows, window)| (*rows, window.leaves(0))) {
        let (rows, window) = (count_text(rows), window_text(*window));
        text = format!("{text}, whose window of {window} holds {rows} events");
    }
    let mut hottest: Vec<_> = of(at).flat_map(|entity| entity.hottest()).collect();
    hottest.sort_by_key(|(id, share)| (Reverse(*share), id.clone()));
    // Who has sent hardly anything is not the cause.
    hottest.retain(|(_, share)| *share >= BUSY_PERMILLE);
    hottest.truncate(NAMED_MAX);
    let named = hottest.iter().map(|(id, share)| format!("{id} ({}.{} %)", share / 10, share % 10));
    let named: Vec<_> = named.collect();
    if !named.is_empty() {
        text = format!("{text}; of the newest events most came from {}", named.join(", "));
    }
    Some(text)
}

/// What makes room, or would.
fn remedy(moment: &Moment<'_>, held: HeldBytes, limit: u64) -> String {
    let progress: Vec<_> = moment.workers.iter().flat_map(|worker| worker.progress()).collect();
    let newest = progress.iter().map(|p| p.watermark).max().unwrap_or(0);
    let silent =
        |p: &&PartitionProgress| !p.idle && p.standing == Standing::AtEnd && p.watermark < newest;
    let holds = progress.iter().filter(silent).min_by_key(|p| p.watermark);
    let source = holds.and_then(|p| Some((p, moment.plan.sources.get(usize::from(p.id.source))?)));
    if let Some((p, source)) = source {
        return format!(
            "Partition {} of {} is silent, so that nothing leaves the windows: after idle_after ({}) the others \
             go on without it, and there is room again by itself",
            p.id.partition,
            source.name,
            duration_text(source.idle_after)
        );
    }
    if held.used() < limit && held.held > limit {
        return format!(
            "{} more are free inside of tables, which only a restart gives back: start the job again",
            bytes_short(held.reusable)
        );
    }
    "Time passes in the windows only with what is read, so nothing leaves them by itself: raise \
     limits.state_bytes, or shorten the longest window, and start the job again; checkpoints, rows and \
     answers go on meanwhile"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StateBound;
    use crate::service::checks::tests::{START, World};

    fn found(check: &StateBytes, world: &World, bound: &StateBound) -> Option<(String, String)> {
        let moment = Moment { state: Some(bound), ..world.moment(0) };
        check.look(&moment).pop().map(|finding| (finding.reason.to_owned(), finding.text))
    }

    #[test]
    fn state_near_its_limit_is_found_with_the_entity_type_the_window_and_the_busiest_entities() {
        let (mut world, check) = (World::new(), StateBytes::default());
        world.caught_up = false;
        let bound = StateBound::new(1_000_000, HeldBytes::default);
        let entity = &world.workers[0].entities[0];
        entity.timeline_bytes.set(899_000);
        assert_eq!(found(&check, &world, &bound), None);
        entity.history_bytes.set(1_000);
        entity.entities.set(1_234);
        let last = entity.windows.len() - 1;
        entity.windows[last].rows.set(56_789);
        entity.set_hottest([("card_7".to_owned(), 123), ("card_8".to_owned(), 4)]);
        let (reason, text) = found(&check, &world, &bound).unwrap();
        let plan = &world.plan.entities[0];
        let window = window_text(plan.windows[last]);
        assert_eq!(reason, "state_bytes");
        for part in [
            "900 kB of the 1.00 MB that limits.state_bytes allows".to_owned(),
            format!("The largest part, 900 kB, is of 1,234 entities of the type {}", plan.name),
            format!("window of {window} holds 56,789 events"),
            "most came from card_7 (12.3 %)".to_owned(),
        ] {
            assert!(text.contains(&part), "{part} is missing in: {text}");
        }
        assert!(!text.contains("card_8"), "it is not the cause: {text}");
        assert_eq!(StateBytes::default().look(&world.moment(0)), [], "it is not bounded");
    }

    #[test]
    fn it_is_said_that_reading_has_stopped_what_would_help_and_when_that_is_over() {
        let (world, check) = (World::new(), StateBytes::default());
        let bound = StateBound::new(1_000_000, HeldBytes::default);
        let entity = &world.workers[0].entities[0];
        let said = |held, reusable| {
            entity.timeline_bytes.set(held);
            entity.reusable_bytes.set(reusable);
            found(&check, &world, &bound)
        };
        world.arrived(&[Some(START)]);
        let (reason, text) = said(1_000_000, 0).unwrap();
        assert_eq!(reason, "state_full");
        assert!(text.contains("nothing leaves them by itself: raise limits.state_bytes"), "{text}");
        let (reason, text) = said(1_100_000, 300_000).unwrap();
        assert_eq!(reason, "state_full");
        assert!(text.contains("300 kB more are free inside of tables"), "{text}");
        assert_eq!(said(960_000, 0).unwrap().0, "state_full", "there is little room yet");
        assert_eq!(said(890_000, 0), None);
        assert_eq!(said(940_000, 0).unwrap().0, "state_bytes");
        // A partition that has nothing to say, behind one that has.
        let mut progress = world.workers[0].progress();
        let mut other = progress[0];
        (other.id.partition, other.watermark) = (1, 5_000);
        other.standing = Standing::Behind;
        progress.push(other);
        world.workers[0].set_progress(progress);
        let (_, text) = said(1_000_000, 0).unwrap();
        assert!(
            text.contains("Partition 0 of source_0 is silent, so that nothing leaves the windows"),
            "{text}"
        );
    }
}

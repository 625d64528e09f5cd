//! Components of `/health` from what the parts report.

use crate::http::health::{Component, Part, State};
use crate::metrics::snapshot::{
    Breaker, CheckpointSnapshot, KafkaSnapshot, LogSinkSnapshot, OnlineSnapshot, RegistrySnapshot,
};
use crate::process::{self, ProcessUsage};
use crate::tables::TableStatus;
use crate::text::{bytes_short, count_text, duration_short};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::WorkerMetrics;

/// The share of its limit at which memory needs attention, in thousandths.
pub const MEMORY_ALERT_PER_MILLE: u64 = 900;

/// Free space below which a disk needs attention, in bytes.
pub const DISK_FREE_MIN: u64 = 1 << 30;

/// Watches whether workers step. Only movement between two looks is seen, so look about once a
/// second.
#[derive(Debug)]
pub struct StallWatch {
    after: Duration,
    seen: Mutex<Vec<(u64, Instant)>>,
}

impl StallWatch {
    /// A watch over `workers` that calls one stalled which has not stepped for `after`.
    pub fn new(workers: &[Arc<WorkerMetrics>], after: Duration, now: Instant) -> Self {
        let seen = workers.iter().map(|worker| (worker.steps.get(), now)).collect();
        StallWatch { after, seen: Mutex::new(seen) }
    }

    /// Looks at the workers, which must be those it was made with, and gives their components.
    pub fn look(&self, workers: &[Arc<WorkerMetrics>], now: Instant) -> Vec<Component> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut components = Vec::with_capacity(workers.len());
        for (worker, (steps, since)) in workers.iter().zip(seen.iter_mut()) {
            let stepped = worker.steps.get();
            if stepped != *steps {
                (*steps, *since) = (stepped, now);
            }
            let still = now.saturating_duration_since(*since);
            let (state, reason) = if still >= self.after {
                let ms = u64::try_from(still.as_millis()).unwrap_or(u64::MAX);
                (State::Stalled, format!("has not stepped for {}", duration_short(ms)))
            } else {
                (State::Ok, format!("{} steps", count_text(stepped)))
            };
            let name = worker.worker.to_string();
            components.push(Component { name, kind: Part::Worker, state, reason });
        }
        components
    }
}

/// The job as a whole, which has read so many records.
pub fn job(name: &str, records: u64) -> Component {
    let reason = format!("{} records read", count_text(records));
    Component { name: name.to_owned(), kind: Part::Job, state: State::Ok, reason }
}

/// The name of the online store's component.
pub fn online_name(snapshot: &OnlineSnapshot) -> String {
    format!("online ({})", snapshot.kind)
}

/// The online store.
pub fn online(snapshot: &OnlineSnapshot) -> Component {
    let breaker = snapshot.breaker.filter(|breaker| *breaker != Breaker::Closed);
    let pending = match snapshot.rows_pending {
        1 => "1 row waits".to_owned(),
        pending => format!("{} rows wait", count_text(pending)),
    };
    let (state, reason) = match (&snapshot.down, breaker) {
        (Some(why), _) if snapshot.full => {
            (State::Down, format!("{STORE_FULL}{}: {why}; {pending}", memory_used(snapshot)))
        }
        (Some(why), _) => (State::Down, format!("{why}; {pending}")),
        (None, Some(breaker)) => {
            (State::Down, format!("circuit breaker {}; {pending}", breaker.name()))
        }
        (None, None) if snapshot.keys_evicted > 0 => (State::Degraded, evicted(snapshot)),
        (None, None) if snapshot.rewriting => {
            let rows = count_text(snapshot.rows_rewritten);
            let reason = format!("it lost its rows: they are written again, {rows} so far");
            (State::Degraded, reason)
        }
        (None, None) if snapshot.memory_alert => {
            let of = memory_used(snapshot);
            let reason =
                format!("{STORE_FILLS}{of}, past the alert threshold; raise its maxmemory");
            (State::Degraded, reason)
        }
        (None, None) if snapshot.held_back => {
            (State::Ok, "rows are held back until every partition has caught up".to_owned())
        }
        (None, None) => {
            (State::Ok, format!("{} rows written", count_text(snapshot.rows_written())))
        }
    };
    Component { name: online_name(snapshot), kind: Part::Sink, state, reason }
}

/// Each server of a cluster that takes no rows.
pub fn nodes_down(snapshot: &OnlineSnapshot) -> impl Iterator<Item = Component> {
    snapshot.nodes.iter().filter_map(|node| {
        Some(Component {
            name: format!("{} at {}", online_name(snapshot), node.address),
            kind: Part::Sink,
            state: State::Down,
            reason: node.down.clone()?,
        })
    })
}

/// What the reason of a store begins with that takes no rows for want of memory.
pub(crate) const STORE_FULL: &str = "it is full";
/// What the reason of one begins with whose memory will soon be.
pub(crate) const STORE_FILLS: &str = "it fills";
/// What the reason of one says that makes room by itself.
pub(crate) const STORE_EVICTS: &str = " keys were evicted";

/// How much of its memory the store uses, where it says so.
fn memory_used(snapshot: &OnlineSnapshot) -> String {
    match (snapshot.memory_used_bytes, snapshot.memory_limit_bytes) {
        (Some(used), Some(limit)) => {
            format!(", {} of {} in use", bytes_short(used), bytes_short(limit))
        }
        _ => String::new(),
    }
}

/// Keys are gone that readers take for zeros.
fn evicted(snapshot: &OnlineSnapshot) -> String {
    let count = count_text(snapshot.keys_evicted);
    let limit = match snapshot.memory_limit_bytes {
        Some(limit) => format!("its maxmemory of {}", bytes_short(limit)),
        None => "its maxmemory".to_owned(),
    };
    format!(
        "{count}{STORE_EVICTS}, which now read as zeros; raise {limit}, and every row is \
         written again; with the policy noeviction rows wait instead"
    )
}

/// A source that is a topic. `source` is its name in the job.
pub fn topic(source: &str, snapshot: &KafkaSnapshot) -> Component {
    let partitions = snapshot.partitions.iter().filter(|p| p.source == source);
    let (count, lag) = partitions.fold((0_usize, 0_u64), |(count, lag), partition| {
        (count + 1, lag.saturating_add(partition.lag().unwrap_or(0)))
    });
    let (state, reason) = match &snapshot.down {
        Some(why) => (State::Down, why.clone()),
        None => {
            let lag = count_text(lag);
            (State::Ok, format!("{count} partitions, {lag} records behind their ends"))
        }
    };
    Component { name: source.to_owned(), kind: Part::Source, state, reason }
}

/// The schema registry.
pub fn registry(snapshot: &RegistrySnapshot) -> Component {
    let (known, pending) = (count_text(snapshot.known), count_text(snapshot.pending));
    let (state, reason) = match (&snapshot.down, snapshot.denied) {
        (Some(why), _) => (State::Down, format!("{why}; {pending} schemas are waited for")),
        (None, Some(id)) => {
            (State::Degraded, format!("it has no schema {id}, which records wait for"))
        }
        (None, None) => (State::Ok, format!("{known} schemas known, {pending} are waited for")),
    };
    Component { name: "schema registry".to_owned(), kind: Part::Registry, state, reason }
}

/// A reference table that holds so many rows.
pub fn table(name: &str, rows: u64, status: &TableStatus) -> Component {
    let (state, reason) = match (status.down(), status.refused()) {
        (Some(why), _) => (State::Down, why),
        (None, Some(why)) => (State::Degraded, format!("{why}; the version before stays")),
        (None, None) => (State::Ok, format!("{} rows", count_text(rows))),
    };
    Component { name: name.to_owned(), kind: Part::Table, state, reason }
}

/// A source that needs no one else: files, the generator.
pub fn local_source(source: &str, reason: String) -> Component {
    Component { name: source.to_owned(), kind: Part::Source, state: State::Ok, reason }
}

/// A sink that writes a log: dead letters, sealed rows.
pub fn log_sink(snapshot: &LogSinkSnapshot) -> Component {
    let pending = match (snapshot.pending_bytes, snapshot.pending) {
        (Some(bytes), _) => format!("{} wait", bytes_short(bytes)),
        (None, 1) => "1 record waits".to_owned(),
        (None, pending) => format!("{} records wait", count_text(pending)),
    };
    let (state, reason) = match &snapshot.down {
        Some(why) => (State::Down, format!("{why}; {pending}")),
        None => (State::Ok, format!("{} records written", count_text(snapshot.written))),
    };
    Component { name: snapshot.name.to_owned(), kind: Part::Sink, state, reason }
}

/// Memory of the process against what it may use.
pub fn memory(usage: &ProcessUsage) -> Component {
    let share = |used: u64, limit: u64| u128::from(used) * 1_000 / u128::from(limit.max(1));
    let (used, limit) = (usage.rss_bytes >> 20, usage.limit_bytes >> 20);
    let state = if usage.limit_bytes > 0
        && share(usage.rss_bytes, usage.limit_bytes) >= u128::from(MEMORY_ALERT_PER_MILLE)
    {
        State::Degraded
    } else {
        State::Ok
    };
    let reason = format!("{} of {} MiB", count_text(used), count_text(limit));
    Component { name: "memory".to_owned(), kind: Part::Memory, state, reason }
}

/// What checkpoints are written to.
pub fn checkpoints(snapshot: &CheckpointSnapshot) -> Component {
    let (state, reason) = match &snapshot.failing {
        Some(why) => (State::Down, why.clone()),
        None => (State::Ok, format!("{} checkpoints are whole", count_text(snapshot.committed))),
    };
    Component { name: "checkpoints".to_owned(), kind: Part::Sink, state, reason }
}

/// The folder of `path`, which is a folder or a file in one.
pub fn folder_of(path: &Path) -> &Path {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Space on the file system of `path`, a folder or a file in one.
pub fn disk(path: &Path) -> Component {
    let folder = folder_of(path);
    let (state, reason) = match process::disk_space(folder) {
        Ok((free, total)) => {
            let state = if free < DISK_FREE_MIN { State::Degraded } else { State::Ok };
            (state, format!("{} of {} free", bytes_short(free), bytes_short(total)))
        }
        Err(error) => (State::Down, format!("cannot read its free space: {error}")),
    };
    Component { name: folder.display().to_string(), kind: Part::Disk, state, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::health::{Health, Status};

    #[test]
    fn a_worker_that_does_not_step_is_stalled_at_the_limit_and_recovers_with_a_step() {
        let plan = crate::metrics::tests::small_plan();
        let workers = [Arc::new(WorkerMetrics::new(0, &plan))];
        let start = Instant::now();
        let watch = StallWatch::new(&workers, Duration::from_secs(30), start);
        let state = |seconds| watch.look(&workers, start + Duration::from_secs(seconds))[0].state;
        assert_eq!(state(29), State::Ok);
        assert_eq!(state(30), State::Stalled);
        workers[0].steps.add(1);
        assert_eq!(state(31), State::Ok);
        assert_eq!(state(60), State::Ok);
        assert_eq!(state(61), State::Stalled);
    }

    #[test]
    fn a_store_that_is_down_degrades_and_a_stalled_worker_stalls_the_whole() {
        let down = online(&OnlineSnapshot {
            kind: "redis",
            down: Some("connection refused".to_owned()),
            rows_pending: 1_500,
            ..OnlineSnapshot::default()
        });
        assert_eq!(down.reason, "connection refused; 1,500 rows wait");
        let mut health = Health { components: vec![down], ..Health::default() };
        assert_eq!(health.status(), Status::Degraded);
        health.components.push(Component {
            name: "0".to_owned(),
            kind: Part::Worker,
            state: State::Stalled,
            reason: String::new(),
        });
        assert_eq!(health.status(), Status::Stalled);
        assert_eq!(Health::default().status(), Status::Ok);
    }

    #[test]
    fn evicted_keys_and_lost_rows_degrade_the_store_and_say_what_to_do() {
        let snapshot = OnlineSnapshot { kind: "redis", ..OnlineSnapshot::default() };
        let lost = OnlineSnapshot { rewriting: true, rows_rewritten: 1_200, ..snapshot.clone() };
        let component = online(&lost);
        assert_eq!(component.state, State::Degraded);
        assert_eq!(component.reason, "it lost its rows: they are written again, 1,200 so far");
        let evicted =
            OnlineSnapshot { keys_evicted: 1_234, memory_limit_bytes: Some(64 << 20), ..lost };
        let component = online(&evicted);
        assert_eq!(component.state, State::Degraded);
        let reason = component.reason;
        assert!(reason.starts_with("1,234 keys were evicted, which now read as zeros"), "{reason}");
        assert!(reason.contains("raise its maxmemory of 67.1 MB"), "{reason}");
        assert_eq!(online(&snapshot).state, State::Ok);
        let (used, limit) = (Some(55_772_768), Some(64 << 20));
        let fills = OnlineSnapshot {
            memory_used_bytes: used,
            memory_limit_bytes: limit,
            memory_alert: true,
            ..snapshot
        };
        let reason = online(&fills).reason;
        assert!(reason.starts_with("it fills, 55.7 MB of 67.1 MB in use, past"), "{reason}");
        let why = "Redis at 'a:1' refused HSET: OOM command not allowed".to_owned();
        let full = online(&OnlineSnapshot { full: true, down: Some(why), ..fills });
        assert_eq!(full.state, State::Down);
        let reason = full.reason;
        assert!(reason.starts_with("it is full, 55.7 MB of 67.1 MB in use: Redis at"), "{reason}");
    }

    #[test]
    fn a_registry_that_does_not_answer_is_down_and_one_that_lacks_a_schema_degraded() {
        let snapshot = RegistrySnapshot { pending: 2, ..RegistrySnapshot::default() };
        assert_eq!(registry(&snapshot).state, State::Ok);
        let lacks = RegistrySnapshot { denied: Some(7), ..snapshot.clone() };
        assert_eq!(registry(&lacks).state, State::Degraded);
        assert_eq!(registry(&lacks).reason, "it has no schema 7, which records wait for");
        let down = RegistrySnapshot { down: Some("refused".to_owned()), ..lacks };
        assert_eq!(registry(&down).state, State::Down);
        assert_eq!(registry(&down).reason, "refused; 2 schemas are waited for");
    }

    #[test]
    fn a_table_whose_newest_version_is_refused_is_degraded() {
        let status = TableStatus::default();
        assert_eq!(table("levels", 1_234, &status).reason, "1,234 rows");
        status.set_refused(Some("line 2 is wrong".to_owned()));
        let component = table("levels", 1_234, &status);
        assert_eq!(component.state, State::Degraded);
        assert_eq!(component.reason, "line 2 is wrong; the version before stays");
    }

    #[test]
    fn an_open_breaker_is_a_store_that_is_down() {
        let component = online(&OnlineSnapshot {
            kind: "redis",
            breaker: Some(Breaker::Open),
            ..OnlineSnapshot::default()
        });
        assert_eq!(component.state, State::Down);
        assert!(component.reason.starts_with("circuit breaker open"), "{}", component.reason);
    }

    #[test]
    fn the_disk_of_a_file_is_that_of_its_folder() {
        assert_ne!(disk(Path::new("dead_letters.jsonl")).state, State::Down);
        assert_eq!(disk(Path::new("/no/such/folder/file")).state, State::Down);
    }
}

//! Bounds of queues, buffers and slices of work.

use crate::config::keys::Keys;
use std::time::Duration;

/// Bounds of memory and of the length of a step. Only `record_bytes_max` changes what is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that keep events that were accepted and are not behind the frontier yet, a partition and
    /// worker; partitions that are ahead are paused at half of it. Default 1 GiB: one silent partition
    /// holds the others for `idle_after` (30 s) at 20,000 events/s of `fraud` without a pause.
    pub stash_bytes: u64,
    /// Bytes of timelines, accumulators, history, dictionaries and the newest rows in the process; at
    /// it nothing is read. Default: 80 % of the memory of the container or the machine.
    pub state_bytes: Option<u64>,
    /// Bytes sent between workers and not yet taken in; sources wait there. Default 64 MiB.
    pub in_flight_bytes: u64,
    /// Dead letters that wait to be written; sources wait there. Default 10,000.
    pub dead_letter_queue: usize,
    /// Bytes of dead letters that wait to be written; sources wait there. Default 64 MiB.
    pub dead_letter_queue_bytes: u64,
    /// Longer records are malformed. Default 1 MiB.
    pub record_bytes_max: u64,
    /// Records a worker judges in one step. Default 4,096.
    pub step_records: usize,
    /// Rows that arrive in or leave windows in one step; storms are worked off in such slices.
    /// Default 65,536.
    pub slice_rows: usize,
    /// Events in one chunk of the timeline. Default 65,536, which is also the most.
    pub chunk_rows: usize,
    /// Keys that wait for their deletion in the online store; beyond it they are left to their TTL.
    /// Default 1,000,000.
    pub deletions_max: usize,
    /// Wall time without an event after which the live clock follows the machine's. Default 1 s.
    pub live_idle: Duration,
    /// How long the end of a job may take in all, counted from when it is asked to stop. Default
    /// 25 s: Kubernetes kills after 30.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            stash_bytes: 1 << 30,
            state_bytes: None,
            in_flight_bytes: 64 << 20,
            dead_letter_queue: 10_000,
            dead_letter_queue_bytes: 64 << 20,
            record_bytes_max: 1 << 20,
            step_records: 4_096,
            slice_rows: 65_536,
            chunk_rows: 65_536,
            deletions_max: 1_000_000,
            live_idle: Duration::from_secs(1),
            shutdown: Duration::from_secs(25),
        }
    }
}

impl Limits {
    /// What the dataflow has to know of them.
    pub fn engine(&self) -> tidemark_operators::shared::Limits {
        tidemark_operators::shared::Limits {
            stash_bytes: self.stash_bytes,
            in_flight_bytes: self.in_flight_bytes,
            records_step: self.step_records,
            slice_rows: self.slice_rows as u64,
            chunk_rows: self.chunk_rows,
            record_bytes: usize::try_from(self.record_bytes_max).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let bytes = (1 << 20)..=(1 << 40);
        keys.size("stash_bytes", bytes.clone(), &mut self.stash_bytes);
        keys.optional_size("state_bytes", (16 << 20)..=(1 << 50), &mut self.state_bytes);
        keys.size("in_flight_bytes", bytes.clone(), &mut self.in_flight_bytes);
        keys.count("dead_letter_queue", 1..=10_000_000, &mut self.dead_letter_queue);
        keys.size("dead_letter_queue_bytes", bytes, &mut self.dead_letter_queue_bytes);
        keys.size("record_bytes_max", 256..=(64 << 20), &mut self.record_bytes_max);
        keys.count("step_records", 1..=100_000, &mut self.step_records);
        keys.count("slice_rows", 1..=10_000_000, &mut self.slice_rows);
        keys.count("chunk_rows", 256..=65_536, &mut self.chunk_rows);
        keys.count("deletions_max", 1..=100_000_000, &mut self.deletions_max);
        let minute = Duration::from_secs(60);
        keys.duration("live_idle", Duration::from_millis(10)..=minute, &mut self.live_idle);
        keys.duration("shutdown", Duration::from_secs(1)..=minute * 60, &mut self.shutdown);
    }
}

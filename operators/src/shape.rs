//! Who of all workers is in this process: the one value from which every part tells what is its own.
//!
//! Workers are numbered through over all processes of a cluster, those of a process one after the
//! other. A job in one process is the smallest cluster.

use crate::interner::stable_hash;
use crate::origin::PartitionId;
use crate::timeline::owner::Owner;
use std::ops::Range;

/// The workers of this process among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    first: usize,
    local: usize,
    peers: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Shape::one_process(1)
    }
}

impl Shape {
    /// All `workers` are in this process; 0 counts as 1.
    pub const fn one_process(workers: usize) -> Self {
        let workers = if workers == 0 { 1 } else { workers };
        Shape { first: 0, local: workers, peers: workers }
    }

    /// Process `process` of `processes` with `workers` each; 0 of them counts as 1, and a process
    /// beyond the last as the last.
    ///
    /// ```
    /// use tidemark_operators::shape::Shape;
    ///
    /// let second = Shape::of_process(1, 3, 2);
    /// assert_eq!((second.workers(), second.peers()), (2..4, 6));
    /// assert_eq!((second.place(3), second.place(4)), (Some(1), None));
    /// ```
    pub fn of_process(process: usize, processes: usize, workers: usize) -> Self {
        let (processes, workers) = (processes.max(1), workers.max(1));
        let process = process.min(processes - 1);
        Shape { first: process * workers, local: workers, peers: processes * workers }
    }

    /// The first worker here.
    pub const fn first(self) -> usize {
        self.first
    }

    /// How many workers are here, at least 1.
    pub const fn local(self) -> usize {
        self.local
    }

    /// How many workers there are in all.
    pub const fn peers(self) -> usize {
        self.peers
    }

    /// The workers here.
    pub const fn workers(self) -> Range<usize> {
        self.first..self.first + self.local
    }

    /// How many processes there are.
    pub const fn processes(self) -> usize {
        self.peers / self.local
    }

    /// Which process this is.
    pub const fn process(self) -> usize {
        self.first / self.local
    }

    /// The process of a worker.
    pub const fn process_of(self, worker: usize) -> usize {
        worker / self.local
    }

    /// The place of `worker` among those here; `None`: it is elsewhere.
    pub fn place(self, worker: usize) -> Option<usize> {
        worker.checked_sub(self.first).filter(|place| *place < self.local)
    }

    /// The worker of an entity with this id.
    pub fn owner(self, id: &[u8]) -> usize {
        Owner::of(stable_hash(id), self.peers)
    }

    /// The worker that reads a partition: one that every process names alike, whenever it finds the
    /// partition.
    ///
    /// ```
    /// use tidemark_operators::origin::PartitionId;
    /// use tidemark_operators::shape::Shape;
    ///
    /// let shape = Shape::one_process(2);
    /// let reader = |source, partition| shape.reader(PartitionId { source, partition });
    /// assert_eq!([reader(0, 0), reader(0, 1), reader(1, 0)], [0, 1, 1]);
    /// ```
    pub fn reader(self, id: PartitionId) -> usize {
        let number = u64::from(id.partition) + u64::from(id.source);
        usize::try_from(number % self.peers as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_entity_and_partition_has_one_process() {
        for (processes, workers) in [(1, 1), (1, 3), (2, 1), (4, 2), (3, 3)] {
            let shapes: Vec<_> = (0..processes)
                .map(|process| Shape::of_process(process, processes, workers))
                .collect();
            let all: Vec<_> = shapes.iter().flat_map(|shape| shape.workers()).collect();
            assert_eq!(all, (0..processes * workers).collect::<Vec<_>>());
            for number in 0..100_u32 {
                let (source, partition) = ((number % 3) as u16, number);
                let (id, key) = (PartitionId { source, partition }, number.to_le_bytes());
                let mine = |shape: &&Shape| shape.place(shape.reader(id)).is_some();
                assert_eq!(shapes.iter().filter(mine).count(), 1);
                let mine = |shape: &&Shape| shape.place(shape.owner(&key)).is_some();
                assert_eq!(shapes.iter().filter(mine).count(), 1);
            }
            for (process, shape) in shapes.iter().enumerate() {
                assert_eq!((shape.process(), shape.processes()), (process, processes));
            }
        }
    }
}

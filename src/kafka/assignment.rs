//! Which worker reads which partition: a function of the sorted partition list alone.

use std::collections::BTreeMap;
use tidemark_operators::origin::PartitionId;

/// Partitions and the workers that read them.
pub type Assignment = BTreeMap<PartitionId, usize>;

/// Gives the partitions of `found` that are not in `known` to workers, and returns them.
///
/// All partitions, known and found, are sorted by (source, partition), and a new one goes to the
/// worker `index % workers`. What is known does not move: its records are on their way through
/// that worker. `workers` of 0 counts as 1.
///
/// ```
/// use tidemark::kafka::assignment::{Assignment, place};
/// use tidemark_operators::origin::PartitionId;
///
/// let id = |source, partition| PartitionId { source, partition };
/// let mut known = Assignment::new();
/// let first = place(&mut known, &[id(0, 0), id(0, 1), id(1, 0)], 2);
/// assert_eq!(first, [(id(0, 0), 0), (id(0, 1), 1), (id(1, 0), 0)]);
/// assert_eq!(place(&mut known, &[id(0, 2)], 2), [(id(0, 2), 0)]);
/// assert_eq!(known[&id(1, 0)], 0);
/// ```
pub fn place(
    known: &mut Assignment,
    found: &[PartitionId],
    workers: usize,
) -> Vec<(PartitionId, usize)> {
    let mut all: BTreeMap<PartitionId, Option<usize>> =
        known.iter().map(|(id, worker)| (*id, Some(*worker))).collect();
    for id in found {
        all.entry(*id).or_insert(None);
    }
    let new: Vec<_> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, worker))| worker.is_none())
        .map(|(index, (id, _))| (*id, index % workers.max(1)))
        .collect();
    known.extend(new.iter().copied());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_never_moves_and_every_partition_has_one_worker() {
        for workers in 1..5 {
            let mut known = Assignment::new();
            let mut given = BTreeMap::new();
            for grown in 0..6_u32 {
                let found: Vec<_> = (0..3_u16)
                    .flat_map(|source| {
                        (0..=grown + u32::from(source))
                            .map(move |partition| PartitionId { source, partition })
                    })
                    .collect();
                for (id, worker) in place(&mut known, &found, workers) {
                    assert!(worker < workers);
                    assert!(given.insert(id, worker).is_none(), "{id:?} was given twice");
                }
                assert_eq!(known, given);
                assert_eq!(known.len(), found.len());
            }
        }
    }
}

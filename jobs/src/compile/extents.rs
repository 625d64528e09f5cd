//! How long which events keep a row alive.

use tidemark_operators::plan::Mask;
use tidemark_operators::time::Millis;

/// The entries of `all` that no other implies: one with fewer bits (so seen for more events) and at
/// least the extent. By bits.
pub(super) fn pruned(mut all: Vec<(Mask, Millis)>) -> Vec<(Mask, Millis)> {
    all.sort_unstable();
    all.dedup();
    let implies = |(bits, extent): &(Mask, Millis), other: &(Mask, Millis)| {
        (bits, extent) != (&other.0, &other.1) && bits & other.0 == *bits && *extent >= other.1
    };
    let kept = all.iter().filter(|entry| !all.iter().any(|other| implies(other, entry)));
    kept.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::pruned;

    #[test]
    fn an_entry_with_fewer_bits_and_the_same_extent_implies_another() {
        assert_eq!(pruned(vec![(0b01, 5), (0b11, 5)]), [(0b01, 5)]);
        assert_eq!(pruned(vec![(0b01, 5), (0b11, 4)]), [(0b01, 5)]);
        assert_eq!(pruned(vec![(0, 5), (0b11, 5), (0b10, 1)]), [(0, 5)]);
    }

    #[test]
    fn a_longer_extent_with_more_bits_stays() {
        assert_eq!(pruned(vec![(0b01, 5), (0b11, 6)]), [(0b01, 5), (0b11, 6)]);
    }

    #[test]
    fn entries_with_other_bits_stay() {
        assert_eq!(pruned(vec![(0b10, 5), (0b01, 5)]), [(0b01, 5), (0b10, 5)]);
    }

    #[test]
    fn the_longest_of_the_same_bits_stays() {
        assert_eq!(pruned(vec![(1, 5), (1, 7), (1, 5)]), [(1, 7)]);
    }
}

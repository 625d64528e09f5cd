//! Time zones as data.

/// How many changes of the offset may lie within the span of all offsets.
const NEAR: usize = 3;

/// A time zone as a table of offsets from UTC, so that the dataflow reads no tz database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name.
    pub name: String,
    /// `(from, offset)`: from this ms since the epoch on, local time is UTC plus `offset` ms.
    /// Ascending; the first entry starts at `i64::MIN`.
    pub offsets: Vec<(i64, i64)>,
}

impl Zone {
    /// UTC.
    ///
    /// ```
    /// use tidemark_operators::zone::Zone;
    ///
    /// assert_eq!(Zone::utc().to_utc(1_767_484_955_000), 1_767_484_955_000);
    /// ```
    pub fn utc() -> Self {
        Zone { name: "UTC".to_owned(), offsets: vec![(i64::MIN, 0)] }
    }

    /// The time, in ms since the epoch, at which clocks there show `local` (in ms since the epoch,
    /// were it UTC). A time that clocks show twice is the earlier one; one that they skip is as far
    /// behind the gap as it is within it.
    pub fn to_utc(&self, local: i64) -> i64 {
        let near = self.offsets.partition_point(|(from, _)| *from <= local);
        let first = near.saturating_sub(NEAR);
        let mut before = self.offsets.get(first).map_or(0, |(_, offset)| *offset);
        for (at, (from, offset)) in self.offsets.iter().enumerate().skip(first) {
            let end = self.offsets.get(at + 1).map_or(i64::MAX, |(end, _)| *end);
            let utc = local.saturating_sub(*offset);
            if utc < *from {
                // Skipped: by the clocks from before the gap.
                return local.saturating_sub(before);
            }
            if utc < end {
                return utc;
            }
            before = *offset;
        }
        local.saturating_sub(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_times_lie_behind_the_gap_and_doubled_ones_are_the_earlier() {
        const HOUR: i64 = 3_600_000;
        let offsets = vec![(i64::MIN, HOUR), (100 * HOUR, 2 * HOUR), (200 * HOUR, HOUR)];
        let zone = Zone { name: "Test/Summer".to_owned(), offsets };
        // Clocks go from 101:00 to 102:00, and at 202:00 back to 201:00.
        for (local, utc) in [(100, 99), (101, 100), (102, 100), (103, 101), (200, 198)] {
            assert_eq!(zone.to_utc(local * HOUR), utc * HOUR, "{local}");
        }
        assert_eq!(zone.to_utc(101 * HOUR + HOUR / 2), 100 * HOUR + HOUR / 2);
        assert_eq!(zone.to_utc(201 * HOUR + HOUR / 2), 199 * HOUR + HOUR / 2);
        assert_eq!(zone.to_utc(202 * HOUR), 201 * HOUR);
        assert_eq!(zone.to_utc(i64::MIN), i64::MIN);
    }
}

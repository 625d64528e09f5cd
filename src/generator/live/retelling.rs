//! The past of one card or user, made once more from the seed.

use super::{LiveOptions, generator, millis, turn};
use crate::generator::{Generator, Kind};
use tidemark_operators::time::EventTime;

/// The valid records of one card or user: so any of them has its past at hand, and none takes memory
/// for it. Time: that of all records of its partition so far.
#[derive(Clone, Debug)]
pub struct Retelling {
    generator: Generator,
    key: Vec<u8>,
}

impl Retelling {
    /// Of the card or user with this `key`, from the first record on. `None` when no partition of
    /// `options` could have it, or these leave the time to the clock ([`LiveOptions::present`]).
    pub fn of(options: &LiveOptions, key: &str) -> Option<Self> {
        let (_, number) = key.rsplit_once('_')?;
        let partition = number.parse::<u32>().ok()? % options.partitions.max(1);
        let start = options.present? + millis(turn(options, partition));
        let generator = generator(options, partition, start).ok()?;
        Some(Self { generator, key: key.as_bytes().to_vec() })
    }

    /// All records of a partition of `options`.
    #[cfg(test)]
    pub fn each(
        options: &LiveOptions,
        partition: u32,
        of: &mut impl FnMut(&crate::generator::Record<'_>),
    ) {
        let start = options.present.unwrap() + millis(turn(options, partition));
        let mut generator = generator(options, partition, start).unwrap();
        while let Some(record) = generator.next() {
            of(&record);
        }
    }

    /// Tells of those up to the clock `until` that were not told yet: their times and lines.
    pub fn tell(&mut self, until: EventTime, mut of: impl FnMut(EventTime, &[u8])) {
        while self.generator.clock() <= until {
            let Some(record) = self.generator.next() else { return };
            if record.kind == Kind::OnTime && record.key == self.key {
                of(record.time, record.line);
            }
        }
    }
}

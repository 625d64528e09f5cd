//! How many events.

use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable, put};
use crate::time::EventTime;

/// Events inside. A window holds fewer than 2^32 rows of a worker: the log is in memory.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, count::Count};
///
/// let (mut count, mut card) = (Count, [0]);
/// count.add(&mut card, 0, 0, 1_000);
/// count.add(&mut card, 0, 0, 2_000);
/// count.remove(&mut card, 0, 0, 1_000);
/// assert_eq!(count.read(&card, Reading::Count), Some(1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Count;

impl Algebra for Count {
    type State = [u32; 1];

    #[inline]
    fn add(&mut self, [events]: &mut [u32; 1], _slot: u32, _value: i64, _ts: EventTime) {
        *events += 1;
    }

    #[inline]
    fn remove(&mut self, [events]: &mut [u32; 1], _slot: u32, _value: i64, _ts: EventTime) {
        *events -= 1;
    }

    #[inline]
    fn read(&self, [events]: &[u32; 1], _reading: Reading) -> Option<u64> {
        Some(u64::from(*events))
    }

    fn holds(&self, [events]: &[u32; 1]) -> bool {
        *events > 0
    }

    fn save(&self, [events]: &[u32; 1], _by: &ByValue<'_>, out: &mut Vec<u8>) {
        if *events > 0 {
            put(out, u64::from(*events));
        }
    }

    fn load(
        &mut self,
        [events]: &mut [u32; 1],
        _slot: u32,
        _by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        *events = from.take_word()?;
        if *events > 0 { Ok(()) } else { Err(Unreadable::Impossible) }
    }
}

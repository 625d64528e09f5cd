//! Shannon's entropy of the values, from integers that come and go exactly.
//!
//! Kept: the [multiset](super::multisets) of values, which is the state by value; N, their number;
//! and E, the integer sum over the distinct values of `round(n ln n * 2^40)` with n the value's count.
//! Read as `ln(N) - E / 2^40 / N`. The terms come from one portable logarithm, so they are the same
//! bits on every machine, and a term that was added is the term that is taken away.
//!
//! Normalised it is that over `ln(k)`, with k the number of distinct values: within 0 and 1, and
//! exactly 1 when all counts are equal. The integers say whether they are: see `EntropyState::is_even`.

use super::distinct::Saturated;
use super::multisets::{Multisets, distinct, is_many};
use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable};
use crate::time::EventTime;
use crate::value::double_word;

const SCALE: f64 = (1u64 << 40) as f64;
/// Terms of counts below this are looked up.
const TABLE: u32 = 1024;

/// In five words: E is never negative, and less than 2^77 while there are fewer than 2^32 values.
#[derive(Clone, Copy, Debug)]
struct EntropyState {
    values: u32,
    /// The word of the multiset.
    word: u32,
    terms: i128,
}

impl EntropyState {
    #[inline]
    fn of([values, word, low, middle, high]: [u32; 5]) -> Self {
        let terms = [high, middle, low].iter().fold(0, |sum, word| sum << 32 | i128::from(*word));
        EntropyState { values, word, terms }
    }

    #[inline]
    fn words(self) -> [u32; 5] {
        let [low, middle, high] = [0, 32, 64].map(|shift| (self.terms >> shift) as u32);
        [self.values, self.word, low, middle, high]
    }

    /// Whether all counts are equal, `term(n)` being `round(n ln n * 2^40)`.
    ///
    /// k equal counts are N / k each, and E is then k times the term of that, to the last bit. The
    /// reverse: n ln n is strictly convex, so of all counts with this N and k the equal ones have the
    /// least sum, and no others have it. A count that is d off adds at least `2^40 d^2 / 2(N/k + d)`
    /// to it, which is more than 2^17 while counts are below 2^21; the terms of that count and of
    /// N / k are wrong by less than 2^14 there, so rounding cannot hide it. Where counts are larger,
    /// what passes for even differs from it by less than 1e-13 when read.
    #[inline]
    fn is_even(&self, term: impl FnOnce(u32) -> i128) -> bool {
        let distinct = distinct(self.word);
        distinct > 0
            && self.values.is_multiple_of(distinct)
            && self.terms == i128::from(distinct) * term(self.values / distinct)
    }

    fn entropy(&self) -> f64 {
        let n = f64::from(self.values);
        libm::log(n) - self.terms as f64 / SCALE / n
    }
}

/// Entropies.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, entropy::Entropy};
///
/// let (mut countries, mut card) = (Entropy::new(Some(100)), [0; 5]);
/// [1, 1, 2, 2].iter().for_each(|symbol| countries.add(&mut card, 0, *symbol, 1_000));
/// let read = countries.read(&card, Reading::Entropy { normalised: true });
/// assert_eq!(read.map(f64::from_bits), Some(1.0));
/// ```
#[derive(Clone)]
pub struct Entropy {
    most: Option<u64>,
    multisets: Multisets,
    table: Box<[i128]>,
    saturated: Saturated,
}

/// `round(n ln n * 2^40)`.
fn term(n: u32) -> i128 {
    let n = f64::from(n);
    if n == 0.0 { 0 } else { libm::round(n * libm::log(n) * SCALE) as i128 }
}

impl Entropy {
    /// Of counts that are written as `most` at most (the entropy is over all values).
    pub fn new(most: Option<u64>) -> Self {
        let table = (0..TABLE).map(term).collect();
        Entropy { most, multisets: Multisets::default(), table, saturated: Saturated::default() }
    }

    #[inline]
    fn term(&self, n: u32) -> i128 {
        self.table.get(n as usize).copied().unwrap_or_else(|| term(n))
    }
}

impl Algebra for Entropy {
    type State = [u32; 5];
    const WARMS: bool = true;

    #[inline]
    fn add(&mut self, state: &mut [u32; 5], slot: u32, value: i64, _ts: EventTime) {
        let mut changed = EntropyState::of(*state);
        let before = self.multisets.add(&mut changed.word, slot, value as u32);
        changed.values += 1;
        changed.terms += self.term(before + 1) - self.term(before);
        *state = changed.words();
    }

    #[inline]
    fn remove(&mut self, state: &mut [u32; 5], slot: u32, value: i64, _ts: EventTime) {
        let mut changed = EntropyState::of(*state);
        let before = self.multisets.remove(&mut changed.word, slot, value as u32);
        if before == 0 {
            return;
        }
        changed.values -= 1;
        changed.terms += self.term(before - 1) - self.term(before);
        *state = changed.words();
    }

    #[inline]
    fn read(&self, state: &[u32; 5], reading: Reading) -> Option<u64> {
        let state = EntropyState::of(*state);
        let distinct = distinct(state.word);
        let normalised = match reading {
            Reading::Entropy { normalised } => normalised,
            Reading::Distinct => return Some(self.saturated.read(distinct, self.most)),
            _ => return Some(u64::from(state.values)),
        };
        double_word(match normalised {
            _ if distinct <= 1 => 0.0,
            true if state.is_even(|n| self.term(n)) => 1.0,
            true => (state.entropy() / libm::log(f64::from(distinct))).clamp(0.0, 1.0),
            false => state.entropy(),
        })
    }

    #[inline]
    fn warm(&self, [_, word, ..]: &[u32; 5], slot: u32, value: i64) -> u32 {
        self.multisets.warm(*word, slot, value as u32)
    }

    fn holds(&self, state: &[u32; 5]) -> bool {
        EntropyState::of(*state).values > 0
    }

    fn save(&self, state: &[u32; 5], by: &ByValue<'_>, out: &mut Vec<u8>) {
        self.multisets.save(EntropyState::of(*state).word, by, out);
    }

    fn load(
        &mut self,
        state: &mut [u32; 5],
        slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let Entropy { multisets, table, .. } = self;
        let EntropyState { mut values, mut word, mut terms } = EntropyState::of(*state);
        let loaded = multisets.load(&mut word, slot, by, from, |count| {
            values = values.checked_add(count).ok_or(Unreadable::Large)?;
            terms += table.get(count as usize).copied().unwrap_or_else(|| term(count));
            Ok(())
        });
        *state = EntropyState { values, word, terms }.words();
        loaded
    }

    fn many(&self) -> Option<&Multisets> {
        Some(&self.multisets)
    }

    fn has_many(&self, [_, word, ..]: &[u32; 5]) -> bool {
        is_many(*word)
    }

    fn saturated(&self) -> u64 {
        self.saturated.times()
    }

    fn memory(&self) -> usize {
        self.multisets.bytes()
    }

    fn reusable(&self) -> usize {
        self.multisets.reusable()
    }
}

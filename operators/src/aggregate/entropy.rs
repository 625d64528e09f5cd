//! Shannon's entropy of the values, from integers that come and go exactly.
//!
//! Kept: N, the number of values, and E, the integer sum over the distinct values of
//! `round(n ln n * 2^40)` with n the value's count. Read as `ln(N) - E / 2^40 / N`. The terms come
//! from one portable logarithm, so they are the same bits on every machine, and a term that was
//! added is the term that is taken away.
//!
//! Normalised it is that over `ln(k)`, with k the number of distinct values: within 0 and 1, and
//! exactly 1 when all counts are equal. The integers say whether they are: see `EntropyState::is_even`.

use super::counts::Counts;
use super::distinct::Saturated;
use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;

const SCALE: f64 = (1u64 << 40) as f64;
/// Terms of counts below this are looked up.
const TABLE: u32 = 1024;

#[derive(Clone, Copy, Debug, Default)]
struct EntropyState {
    values: u32,
    distinct: u32,
    /// E as two words, so that the state has no padding.
    terms: [u64; 2],
}

impl EntropyState {
    #[inline]
    fn sum(&self) -> i128 {
        (u128::from(self.terms[1]) << 64 | u128::from(self.terms[0])).cast_signed()
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
        self.distinct > 0
            && self.values.is_multiple_of(self.distinct)
            && self.sum() == i128::from(self.distinct) * term(self.values / self.distinct)
    }

    #[inline]
    fn change(&mut self, by: i128) {
        let sum = (self.sum() + by).cast_unsigned();
        self.terms = [sum as u64, (sum >> 64) as u64];
    }
}

/// Entropies by slot.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, entropy::Entropy};
/// use tidemark_operators::value::Column;
///
/// let mut countries = Entropy::new(Some(100));
/// countries.grow(1);
/// [1, 1, 2, 2].iter().for_each(|symbol| countries.add(0, *symbol, 1_000));
/// let mut out = Column::default();
/// countries.read(0, Reading::Entropy { normalised: true }, &mut out);
/// assert_eq!(out.double(0), Some(1.0));
/// ```
pub struct Entropy {
    most: Option<u64>,
    counts: Counts,
    states: Slab<EntropyState>,
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
        let (counts, states, saturated) = Default::default();
        Entropy { most, counts, states, table, saturated }
    }

    #[inline]
    fn term(&self, n: u32) -> i128 {
        self.table.get(n as usize).copied().unwrap_or_else(|| term(n))
    }
}

impl Algebra for Entropy {
    fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let before = self.counts.add(slot, value as u32);
        let change = self.term(before + 1) - self.term(before);
        let state = &mut self.states[slot];
        state.values += 1;
        state.distinct += u32::from(before == 0);
        state.change(change);
    }

    #[inline]
    fn remove(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let before = self.counts.remove(slot, value as u32);
        if before == 0 {
            return;
        }
        let change = self.term(before - 1) - self.term(before);
        let state = &mut self.states[slot];
        state.values -= 1;
        state.distinct -= u32::from(before == 1);
        state.change(change);
    }

    #[inline]
    fn read(&self, slot: u32, reading: Reading, out: &mut Column) {
        let state = &self.states[slot];
        match reading {
            Reading::Entropy { .. } if state.distinct <= 1 => out.push_double(0.0),
            Reading::Entropy { normalised: true } if state.is_even(|n| self.term(n)) => {
                out.push_double(1.0);
            }
            Reading::Entropy { normalised } => {
                let n = f64::from(state.values);
                let entropy = libm::log(n) - state.sum() as f64 / SCALE / n;
                out.push_double(if normalised {
                    (entropy / libm::log(f64::from(state.distinct))).clamp(0.0, 1.0)
                } else {
                    entropy
                });
            }
            Reading::Distinct => {
                out.push_word(self.saturated.read(state.distinct, self.most));
            }
            _ => out.push_word(u64::from(state.values)),
        }
    }

    fn warm(&self, lane: &Lane, values: &[i64]) {
        self.counts.warm(lane, values);
    }

    fn holds(&self, slot: u32) -> bool {
        self.states[slot].values > 0
    }

    fn saturated(&self) -> u64 {
        self.saturated.times()
    }

    fn memory(&self) -> usize {
        self.states.bytes() + self.counts.bytes()
    }
}

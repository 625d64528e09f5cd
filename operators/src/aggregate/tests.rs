//! The laws of every algebra: what leaves takes back what entered, no order shows, and what is read
//! is what a fresh look at the events inside gives, to the last bit.

use super::count::Count;
use super::distinct::Distinct;
use super::entropy::Entropy;
use super::extreme::Extreme;
use super::moments::{Moments, nearest};
use super::sum::Sum;
use super::{Algebra, Reading, StateWords as _};
use crate::time::EventTime;
use crate::value::{Column, DECIMAL_UNITS_MAX, Type};
use ethnum::U256;
use proptest::collection::vec;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng, rngs::SmallRng, seq::SliceRandom as _};
use std::collections::BTreeMap;

const SLOTS: u32 = 3;
/// Reported distinct values saturate here.
const MOST: u64 = 6;

type Event = (EventTime, u32, i64);
type Make = fn() -> Box<dyn Slots>;

/// An algebra with slots, whichever it is.
trait Slots {
    fn add(&mut self, slot: u32, value: i64, ts: EventTime);
    fn remove(&mut self, slot: u32, value: i64, ts: EventTime);
    fn read(&self, slot: u32, reading: Reading) -> Option<u64>;
    fn holds(&self, slot: u32) -> bool;
}

/// Each slot's words, zero at first, with a word before and behind them that is not the algebra's.
struct Of<A: Algebra> {
    algebra: A,
    slots: Vec<Vec<u32>>,
}

const OTHERS: u32 = 0xDEAD_BEEF;

impl<A: Algebra + 'static> Of<A> {
    fn new(algebra: A) -> Self {
        let words = [vec![OTHERS], vec![0; A::State::LEN], vec![OTHERS]].concat();
        Of { algebra, slots: vec![words; SLOTS as usize] }
    }

    fn boxed(algebra: A) -> Box<dyn Slots> {
        Box::new(Self::new(algebra))
    }

    fn state(&self, slot: u32) -> &A::State {
        let words = &self.slots[slot as usize];
        let others = (words.first(), words.last());
        assert_eq!(others, (Some(&OTHERS), Some(&OTHERS)), "words of others are theirs");
        A::State::of(words, 1)
    }
}

impl<A: Algebra + 'static> Slots for Of<A> {
    fn add(&mut self, slot: u32, value: i64, ts: EventTime) {
        let state = A::State::of_mut(&mut self.slots[slot as usize], 1);
        self.algebra.add(state, slot, value, ts);
    }

    fn remove(&mut self, slot: u32, value: i64, ts: EventTime) {
        let state = A::State::of_mut(&mut self.slots[slot as usize], 1);
        self.algebra.remove(state, slot, value, ts);
    }

    fn read(&self, slot: u32, reading: Reading) -> Option<u64> {
        self.algebra.read(self.state(slot), reading)
    }

    fn holds(&self, slot: u32) -> bool {
        self.algebra.holds(self.state(slot))
    }
}

/// Every algebra, what is read of it, and whether its values are symbols.
fn algebras() -> Vec<(&'static str, Make, Vec<Reading>, bool)> {
    let entropy = |normalised| Reading::Entropy { normalised };
    let sums = vec![Reading::Count, Reading::Sum, Reading::Avg];
    let moments = vec![Reading::Count, Reading::Sum, Reading::Avg, Reading::Stddev];
    let entropies = vec![Reading::Count, Reading::Distinct, entropy(false), entropy(true)];
    let extreme = || vec![Reading::Extreme];
    vec![
        ("count", || Of::boxed(Count), vec![Reading::Count], false),
        ("sum", || Of::boxed(Sum::new(1e6)), sums, false),
        ("moments", || Of::boxed(Moments::new(1e6)), moments, false),
        ("max", || Of::boxed(Extreme::<false>::new(Type::Int)), extreme(), false),
        ("min", || Of::boxed(Extreme::<true>::new(Type::DECIMAL)), extreme(), false),
        ("distinct", || Of::boxed(Distinct::new(Some(MOST))), vec![Reading::Distinct], true),
        ("entropy", || Of::boxed(Entropy::new(Some(MOST))), entropies, true),
    ]
}

fn read(algebra: &dyn Slots, slot: u32, reading: Reading) -> Column {
    let mut column = Column::default();
    column.push(algebra.read(slot, reading));
    column
}

/// A reading by its meaning.
fn naive(name: &str, values: &[i64], reading: Reading) -> Column {
    let mut out = Column::default();
    let n = values.len();
    let mut counts = BTreeMap::<i64, u32>::new();
    values.iter().for_each(|v| *counts.entry(*v).or_default() += 1);
    let sum: i128 = values.iter().map(|v| i128::from(*v)).sum();
    match reading {
        Reading::Count => out.push_int(n as i64),
        Reading::Sum => out.push_double(sum as f64 / 1e6),
        Reading::Distinct => out.push_word(counts.len() as u64),
        Reading::Entropy { .. } if counts.len() <= 1 => out.push_double(0.0),
        Reading::Entropy { normalised } => {
            let scale = (1u64 << 40) as f64;
            let term = |n: f64| libm::round(n * libm::log(n) * scale) as i128;
            let terms: i128 = counts.values().map(|n| term(f64::from(*n))).sum();
            let entropy = libm::log(n as f64) - terms as f64 / scale / n as f64;
            let even = counts.values().all(|n| Some(n) == counts.values().next());
            let most = libm::log(counts.len() as f64);
            out.push_double(match normalised {
                true if even => 1.0,
                true => (entropy / most).clamp(0.0, 1.0),
                false => entropy,
            });
        }
        // Hours have tests of their own.
        Reading::HourShare => out.push_null(),
        _ if n == 0 => out.push_null(),
        Reading::Avg => out.push_double(sum as f64 / 1e6 / n as f64),
        Reading::Stddev => {
            // n Q - S^2 is the sum of the squared distances of all pairs; and a decimal number is
            // parsed to the nearest double.
            let mut variance = U256::ZERO;
            for (at, a) in values.iter().enumerate() {
                for b in &values[at + 1..] {
                    let distance = U256::from(i128::from(*a).abs_diff(i128::from(*b)));
                    variance += distance * distance;
                }
            }
            let variance: f64 = variance.to_string().parse().unwrap();
            out.push_double(variance.sqrt() / n as f64 / 1e6);
        }
        Reading::Extreme if name == "max" => out.push_int(*values.iter().max().unwrap()),
        Reading::Extreme => out.push_double(*values.iter().min().unwrap() as f64 / 1e6),
    }
    out
}

/// Whether everything `algebra` says is what the meaning of `inside` says.
fn check(name: &str, algebra: &dyn Slots, readings: &[Reading], inside: &[Event]) {
    for slot in 0..SLOTS {
        let values = inside.iter().filter(|e| e.1 == slot);
        let values: Vec<i64> = values.map(|e| e.2).collect();
        assert_eq!(algebra.holds(slot), !values.is_empty(), "{name}");
        for reading in readings {
            let (is, should) = (read(algebra, slot, *reading), naive(name, &values, *reading));
            assert_eq!(is, should, "{name} {reading:?} of {values:?}");
        }
    }
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -20i64..20,
        2 => prop::sample::select(vec![
            DECIMAL_UNITS_MAX, -DECIMAL_UNITS_MAX, DECIMAL_UNITS_MAX - 1, i64::MAX, -i64::MAX, i64::MAX - 1, 33_330_000,
        ]),
        1 => -i64::MAX..=i64::MAX,
    ]
}

fn symbol() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 1i64..12, 1 => 1i64..=i64::from(u32::MAX)]
}

/// What arrives while the clock stands, and by how much it moves then.
fn history(value: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<(Vec<Event>, u64)>> {
    // Times are relative to the clock: what has left already does not enter any more.
    vec((vec((0u64..15, 0..SLOTS, value), 0..12), 0u64..9), 1..8)
}

/// Enters and leaves as live windows do: in any order of arrival, leaving when the clock says so.
fn run(history: &[(Vec<Event>, u64)], seed: u64, symbols: bool) {
    for (name, make, readings, _) in algebras().into_iter().filter(|a| a.3 == symbols) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut algebra = make();
        check(name, &*algebra, &readings, &[]);
        let (mut inside, mut clock) = (Vec::<Event>::new(), 0);
        for (arrivals, step) in history {
            for (after, slot, value) in arrivals {
                let ts = clock + after;
                algebra.add(*slot, *value, ts);
                inside.push((ts, *slot, *value));
            }
            check(name, &*algebra, &readings, &inside);
            clock += step;
            inside.shuffle(&mut rng);
            for (ts, slot, value) in inside.iter().filter(|e| e.0 < clock) {
                algebra.remove(*slot, *value, *ts);
            }
            inside.retain(|e| e.0 >= clock);
            check(name, &*algebra, &readings, &inside);
        }
        inside.sort_unstable();
        inside.iter().for_each(|(ts, slot, value)| algebra.remove(*slot, *value, *ts));
        check(name, &*algebra, &readings, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn numbers_enter_and_leave_without_a_trace(history in history(amount()), seed: u64) {
        run(&history, seed, false);
    }

    #[test]
    fn symbols_enter_and_leave_without_a_trace(history in history(symbol()), seed: u64) {
        run(&history, seed, true);
    }

    #[test]
    fn no_order_of_arrival_shows(
        events in vec((0u64..10, 0..SLOTS, 1i64..6), 0..60),
        left in 0u64..10,
        seed: u64,
    ) {
        for (name, make, readings, _) in algebras() {
            let (mut one, mut other) = (make(), make());
            events.iter().for_each(|(ts, slot, value)| one.add(*slot, *value, *ts));
            let mut rest: Vec<Event> = events.iter().copied().filter(|e| e.0 >= left).collect();
            for (ts, slot, value) in events.iter().filter(|e| e.0 < left) {
                one.remove(*slot, *value, *ts);
            }
            // The other has never seen those, and the rest in another order.
            rest.shuffle(&mut SmallRng::seed_from_u64(seed));
            rest.iter().for_each(|(ts, slot, value)| other.add(*slot, *value, *ts));
            for (slot, reading) in (0..SLOTS).flat_map(|s| readings.iter().map(move |r| (s, *r))) {
                prop_assert_eq!(read(&*one, slot, reading), read(&*other, slot, reading), "{}", name);
            }
        }
    }

    #[test]
    fn a_large_integer_becomes_the_double_its_decimal_digits_parse_to(high: u128, low: u128, shift in 0u32..256) {
        let value = U256::from_words(high, low) >> shift;
        prop_assert_eq!(nearest(value), value.to_string().parse::<f64>().unwrap());
    }
}

#[test]
fn entropy_is_the_same_bits_after_a_million_changes_as_from_scratch() {
    let mut rng = SmallRng::seed_from_u64(11);
    let (mut entropy, mut inside) = (Of::new(Entropy::new(Some(MOST))), Vec::<i64>::new());
    let readings = [Reading::Entropy { normalised: false }, Reading::Entropy { normalised: true }];
    for round in 0..1_000_000u32 {
        // Counts pass the end of the table of terms and come back.
        let grow = if round % 200_000 < 100_000 { 0.52 } else { 0.48 };
        if inside.is_empty() || rng.random_bool(grow) {
            let symbol = if rng.random() { 1 } else { rng.random_range(1..40) };
            entropy.add(1, symbol, 0);
            inside.push(symbol);
        } else {
            let at = rng.random_range(0..inside.len());
            entropy.remove(1, inside.swap_remove(at), 0);
        }
        if round % 9_973 == 0 {
            let mut fresh = Of::new(Entropy::new(Some(MOST)));
            inside.iter().for_each(|symbol| fresh.add(1, *symbol, 0));
            for reading in readings {
                let is = read(&entropy, 1, reading);
                assert_eq!(is, read(&fresh, 1, reading), "round {round}");
                assert_eq!(is, naive("entropy", &inside, reading), "round {round}");
            }
        }
    }
    assert_eq!(read(&entropy, 0, readings[0]).double(0), Some(0.0));
}

/// What [`Entropy`] reads, normalised, where symbols 1, 2, .. came so many times each.
fn normalised_entropy(counts: &[u32]) -> f64 {
    let mut entropy = Of::new(Entropy::new(Some(MOST)));
    for (symbol, count) in (1..).zip(counts) {
        (0..*count).for_each(|_| entropy.add(0, symbol, 0));
    }
    read(&entropy, 0, Reading::Entropy { normalised: true }).double(0).unwrap()
}

#[test]
fn normalised_entropy_is_exactly_one_for_equal_counts_and_only_for_those() {
    // Counts up to and past the end of the table of terms.
    for (distinct, count) in
        (2..=40).flat_map(|k| [1, 2, 3, 5, 7, 64, 1_023, 1_025].map(|n| (k, n)))
    {
        let mut counts = vec![count; distinct];
        assert_eq!(normalised_entropy(&counts), 1.0, "{count} times each of {distinct}");
        counts[0] += 1;
        assert!(normalised_entropy(&counts) < 1.0, "{counts:?}");
        // The same number of values in all.
        counts[1] -= 1;
        let uneven = normalised_entropy(&counts);
        // With one of each, a value is gone by this.
        assert!(count == 1 || uneven < 1.0, "{uneven} of {counts:?}");
    }
    assert_eq!(normalised_entropy(&[300_000, 300_000]), 1.0);
    assert!(normalised_entropy(&[300_001, 299_999]) < 1.0);
    assert_eq!([normalised_entropy(&[]), normalised_entropy(&[9])], [0.0, 0.0]);
}

proptest! {
    #[test]
    fn normalised_entropy_is_within_zero_and_one(
        counts in prop_oneof![vec(1u32..4, 0..30), vec(1u32..3_000, 0..6)],
    ) {
        let entropy = normalised_entropy(&counts);
        prop_assert!((0.0..=1.0).contains(&entropy), "{}", entropy);
        let even = counts.len() > 1 && counts.iter().all(|n| *n == counts[0]);
        prop_assert_eq!(entropy == 1.0, even);
    }
}

#[test]
fn three_payments_of_33_33_deviate_by_exactly_nothing_after_others_have_come_and_gone() {
    let mut moments = Of::new(Moments::new(1e6));
    let others = [DECIMAL_UNITS_MAX, -DECIMAL_UNITS_MAX, 1, i64::MAX, -i64::MAX];
    others.iter().for_each(|v| moments.add(0, *v, 0));
    (0..3).for_each(|_| moments.add(0, 33_330_000, 1));
    others.iter().for_each(|v| moments.remove(0, *v, 0));
    assert_eq!(read(&moments, 0, Reading::Stddev).double(0), Some(0.0));
    assert_eq!(read(&moments, 0, Reading::Avg).double(0), Some(33.33));
}

#[test]
fn a_distinct_count_beyond_what_is_written_is_exact_and_counted() {
    let mut distinct = Of::new(Distinct::new(Some(MOST)));
    (1..=20).for_each(|symbol| distinct.add(0, symbol, 0));
    assert_eq!(read(&distinct, 0, Reading::Distinct).int(0), Some(20));
    (1..=15).for_each(|symbol| distinct.remove(0, symbol, 0));
    assert_eq!(read(&distinct, 0, Reading::Distinct).int(0), Some(5));
    assert_eq!(distinct.algebra.saturated(), 1);
}

/// What an algebra keeps beside a slot's words is far away when its rows come, unless it is loaded.
#[test]
fn what_is_kept_beside_the_words_is_loaded_before_it_is_changed() {
    fn loads<A: Algebra>(algebra: &A) -> bool {
        A::WARMS == (algebra.memory() > 0)
    }
    let mut state = [0; 5];
    let (mut distinct, mut entropy) = (Distinct::new(None), Entropy::new(None));
    distinct.add(&mut [0], 0, 1, 1_000);
    entropy.add(&mut state, 0, 1, 1_000);
    assert!(loads(&distinct) && loads(&entropy));
    assert!(loads(&Extreme::<false>::new(Type::Int)) && loads(&Extreme::<true>::new(Type::Int)));
    assert!(loads(&Count) && loads(&Sum::new(1.0)) && loads(&Moments::new(1.0)));
}

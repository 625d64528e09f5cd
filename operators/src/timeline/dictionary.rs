//! The values of an attribute as symbols: most short ones are their symbols themselves, the others are
//! kept and numbered.
//!
//! ```text
//! text      1 .. fbff_ffff               numbers
//!           fc00_0000 ..                 a text of at most 3 bytes: its length, then its bytes
//! address   1 .. 00ff_ffff               numbers
//!           0100_0000 .. dfff_ffff       an IPv4 address: 1.0.0.0 to 223.255.255.255
//!           e000_0000 ..                 numbers, the first of them 0100_0000
//! else      1 ..                         numbers
//! ```
//!
//! Why this way: countries, currencies and addresses are what events are counted distinct by. A value
//! that is its symbol needs no memory, no look-up when an event comes and none when it goes. Addresses
//! that no host has (0/8, 224/3) leave their numbers to those that are kept: half a billion IPv6
//! addresses at once, which are more than 20 GB.

use crate::interner::{Interner, Likely, stable_hash};
use crate::value::Type;

/// From here on a symbol is a text of at most [`SHORT_BYTES_MAX`] bytes.
const SHORT: u32 = 0xfc00_0000;
const SHORT_BYTES_MAX: usize = 3;
/// From here on to [`HOSTS_END`] a symbol is an IPv4 address.
const HOSTS: u32 = 0x0100_0000;
const HOSTS_END: u32 = 0xe000_0000;

/// Which values stand for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    None,
    /// Texts of at most three bytes.
    Short,
    /// IPv4 addresses of hosts.
    Hosts,
}

/// See the module. A value that is kept is counted by who uses it, as in an [`Interner`].
///
/// ```
/// use tidemark_operators::timeline::dictionary::Dictionary;
/// use tidemark_operators::value::Type;
///
/// let mut texts = Dictionary::new(Type::Text);
/// let (short, long) = (texts.intern(b"FR"), texts.intern(b"France"));
/// assert_eq!(texts.bytes(short, &mut [0; 4]), b"FR");
/// assert_eq!(texts.bytes(long, &mut [0; 4]), b"France");
/// assert_eq!(texts.len(), 1, "one of them is kept");
/// ```
#[derive(Debug)]
pub struct Dictionary {
    own: Own,
    kept: Interner,
}

impl Dictionary {
    /// An empty one for values of a type. No symbol is 0, which is null.
    pub fn new(ty: Type) -> Self {
        let own = match ty {
            Type::Text => Own::Short,
            Type::Ip => Own::Hosts,
            _ => Own::None,
        };
        Dictionary { own, kept: Interner::new(1) }
    }

    /// The symbol that a value is.
    #[inline]
    pub fn own(&self, bytes: &[u8]) -> Option<u32> {
        match (self.own, bytes) {
            (Own::Short, []) => Some(SHORT),
            (Own::Short, [a]) => Some(short(1, [0, 0, *a])),
            (Own::Short, [a, b]) => Some(short(2, [0, *a, *b])),
            (Own::Short, [a, b, c]) => Some(short(3, [*a, *b, *c])),
            (Own::Hosts, [a, b, c, d]) => {
                let address = u32::from_be_bytes([*a, *b, *c, *d]);
                (HOSTS..HOSTS_END).contains(&address).then_some(address)
            }
            _ => None,
        }
    }

    /// Whether a symbol is a value itself.
    #[inline]
    fn is_own(&self, symbol: u32) -> bool {
        match self.own {
            Own::None => false,
            Own::Short => symbol >= SHORT,
            Own::Hosts => (HOSTS..HOSTS_END).contains(&symbol),
        }
    }

    /// The number of a value that is kept.
    #[inline]
    fn number(&self, symbol: u32) -> u32 {
        if self.own == Own::Hosts && symbol >= HOSTS_END {
            symbol - (HOSTS_END - HOSTS)
        } else {
            symbol
        }
    }

    /// The symbol of a value that is kept.
    #[inline]
    fn symbol(&self, number: u32) -> u32 {
        if self.own == Own::Hosts && number >= HOSTS {
            number + (HOSTS_END - HOSTS)
        } else {
            number
        }
    }

    /// Which numbers values with these hashes probably have; see [`Interner::likely`].
    pub fn likely(&self, hashes: &[u64]) -> Likely {
        self.kept.likely(hashes)
    }

    /// As [`keep`](Self::keep), of a value that probably has this number.
    #[inline]
    pub fn keep_as(&mut self, likely: u32, bytes: &[u8], hash: u64) -> u32 {
        let number = self.kept.intern_as(likely, bytes, hash);
        self.symbol(number)
    }

    /// The symbol of a value that is not its own, counted once more as used. `hash` is its
    /// [`stable_hash`].
    #[inline]
    pub fn keep(&mut self, bytes: &[u8], hash: u64) -> u32 {
        let number = self.kept.intern(bytes, hash);
        self.symbol(number)
    }

    /// The symbol of a value, counted once more as used.
    pub fn intern(&mut self, bytes: &[u8]) -> u32 {
        self.own(bytes).unwrap_or_else(|| self.keep(bytes, stable_hash(bytes)))
    }

    /// The symbol of a value, if it is one itself or anything uses it.
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        let kept = || self.kept.find(bytes, stable_hash(bytes)).map(|number| self.symbol(number));
        self.own(bytes).or_else(kept)
    }

    /// Counts a symbol once more as used; 0 is null and not counted.
    #[inline]
    pub fn retain(&mut self, symbol: u32) {
        if symbol != 0 && !self.is_own(symbol) {
            self.kept.retain(self.number(symbol));
        }
    }

    /// Counts a symbol once less; 0 is null and not counted.
    #[inline]
    pub fn release(&mut self, symbol: u32) {
        if symbol != 0 && !self.is_own(symbol) {
            self.kept.release(self.number(symbol));
        }
    }

    /// The value of a symbol, in `own` where it is the symbol itself; empty for null.
    #[inline]
    pub fn bytes<'a>(&'a self, symbol: u32, own: &'a mut [u8; 4]) -> &'a [u8] {
        if symbol == 0 {
            return &[];
        }
        if !self.is_own(symbol) {
            return self.kept.bytes(self.number(symbol));
        }
        *own = symbol.to_be_bytes();
        match (self.own, &*own) {
            (Own::Hosts, address) => address,
            (_, [length, text @ ..]) => {
                let blank = SHORT_BYTES_MAX.saturating_sub(usize::from(length & 3));
                text.get(blank..).unwrap_or_default()
            }
        }
    }

    /// The number of the kept value that a symbol stands for; `None` when it is its own value.
    #[inline]
    pub(crate) fn kept_number(&self, symbol: u32) -> Option<u32> {
        (!self.is_own(symbol)).then(|| self.number(symbol))
    }

    /// Loads what the kept values of these numbers are in.
    pub(crate) fn warm_numbers(&self, numbers: &[u32]) {
        self.kept.warm_ids(numbers);
    }

    /// The kept value of a number.
    pub(crate) fn kept_bytes(&self, number: u32) -> &[u8] {
        self.kept.bytes(number)
    }

    /// How many values are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// One more than the greatest number ever given to a value that is kept.
    pub fn end(&self) -> usize {
        self.kept.end()
    }

    /// About how much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.kept.memory()
    }

    /// How much of it is kept for numbers that are given again, in bytes.
    pub fn reusable(&self) -> usize {
        self.kept.reusable()
    }
}

#[inline]
fn short(length: u32, [a, b, c]: [u8; SHORT_BYTES_MAX]) -> u32 {
    SHORT | length << 24 | u32::from_be_bytes([0, a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn value() -> impl Strategy<Value = Vec<u8>> {
        let edges = [0_u32, 0x00ff_ffff, HOSTS, HOSTS_END - 1, HOSTS_END, u32::MAX];
        prop_oneof![
            proptest::collection::vec(0_u8..3, 0..6),
            proptest::sample::select(edges.to_vec()).prop_map(|edge| edge.to_be_bytes().to_vec()),
            any::<[u8; 4]>().prop_map(|bytes| bytes.to_vec()),
            (0_u8..9).prop_map(|last| [&[0x20; 15][..], &[last]].concat()),
        ]
    }

    proptest! {
        #[test]
        fn each_value_has_a_symbol_of_its_own_while_it_is_used_and_none_is_null(
            steps in proptest::collection::vec((value(), 0..3), 0..200),
        ) {
            for ty in [Type::Text, Type::Ip, Type::Int] {
                let mut values = Dictionary::new(ty);
                let mut twin: HashMap<Vec<u8>, (u32, u32)> = HashMap::new();
                for (bytes, step) in &steps {
                    match (step, twin.get_mut(bytes)) {
                        (0, Some((symbol, users))) => {
                            values.release(*symbol);
                            *users -= 1;
                            if *users == 0 {
                                twin.remove(bytes);
                            }
                        }
                        (1, Some((symbol, users))) => {
                            values.retain(*symbol);
                            *users += 1;
                        }
                        (_, known) => {
                            let symbol = values.intern(bytes);
                            prop_assert_ne!(symbol, 0);
                            match known {
                                Some((before, users)) => {
                                    prop_assert_eq!(*before, symbol);
                                    *users += 1;
                                }
                                None => {
                                    prop_assert!(twin.values().all(|(other, _)| *other != symbol));
                                    twin.insert(bytes.clone(), (symbol, 1));
                                }
                            }
                        }
                    }
                    for (bytes, (symbol, _)) in &twin {
                        prop_assert!(*values.bytes(*symbol, &mut [0; 4]) == **bytes);
                    }
                    let kept = twin.keys().filter(|bytes| values.own(bytes).is_none()).count();
                    prop_assert_eq!(values.len(), kept);
                }
                prop_assert!(values.bytes(0, &mut [0; 4]).is_empty());
            }
        }
    }

    #[test]
    fn hosts_and_short_texts_stand_for_themselves_and_numbers_go_around_them() {
        let own = |ty, bytes: &[u8]| Dictionary::new(ty).own(bytes);
        for address in [[1, 0, 0, 0], [10, 0, 0, 1], [223, 255, 255, 255]] {
            assert_eq!(own(Type::Ip, &address), Some(u32::from_be_bytes(address)));
            assert_eq!(own(Type::Text, &address), None);
        }
        assert_eq!(own(Type::Ip, &[1; 16]), None);
        for address in [[0, 255, 255, 255], [224, 0, 0, 0], [255; 4]] {
            assert_eq!(own(Type::Ip, &address), None);
        }
        for (text, symbol) in [("", 0xfc00_0000), ("a", 0xfd00_0061), ("\0", 0xfd00_0000)] {
            assert_eq!(own(Type::Text, text.as_bytes()), Some(symbol));
        }
        assert_eq!(own(Type::Text, b"USD"), Some(0xff55_5344));
        let addresses = Dictionary::new(Type::Ip);
        for number in [1, HOSTS - 1, HOSTS, HOSTS + 1, 0x20ff_ffff] {
            let symbol = addresses.symbol(number);
            assert!(!addresses.is_own(symbol), "{symbol:x}");
            assert_eq!(addresses.number(symbol), number);
        }
        assert_eq!(addresses.symbol(0x20ff_ffff), u32::MAX);
    }
}

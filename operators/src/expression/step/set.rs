//! Membership in the set of an `in`.
//!
//! Codes (merchant categories, countries, event types) are mostly short, so a byte string of up to
//! 7 bytes is packed with its length into one word and looked up among words.

use super::kernel::{View, pack};
use crate::value::{Type, Value, address_bytes};

/// Sets up to this size are searched from front to back, larger ones by halves.
const LINEAR_MAX: usize = 16;

/// The values of an `in`, sorted, each once.
#[derive(Clone, Debug)]
pub(crate) enum Set {
    /// Ints, decimals, timestamps, bools.
    Words(Vec<u64>),
    /// Doubles, by their bits.
    Doubles(Vec<u64>),
    /// Texts and addresses: the packed ones, and the longer ones.
    Bytes { short: Vec<u64>, long: Vec<Vec<u8>> },
}

impl Set {
    /// The values of type `ty` among `values`.
    pub(crate) fn new(ty: Type, values: &[Value]) -> Set {
        if ty.is_bytes() {
            let (mut short, mut long) = (Vec::new(), Vec::new());
            for bytes in values.iter().filter_map(|value| bytes_of(ty, value)) {
                match pack(&bytes) {
                    Some(word) => short.push(word),
                    None => long.push(bytes),
                }
            }
            long.sort_unstable();
            long.dedup();
            return Set::Bytes { short: sorted(short), long };
        }
        let words = sorted(values.iter().filter_map(|value| word_of(ty, value)).collect());
        if ty == Type::Double { Set::Doubles(words) } else { Set::Words(words) }
    }

    /// Whether the value of `view` with this word is in the set.
    #[inline]
    pub(crate) fn contains(&self, view: View<'_>, word: u64) -> bool {
        match self {
            Set::Words(words) => found(words, &word),
            Set::Doubles(words) => found(words, &(f64::from_bits(word) + 0.0).to_bits()),
            Set::Bytes { short, long } => match view.packed(word) {
                Some(packed) => found(short, &packed),
                None => {
                    let bytes = view.bytes_of(word);
                    long.binary_search_by(|member| member.as_slice().cmp(bytes)).is_ok()
                }
            },
        }
    }
}

#[inline]
fn found(words: &[u64], word: &u64) -> bool {
    if words.len() <= LINEAR_MAX { words.contains(word) } else { words.binary_search(word).is_ok() }
}

fn sorted(mut words: Vec<u64>) -> Vec<u64> {
    words.sort_unstable();
    words.dedup();
    words
}

/// The word of a value of this type that is no byte string.
pub(crate) fn word_of(ty: Type, value: &Value) -> Option<u64> {
    match (ty, value) {
        (Type::Decimal(scale), Value::Decimal(units, own)) => {
            (scale == *own).then_some(units.cast_unsigned())
        }
        (Type::Int, Value::Int(value)) | (Type::Timestamp, Value::Timestamp(value)) => {
            Some(value.cast_unsigned())
        }
        (Type::Double, Value::Double(value)) => {
            value.is_finite().then_some((value + 0.0).to_bits())
        }
        (Type::Bool, Value::Bool(value)) => Some(u64::from(*value)),
        _ => None,
    }
}

/// The bytes of a value of this type that is a byte string.
pub(crate) fn bytes_of(ty: Type, value: &Value) -> Option<Vec<u8>> {
    match (ty, value) {
        (Type::Text, Value::Text(text)) => Some(text.as_bytes().to_vec()),
        (Type::Ip, Value::Ip(address)) => Some(address_bytes(*address)),
        _ => None,
    }
}

//! Columns of whole numbers: in groups, each with what its values have in common taken out.
//!
//! ```text
//! group:  width | nulls | exceptions | base | factor | width bits a value | exceptions
//! value:  null, or base + factor * code
//! ```
//!
//! - Null (`i64::MIN`) is code 0, and does not widen the others.
//! - `factor` is a power of ten that all differences from `base` can be divided by: amounts in
//!   millionths that are whole cents have 10,000.
//! - A few values much larger than the others have only their lowest bits there; the others follow.

use super::bits::{pack, packed_bytes, unpack};
use super::{Encoded, push_varint, unzigzag, zigzag};
use tidemark_operators::event_batch::NULL;

/// Values that have a width in common. Their places fit into a byte.
const GROUP: usize = 256;
/// In the byte of the width: some are null.
const NULLS: u8 = 0x80;
/// What an exception costs besides its own bits: its place.
const EXCEPTION_BITS: usize = 8;
/// Their number fits into a byte.
const EXCEPTIONS_MAX: usize = 255;
/// By how many bits fewer than the widest needs it is tried: each try costs.
const NARROWER: [u32; 3] = [1, 3, 6];
/// Each of so many codes is looked at for what most of them need.
const SAMPLED: usize = 13;

/// Appends a column; `word` makes a number of each of its values.
pub(in super::super) fn encode_integers<T: Copy>(
    values: &[T],
    word: impl Fn(T) -> i64,
    out: &mut Vec<u8>,
) {
    let mut group = [0; GROUP];
    for chunk in values.chunks(GROUP) {
        group.iter_mut().zip(chunk).for_each(|(to, from)| *to = word(*from));
        encode_group(group.get(..chunk.len()).unwrap_or_default(), out);
    }
}

/// Appends a column of places, for [`decode_integers`]: most columns are such, and without nulls, a base
/// and a factor there is less to be found out, which halves the time.
pub(in super::super) fn encode_places<T: Copy + Into<u32>>(places: &[T], out: &mut Vec<u8>) {
    let mut codes = [0; GROUP];
    let mut group = [0u32; GROUP];
    for chunk in places.chunks(GROUP) {
        let Some(group) = group.get_mut(..chunk.len()) else { continue };
        let Some(codes) = codes.get_mut(..chunk.len()) else { continue };
        group.iter_mut().zip(chunk).for_each(|(to, from)| *to = (*from).into());
        codes.iter_mut().zip(&*group).for_each(|(code, place)| *code = u64::from(*place));
        // It has as many bits as the greatest.
        let all = group.iter().fold(0, |all, place| all | place);
        let like_most = group.iter().filter(|place| **place > all >> 4).count();
        let width = match like_most > group.len() / 4 {
            true => GroupWidth { bits: 32 - all.leading_zeros(), exceptions: 0 },
            false => width(codes),
        };
        push_group(codes, width, InCommon { nulls: false, base: 0, factor: 1 }, out);
    }
}

/// Appends a column whose values ascend.
pub(in super::super) fn encode_ascending(values: &[u64], out: &mut Vec<u8>) {
    let first = values.first().copied().unwrap_or(0);
    push_varint(first, out);
    let before = std::iter::once(first).chain(values.iter().copied());
    let steps = values.iter().zip(before).map(|(value, before)| value.wrapping_sub(before));
    encode_integers(&steps.collect::<Vec<_>>(), u64::cast_signed, out);
}

fn encode_group(values: &[i64], out: &mut Vec<u8>) {
    // Null is the least of all numbers.
    let least = values
        .iter()
        .fold(i64::MAX, |least, value| least.min(if *value == NULL { i64::MAX } else { *value }));
    let most = values.iter().copied().fold(NULL, i64::max);
    let nulls = values.iter().fold(false, |nulls, value| nulls | (*value == NULL));
    let base = if most == NULL { 0 } else { least };
    let mut codes = [0; GROUP];
    let Some(codes) = codes.get_mut(..values.len()) else { return };
    let mut factor = 1;
    if most != NULL && most != base {
        for (code, value) in codes.iter_mut().zip(values) {
            *code = if *value == NULL { 0 } else { difference(*value, base) };
        }
        factor = divided(codes);
    }
    if nulls && most != NULL {
        // A null is not the least value, so there is room for one more.
        let coded = codes.iter_mut().zip(values);
        coded.for_each(|(code, value)| *code += u64::from(*value != NULL));
    }
    push_group(codes, width(codes), InCommon { nulls, base, factor }, out);
}

/// What the values of a group have in common.
struct InCommon {
    nulls: bool,
    base: i64,
    factor: u64,
}

/// How many bits a code has, and how many codes need more.
struct GroupWidth {
    bits: u32,
    exceptions: usize,
}

fn push_group(codes: &mut [u64], width: GroupWidth, shared: InCommon, out: &mut Vec<u8>) {
    let GroupWidth { bits: width, exceptions } = width;
    let InCommon { nulls, base, factor } = shared;
    // At most 64, and at most 255: see `width`.
    let [width_byte, ..] = width.to_le_bytes();
    let [exceptions_byte, ..] = exceptions.to_le_bytes();
    out.extend([width_byte | if nulls { NULLS } else { 0 }, exceptions_byte]);
    push_varint(zigzag(base), out);
    push_varint(factor, out);
    if exceptions == 0 {
        pack(codes, width, out);
        return;
    }
    let mut above = Vec::with_capacity(exceptions);
    for (place, code) in (0u8..=255).zip(codes.iter_mut()) {
        if *code >> width != 0 {
            above.push((place, *code >> width));
            *code &= (1 << width) - 1;
        }
    }
    pack(codes, width, out);
    for (place, bits) in above {
        out.push(place);
        push_varint(bits, out);
    }
}

/// How far above `base`, which is not above it.
fn difference(value: i64, base: i64) -> u64 {
    value.wrapping_sub(base).cast_unsigned()
}

/// Divides all of them by the power of ten that they can be divided by, of those that amounts and
/// times are multiples of: constants, since processors are slow to divide by others.
fn divided(codes: &mut [u64]) -> u64 {
    fn by<const FACTOR: u64>(codes: &mut [u64]) -> bool {
        let can_be = codes.iter().all(|code| code % FACTOR == 0);
        if can_be {
            codes.iter_mut().for_each(|code| *code /= FACTOR);
        }
        can_be
    }
    match () {
        () if !codes.iter().all(|code| code % 10 == 0) => 1,
        () if by::<1_000_000>(codes) => 1_000_000,
        () if by::<10_000>(codes) => 10_000,
        () if by::<1_000>(codes) => 1_000,
        () if by::<100>(codes) => 100,
        () => {
            by::<10>(codes);
            10
        }
    }
}

/// The width that takes the least room, and how many codes do not fit into it.
fn width(codes: &[u64]) -> GroupWidth {
    let most = codes.iter().copied().fold(0, u64::max);
    let widest = 64 - most.leading_zeros();
    if widest == 0 {
        return GroupWidth { bits: 0, exceptions: 0 };
    }
    // Where they are much like one another no other width is better, and counting costs.
    let like_most = codes.iter().filter(|code| **code > most >> 3).count();
    if like_most > codes.len() / 4 {
        return GroupWidth { bits: widest, exceptions: 0 };
    }
    let mut best = GroupWidth { bits: widest, exceptions: 0 };
    let mut least = widest as usize * codes.len();
    // A few of them say what most need when a single one is far above the others.
    let some = codes.iter().step_by(SAMPLED).copied().fold(0, u64::max);
    let narrower = NARROWER.map(|narrower| widest.saturating_sub(narrower));
    for width in narrower.into_iter().chain([64 - some.leading_zeros()]) {
        let exceptions =
            codes.iter().filter(|code| code.checked_shr(width).unwrap_or(0) != 0).count();
        let each = EXCEPTION_BITS + (widest - width).div_ceil(7) as usize * 8;
        let bits = width as usize * codes.len() + exceptions * each;
        if width < widest && exceptions <= EXCEPTIONS_MAX && bits < least {
            (best, least) = (GroupWidth { bits: width, exceptions }, bits);
        }
    }
    best
}

/// Reads a column of so many values; `None` when the bytes are none.
pub(in super::super) fn decode_integers(
    encoded: &mut Encoded<'_>,
    count: usize,
    mut out: impl FnMut(i64),
) -> Option<()> {
    let mut left = count;
    while left > 0 {
        let here = left.min(GROUP);
        decode_group(encoded, here, &mut out)?;
        left -= here;
    }
    Some(())
}

/// Reads what [`encode_ascending`] wrote.
pub(in super::super) fn decode_ascending(
    encoded: &mut Encoded<'_>,
    count: usize,
) -> Option<Vec<u64>> {
    let mut last = encoded.varint()?;
    let mut values = Vec::with_capacity(count.min(super::BLOCK_ROWS));
    let mut fits = true;
    decode_integers(encoded, count, |step| {
        match u64::try_from(step).ok().and_then(|step| last.checked_add(step)) {
            Some(value) => last = value,
            None => fits = false,
        }
        values.push(last);
    })?;
    fits.then_some(values)
}

fn decode_group(encoded: &mut Encoded<'_>, count: usize, out: &mut impl FnMut(i64)) -> Option<()> {
    let (first, exceptions) = (encoded.byte()?, encoded.byte()?);
    let (nulls, width) = (first & NULLS != 0, u32::from(first & !NULLS));
    let (base, factor) = (unzigzag(encoded.varint()?), encoded.varint()?);
    if width > 64 {
        return None;
    }
    let bytes = encoded.take(packed_bytes(count, width))?;
    let mut codes = [0; GROUP];
    let mut places = codes.iter_mut();
    unpack(bytes, width, count, |code| {
        if let Some(place) = places.next() {
            *place = code;
        }
    });
    let codes = codes.get_mut(..count)?;
    for _ in 0..exceptions {
        let code = codes.get_mut(usize::from(encoded.byte()?))?;
        *code |= encoded.varint()?.checked_shl(width)?;
    }
    let mut fits = true;
    for code in codes {
        let steps = match (nulls, *code) {
            (true, 0) => {
                out(NULL);
                continue;
            }
            (true, code) => code - 1,
            (false, code) => code,
        };
        let value = steps.checked_mul(factor).and_then(|above| base.checked_add_unsigned(above));
        fits &= value.is_some();
        out(value.unwrap_or(base));
    }
    fits.then_some(())
}

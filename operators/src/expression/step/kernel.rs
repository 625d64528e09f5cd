//! The loops: each reads blocks of words and validity and appends a block to a column.
//!
//! The word of a null is written as 0, so that equal columns are equal bit by bit. Loops that are
//! cheap for a null too compute it and mask it away, so that the compiler can vectorise them; the
//! `_present` ones skip nulls.

use crate::value::Column;

/// The rows of one operand in a block.
#[derive(Clone, Copy, Default)]
pub(crate) struct View<'a> {
    pub(crate) words: &'a [u64],
    pub(crate) valid: &'a [bool],
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// `rows` rows of a column from `from` on; no rows when it has not that many.
    #[inline]
    pub(crate) fn of(column: &'a Column, from: usize, rows: usize) -> View<'a> {
        let range = from..from.saturating_add(rows);
        match (column.words.get(range.clone()), column.valid.get(range)) {
            (Some(words), Some(valid)) => View { words, valid, bytes: &column.bytes },
            _ => View::default(),
        }
    }

    /// The byte string a word stands for; empty for a word that is none.
    #[inline]
    pub(crate) fn bytes_of(&self, word: u64) -> &'a [u8] {
        let (start, end) = ((word >> 32) as usize, (word & 0xffff_ffff) as usize);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// [`pack`] of the byte string a word stands for: with one load, except at the arena's end.
    #[inline]
    pub(crate) fn packed(&self, word: u64) -> Option<u64> {
        let (start, end) = ((word >> 32) as usize, (word & 0xffff_ffff) as usize);
        let len = end.saturating_sub(start);
        match self.bytes.get(start..).and_then(<[u8]>::first_chunk::<8>) {
            Some(chunk) if len < 8 => {
                let own = (1u64 << (8 * len)) - 1;
                Some(u64::from_le_bytes(*chunk) & own | (len as u64) << 56)
            }
            _ => pack(self.bytes_of(word)),
        }
    }

    fn rows(self) -> impl Iterator<Item = (u64, bool)> {
        self.words.iter().copied().zip(self.valid.iter().copied())
    }
}

/// A byte string of at most 7 bytes in one word: its bytes from the lowest up, its length on top.
pub(crate) fn pack(bytes: &[u8]) -> Option<u64> {
    let mut packed = [0; 8];
    packed[7] = u8::try_from(bytes.len()).ok()?;
    packed[..7].get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(packed))
}

/// Appends `rows` nulls to a column and returns them to be written.
#[inline]
fn grow(out: &mut Column, rows: usize) -> impl Iterator<Item = (&mut u64, &mut bool)> {
    let base = out.words.len();
    out.words.resize(base + rows, 0);
    out.valid.resize(base + rows, false);
    let words = out.words.get_mut(base..).unwrap_or_default();
    let valid = out.valid.get_mut(base..).unwrap_or_default();
    words.iter_mut().zip(valid)
}

/// The word of a value that is there, 0 of one that is not; without a branch.
#[inline]
fn masked(word: u64, valid: bool) -> u64 {
    word & u64::from(valid).wrapping_neg()
}

/// `f` of each value; where it has no result, null. Returns how often that was.
#[inline]
pub(crate) fn unary(arg: View<'_>, out: &mut Column, f: impl Fn(u64) -> Option<u64>) -> u64 {
    let mut lost = 0;
    for ((word, valid), (to, there)) in arg.rows().zip(grow(out, arg.words.len())) {
        let result = f(word);
        let ok = valid & result.is_some();
        lost += u64::from(valid & !ok);
        *to = masked(result.unwrap_or(0), ok);
        *there = ok;
    }
    lost
}

/// As [`unary`], never asking `f` about a null.
#[inline]
pub(crate) fn unary_present(
    arg: View<'_>,
    out: &mut Column,
    mut f: impl FnMut(u64) -> Option<u64>,
) -> u64 {
    let mut lost = 0;
    for ((word, valid), (to, there)) in arg.rows().zip(grow(out, arg.words.len())) {
        if valid {
            match f(word) {
                Some(result) => (*to, *there) = (result, true),
                None => lost += 1,
            }
        }
    }
    lost
}

/// `f` of each pair; null where one is null, and where it has no result: returns how often that was.
#[inline]
pub(crate) fn binary(
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    f: impl Fn(u64, u64) -> Option<u64>,
) -> u64 {
    let mut lost = 0;
    let pairs = left.rows().zip(right.rows());
    for (((a, a_valid), (b, b_valid)), (to, there)) in pairs.zip(grow(out, left.words.len())) {
        let valid = a_valid & b_valid;
        let result = f(a, b);
        let ok = valid & result.is_some();
        lost += u64::from(valid & !ok);
        *to = masked(result.unwrap_or(0), ok);
        *there = ok;
    }
    lost
}

/// As [`binary`], never asking `f` about a null.
#[inline]
pub(crate) fn binary_present(
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    f: impl Fn(u64, u64) -> Option<u64>,
) -> u64 {
    let mut lost = 0;
    let pairs = left.rows().zip(right.rows());
    for (((a, a_valid), (b, b_valid)), (to, there)) in pairs.zip(grow(out, left.words.len())) {
        if a_valid && b_valid {
            match f(a, b) {
                Some(result) => (*to, *there) = (result, true),
                None => lost += 1,
            }
        }
    }
    lost
}

/// Kleene's `and`: false when one is false, else null when one is null.
pub(crate) fn and(left: View<'_>, right: View<'_>, out: &mut Column) -> u64 {
    let pairs = left.rows().zip(right.rows());
    for (((a, a_valid), (b, b_valid)), (to, there)) in pairs.zip(grow(out, left.words.len())) {
        let no = (a_valid & (a == 0)) | (b_valid & (b == 0));
        *there = no | (a_valid & b_valid);
        *to = u64::from(a_valid & b_valid & !no);
    }
    0
}

/// Kleene's `or`: true when one is true, else null when one is null.
pub(crate) fn or(left: View<'_>, right: View<'_>, out: &mut Column) -> u64 {
    let pairs = left.rows().zip(right.rows());
    for (((a, a_valid), (b, b_valid)), (to, there)) in pairs.zip(grow(out, left.words.len())) {
        let yes = (a_valid & (a != 0)) | (b_valid & (b != 0));
        *there = yes | (a_valid & b_valid);
        *to = u64::from(yes);
    }
    0
}

/// Whether each value is null.
pub(crate) fn is_null(arg: View<'_>, out: &mut Column) -> u64 {
    for ((_, valid), (to, there)) in arg.rows().zip(grow(out, arg.words.len())) {
        (*to, *there) = (u64::from(!valid), true);
    }
    0
}

/// `yes` where the condition is true, else `no`.
pub(crate) fn choose(condition: View<'_>, yes: View<'_>, no: View<'_>, out: &mut Column) {
    let values = condition.rows().zip(yes.rows().zip(no.rows()));
    for (((word, valid), (yes, no)), (to, there)) in values.zip(grow(out, condition.words.len())) {
        let (word, valid) = if valid & (word != 0) { yes } else { no };
        (*to, *there) = (masked(word, valid), valid);
    }
}

/// [`choose`] for byte strings.
pub(crate) fn choose_bytes(condition: View<'_>, yes: View<'_>, no: View<'_>, out: &mut Column) {
    for ((word, valid), (a, b)) in condition.rows().zip(yes.rows().zip(no.rows())) {
        let ((word, valid), from) = if valid & (word != 0) { (a, yes) } else { (b, no) };
        push_bytes(out, from, word, valid);
    }
}

/// The first value where it is there, else the second.
pub(crate) fn either(first: View<'_>, second: View<'_>, out: &mut Column) {
    let values = first.rows().zip(second.rows());
    for ((first_row, second_row), (to, there)) in values.zip(grow(out, first.words.len())) {
        let (word, valid) = if first_row.1 { first_row } else { second_row };
        (*to, *there) = (masked(word, valid), valid);
    }
}

/// [`either`] for byte strings.
pub(crate) fn either_bytes(first: View<'_>, second: View<'_>, out: &mut Column) {
    for (a, b) in first.rows().zip(second.rows()) {
        let ((word, valid), from) = if a.1 { (a, first) } else { (b, second) };
        push_bytes(out, from, word, valid);
    }
}

/// The values as they are.
pub(crate) fn copy(arg: View<'_>, out: &mut Column) {
    for ((word, valid), (to, there)) in arg.rows().zip(grow(out, arg.words.len())) {
        (*to, *there) = (masked(word, valid), valid);
    }
}

/// [`copy`] for byte strings.
pub(crate) fn copy_bytes(arg: View<'_>, out: &mut Column) {
    for (word, valid) in arg.rows() {
        push_bytes(out, arg, word, valid);
    }
}

#[inline]
fn push_bytes(out: &mut Column, from: View<'_>, word: u64, valid: bool) {
    if valid {
        out.push_bytes(from.bytes_of(word));
    } else {
        out.push_null();
    }
}

//! Numbers in words: exact ints and decimals, doubles, and their comparison.

use super::super::Comparison;
use super::kernel::{self, View};
use crate::value::Column;

/// The word of an int or decimal; `i64::MIN` counts as an overflow, since it stands for null in the
/// log.
#[inline]
pub(super) fn int(value: Option<i64>) -> Option<u64> {
    match value {
        Some(value) if value != i64::MIN => Some(value.cast_unsigned()),
        _ => None,
    }
}

/// The word of a wide result, when it fits.
#[inline]
pub(super) fn word_of(value: i128) -> Option<u64> {
    int(i64::try_from(value).ok())
}

/// The word of a double: none for NaN and infinities, and `-0` becomes `0`.
#[inline]
pub(super) fn double(value: f64) -> Option<u64> {
    value.is_finite().then_some((value + 0.0).to_bits())
}

/// The nearest double, ties to even.
#[inline]
pub(super) fn nearest(value: i64) -> f64 {
    value as f64
}

/// The product of two decimals' units over `unit`, rounded half to even.
#[inline]
pub(super) fn multiply_decimals(left: i64, right: i64, unit: i64) -> Option<i64> {
    let product = i128::from(left) * i128::from(right);
    let unit = i128::from(unit);
    let (quotient, rest) = (product.div_euclid(unit), product.rem_euclid(unit));
    let up = rest * 2 > unit || (rest * 2 == unit && quotient.rem_euclid(2) == 1);
    i64::try_from(quotient + i128::from(up)).ok()
}

/// An exact operation on ints, or on decimals; returns how many overflowed.
#[inline]
pub(super) fn ints(
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    f: impl Fn(i64, i64) -> Option<i64>,
) -> u64 {
    kernel::binary(left, right, out, |a, b| int(f(a.cast_signed(), b.cast_signed())))
}

/// An operation on ints and decimals, each multiplied by its factor first so that both are in the same
/// units.
#[inline]
pub(super) fn scaled(
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    factors: (i64, i64),
    f: impl Fn(i128, i128) -> Option<u64>,
) -> u64 {
    let (l, r) = (i128::from(factors.0), i128::from(factors.1));
    kernel::binary(left, right, out, |a, b| {
        f(i128::from(a.cast_signed()) * l, i128::from(b.cast_signed()) * r)
    })
}

/// An operation on doubles.
#[inline]
pub(super) fn doubles(
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    f: impl Fn(f64, f64) -> f64,
) -> u64 {
    kernel::binary(left, right, out, |a, b| double(f(f64::from_bits(a), f64::from_bits(b))))
}

/// A relation between words read by `read`. The relation is matched outside of the loop.
#[inline]
pub(super) fn compare<T: PartialOrd>(
    op: Comparison,
    left: View<'_>,
    right: View<'_>,
    out: &mut Column,
    read: impl Fn(u64) -> T,
) -> u64 {
    let bool = |holds: bool| Some(u64::from(holds));
    match op {
        Comparison::Equal => kernel::binary(left, right, out, |a, b| bool(read(a) == read(b))),
        Comparison::NotEqual => kernel::binary(left, right, out, |a, b| bool(read(a) != read(b))),
        Comparison::Less => kernel::binary(left, right, out, |a, b| bool(read(a) < read(b))),
        Comparison::LessOrEqual => {
            kernel::binary(left, right, out, |a, b| bool(read(a) <= read(b)))
        }
        Comparison::Greater => kernel::binary(left, right, out, |a, b| bool(read(a) > read(b))),
        Comparison::GreaterOrEqual => {
            kernel::binary(left, right, out, |a, b| bool(read(a) >= read(b)))
        }
    }
}

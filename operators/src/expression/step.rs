//! The instructions of a compiled expression.
//!
//! An instruction reads operands (input columns, registers, constants) over one block of rows and
//! appends as many values to its target. `kernel` has the loops, `number` what they do to one pair
//! of words, `set` membership.

pub(super) mod kernel;
pub(super) mod number;
pub(super) mod set;

use super::Comparison;
use crate::time::{DAY, HOUR};
use crate::value::Column;
use crate::zone::Zone;
use kernel::View;
use number::{double, int, word_of};
use set::Set;

/// Where an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// The caller's column at this index.
    Input(usize),
    /// The result of an earlier instruction.
    Register(usize),
    /// A column of one value.
    Constant(usize),
}

/// Where an instruction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A register, cleared before.
    Register(usize),
    /// The caller's output, behind the rows of earlier blocks.
    Out,
}

/// One instruction.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    pub(super) step: Step,
    pub(super) target: Target,
}

/// What an instruction does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
    /// `bytes` says that the values are byte strings.
    Choose {
        condition: Operand,
        yes: Operand,
        no: Operand,
        bytes: bool,
    },
    /// The first operand where it is there, else the second.
    Either {
        first: Operand,
        second: Operand,
        bytes: bool,
    },
    Member {
        arg: Operand,
        set: Set,
    },
    Copy {
        arg: Operand,
        bytes: bool,
    },
}

/// Steps of one operand. `Int` stands for decimals and timestamps too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    NegateInt,
    NegateDouble,
    AbsInt,
    AbsDouble,
    /// Between 0 and this word, that of 1.
    ClampInt(i64),
    ClampDouble,
    Sqrt,
    Ln,
    Hour,
    Weekday,
    Not,
    IsNull,
    IntToDouble,
    /// From a decimal whose 1 is this word.
    DecimalToDouble(i64),
    /// Times this: to a decimal with more decimals.
    Rescale(i64),
}

/// Steps of two operands. `Int` stands for decimals and timestamps too, as long as both are the
/// same; `Scaled` first multiplies each by its factor, so that an int meets a decimal, or two decimals
/// have as many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    AddInt,
    SubtractInt,
    MultiplyInt,
    AddScaled(i64, i64),
    SubtractScaled(i64, i64),
    /// Divided by this, rounded half to even.
    MultiplyDecimal(i64),
    AddDouble,
    SubtractDouble,
    MultiplyDouble,
    DivideDouble,
    CompareInt(Comparison),
    CompareScaled(Comparison, i64, i64),
    CompareDouble(Comparison),
    CompareBytes(Comparison),
    And,
    Or,
    LeastInt,
    GreatestInt,
    LeastDouble,
    GreatestDouble,
}

/// What the operands of a block are read from.
pub(super) struct Frame<'a> {
    pub(super) inputs: &'a [Column],
    pub(super) registers: &'a [Column],
    pub(super) constants: &'a [Column],
    pub(super) zone: &'a Zone,
    /// The first row of the block in the inputs.
    pub(super) from: usize,
    /// How many rows the block has.
    pub(super) rows: usize,
}

impl<'a> Frame<'a> {
    fn view(&self, operand: Operand) -> View<'a> {
        let (columns, index, from) = match operand {
            Operand::Input(index) => (self.inputs, index, self.from),
            Operand::Register(index) => (self.registers, index, 0),
            Operand::Constant(index) => (self.constants, index, 0),
        };
        columns.get(index).map(|column| View::of(column, from, self.rows)).unwrap_or_default()
    }

    /// Runs one step, appends its values to `out`, and returns how many ints or decimals overflowed.
    pub(super) fn run(&self, step: &Step, out: &mut Column) -> u64 {
        match step {
            Step::Unary(op, arg) => return self.unary(*op, self.view(*arg), out),
            Step::Binary(op, left, right) => {
                return self.binary(*op, self.view(*left), self.view(*right), out);
            }
            Step::Choose { condition, yes, no, bytes } => {
                let (condition, yes, no) = (self.view(*condition), self.view(*yes), self.view(*no));
                if *bytes {
                    kernel::choose_bytes(condition, yes, no, out);
                } else {
                    kernel::choose(condition, yes, no, out);
                }
            }
            Step::Either { first, second, bytes } => {
                let (first, second) = (self.view(*first), self.view(*second));
                if *bytes {
                    kernel::either_bytes(first, second, out);
                } else {
                    kernel::either(first, second, out);
                }
            }
            Step::Member { arg, set } => {
                let arg = self.view(*arg);
                kernel::unary_present(arg, out, |word| Some(u64::from(set.contains(arg, word))));
            }
            Step::Copy { arg, bytes: false } => kernel::copy(self.view(*arg), out),
            Step::Copy { arg, bytes: true } => kernel::copy_bytes(self.view(*arg), out),
        }
        0
    }

    fn unary(&self, op: Unary, arg: View<'_>, out: &mut Column) -> u64 {
        match op {
            Unary::NegateInt => {
                return kernel::unary(arg, out, |w| int(i64::checked_neg(w.cast_signed())));
            }
            Unary::AbsInt => {
                return kernel::unary(arg, out, |w| int(i64::checked_abs(w.cast_signed())));
            }
            Unary::Rescale(factor) => {
                return kernel::unary(arg, out, |w| int(w.cast_signed().checked_mul(factor)));
            }
            Unary::ClampInt(one) => {
                kernel::unary(arg, out, |w| Some(w.cast_signed().clamp(0, one).cast_unsigned()))
            }
            Unary::NegateDouble => kernel::unary(arg, out, |w| double(-f64::from_bits(w))),
            Unary::AbsDouble => kernel::unary(arg, out, |w| double(f64::from_bits(w).abs())),
            Unary::ClampDouble => {
                kernel::unary(arg, out, |w| double(f64::from_bits(w).clamp(0.0, 1.0)))
            }
            Unary::Sqrt => kernel::unary(arg, out, |w| double(f64::from_bits(w).sqrt())),
            Unary::Ln => kernel::unary_present(arg, out, |w| double(libm::log(f64::from_bits(w)))),
            Unary::Hour => self.calendar(arg, out, |local| {
                local.rem_euclid(DAY.cast_signed()) / HOUR.cast_signed()
            }),
            // The epoch was a Thursday, the day 3.
            Unary::Weekday => self.calendar(arg, out, |local| {
                (local.div_euclid(DAY.cast_signed()) + 3).rem_euclid(7)
            }),
            Unary::Not => kernel::unary(arg, out, |w| Some(w ^ 1)),
            Unary::IsNull => kernel::is_null(arg, out),
            Unary::IntToDouble => {
                kernel::unary(arg, out, |w| double(number::nearest(w.cast_signed())))
            }
            Unary::DecimalToDouble(unit) => {
                let unit = number::nearest(unit);
                kernel::unary(arg, out, |w| double(number::nearest(w.cast_signed()) / unit))
            }
        };
        0
    }

    /// An int read off the local time; the rows of a block mostly share one offset.
    fn calendar(&self, arg: View<'_>, out: &mut Column, read: impl Fn(i64) -> i64) -> u64 {
        let mut span = OffsetSpan { from: 0, until: 0, offset: 0 };
        kernel::unary_present(arg, out, |word| {
            let ts = word.cast_signed();
            if ts < span.from || ts >= span.until {
                span = OffsetSpan::at(self.zone, ts);
            }
            Some(read(ts.saturating_add(span.offset)).cast_unsigned())
        })
    }

    fn binary(&self, op: Binary, left: View<'_>, right: View<'_>, out: &mut Column) -> u64 {
        match op {
            Binary::AddInt => return number::ints(left, right, out, i64::checked_add),
            Binary::SubtractInt => return number::ints(left, right, out, i64::checked_sub),
            Binary::MultiplyInt => return number::ints(left, right, out, i64::checked_mul),
            Binary::MultiplyDecimal(unit) => {
                let multiply = |a, b| number::multiply_decimals(a, b, unit);
                return number::ints(left, right, out, multiply);
            }
            Binary::AddScaled(l, r) => {
                return number::scaled(left, right, out, (l, r), |a, b| word_of(a + b));
            }
            Binary::SubtractScaled(l, r) => {
                return number::scaled(left, right, out, (l, r), |a, b| word_of(a - b));
            }
            Binary::CompareScaled(op, l, r) => {
                number::scaled(left, right, out, (l, r), |a, b| Some(op.holds(&a, &b)))
            }
            Binary::AddDouble => number::doubles(left, right, out, |a, b| a + b),
            Binary::SubtractDouble => number::doubles(left, right, out, |a, b| a - b),
            Binary::MultiplyDouble => number::doubles(left, right, out, |a, b| a * b),
            // A finite number over 0 is infinite, 0 over 0 NaN: both null.
            Binary::DivideDouble => number::doubles(left, right, out, |a, b| a / b),
            Binary::CompareInt(op) => number::compare(op, left, right, out, u64::cast_signed),
            Binary::CompareDouble(op) => number::compare(op, left, right, out, f64::from_bits),
            Binary::CompareBytes(op) => kernel::binary_present(left, right, out, |a, b| {
                Some(op.holds(left.bytes_of(a), right.bytes_of(b)))
            }),
            Binary::And => kernel::and(left, right, out),
            Binary::Or => kernel::or(left, right, out),
            Binary::LeastInt => number::ints(left, right, out, |a, b| Some(a.min(b))),
            Binary::GreatestInt => number::ints(left, right, out, |a, b| Some(a.max(b))),
            Binary::LeastDouble => number::doubles(left, right, out, f64::min),
            Binary::GreatestDouble => number::doubles(left, right, out, f64::max),
        };
        0
    }
}

/// A stretch of time with one offset from UTC: from `from`, before `until`.
struct OffsetSpan {
    from: i64,
    until: i64,
    offset: i64,
}

impl OffsetSpan {
    fn at(zone: &Zone, ts: i64) -> OffsetSpan {
        let next = zone.offsets.partition_point(|(from, _)| *from <= ts);
        let until = zone.offsets.get(next).map_or(i64::MAX, |(from, _)| *from);
        match next.checked_sub(1).and_then(|at| zone.offsets.get(at)) {
            Some((from, offset)) => OffsetSpan { from: *from, until, offset: *offset },
            None => OffsetSpan { from: i64::MIN, until, offset: 0 },
        }
    }
}

impl Comparison {
    /// 1 when `left` stands in this relation to `right`, else 0.
    #[inline]
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> u64 {
        u64::from(match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        })
    }
}

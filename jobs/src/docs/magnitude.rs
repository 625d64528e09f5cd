//! Whether an expression can leave the range of doubles: bounds of its values, found from what they
//! are made of.

use tidemark_operators::expression::{Arithmetic, Expr, Function};
use tidemark_operators::plan::{EntityPlan, Read, ViewPlan};
use tidemark_operators::value::{Type, Value};

/// No int is beyond this, and so no count.
const INT_MAX: f64 = 9.3e18;
/// The least that an average, a deviation or a share may be besides 0; far below any of them.
const QUOTIENT_MIN: f64 = 1e-30;

/// Bounds of a number's magnitude: the greatest, and the least besides 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    most: f64,
    least: f64,
}

/// A range, and whether something that it comes from can be infinite, and so null.
type Extent = (Range, bool);

const ANY: Range = Range { most: f64::MAX, least: 5e-324 };
const INT: Range = Range { most: INT_MAX, least: 1.0 };

/// Whether a result on the way to the column at `index` can be beyond the greatest double.
pub(super) fn overflows(entity: &EntityPlan, view: &ViewPlan, index: usize) -> bool {
    Magnitudes { entity, view }.column(index).1
}

struct Magnitudes<'a> {
    entity: &'a EntityPlan,
    view: &'a ViewPlan,
}

impl Magnitudes<'_> {
    fn column(&self, index: usize) -> Extent {
        if let Some(read) = self.view.reads.get(index) {
            return (self.read(*read), false);
        }
        let derived = index.checked_sub(self.view.reads.len());
        derived.and_then(|at| self.view.derived.get(at)).map_or((ANY, false), |it| self.expr(it))
    }

    fn read(&self, read: Read) -> Range {
        match read {
            Read::Count { .. } | Read::Distinct { .. } | Read::Gap { .. } => INT,
            Read::LatestTime { .. } => INT,
            // As many of the greatest as can be counted.
            Read::Sum { .. } | Read::SessionSum { .. } => {
                Range { most: INT_MAX * INT_MAX, least: 1e-12 }
            }
            Read::Avg { .. } | Read::Stddev { .. } | Read::Entropy { .. } | Read::Ratio { .. } => {
                Range { most: INT_MAX, least: QUOTIENT_MIN }
            }
            Read::HourShare { .. } => Range { most: 1.0, least: QUOTIENT_MIN },
            Read::Extreme { accumulator } => {
                let accumulator = self.entity.accumulators.get(accumulator);
                self.attribute(accumulator.and_then(|it| it.attribute))
            }
            Read::Latest { last, attribute, .. } => {
                let last = self.entity.lasts.get(last);
                self.attribute(last.and_then(|it| it.attributes.get(attribute)).copied())
            }
        }
    }

    fn attribute(&self, at: Option<usize>) -> Range {
        match at.and_then(|at| self.entity.attributes.get(at)).map(|it| it.ty) {
            // Of 18 digits in all.
            Some(Type::Decimal(scale)) => {
                Range { most: 1e18 / unit(scale), least: 1.0 / unit(scale) }
            }
            Some(Type::Int | Type::Timestamp) => INT,
            _ => ANY,
        }
    }

    fn expr(&self, expr: &Expr) -> Extent {
        match expr {
            Expr::Input { index, .. } => self.column(*index),
            Expr::Literal(value) => (literal(value), false),
            Expr::Negate(arg) => self.expr(arg),
            Expr::Arithmetic { op, left, right } => {
                self.arithmetic(*op, expr.ty(), self.expr(left), self.expr(right))
            }
            Expr::Least(args) | Expr::Greatest(args) | Expr::Coalesce(args) => self.widest(args),
            Expr::If { condition, yes, no } => {
                let (range, yes) = self.widest([&**yes, no]);
                (range, yes || self.expr(condition).1)
            }
            Expr::Apply { function, arg } => {
                let (range, infinite) = self.expr(arg);
                (applied(*function, range), infinite)
            }
            // No numbers, but what they are of may be.
            Expr::Not(arg) | Expr::In { arg, .. } => (INT, self.expr(arg).1),
            Expr::Compare { left, right, .. } => (INT, self.expr(left).1 || self.expr(right).1),
            Expr::And(args) | Expr::Or(args) => (INT, self.widest(args).1),
            Expr::IsNull(_) => (INT, false),
        }
    }

    fn widest<'e>(&self, args: impl IntoIterator<Item = &'e Expr>) -> Extent {
        let none = (Range { most: 0.0, least: f64::MAX }, false);
        args.into_iter().map(|arg| self.expr(arg)).fold(none, |(a, any), (b, infinite)| {
            let range = Range { most: a.most.max(b.most), least: a.least.min(b.least) };
            (range, any || infinite)
        })
    }

    fn arithmetic(&self, op: Arithmetic, ty: Type, left: Extent, right: Extent) -> Extent {
        let ((left, before), (right, also)) = (left, right);
        let range = match op {
            Arithmetic::Multiply => {
                Range { most: left.most * right.most, least: left.least * right.least }
            }
            Arithmetic::Divide => {
                Range { most: left.most / right.least, least: left.least / right.most }
            }
            // Both are multiples of the last bit of the lesser one, and so is what is left of them.
            Arithmetic::Add | Arithmetic::Subtract => Range {
                most: left.most + right.most,
                least: left.least.min(right.least) * f64::EPSILON,
            },
        };
        let infinite = ty == Type::Double && range.most.is_infinite();
        let most = if ty == Type::Double { f64::MAX } else { INT_MAX };
        let least = match ty {
            Type::Double => 5e-324,
            Type::Decimal(scale) => 1.0 / unit(scale),
            _ => 1e-6,
        };
        let range = Range { most: range.most.min(most), least: range.least.max(least) };
        (range, infinite || before || also)
    }
}

/// How much the word of 1 is.
fn unit(scale: u8) -> f64 {
    Type::Decimal(scale).unit() as f64
}

fn literal(value: &Value) -> Range {
    let number = match value {
        Value::Int(value) => *value as f64,
        Value::Decimal(value, scale) => *value as f64 / unit(*scale),
        Value::Double(value) => *value,
        _ => return INT,
    };
    match number.abs() {
        0.0 => Range { most: 0.0, least: f64::MAX },
        number => Range { most: number, least: number },
    }
}

fn applied(function: Function, Range { most, least }: Range) -> Range {
    match function {
        Function::Abs => Range { most, least },
        Function::Clamp01 => Range { most: most.min(1.0), least: least.min(1.0) },
        Function::Sqrt => Range { most: most.sqrt(), least: least.sqrt() },
        // Of the numbers next to 1 it is about their distance from it.
        Function::Ln => Range { most: 745.0, least: 1e-16 },
        Function::Hour | Function::Weekday => Range { most: 23.0, least: 1.0 },
    }
}

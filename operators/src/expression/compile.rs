//! From the tree of an expression to a list of instructions.
//!
//! Operands come before what uses them, so a register is free again as soon as the one instruction
//! that reads it is emitted: a program needs about as many registers as its tree is deep.

use super::step::set::{Set, bytes_of, word_of};
use super::step::{Binary, Instruction, Operand, Step, Target, Unary};
use super::typing::common_type;
use super::{Arithmetic, Comparison, Expr, Function};
use crate::value::{Column, Type, Value};

/// The parts of a program.
#[derive(Default)]
pub(super) struct Compiler {
    pub(super) code: Vec<Instruction>,
    /// Columns of one value, each with one row so far.
    pub(super) constants: Vec<Column>,
    /// How many registers the code needs.
    pub(super) registers: usize,
    free: Vec<usize>,
}

impl Compiler {
    /// Compiles an expression whose values go to the output.
    pub(super) fn root(&mut self, expr: &Expr) {
        let (operand, ty) = self.node(expr);
        match (operand, self.code.last_mut()) {
            (Operand::Register(_), Some(last)) => last.target = Target::Out,
            _ => self.code.push(Instruction {
                step: Step::Copy { arg: operand, bytes: ty.is_bytes() },
                target: Target::Out,
            }),
        }
    }

    /// Compiles one node: where its values will be, and their type.
    fn node(&mut self, expr: &Expr) -> (Operand, Type) {
        let operand = match expr {
            Expr::Input { index, .. } => Operand::Input(*index),
            Expr::Literal(value) => self.constant(expr.ty(), value),
            Expr::Negate(arg) => self.numeric(arg, Unary::NegateInt, Unary::NegateDouble),
            Expr::Arithmetic { op, left, right } => self.arithmetic(*op, left, right),
            Expr::Compare { op, left, right } => self.compare(*op, left, right),
            Expr::In { arg, set } => {
                let (arg, ty) = self.node(arg);
                self.emit(Step::Member { arg, set: Set::new(ty, set) })
            }
            Expr::And(args) => self.fold_bools(args, Binary::And, true),
            Expr::Or(args) => self.fold_bools(args, Binary::Or, false),
            Expr::Not(arg) => {
                let arg = self.node_as(arg, Type::Bool);
                self.emit(Step::Unary(Unary::Not, arg))
            }
            Expr::If { condition, yes, no } => {
                let ty = expr.ty();
                let condition = self.node_as(condition, Type::Bool);
                let (yes, no) = (self.node_as(yes, ty), self.node_as(no, ty));
                self.emit(Step::Choose { condition, yes, no, bytes: ty.is_bytes() })
            }
            Expr::IsNull(arg) => {
                let (arg, _) = self.node(arg);
                self.emit(Step::Unary(Unary::IsNull, arg))
            }
            Expr::Coalesce(args) => self.fold(args, |ty, first, second| Step::Either {
                first,
                second,
                bytes: ty.is_bytes(),
            }),
            Expr::Least(args) => self.extremum(args, Binary::LeastInt, Binary::LeastDouble),
            Expr::Greatest(args) => {
                self.extremum(args, Binary::GreatestInt, Binary::GreatestDouble)
            }
            Expr::Apply { function, arg } => self.apply(*function, arg),
        };
        (operand, expr.ty())
    }

    /// Compiles a node whose values are wanted in a type; null where it has no way there.
    fn node_as(&mut self, expr: &Expr, to: Type) -> Operand {
        let (operand, from) = self.node(expr);
        let op = match (from, to) {
            _ if from == to => return operand,
            (Type::Int, Type::Double) => Unary::IntToDouble,
            (Type::Decimal(_), Type::Double) => Unary::DecimalToDouble(from.unit()),
            (Type::Int | Type::Decimal(_), Type::Decimal(_)) if from.unit() <= to.unit() => {
                Unary::Rescale(to.unit() / from.unit())
            }
            _ => return self.discard(operand),
        };
        self.emit(Step::Unary(op, operand))
    }

    fn arithmetic(&mut self, op: Arithmetic, left: &Expr, right: &Expr) -> Operand {
        let (left_type, right_type) = (left.ty(), right.ty());
        let Some(ty) = op.result(left_type, right_type) else { return self.null() };
        if ty == Type::Double {
            let (left, right) = (self.node_as(left, ty), self.node_as(right, ty));
            let op = match op {
                Arithmetic::Add => Binary::AddDouble,
                Arithmetic::Subtract => Binary::SubtractDouble,
                Arithmetic::Multiply => Binary::MultiplyDouble,
                Arithmetic::Divide => Binary::DivideDouble,
            };
            return self.emit(Step::Binary(op, left, right));
        }
        let ((left, _), (right, _)) = (self.node(left), self.node(right));
        let (l, r, most) = (left_type.unit(), right_type.unit(), ty.unit());
        let op = match op {
            Arithmetic::Add if l == r => Binary::AddInt,
            Arithmetic::Add => Binary::AddScaled(most / l, most / r),
            Arithmetic::Subtract if l == r => Binary::SubtractInt,
            Arithmetic::Subtract => Binary::SubtractScaled(most / l, most / r),
            // Units of a decimal times an int are its units.
            Arithmetic::Multiply if l == 1 || r == 1 => Binary::MultiplyInt,
            // The product has the decimals of both; those of the lesser are too many.
            Arithmetic::Multiply => Binary::MultiplyDecimal(l.min(r)),
            Arithmetic::Divide => return self.null(),
        };
        self.emit(Step::Binary(op, left, right))
    }

    fn compare(&mut self, op: Comparison, left: &Expr, right: &Expr) -> Operand {
        let (left_type, right_type) = (left.ty(), right.ty());
        let Some(ty) = left_type.unify(right_type) else { return self.null() };
        let (kind, left, right) = match ty {
            Type::Double => {
                (Binary::CompareDouble(op), self.node_as(left, ty), self.node_as(right, ty))
            }
            _ => {
                let kind = match (left_type.unit(), right_type.unit()) {
                    _ if ty.is_bytes() => Binary::CompareBytes(op),
                    (l, r) if l == r => Binary::CompareInt(op),
                    (l, r) => Binary::CompareScaled(op, ty.unit() / l, ty.unit() / r),
                };
                (kind, self.node(left).0, self.node(right).0)
            }
        };
        self.emit(Step::Binary(kind, left, right))
    }

    fn apply(&mut self, function: Function, arg: &Expr) -> Operand {
        let (op, ty) = match function {
            Function::Abs => return self.numeric(arg, Unary::AbsInt, Unary::AbsDouble),
            Function::Clamp01 => {
                let one = Unary::ClampInt(arg.ty().unit());
                return self.numeric(arg, one, Unary::ClampDouble);
            }
            Function::Sqrt => (Unary::Sqrt, Type::Double),
            Function::Ln => (Unary::Ln, Type::Double),
            Function::Hour => (Unary::Hour, Type::Timestamp),
            Function::Weekday => (Unary::Weekday, Type::Timestamp),
        };
        let arg = self.node_as(arg, ty);
        self.emit(Step::Unary(op, arg))
    }

    /// A step on a number of any type.
    fn numeric(&mut self, arg: &Expr, exact: Unary, double: Unary) -> Operand {
        let (arg, ty) = self.node(arg);
        match ty {
            Type::Double => self.emit(Step::Unary(double, arg)),
            Type::Int | Type::Decimal(_) => self.emit(Step::Unary(exact, arg)),
            _ => self.discard(arg),
        }
    }

    fn extremum(&mut self, args: &[Expr], exact: Binary, double: Binary) -> Operand {
        self.fold(args, |ty, left, right| {
            Step::Binary(if ty == Type::Double { double } else { exact }, left, right)
        })
    }

    fn fold_bools(&mut self, args: &[Expr], op: Binary, of_none: bool) -> Operand {
        if args.is_empty() {
            return self.constant(Type::Bool, &Value::Bool(of_none));
        }
        let mut folded = None;
        for arg in args {
            let arg = self.node_as(arg, Type::Bool);
            folded = Some(match folded {
                None => arg,
                Some(before) => self.emit(Step::Binary(op, before, arg)),
            });
        }
        folded.unwrap_or_else(|| self.null())
    }

    /// Combines arguments from left to right in the type they have in common.
    fn fold(&mut self, args: &[Expr], step: impl Fn(Type, Operand, Operand) -> Step) -> Operand {
        let ty = common_type(args);
        let mut folded = None;
        for arg in args {
            let arg = self.node_as(arg, ty);
            folded = Some(match folded {
                None => arg,
                Some(before) => self.emit(step(ty, before, arg)),
            });
        }
        folded.unwrap_or_else(|| self.null())
    }

    fn emit(&mut self, step: Step) -> Operand {
        let register = self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            self.registers - 1
        });
        match &step {
            Step::Unary(_, arg) | Step::Member { arg, .. } | Step::Copy { arg, .. } => {
                self.release(*arg);
            }
            Step::Binary(_, left, right) | Step::Either { first: left, second: right, .. } => {
                self.release(*left);
                self.release(*right);
            }
            Step::Choose { condition, yes, no, .. } => {
                self.release(*condition);
                self.release(*yes);
                self.release(*no);
            }
        }
        self.code.push(Instruction { step, target: Target::Register(register) });
        Operand::Register(register)
    }

    fn release(&mut self, operand: Operand) {
        if let Operand::Register(register) = operand {
            self.free.push(register);
        }
    }

    fn constant(&mut self, ty: Type, value: &Value) -> Operand {
        let mut column = Column::default();
        match (word_of(ty, value), bytes_of(ty, value)) {
            (Some(word), _) => column.push_word(word),
            (None, Some(bytes)) => column.push_bytes(&bytes),
            (None, None) => column.push_null(),
        }
        self.constants.push(column);
        Operand::Constant(self.constants.len() - 1)
    }

    fn null(&mut self) -> Operand {
        self.constant(Type::Int, &Value::Null)
    }

    /// Null in place of values that are of no use.
    fn discard(&mut self, operand: Operand) -> Operand {
        self.release(operand);
        self.null()
    }
}

//! A compiled expression and the memory it works in.

use super::Expr;
use super::compile::Compiler;
use super::step::{Frame, Instruction, Target};
use crate::value::Column;
use crate::zone::Zone;
use std::mem;
use std::sync::Arc;

/// Rows worked on at a time: few enough that the registers stay in the nearest cache, enough that
/// an instruction's fixed cost is nothing beside its loop.
const BLOCK_ROWS: usize = 256;

/// A compiled expression. Its memory is reused from call to call: once the widest block has been
/// seen, evaluation allocates only where `out` (or a string in between) has to grow.
///
/// ```
/// use std::sync::Arc;
/// use tidemark_operators::expression::{Comparison, Expr, Program};
/// use tidemark_operators::zone::Zone;
/// use tidemark_operators::value::{Column, Type, Value};
///
/// let large = Expr::Compare {
///     op: Comparison::GreaterOrEqual,
///     left: Box::new(Expr::Input { index: 0, ty: Type::Int, nullable: true }),
///     right: Box::new(Expr::Literal(Value::Int(1000))),
/// };
/// let zone = Zone::utc();
/// let mut program = Program::new(&large, Arc::new(zone));
///
/// let mut amounts = Column::default();
/// amounts.push_int(999);
/// amounts.push_int(1000);
/// amounts.push_null();
/// let mut out = Column::default();
/// program.eval(&[amounts], 3, &mut out);
/// assert_eq!((out.bool(0), out.bool(1), out.bool(2)), (Some(false), Some(true), None));
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    code: Vec<Instruction>,
    registers: Vec<Column>,
    constants: Vec<Column>,
    inputs: Vec<usize>,
    zone: Arc<Zone>,
    int_overflows: u64,
}

impl Program {
    /// Compiles an expression; `zone` is that of its `hour` and `weekday`.
    pub fn new(expr: &Expr, zone: Arc<Zone>) -> Program {
        let mut compiler = Compiler::default();
        compiler.root(expr);
        Program {
            code: compiler.code,
            registers: vec![Column::default(); compiler.registers],
            constants: compiler.constants,
            inputs: expr.inputs(),
            zone,
            int_overflows: 0,
        }
    }

    /// Clears `out` and fills it with one value for each of the first `rows` rows of `inputs`.
    ///
    /// Every input column that the expression reads should have at least `rows` values of the type
    /// that the expression says; past the end of a shorter one, the result is null.
    pub fn eval(&mut self, inputs: &[Column], rows: usize, out: &mut Column) {
        out.clear();
        let there = self.inputs.iter().map(|index| inputs.get(*index).map_or(0, Column::len));
        let there = there.fold(rows, usize::min);
        let mut from = 0;
        while from < there {
            let rows = (there - from).min(BLOCK_ROWS);
            self.block(inputs, from, rows, out);
            from += rows;
        }
        out.words.resize(rows, 0);
        out.valid.resize(rows, false);
    }

    /// How many ints and decimals have overflowed (and become null) since the program was made,
    /// those in branches of an `if` that were not taken included.
    pub fn int_overflows(&self) -> u64 {
        self.int_overflows
    }

    fn block(&mut self, inputs: &[Column], from: usize, rows: usize, out: &mut Column) {
        for constant in &mut self.constants {
            if constant.len() < rows {
                repeat_first(constant, rows);
            }
        }
        for Instruction { step, target } in &self.code {
            // The target is taken out while the step runs, so that operands can be borrowed.
            let mut column = match target {
                Target::Register(register) => self.registers.get_mut(*register).map(mem::take),
                Target::Out => Some(mem::take(out)),
            }
            .unwrap_or_default();
            if *target != Target::Out {
                column.clear();
            }
            let (registers, constants) = (&self.registers, &self.constants);
            let frame = Frame { inputs, registers, constants, zone: &self.zone, from, rows };
            self.int_overflows += frame.run(step, &mut column);
            match target {
                Target::Register(register) => {
                    if let Some(place) = self.registers.get_mut(*register) {
                        *place = column;
                    }
                }
                Target::Out => *out = column,
            }
        }
    }
}

/// Makes a column of one value `rows` long; its bytes stay shared.
fn repeat_first(constant: &mut Column, rows: usize) {
    let word = constant.words.first().copied().unwrap_or(0);
    let valid = constant.valid.first().copied().unwrap_or(false);
    constant.words.resize(rows, word);
    constant.valid.resize(rows, valid);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Arithmetic;
    use crate::value::Type;

    #[test]
    fn a_warm_program_keeps_its_registers_and_constants() {
        let x = || Box::new(Expr::Input { index: 0, ty: Type::Double, nullable: true });
        let square = Expr::Arithmetic { op: Arithmetic::Multiply, left: x(), right: x() };
        let cube =
            Expr::Arithmetic { op: Arithmetic::Multiply, left: Box::new(square), right: x() };
        let zone = Zone::utc();
        let mut program = Program::new(&cube, Arc::new(zone));
        let mut column = Column::default();
        (0..1000).for_each(|n| column.push_double(f64::from(n)));
        let inputs = [column];
        let mut out = Column::default();
        program.eval(&inputs, 1000, &mut out);
        let places = |program: &Program, out: &Column| -> Vec<*const u64> {
            let columns = program.registers.iter().chain(&program.constants).chain([out]);
            columns.map(|column| column.words.as_ptr()).collect()
        };
        let before = places(&program, &out);
        for rows in [0, 1, 50, 256, 257, 1000] {
            program.eval(&inputs, rows, &mut out);
            assert_eq!(out.len(), rows);
            assert_eq!(places(&program, &out), before);
        }
        assert_eq!(out.double(999), Some(999.0 * 999.0 * 999.0));
    }
}

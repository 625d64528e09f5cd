//! Types an expression against the names in scope.
//!
//! `operand` gives literals their types, `compare` types comparisons and `in`, `call` functions,
//! `nearest` finds what a misspelt name may have meant.

mod call;
mod compare;
mod nearest;
mod operand;

use super::ast::{Ast, Node, NodeKind};
use super::functions::Builtin;
use super::{DEPTH_MAX, ExpressionError, NODES_MAX, quoted};
use operand::Operand;
use tidemark_operators::expression::{Arithmetic, Expr};
use tidemark_operators::value::{Type, Value};

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// An input column.
    Input {
        /// Which column.
        index: usize,
        /// Its type.
        ty: Type,
        /// Whether it can be null.
        nullable: bool,
    },
    /// A definition: the name is replaced by this expression.
    Expr(Expr),
}

/// Types a parsed expression. `resolve` says what a name stands for; of `suggestions`, the names
/// that would be found, those nearest to an unknown name are in its error.
///
/// # Errors
///
/// When a name or function is unknown, when types do not fit together, when a literal does not fit
/// the type it takes, or when the definitions named make the expression larger than its bounds. The
/// error says where.
pub fn check(
    ast: &Ast,
    resolve: &mut dyn FnMut(&str) -> Option<Binding>,
    suggestions: &[&str],
) -> Result<Expr, ExpressionError> {
    let mut checker = Checker { resolve, suggestions, nodes: ast.nodes };
    let expr = checker.node(&ast.root)?.settled()?;
    if expr.depth() > DEPTH_MAX {
        let message = format!(
            "with the definitions it names, the expression is deeper than {DEPTH_MAX} operators"
        );
        return Err(ExpressionError::new(ast.root.column, message)
            .hint("make the definitions it names simpler"));
    }
    Ok(expr)
}

struct Checker<'a> {
    resolve: &'a mut dyn FnMut(&str) -> Option<Binding>,
    suggestions: &'a [&'a str],
    /// Nodes of the tree and of all definitions put in so far.
    nodes: usize,
}

type Checked = Result<Operand, ExpressionError>;

impl Checker<'_> {
    fn node(&mut self, node: &Node) -> Checked {
        let column = node.column;
        match &node.kind {
            NodeKind::Number(number) => Ok(Operand::number(column, number.clone())),
            NodeKind::Text(text) => Ok(Operand::text(column, text.clone())),
            NodeKind::Bool(value) => Ok(Operand::expr(column, Expr::Literal(Value::Bool(*value)))),
            NodeKind::Name(name) => self.name(column, name),
            NodeKind::Negate(arg) => self.negate(column, arg),
            NodeKind::Not(arg) => {
                let arg = self.bool("not", arg)?;
                Ok(Operand::expr(column, Expr::Not(Box::new(arg))))
            }
            NodeKind::And(args) => {
                let args = args.iter().map(|arg| self.bool("and", arg));
                Ok(Operand::expr(column, Expr::And(all(args)?)))
            }
            NodeKind::Or(args) => {
                let args = args.iter().map(|arg| self.bool("or", arg));
                Ok(Operand::expr(column, Expr::Or(all(args)?)))
            }
            NodeKind::Arithmetic(op, left, right) => {
                let (left, right) = self.both(left, right)?;
                arithmetic(column, *op, left, right)
            }
            NodeKind::Compare(op, left, right) => {
                let (left, right) = self.both(left, right)?;
                compare::compare(column, *op, left, right)
            }
            NodeKind::In { arg, set, negated } => {
                let found = compare::among(column, self.node(arg)?, set)?;
                let found = if *negated { Expr::Not(Box::new(found)) } else { found };
                Ok(Operand::expr(column, found))
            }
            NodeKind::Call { function, args } => self.call(column, function, args),
        }
    }

    fn both(&mut self, left: &Node, right: &Node) -> Result<(Operand, Operand), ExpressionError> {
        match (self.node(left), self.node(right)) {
            (Ok(left), Ok(right)) => Ok((left, right)),
            (Err(left), Err(right)) => Err(left.beside(right)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }

    fn name(&mut self, column: usize, name: &str) -> Checked {
        match (self.resolve)(name) {
            Some(Binding::Input { index, ty, nullable }) => {
                Ok(Operand::expr(column, Expr::Input { index, ty, nullable }))
            }
            Some(Binding::Expr(expr)) => {
                self.nodes = self.nodes.saturating_add(expr.nodes());
                if self.nodes > NODES_MAX {
                    let message = format!(
                        "with the definition {}, the expression has more than {NODES_MAX} values \
                         and operators",
                        quoted(name)
                    );
                    return Err(ExpressionError::new(column, message)
                        .hint("make the definitions it names simpler"));
                }
                Ok(Operand::expr(column, expr))
            }
            None => Err(self.unknown_name(column, name)),
        }
    }

    fn unknown_name(&self, column: usize, name: &str) -> ExpressionError {
        let error = ExpressionError::new(column, format!("unknown name {}", quoted(name)));
        if name.eq_ignore_ascii_case("null") {
            return error.hint("there is no null to write: ask for it with `is_null(x)`");
        }
        if Builtin::named(name).is_some() {
            return error.hint(format!("`{name}` is a function: write `{name}(...)`"));
        }
        match nearest::hint(name, self.suggestions) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn bool(&mut self, operator: &str, node: &Node) -> Result<Expr, ExpressionError> {
        let operand = self.node(node)?;
        if operand.ty() == Type::Bool {
            return operand.settled();
        }
        let message = format!("`{operator}` takes bools, this is {}", operand.described());
        Err(ExpressionError::new(operand.column, message)
            .hint("compare it with something, as in `x > 0`"))
    }

    fn negate(&mut self, column: usize, arg: &Node) -> Checked {
        let arg = self.node(arg)?;
        match arg.into_number() {
            Ok(number) => Ok(Operand::number(column, number.negated())),
            Err(arg) if arg.ty().is_numeric() => {
                Ok(Operand::expr(column, Expr::Negate(Box::new(arg.settled()?))))
            }
            Err(arg) => Err(not_a_number("-", &arg)),
        }
    }
}

/// All of them, or all that is wrong with them.
fn all<T>(
    checked: impl Iterator<Item = Result<T, ExpressionError>>,
) -> Result<Vec<T>, ExpressionError> {
    let mut good = Vec::new();
    let mut wrong: Option<ExpressionError> = None;
    for one in checked {
        match (one, &mut wrong) {
            (Ok(one), _) => good.push(one),
            (Err(error), None) => wrong = Some(error),
            (Err(error), Some(first)) => first.others.push(error),
        }
    }
    wrong.map_or(Ok(good), Err)
}

fn arithmetic(column: usize, op: Arithmetic, left: Operand, right: Operand) -> Checked {
    let symbol = match op {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
    };
    let (left_type, right_type) = (left.ty(), right.ty());
    let timestamp = left_type == Type::Timestamp || right_type == Type::Timestamp;
    let dated = |operand: &Operand| match operand.is_text_literal() && timestamp {
        true => Type::Timestamp,
        false => operand.ty(),
    };
    if op.result(dated(&left), dated(&right)).is_none() {
        let culprit = if left_type.is_numeric() { &right } else { &left };
        let error = not_a_number(symbol, culprit);
        return Err(match timestamp {
            true => error.hint("of timestamps only the difference `a - b` is defined, in ms"),
            false => error,
        });
    }
    let double =
        op == Arithmetic::Divide || left_type == Type::Double || right_type == Type::Double;
    let (left, right) = if timestamp {
        (left.beside(Type::Timestamp)?, right.beside(Type::Timestamp)?)
    } else if double {
        (left.beside(Type::Double)?, right.beside(Type::Double)?)
    } else {
        (left.natural()?, right.natural()?)
    };
    let (left, right) = (Box::new(left.settled()?), Box::new(right.settled()?));
    Ok(Operand::expr(column, Expr::Arithmetic { op, left, right }))
}

fn not_a_number(operator: &str, operand: &Operand) -> ExpressionError {
    let message = format!("`{operator}` takes numbers, this is {}", operand.described());
    let error = ExpressionError::new(operand.column, message);
    if operand.is_text_literal() {
        return error.hint("write numbers without quotes");
    }
    error
}

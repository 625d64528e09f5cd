//! From tokens to a tree: precedence climbing, bounded in nesting, depth and nodes.

mod operator;

use super::ast::{Ast, Node, NodeKind};
use super::functions::INVALID;
use super::lexer::{Kind, Token, tokens};
use super::{DEPTH_MAX, ExpressionError, NESTING_MAX, NODES_MAX};
use operator::{Infix, Level};
use std::mem;

/// Reads an expression.
///
/// # Errors
///
/// When the text is not one by the grammar of [this module](super), or passes one of its bounds;
/// the error says where.
pub fn parse(text: &str) -> Result<Ast, ExpressionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, nesting: 0, nodes: 0 };
    let root = parser.expression(Level::Or)?;
    match parser.peek() {
        (_, Kind::End) => Ok(Ast { root, nodes: parser.nodes }),
        (column, found) => {
            let message = format!("expected an operator or the end, found {}", found.described());
            let error = ExpressionError::new(column, message);
            Err(match found {
                Kind::Word(word) => keyword_hint(error, word),
                _ => error,
            })
        }
    }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    nesting: usize,
    nodes: usize,
}

type Parsed = Result<Node, ExpressionError>;

impl<'t, 'a> Parser<'t, 'a> {
    fn peek(&self) -> (usize, &'t Kind<'a>) {
        self.ahead(0)
    }

    /// The token so many after the next; the end past the last.
    fn ahead(&self, by: usize) -> (usize, &'t Kind<'a>) {
        let token = self.tokens.get(self.at + by).or(self.tokens.last());
        token.map_or((1, &Kind::End), |token| (token.column, &token.kind))
    }

    fn is_word(&self, by: usize, word: &str) -> bool {
        *self.ahead(by).1 == Kind::Word(word)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek().1, Kind::Symbol(next) if *next == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let there = self.is_symbol(symbol);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, symbol: &str, after: &str) -> Result<(), ExpressionError> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        let (column, found) = self.peek();
        let message = format!("expected `{symbol}` after {after}, found {}", found.described());
        Err(ExpressionError::new(column, message))
    }

    fn node(&mut self, column: usize, kind: NodeKind) -> Parsed {
        let below = kind.children().into_iter().map(|node| node.depth).max().unwrap_or(0);
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message = format!("the expression has more than {NODES_MAX} values and operators");
            return Err(ExpressionError::new(column, message)
                .hint("look a long list up in a reference table"));
        }
        if below >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} operators are applied on top of another");
            return Err(ExpressionError::new(column, message)
                .hint("split the expression into named definitions"));
        }
        Ok(Node { column, depth: below + 1, kind })
    }

    /// An operand and the operators after it that bind at least as tightly as `loosest`.
    fn expression(&mut self, loosest: Level) -> Parsed {
        let mut left = self.operand(loosest)?;
        let mut compared = false;
        while let Some((infix, tokens)) = self.infix().filter(|(i, _)| i.level() >= loosest) {
            let (column, found) = self.peek();
            if infix.level() == Level::Comparison && mem::replace(&mut compared, true) {
                let message = format!("{} cannot follow a comparison", found.described());
                return Err(ExpressionError::new(column, message)
                    .hint("comparisons do not chain: join two of them with `and`"));
            }
            self.at += tokens;
            left = self.combine(column, infix, left)?;
        }
        Ok(left)
    }

    /// The operator that comes next, and how many tokens it takes.
    fn infix(&self) -> Option<(Infix, usize)> {
        if self.is_word(0, "not") && self.is_word(1, "in") {
            return Some((Infix::In { negated: true }, 2));
        }
        Infix::written(self.peek().1).map(|infix| (infix, 1))
    }

    /// Reads the right side of an operator and puts both together.
    fn combine(&mut self, column: usize, infix: Infix, left: Node) -> Parsed {
        let kind = match infix {
            Infix::Or => {
                let right = self.expression(Level::And)?;
                NodeKind::Or(joined(left, right, |kind| match kind {
                    NodeKind::Or(args) => Ok(args),
                    other => Err(other),
                }))
            }
            Infix::And => {
                let right = self.expression(Level::Not)?;
                NodeKind::And(joined(left, right, |kind| match kind {
                    NodeKind::And(args) => Ok(args),
                    other => Err(other),
                }))
            }
            Infix::Compare(op) => {
                NodeKind::Compare(op, Box::new(left), Box::new(self.expression(Level::Sum)?))
            }
            Infix::In { negated } => {
                NodeKind::In { arg: Box::new(left), set: self.set()?, negated }
            }
            Infix::Arithmetic(op) => {
                let tighter = match infix.level() {
                    Level::Sum => Level::Product,
                    _ => Level::Minus,
                };
                NodeKind::Arithmetic(op, Box::new(left), Box::new(self.expression(tighter)?))
            }
        };
        self.node(column, kind)
    }

    /// An operand with its prefixes.
    fn operand(&mut self, loosest: Level) -> Parsed {
        let (column, _) = self.peek();
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            let message = format!("the expression nests deeper than {NESTING_MAX}");
            return Err(ExpressionError::new(column, message)
                .hint("split the expression into named definitions"));
        }
        let node = if self.is_word(0, "not") && !self.is_word(1, "in") {
            if loosest > Level::Not {
                return Err(ExpressionError::new(column, "`not` cannot follow this operator")
                    .hint("put `not ...` in parentheses"));
            }
            self.at += 1;
            let arg = self.expression(Level::Not)?;
            self.node(column, NodeKind::Not(Box::new(arg)))
        } else if self.take_symbol("-") {
            let arg = self.expression(Level::Minus)?;
            self.node(column, NodeKind::Negate(Box::new(arg)))
        } else if self.take_symbol("(") {
            let inner = self.expression(Level::Or)?;
            self.expect(")", "the expression in parentheses")?;
            Ok(inner)
        } else {
            self.value()
        };
        self.nesting -= 1;
        node
    }

    fn value(&mut self) -> Parsed {
        let (column, token) = self.peek();
        let kind = match token {
            Kind::Number(number) => NodeKind::Number(number.clone()),
            Kind::Text(text) => NodeKind::Text(text.clone()),
            Kind::Word("true") => NodeKind::Bool(true),
            Kind::Word("false") => NodeKind::Bool(false),
            Kind::Word("and" | "or" | "in" | "not") | Kind::Symbol(_) | Kind::End => {
                let message = format!("expected a value, found {}", token.described());
                return Err(ExpressionError::new(column, message)
                    .hint("a value is a number, a string, a name, a call or `( ... )`"));
            }
            Kind::Word(name) => {
                self.at += 1;
                return self.named(column, name);
            }
        };
        self.at += 1;
        self.node(column, kind)
    }

    /// A name, or a call when a parenthesis follows.
    fn named(&mut self, column: usize, name: &str) -> Parsed {
        if !self.take_symbol("(") {
            return self.node(column, NodeKind::Name(name.to_owned()));
        }
        let mut args = Vec::new();
        if !self.take_symbol(")") {
            loop {
                args.push(self.expression(Level::Or)?);
                if !self.take_symbol(",") {
                    break;
                }
            }
            self.expect(")", "the arguments")?;
        }
        // It is about how a field was read, so it is one more thing that a source has.
        if let (INVALID, [Node { kind: NodeKind::Name(field), .. }]) = (name, args.as_slice())
            && !field.contains('.')
        {
            return self.node(column, NodeKind::Name(format!("{INVALID}({field})")));
        }
        self.node(column, NodeKind::Call { function: name.to_owned(), args })
    }

    fn set(&mut self) -> Result<Vec<Node>, ExpressionError> {
        self.expect("{", "`in`")
            .map_err(|error| error.hint("a set is written in braces: `in {\"a\", \"b\"}`"))?;
        let mut set = vec![self.member()?];
        while self.take_symbol(",") {
            set.push(self.member()?);
        }
        self.expect("}", "the members of the set")?;
        Ok(set)
    }

    fn member(&mut self) -> Parsed {
        let (start, _) = self.peek();
        let negative = self.take_symbol("-");
        let (column, token) = self.peek();
        let kind = match token {
            Kind::Number(number) if negative => NodeKind::Number(number.clone().negated()),
            Kind::Number(number) => NodeKind::Number(number.clone()),
            Kind::Text(text) if !negative => NodeKind::Text(text.clone()),
            _ => {
                let message = format!("expected a number or a string, found {}", token.described());
                return Err(ExpressionError::new(column, message)
                    .hint("a set holds literals; compare with `=` and `or` otherwise"));
            }
        };
        self.at += 1;
        self.node(start, kind)
    }
}

/// The terms of a chain: those of `left` when it is one, and `right`.
fn joined(
    mut left: Node,
    right: Node,
    terms: impl FnOnce(NodeKind) -> Result<Vec<Node>, NodeKind>,
) -> Vec<Node> {
    let mut args = match terms(left.kind) {
        Ok(args) => args,
        Err(kind) => {
            left.kind = kind;
            vec![left]
        }
    };
    args.push(right);
    args
}

fn keyword_hint(error: ExpressionError, word: &str) -> ExpressionError {
    match word.to_ascii_lowercase().as_str() {
        "is" => error.hint("write `is_null(x)`, or `not is_null(x)`"),
        "like" => error.hint("strings are compared whole, with `=` and `in`"),
        lower @ ("and" | "or" | "not" | "in") if lower != word => {
            error.hint(format!("write `{lower}` in lower case"))
        }
        _ => error,
    }
}

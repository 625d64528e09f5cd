//! What the parser makes of a text: a tree without types.

use super::number::Number;
use tidemark_operators::expression::{Arithmetic, Comparison};

/// A parsed expression, its names not yet resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Ast {
    pub(super) root: Node,
    /// How many nodes there are, members of sets included.
    pub(super) nodes: usize,
}

/// One use of a name in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameUse<'a> {
    /// The name, dots included.
    pub name: &'a str,
    /// Where it starts: the character of the text, from 1.
    pub column: usize,
}

impl Ast {
    /// Every use of a name (of a column or a definition, not of a function), in the order of the
    /// text; a name used twice is listed twice.
    pub fn names(&self) -> Vec<NameUse<'_>> {
        let mut names = Vec::new();
        self.root.names(&mut names);
        names
    }
}

/// A node and where it is: its operator, or its first character where it has none between operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) column: usize,
    /// Nodes on the longest path below, this one included.
    pub(super) depth: usize,
    pub(super) kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeKind {
    Number(Number),
    Text(String),
    Bool(bool),
    Name(String),
    Negate(Box<Node>),
    Not(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// The members are numbers and strings.
    In {
        arg: Box<Node>,
        set: Vec<Node>,
        negated: bool,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Call {
        function: String,
        args: Vec<Node>,
    },
}

impl NodeKind {
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            NodeKind::Number(_) | NodeKind::Text(_) | NodeKind::Bool(_) | NodeKind::Name(_) => {
                Vec::new()
            }
            NodeKind::Negate(arg) | NodeKind::Not(arg) => vec![arg],
            NodeKind::Arithmetic(_, left, right) | NodeKind::Compare(_, left, right) => {
                vec![left, right]
            }
            NodeKind::In { arg, set, .. } => [&**arg].into_iter().chain(set).collect(),
            NodeKind::And(args) | NodeKind::Or(args) | NodeKind::Call { args, .. } => {
                args.iter().collect()
            }
        }
    }
}

impl Node {
    fn names<'a>(&'a self, into: &mut Vec<NameUse<'a>>) {
        if let NodeKind::Name(name) = &self.kind {
            into.push(NameUse { name, column: self.column });
        }
        for child in self.kind.children() {
            child.names(into);
        }
    }
}

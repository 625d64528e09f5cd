//! A source's definitions: their order, and expressions in which they stand for what they are.

use super::SourceBuild;
use crate::aggregate::Reported;
use crate::declare::{SourceDeclared, Written};
use crate::document::Problems;
use crate::expression::{self, Binding, ExpressionError};
use std::collections::HashMap;
use tidemark_operators::expression::Expr;

impl<'j> SourceBuild<'j> {
    /// Checks an expression over `features` and `fields`. A name is a feature, else a definition,
    /// which is replaced by what it stands for, else a field; in definitions only the latter two.
    pub(in super::super) fn expand(
        &self,
        written: &Written,
        features: &HashMap<&str, Binding>,
        fields: &HashMap<String, Binding>,
    ) -> Result<Expr, ExpressionError> {
        let mut defined: HashMap<&str, Binding> = HashMap::new();
        let named = self.reached(written, features);
        for at in self.order.iter().filter(|at| named.contains(at)) {
            let Some(definition) = self.declared.definitions.get(*at) else { continue };
            let Some(inner) = &definition.written else { continue };
            let mut resolve = |name: &str| defined.get(name).or(fields.get(name)).cloned();
            let expr = expression::check(&inner.ast, &mut resolve, &[])?;
            defined.insert(&definition.name.value, Binding::Expr(expr));
        }
        let mut resolve =
            |name: &str| features.get(name).or(defined.get(name)).or(fields.get(name)).cloned();
        expression::check(&written.ast, &mut resolve, &[])
    }

    /// The columns and lookups that `written` names, through definitions too, where they are not
    /// names of `features`.
    pub(in super::super) fn fields_named(
        &self,
        written: &Written,
        features: &HashMap<&str, Binding>,
    ) -> Vec<String> {
        let declared = self.declared;
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            let is_input = self.column(name).is_some() || self.lookup(name).is_some();
            if is_input && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        };
        for used in written.ast.names() {
            if !features.contains_key(used.name) {
                add(used.name);
            }
        }
        for at in self.reached(written, features) {
            let definition = declared.definitions.get(at);
            let inner = definition.and_then(|definition| definition.written.as_ref());
            for used in inner.into_iter().flat_map(|inner| inner.ast.names()) {
                add(used.name);
            }
        }
        names
    }

    /// The definitions that `written` names, directly or through others.
    fn reached(&self, written: &Written, features: &HashMap<&str, Binding>) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut next: Vec<usize> = self.definitions_in(written);
        next.retain(|at| {
            let definition = self.declared.definitions.get(*at);
            definition.is_some_and(|it| !features.contains_key(it.name.value.as_str()))
        });
        while let Some(at) = next.pop() {
            if reached.contains(&at) {
                continue;
            }
            reached.push(at);
            let definition = self.declared.definitions.get(at);
            if let Some(written) = definition.and_then(|definition| definition.written.as_ref()) {
                next.extend(self.definitions_in(written));
            }
        }
        reached
    }

    fn definitions_in(&self, written: &Written) -> Vec<usize> {
        let names = written.ast.names();
        let definitions = &self.declared.definitions;
        let found = names
            .iter()
            .filter_map(|used| definitions.iter().position(|it| it.name.value == used.name));
        found.collect()
    }

    /// Orders the definitions so that each names only earlier ones; those in a cycle are left out
    /// and recorded. There are at most 256, so the recursion is shallow.
    pub(super) fn order_definitions(&mut self, problems: &Problems<'_>) {
        let mut state = vec![Visit::New; self.declared.definitions.len()];
        for at in 0..state.len() {
            self.visit(at, &mut state, &mut Vec::new(), problems);
        }
    }

    fn visit(
        &mut self,
        at: usize,
        state: &mut [Visit],
        path: &mut Vec<usize>,
        problems: &Problems<'_>,
    ) {
        let declared: &'j SourceDeclared = self.declared;
        let (Some(visit), Some(definition)) = (state.get_mut(at), declared.definitions.get(at))
        else {
            return;
        };
        match visit {
            Visit::New => *visit = Visit::Open,
            Visit::Open => {
                let cycle = path.iter().skip_while(|on_path| **on_path != at).chain([&at]);
                let names = cycle.filter_map(|at| declared.definitions.get(*at));
                let names: Vec<&str> = names.map(|it| it.name.value.as_str()).collect();
                let message = format!(
                    "definition \"{}\" is defined by itself: {}",
                    definition.name.value,
                    names.join(" -> ")
                );
                problems.wrong(&definition.name, message, None);
                self.definitions.insert(&definition.name.value, Err(Reported));
                return;
            }
            Visit::Done => return,
        }
        path.push(at);
        if let Some(written) = &definition.written {
            for next in self.definitions_in(written) {
                self.visit(next, state, path, problems);
            }
        }
        path.pop();
        if let Some(visit) = state.get_mut(at) {
            *visit = Visit::Done;
        }
        if !self.definitions.contains_key(definition.name.value.as_str()) {
            self.order.push(at);
        }
    }
}

#[derive(Clone, Copy)]
enum Visit {
    New,
    Open,
    Done,
}

//! One source while its job is compiled: which fields are needed, and predicates over them.
//!
//! Expressions here read fields by their place in the job file; the event time is one more field
//! after them. [`super::finish`] renumbers what is needed.

mod definitions;

use super::frame::{self, Frame};
use super::lookup::{self, Meaning};
use super::table::{self, Lookup};
use crate::aggregate::{self, Reported};
use crate::declare::{SourceDeclared, TableDeclared, Written};
use crate::document::Problems;
use crate::expression::{self, Binding, ExpressionError};
use std::collections::HashMap;
use tidemark_operators::expression::Expr;
use tidemark_operators::plan::TimeUnit;
use tidemark_operators::value::{Type, Value};

/// A source while its job is compiled.
pub(super) struct SourceBuild<'j> {
    pub(super) declared: &'j SourceDeclared,
    /// By field, the event time last: whether a key, an attribute or a predicate needs it.
    pub(super) needed: Vec<bool>,
    pub(super) predicates: Vec<Expr>,
    /// Fields that are entity keys.
    pub(super) keys: Vec<usize>,
    /// Definitions in an order in which each names only earlier ones.
    order: Vec<usize>,
    /// By name, over fields.
    definitions: HashMap<&'j str, Result<Expr, Reported>>,
    lookups: HashMap<&'j str, Result<Lookup, Reported>>,
}

impl<'j> SourceBuild<'j> {
    /// Checks the definitions and the lookups.
    pub(super) fn new(
        declared: &'j SourceDeclared,
        tables: &[TableDeclared],
        problems: &Problems<'_>,
    ) -> Self {
        let mut build = SourceBuild {
            declared,
            needed: vec![false; declared.fields.len() + 1],
            predicates: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            definitions: HashMap::new(),
            lookups: table::lookups(declared, tables, problems),
        };
        let id = declared.unique.iter().flat_map(|unique| &unique.id);
        id.for_each(|field| build.need(*field));
        build.order_definitions(problems);
        for at in build.order.clone() {
            let Some(definition) = declared.definitions.get(at) else { continue };
            let checked = match &definition.written {
                Some(written) => build.over_fields(written, &HashMap::new(), problems),
                None => Err(Reported),
            };
            build.definitions.insert(&definition.name.value, checked);
        }
        build
    }

    /// The definition of this name, over fields.
    pub(super) fn definition(&self, name: &str) -> Option<&Result<Expr, Reported>> {
        self.definitions.get(name)
    }

    /// The lookup of this name.
    pub(super) fn lookup(&self, name: &str) -> Option<&Result<Lookup, Reported>> {
        self.lookups.get(name)
    }

    /// The index of the event time among the fields.
    pub(super) fn time_index(&self) -> usize {
        self.declared.fields.len()
    }

    /// Everything an expression over this source can name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'j str> + Clone {
        let declared: &'j SourceDeclared = self.declared;
        let fields = declared.fields.iter().map(|field| field.name.as_str());
        let definitions = declared.definitions.iter().map(|it| it.name.value.as_str());
        let lookups = declared.lookups.iter().map(|it| it.name.value.as_str());
        fields.chain([declared.time_name()]).chain(definitions).chain(lookups)
    }

    /// The condition `written`, which must be a bool. Names in `absent` are fields that other
    /// sources have: null here.
    fn condition(
        &self,
        written: &Written,
        absent: &HashMap<&str, Type>,
        problems: &Problems<'_>,
    ) -> Result<Expr, Reported> {
        let expr = self.over_fields(written, absent, problems)?;
        if expr.ty() != Type::Bool {
            let message = format!("must be true or false, but is of type {}", expr.ty());
            written.wrong(1, &message, Some("compare it with something".into()), problems);
            return Err(Reported);
        }
        Ok(expr)
    }

    /// Whether the condition is about something that is looked up, so that it cannot be a predicate.
    fn is_late(&self, condition: &Expr) -> bool {
        condition.inputs().iter().any(|input| *input > self.time_index())
    }

    /// The field, the event time or the lookup that an input of a condition is.
    pub(super) fn input(&self, index: usize) -> Option<&'j str> {
        let declared: &'j SourceDeclared = self.declared;
        match index.checked_sub(self.time_index()) {
            None => declared.fields.get(index).map(|field| field.name.as_str()),
            Some(0) => Some(declared.time_name()),
            Some(at) => declared.lookups.get(at - 1).map(|it| it.name.value.as_str()),
        }
    }

    /// The predicate that every event fulfils.
    pub(super) fn always(&mut self) -> usize {
        self.add_predicate(Expr::Literal(Value::Bool(true)))
    }

    fn add_predicate(&mut self, expr: Expr) -> usize {
        for field in expr.inputs() {
            self.need(field);
        }
        let same = self.predicates.iter().position(|predicate| *predicate == expr);
        same.unwrap_or_else(|| {
            self.predicates.push(expr);
            self.predicates.len() - 1
        })
    }

    /// Marks a field as needed.
    pub(super) fn need(&mut self, field: usize) {
        if let Some(needed) = self.needed.get_mut(field) {
            *needed = true;
        }
    }

    /// Checks an expression over the fields and definitions.
    fn over_fields(
        &self,
        written: &Written,
        absent: &HashMap<&str, Type>,
        problems: &Problems<'_>,
    ) -> Result<Expr, Reported> {
        let mut known = true;
        for used in written.ast.names() {
            known &= self.is_known(used.name, used.column, written, absent, problems);
        }
        if !known {
            return Err(Reported);
        }
        let mut resolve = |name: &str| match self.definitions.get(name) {
            Some(definition) => definition.as_ref().ok().cloned().map(Binding::Expr),
            None => self.field_binding(name).or_else(|| absent.get(name).map(|ty| null(*ty))),
        };
        let names: Vec<&str> = self.names().collect();
        expression::check(&written.ast, &mut resolve, &names)
            .map_err(|error| report(&error, written, problems))
    }

    /// Whether `name` can be used; if not, that is recorded (here or before).
    fn is_known(
        &self,
        name: &str,
        column: usize,
        written: &Written,
        absent: &HashMap<&str, Type>,
        problems: &Problems<'_>,
    ) -> bool {
        let declared = self.declared;
        if name == declared.time_name() {
            if declared.time.form.unit == TimeUnit::Ms {
                return true;
            }
            let message = format!(
                "\"{name}\" is the event time, which a filter or definition can name only when its \
                 unit is ms"
            );
            written.wrong(column, &message, None, problems);
            return false;
        }
        if let Some((_, field)) = declared.field(name) {
            return field.ty.is_some();
        }
        if let Some(definition) = self.definitions.get(name) {
            return definition.is_ok();
        }
        if let Some(lookup) = self.lookup(name) {
            return lookup.is_ok();
        }
        if absent.contains_key(name) {
            return true;
        }
        let message = format!("source \"{}\" has no field \"{name}\"", declared.name.value);
        let hint = suggest(name, self.names());
        written.wrong(column, &message, hint, problems);
        false
    }

    fn field_binding(&self, name: &str) -> Option<Binding> {
        if name == self.declared.time_name() {
            let index = self.time_index();
            return Some(Binding::Input { index, ty: Type::Timestamp, nullable: false });
        }
        if let Some((index, field)) = self.declared.field(name) {
            return Some(Binding::Input { index, ty: field.ty?, nullable: !field.required });
        }
        let what = &self.lookup(name)?.as_ref().ok()?.what;
        let at = self.declared.lookups.iter().position(|lookup| lookup.name.value == name)?;
        let index = self.time_index() + 1 + at;
        Some(Binding::Input { index, ty: what.ty, nullable: what.is_nullable() })
    }
}

/// What `written` is in each source of the job, where the frame has it.
pub(super) enum Filter {
    /// Predicates of the sources.
    Read(Vec<Option<usize>>),
    /// Conditions some of which are about what is looked up: over the fields of a source, its event
    /// time and its lookups.
    Late(Vec<Option<Expr>>),
}

/// What `written` is in the sources of `frame`: what a filter bit is.
pub(super) fn filter(
    written: &Written,
    frame: &Frame,
    sources: &mut [SourceBuild<'_>],
    problems: &Problems<'_>,
) -> Result<Filter, Reported> {
    let names = written.ast.names();
    for used in &names {
        if let Meaning::Conflict(message) = lookup::meaning(used.name, frame, sources) {
            written.wrong(used.column, &message, None, problems);
            return Err(Reported);
        }
    }
    let elsewhere = frame::types(names.iter().map(|used| used.name), frame, sources);
    let mut conditions = vec![None; sources.len()];
    let (mut good, mut late) = (true, false);
    for s in &frame.sources {
        let (Some(place), Some(source)) = (conditions.get_mut(*s), sources.get(*s)) else {
            continue;
        };
        match source.condition(written, &elsewhere, problems) {
            Ok(condition) => {
                late |= source.is_late(&condition);
                *place = Some(condition);
            }
            Err(Reported) => good = false,
        }
    }
    match good {
        false => Err(Reported),
        true if late => Ok(Filter::Late(conditions)),
        true => {
            let all = conditions.into_iter().zip(sources);
            let predicates = all.map(|(condition, source)| Some(source.add_predicate(condition?)));
            Ok(Filter::Read(predicates.collect()))
        }
    }
}

/// A null of type `ty`.
pub(super) fn null(ty: Type) -> Binding {
    let value = match ty {
        Type::Int => Value::Int(0),
        Type::Decimal => Value::Decimal(0),
        Type::Double => Value::Double(0.0),
        Type::Bool => Value::Bool(false),
        Type::Text => Value::Text(String::new()),
        Type::Timestamp => Value::Timestamp(0),
        Type::Ip => Value::Ip(std::net::Ipv4Addr::UNSPECIFIED.into()),
    };
    Binding::Expr(Expr::If {
        condition: Box::new(Expr::Literal(Value::Bool(false))),
        yes: Box::new(Expr::Literal(value)),
        no: Box::new(Expr::Literal(Value::Null)),
    })
}

/// Records an error of the expression language.
pub(super) fn report(
    error: &ExpressionError,
    written: &Written,
    problems: &Problems<'_>,
) -> Reported {
    let called = error.unknown_function.as_deref();
    let hint = called.and_then(aggregate_hint).or_else(|| error.hint.clone());
    written.wrong(error.column, &error.message, hint, problems);
    for other in &error.others {
        report(other, written, problems);
    }
    Reported
}

/// What to write instead of a call of something that looks at more than one event.
fn aggregate_hint(name: &str) -> Option<String> {
    if let Some(instead) = aggregate::instead_of(name) {
        return Some(format!("an expression computes from one row; of events, {instead}"));
    }
    aggregate::named(name).map(|_| {
        format!(
            "`{name}` is an aggregate: make a feature of it with aggregate = \"{name}\", and name \
             that feature here"
        )
    })
}

/// A hint towards the name that was probably meant.
pub(super) fn suggest<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    crate::document::suggestion(name, names)
}

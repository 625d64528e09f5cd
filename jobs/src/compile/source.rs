//! One source while its job is compiled: which fields are needed, and predicates over them.
//!
//! Expressions here read their [`input`]s by their place in the job file. [`super::finish`] renumbers
//! what is needed.

mod definitions;
mod input;

pub(super) use input::Input;

use super::frame::{self, Frame};
use super::lookup::{self, Meaning};
use super::table::{self, Lookup};
use crate::aggregate::{self, Reported};
use crate::declare::{EVENT_TIME, SourceDeclared, TableDeclared, Written};
use crate::document::Problems;
use crate::expression::{self, Binding, ExpressionError, invalid_field};
use std::collections::HashMap;
use tidemark_operators::expression::Expr;
use tidemark_operators::value::{Type, Value};

/// A source while its job is compiled.
pub(super) struct SourceBuild<'j> {
    pub(super) declared: &'j SourceDeclared,
    /// By column: whether a key, an attribute or a predicate needs it.
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
            needed: Vec::new(),
            predicates: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
            definitions: HashMap::new(),
            lookups: table::lookups(declared, tables, problems),
        };
        build.needed = vec![false; build.columns()];
        let id = declared.unique.iter().flat_map(|unique| &unique.id);
        id.for_each(|field| build.need(*field));
        if let Some(operation) = declared.root.operation(&declared.fields) {
            build.need(operation);
        }
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

    /// Everything an expression over this source can name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'j str> + Clone {
        let declared: &'j SourceDeclared = self.declared;
        let fields = declared.fields.iter().map(|field| field.name.as_str());
        let definitions = declared.definitions.iter().map(|it| it.name.value.as_str());
        let lookups = declared.lookups.iter().map(|it| it.name.value.as_str());
        let times = [declared.time_name(), EVENT_TIME];
        fields.chain(times).chain(definitions).chain(lookups)
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
        let inputs = condition.inputs();
        inputs.iter().any(|input| matches!(self.input(*input), Input::Lookup(_)))
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

    /// Marks a column as needed.
    pub(super) fn need(&mut self, column: usize) {
        if let Some(needed) = self.needed.get_mut(column) {
            *needed = true;
        }
        // Whether a field is invalid is known of fields that are read.
        if let Input::Invalid(field) = self.input(column) {
            self.need(field);
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
            None => self.input_binding(name).or_else(|| absent_binding(name, absent)),
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
        if let Some(field) = invalid_field(name)
            && self.rejects_invalid(field)
        {
            let message = format!(
                "{name} is never true of source \"{}\": a record whose \"{field}\" cannot be read is \
                 a dead letter",
                declared.name.value
            );
            let hint = "make the field optional, and leave out invalid = \"reject\"";
            written.note(&message, hint, problems);
        }
        if name == EVENT_TIME {
            return true;
        }
        if let Some((_, field)) = declared.field(invalid_field(name).unwrap_or(name)) {
            return field.ty.is_some();
        }
        if let Some(definition) = self.definitions.get(name) {
            return definition.is_ok();
        }
        if let Some(lookup) = self.lookup(name) {
            return lookup.is_ok();
        }
        if name == declared.time_name() || absent.contains_key(name) {
            return true;
        }
        let asked = invalid_field(name).unwrap_or(name);
        let message = format!("source \"{}\" has no field \"{asked}\"", declared.name.value);
        let hint = match invalid_field(name) {
            Some(field) => suggest(field, declared.fields.iter().map(|it| it.name.as_str())),
            None => suggest(name, self.names()),
        };
        written.wrong(column, &message, hint, problems);
        false
    }

    fn input_binding(&self, name: &str) -> Option<Binding> {
        if let Some(what) = self.lookup(name) {
            let what = &what.as_ref().ok()?.what;
            let at = self.declared.lookups.iter().position(|lookup| lookup.name.value == name)?;
            let index = self.number(Input::Lookup(at));
            return Some(Binding::Input { index, ty: what.ty, nullable: what.is_nullable() });
        }
        let input::SourceColumn { index, ty, nullable } = self.column(name)?;
        Some(Binding::Input { index, ty, nullable })
    }
}

/// What a name means in a source that has no such field, though others have: null, and nothing that
/// is not there is invalid.
fn absent_binding(name: &str, absent: &HashMap<&str, Type>) -> Option<Binding> {
    let ty = absent.get(name)?;
    Some(match invalid_field(name) {
        Some(_) => Binding::Expr(Expr::Literal(Value::Bool(false))),
        None => null(*ty),
    })
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
        Type::Decimal(scale) => Value::Decimal(0, scale),
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

//! What events are looked up in: a source's lookups, resolved, and the attributes they become.

use super::Compiler;
use super::scope::Scope;
use super::source::SourceBuild;
use crate::aggregate::Reported;
use crate::declare::{Asked, LookupDeclared, SourceDeclared, TableDeclared};
use crate::document::{At, Literal, Problems};
use crate::job::LookupText;
use std::collections::HashMap;
use tidemark_operators::plan::{Feed, LookupPlan, Storage, TablePlan};
use tidemark_operators::reference::text;
use tidemark_operators::value::{Cell, Type};

/// A lookup of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// What is looked up, whatever the key.
    pub(super) what: What,
    /// The field of the source that is the key.
    key: usize,
}

/// A column of a table, and what stands in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct What {
    table: usize,
    column: usize,
    pub(super) ty: Type,
    default: Cell,
}

impl What {
    /// Whether there may be no value.
    pub(super) fn is_nullable(&self) -> bool {
        self.default == Cell::Null
    }
}

/// The lookups of a source, by name.
pub(super) fn lookups<'j>(
    declared: &'j SourceDeclared,
    tables: &[TableDeclared],
    problems: &Problems<'_>,
) -> HashMap<&'j str, Result<Lookup, Reported>> {
    let lookup = |name: &str, asked: &Option<Asked>| {
        resolved(name, asked.as_ref().ok_or(Reported)?, declared, tables, problems)
    };
    let all = declared.lookups.iter();
    all.map(|it| (it.name.value.as_str(), lookup(&it.name.value, &it.asked))).collect()
}

fn resolved(
    name: &str,
    asked: &Asked,
    source: &SourceDeclared,
    tables: &[TableDeclared],
    problems: &Problems<'_>,
) -> Result<Lookup, Reported> {
    let named = tables.iter().position(|table| table.name.value == asked.table.value);
    let Some((at, table)) = named.and_then(|at| Some((at, tables.get(at)?))) else {
        let message = format!("lookup \"{name}\" names no table: \"{}\"", asked.table.value);
        problems.unknown(&asked.table, message, tables.iter().map(|it| it.name.value.as_str()));
        return Err(Reported);
    };
    let key = key(name, &asked.key, source, &table.plan, problems);
    let columns = table.plan.columns.iter();
    let Some(column) = columns.clone().position(|it| it.name == asked.column.value) else {
        let (own, column) = (&table.name.value, &asked.column.value);
        let message = format!("lookup \"{name}\": table \"{own}\" has no column \"{column}\"");
        problems.unknown(&asked.column, message, columns.map(|it| it.name.as_str()));
        return Err(Reported);
    };
    if table.typed.get(column) != Some(&true) {
        // That is recorded.
        return Err(Reported);
    }
    let ty = table.plan.columns.get(column).map_or(Type::Text, |it| it.ty);
    let default = match &asked.default {
        Some(literal) => default(name, literal, ty, problems)?,
        None => Cell::Null,
    };
    Ok(Lookup { what: What { table: at, column, ty, default }, key: key? })
}

fn key(
    name: &str,
    key: &At<String>,
    source: &SourceDeclared,
    table: &TablePlan,
    problems: &Problems<'_>,
) -> Result<usize, Reported> {
    let Some((at, field)) = source.field(&key.value) else {
        let message = format!(
            "the key of lookup \"{name}\" is no field of source \"{}\": \"{}\"",
            source.name.value, key.value
        );
        problems.unknown(key, message, source.fields.iter().map(|field| field.name.as_str()));
        return Err(Reported);
    };
    let (ty, wanted) = (field.ty.ok_or(Reported)?, table.matching.ty());
    if ty != wanted {
        let message = format!(
            "the key of lookup \"{name}\" must be of type {wanted}, as that of table \"{}\", \"{}\" is \
             of type {ty}",
            table.name, key.value
        );
        problems.wrong(key, message, None);
        return Err(Reported);
    }
    Ok(at)
}

/// The default, which must be of the column's type.
fn default(
    name: &str,
    literal: &At<Literal>,
    ty: Type,
    problems: &Problems<'_>,
) -> Result<Cell, Reported> {
    let flag;
    let text = match (&literal.value, ty) {
        (Literal::Text(text), Type::Text) => return Ok(Cell::Bytes(text.as_bytes().to_vec())),
        (Literal::Text(text), Type::Ip) => text,
        (Literal::Text(text) | Literal::Date(text), Type::Timestamp) => text,
        (Literal::Number(digits), _) if ty.is_numeric() => {
            flag = digits.replace('_', "");
            &flag
        }
        (Literal::Bool(value), Type::Bool) => {
            flag = value.to_string();
            &flag
        }
        _ => "",
    };
    match text::cell(text, ty) {
        Ok(cell) if cell != Cell::Null => Ok(cell),
        _ => {
            let message =
                format!("\"default\" in lookup \"{name}\" must be of the column's type, {ty}");
            problems.push(literal.span.start, Some("default"), message, None);
            Err(Reported)
        }
    }
}

/// A lookup as people read it.
pub(super) fn shown(lookup: &LookupDeclared) -> Option<LookupText> {
    let Asked { table, key, column, default } = lookup.asked.as_ref()?;
    Some(LookupText {
        name: lookup.name.value.clone(),
        column: column.value.clone(),
        table: table.value.clone(),
        key: key.value.clone(),
        default: default.as_ref().map(|at| at.value.to_string()),
    })
}

/// What `name` looks up in the sources of `scope`, if it is a lookup there.
pub(super) fn looked_up<'s>(
    name: &str,
    frame: &super::frame::Frame,
    sources: &'s [SourceBuild<'_>],
) -> Option<&'s What> {
    let sources = frame.sources.iter().filter_map(|source| sources.get(*source));
    sources.filter_map(|source| source.lookup(name)?.as_ref().ok()).map(|it| &it.what).next()
}

impl Scope<'_, '_> {
    /// Records that a looked-up value is part of a tuple: those come with the event as a whole.
    pub(super) fn refuse_looked_up<'n>(
        &self,
        mut parts: impl Iterator<Item = &'n At<String>>,
    ) -> Result<(), Reported> {
        let is_lookup =
            |part: &&At<String>| looked_up(&part.value, self.frame, self.sources).is_some();
        let Some(part) = parts.find(is_lookup) else { return Ok(()) };
        let message = format!(
            "\"of\" in {}: \"{}\" is looked up in a table, so it cannot be one of several fields",
            self.label, part.value
        );
        self.problems.wrong(part, message, Some("name it alone".to_owned()));
        Err(Reported)
    }

    /// The attribute that lookup `name` becomes; `None` when it is no lookup.
    pub(super) fn register_lookup(&mut self, name: &str, storage: Storage) -> Option<usize> {
        let what = looked_up(name, self.frame, self.sources)?.clone();
        let keyed: Vec<bool> = self.entity.keys.iter().map(Option::is_some).collect();
        let (mut keys, mut here) = (Vec::new(), Vec::new());
        let (mut key_name, mut key_type) = (String::new(), Type::Text);
        for (source, keyed) in self.sources.iter_mut().zip(keyed) {
            let lookup = source.lookup(name).and_then(|it| it.as_ref().ok());
            let key = lookup.filter(|it| keyed && it.what == what).map(|it| it.key);
            here.push(key.is_some());
            keys.push(key.map_or(Feed::Absent, Feed::Field));
            if let Some(key) = key {
                source.need(key);
                if let Some(field) = source.declared.fields.get(key) {
                    key_name.clone_from(&field.name);
                    key_type = field.ty.unwrap_or(Type::Text);
                }
            }
        }
        let key = self.entity.attribute(&key_name, key_type, Storage::Symbol, keys);
        let What { table, column, ty, default } = what;
        let lookup = LookupPlan { table, key, column, target: 0, default, sources: here };
        Some(self.entity.looked_up(name, ty, storage, lookup))
    }
}

impl Compiler<'_, '_> {
    /// Records tables that no lookup names.
    pub(super) fn find_unused_tables(&self) {
        let named = |table: &str| {
            let lookups = self.job.sources.iter().flat_map(|source| &source.lookups);
            let mut asked = lookups.filter_map(|lookup| lookup.asked.as_ref());
            asked.any(|asked| asked.table.value == table)
        };
        for table in self.job.tables.iter().filter(|table| !named(&table.name.value)) {
            let message = format!("nothing is looked up in table \"{}\"", table.name.value);
            let hint = "remove it, or add what was to use it".to_owned();
            self.problems.wrong(&table.name, message, Some(hint));
        }
    }
}

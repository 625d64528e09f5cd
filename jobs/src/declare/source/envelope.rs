//! Where the fields are in a record's value: below the record itself, a `root`, or in an `envelope`.

use super::fields::FieldDeclared;
use super::paths::{Reader, path_of};
use crate::document::Table;
use tidemark_operators::plan::envelope::{PAYLOAD, SCHEMA};
use tidemark_operators::plan::path::{PARTS_MAX, shown};
use tidemark_operators::plan::{Format, Operation, Place};
use tidemark_operators::value::Type;

/// What an envelope has the row under.
const ROW: &str = "after";
/// What says the operation, in the envelope.
const OPERATION: &str = "op";
/// What Connect puts around envelopes: that is taken away before anything is read.
const AROUND: [&str; 2] = [PAYLOAD, SCHEMA];

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Root {
    /// What paths begin below, unless they are outer ones.
    path: Vec<String>,
    /// Where the operation is.
    op: Vec<String>,
    /// The operations that are events; `None`: there is no envelope.
    pub(crate) ops: Option<Vec<Operation>>,
}

/// Reads `envelope`, `ops` and `root` of a source whose records are in this format.
pub(super) fn root(table: &mut Table<'_>, format: Format) -> Root {
    let mut root = Root { path: Vec::new(), op: vec![OPERATION.to_owned()], ops: None };
    if matches!(format, Format::Csv { .. }) {
        for key in ["envelope", "ops", "root"] {
            table.refuse(key, "is not for CSV, where nothing lies in anything else");
        }
        return root;
    }
    if table.has("envelope") {
        table.choice("envelope", &["debezium"]);
        table.refuse("root", "cannot stand beside \"envelope\", which says where the row is");
        root.path = vec![ROW.to_owned()];
        root.ops = Some(operations(table));
        return root;
    }
    table.refuse("ops", "is about the operations of an \"envelope\", which the source has not");
    let path = table.text("root").and_then(|text| path_of(&text, "root", format, table));
    root.path = path.unwrap_or_default();
    root
}

fn operations(table: &mut Table<'_>) -> Vec<Operation> {
    let Some(names) = table.texts("ops") else {
        return vec![Operation::Create, Operation::Snapshot];
    };
    if names.is_empty() {
        let message =
            format!("\"ops\" in {} names no operation: nothing is an event", table.label());
        table.problems().push(table.at(), Some("ops"), message, None);
    }
    let known = Operation::ALL.into_iter().filter(|operation| operation.is_named());
    let mut operations = Vec::new();
    for name in names {
        match known.clone().find(|operation| operation.name() == name.value) {
            Some(operation) if operations.contains(&operation) => {
                let message =
                    format!("\"ops\" in {} names \"{}\" twice", table.label(), name.value);
                table.problems().wrong(&name, message, None);
            }
            Some(operation) => operations.push(operation),
            None => {
                let message =
                    format!("\"ops\" in {} names no operation: \"{}\"", table.label(), name.value);
                let hint =
                    "write c (insert), r (snapshot), u (update), d (delete), t (truncate) or \
                            m (message)"
                        .to_owned();
                table.problems().wrong(&name, message, Some(hint));
            }
        }
    }
    operations
}

impl Root {
    /// Where a path leads that the job writes at the key `key` of `table`, an `outer` one or not; what
    /// cannot be is recorded.
    pub(super) fn below(
        &self,
        path: Vec<String>,
        outer: bool,
        (key, at): (&str, usize),
        table: &Table<'_>,
    ) -> Vec<String> {
        let say = |message: String, hint: &str| {
            table.problems().push(at, Some(key), message, Some(hint.to_owned()));
        };
        if outer {
            let around = path.first().is_some_and(|first| AROUND.contains(&first.as_str()));
            if self.ops.is_some() && around {
                let message = format!(
                    "\"{key}\" in {} leads into \"{}\", which is taken away from around an envelope",
                    table.label(),
                    path.first().map_or("", String::as_str)
                );
                say(message, "outer paths begin at what is in it, as in \"source.lsn\"");
            }
            return path;
        }
        let whole = [self.path.as_slice(), &path].concat();
        if whole.len() > PARTS_MAX {
            let message = format!(
                "\"{key}\" in {} has more than {PARTS_MAX} parts: \"{}\"",
                table.label(),
                shown(&whole)
            );
            say(message, "a path has at most so many, and those that it begins below are of them");
        }
        whole
    }

    /// `outer`: whether what `table` reads begins at the record itself, or at its envelope.
    pub(super) fn outer(&self, table: &mut Table<'_>) -> bool {
        if self.path.is_empty() {
            table.refuse("outer", "is for sources with an \"envelope\" or a \"root\"");
            return false;
        }
        table.boolean("outer").is_some_and(|outer| outer.value)
    }

    /// The same of a field.
    pub(super) fn outer_of(&self, field: &FieldDeclared, table: &mut Table<'_>) -> bool {
        if field.place == Place::Value {
            return self.outer(table);
        }
        table.refuse("outer", "is for fields in the value of a record");
        false
    }

    /// Puts the paths of a field where they are in a record, and records what cannot be.
    pub(super) fn place(&self, field: &mut FieldDeclared, outer: bool, table: &Table<'_>) {
        if field.place != Place::Value {
            return;
        }
        let at = field.at.first().copied().unwrap_or(table.at());
        let say = |key: &str, what: &str| {
            let message = format!("field \"{}\" {what}", field.name);
            table.problems().push(at, Some(key), message, None);
        };
        let operation = outer && self.ops.is_some();
        if operation && field.aliases.contains(&self.op) {
            say("aliases", "has the operation of the envelope as an alias: give it a field");
        }
        let reads = operation && field.path == self.op;
        let wrong = field.ty.is_some_and(|ty| ty != Type::Text) || !field.aliases.is_empty();
        let as_it_is = field.default.is_none() && field.reading.null_values.is_empty();
        if reads && (wrong || !as_it_is) {
            say("outer", "is the operation of the envelope: a string, read as it is");
        }
        for (path, key) in [(&mut field.path, "path")]
            .into_iter()
            .chain(field.aliases.iter_mut().map(|it| (it, "aliases")))
        {
            *path = self.below(std::mem::take(path), outer, (key, at), table);
        }
    }

    /// What reads the operation.
    pub(super) fn reader<'a>(&'a self, table: &Table<'_>) -> Option<Reader<'a>> {
        self.ops.as_ref()?;
        let what = format!("\"envelope\" of {}", table.label());
        let at = table.place("envelope").unwrap_or(table.at());
        Some(Reader { what, key: "envelope", place: &Place::Value, path: &self.op, at })
    }

    /// The field that reads the operation, where one does.
    pub(crate) fn operation(&self, fields: &[FieldDeclared]) -> Option<usize> {
        self.ops.as_ref()?;
        fields.iter().position(|field| field.place == Place::Value && field.path == self.op)
    }

    /// Where the operation is.
    pub(crate) fn operation_path(&self) -> &[String] {
        &self.op
    }
}

//! Where in a record something is that is not in its value: `key`, `header` or `record`.

use super::paths::{Reader, split_path};
use super::reading;
use crate::document::{At, Literal, Problems, Table};
use std::sync::Arc;
use tidemark_operators::plan::{Framing, Place, RecordPart, TimeForm, TimeUnit};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

/// The keys that say where, each of which excludes the others.
const KEYS: [&str; 3] = ["key", "header", "record"];
/// The most bytes of a header's name.
const HEADER_NAME_BYTES_MAX: usize = 249;
/// What a log knows of a record, of which a time is one.
const PARTS: [&str; 4] = ["timestamp", "partition", "offset", "topic"];

/// A place besides the value.
pub(super) struct Placed {
    pub(super) place: Place,
    /// Into the key; else empty.
    pub(super) path: Vec<String>,
    /// Where in the file.
    pub(super) at: usize,
}

/// Whether `table` says, rightly or not, that it is not in the value.
pub(super) fn is_said(table: &Table<'_>) -> bool {
    KEYS.into_iter().any(|key| table.has(key))
}

/// Reads where `table`, a field or a time, says it is; `None`: in the value, unless something is
/// wrong, which is recorded. `instead` are the keys of what is in the value.
pub(super) fn placed(table: &mut Table<'_>, instead: &[&str]) -> Option<Placed> {
    let said: Vec<&str> = KEYS.into_iter().filter(|key| table.has(key)).collect();
    let first = *said.first()?;
    for other in said.iter().skip(1).chain(instead) {
        table.refuse(other, &format!("cannot stand beside \"{first}\": a value is in one place"));
    }
    match first {
        "key" => key(table),
        "header" => header(table),
        _ => part(table),
    }
}

fn key(table: &mut Table<'_>) -> Option<Placed> {
    let literal = table.literal("key")?;
    let at = literal.span.start;
    let path = match literal.value {
        Literal::Bool(true) => Vec::new(),
        Literal::Text(ref text) => {
            split_path(&At { value: text.clone(), span: literal.span }, "key", table)?
        }
        found => {
            let message = format!("\"key\" in {} cannot be {found}", table.label());
            let hint =
                "true for the key itself, or a path in a key that is a JSON object".to_owned();
            table.problems().push(at, Some("key"), message, Some(hint));
            return None;
        }
    };
    Some(Placed { place: Place::Key, path, at })
}

fn header(table: &mut Table<'_>) -> Option<Placed> {
    let name = table.text("header")?;
    if name.value.is_empty() || name.value.len() > HEADER_NAME_BYTES_MAX {
        let message = format!(
            "\"header\" in {} must be a name of 1 to {HEADER_NAME_BYTES_MAX} bytes",
            table.label()
        );
        table.problems().push(name.span.start, Some("header"), message, None);
        return None;
    }
    Some(Placed { place: Place::Header(name.value), path: Vec::new(), at: name.span.start })
}

fn part(table: &mut Table<'_>) -> Option<Placed> {
    let named = table.choice("record", &PARTS)?;
    let part = match named.value {
        "timestamp" => RecordPart::Timestamp,
        "partition" => RecordPart::Partition,
        "offset" => RecordPart::Offset,
        _ => RecordPart::Topic,
    };
    Some(Placed { place: Place::Record(part), path: Vec::new(), at: named.span.start })
}

/// Records that what the log knows is of another type than the field.
pub(super) fn check_type(placed: &Placed, ty: Option<Type>, what: &str, table: &Table<'_>) {
    let Place::Record(part) = placed.place else { return };
    let fits: &[Type] = match part {
        RecordPart::Timestamp => &[Type::Timestamp, Type::Int],
        RecordPart::Partition | RecordPart::Offset => &[Type::Int, Type::Text],
        RecordPart::Topic => &[Type::Text],
    };
    if let Some(ty) = ty.filter(|ty| !fits.contains(ty)) {
        let names: Vec<&str> = fits.iter().map(|ty| ty.name()).collect();
        let message = format!(
            "{what} is the record's {}, which is {}, not {ty}",
            part.name(),
            names.join(" or ")
        );
        table.problems().push(placed.at, Some("record"), message, None);
    }
}

/// How a time is read that is `placed`: that of the log is in ms, any other as `table` or `default`
/// says.
pub(super) fn time_form(
    placed: &Placed,
    table: &mut Table<'_>,
    default: &TimeForm,
    zone: &Arc<Zone>,
) -> TimeForm {
    let Place::Record(part) = placed.place else {
        return reading::time_form(table, &reading::EVENT_UNITS, default, zone);
    };
    if part != RecordPart::Timestamp {
        let message = format!("{} is the record's {}, no time", table.label(), part.name());
        let hint = "the one time that a log has of a record is its \"timestamp\"".to_owned();
        table.problems().push(placed.at, Some("record"), message, Some(hint));
    }
    for key in ["unit", "zone"] {
        table.refuse(key, "cannot stand beside record = \"timestamp\", which is in ms");
    }
    TimeForm::new(TimeUnit::Ms)
}

/// Records what can never be there in files: they have no topic, and a line has no timestamp, no key
/// and no headers, unless it is one of a dump.
pub(super) fn refuse_in_files(readers: &[Reader<'_>], framing: Framing, problems: &Problems<'_>) {
    for Reader { what, place, path, at, .. } in readers {
        let key = match place {
            Place::Record(RecordPart::Topic) => {
                let message = format!("{what} is the record's topic, and files are of none");
                let hint = "name a topic; `tidemark replay` reads files in its place".to_owned();
                problems.push(*at, Some("record"), message, Some(hint));
                continue;
            }
            Place::Record(RecordPart::Partition | RecordPart::Offset) | Place::Value => continue,
            _ if framing == Framing::Kcat => continue,
            Place::Key => "key",
            Place::Header(_) => "header",
            Place::Record(RecordPart::Timestamp) => "record",
        };
        let message = format!("{what} is {}, which no line of a file has", place.shown(path));
        let hint = "read a topic; or what `kcat -J` has written of one, which has all of it, with \
                    framing = \"kcat\""
            .to_owned();
        problems.push(*at, Some(key), message, Some(hint));
    }
}

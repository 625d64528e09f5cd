//! One record's cells: values on their way into the columns.

mod encoded;
mod fault;
mod typed;

pub(super) use fault::{Affected, Fault};
pub(super) use typed::{unscaled_text, uuid_text};

use super::coerce::{self, Converted, Misfit};
use super::error::{DecodeError, shown};
use super::lenient;
use super::time;
use super::trie::{Leaf, Node, Trie};
use crate::plan::{Encoding, TimeForm, TimeUnit};
use crate::time::EventTime;
use crate::value::{Column, SCALE_MAX, Type};
use std::borrow::Cow;

/// The row being written.
pub(super) struct Row<'a> {
    pub nodes: &'a mut [Node],
    leaves: &'a [Leaf],
    columns: &'a mut [Column],
    row: usize,
    /// For each field with aliases: how many paths come before the one that was found.
    found: &'a mut [u8],
    /// The event time so far.
    pub time: Option<i64>,
    /// The arrival time so far.
    pub arrival: Option<EventTime>,
    /// Values that were there and cannot be read, or not to the last digit, as long as no other one
    /// decides.
    faults: &'a mut Vec<Fault>,
    /// Why reading was broken off, when it was not for the syntax.
    pub stopped: Option<DecodeError>,
    /// Whether every value is read by its text, and not as the parser hands it out.
    pub by_text: bool,
    /// The leaf whose number has to be read by its text.
    pub inexact: Option<usize>,
}

/// No path of a field was found yet.
const NOWHERE: u8 = u8::MAX;

/// Takes back what `column` holds of `row`, its bytes included.
pub(super) fn reset(column: &mut Column, row: usize) {
    if column.len() > row {
        // Only text has bytes at all, and then the word says where this row's begin.
        if let (false, Some(word)) = (column.bytes.is_empty(), column.word(row)) {
            column.bytes.truncate(usize::try_from(word >> 32).unwrap_or(usize::MAX));
        }
        column.truncate(row);
    }
}

impl<'a> Row<'a> {
    /// `found` has a place for each of the trie's choices; `faults` are the row's in the end.
    pub fn new(
        trie: &'a mut Trie,
        columns: &'a mut [Column],
        found: &'a mut [u8],
        faults: &'a mut Vec<Fault>,
        row: usize,
    ) -> Self {
        let Trie { nodes, leaves, .. } = trie;
        found.fill(NOWHERE);
        faults.clear();
        Self {
            nodes,
            leaves,
            columns,
            row,
            found,
            time: None,
            arrival: None,
            faults,
            stopped: None,
            by_text: false,
            inexact: None,
        }
    }

    /// Whether a string is the right thing at `leaf`.
    pub fn is_text(&self, leaf: usize) -> bool {
        self.leaves.get(leaf).is_some_and(|l| l.text)
    }

    /// Forgets what was read below `node`.
    pub fn restart(&mut self, node: usize) {
        let leaves = self.leaves;
        for leaf in self.nodes.get(node).into_iter().flat_map(|n| &n.below) {
            let Some(leaf) = leaves.get(*leaf) else { continue };
            if let Some((choice, rank)) = leaf.choice
                && let Some(found) = self.found.get_mut(choice)
            {
                if *found != rank {
                    continue;
                }
                *found = NOWHERE;
            }
            if let Some((field, _)) = leaf.field {
                if let Some(column) = self.columns.get_mut(field) {
                    reset(column, self.row);
                }
                if !self.faults.is_empty() {
                    self.faults.retain(|fault| !fault.is_of(field));
                }
            }
            if leaf.time.is_some() {
                self.time = None;
                self.faults.retain(|fault| !fault.is_at(Affected::Time));
            }
            if leaf.arrival.is_some() {
                self.arrival = None;
                self.faults.retain(|fault| !fault.is_at(Affected::Arrival));
            }
        }
    }

    /// All below `node` is null, because it is.
    pub fn put_nulls(&mut self, node: usize) {
        self.restart(node);
        let below = self.nodes.get(node).map_or(0, |n| n.below.len());
        for at in 0..below {
            if let Some(leaf) = self.nodes.get(node).and_then(|n| n.below.get(at).copied()) {
                self.put_null(leaf);
            }
        }
    }

    /// A value by its JSON text, which is well-formed.
    pub fn put_json(&mut self, leaf: usize, json: &str) {
        match json.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => self.put_number(leaf, json),
            Some(b't') => self.put_bool(leaf, true),
            Some(b'f') => self.put_bool(leaf, false),
            Some(b'n') => self.put_null(leaf),
            Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(json) {
                Ok(text) => self.put_text(leaf, &text),
                // Its escapes are well-formed, and name no character.
                Err(_) => self.refuse(leaf, "a string with half of a surrogate pair"),
            },
            Some(b'[') => self.refuse(leaf, lenient::word(json)),
            _ => self.refuse(leaf, "an object"),
        }
    }

    #[inline]
    pub fn put_text(&mut self, leaf: usize, text: &str) {
        let Some(leaf) = self.leaves.get(leaf) else { return };
        let found = || format!("string \"{}\"", shown(text));
        if leaf.object {
            return self.fault(leaf, wrong(leaf, &found()));
        }
        if let Some((field, ty)) = leaf.field {
            let reading = &leaf.reading;
            let plain = ty == Type::Text && reading.null_values.is_empty();
            if plain && text.len() <= reading.text_bytes_max {
                self.cell(leaf, field, |c| c.push_bytes(text.as_bytes()));
            } else {
                self.put_given(leaf, field, coerce::text(ty, text, reading), found);
            }
        }
        let time = self.put_time(leaf, |form| time::of_text(text, form));
        if let Err(expected) = time {
            let field = leaf.label.clone();
            self.fault_time(leaf, DecodeError::WrongType { field, expected, found: found() });
        }
    }

    #[inline]
    pub fn put_number(&mut self, leaf: usize, text: &str) {
        if let Some(leaf) = self.leaves.get(leaf) {
            self.put_number_at(leaf, text);
        }
    }

    fn put_number_at(&mut self, leaf: &'a Leaf, text: &str) {
        if leaf.object {
            return self.fault(leaf, wrong(leaf, &shown(text)));
        }
        if let Some((field, ty)) = leaf.field {
            let given = coerce::number(ty, text, &leaf.reading);
            self.put_given(leaf, field, given, || match ty {
                Type::Bool | Type::Text | Type::Ip => format!("number {}", shown(text)),
                _ => shown(text),
            });
        }
        let time = self.put_time(leaf, |form| time::of_number(text, form));
        if let Err(expected) = time {
            let (field, found, hint) = (leaf.label.clone(), shown(text), String::new());
            self.fault_time(leaf, DecodeError::OutOfRange { field, expected, found, hint });
        }
    }

    pub fn put_bool(&mut self, leaf: usize, value: bool) {
        let Some(leaf) = self.leaves.get(leaf) else { return };
        let found = if value { "true" } else { "false" };
        if leaf.object {
            return self.fault(leaf, wrong(leaf, found));
        }
        if let Some((field, ty)) = leaf.field {
            let given = coerce::boolean(ty, value, &leaf.reading);
            self.put_given(leaf, field, given, || found.to_owned());
        }
        if leaf.is_time() {
            self.fault_time(leaf, wrong(leaf, found));
        }
    }

    pub fn put_null(&mut self, leaf: usize) {
        let Some(leaf) = self.leaves.get(leaf) else { return };
        if let Some((field, _)) = leaf.field {
            self.cell(leaf, field, Column::push_null);
        }
        if leaf.is_time() {
            self.forget_times(leaf);
        }
    }

    /// Writes what a value was found to be.
    fn put_given(
        &mut self,
        leaf: &'a Leaf,
        field: usize,
        given: Result<Converted<'_>, Misfit>,
        found: impl FnOnce() -> String,
    ) {
        match given {
            Ok(Converted::Int(value)) => self.cell(leaf, field, |c| c.push_int(value)),
            Ok(Converted::Rounded(value)) => self.put_rounded(leaf, field, value),
            Ok(Converted::Double(value)) => self.cell(leaf, field, |c| c.push_double(value)),
            Ok(Converted::Text(text)) => self.cell(leaf, field, |c| c.push_bytes(text.as_bytes())),
            Ok(Converted::Ip(address)) => self.cell(leaf, field, |c| c.push_ip(address)),
            Ok(Converted::Bool(value)) => self.cell(leaf, field, |c| c.push_bool(value)),
            Ok(Converted::Null) => self.cell(leaf, field, Column::push_null),
            Err(misfit) => {
                let (label, expected, found) = (leaf.label.clone(), expected(leaf), found());
                let error = match misfit {
                    Misfit::Type => DecodeError::WrongType { field: label, expected, found },
                    Misfit::Range => {
                        let hint = unit_hint(leaf, &found);
                        DecodeError::OutOfRange { field: label, expected, found, hint }
                    }
                };
                self.fault_field(leaf, field, error);
            }
        }
    }

    /// Sets the times `leaf` is wanted for; the error says what was expected.
    #[inline]
    fn put_time(
        &mut self,
        leaf: &Leaf,
        read: impl Fn(&TimeForm) -> Option<i64>,
    ) -> Result<(), &'static str> {
        if let Some(form) = &leaf.time {
            self.time = Some(read(form).ok_or(form_text(form))?);
            self.mend(Affected::Time);
        }
        if let Some(form) = &leaf.arrival {
            // One before 1970 is none, as all are that no event could have.
            self.arrival = EventTime::try_from(read(form).ok_or(form_text(form))?).ok();
            self.mend(Affected::Arrival);
        }
        Ok(())
    }

    /// Writes a field's cell, unless a path that comes before this one has been found.
    #[inline]
    fn cell(&mut self, leaf: &Leaf, field: usize, push: impl FnOnce(&mut Column)) {
        if let Some((choice, rank)) = leaf.choice
            && let Some(found) = self.found.get_mut(choice)
        {
            if *found < rank {
                return;
            }
            *found = rank;
        }
        self.mend_field(field);
        if let Some(column) = self.columns.get_mut(field) {
            reset(column, self.row);
            push(column);
        }
    }
}

/// The unit in which a number would be a time of the field.
#[cold]
fn unit_hint(leaf: &Leaf, found: &str) -> String {
    let form = &leaf.reading.time;
    match leaf.field {
        Some((_, Type::Timestamp)) => {
            let whole = found.parse().ok().and_then(|number| time::of_integer(number, form));
            let ms = whole.or_else(|| time::of_number(found, form));
            ms.map_or_else(String::new, |ms| time::hint(ms, form.unit))
        }
        _ => String::new(),
    }
}

fn wrong(leaf: &Leaf, found: &str) -> DecodeError {
    let (field, expected) = (leaf.label.clone(), expected(leaf));
    DecodeError::WrongType { field, expected, found: found.to_owned() }
}

/// What a decimal should be, by its scale.
const DECIMALS: [&str; SCALE_MAX as usize + 1] = [
    "a decimal number within +-1e18",
    "a decimal number within +-1e17",
    "a decimal number within +-1e16",
    "a decimal number within +-1e15",
    "a decimal number within +-1e14",
    "a decimal number within +-1e13",
    "a decimal number within +-1e12",
    "a decimal number within +-1e11",
    "a decimal number within +-1e10",
    "a decimal number within +-1e9",
    "a decimal number within +-1e8",
    "a decimal number within +-1e7",
    "a decimal number within +-1e6",
];

/// What a leaf's value should be, in words.
pub(super) fn expected(leaf: &Leaf) -> &'static str {
    if leaf.object {
        return "null, because the job reads keys below it as well";
    }
    match leaf.reading.encoding {
        Some(Encoding::Unscaled(_)) => return "a number in base64: a text of at most 16 bytes",
        Some(Encoding::Scaled) => {
            return "an object of scale and value, which is a number in base64; a text of it alone \
                    is read with unscaled, as unscaled = 2 for cents";
        }
        None => {}
    }
    match (leaf.field, leaf.time.as_ref().or(leaf.arrival.as_ref())) {
        (Some((_, ty)), _) => match ty {
            Type::Int => "a whole number within 64 bits",
            Type::Decimal(scale) => DECIMALS.get(usize::from(scale)).copied().unwrap_or_default(),
            Type::Double => "a finite number",
            Type::Bool if leaf.reading.coerce => "true or false, or 1 or 0",
            Type::Bool => "true or false",
            Type::Text if leaf.reading.coerce => {
                "a string of at most text_bytes_max bytes or a whole number"
            }
            Type::Text => "a string of at most text_bytes_max bytes",
            Type::Timestamp => form_text(&leaf.reading.time),
            Type::Ip => "an IPv4 or IPv6 address in a string",
        },
        (None, Some(form)) => form_text(form),
        (None, None) => "anything",
    }
}

fn form_text(form: &TimeForm) -> &'static str {
    match form.unit {
        TimeUnit::Ms => "a number: milliseconds since 1970",
        TimeUnit::S => "a number: seconds since 1970",
        TimeUnit::Us => "a number: microseconds since 1970",
        TimeUnit::Ns => "a number: nanoseconds since 1970",
        TimeUnit::Days => "a whole number: days since 1970",
        TimeUnit::Date => "a date such as 2026-01-31",
        TimeUnit::Iso | TimeUnit::Auto if form.zone.is_some() => {
            "an ISO 8601 time such as 2026-01-31T23:59:59.999"
        }
        TimeUnit::Iso => {
            "an ISO 8601 time with an offset; where times have none, add zone = \"UTC\""
        }
        TimeUnit::Auto => {
            "an ISO 8601 time with an offset, or a number since 1970 in s, ms, us or ns; where \
             times have no offset, add zone = \"UTC\""
        }
        TimeUnit::Rfc3339 => "an RFC 3339 string such as 2026-01-31T23:59:59.999Z",
    }
}

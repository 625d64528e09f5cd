//! One record's cells: values on their way into the columns.

mod typed;

use super::error::{DecodeError, shown};
use super::number::{self, Rounding};
use super::rfc3339;
use super::trie::{Leaf, Node, Trie};
use crate::plan::TimeUnit;
use crate::time::EventTime;
use crate::value::{Column, DECIMAL_MAX, Type, parse_address};
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
    /// Why reading was broken off, when it was not for the syntax.
    pub fault: Option<DecodeError>,
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
    /// `found` has a place for each of the trie's choices.
    pub fn new(
        trie: &'a mut Trie,
        columns: &'a mut [Column],
        found: &'a mut [u8],
        row: usize,
    ) -> Self {
        let Trie { nodes, leaves, .. } = trie;
        found.fill(NOWHERE);
        Self { nodes, leaves, columns, row, found, time: None, arrival: None, fault: None }
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
            if let Some(column) = leaf.field.and_then(|(field, _)| self.columns.get_mut(field)) {
                reset(column, self.row);
            }
            self.time = self.time.filter(|_| leaf.time.is_none());
            self.arrival = self.arrival.filter(|_| leaf.arrival.is_none());
        }
    }

    /// All below `node` is null, because it is.
    pub fn put_nulls(&mut self, node: usize) -> Result<(), DecodeError> {
        self.restart(node);
        let below = self.nodes.get(node).map_or(0, |n| n.below.len());
        for at in 0..below {
            let leaf = self.nodes.get(node).and_then(|n| n.below.get(at).copied());
            leaf.map_or(Ok(()), |leaf| self.put_null(leaf))?;
        }
        Ok(())
    }

    /// A value by its JSON text.
    pub fn put_json(&mut self, leaf: usize, json: &str) -> Result<(), DecodeError> {
        match json.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => self.put_number(leaf, json),
            Some(b't') => self.put_bool(leaf, true),
            Some(b'f') => self.put_bool(leaf, false),
            Some(b'n') => self.put_null(leaf),
            Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(json) {
                Ok(text) => self.put_text(leaf, &text),
                Err(e) => Err(DecodeError::syntax(&e, json)),
            },
            Some(b'[') => self.refuse(leaf, "an array"),
            _ => self.refuse(leaf, "an object"),
        }
    }

    #[inline]
    pub fn put_text(&mut self, leaf: usize, text: &str) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        if leaf.object {
            return Err(wrong(leaf, &format!("string \"{}\"", shown(text))));
        }
        if let Some((field, ty)) = leaf.field {
            match ty {
                Type::Text => self.cell(leaf, field, |c| c.push_bytes(text.as_bytes())),
                Type::Ip => {
                    let address = parse_address(text)
                        .ok_or_else(|| wrong(leaf, &format!("\"{}\"", shown(text))))?;
                    self.cell(leaf, field, |column| column.push_ip(address));
                }
                _ => return Err(wrong(leaf, &format!("string \"{}\"", shown(text)))),
            }
        }
        self.put_time(leaf, |unit| match unit {
            TimeUnit::Rfc3339 => rfc3339::parse(text),
            _ => None,
        })
        .map_err(|expected| DecodeError::WrongType {
            field: leaf.label.clone(),
            expected,
            found: format!("string \"{}\"", shown(text)),
        })
    }

    pub fn put_number(&mut self, leaf: usize, text: &str) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        self.put_number_at(leaf, text)
    }

    fn put_number_at(&mut self, leaf: &Leaf, text: &str) -> Result<(), DecodeError> {
        let out_of_range = || DecodeError::OutOfRange {
            field: leaf.label.clone(),
            expected: expected(leaf),
            found: shown(text),
        };
        if leaf.object {
            return Err(wrong(leaf, &shown(text)));
        }
        if let Some((field, ty)) = leaf.field {
            match ty {
                Type::Int | Type::Timestamp => match number::integer(text) {
                    Some(value) => self.cell(leaf, field, |c| c.push_int(value)),
                    None if number::is_integer_syntax(text) => return Err(out_of_range()),
                    None => return Err(wrong(leaf, &shown(text))),
                },
                Type::Decimal => {
                    let micros = number::scaled(text, 6, Rounding::HalfEven)
                        .filter(|m| m.abs() <= DECIMAL_MAX)
                        .ok_or_else(out_of_range)?;
                    self.cell(leaf, field, |c| c.push_int(micros));
                }
                Type::Double => match text.parse::<f64>() {
                    Ok(value) if value.is_finite() => {
                        self.cell(leaf, field, |c| c.push_double(value))
                    }
                    _ => return Err(out_of_range()),
                },
                Type::Bool | Type::Text | Type::Ip => {
                    return Err(wrong(leaf, &format!("number {}", shown(text))));
                }
            }
        }
        self.put_time(leaf, |unit| match unit {
            TimeUnit::Ms => number::scaled(text, 0, Rounding::Floor),
            TimeUnit::S => number::scaled(text, 3, Rounding::Floor),
            TimeUnit::Us => number::scaled_down(text, 3),
            TimeUnit::Rfc3339 => None,
        })
        .map_err(|expected| DecodeError::OutOfRange {
            field: leaf.label.clone(),
            expected,
            found: shown(text),
        })
    }

    pub fn put_bool(&mut self, leaf: usize, value: bool) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        match leaf.field {
            Some((field, Type::Bool)) if leaf.time.is_none() && leaf.arrival.is_none() => {
                if leaf.object {
                    return Err(wrong(leaf, "a bool"));
                }
                self.cell(leaf, field, |c| c.push_bool(value));
                Ok(())
            }
            _ => Err(wrong(leaf, if value { "true" } else { "false" })),
        }
    }

    pub fn put_null(&mut self, leaf: usize) -> Result<(), DecodeError> {
        let leaf = self.leaf(leaf)?;
        if let Some((field, _)) = leaf.field {
            self.cell(leaf, field, Column::push_null);
        }
        self.time = self.time.filter(|_| leaf.time.is_none());
        self.arrival = self.arrival.filter(|_| leaf.arrival.is_none());
        Ok(())
    }

    /// A value of a type that cannot be right.
    pub fn refuse(&self, leaf: usize, found: &str) -> Result<(), DecodeError> {
        Err(wrong(self.leaf(leaf)?, found))
    }

    /// Sets the times `leaf` is wanted for; the error says what was expected.
    #[inline]
    fn put_time(
        &mut self,
        leaf: &Leaf,
        read: impl Fn(TimeUnit) -> Option<i64>,
    ) -> Result<(), &'static str> {
        if let Some(unit) = leaf.time {
            self.time = Some(read(unit).ok_or(unit_text(unit))?);
        }
        if let Some(unit) = leaf.arrival {
            // One before 1970 is none, as all are that no event could have.
            self.arrival = EventTime::try_from(read(unit).ok_or(unit_text(unit))?).ok();
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
        if let Some(column) = self.columns.get_mut(field) {
            reset(column, self.row);
            push(column);
        }
    }

    #[inline]
    fn leaf(&self, leaf: usize) -> Result<&'a Leaf, DecodeError> {
        // The trie hands out only indices of its own leaves.
        self.leaves.get(leaf).ok_or_else(|| DecodeError::Missing { field: String::new() })
    }
}

fn wrong(leaf: &Leaf, found: &str) -> DecodeError {
    let (field, expected) = (leaf.label.clone(), expected(leaf));
    DecodeError::WrongType { field, expected, found: found.to_owned() }
}

/// What a leaf's value should be, in words.
pub(super) fn expected(leaf: &Leaf) -> &'static str {
    if leaf.object {
        return "null, because the job reads keys below it as well";
    }
    match (leaf.field, leaf.time.or(leaf.arrival)) {
        (Some((_, ty)), _) => match ty {
            Type::Int => "an integer within 64 bits",
            Type::Decimal => "a decimal number within +-1e10",
            Type::Double => "a finite number",
            Type::Bool => "true or false",
            Type::Text => "a string",
            Type::Timestamp => "an integer: milliseconds since 1970",
            Type::Ip => "an IPv4 or IPv6 address in a string",
        },
        (None, Some(unit)) => unit_text(unit),
        (None, None) => "anything",
    }
}

fn unit_text(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Ms => "a number: milliseconds since 1970",
        TimeUnit::S => "a number: seconds since 1970",
        TimeUnit::Us => "a number: microseconds since 1970",
        TimeUnit::Rfc3339 => "an RFC 3339 string such as 2026-01-31T23:59:59.999Z",
    }
}

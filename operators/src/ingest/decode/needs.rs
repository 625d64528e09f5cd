//! What a record must have besides being readable, whatever its format.

use super::cell::{self, Affected, Fault};
use super::envelope;
use super::error::DecodeError;
use super::trie::{self, Trie};
use super::{Decoded, DecodedTimes, InvalidField, RoundedField};
use crate::plan::path::shown;
use crate::plan::{EnvelopePlan, Invalid, Place, SourcePlan, TimeUnit};
use crate::time::EventTime;
use crate::value::{Column, Type, Value};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Needs {
    fields: Vec<Field>,
    /// How many columns there are: a field's each, and behind them those of what is computed.
    columns: usize,
    keys: Vec<usize>,
    envelope: Option<EnvelopePlan>,
    /// Whether a record is nothing that has no time.
    time_needed: bool,
    time: String,
    unit: TimeUnit,
    earliest: EventTime,
    latest: EventTime,
}

/// What is asked of a field once a record has been read.
#[derive(Clone, Debug)]
struct Field {
    /// How errors name it.
    label: String,
    required: bool,
    default: Option<Value>,
    invalid: Invalid,
    /// Whether an empty value is one, but no entity's id.
    text: bool,
}

impl Needs {
    pub fn new(source: &SourcePlan) -> Self {
        let field = |f: &crate::plan::FieldPlan| Field {
            label: trie::field_label(f, &f.path),
            required: f.required,
            default: f.default.clone(),
            invalid: f.reading.invalid,
            text: f.ty == Type::Text,
        };
        Self {
            fields: source.fields.iter().map(field).collect(),
            columns: source.columns(),
            keys: source.keys.clone(),
            envelope: source.envelope.clone(),
            time_needed: true,
            time: trie::time_label(&source.time),
            unit: source.time.form.unit,
            earliest: source.earliest,
            latest: source.latest,
        }
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Takes a record whose time cannot be read for one of 1970.
    pub fn without_time(&mut self) {
        self.time_needed = false;
    }

    /// Makes what was read of `row` a row of `into`, or takes it back. `faults` are the row's.
    pub fn finish(
        &self,
        read: Result<DecodedTimes, DecodeError>,
        faults: &mut Vec<Fault>,
        row: usize,
        into: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let whole = read.and_then(|times| {
            if let Some(envelope) = &self.envelope {
                envelope::admit(envelope, faults, row, &into.columns)?;
            }
            self.reject(faults)?;
            self.complete(row, &mut into.columns)?;
            Ok((self.event_time(times.event)?, times.arrival))
        });
        match whole {
            Ok((time, arrival)) => {
                into.time.push(time);
                into.arrival.push(arrival);
                for fault in faults.drain(..) {
                    match fault {
                        Fault::Unreadable { place: Affected::Field(field), error } => {
                            into.invalid.push(InvalidField { row, field, error });
                        }
                        Fault::Unreadable { place: Affected::Time | Affected::Arrival, .. } => {}
                        Fault::Rounded(field) => into.rounded.push(RoundedField { row, field }),
                    }
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, DecodeError::NoKey { .. }) {
                    let unreadable = faults.drain(..).filter_map(|fault| match fault {
                        Fault::Unreadable { place: Affected::Field(field), error } => {
                            Some((field, error))
                        }
                        Fault::Unreadable { .. } | Fault::Rounded(_) => None,
                    });
                    into.unkeyed.extend(unreadable);
                }
                into.columns.iter_mut().for_each(|column| cell::reset(column, row));
                Err(error)
            }
        }
    }

    /// The first value that was there, cannot be read, and has to be.
    fn reject(&self, faults: &[Fault]) -> Result<(), DecodeError> {
        let rejects = |place: Affected| match place {
            Affected::Field(field) => {
                self.fields.get(field).is_none_or(|field| field.invalid == Invalid::Reject)
            }
            Affected::Time | Affected::Arrival => self.time_needed,
        };
        let mut errors = faults.iter().filter_map(|fault| match fault {
            Fault::Unreadable { place, error } => rejects(*place).then_some(error),
            Fault::Rounded(_) => None,
        });
        errors.next().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Fills in defaults and nulls, and sees that what must be there is.
    fn complete(&self, row: usize, columns: &mut [Column]) -> Result<(), DecodeError> {
        for (column, field) in columns.iter_mut().zip(&self.fields) {
            if column.len() == row {
                match &field.default {
                    Some(default) => column.push_value(default),
                    None => column.push_null(),
                }
            }
            if field.required && column.valid.get(row) != Some(&true) {
                return Err(DecodeError::Missing { field: field.label.clone() });
            }
        }
        let present = |key: &usize| {
            let text = self.fields.get(*key).is_some_and(|field| field.text);
            columns.get(*key).is_some_and(|column| match text {
                true => column.bytes(row).is_some_and(|bytes| !bytes.is_empty()),
                false => column.valid.get(row) == Some(&true),
            })
        };
        if self.keys.is_empty() || self.keys.iter().any(present) {
            return Ok(());
        }
        Err(self.no_key())
    }

    /// None of the keys is there.
    pub fn no_key(&self) -> DecodeError {
        let labels = self.keys.iter().filter_map(|key| self.fields.get(*key));
        DecodeError::NoKey { keys: labels.map(|f| f.label.as_str()).collect::<Vec<_>>().join(", ") }
    }

    fn event_time(&self, time: Option<i64>) -> Result<EventTime, DecodeError> {
        let time = match time {
            Some(time) => time,
            None if !self.time_needed => return Ok(0),
            None => return Err(DecodeError::Missing { field: self.time.clone() }),
        };
        match u64::try_from(time) {
            Ok(t) if (self.earliest..self.latest).contains(&t) => Ok(t),
            _ if !self.time_needed => Ok(0),
            _ => Err(DecodeError::TimeOutside {
                field: self.time.clone(),
                time,
                earliest: self.earliest,
                latest: self.latest,
                hint: super::time::hint(time, self.unit),
            }),
        }
    }
}

/// What a job must have of its records, and those whose paths are `there` (by the trie's leaves) never
/// have.
///
/// # Errors
/// What it is, and what to do.
pub(super) fn lacking(source: &SourcePlan, trie: &Trie, there: &[bool]) -> Result<(), String> {
    let elsewhere = |place: &Place| *place != Place::Value;
    let mut fields: Vec<bool> = source.fields.iter().map(|it| elsewhere(&it.place)).collect();
    let mut time = elsewhere(&source.time.place);
    for (leaf, _) in trie.leaves.iter().zip(there).filter(|(_, there)| **there) {
        time |= leaf.time.is_some();
        if let Some(there) = leaf.field.and_then(|(field, _)| fields.get_mut(field)) {
            *there = true;
        }
    }
    if !time {
        let path = shown(&source.time.path);
        return Err(format!("it has no \"{path}\", which is the event time"));
    }
    if let Some(envelope) = &source.envelope
        && fields.get(envelope.op) != Some(&true)
    {
        return Err("it has no \"op\", so its records are in no envelope of Debezium".to_owned());
    }
    let mut both = source.fields.iter().zip(&fields);
    let lacks = both.find(|(f, there)| f.required && f.default.is_none() && !**there);
    if let Some((field, _)) = lacks {
        return Err(format!(
            "it has no \"{}\", and field \"{}\" is required: give the field `aliases`, a \
             `default`, or `optional = true`",
            shown(&field.path),
            field.name
        ));
    }
    let present = |key: &usize| {
        let default = source.fields.get(*key).is_some_and(|f| f.default.is_some());
        default || fields.get(*key) == Some(&true)
    };
    if source.keys.is_empty() || source.keys.iter().any(present) {
        return Ok(());
    }
    let keys = source.keys.iter().filter_map(|key| source.fields.get(*key));
    let keys: Vec<_> = keys.map(|field| format!("\"{}\"", shown(&field.path))).collect();
    Err(format!("it has none of the entity keys: {}", keys.join(", ")))
}

//! Avro datums straight into the projected columns.
//!
//! ```text
//! a writer's schema ─ parsed ─┐
//!                             ├─ compiled once ─→ steps: read, skip, branch
//! the source's fields ────────┘                     │
//! datum ────────────────────────────────────────────┴─→ one cell in each column
//! ```
//!
//! The job's fields are the reader's schema. They are found by their paths through the writer's
//! records (and maps); what is not wanted is skipped without being looked at. Numbers are promoted
//! where nothing is lost but what the field's type cannot hold; of a union the value decides. A
//! schema whose records can never be events is refused once, with the reason, and not record by
//! record.
//!
//! An integer that is a logical timestamp is read as what it says itself: milliseconds,
//! microseconds or nanoseconds, whatever unit the job gives; local timestamps are read as if they
//! were UTC, dates as their midnight.
//!
//! Nothing in the bytes is trusted: lengths are held against what is left, numbers against their
//! width, recursion has a bound, and items that take no bytes are not counted one by one.

mod compile;
mod fit;
mod input;
mod members;
mod program;
mod schema;
#[cfg(test)]
mod tests;

pub use members::DatumReader;
pub(super) use program::Unit;
pub use schema::SCHEMA_BYTES_MAX;

use super::cell::Row;
use super::field_values::FieldValues;
use super::outside::Metadata;
use super::trie::Trie;
use super::{DecodeError, Decoded};
use crate::ingest::schemas::{Schema as Found, Schemas};
use crate::plan::SourcePlan;
use input::Input;
use program::Program;
use schema::Schema;
use std::sync::Arc;

/// How many compiled schemas a decoder keeps; of more, those that were not used for longest are
/// compiled again when they are needed.
pub const SCHEMAS_MAX: usize = 256;

/// Why a record did not become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The schema of this number is being asked for: the record has to wait.
    Pending(u32),
    /// The schema is not known, or does not fit the job: why.
    Schema(String),
    /// The record is malformed.
    Malformed(DecodeError),
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Refused::Malformed(error)
    }
}

/// Turns the Avro records of one source into rows of [`Decoded`].
#[derive(Debug)]
pub struct AvroDecoder {
    source: SourcePlan,
    values: FieldValues,
    compiled: Vec<Compiled>,
    /// The one that was used last.
    last: usize,
    /// Counts the changes from one to another.
    clock: u64,
}

/// How a schema is known.
#[derive(Debug)]
enum Name {
    Number(u32),
    Text(Arc<str>),
}

impl Name {
    fn is_number(&self, number: u32) -> bool {
        matches!(self, Name::Number(known) if *known == number)
    }

    fn is_text(&self, text: &Arc<str>) -> bool {
        matches!(self, Name::Text(known) if Arc::ptr_eq(known, text) || known == text)
    }
}

#[derive(Debug)]
struct Compiled {
    name: Name,
    program: Result<Program, String>,
    used: u64,
}

impl AvroDecoder {
    /// A decoder for the records of `source`.
    pub fn new(source: &SourcePlan) -> Self {
        Self {
            source: source.clone(),
            values: FieldValues::new(source),
            compiled: Vec::new(),
            last: 0,
            clock: 0,
        }
    }

    /// The same, with another bound on a record's length in bytes (default
    /// [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX)).
    #[must_use]
    pub fn with_record_bytes_max(mut self, record_bytes_max: usize) -> Self {
        self.values.set_record_bytes_max(record_bytes_max);
        self
    }

    /// The same for records whose time matters to nobody: one that cannot be read is 1970.
    #[must_use]
    pub(crate) fn without_time(mut self) -> Self {
        self.values.without_time();
        self
    }

    /// Appends the row of `datum`, which was written with `schema` (its JSON text), to `into`;
    /// `metadata` is what the record has besides it.
    ///
    /// # Errors
    /// When the schema or the datum cannot be read, does not fit, or lacks something; `into` is
    /// then as it was. Never [`Refused::Pending`].
    pub fn decode_datum(
        &mut self,
        schema: &Arc<str>,
        datum: &[u8],
        metadata: Option<Metadata<'_>>,
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        let at = match self.known(|name| name.is_text(schema)) {
            Some(at) => at,
            None => self.compile(Name::Text(Arc::clone(schema)), schema),
        };
        self.decode_with(at, datum, metadata, into)
    }

    /// Appends the row of `record` to `into`: a datum in the wire format of schema registries, whose
    /// schema is asked of `schemas`. `metadata` is what the record has besides its value.
    ///
    /// # Errors
    /// As [`decode_datum`](Self::decode_datum), and [`Refused::Pending`] while the schema is being
    /// asked for.
    pub fn decode_wire(
        &mut self,
        record: &[u8],
        metadata: Option<Metadata<'_>>,
        schemas: Option<&mut (dyn Schemas + 'static)>,
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        let (number, datum) = header(record)?;
        if let Some(at) = self.known(|name| name.is_number(number)) {
            return self.decode_with(at, datum, metadata, into);
        }
        let found = match schemas {
            Some(schemas) => schemas.schema(number),
            None => Found::Unknown("no schema registry is set".into()),
        };
        match found {
            Found::Known(text) => {
                let at = self.compile(Name::Number(number), &text);
                self.decode_with(at, datum, metadata, into)
            }
            Found::Pending => Err(Refused::Pending(number)),
            Found::Unknown(why) => Err(Refused::Schema(format!("schema {number}: {why}"))),
        }
    }

    /// Where the schema is, if it is known.
    #[inline]
    fn known(&mut self, is: impl Fn(&Name) -> bool) -> Option<usize> {
        if self.compiled.get(self.last).is_some_and(|last| is(&last.name)) {
            return Some(self.last);
        }
        let at = self.compiled.iter().position(|known| is(&known.name))?;
        self.use_now(at);
        Some(at)
    }

    fn use_now(&mut self, at: usize) {
        self.clock += 1;
        self.last = at;
        if let Some(compiled) = self.compiled.get_mut(at) {
            compiled.used = self.clock;
        }
    }

    fn compile(&mut self, name: Name, text: &str) -> usize {
        let called = match &name {
            Name::Number(number) => format!("schema {number}"),
            Name::Text(_) => "the schema of the file".to_owned(),
        };
        let program = Schema::parse(text)
            .map_err(|why| format!("{called} cannot be read: {why}"))
            .and_then(|schema| {
                compile::compile(&schema, &self.source, &self.values.trie)
                    .map_err(|why| format!("{called} does not fit the job: {why}"))
            });
        let compiled = Compiled { name, program, used: 0 };
        let at = if self.compiled.len() < SCHEMAS_MAX {
            self.compiled.push(compiled);
            self.compiled.len() - 1
        } else {
            let oldest = self.compiled.iter().enumerate().min_by_key(|(_, known)| known.used);
            let oldest = oldest.map_or(0, |(at, _)| at);
            if let Some(place) = self.compiled.get_mut(oldest) {
                *place = compiled;
            }
            oldest
        };
        self.use_now(at);
        at
    }

    fn decode_with(
        &mut self,
        at: usize,
        datum: &[u8],
        metadata: Option<Metadata<'_>>,
        into: &mut Decoded,
    ) -> Result<(), Refused> {
        let row = self.values.next(into);
        let program = match self.compiled.get(at).map(|compiled| &compiled.program) {
            Some(Ok(program)) => program,
            Some(Err(why)) => return Err(Refused::Schema(why.clone())),
            None => return Err(Refused::Schema(String::new())),
        };
        let columns = &mut into.columns;
        let read = self.values.bounded(datum).and_then(|()| {
            self.values.fill(row, columns, metadata, |cells| read(program, datum, cells))
        });
        Ok(self.values.finish(read, row, into)?)
    }
}

fn header(record: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match record {
        // Numbers of schemas are signed and positive: no registry could be asked for such a one.
        [0, 0x80..=0xff, _, _, _, ..] => {
            Err(DecodeError::Wire("the number of its schema is negative"))
        }
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        [] => Err(DecodeError::Wire("it is empty")),
        [0, ..] => Err(DecodeError::Wire("it is shorter than the 5 bytes before a datum")),
        _ => Err(DecodeError::Wire("its first byte is not 0")),
    }
}

/// Reads a whole datum into the cells of a row.
fn read(program: &Program, datum: &[u8], cells: &mut Row<'_>) -> Result<(), DecodeError> {
    let mut input = Input::new(datum);
    program.run(&mut input, cells)?;
    if input.left() > 0 {
        return Err(DecodeError::Avro { reason: "it ends before the record does", at: input.at() });
    }
    Ok(())
}

/// Finds out how long datums of one schema are: what a container file does not say.
#[derive(Debug)]
pub struct Extents {
    program: Program,
    trie: Trie,
}

impl Extents {
    /// For datums that were written with `schema` (its JSON text).
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub fn new(schema: &str) -> Result<Self, String> {
        let program = compile::skipping(&Schema::parse(schema)?)?;
        Ok(Self { program, trie: Trie::default() })
    }

    /// The length in bytes of the datum at the front of `bytes`.
    ///
    /// # Errors
    /// When there is no datum of the schema.
    pub fn of(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut input = Input::new(bytes);
        let mut faults = Vec::new();
        let mut cells = Row::new(&mut self.trie, &mut [], &mut [], &mut faults, 0);
        self.program.run(&mut input, &mut cells)?;
        Ok(input.at())
    }
}

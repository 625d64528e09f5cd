//! Values on their way into rows of [`Decoded`], whatever the format of the records that have them.

use super::cell::{Fault, Row};
use super::error::DecodeError;
use super::needs::Needs;
use super::outside::{Metadata, Outside};
use super::trie::Trie;
use super::{Decoded, DecodedTimes, RECORD_BYTES_MAX, bounded};
use crate::plan::envelope::PAYLOAD;
use crate::plan::{Format, SourcePlan};
use crate::value::Column;

/// See the module: what the decoders of one source's records have in common.
#[derive(Clone, Debug)]
pub(super) struct FieldValues {
    /// Where in a value the fields are.
    pub trie: Trie,
    found: Vec<u8>,
    faults: Vec<Fault>,
    needs: Needs,
    /// What is wanted besides the value; nothing, most of the time.
    outside: Option<Box<Outside>>,
    record_bytes_max: usize,
}

impl FieldValues {
    pub fn new(source: &SourcePlan) -> Self {
        let mut trie = Trie::new(source);
        let outside = Outside::new(source, &mut trie).map(Box::new);
        if source.format == Format::Json {
            trie.encode();
            if source.envelope.is_some() {
                trie.unwrap(PAYLOAD);
            }
        }
        Self {
            found: vec![0; trie.choices],
            trie,
            faults: Vec::new(),
            needs: Needs::new(source),
            outside,
            record_bytes_max: RECORD_BYTES_MAX,
        }
    }

    /// Bounds the bytes of a record, and of what it has besides its value.
    pub fn set_record_bytes_max(&mut self, record_bytes_max: usize) {
        if let Some(outside) = &mut self.outside {
            outside.set_bytes_max(record_bytes_max);
        }
        self.record_bytes_max = record_bytes_max;
    }

    /// Takes a record whose time cannot be read for one of 1970.
    pub fn without_time(&mut self) {
        self.needs.without_time();
    }

    /// Whether a record is no longer than one may be.
    pub fn bounded(&self, record: &[u8]) -> Result<(), DecodeError> {
        bounded(record, self.record_bytes_max)
    }

    /// The number of the next row of `into`, which gets all of its columns.
    pub fn next(&self, into: &mut Decoded) -> usize {
        into.shape(self.needs.columns());
        into.rows()
    }

    /// Puts what `read` finds in a value into the cells of `row`, and then what the record has besides
    /// it.
    #[inline]
    pub fn fill<E>(
        &mut self,
        row: usize,
        columns: &mut [Column],
        metadata: Option<Metadata<'_>>,
        read: impl FnOnce(&mut Row<'_>) -> Result<(), E>,
    ) -> Result<DecodedTimes, E> {
        let mut cells = Row::new(&mut self.trie, columns, &mut self.found, &mut self.faults, row);
        read(&mut cells)?;
        if let (Some(outside), Some(metadata)) = (&self.outside, metadata) {
            outside.put(metadata, &mut cells);
        }
        Ok(DecodedTimes { event: cells.time, arrival: cells.arrival })
    }

    /// Makes what was read of `row` a row of `into`, or takes it back.
    ///
    /// # Errors
    /// What made the record malformed.
    pub fn finish(
        &mut self,
        read: Result<DecodedTimes, DecodeError>,
        row: usize,
        into: &mut Decoded,
    ) -> Result<(), DecodeError> {
        self.needs.finish(read, &mut self.faults, row, into)
    }
}

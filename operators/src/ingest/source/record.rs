//! One record at a time, whatever its format.

use crate::ingest::decode::avro::{AvroDecoder, Refused};
use crate::ingest::decode::{Decoded, Decoder};
use crate::ingest::reader::{RawBatch, RawRecord};
use crate::ingest::schemas::Schemas;
use crate::plan::{Format, SourcePlan};
use crate::verdict::Reason;

/// The decoder of a source.
pub(super) enum Records {
    Json(Box<Decoder>),
    Avro(Box<AvroDecoder>),
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A row.
    Row,
    /// A dead letter: why, and what was wrong.
    Dead(Reason, Option<String>),
    /// Nothing yet: its schema is being asked for.
    Wait,
}

impl Records {
    pub fn new(source: &SourcePlan, record_bytes: usize) -> Self {
        match source.format {
            Format::Json => {
                let decoder = Decoder::new(source).with_record_bytes_max(record_bytes);
                Records::Json(Box::new(decoder))
            }
            Format::Avro => {
                let decoder = AvroDecoder::new(source).with_record_bytes_max(record_bytes);
                Records::Avro(Box::new(decoder))
            }
        }
    }

    /// Appends the row of `record` to `into`.
    pub fn read(
        &mut self,
        raw: &RawBatch,
        record: &RawRecord,
        schemas: Option<&mut (dyn Schemas + 'static)>,
        into: &mut Decoded,
    ) -> Read {
        if record.value.is_none() {
            return Read::Dead(Reason::Tombstone, None);
        }
        let value = raw.value(record);
        let decoder = match self {
            Records::Json(decoder) => {
                return match decoder.decode(value, into) {
                    Ok(()) => Read::Row,
                    Err(error) => Read::Dead(Reason::Malformed, Some(error.to_string())),
                };
            }
            Records::Avro(decoder) => decoder,
        };
        let read = match &raw.schema {
            Some(schema) => decoder.decode_datum(schema, value, into),
            None => decoder.decode_wire(value, schemas, into),
        };
        match read {
            Ok(()) => Read::Row,
            Err(Refused::Pending(_)) => Read::Wait,
            Err(Refused::Schema(why)) => Read::Dead(Reason::Schema, Some(why)),
            Err(Refused::Malformed(error)) => {
                Read::Dead(Reason::Malformed, Some(error.to_string()))
            }
        }
    }
}

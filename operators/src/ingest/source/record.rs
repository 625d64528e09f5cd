//! One record at a time, whatever its format.

use crate::ingest::decode::avro::{AvroDecoder, Refused};
use crate::ingest::decode::csv::CsvDecoder;
use crate::ingest::decode::{DecodeError, Decoded, Decoder, Metadata, payload};
use crate::ingest::schemas::Schemas;
use crate::plan::{Format, Keyless, Operation, SourcePlan};
use crate::verdict::Reason;

/// The records of a source.
pub(super) struct Records {
    format: Decoding,
    record_bytes_max: usize,
    /// Whether a record without any key is left out.
    skips_keyless: bool,
    /// Whether they are in envelopes, so that one without a value is an operation too.
    in_envelopes: bool,
}

/// The decoder of a format.
enum Decoding {
    Json(Box<Decoder>),
    Avro(Box<AvroDecoder>),
    Csv(Box<CsvDecoder>),
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A row.
    Row,
    /// A dead letter: why, and what was wrong.
    Dead(Reason, Option<String>),
    /// It has no key of any entity.
    Keyless,
    /// It tells of an operation that the job does not read.
    Skipped(Operation),
    /// Nothing yet: its schema is being asked for.
    Wait,
}

impl Records {
    pub fn new(source: &SourcePlan, record_bytes_max: usize) -> Self {
        let format = match source.format {
            Format::Json => {
                let decoder = Decoder::new(source).with_record_bytes_max(record_bytes_max);
                Decoding::Json(Box::new(decoder))
            }
            Format::Avro => {
                let decoder = AvroDecoder::new(source).with_record_bytes_max(record_bytes_max);
                Decoding::Avro(Box::new(decoder))
            }
            Format::Csv { .. } => {
                let decoder = CsvDecoder::new(source).with_record_bytes_max(record_bytes_max);
                Decoding::Csv(Box::new(decoder))
            }
        };
        let optional = |key: &usize| source.fields.get(*key).is_some_and(|field| !field.required);
        let skips_keyless = source.keyless == Keyless::Skip && source.keys.iter().all(optional);
        let in_envelopes = source.envelope.is_some();
        Records { format, record_bytes_max, skips_keyless, in_envelopes }
    }

    /// The same for records whose time matters to nobody: one that cannot be read is 1970.
    pub fn without_time(mut self) -> Self {
        self.format = match self.format {
            Decoding::Json(decoder) => Decoding::Json(Box::new(decoder.without_time())),
            Decoding::Avro(decoder) => Decoding::Avro(Box::new(decoder.without_time())),
            Decoding::Csv(decoder) => Decoding::Csv(Box::new(decoder.without_time())),
        };
        self
    }

    /// Appends the row of the record `of` to `into`.
    pub fn read(
        &mut self,
        of: Metadata<'_>,
        schemas: Option<&mut (dyn Schemas + 'static)>,
        into: &mut Decoded,
    ) -> Read {
        let Metadata { batch: raw, record, .. } = of;
        if record.value.is_none() {
            return match self.in_envelopes {
                true => Read::Skipped(Operation::Tombstone),
                false => Read::Dead(Reason::Tombstone, None),
            };
        }
        let value = raw.value(record);
        if record.left_out > 0 {
            let length = value.len().saturating_add(record.left_out);
            let error = DecodeError::TooLong { length, limit: self.record_bytes_max };
            return Read::Dead(Reason::Malformed, Some(error.to_string()));
        }
        let is_json = matches!(self.format, Decoding::Json(_));
        let read = match (&mut self.format, &raw.schema) {
            (Decoding::Json(decoder), _) => {
                decoder.decode_with(value, Some(of), into).map_err(Refused::from)
            }
            (Decoding::Csv(decoder), header) => {
                decoder.decode(header.as_ref(), value, Some(of), into)
            }
            (Decoding::Avro(decoder), Some(schema)) => {
                decoder.decode_datum(schema, value, Some(of), into)
            }
            (Decoding::Avro(decoder), None) => decoder.decode_wire(value, Some(of), schemas, into),
        };
        match read {
            Ok(()) => Read::Row,
            Err(Refused::Pending(_)) => Read::Wait,
            Err(Refused::Schema(why)) => Read::Dead(Reason::Schema, Some(why)),
            Err(Refused::Malformed(DecodeError::NoKey { .. })) if self.skips_keyless => {
                Read::Keyless
            }
            Err(Refused::Malformed(DecodeError::Skipped(operation))) => Read::Skipped(operation),
            // A file has no other way to say so.
            Err(Refused::Malformed(_)) if self.in_envelopes && is_json && is_null(value) => {
                Read::Skipped(Operation::Tombstone)
            }
            Err(Refused::Malformed(error)) => {
                if !self.skips_keyless {
                    // What the dead letter says is counted by it.
                    into.unkeyed.clear();
                }
                Read::Dead(Reason::Malformed, Some(error.to_string()))
            }
        }
    }
}

/// Whether JSON, or what Connect has put beside its schema, is null.
fn is_null(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    !value.is_empty() && payload(value).is_empty()
}

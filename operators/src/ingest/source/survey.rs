//! What records have in the fields of a source, whether they become events or not: what a job is
//! tried on a sample by. Nothing that runs a job needs it.

use super::record::{Read, Records};
use crate::ingest::decode::{Decoded, Metadata, in_column};
use crate::ingest::reader::{RawBatch, RawRecord};
use crate::plan::{EnvelopePlan, FieldPlan, Invalid, SourcePlan, TimeForm, TimeUnit};
use crate::value::{Type, Value};
use crate::zone::Zone;
use std::sync::Arc;

/// How many times that cannot be read are tried in other units.
const TRIED_MAX: u64 = 1_000;
/// The units that are tried.
const UNITS: [TimeUnit; 7] = [
    TimeUnit::Ms,
    TimeUnit::S,
    TimeUnit::Us,
    TimeUnit::Ns,
    TimeUnit::Rfc3339,
    TimeUnit::Iso,
    TimeUnit::Auto,
];

/// See the module.
pub struct FieldSurvey {
    types: Vec<Type>,
    records: Records,
    /// Reads the event time and nothing else.
    time: Records,
    /// The same in other units.
    units: Vec<(TimeUnit, Records)>,
    decoded: Decoded,
    fields: Vec<FieldCount>,
    times: TimeCount,
    unread: u64,
}

/// What records have in one field. Together with the records that could not be read at all the counts
/// are all records, but for those of operations that the job does not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldCount {
    /// In how many there is a value.
    pub present: u64,
    /// In how many there is none, or null.
    pub null: u64,
    /// In how many there is something that is none.
    pub invalid: u64,
    /// How many of the values had more digits than the field keeps.
    pub rounded: u64,
    /// The first value.
    pub example: Option<Value>,
    /// What was wrong with the first one that is none.
    pub invalid_example: Option<String>,
}

/// How the event time of the records is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeCount {
    /// In how many records it can be read.
    pub read: u64,
    /// In how many it is missing, something else or out of range.
    pub unread: u64,
    /// What was wrong with the first of these.
    pub first_error: Option<String>,
    /// How many of these have been tried in other units.
    pub tried: u64,
    /// By unit, how many of them are a time in it; none where that is no time at all.
    pub fitting: Vec<(TimeUnit, u64)>,
}

impl FieldSurvey {
    /// Of the records of `source`, for the fields `declared`, those that nothing reads too; none is
    /// longer than `record_bytes_max`.
    pub fn new(source: &SourcePlan, declared: &[FieldPlan], record_bytes_max: usize) -> Self {
        let mut bare = source.clone();
        bare.fields.clear();
        bare.computed.clear();
        bare.predicates.clear();
        bare.keys.clear();
        let mut all = bare.clone();
        all.fields = declared.iter().map(optional).collect();
        // What the envelope says is read of every record, whatever else is.
        if let Some((envelope, op)) = envelope_of(source) {
            bare.fields = vec![op.clone()];
            bare.envelope = Some(EnvelopePlan { op: 0, ..envelope.clone() });
            let declared = all.fields.iter().position(|field| field.path == op.path);
            all.envelope =
                Some(EnvelopePlan { op: declared.unwrap_or(all.fields.len()), ..envelope });
            all.fields.extend(declared.is_none().then_some(op));
        }
        let in_unit = |unit: TimeUnit| {
            let utc = Zone::utc();
            let zone = unit.may_be_local().then(|| Arc::new(utc));
            let mut other = bare.clone();
            other.time.form = TimeForm { unit, zone, coerce: true };
            (unit, Records::new(&other, record_bytes_max))
        };
        FieldSurvey {
            types: declared.iter().map(|field| field.ty).collect(),
            records: Records::new(&all, record_bytes_max).without_time(),
            time: Records::new(&bare, record_bytes_max),
            units: UNITS.into_iter().map(in_unit).collect(),
            decoded: Decoded::default(),
            fields: vec![FieldCount::default(); declared.len()],
            times: TimeCount {
                fitting: UNITS.into_iter().map(|unit| (unit, 0)).collect(),
                ..TimeCount::default()
            },
            unread: 0,
        }
    }

    /// Counts a record.
    pub fn add(&mut self, raw: &RawBatch, record: &RawRecord) {
        self.decoded.clear();
        let of = Metadata { batch: raw, record, partition: 0 };
        match self.records.read(of, None, &mut self.decoded) {
            Read::Row => {}
            Read::Skipped(_) => return,
            Read::Dead(..) | Read::Keyless | Read::Wait => {
                self.unread += 1;
                return;
            }
        }
        let types = self.fields.iter_mut().zip(&self.types).zip(&self.decoded.columns);
        for ((count, ty), column) in types {
            match in_column(*ty, column, 0) {
                Some(value) => {
                    count.present += 1;
                    count.example.get_or_insert(value);
                }
                None => count.null += 1,
            }
        }
        for invalid in &self.decoded.invalid {
            if let Some(count) = self.fields.get_mut(invalid.field) {
                count.null -= 1;
                count.invalid += 1;
                count.invalid_example.get_or_insert_with(|| invalid.error.to_string());
            }
        }
        for rounded in &self.decoded.rounded {
            if let Some(count) = self.fields.get_mut(rounded.field) {
                count.rounded += 1;
            }
        }
        self.add_time(of);
    }

    fn add_time(&mut self, of: Metadata<'_>) {
        self.decoded.clear();
        let times = &mut self.times;
        match self.time.read(of, None, &mut self.decoded) {
            Read::Row => times.read += 1,
            Read::Dead(_, error) => {
                times.unread += 1;
                times.first_error = times.first_error.take().or(error);
                if times.tried == TRIED_MAX {
                    return;
                }
                times.tried += 1;
                for ((_, fitting), (_, records)) in times.fitting.iter_mut().zip(&mut self.units) {
                    let read = records.read(of, None, &mut self.decoded);
                    *fitting += u64::from(read == Read::Row);
                }
            }
            Read::Keyless | Read::Wait => times.unread += 1,
            Read::Skipped(_) => {}
        }
    }

    /// What the records have, in the order of the fields.
    pub fn fields(&self) -> &[FieldCount] {
        &self.fields
    }

    /// How the event time is, of those that could be read.
    pub fn times(&self) -> &TimeCount {
        &self.times
    }

    /// How many records could not be read at all.
    pub fn unread(&self) -> u64 {
        self.unread
    }
}

/// The envelope of a source, and the field that reads the operation.
fn envelope_of(source: &SourcePlan) -> Option<(EnvelopePlan, FieldPlan)> {
    let envelope = source.envelope.clone()?;
    let op = source.fields.get(envelope.op)?;
    Some((envelope, optional(op)))
}

/// The field as it is read where no record depends on it.
fn optional(field: &FieldPlan) -> FieldPlan {
    let mut field = field.clone();
    field.required = false;
    // What stands in for a missing value is none of the record's.
    field.default = None;
    field.reading.invalid = Invalid::Null;
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory::plan;
    use crate::ingest::decode::RECORD_BYTES_MAX;

    fn surveyed(records: &[&str]) -> FieldSurvey {
        let source = plan().sources.remove(0);
        let amount = FieldPlan {
            required: false,
            default: Some(Value::Int(7)),
            ..FieldPlan::new("amount", Type::Int)
        };
        let declared = [source.fields[0].clone(), amount];
        let mut bounded = source.clone();
        (bounded.earliest, bounded.latest) =
            (crate::time::EARLIEST_DEFAULT, crate::time::LATEST_DEFAULT);
        let mut survey = FieldSurvey::new(&bounded, &declared, RECORD_BYTES_MAX);
        for record in records {
            let bytes = record.as_bytes().to_vec();
            let value = Some(0..bytes.len());
            let raw = RawBatch { bytes, ..RawBatch::default() };
            survey.add(&raw, &RawRecord { value, ..RawRecord::default() });
        }
        survey
    }

    #[test]
    fn every_field_of_every_record_is_a_value_or_null_or_invalid_whatever_the_others_are() {
        let survey = surveyed(&[
            r#"{"ts":1767484955000,"card":"a","amount":1}"#,
            r#"{"ts":"never","card":"b","amount":"x"}"#,
            r#"{"amount":null}"#,
            r#"{"ts":1767484955000,"card":[],"amount":"2"}"#,
            "no record",
        ]);
        let count = |at: usize| {
            let FieldCount { present, null, invalid, .. } = survey.fields()[at];
            (present, null, invalid)
        };
        assert_eq!((count(0), count(1), survey.unread()), ((2, 1, 1), (2, 1, 1), 1));
        assert_eq!(survey.fields()[1].example, Some(Value::Int(1)), "no default");
        let wrong = survey.fields()[1].invalid_example.clone().unwrap();
        assert!(wrong.contains("field \"amount\"") && wrong.contains('x'), "{wrong}");
        assert_eq!((survey.times().read, survey.times().unread), (2, 2));
    }

    #[test]
    fn times_that_cannot_be_read_are_tried_in_other_units() {
        let survey = surveyed(&[
            r#"{"ts":1767484955,"card":"a"}"#,
            r#"{"ts":1767484956,"card":"a"}"#,
            r#"{"ts":"2026-01-04T00:02:35Z","card":"a"}"#,
        ]);
        let times = survey.times();
        assert_eq!((times.read, times.unread, times.tried), (0, 3, 3));
        let fits = |unit: TimeUnit| times.fitting.iter().find(|(it, _)| *it == unit).unwrap().1;
        assert_eq!((fits(TimeUnit::S), fits(TimeUnit::Us), fits(TimeUnit::Iso)), (2, 0, 1));
        assert_eq!(fits(TimeUnit::Auto), 3);
        assert!(times.first_error.as_ref().unwrap().contains("with unit = \"s\""));
    }
}

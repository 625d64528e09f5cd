//! The event times of single records, outside of a job.

use super::record::{Read, Records};
use crate::ingest::decode::{Decoded, Metadata};
use crate::ingest::reader::RawBatch;
use crate::plan::SourcePlan;
use crate::time::EventTime;

/// Reads the event times of records of one source.
pub struct RecordTimes<'a> {
    plan: &'a SourcePlan,
    records: Records,
}

impl<'a> RecordTimes<'a> {
    /// Of the records of `plan`: one longer than `record_bytes_max` is none.
    pub fn new(plan: &'a SourcePlan, record_bytes_max: usize) -> Self {
        RecordTimes { plan, records: Records::new(plan, record_bytes_max) }
    }

    /// The time of the event that the first record of `batch` is, which is of partition `partition`;
    /// `None` when it is none, or cannot be read without a schema that is kept elsewhere.
    pub fn first(&mut self, batch: &RawBatch, partition: u32) -> Option<EventTime> {
        let (record, mut decoded) = (batch.records.first()?, Decoded::default());
        let of = Metadata { batch, record, partition };
        if self.records.read(of, None, &mut decoded) != Read::Row {
            return None;
        }
        let (ts, field) = (*decoded.time.first()?, *decoded.arrival.first()?);
        let arrival = self.plan.arrival_of(field, record.timestamp);
        Some(self.plan.time_bounds().event_time(ts, arrival))
    }
}

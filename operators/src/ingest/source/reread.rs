//! Records that were judged before the job was started again, and lie at or above its cut in part.

use super::letter::Letter;
use super::record::Read;
use super::{BATCH_RECORDS, OwnedPartitions, STEP_BYTES};
use crate::ingest::decode::Metadata;

impl OwnedPartitions {
    /// Decodes records of partition `at` again: of those that became events the ones at or above the
    /// cut do so again, by the time they had, and nothing is judged. Returns how many, and their bytes.
    pub(super) fn reread(&mut self, at: usize) -> (usize, usize) {
        let now = self.config.shared.now.get();
        let owned = &mut self.owned[at];
        let source = usize::from(owned.reader.id().source);
        let plan = &self.config.plan.sources[source];
        self.decoded.clear();
        self.offsets.clear();
        let raw = std::mem::take(&mut owned.raw);
        let (from, mut bytes, mut over) = (owned.next, 0, false);
        let Some(marks) = owned.marks.clone() else { return (0, 0) };
        let mut marks = marks.borrow_mut();
        for record in raw.records.iter().skip(from).take(BATCH_RECORDS) {
            let Some(rereads) = &mut marks.rereads else { break };
            over = record.offset >= rereads.mark.read;
            if over || bytes >= STEP_BYTES {
                break;
            }
            let (cut, rows) = (rereads.at, self.decoded.rows());
            let refused = rereads.was_refused(record.offset);
            let of = Metadata { batch: &raw, record, partition: owned.reader.id().partition };
            let schemas = self.config.schemas.as_deref_mut();
            let read = match refused {
                true => Read::Keyless,
                false => self.records[source].read(of, schemas, &mut self.decoded),
            };
            if read == Read::Wait {
                owned.wait(now);
                break;
            }
            (owned.next, owned.next_offset) = (owned.next + 1, record.offset.saturating_add(1));
            let value = raw.value(record);
            bytes += value.len();
            if let Read::Dead(why, error) = read {
                // It was an event to the job as it was then.
                let letter = Letter { owned, plan, record, key: raw.key(record), value };
                self.dead.push(letter.unreadable(why, error));
            }
            if self.decoded.rows() == rows {
                marks.refused(record.offset);
                continue;
            }
            let arrival = plan.arrival_of(self.decoded.arrival[rows], record.timestamp);
            let time = plan.time_bounds().event_time(self.decoded.time[rows], arrival);
            (self.decoded.time[rows], self.decoded.arrival[rows]) = (time, arrival);
            if time < cut {
                self.decoded.truncate(rows);
            } else {
                marks.accepted(time, record.offset);
                self.offsets.push(record.offset);
            }
        }
        drop(marks);
        let judged = owned.next - from;
        owned.raw = raw;
        if over {
            owned.end_reread();
        }
        self.project(at);
        (judged, bytes)
    }
}

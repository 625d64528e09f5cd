//! Records that did not become events, on their way to the dead letters.

use crate::ingest::ahead::{Tally, Times};
use crate::ingest::dead_letter::DeadLetter;
use crate::ingest::decode::Decoded;
use crate::ingest::judge::Judged;
use crate::ingest::partition::Owned;
use crate::ingest::reader::RawRecord;
use crate::metrics::WorkerMetrics;
use crate::plan::{Duplicates, SourcePlan};
use crate::time::Millis;
use crate::verdict::{Reason, Verdict};

/// A record on its way to becoming a dead letter.
pub(super) struct Letter<'a> {
    pub owned: &'a mut Owned,
    pub plan: &'a SourcePlan,
    pub record: &'a RawRecord,
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
}

impl Letter<'_> {
    /// Judges the last row of `decoded`, which is this record's. One that is accepted stays there,
    /// with its event time and its arrival; the letter of one that is not, unless it is left out.
    pub fn judge(
        &mut self,
        decoded: &mut Decoded,
        now: Millis,
        tally: &mut Tally,
        metrics: &WorkerMetrics,
    ) -> Option<DeadLetter> {
        let row = decoded.rows().saturating_sub(1);
        let source = usize::from(self.owned.reader.id().source);
        let (clocks, verdicts) = (&metrics.clocks[source], &metrics.verdicts[source]);
        let ts = decoded.time[row];
        let arrival = self.plan.arrival_of(decoded.arrival[row], self.record.timestamp);
        self.owned.ahead.newest_arrival = arrival.or(self.owned.ahead.newest_arrival);
        let Judged { time, verdict } = self.owned.judged(decoded, ts, arrival);
        let times = Times { ts, time, arrival, timestamp: self.record.timestamp };
        if verdict == Verdict::Accepted {
            self.owned.accept(time, now);
            (decoded.time[row], decoded.arrival[row]) = (time, arrival);
            tally.add(times, clocks);
            return None;
        }
        decoded.truncate(row);
        if verdict == Verdict::History {
            self.owned.live(now);
            verdicts.history.add(1);
            return None;
        }
        times.tell_late(verdict, &metrics.late_by_ms, clocks);
        let refused = self.refused(times, verdict);
        verdicts.duplicate.add(u64::from(refused.is_none()));
        refused
    }

    fn dead(&self, reason: Reason) -> DeadLetter {
        DeadLetter {
            source: self.plan.name.clone(),
            topic: self.plan.topic.clone(),
            partition: self.owned.reader.id(),
            offset: self.record.offset,
            key: self.key.map(<[u8]>::to_vec),
            value: self.record.value.as_ref().map(|_| self.value.to_vec()),
            reason,
            event_time: None,
            field_time: None,
            arrival: None,
            watermark: self.owned.judge.watermark(),
            late_by: None,
            idle_floor: false,
            error: None,
        }
    }

    pub fn unreadable(&self, reason: Reason, error: Option<String>) -> DeadLetter {
        DeadLetter { error, ..self.dead(reason) }
    }

    fn judged(&self, reason: Reason, times: Times) -> DeadLetter {
        DeadLetter {
            event_time: Some(times.time),
            field_time: Some(times.ts),
            arrival: times.arrival,
            ..self.dead(reason)
        }
    }

    /// The letter of a record with this verdict; `None`: it is an event, or is left out.
    fn refused(&self, times: Times, verdict: Verdict) -> Option<DeadLetter> {
        match verdict {
            Verdict::Accepted | Verdict::History => None,
            Verdict::Late { by, idle_floor } => Some(self.late(times, by, idle_floor)),
            Verdict::Future { ahead } => Some(self.future(times, ahead)),
            Verdict::Duplicate => self.duplicate(times),
        }
    }

    fn late(&self, times: Times, by: u64, idle_floor: bool) -> DeadLetter {
        DeadLetter { late_by: Some(by), idle_floor, ..self.judged(Reason::Late, times) }
    }

    fn future(&self, times: Times, ahead: u64) -> DeadLetter {
        let skew = self.plan.max_future_skew.unwrap_or(0);
        let error = format!("event time is {ahead} ms after arrival, max_future_skew is {skew} ms");
        DeadLetter { error: Some(error), ..self.judged(Reason::Future, times) }
    }
    fn duplicate(&self, times: Times) -> Option<DeadLetter> {
        let unique = self.plan.unique.as_ref().filter(|it| it.duplicates == Duplicates::Dead)?;
        let fields = unique.id.iter().filter_map(|at| self.plan.fields.get(*at));
        let fields: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
        let error = format!(
            "a record with the same {} was accepted before it, within {} ms",
            fields.join(", "),
            unique.within
        );
        Some(DeadLetter { error: Some(error), ..self.judged(Reason::Duplicate, times) })
    }
}

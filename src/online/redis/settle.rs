//! What the end of a round trip means for the rows in it.

use crate::online::deletions::Deletion;
use crate::online::dirt::{Dirt, Entry};
use crate::online::redis::flush::{Outcome, SentRow};
use crate::online::rows::{
    DIRTY, FOREIGN, IN_FLIGHT, PARKED, PRESENT, REPLACE, Row, SCHEDULED, STALE, UPSERT,
};
use crate::online::shard::Shard;
use tidemark_operators::online::Cause;

impl Shard {
    /// Applies the end of some rows' writes; `now` in us.
    pub(crate) fn settle_rows(&mut self, rows: &[SentRow], now: u64) {
        for sent in rows {
            self.dirt.in_flight -= 1;
            let lost = matches!(sent.outcome, Outcome::Lost | Outcome::Foreign);
            let removed = lost && self.write_beside(&sent.entry, now);
            self.settle_row(sent, removed, now);
        }
    }

    /// Applies the end of a row's write. `removed`: another view's row removes the key that it stands
    /// in before it is written.
    fn settle_row(&mut self, sent: &SentRow, removed: bool, now: u64) {
        let Shard { schema, views, dirt, .. } = self;
        let Entry { view, slot, .. } = sent.entry;
        let row = views.get_mut(view as usize).and_then(|rows| rows.get(slot));
        let Some(mut row) = row else { return };
        let stale = row.has(STALE);
        row.clear(IN_FLIGHT | STALE);
        if stale {
            return;
        }
        match sent.outcome {
            Outcome::Written | Outcome::Found => {
                if sent.expire && !row.is_null() {
                    schedule(&mut row, sent, now, dirt);
                }
                let view = schema.views.get(view as usize);
                if let Some(view) = view.filter(|_| sent.outcome == Outcome::Found) {
                    row.doubt_nulls(view.features.len());
                    dirt.again(&mut row, sent.entry);
                }
            }
            Outcome::Lost | Outcome::Foreign => {
                row.set(REPLACE);
                if dirt.shares_keys && sent.outcome == Outcome::Foreign && !removed {
                    row.set(FOREIGN);
                }
                dirt.again(&mut row, sent.entry);
            }
            Outcome::Failed => {
                row.set(UPSERT);
                dirt.again(&mut row, sent.entry);
            }
            Outcome::Parked => {
                row.set(UPSERT);
                dirt.park(&mut row, sent.entry);
            }
        }
    }

    /// Applies the end of the deletions and makes way for the next round trip.
    pub(crate) fn settle_deletions(&mut self, deletions: &mut Vec<(Deletion, Outcome)>) {
        for (deletion, outcome) in deletions.drain(..) {
            self.dirt.in_flight -= 1;
            match outcome {
                Outcome::Written => {}
                Outcome::Parked => self.dirt.parked.delete(deletion),
                _ => self.delete_again(deletion),
            }
        }
        self.dirt.retry.extend(self.dirt.deferred.drain(..));
    }

    /// A server is there again: what waited for one is written.
    pub(crate) fn release_parked(&mut self) {
        let parked = std::mem::take(&mut self.dirt.parked);
        for entry in parked.rows {
            let rows = self.views.get_mut(entry.view as usize);
            let Some(mut row) = rows.and_then(|rows| rows.get(entry.slot)) else { continue };
            row.clear(PARKED);
            if row.has(PRESENT) && row.has(DIRTY) {
                self.dirt.retry.push_back(entry);
            }
        }
        for ((view, id), since) in parked.deletions {
            self.delete_again(Deletion { view, id, since });
        }
    }

    /// A deletion that may not have happened: made again, or, when the entity has a row again, left
    /// to that row, which then replaces the whole key.
    fn delete_again(&mut self, deletion: Deletion) {
        let Deletion { view, since, .. } = deletion;
        let ids = self.schema.views.get(view as usize).and_then(|v| self.entities.get(v.entity));
        let slot = ids.and_then(|ids| ids.slot(&deletion.id));
        let row = slot.zip(self.views.get_mut(view as usize));
        let row = row.and_then(|(slot, rows)| rows.get(slot).map(|row| (slot, row)));
        match row {
            Some((slot, mut row)) if row.has(PRESENT) => {
                row.set(REPLACE);
                let entry = Entry { view, slot, since, cause: Cause::Decay };
                self.dirt.again(&mut row, entry);
            }
            _ => {
                self.dirt.deletions.record(deletion, true);
            }
        }
    }

    /// Has the rows of other views written that stand in the same key, of which nothing is known any
    /// more; whether one of them removes it first.
    pub(crate) fn write_beside(&mut self, entry: &Entry, now: u64) -> bool {
        let Shard { schema, views, entities, dirt, .. } = self;
        let Some(own) = schema.views.get(entry.view as usize).filter(|_| dirt.shares_keys) else {
            return false;
        };
        // Types with one join key have one hash for an id, each with a slot of its own for it.
        let id = entities.get(own.entity).and_then(|ids| ids.id(entry.slot));
        let slot = |entity: usize| match entity == own.entity {
            true => Some(entry.slot),
            false => entities.get(entity)?.slot(id?),
        };
        let others = schema.views.iter().zip(views).zip(0..);
        let others = others.filter(|((view, _), at)| view.key == own.key && *at != entry.view);
        let mut removed = false;
        for ((of, rows), view) in others {
            let Some(slot) = slot(of.entity) else { continue };
            let row = rows.get(slot).filter(|row| row.has(PRESENT));
            if let Some(mut row) = row {
                removed |= row.has(FOREIGN);
                row.set(UPSERT);
                let entry = Entry { view, slot, since: now, cause: Cause::Decay };
                dirt.again(&mut row, entry);
            }
        }
        removed
    }
}

/// How long after its TTL was set a row's TTL is refreshed: 1/4 to 3/8 of it, spread by slot so that
/// rows written together are not all refreshed together. The rest, up to half of it, is for a slow
/// flush.
fn refresh_after(ttl: u64, slot: u32) -> u64 {
    let spread = u64::from(slot.wrapping_mul(0x9e37_79b9) >> 22);
    ttl / 4 + (ttl / 8).saturating_mul(spread) / 1_024
}

/// Enters the next refresh of a row's TTL.
fn schedule(row: &mut Row<'_>, sent: &SentRow, now: u64, dirt: &mut Dirt) {
    let Entry { view, slot, .. } = sent.entry;
    let due = (now / 1_000 + refresh_after(sent.ttl, slot)).max(1);
    row.set_refresh_due(due);
    if !row.has(SCHEDULED) {
        row.set(SCHEDULED);
        dirt.calendar.insert(due, (view, slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_refreshed_before_half_of_them_has_passed_and_not_all_together() {
        for ttl in [1, 10, 1_000, 86_400_000, 3_155_760_000_000] {
            let waits: Vec<u64> = (0..10_000).map(|slot| refresh_after(ttl, slot)).collect();
            assert!(waits.iter().all(|wait| *wait >= ttl / 4 && *wait <= ttl * 3 / 8));
            let first = waits.iter().filter(|wait| **wait < ttl / 4 + ttl / 16).count();
            assert!(ttl < 1_000 || (4_500..5_500).contains(&first), "{ttl}: {first}");
        }
    }
}

//! Keys that an earlier run has left and this one does not hold: they are found by SCAN and removed,
//! once the job has caught up and its windows lack nothing.
//!
//! ```text
//!  first flusher ── SCAN ──> key of one of our views? ──> the shard that owns the id
//!                                                            │ queue, at most WAITING_MAX
//!                                        not held there? ────┴──> DEL with the next round trip
//! ```
//!
//! Whether the table holds the row is looked at in the step that puts the DEL into a round trip,
//! under the shard's lock. A row that appears later is written later, over the same connection: the
//! DEL cannot overtake it. A key is ours when all of it but the id is that of a view of this job,
//! which by `tidemark:views` no other living job has; everything else is left alone.

use crate::online::StoreError;
use crate::online::deletions::Deletion;
use crate::online::layout::{Placing, RowForm};
use crate::online::redis::allowance::Allowance;
use crate::online::redis::link::Link;
use crate::online::schema::Schema;
use crate::online::shard::Shard;
use crate::online::table::Cell;
use redis::Value;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidemark_operators::shape::Shape;

/// Keys looked at in one call: a fraction of a millisecond of Redis.
const COUNT: usize = 500;

/// Keys that wait for their deletion, a shard, before looking for more stops.
pub(crate) const WAITING_MAX: usize = 2_000;

/// The search for keys of earlier runs.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// By view.
    forms: Vec<Vec<RowForm>>,
    /// What keys of rows are like, one for each layout.
    patterns: Vec<Vec<u8>>,
    allowance: Allowance,
    /// Whose keys are whose.
    shape: Shape,
    /// Where the pass stands, while there is one: at which server, which pattern, and how far.
    cursor: Option<(usize, usize, Vec<u8>)>,
    /// Views of the present pass, and of all passes that are over.
    views: BTreeSet<usize>,
    done: BTreeSet<usize>,
    refused: bool,
    /// Redis may hold what was removed from it: a server has taken over that had not heard of it.
    undone: bool,
}

impl Sweep {
    /// Looks at `rate` keys a second.
    pub(crate) fn new(
        (schema, shape): (&Schema, Shape),
        placing: &Placing<'_>,
        rate: usize,
    ) -> Self {
        let forms = placing.forms(schema);
        let mut patterns: Vec<_> =
            forms.iter().flatten().map(|form| form.pattern().to_vec()).collect();
        patterns.sort();
        patterns.dedup();
        Sweep {
            forms,
            patterns,
            shape,
            allowance: Allowance::new((rate / shape.processes()) as u64),
            cursor: None,
            views: BTreeSet::new(),
            done: BTreeSet::new(),
            refused: false,
            undone: false,
        }
    }

    /// Another server: what was looked at in the one before says nothing of it, and keys may be there
    /// that were removed.
    pub(crate) fn restart(&mut self) {
        (self.cursor, self.refused, self.undone) = (None, false, true);
        self.views.clear();
        self.done.clear();
    }

    /// Whether keys may be there that were removed, of views whose rows lack nothing: until they were
    /// looked for, and what was found is removed.
    pub(crate) fn is_undone(
        &mut self,
        cells: &[Arc<Cell>],
        complete: &dyn Fn(usize) -> bool,
    ) -> bool {
        if !self.undone {
            return false;
        }
        let looking = self.is_wanted(complete);
        let waits = |cell: &Arc<Cell>| !cell.lock().dirt.swept.is_empty();
        self.undone = looking || cells.iter().any(waits);
        self.undone
    }

    /// When the next call may be made, in us, if there is anything to look for; `complete`: the
    /// views whose rows lack nothing.
    pub(crate) fn due(&self, complete: &dyn Fn(usize) -> bool) -> Option<u64> {
        self.is_wanted(complete).then(|| self.allowance.ready_at(COUNT))
    }

    fn is_wanted(&self, complete: &dyn Fn(usize) -> bool) -> bool {
        let more = || (0..self.forms.len()).any(|at| complete(at) && !self.done.contains(&at));
        !self.refused && (self.cursor.is_some() || more())
    }

    /// The place of the server that is looked at next.
    pub(crate) fn place(&self) -> usize {
        self.cursor.as_ref().map_or(0, |(place, ..)| *place)
    }

    /// Nothing can be looked at where the pass stands: it is tried again later.
    pub(crate) fn wait(&mut self, now: u64) {
        let allowed = self.allowance.at(now);
        self.allowance.spend(allowed.min(COUNT));
    }

    /// Keys lie on other servers than before: the pass begins again.
    pub(crate) fn begin_again(&mut self) {
        if self.cursor.is_some() {
            self.cursor = Some((0, 0, b"0".to_vec()));
        }
    }

    /// Whether a pass is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.cursor.is_some()
    }

    /// Makes one call to the server of the present place, one of `places`, and hands what it finds to
    /// the shards that own it. Calls are made when they are due.
    pub(crate) fn step(
        &mut self,
        (link, places): (&mut Link, usize),
        cells: &[Arc<Cell>],
        now: u64,
        complete: &dyn Fn(usize) -> bool,
    ) -> Result<(), StoreError> {
        if cells.iter().any(|cell| cell.lock().dirt.swept.len() >= WAITING_MAX) {
            self.wait(now);
            return Ok(());
        }
        // What was not spent until now is.
        self.allowance.at(now);
        let (place, at, cursor) = self.cursor.clone().unwrap_or_else(|| {
            let views = (0..self.forms.len()).filter(|at| complete(*at));
            self.views = views.filter(|at| !self.done.contains(at)).collect();
            (0, 0, b"0".to_vec())
        });
        let Some(pattern) = self.patterns.get(at) else {
            self.done.append(&mut self.views);
            self.cursor = None;
            return Ok(());
        };
        let count = COUNT.to_string();
        let call: [&[u8]; 7] =
            [&cursor, b"MATCH", pattern, b"COUNT", count.as_bytes(), b"TYPE", b"hash"];
        let reply = match link.ask("SCAN", &call) {
            Err(error @ StoreError::Reply { .. }) => {
                let error = error.to_string();
                tracing::warn!(error, "keys of earlier runs are left to their TTL");
                (self.refused, self.cursor) = (true, None);
                return Ok(());
            }
            other => other?,
        };
        self.allowance.spend(COUNT);
        let (next, keys) = scanned(&reply);
        self.hand_over(&keys, cells, now);
        let at = if next == b"0" { at + 1 } else { at };
        self.cursor = match (at < self.patterns.len(), place + 1 < places) {
            (true, _) => Some((place, at, next)),
            (false, true) => Some((place + 1, 0, b"0".to_vec())),
            (false, false) => None,
        };
        if self.cursor.is_none() {
            self.done.append(&mut self.views);
            tracing::info!("looked for keys of earlier runs: what is not held is removed");
        }
        Ok(())
    }

    fn hand_over(&self, keys: &[&[u8]], cells: &[Arc<Cell>], now: u64) {
        for (view, id) in keys.iter().flat_map(|key| self.rows_of(key)) {
            let place = self.shape.place(self.shape.owner(&id));
            let cell = place.and_then(|place| cells.get(place));
            let (Some(cell), Ok(index)) = (cell, u32::try_from(view)) else { continue };
            let mut shard = cell.lock();
            if !shard.holds(view, &id) {
                shard.dirt.swept.push_back(Deletion { view: index, id: id.into(), since: now });
                drop(shard);
                cell.wake.notify_one();
            }
        }
    }

    /// The views of the present pass that a key may have rows of, and the entity's id.
    fn rows_of(&self, key: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let views = self.views.iter().filter_map(|at| Some((*at, self.forms.get(*at)?)));
        let id = |forms: &Vec<RowForm>| forms.iter().find_map(|form| form.id_of(key));
        views.filter_map(|(at, forms)| Some((at, id(forms)?))).collect()
    }
}

impl Shard {
    /// Whether the table has a row of `id` in `view`.
    pub(crate) fn holds(&mut self, view: usize, id: &[u8]) -> bool {
        let entity = self.schema.views.get(view).map(|view| view.entity);
        let slot = entity.and_then(|entity| self.entities.get(entity)?.slot(id));
        let row = slot.and_then(|slot| self.views.get_mut(view)?.get(slot));
        row.is_some_and(|row| row.has(crate::online::rows::PRESENT))
    }
}

/// Calls of SCAN in a look at keys, at most.
const CALLS: usize = 100;

/// Shows `look` the keys like `pattern`, some at a time, until it has seen enough or about 100,000 keys
/// were looked at. Says whether these were all that there are.
pub(crate) fn scan(
    link: &mut Link,
    pattern: &[u8],
    mut look: impl FnMut(&mut Link, &[&[u8]]) -> Result<ControlFlow<()>, StoreError>,
) -> Result<bool, StoreError> {
    let count = COUNT.to_string();
    let mut cursor = b"0".to_vec();
    for _ in 0..CALLS {
        let call: [&[u8]; 5] = [&cursor, b"MATCH", pattern, b"COUNT", count.as_bytes()];
        let reply = link.ask("SCAN", &call)?;
        let (next, keys) = scanned(&reply);
        if look(link, &keys)?.is_break() {
            return Ok(false);
        }
        if next == b"0" {
            return Ok(true);
        }
        cursor = next;
    }
    Ok(false)
}

/// The next cursor and the keys in a reply of SCAN; anything else ends the pass.
fn scanned(reply: &Value) -> (Vec<u8>, Vec<&[u8]>) {
    let Value::Array(parts) = reply else { return (b"0".to_vec(), Vec::new()) };
    let [Value::BulkString(next), Value::Array(keys)] = parts.as_slice() else {
        return (b"0".to_vec(), Vec::new());
    };
    let keys = keys.iter().filter_map(|key| match key {
        Value::BulkString(key) => Some(key.as_slice()),
        _ => None,
    });
    (next.clone(), keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file;
    use crate::online::Layout;

    #[test]
    fn only_keys_of_the_pass_s_views_are_taken_for_rows() {
        let plan = job_file::load("fraud").unwrap().plan;
        let schema = Schema::new(&plan);
        let placing = Placing { key_prefix: "features", ..Placing::default() };
        let mut sweep = Sweep::new((&schema, Shape::default()), &placing, 1);
        assert_eq!(sweep.rows_of(b"features:card:c1:transaction_stats_5m"), []);
        sweep.views.insert(0);
        let (entity, view) = (&schema.views[0].entity_name, &schema.views[0].name);
        let key = |id: &str| format!("features:{entity}:{id}:{view}").into_bytes();
        for id in ["c1", "a:b", ":", "a:b:stats"] {
            assert_eq!(sweep.rows_of(&key(id)), [(0, id.as_bytes().to_vec())]);
        }
        let other = &schema.views[1];
        for foreign in [
            key(""),
            format!("features:{}:c1:{}", other.entity_name, other.name).into_bytes(),
            format!("feature:{entity}:c1:{view}").into_bytes(),
            format!("features:{entity}s:c1:{view}").into_bytes(),
            format!("features:{entity}:c1:my_{view}").into_bytes(),
            format!("features:{entity}:c1:{view}x").into_bytes(),
            format!("features:{entity}:{view}").into_bytes(),
            b"features".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(sweep.rows_of(&foreign), [], "{}", String::from_utf8_lossy(&foreign));
        }
    }

    #[test]
    fn of_a_key_that_views_share_each_may_have_a_row() {
        let schema = Schema::new(&job_file::load("fraud").unwrap().plan);
        let placing = Placing { layout: Layout::Feast, ..Placing::default() };
        let mut sweep = Sweep::new((&schema, Shape::default()), &placing, 1);
        sweep.views.extend(0..schema.views.len());
        let key = sweep.forms[0][0].key(b"c1");
        let card = schema.views[0].entity;
        let views = schema.views.iter().enumerate().filter(|(_, view)| view.entity == card);
        let expected: Vec<_> = views.map(|(at, _)| (at, b"c1".to_vec())).collect();
        assert!(expected.len() > 1);
        assert_eq!(sweep.rows_of(&key), expected);
        assert_eq!(sweep.rows_of(&[&key[..], b"2"].concat()), [], "another project");
    }

    #[test]
    fn a_reply_that_is_none_of_scan_s_ends_the_pass() {
        assert_eq!(scanned(&Value::Nil), (b"0".to_vec(), Vec::new()));
        let reply = redis::parse_redis_value(b"*2\r\n$2\r\n17\r\n*1\r\n$1\r\nk\r\n").unwrap();
        assert_eq!(scanned(&reply), (b"17".to_vec(), vec![b"k".as_slice()]));
    }
}

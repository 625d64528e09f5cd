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
use crate::online::redis::allowance::Allowance;
use crate::online::redis::link::Link;
use crate::online::schema::Schema;
use crate::online::shard::Shard;
use crate::online::table::Cell;
use redis::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidemark_operators::interner::stable_hash;

/// Keys looked at in one call: a fraction of a millisecond of Redis.
const COUNT: usize = 500;

/// Keys that wait for their deletion, a shard, before looking for more stops.
pub(crate) const WAITING_MAX: usize = 2_000;

/// The search for keys of earlier runs.
#[derive(Debug)]
pub(crate) struct Sweep {
    schema: Arc<Schema>,
    key_prefix: String,
    pattern: Vec<u8>,
    allowance: Allowance,
    /// Where the pass stands, while there is one.
    cursor: Option<Vec<u8>>,
    /// Views of the present pass, and of all passes that are over.
    views: BTreeSet<usize>,
    done: BTreeSet<usize>,
    refused: bool,
}

impl Sweep {
    /// Looks at `rate` keys a second.
    pub(crate) fn new(schema: Arc<Schema>, key_prefix: &str, rate: usize) -> Self {
        Sweep {
            schema,
            key_prefix: key_prefix.to_owned(),
            pattern: pattern(key_prefix),
            allowance: Allowance::new(rate as u64),
            cursor: None,
            views: BTreeSet::new(),
            done: BTreeSet::new(),
            refused: false,
        }
    }

    /// Another server: what was looked at there says nothing.
    pub(crate) fn restart(&mut self) {
        if self.cursor.is_some() {
            self.cursor = Some(b"0".to_vec());
        }
        self.refused = false;
    }

    /// When the next call may be made, in us, if there is anything to look for; `complete`: the
    /// views whose rows lack nothing.
    pub(crate) fn due(&self, complete: &dyn Fn(usize) -> bool) -> Option<u64> {
        let more =
            || (0..self.schema.views.len()).any(|at| complete(at) && !self.done.contains(&at));
        let wanted = !self.refused && (self.cursor.is_some() || more());
        wanted.then(|| self.allowance.ready_at(COUNT))
    }

    /// Whether a pass is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.cursor.is_some()
    }

    /// Makes one call, and hands what it finds to the shards that own it. Calls are made when they
    /// are due.
    pub(crate) fn step(
        &mut self,
        link: &mut Link,
        cells: &[Arc<Cell>],
        now: u64,
        complete: &dyn Fn(usize) -> bool,
    ) -> Result<(), StoreError> {
        let allowed = self.allowance.at(now);
        if cells.iter().any(|cell| cell.lock().dirt.swept.len() >= WAITING_MAX) {
            self.allowance.spend(allowed.min(COUNT));
            return Ok(());
        }
        let cursor = match &self.cursor {
            Some(cursor) => cursor.clone(),
            None => {
                let views = (0..self.schema.views.len()).filter(|at| complete(*at));
                self.views = views.filter(|at| !self.done.contains(at)).collect();
                b"0".to_vec()
            }
        };
        let count = COUNT.to_string();
        let call: [&[u8]; 7] =
            [&cursor, b"MATCH", &self.pattern, b"COUNT", count.as_bytes(), b"TYPE", b"hash"];
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
        if next == b"0" {
            self.done.append(&mut self.views);
            self.cursor = None;
            tracing::info!("looked for keys of earlier runs: what is not held is removed");
        } else {
            self.cursor = Some(next);
        }
        Ok(())
    }

    fn hand_over(&self, keys: &[&[u8]], cells: &[Arc<Cell>], now: u64) {
        for key in keys {
            let Some((view, id)) = self.row_of(key) else { continue };
            let owner = stable_hash(id) % (cells.len().max(1) as u64);
            let cell = usize::try_from(owner).ok().and_then(|owner| cells.get(owner));
            let (Some(cell), Ok(index)) = (cell, u32::try_from(view)) else { continue };
            let mut shard = cell.lock();
            if !shard.holds(view, id) {
                shard.dirt.swept.push_back(Deletion { view: index, id: id.into(), since: now });
                drop(shard);
                cell.wake.notify_one();
            }
        }
    }

    /// The view of the present pass that a key belongs to, and the entity's id.
    fn row_of<'a>(&self, key: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let rest = key.strip_prefix(self.key_prefix.as_bytes())?.strip_prefix(b":")?;
        self.views.iter().find_map(|at| {
            let view = self.schema.views.get(*at)?;
            let rest = rest.strip_prefix(view.entity_name.as_bytes())?.strip_prefix(b":")?;
            let id = rest.strip_suffix(view.name.as_bytes())?.strip_suffix(b":")?;
            (!id.is_empty()).then_some((*at, id))
        })
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

/// A pattern of SCAN for the keys under a prefix.
fn pattern(key_prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(key_prefix.len() + 2);
    for byte in key_prefix.bytes() {
        if b"*?[]^\\-".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.extend_from_slice(b":*");
    pattern
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

    #[test]
    fn only_keys_of_the_pass_s_views_are_taken_for_rows() {
        let plan = job_file::load("fraud").unwrap().plan;
        let schema = Arc::new(Schema::new(&plan));
        let mut sweep = Sweep::new(Arc::clone(&schema), "features", 1);
        assert_eq!(sweep.row_of(b"features:card:c1:transaction_stats_5m"), None);
        sweep.views.insert(0);
        let (entity, view) = (&schema.views[0].entity_name, &schema.views[0].name);
        let key = |id: &str| format!("features:{entity}:{id}:{view}").into_bytes();
        for id in ["c1", "a:b", ":", "a:b:stats"] {
            assert_eq!(sweep.row_of(&key(id)), Some((0, id.as_bytes())));
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
            assert_eq!(sweep.row_of(&foreign), None, "{}", String::from_utf8_lossy(&foreign));
        }
    }

    #[test]
    fn a_prefix_with_the_signs_of_patterns_means_itself() {
        assert_eq!(pattern("a*[b]?"), b"a\\*\\[b\\]\\?:*");
    }

    #[test]
    fn a_reply_that_is_none_of_scan_s_ends_the_pass() {
        assert_eq!(scanned(&Value::Nil), (b"0".to_vec(), Vec::new()));
        let reply = redis::parse_redis_value(b"*2\r\n$2\r\n17\r\n*1\r\n$1\r\nk\r\n").unwrap();
        assert_eq!(scanned(&reply), (b"17".to_vec(), vec![b"k".as_slice()]));
    }
}

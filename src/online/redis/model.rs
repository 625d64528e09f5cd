//! One shard against a Redis of a few lines: every interleaving of writes with the filling, sending
//! and settling of round trips, under a seed. What the threads do by chance is done here on purpose.

use crate::online::deletions::Deletion;
use crate::online::dirt::Dirt;
use crate::online::layout::{Layout, Placing, RowForm};
use crate::online::redis::flush::{Flush, Outcome, RoundTrip};
use crate::online::redis::take::{Filling, Stage};
use crate::online::redis::wire::ViewWire;
use crate::online::rows::RowWidth;
use crate::online::schema::{Feature, Schema, View};
use crate::online::shard::Shard;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidemark_operators::online::{Cause, EntityIds, RowBatch};
use tidemark_operators::plan::JoinKey;
use tidemark_operators::value::{Column, Type};

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// The server: hashes, and the commands that the store sends.
#[derive(Default)]
struct Server {
    keys: BTreeMap<Vec<u8>, Hash>,
    /// Keys that are no hashes.
    strings: BTreeSet<Vec<u8>>,
    queued: Option<Vec<Vec<Vec<u8>>>>,
    /// A key that the connection watches has changed: the next transaction is given up.
    touched: bool,
}

fn server_error(line: &[u8]) -> Value {
    redis::parse_redis_value(line).unwrap()
}

impl Server {
    fn execute(&mut self, command: Vec<Vec<u8>>, full: bool) -> Value {
        match (&command[0][..], &mut self.queued) {
            (b"MULTI", _) => {
                self.queued = Some(Vec::new());
                return Value::Okay;
            }
            (b"EXEC", queued) => {
                let commands = queued.take().unwrap();
                if full {
                    return server_error(b"-EXECABORT discarded\r\n");
                }
                if std::mem::take(&mut self.touched) {
                    return Value::Nil;
                }
                let replies = commands.into_iter().map(|c| self.execute(c, false));
                return Value::Array(replies.collect());
            }
            (b"HSET", _) if full => return server_error(b"-OOM no memory\r\n"),
            (_, Some(queued)) => {
                queued.push(command);
                return Value::SimpleString("QUEUED".to_owned());
            }
            _ => {}
        }
        let key = command[1].clone();
        let number = match &command[0][..] {
            b"HSET" | b"HDEL" | b"HLEN" if self.strings.contains(&key) => {
                return server_error(b"-WRONGTYPE Operation against a key\r\n");
            }
            b"DEL" if self.strings.remove(&key) => 1,
            b"PEXPIRE" if self.strings.contains(&key) => 1,
            b"HSET" => {
                let hash = self.keys.entry(key).or_default();
                let pairs = command[2..].chunks(2);
                pairs.filter(|p| hash.insert(p[0].clone(), p[1].clone()).is_none()).count()
            }
            b"HDEL" => {
                let hash = self.keys.entry(key.clone()).or_default();
                let removed = command[2..].iter().filter(|f| hash.remove(*f).is_some()).count();
                if hash.is_empty() {
                    self.keys.remove(&key);
                }
                removed
            }
            b"HLEN" => self.keys.get(&key).map_or(0, BTreeMap::len),
            b"DEL" => usize::from(self.keys.remove(&key).is_some()),
            b"PEXPIRE" => usize::from(self.keys.contains_key(&key)),
            other => panic!("{other:?}"),
        };
        Value::Int(i64::try_from(number).unwrap())
    }
}

/// The commands in packed bytes.
fn unpack(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn number(bytes: &mut &[u8]) -> usize {
        let end = bytes.iter().position(|b| *b == b'\r').unwrap();
        let number = std::str::from_utf8(&bytes[1..end]).unwrap().parse().unwrap();
        *bytes = &bytes[end + 2..];
        number
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let arguments = (0..number(&mut bytes)).map(|_| {
            let length = number(&mut bytes);
            let argument = bytes[..length].to_vec();
            bytes = &bytes[length + 2..];
            argument
        });
        commands.push(arguments.collect());
    }
    commands
}

struct Ids(Vec<Vec<u8>>);

impl EntityIds for Ids {
    fn id(&self, slot: u32) -> &[u8] {
        &self.0[slot as usize]
    }
}

const SLOTS: u32 = 6;
const NAMES: u32 = 9;

struct Model {
    shard: Shard,
    wire: Vec<ViewWire>,
    /// As which keys and values rows stand there.
    forms: Vec<Vec<RowForm>>,
    server: Server,
    ids: Ids,
    twin: BTreeMap<(usize, Vec<u8>), Vec<Option<i64>>>,
    seed: u64,
    random: SmallRng,
    now: u64,
    /// Round trips are transactions.
    fenced: bool,
}

impl Model {
    fn new(seed: u64) -> Model {
        let view = |name: &str, features: usize, all_nullable| View {
            name: name.to_owned(),
            entity: 0,
            entity_name: "e".to_owned(),
            key: JoinKey { name: "e_id".to_owned(), ty: Type::Text },
            ttl: 3_600_000,
            features: (0..features)
                .map(|n| Feature { name: format!("f{n}"), ty: Type::Int })
                .collect(),
            all_nullable,
            width: RowWidth::new(features),
            bytes: vec![0],
        };
        let views = vec![view("a", 3, false), view("b", 2, true)];
        let schema = Arc::new(Schema { job: "model".to_owned(), views, entities: 1 });
        let layout = [Layout::Hash, Layout::Feast, Layout::Both][(seed / 3 % 3) as usize];
        let placing = Placing { layout, key_prefix: "features", ..Placing::default() };
        let mut dirt = Dirt::new(2, 100, true);
        dirt.shares_keys = layout != Layout::Hash;
        Model {
            wire: ViewWire::all(&schema, &placing),
            forms: placing.forms(&schema),
            shard: Shard::new(schema, dirt),
            server: Server::default(),
            ids: Ids(vec![Vec::new(); SLOTS as usize]),
            twin: BTreeMap::new(),
            seed,
            random: SmallRng::seed_from_u64(seed),
            now: 1,
            fenced: seed.is_multiple_of(3),
        }
    }

    /// One row changes, appears or goes.
    fn write(&mut self) {
        self.now += self.random.random_range(0..3) * 1_000;
        let view = self.random.random_range(0..2);
        let slot = self.random.random_range(0..SLOTS);
        if self.ids.0[slot as usize].is_empty() {
            let id = format!("n{}", self.random.random_range(0..NAMES)).into_bytes();
            if self.ids.0.contains(&id) {
                return;
            }
            self.ids.0[slot as usize] = id;
        }
        let id = self.ids.0[slot as usize].clone();
        let key = (view, id.clone());
        let deleted = self.twin.contains_key(&key) && self.random.random_bool(0.3);
        let features = [3, 2][view];
        let row: Vec<Option<i64>> = (0..features)
            .map(|at| {
                let null = at + view > 0 && self.random.random_bool(0.4);
                (!null && !deleted).then(|| self.random.random_range(0..3))
            })
            .collect();
        let cause = if self.random.random_bool(0.5) { Cause::Arrival } else { Cause::Decay };
        self.put((view, slot), &row, deleted, cause);
        if deleted {
            self.twin.remove(&key);
            if !self.twin.keys().any(|(_, held)| *held == id) {
                self.ids.0[slot as usize].clear();
            }
        } else {
            self.twin.insert(key, row);
        }
    }

    /// Gives the shard a row.
    fn put(
        &mut self,
        (view, slot): (usize, u32),
        row: &[Option<i64>],
        deleted: bool,
        cause: Cause,
    ) {
        let mut batch = RowBatch {
            view,
            as_of: self.now,
            slots: vec![slot],
            causes: vec![cause],
            deleted: vec![deleted],
            features: vec![Column::default(); row.len()],
        };
        for (column, value) in batch.features.iter_mut().zip(row) {
            match value {
                Some(value) => column.push_int(*value),
                None => column.push_null(),
            }
        }
        self.shard.write(&batch, &self.ids, self.now);
    }

    /// A row of view `view` with any values.
    fn row(&mut self, view: usize) -> Vec<Option<i64>> {
        let value = |at: usize, random: &mut SmallRng| {
            let null = at + view > 0 && random.random_bool(0.4);
            (!null).then(|| random.random_range(0..3))
        };
        (0..[3, 2][view]).map(|at| value(at, &mut self.random)).collect()
    }

    /// What an earlier run left: the server has `row`.
    fn leave(&mut self, view: usize, id: &[u8], row: &[Option<i64>]) {
        for form in &self.forms[view] {
            let fields = fields(form, row);
            if !fields.is_empty() {
                self.server.keys.entry(form.key(id)).or_default().extend(fields);
            }
        }
    }

    /// A key of an earlier run may be there, and is found whether it is held by now or not.
    fn find_left_over(&mut self) {
        let view = self.random.random_range(0..2);
        let id = format!("n{}", self.random.random_range(0..NAMES)).into_bytes();
        let form = &self.forms[view][0];
        let there = self.server.keys.get(&form.key(&id));
        let ours =
            there.is_some_and(|hash| form.fields.iter().any(|field| hash.contains_key(field)));
        if !self.twin.contains_key(&(view, id.clone())) && !ours {
            self.leave(view, &id, &[Some(7)]);
        }
        let (view, since) = (u32::try_from(view).unwrap(), self.now);
        self.shard.dirt.swept.push_back(Deletion { view, id: id.as_slice().into(), since });
    }

    /// Somebody else, or Redis, does something to a key of ours without a word.
    fn tamper(&mut self) {
        let view = self.random.random_range(0..2);
        let id = format!("n{}", self.random.random_range(0..NAMES)).into_bytes();
        let at = self.random.random_range(0..self.forms[view].len());
        let form = &self.forms[view][at];
        let key = form.key(&id);
        let held = self
            .twin
            .keys()
            .any(|(other, held)| *held == id && (*other == view || form.is_shared()));
        if !held {
            return;
        }
        match self.random.random_range(0..4) {
            0 => drop(self.server.keys.remove(&key)),
            1 => {
                self.server.keys.remove(&key);
                self.server.strings.insert(key);
            }
            // A field of ours goes, or appears.
            2 => {
                let hash = self.server.keys.get_mut(&key);
                let field = form.fields[self.random.random_range(0..form.fields.len())].as_slice();
                let removed =
                    hash.is_some_and(|hash| hash.remove(field).is_some() && hash.is_empty());
                if removed {
                    self.server.keys.remove(&key);
                }
            }
            _ => {
                // Of a row that is null nothing is there to be looked after.
                let row = self.twin.get(&(view, id));
                let there = row.is_some_and(|row| row.iter().any(Option::is_some));
                if there && !self.server.strings.contains(&key) {
                    let field = form.fields[form.fields.len() - 1].clone();
                    self.server
                        .keys
                        .entry(key)
                        .or_default()
                        .entry(field)
                        .or_insert_with(|| b"x".to_vec());
                }
            }
        }
    }

    /// Another run of this job wrote rows of its own until this one is entered again.
    fn overwrite(&mut self) {
        for hash in self.server.keys.values_mut().filter(|_| self.random.random_bool(0.5)) {
            hash.values_mut().for_each(|value| *value = b"x".to_vec());
        }
        self.shard.dirt.lost();
    }

    /// A round trip; with `chaos`, rows change while it is filled and before it is settled, and it
    /// may break anywhere.
    fn round_trip(&mut self, chaos: bool) {
        let mut flush = Flush::default();
        flush.begin(if self.fenced { RoundTrip::Fenced } else { RoundTrip::Plain });
        self.now += 1_000;
        let cut = (!chaos || self.random.random_bool(0.5)).then_some(u64::MAX);
        for stage in Stage::ALL {
            for _ in 0..self.random.random_range(1..4) {
                let limit = self.random.random_range(1..4);
                let spacing = if chaos { self.random.random_range(0..4) } else { 0 };
                let filling = Filling { wire: &self.wire, now: self.now, cut, spacing };
                self.shard.take(stage, limit, &filling, &mut flush);
                if chaos && self.random.random_bool(0.01) {
                    self.overwrite();
                }
                for _ in 0..if chaos { self.random.random_range(0..3) } else { 0 } {
                    self.write();
                }
            }
        }
        let mut commands = unpack(&flush.buffer);
        if self.fenced {
            assert_eq!(commands.remove(0), [b"MULTI"]);
        }
        assert_eq!(commands.len(), flush.expected.len());
        let full = chaos && self.random.random_bool(0.2);
        self.server.touched = chaos && self.random.random_bool(0.2);
        let broken = chaos && self.random.random_bool(0.2);
        let reach = if broken { self.random.random_range(0..=commands.len()) } else { usize::MAX };
        let replies: Vec<Value> = if self.fenced {
            self.transaction(commands, full, reach, &mut flush)
        } else {
            commands.into_iter().take(reach).map(|c| self.server.execute(c, full)).collect()
        };
        self.server.queued = None;
        for (at, expected) in flush.expected.clone().iter().enumerate() {
            let outcome = match replies.get(at) {
                Some(reply) if !broken => expected.judge(reply).0,
                _ => Outcome::Failed,
            };
            flush.worsen(expected.of, outcome);
        }
        for _ in 0..if chaos { self.random.random_range(0..3) } else { 0 } {
            self.write();
        }
        self.shard.settle_rows(&flush.rows, self.now);
        self.shard.settle_deletions(&mut flush.deletions);
    }

    /// The same commands as one transaction, of which the first `reach` go out: all of it or nothing.
    fn transaction(
        &mut self,
        commands: Vec<Vec<Vec<u8>>>,
        full: bool,
        reach: usize,
        flush: &mut Flush,
    ) -> Vec<Value> {
        if reach < commands.len() {
            return Vec::new();
        }
        let mut replies = vec![Value::Okay];
        let refused = |_: &Vec<Vec<u8>>| server_error(b"-OOM no memory\r\n");
        let queued = |_: &Vec<Vec<u8>>| Value::SimpleString("QUEUED".to_owned());
        if full {
            replies.extend(commands.iter().map(refused));
            replies.push(server_error(b"-EXECABORT discarded\r\n"));
        } else {
            replies.extend(commands.iter().map(queued));
            let each = commands.into_iter().map(|c| self.server.execute(c, false)).collect();
            replies.push(Value::Array(each));
        }
        replies.extend([Value::Okay, Value::BulkString(b"whoever".to_vec())]);
        let (executed, entered) = flush.unfold(&mut replies);
        assert_eq!((executed, entered), (true, Value::BulkString(b"whoever".to_vec())));
        replies
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        while !self.shard.dirt.is_clean() || !self.shard.dirt.swept.is_empty() {
            self.round_trip(false);
            rounds += 1;
            assert!(rounds < 1_000, "never settles: {:?}", self.shard.dirt);
        }
    }

    fn check(&self) {
        let mut expected: BTreeMap<Vec<u8>, Hash> = BTreeMap::new();
        for ((view, id), row) in &self.twin {
            for form in &self.forms[*view] {
                let fields = fields(form, row);
                if !fields.is_empty() {
                    expected.entry(form.key(id)).or_default().extend(fields);
                }
            }
        }
        let mut keys = self.server.keys.clone();
        let stamps = self.forms.iter().flatten().filter_map(|form| form.stamp.as_ref());
        for stamp in stamps {
            // As of when a row was last written is none of this.
            keys.values_mut().filter_map(|hash| hash.get_mut(stamp)).for_each(Vec::clear);
        }
        assert_eq!(keys, expected, "seed {}", self.seed);
        // What is no hash is left alone for as long as no row belongs there.
        assert!(self.server.strings.iter().all(|key| !expected.contains_key(key)));
    }
}

/// The fields of a row, with nothing in the one that says as of when it is.
fn fields(form: &RowForm, row: &[Option<i64>]) -> Hash {
    let mut fields = Hash::new();
    for (field, value) in form.fields.iter().zip(row) {
        let Some(value) = value else { continue };
        let mut bytes = Vec::new();
        form.push_word(Type::Int, value.cast_unsigned(), &mut bytes);
        fields.insert(field.clone(), bytes);
    }
    if let (false, Some(stamp)) = (fields.is_empty(), &form.stamp) {
        fields.insert(stamp.clone(), Vec::new());
    }
    fields
}

#[test]
fn any_interleaving_of_changes_round_trips_and_failures_converges_to_the_newest_rows() {
    for seed in 0..3_000 {
        let mut model = Model::new(seed);
        for _ in 0..3 {
            for _ in 0..8 {
                model.write();
                model.round_trip(true);
                if model.random.random_bool(0.3) {
                    model.find_left_over();
                }
                if model.random.random_bool(0.1) {
                    // A restart that lost some keys, or none.
                    let part = model.random.random_range(0.0..1.0);
                    let random = &mut model.random;
                    model.server.keys.retain(|_, _| random.random_bool(part));
                    model.shard.dirt.lost();
                }
            }
            model.settle();
            model.check();
        }
    }
}

/// A run goes on: rows are made again, and what happened since is read again. Of those that nothing
/// happened to the server has what is made; of the others anything.
#[test]
fn rows_that_are_made_again_are_not_written_and_those_that_may_be_others_are_right_in_the_end() {
    let mut unwritten = 0;
    for seed in 0..3_000 {
        let mut model = Model::new(seed);
        model.shard.dirt.kept = vec![Some(3_600_000); 2];
        let lost = model.random.random_bool(0.2);
        let mut touched = Vec::new();
        for slot in 0..SLOTS {
            let id = format!("n{slot}").into_bytes();
            model.ids.0[slot as usize] = id.clone();
            for view in 0..2 {
                let made = model.row(view);
                let other = model.random.random_bool(0.4);
                let left = if other { model.row(view) } else { made.clone() };
                model.leave(view, &id, &left);
                model.put((view, slot), &made, false, Cause::Restored);
                model.twin.insert((view, id.clone()), made.clone());
                if other {
                    touched.push((view, slot, id.clone(), made));
                } else {
                    unwritten += 1;
                }
            }
        }
        if lost {
            model.server.keys.clear();
            model.shard.dirt.lost();
        }
        let expected = touched.len();
        for (view, slot, id, made) in touched {
            // As it was made, as often as not.
            let row = if model.random.random_bool(0.5) { made } else { model.row(view) };
            let cause = if model.random.random_bool(0.5) { Cause::Arrival } else { Cause::Decay };
            model.put((view, slot), &row, false, cause);
            model.twin.insert((view, id), row);
        }
        assert_eq!(model.shard.dirt.len(), expected, "no more than what may be another");
        model.settle();
        model.check();
        // And whatever happens then.
        for _ in 0..8 {
            model.write();
            model.round_trip(true);
        }
        model.settle();
        model.check();
    }
    assert!(unwritten > 1_000, "{unwritten}");
}

#[test]
fn without_failures_nothing_is_written_twice_or_taken_for_lost() {
    for seed in 0..500 {
        let mut model = Model::new(seed);
        for _ in 0..40 {
            model.write();
            model.round_trip(false);
            model.settle();
            model.check();
            assert!(model.shard.dirt.retry.is_empty());
        }
    }
}

#[test]
fn what_others_do_to_keys_is_undone_by_the_next_write_or_refresh_of_a_ttl() {
    for seed in 0..3_000 {
        let mut model = Model::new(seed);
        for _ in 0..3 {
            for _ in 0..8 {
                model.write();
                model.round_trip(true);
                if model.random.random_bool(0.3) {
                    model.tamper();
                }
            }
            model.settle();
            // Twice: what is found in one is mended by then in all views.
            for _ in 0..2 {
                model.now += 3_600_000_000;
                for _ in 0..20 {
                    model.round_trip(false);
                }
                model.settle();
            }
            model.check();
        }
    }
}

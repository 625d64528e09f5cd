//! Lookups against a plain list of rows that is scanned.

mod kept_topic;
mod restart;
mod topic;

use super::input::{TableFeed, TableInput, TablePoll, TookEffect};
use super::row::Row;
use super::tables::{Tables, TablesRef};
use super::text;
use super::version::TableRow;
use crate::metrics::WorkerMetrics;
use crate::plan::{Matching, Plan, TableColumn, TableFrom, TablePlan};
use crate::shared::{Shared, SharedRef};
use crate::time::EventTime;
use crate::value::{Cell, Type};
use crate::zone::Zone;
use rand::{Rng as _, SeedableRng, rngs::SmallRng};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Input as _;
use timely::worker::Worker;

type Clock = InputHandle<EventTime, timely::container::CapacityContainerBuilder<Vec<()>>>;

fn plan(matching: Matching) -> Arc<Plan> {
    let from = TableFrom::File { path: "t.csv".to_owned(), valid_from: None, reload: 1 };
    plan_from(matching, from)
}

fn plan_from(matching: Matching, from: TableFrom) -> Arc<Plan> {
    let columns = vec![TableColumn { name: "value".to_owned(), ty: Type::Int, required: true }];
    let (name, key) = ("t".to_owned(), "key".to_owned());
    Arc::new(Plan {
        name: "job".to_owned(),
        sources: Vec::new(),
        tables: vec![TablePlan { name, key, matching, columns, rows_max: 1_000, from }],
        entities: Vec::new(),
        views: Vec::new(),
        zone: Arc::new(Zone::utc()),
        distinct_max: None,
    })
}

#[derive(Default)]
struct Script {
    versions: VecDeque<Vec<TableRow>>,
    effects: Vec<TookEffect>,
    /// What it begins with.
    kept: VecDeque<(Vec<TableRow>, EventTime)>,
    /// How often it says that a time is not kept yet.
    unkept: u32,
    /// New versions are seen from here on at the earliest.
    not_before: EventTime,
}

struct Feed(Rc<RefCell<Script>>);

impl TableFeed for Feed {
    fn poll(&mut self) -> TablePoll {
        if let Some((rows, from)) = self.0.borrow_mut().kept.pop_front() {
            return TablePoll::Kept(rows, from);
        }
        let next = self.0.borrow_mut().versions.pop_front();
        next.map_or(TablePoll::Same, TablePoll::Version)
    }

    fn not_before(&self) -> EventTime {
        self.0.borrow().not_before
    }

    fn keep(&mut self, _from: EventTime) -> Result<bool, String> {
        let mut script = self.0.borrow_mut();
        script.unkept = script.unkept.saturating_sub(1);
        Ok(script.unkept == 0)
    }

    fn took_effect(&mut self, effect: TookEffect) {
        self.0.borrow_mut().effects.push(effect);
    }
}

/// A table whose versions and whose sources' frontier the test says.
struct Drive {
    script: Rc<RefCell<Script>>,
    shared: SharedRef,
    metrics: Arc<WorkerMetrics>,
    tables: TablesRef,
    clock: Clock,
}

impl Drive {
    fn new(worker: &mut Worker, matching: Matching) -> Self {
        Self::begin(worker, matching, Script::default())
    }

    fn begin(worker: &mut Worker, matching: Matching, script: Script) -> Self {
        let script = Rc::new(RefCell::new(script));
        let input = TableInput::File(Box::new(Feed(Rc::clone(&script))));
        Drive { script, ..Self::of(worker, &plan(matching), input) }
    }

    fn of(worker: &mut Worker, plan: &Arc<Plan>, input: TableInput) -> Self {
        let shared: SharedRef = Rc::new(Shared::default());
        let metrics = Arc::new(WorkerMetrics::new(0, plan));
        let inputs = vec![input];
        let (clock, tables) = worker.dataflow::<EventTime, _, _>(|scope| {
            let (clock, stream) = scope.new_input::<Vec<()>>();
            (clock, Tables::build(&stream, plan, inputs, &shared, &metrics))
        });
        Drive { script: Rc::default(), shared, metrics, tables, clock }
    }

    /// Lets everything settle.
    fn settle(&self, worker: &mut Worker) {
        for _ in 0..20 {
            self.shared.wake_source();
            worker.step();
        }
    }

    /// Gives a version, and says from when on it is seen.
    fn load(&self, worker: &mut Worker, rows: Vec<TableRow>) -> TookEffect {
        self.script.borrow_mut().versions.push_back(rows);
        self.settle(worker);
        *self.script.borrow().effects.last().unwrap()
    }

    fn advance(&mut self, worker: &mut Worker, to: EventTime) {
        self.clock.advance_to(to);
        self.settle(worker);
    }

    fn seal(&self, to: EventTime) {
        self.shared.frontier.set(to);
    }

    fn lookup(&self, key: &[u8], ts: EventTime) -> Option<i64> {
        value(self.tables.borrow_mut().lookup(0, key, ts).row.as_deref())
    }

    fn frontier(&self) -> Option<EventTime> {
        self.tables.borrow().frontier()
    }
}

fn value(row: Option<&Row>) -> Option<i64> {
    match row?.cells.as_slice() {
        [Cell::Word(word)] => Some(word.cast_signed()),
        _ => None,
    }
}

/// A row as the naive twin keeps it.
#[derive(Clone, Debug)]
struct Line {
    key: String,
    valid_from: EventTime,
    value: i64,
}

fn rows(lines: &[Line], matching: Matching) -> Vec<TableRow> {
    let row = |line: &Line| TableRow {
        key: text::key(&line.key, matching).unwrap(),
        row: Row {
            valid_from: line.valid_from,
            cells: vec![Cell::Word(line.value.cast_unsigned())],
        },
    };
    lines.iter().map(row).collect()
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Whether `address` is in `prefix`, bit by bit, and how long that is.
fn inside(address: IpAddr, prefix: &str) -> Option<usize> {
    let (network, length) = prefix.split_once('/').unwrap();
    let (network, length): (IpAddr, usize) = (network.parse().unwrap(), length.parse().unwrap());
    let bits = |a: IpAddr| -> Vec<bool> {
        bytes(a).iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1)).collect()
    };
    let (a, n) = (bits(address), bits(network));
    (a.len() == n.len() && a[..length] == n[..length]).then_some(length)
}

/// The naive answer: every row of the version is looked at.
fn scan(
    versions: &[(EventTime, Vec<Line>)],
    ts: EventTime,
    matches: impl Fn(&str) -> Option<usize>,
) -> Option<i64> {
    let (_, lines) = versions.iter().rev().find(|(from, _)| *from <= ts)?;
    let valid = lines.iter().filter(|line| line.valid_from <= ts);
    let found = valid.filter_map(|line| Some(((matches(&line.key)?, line.valid_from), line)));
    found.max_by_key(|(rank, _)| *rank).map(|(_, line)| line.value)
}

fn random_prefix(rng: &mut SmallRng) -> String {
    let length = rng.random_range(0..=12_u32) * 2;
    if rng.random_bool(0.7) {
        let bits = (10 << 24 | rng.random_range(0..4_u32) << 12 | rng.random_range(0..256))
            & (u32::MAX.checked_shl(32 - length).unwrap_or(0));
        format!("{}/{length}", std::net::Ipv4Addr::from(bits))
    } else {
        let length = length * 5;
        let bits = (0x2001_0db8 << 96 | u128::from(rng.random_range(0..1_u64 << 40)) << 40)
            & (u128::MAX.checked_shl(128 - length).unwrap_or(0));
        format!("{}/{length}", std::net::Ipv6Addr::from(bits))
    }
}

fn random_address(rng: &mut SmallRng) -> IpAddr {
    match rng.random_range(0..10) {
        0..7 => {
            let bits = 10 << 24 | rng.random_range(0..4_u32) << 12 | rng.random_range(0..256);
            std::net::Ipv4Addr::from(bits).into()
        }
        7 => std::net::Ipv4Addr::from(rng.random::<u32>()).into(),
        _ => {
            let bits = 0x2001_0db8 << 96 | u128::from(rng.random_range(0..1_u64 << 40)) << 40;
            std::net::Ipv6Addr::from(bits).into()
        }
    }
}

/// A version that has much in common with the one before it.
fn random_version(rng: &mut SmallRng, before: &[Line], now: EventTime, prefix: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = before.to_vec();
    lines.retain(|_| rng.random_bool(0.8));
    for _ in 0..rng.random_range(0..20) {
        let key = match prefix {
            true => random_prefix(rng),
            false => format!("k{}", rng.random_range(0..12)),
        };
        let valid_from = match rng.random_bool(0.4) {
            true => (now + rng.random_range(0..6_000)).saturating_sub(2_000),
            false => 0,
        };
        lines.retain(|line| (&line.key, line.valid_from) != (&key, valid_from));
        lines.push(Line { key, valid_from, value: rng.random_range(0..1_000) });
    }
    lines
}

fn twin(seed: u64, prefix: bool) {
    let matching = if prefix { Matching::Prefix } else { Matching::Exact(Type::Text) };
    timely::execute_directly(move |worker| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut drive = Drive::new(worker, matching);
        let mut versions: Vec<(EventTime, Vec<Line>)> = Vec::new();
        let (mut now, mut sealed) = (0, 0);
        for step in 0..40 {
            if step == 0 || rng.random_bool(0.4) {
                let before = versions.last().map_or(&[][..], |(_, lines)| lines);
                let lines = random_version(&mut rng, before, now, prefix);
                let effect = drive.load(worker, rows(&lines, matching));
                assert_eq!(effect.from, if step == 0 { 0 } else { (now / 1_000 + 1) * 1_000 });
                assert_eq!(effect.rows, lines.len() as u64);
                versions.push((effect.from, lines));
            }
            for _ in 0..60 {
                let ts = sealed + rng.random_range(0..8_000);
                let (key, matches): (_, Matches) = if prefix {
                    let address = random_address(&mut rng);
                    (bytes(address), Box::new(move |prefix: &str| inside(address, prefix)))
                } else {
                    let key = format!("k{}", rng.random_range(0..14));
                    let bytes = key.clone().into_bytes();
                    (bytes, Box::new(move |other: &str| (other == key).then_some(0)))
                };
                let found = drive.tables.borrow_mut().lookup(0, &key, ts);
                let expected = scan(&versions, ts, &matches);
                assert_eq!(value(found.row.as_deref()), expected, "seed {seed}, {key:?} at {ts}");
                assert!(found.from <= ts && found.until.is_none_or(|until| ts < until));
                // It holds for as long as it says.
                let last = found.until.map_or(ts + 20_000, |until| until - 1);
                for other in [found.from.max(sealed), last] {
                    assert_eq!(scan(&versions, other, &matches), expected, "seed {seed} {other}");
                }
            }
            if rng.random_bool(0.6) {
                now += rng.random_range(0..2_500);
                drive.advance(worker, now);
                assert_eq!(drive.frontier(), Some((now / 1_000 + 1) * 1_000));
            }
            if rng.random_bool(0.5) {
                sealed = rng.random_range(sealed..=now);
                drive.seal(sealed);
            }
        }
    });
}

/// How well a key of the table matches, if it does.
type Matches = Box<dyn Fn(&str) -> Option<usize>>;

#[test]
fn a_prefix_lookup_gives_what_scanning_all_rows_gives() {
    (0..30).for_each(|seed| twin(seed, true));
}

#[test]
fn an_exact_lookup_gives_what_scanning_all_rows_gives() {
    (0..30).for_each(|seed| twin(1_000 + seed, false));
}

fn line(key: &str, valid_from: EventTime, value: i64) -> Line {
    Line { key: key.to_owned(), valid_from, value }
}

const TEXT: Matching = Matching::Exact(Type::Text);

#[test]
fn nothing_is_known_before_the_first_version_and_that_is_seen_by_all_events() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        drive.advance(worker, 50_000);
        assert_eq!(drive.frontier(), Some(0), "sealing waits");
        let effect = drive.load(worker, rows(&[line("a", 0, 1)], TEXT));
        assert_eq!(effect, TookEffect { from: 0, added: 1, removed: 0, rows: 1 });
        assert_eq!(drive.frontier(), Some(51_000));
        assert_eq!((drive.lookup(b"a", 0), drive.lookup(b"b", 0)), (Some(1), None));
    });
}

#[test]
fn a_reload_changes_no_event_below_the_capability_and_every_one_from_it_on() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        drive.load(worker, rows(&[line("a", 0, 1), line("b", 0, 2)], TEXT));
        drive.advance(worker, 10_500);
        let reader = drive.tables.borrow_mut().reader();
        let effect = drive.load(worker, rows(&[line("a", 0, 3), line("c", 0, 4)], TEXT));
        assert_eq!(effect, TookEffect { from: 11_000, added: 2, removed: 2, rows: 2 });
        // Seen at once, although the sources have not come so far.
        for after in [false, true] {
            let at = |ts| [b"a", b"b", b"c"].map(|key| drive.lookup(key, ts));
            assert_eq!(at(10_999), [Some(1), Some(2), None], "after {after}");
            assert_eq!(at(11_000), [Some(3), None, Some(4)], "after {after}");
            drive.advance(worker, 11_000);
        }
        assert_eq!(drive.tables.borrow_mut().news(reader, 0), Some(11_000));
        assert_eq!(drive.tables.borrow_mut().news(reader, 0), None);
        let same = drive.load(worker, rows(&[line("a", 0, 3), line("c", 0, 4)], TEXT));
        assert_eq!((same.added, same.removed), (0, 0));
        assert_eq!(drive.tables.borrow_mut().news(reader, 0), None, "nothing has changed");
    });
}

#[test]
fn the_table_closes_with_the_sources() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        drive.load(worker, rows(&[line("a", 0, 1)], TEXT));
        drive.advance(worker, 10_500);
        drive.script.borrow_mut().versions.push_back(rows(&[line("a", 0, 2)], TEXT));
        drive.settle(worker);
        drive.clock = InputHandle::new();
        drive.settle(worker);
        assert_eq!(drive.frontier(), None);
        assert_eq!((drive.lookup(b"a", 10_999), drive.lookup(b"a", 11_000)), (Some(1), Some(2)));
    });
}

#[test]
fn old_versions_are_let_go_of_as_events_are_sealed() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        let all = |value: i64| -> Vec<Line> {
            (0..100).map(|key| line(&format!("k{key}"), 0, value)).collect()
        };
        let mut most = 0;
        for version in 0..200 {
            drive.load(worker, rows(&all(version), TEXT));
            let now = (version.cast_unsigned() + 1) * 10_000;
            drive.advance(worker, now);
            drive.seal(now);
            drive.advance(worker, now + 2_000);
            if version > 20 {
                most = most.max(drive.metrics.tables[0].updates.get());
            }
        }
        assert!(most <= 1_200, "{most} updates for 100 rows");
        assert_eq!(drive.lookup(b"k7", 2_002_000), Some(199));
        assert_eq!(drive.metrics.tables[0].versions.get(), 200);
    });
}

#[test]
fn versions_that_come_and_go_while_the_sources_stand_still_are_not_kept() {
    timely::execute_directly(|worker| {
        let mut drive = Drive::new(worker, TEXT);
        let all = |value: i64| -> Vec<Line> {
            (0..10).map(|key| line(&format!("k{key}"), 0, value)).collect()
        };
        drive.load(worker, rows(&all(0), TEXT));
        drive.advance(worker, 10_500);
        for version in 1..=300 {
            drive.load(worker, rows(&all(version), TEXT));
            // The rows, and for each its removal and what takes its place.
            let held = drive.metrics.tables[0].updates.get();
            assert!(held <= 40, "{held} updates for 10 rows after {version} versions");
        }
        assert_eq!(
            (drive.lookup(b"k7", 10_999), drive.lookup(b"k7", 11_000)),
            (Some(0), Some(300))
        );
        drive.advance(worker, 12_000);
        assert_eq!(
            (drive.lookup(b"k7", 10_999), drive.lookup(b"k7", 11_000)),
            (Some(0), Some(300))
        );
    });
}

//! The tables as one worker knows them, and how a row is found.
//!
//! What is settled (below the table's frontier) is read from its arrangement. What is known beyond,
//! because a version has been read that is not complete yet, stands in a small map beside it, so
//! that live rows see it at once.

use super::address::{Lengths, write_key};
use super::input::{InputConfig, TableInput, Update, table_input};
use super::row::{Key, Row};
use crate::metrics::WorkerMetrics;
use crate::plan::{Matching, Plan};
use crate::shared::SharedRef;
use crate::time::EventTime;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{
    ContainerChunker, ValBatcher, ValBuilder, ValSpine,
};
use differential_dataflow::trace::{BatchReader, Cursor, TraceReader};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Broadcast;
use timely::progress::Antichain;

type Trace = TraceAgent<ValSpine<Key, Row, EventTime, isize>>;

/// Shared by the entities of a worker.
pub type TablesRef = Rc<RefCell<Tables>>;

/// What a lookup gives, and for which event times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The row.
    pub row: Option<Rc<Row>>,
    /// From this event time on it is found.
    pub from: EventTime,
    /// From this event time on another may be; `None`: not before the table changes.
    pub until: Option<EventTime>,
}

impl Found {
    fn nothing() -> Self {
        Found { row: None, from: 0, until: None }
    }

    /// The answer changes at `at`, for all it knows.
    fn bound(&mut self, at: EventTime, ts: EventTime) {
        if at <= ts {
            self.from = self.from.max(at);
        } else {
            self.until = Some(self.until.map_or(at, |until| until.min(at)));
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Tables {
    tables: Vec<Table>,
    readers: usize,
}

struct Table {
    matching: Matching,
    /// `None` once nothing is looked up any more.
    trace: Option<Trace>,
    /// What is not in the arrangement yet, by time and row.
    pending: HashMap<Key, Vec<(Row, EventTime, isize)>>,
    pending_updates: u64,
    lengths: Lengths,
    /// Everything before this is in the arrangement; `None` once it has closed.
    frontier: Option<EventTime>,
    /// Counts what has become known.
    version: u64,
    /// By reader: the least time at which something has become known since it last asked.
    news: Vec<Option<EventTime>>,
}

impl Tables {
    /// Builds the tables of `plan`. The frontier of `clock` is that of the event sources; `inputs`
    /// are there on worker 0, one for each table.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemark_operators::in_memory::{InMemory, plan};
    /// use tidemark_operators::plan::{Matching, TableColumn, TableFrom, TablePlan};
    /// use tidemark_operators::reference::input::{TableFeed, TableInput, TablePoll, TookEffect};
    /// use tidemark_operators::reference::row::Row;
    /// use tidemark_operators::reference::tables::Tables;
    /// use tidemark_operators::reference::version::TableRow;
    /// use tidemark_operators::value::{Cell, Type};
    /// use timely::dataflow::operators::Input;
    ///
    /// /// A file that is read once.
    /// struct Countries(Option<Vec<TableRow>>);
    ///
    /// impl TableFeed for Countries {
    ///     fn poll(&mut self) -> TablePoll {
    ///         self.0.take().map_or(TablePoll::Same, TablePoll::Version)
    ///     }
    ///
    ///     fn took_effect(&mut self, effect: TookEffect) {
    ///         assert_eq!((effect.from, effect.rows), (0, 1), "seen by all events");
    ///     }
    /// }
    ///
    /// let name = TableColumn { name: "country".to_owned(), ty: Type::Text, required: true };
    /// let table = TablePlan {
    ///     name: "countries".to_owned(),
    ///     key: "code".to_owned(),
    ///     matching: Matching::Exact(Type::Text),
    ///     columns: vec![name],
    ///     rows_max: 1_000,
    ///     from: TableFrom::File { path: "c.csv".to_owned(), valid_from: None, reload: 10_000 },
    /// };
    /// let austria = Cell::Bytes(b"Austria".to_vec());
    /// let row = Row { valid_from: 5_000, cells: vec![austria.clone()] };
    /// let rows = vec![TableRow { key: b"AT".to_vec(), row }];
    /// timely::execute_directly(move |worker| {
    ///     let mut plan = plan();
    ///     plan.tables.push(table);
    ///     let job = InMemory::new(plan);
    ///     let input = TableInput::File(Box::new(Countries(Some(rows))));
    ///     let (mut clock, tables) = worker.dataflow(|scope| {
    ///         let (clock, stream) = scope.new_input();
    ///         let plan = Arc::clone(&job.plan);
    ///         (clock, Tables::build(&stream, &plan, vec![input], &job.shared, &job.metrics))
    ///     });
    ///     clock.advance_to(1_000);
    ///     while tables.borrow().version(0) == 0 {
    ///         worker.step();
    ///     }
    ///     let found = |ts| tables.borrow_mut().lookup(0, b"AT", ts).row;
    ///     assert!(found(4_999).is_none(), "it is not valid yet");
    ///     assert_eq!(found(5_000).unwrap().cells, [austria]);
    /// });
    /// ```
    pub fn build(
        clock: &StreamVec<'_, EventTime, ()>,
        plan: &Arc<Plan>,
        inputs: Vec<TableInput>,
        shared: &SharedRef,
        metrics: &Arc<WorkerMetrics>,
    ) -> TablesRef {
        let tables: TablesRef = Rc::default();
        if metrics.worker == 0 && inputs.len() != plan.tables.len() {
            let (given, named) = (inputs.len(), plan.tables.len());
            shared.fail(format!(
                "starting the job: it names {named} reference tables and {given} are read; this is \
                 a defect, please report it"
            ));
        }
        let mut inputs = inputs.into_iter();
        for table in 0..plan.tables.len() {
            let config = InputConfig {
                plan: Arc::clone(plan),
                table,
                input: inputs.next(),
                shared: Rc::clone(shared),
                metrics: Arc::clone(metrics),
            };
            let updates = table_input(clock.clone(), config).broadcast();
            tables.borrow_mut().tables.push(Table::new(plan.tables[table].matching));
            arrange(updates, &tables, table, Rc::clone(shared), Arc::clone(metrics));
        }
        tables
    }

    /// Everything before this is known of all tables; `None` once all have closed (or there are
    /// none).
    pub fn frontier(&self) -> Option<EventTime> {
        self.tables.iter().filter_map(|table| table.frontier).min()
    }

    /// A number for one who asks for news.
    pub fn reader(&mut self) -> usize {
        self.tables.iter_mut().for_each(|table| table.news.push(None));
        self.readers += 1;
        self.readers - 1
    }

    /// The least event time for which `table` may give other answers than when `reader` last asked.
    pub fn news(&mut self, reader: usize, table: usize) -> Option<EventTime> {
        self.tables.get_mut(table)?.news.get_mut(reader)?.take()
    }

    /// A number that changes whenever `table` does.
    pub fn version(&self, table: usize) -> u64 {
        self.tables.get(table).map_or(0, |table| table.version)
    }

    /// The row of `key` in `table` as of `ts`: of the rows of that key in the version effective
    /// then, the one with the greatest `valid_from` up to `ts`; for prefixes, of the longest prefix
    /// that has one. `key` is the bytes that stand for the value in a dictionary.
    ///
    /// `ts` must not be below what has been sealed.
    pub fn lookup(&mut self, table: usize, key: &[u8], ts: EventTime) -> Found {
        let Some(table) = self.tables.get_mut(table) else { return Found::nothing() };
        match table.matching {
            Matching::Exact(_) => table.search(&[key.to_vec()], ts),
            Matching::Prefix => {
                let lengths = table.lengths.longest_first(key.len());
                let keys: Vec<Key> = lengths
                    .map(|length| {
                        let mut prefix = Key::new();
                        write_key(key, length, &mut prefix);
                        prefix
                    })
                    .collect();
                table.search(&keys, ts)
            }
        }
    }
}

impl Table {
    fn new(matching: Matching) -> Self {
        Table {
            matching,
            trace: None,
            pending: HashMap::new(),
            pending_updates: 0,
            lengths: Lengths::default(),
            frontier: Some(0),
            version: 0,
            news: Vec::new(),
        }
    }

    /// The row of the first of `keys` that has one as of `ts`.
    fn search(&mut self, keys: &[Key], ts: EventTime) -> Found {
        let mut found = Found::nothing();
        let Some((mut cursor, batches)) = self.trace.as_mut().map(Trace::cursor) else {
            return found;
        };
        for key in keys {
            let mut best: Option<Row> = None;
            let mut offer = |row: &Row, sum: isize| {
                let better = best.as_ref().is_none_or(|best| *best < *row);
                if sum > 0 && row.valid_from <= ts && better {
                    best = Some(row.clone());
                }
            };
            let beyond = self.pending.get(key).map_or(&[][..], |rows| rows);
            for (row, time, _) in beyond {
                found.bound(*time, ts);
                found.bound(row.valid_from, ts);
            }
            // A key may have many states that events have not come to: each is looked at once.
            let mut sums: BTreeMap<&Row, isize> = BTreeMap::new();
            for (row, _, diff) in beyond.iter().take_while(|(_, time, _)| *time <= ts) {
                *sums.entry(row).or_default() += diff;
            }
            cursor.rewind_keys(&batches);
            cursor.seek_key(&batches, key);
            if cursor.get_key(&batches) == Some(key) {
                while let Some(row) = cursor.get_val(&batches) {
                    let mut sum = sums.remove(row).unwrap_or(0);
                    cursor.map_times(&batches, |time, diff| {
                        found.bound(*time, ts);
                        sum += if *time <= ts { *diff } else { 0 };
                    });
                    found.bound(row.valid_from, ts);
                    offer(row, sum);
                    cursor.step_val(&batches);
                }
            }
            sums.into_iter().for_each(|(row, sum)| offer(row, sum));
            if let Some(row) = best {
                found.row = Some(Rc::new(row));
                break;
            }
        }
        found
    }

    /// Takes note of what has been read.
    fn hear(&mut self, updates: &[Update]) {
        for ((key, row), time, diff) in updates {
            if self.matching == Matching::Prefix {
                self.lengths.note(key);
            }
            self.news.iter_mut().for_each(|news| {
                *news = Some(news.map_or(*time, |least| least.min(*time)));
            });
            self.wait(key, row, *time, *diff);
        }
        self.version += 1;
    }

    /// Takes an update into what is not in the arrangement yet. What is taken back is not kept: the
    /// frontier may stand still for long while versions come and go.
    fn wait(&mut self, key: &Key, row: &Row, time: EventTime, diff: isize) {
        let pending = self.pending.entry(key.clone()).or_default();
        match pending.binary_search_by(|(r, t, _)| (*t, r).cmp(&(time, row))) {
            Ok(at) => {
                pending[at].2 += diff;
                if pending[at].2 == 0 {
                    pending.remove(at);
                    self.pending_updates -= 1;
                }
            }
            Err(at) => {
                pending.insert(at, (row.clone(), time, diff));
                self.pending_updates += 1;
            }
        }
        if pending.is_empty() {
            self.pending.remove(key);
        }
    }

    /// Everything before `frontier` is in the arrangement; nothing before `sealed` is looked up.
    fn settle(&mut self, frontier: Option<EventTime>, sealed: EventTime) {
        self.frontier = frontier;
        if frontier.is_none_or(|frontier| frontier > 0) && !self.pending.is_empty() {
            self.pending.retain(|_, rows| {
                rows.retain(|(_, time, _)| frontier.is_some_and(|frontier| *time >= frontier));
                !rows.is_empty()
            });
            self.pending_updates = self.pending.values().map(|rows| rows.len() as u64).sum();
        }
        let Some(trace) = &mut self.trace else { return };
        trace.set_logical_compaction(Antichain::from_elem(sealed).borrow());
        let mut upper = Antichain::new();
        trace.read_upper(&mut upper);
        if !upper.is_empty() {
            trace.set_physical_compaction(upper.borrow());
        }
    }

    /// How many updates are held.
    fn updates(&mut self) -> u64 {
        let mut updates = self.pending_updates;
        if let Some(trace) = &mut self.trace {
            trace.map_batches(|batch| updates += batch.len() as u64);
        }
        updates
    }
}

/// Arranges the rows of a table, every worker all of them, and keeps `tables` informed.
fn arrange(
    updates: StreamVec<'_, EventTime, Update>,
    tables: &TablesRef,
    table: usize,
    shared: SharedRef,
    metrics: Arc<WorkerMetrics>,
) {
    let (hears, wakes, tells) = (Rc::clone(tables), Rc::clone(&shared), Arc::clone(&metrics));
    let updates = updates.unary::<CapacityContainerBuilder<Vec<Update>>, _, _, _>(
        Pipeline,
        "TableNews",
        move |_, _| {
            move |input, output| {
                input.for_each(|time, updates| {
                    if let Some(held) = hears.borrow_mut().tables.get_mut(table) {
                        held.hear(updates);
                        tells.tables[table].updates.set(held.updates());
                    }
                    wakes.wake_windows();
                    output.session(&time).give_container(updates);
                });
            }
        },
    );
    let arranged = arrange_core::<
        _,
        _,
        ContainerChunker<Vec<Update>>,
        ValBatcher<_, _, _, _>,
        ValBuilder<_, _, _, _>,
        ValSpine<Key, Row, EventTime, isize>,
    >(updates, Pipeline, "TableRows");
    if let Some(table) = tables.borrow_mut().tables.get_mut(table) {
        table.trace = Some(arranged.trace);
    }
    let tables = Rc::clone(tables);
    arranged.stream.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Pipeline,
        "TableKnown",
        move |_, _| {
            move |(input, frontier), _output| {
                input.for_each(|_, _| {});
                let frontier = frontier.frontier().first().copied();
                if let Some(held) = tables.borrow_mut().tables.get_mut(table) {
                    let moved = held.frontier != frontier;
                    held.settle(frontier, shared.frontier.get());
                    if moved {
                        let metrics = &metrics.tables[table];
                        metrics.frontier.set(frontier.unwrap_or(EventTime::MAX));
                        metrics.updates.set(held.updates());
                        shared.wake_windows();
                    }
                }
            }
        },
    );
}

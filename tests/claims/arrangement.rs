//! A window over the log is an arrangement like any other: stock operators see the same collection
//! as they do in the stock formulation, where every event is kept once more for its departure.

mod batches;
mod history;
mod release;
mod rows;

use differential_dataflow::VecCollection;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::implementations::{
    ContainerChunker, ValBatcher, ValBuilder, ValSpine,
};
use differential_dataflow::trace::{BatchReader, Cursor, Navigable, Trace, TraceReader};
use history::{Case, Fact, batch};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use tidemark_operators::entity_windows::{
    EntityState, Sealing, Serving, WindowsConfig, entity_windows,
};
use tidemark_operators::event_batch::EventBatch;
use tidemark_operators::in_memory::ColdInMemory;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::reference::tables::TablesRef;
use tidemark_operators::shared::{Limits, Shared, SharedRef};
use tidemark_operators::timeline::cold::Cold;
use tidemark_operators::window::attach::WindowAgent;
use tidemark_operators::window::batch::WindowBatch;
use tidemark_operators::window::cursor::EventRef;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Exchange, Inspect, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::progress::Antichain;
use timely::worker::Worker;
use timely::{Config, PartialOrder};

/// Entity, how many, sum, greatest, distinct words, (ts, id) in order.
type Summary = (u32, isize, i64, i64, usize, Vec<(u64, i64)>);
/// What a use of window `.1` gave; `.2`: of the window, or of its stock formulation.
type Uses = BTreeMap<(&'static str, usize, bool), Vec<(Summary, u64, isize)>>;
type Outputs = Arc<Mutex<Uses>>;

fn summary(events: impl Iterator<Item = (u32, Fact, isize)>) -> Summary {
    let mut of: Summary = (u32::MAX, 0, 0, i64::MIN, 0, Vec::new());
    let mut words = BTreeSet::new();
    for (entity, fact, diff) in events {
        assert!(diff == 1, "an event is inside once, not {diff} times");
        assert!(of.1 == 0 || of.0 == entity, "a slot is one entity's");
        of = (entity, of.1 + 1, of.2 + fact.value, of.3.max(fact.value), 0, of.5);
        words.insert(fact.word);
        of.5.push((fact.ts, fact.id));
    }
    of.4 = words.len();
    of.5.sort_unstable();
    of
}

/// An event of the log. The word is a symbol: equal where words are equal, which is all we ask.
fn seen(event: &EventRef<'_>) -> (u32, Fact) {
    let number = |at| event.value(at);
    let fact = Fact { ts: event.ts(), id: number(1), value: number(2), word: number(3) };
    (number(0) as u32, fact)
}

fn keep(
    outputs: &Outputs,
    what: (&'static str, usize, bool),
    of: VecCollection<'_, u64, Summary, isize>,
    probe: &ProbeHandle<u64>,
) {
    let outputs = Arc::clone(outputs);
    let keep = move |update: &(Summary, u64, isize)| {
        outputs.lock().unwrap().entry(what).or_default().push(update.clone());
    };
    of.inner.inspect(keep).probe_with(probe);
}

fn pair(entity: u32, a: (u64, i64), b: (u64, i64)) -> Summary {
    (entity, 0, 0, 0, 0, vec![a, b])
}

/// Reduces and counts a window (or its stock formulation) with stock operators.
macro_rules! use_arranged {
    ($arranged:expr, $window:expr, $mine:expr, $read:expr, $outputs:expr, $probe:expr) => {{
        let reduced = $arranged
            .clone()
            .reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<u32, Summary, u64, isize>, _, _>(
                "Reduce",
                move |key, events, out| {
                    let events = events.iter().map(|(event, diff)| {
                        let (entity, fact) = $read(key, event);
                        (entity, fact, *diff)
                    });
                    out.push((summary(events), 1));
                },
                |chunk, key, updates| {
                    chunk.clear();
                    chunk.extend(updates.drain(..).map(|(v, t, r)| ((*key, v), t, r)));
                },
            );
        let reduced = reduced.as_collection(|_, v| v.clone());
        keep($outputs, ("reduce", $window, $mine), reduced, $probe);
        let values = $arranged.clone().as_collection(move |key, event| {
            let (entity, fact): (u32, Fact) = $read(key, &event);
            (entity, fact.value)
        });
        let counts = values.count().map(|((e, v), n)| (e, n, v, 0, 0, Vec::new()));
        keep($outputs, ("count", $window, $mine), counts, $probe);
    }};
}

fn read_window(_: &u32, event: &EventRef<'_>) -> (u32, Fact) {
    seen(event)
}

fn read_stock(entity: &u32, fact: &&Fact) -> (u32, Fact) {
    (*entity, (*fact).clone())
}

type Stock<'s> = Arranged<'s, TraceAgent<ValSpine<u32, Fact, u64, isize>>>;
type Notes<'s> = Arranged<'s, TraceAgent<ValSpine<u32, u64, u64, isize>>>;
type InSpine = TraceAgent<Spine<Rc<WindowBatch>>>;

/// The same batches in differential's own spine.
fn in_spine<'s>(window: &Arranged<'s, WindowAgent>) -> Arranged<'s, InSpine> {
    let mut trace = None;
    let stream = window.stream.clone();
    let stream = stream.unary_frontier::<CapacityContainerBuilder<Vec<_>>, _, _, _>(
        Pipeline,
        "InSpine",
        |_, info| {
            let spine = Spine::<Rc<WindowBatch>>::new(info.clone(), None, None);
            let (agent, mut writer) = TraceAgent::new(spine, info, None);
            trace = Some(agent);
            let mut upper = Antichain::from_elem(0);
            move |(input, frontier), output| {
                input.for_each(|capability, batches: &mut Vec<Rc<WindowBatch>>| {
                    for batch in batches.drain(..) {
                        upper.clone_from(batch.upper());
                        writer.seal(batch.lower().clone());
                        writer.insert(Rc::clone(&batch), Some(*capability.time()));
                        output.session(&capability).give(batch);
                    }
                });
                if PartialOrder::less_than(&upper.borrow(), &frontier.frontier()) {
                    upper = frontier.frontier().to_owned();
                    writer.seal(upper.clone());
                }
                writer.exert();
            }
        },
    );
    Arranged { stream, trace: trace.unwrap() }
}

/// Every update of a batch lies within its bounds. (One at its own upper would not show in what
/// reduce gives.)
fn check_bounds(window: &Arranged<'_, WindowAgent>) {
    window.stream.clone().inspect(|batch| {
        let mut cursor = batch.cursor();
        while cursor.get_key(batch).is_some() {
            while cursor.get_val(batch).is_some() {
                cursor.map_times(batch, |time, _| {
                    let (lower, upper) = (batch.lower(), batch.upper());
                    assert!(lower.less_equal(time) && !upper.less_equal(time), "{time}");
                });
                cursor.step_val(batch);
            }
            cursor.step_key(batch);
        }
    });
}

/// One worker's run.
struct Drive {
    case: Case,
    index: usize,
    input: Option<InputHandle<u64, CapacityContainerBuilder<Vec<EventBatch>>>>,
    facts: InputSession<u64, (u32, Fact), isize>,
    notes: InputSession<u64, (u32, u64), isize>,
    shared: SharedRef,
    state: Rc<RefCell<EntityState>>,
    agents: Vec<WindowAgent>,
    probes: Vec<ProbeHandle<u64>>,
    now: u64,
}

impl Drive {
    fn new(worker: &mut Worker, case: &Case, outputs: &Outputs) -> Drive {
        let plan = Arc::new(case.plan());
        // Of every third, rows leave memory at once.
        let cold = case.seed.is_multiple_of(3).then(|| Cold {
            hot_window: 0,
            open: Box::new(|_| Box::new(ColdInMemory::new(&Arc::default()))),
        });
        let shared: SharedRef = Rc::new(Shared { cold, ..Shared::default() });
        let config = WindowsConfig {
            entity: 0,
            limits: Limits { chunk_rows: case.chunk_rows, slice_rows: 50, ..Limits::default() },
            tables: TablesRef::default(),
            sealing: match case.sealing {
                true => Sealing::Count,
                false if case.spine => Sealing::State { rebuilt: 0 },
                false => Sealing::None,
            },
            probes: None,
            serving: Serving::None,
            metrics: Arc::new(WorkerMetrics::new(worker.index(), &plan)),
            shared: Rc::clone(&shared),
            cuts: None,
            restore: None,
            plan,
        };
        let mut input = InputHandle::new_with_builder();
        let (mut facts, mut notes) = (InputSession::new(), InputSession::new());
        let probe = ProbeHandle::new();
        let (state, agents) = worker.dataflow::<u64, _, _>(|scope| {
            let windows = entity_windows(input.to_stream(scope), config);
            windows.lines.probe_with(&probe);
            let mut agents = Vec::new();
            for (at, window) in case.windows.iter().enumerate() {
                let mut state = windows.state.borrow_mut();
                let planned = state.planned().nth(at).filter(|_| case.planned).cloned();
                agents.push(planned.unwrap_or_else(|| state.attach(*window).unwrap()));
            }
            let arranged: Vec<_> = agents.iter_mut().map(|a| a.import(scope)).collect();
            arranged.iter().for_each(check_bounds);
            if case.spine {
                let arranged: Vec<_> = arranged.iter().map(in_spine).collect();
                for (at, window) in arranged.iter().enumerate() {
                    use_arranged!(window, at, true, read_window, outputs, &probe);
                }
            } else {
                for (at, window) in arranged.iter().enumerate() {
                    use_arranged!(window, at, true, read_window, outputs, &probe);
                }
            }
            let facts = facts.to_collection(scope);
            let stock = |window: tidemark_operators::plan::Window| -> Stock<'_> {
                let facts: VecCollection<'_, u64, (u32, Fact), isize> = facts.clone();
                let enter = facts.clone().delay(move |ts| window.enters(*ts));
                let leave = facts.delay(move |ts| window.leaves(*ts));
                enter.concat(leave.negate()).arrange_by_key()
            };
            let stocks: Vec<Stock<'_>> = case.windows.iter().map(|w| stock(*w)).collect();
            let extra = stock(case.extra);
            for (at, stock) in stocks.iter().chain([&extra]).enumerate() {
                use_arranged!(stock, at, false, read_stock, outputs, &probe);
            }
            joins(&arranged, &stocks, notes.to_collection(scope), case, outputs, &probe);
            (windows.state, agents)
        });
        if case.pinned {
            let names = &mut state.borrow_mut().log.names;
            for entity in 0..case.entities {
                let id = history::id(entity);
                let hash = tidemark_operators::interner::stable_hash(id.as_bytes());
                assert_eq!(names.entities.intern(id.as_bytes(), hash), entity);
            }
        }
        Drive {
            case: case.clone(),
            index: worker.index(),
            input: Some(input),
            facts,
            notes,
            shared,
            state,
            agents,
            probes: vec![probe],
            now: 0,
        }
    }

    /// Imports what there is, and a window attached just now, into a new dataflow; says from when
    /// on they must agree with the stock formulation.
    fn import(&mut self, worker: &mut Worker, outputs: &Outputs) -> u64 {
        let probe = ProbeHandle::new();
        let attached = self.attach();
        let since =
            |agent: &mut WindowAgent| agent.get_logical_compaction().first().copied().unwrap_or(0);
        let mut agents = std::mem::take(&mut self.agents);
        agents.extend(attached);
        let since = agents.iter_mut().map(since).max().unwrap_or(0);
        worker.dataflow::<u64, _, _>(|scope| {
            for (at, agent) in agents.iter_mut().enumerate() {
                if at % 2 == 0 {
                    let window = agent.import(scope);
                    use_arranged!(window, at, true, read_window, outputs, &probe);
                } else {
                    let (window, _) = agent.import_frontier(scope, "Late");
                    use_arranged!(window, at, true, read_window, outputs, &probe);
                }
            }
        });
        self.probes.push(probe);
        // Whoever imported them holds what it needs.
        drop(agents);
        since
    }

    /// Attaches the extra window. It is refused exactly when rows it would hold are gone.
    fn attach(&mut self) -> Option<WindowAgent> {
        let mut state = self.state.borrow_mut();
        let agent = state.attach(self.case.extra);
        let mut sealed = self.case.sealed(self.index, self.now);
        sealed.truncate(state.log.log.start() as usize);
        let missed = sealed.last().is_some_and(|ts| self.case.extra.leaves(*ts) >= self.now);
        assert_eq!(agent.is_none(), missed, "{:?} at {}", self.case, self.now);
        agent
    }

    fn step(&mut self, worker: &mut Worker, to: u64) {
        self.now = to;
        self.input.as_mut().unwrap().advance_to(to);
        self.facts.advance_to(to);
        self.facts.flush();
        self.notes.advance_to(to);
        self.notes.flush();
        let mut steps = 0u64;
        while self.probes.iter().any(|p| p.less_than(&to)) {
            worker.step();
            steps += 1;
            assert!(steps < 5_000_000, "stuck at {to}: {:?}", self.case);
        }
        if !self.case.hold {
            let frontier = Antichain::from_elem(to);
            for agent in &mut self.agents {
                agent.set_logical_compaction(frontier.borrow());
                agent.set_physical_compaction(frontier.borrow());
            }
        }
    }

    /// Runs the windows down, and ends.
    fn end(mut self, worker: &mut Worker) -> u64 {
        self.agents.clear();
        let last = self.now.max(self.case.span + 10);
        let rest = self.case.windows.iter().chain([&self.case.extra]).map(|w| w.leaves(0)).max();
        let end = last + rest.unwrap_or(0) + 20;
        let mut to = self.now;
        while to < end + 40 {
            to += if to < end { 1 + (end - to) / 3 } else { 1 };
            self.step(worker, to);
        }
        {
            let log = &self.state.borrow().log;
            assert_eq!(log.stash.len(), 0);
            if !self.case.spine {
                assert_eq!(log.log.start(), log.log.end(), "the log is empty: {:?}", self.case);
                let kept = if self.case.pinned { self.case.entities as usize } else { 0 };
                assert_eq!(log.names.entities.len(), kept, "{:?}", self.case);
                assert!(log.names.symbols.iter().flatten().all(|s| s.is_empty()));
            }
        }
        self.input = None;
        self.facts.close();
        self.notes.close();
        self.shared.over.set(Some(self.case.span + 10));
        self.shared.wake_windows();
        drop(self.state);
        let mut steps = 0u64;
        while !self.probes.iter().all(ProbeHandle::done) {
            worker.step();
            steps += 1;
            assert!(steps < 5_000_000, "no end: {:?}", self.case);
        }
        to
    }
}

/// A window joined with a collection that changes, and with another window.
fn joins<'s>(
    windows: &[Arranged<'s, WindowAgent>],
    stocks: &[Stock<'s>],
    notes: VecCollection<'s, u64, (u32, u64), isize>,
    case: &Case,
    outputs: &Outputs,
    probe: &ProbeHandle<u64>,
) {
    if case.pinned {
        // Slots are entities here, and an entity lives where its events go.
        let peers = case.workers as u64;
        let by_slot = notes.clone().inner.exchange(move |((e, _), _, _)| u64::from(*e) % peers);
        let by_slot: Notes<'s> = arrange_core::<
            _,
            _,
            ContainerChunker<_>,
            ValBatcher<_, _, _, _>,
            ValBuilder<_, _, _, _>,
            _,
        >(by_slot.map(|update| update), Pipeline, "BySlot");
        let by_entity: Notes<'s> = notes.arrange_by_key();
        for (at, (window, stock)) in windows.iter().zip(stocks).enumerate() {
            let joined = window.clone().join_core(by_slot.clone(), |_, event, note| {
                let (entity, fact) = seen(&event);
                Some(pair(entity, (fact.ts, fact.id), (*note, fact.value)))
            });
            keep(outputs, ("join", at, true), joined, probe);
            let joined = stock.clone().join_core(by_entity.clone(), |entity, fact, note| {
                Some(pair(*entity, (fact.ts, fact.id), (*note, fact.value)))
            });
            keep(outputs, ("join", at, false), joined, probe);
        }
    }
    for at in 1..windows.len() {
        let joined = windows[0].clone().join_core(windows[at].clone(), |_, a, b| {
            let ((entity, a), (other, b)) = (seen(&a), seen(&b));
            assert_eq!(entity, other, "a slot is one entity's");
            (a.value == b.value).then(|| pair(entity, (a.ts, a.id), (b.ts, b.id)))
        });
        keep(outputs, ("windows", at, true), joined, probe);
        let joined = stocks[0].clone().join_core(stocks[at].clone(), |entity, a, b| {
            (a.value == b.value).then(|| pair(*entity, (a.ts, a.id), (b.ts, b.id)))
        });
        keep(outputs, ("windows", at, false), joined, probe);
    }
}

/// Runs `case`: what was used from the start, what was imported half way, and since when that is
/// complete.
fn run(case: &Case) -> (Uses, Uses, u64) {
    let (live, late): (Outputs, Outputs) = Default::default();
    let since: Arc<Mutex<u64>> = Arc::default();
    let (outputs, imported) = (Arc::clone(&live), Arc::clone(&late));
    let (when, shared) = (Arc::clone(&since), case.clone());
    let config = if case.workers == 1 { Config::thread() } else { Config::process(case.workers) };
    let guards = timely::execute(config, move |worker| {
        let case = &shared;
        let (index, peers) = (worker.index(), worker.peers());
        let mut drive = Drive::new(worker, case, &outputs);
        for (at, arrival) in case.arrivals().into_iter().enumerate() {
            let target = arrival.entity % peers as u32;
            // The stock formulation is told at once, the windows a few rows at a time.
            if at % peers == index {
                let update = (arrival.entity, arrival.fact.clone());
                drive.facts.update_at(update, arrival.fact.ts, 1);
                let rows = std::slice::from_ref(&arrival);
                drive.input.as_mut().unwrap().send(batch(rows, target));
            }
            if let Some((entity, note, diff)) = arrival.note
                && index == 0
            {
                drive.notes.update_at((entity, note), drive.now + note, diff);
            }
            if case.import_at == Some(at) {
                let from = drive.import(worker, &imported);
                let mut since = when.lock().unwrap();
                *since = from.max(*since);
            }
            if arrival.frontier > drive.now {
                drive.step(worker, arrival.frontier);
            }
        }
        drive.end(worker)
    });
    for end in guards.unwrap().join() {
        end.unwrap();
    }
    let since = *since.lock().unwrap();
    let (live, late) = (live.lock().unwrap().clone(), late.lock().unwrap().clone());
    (live, late, since)
}

fn consolidated(
    updates: Option<&Vec<(Summary, u64, isize)>>,
    since: u64,
) -> Vec<(Summary, u64, isize)> {
    let mut updates = updates.cloned().unwrap_or_default();
    updates.iter_mut().for_each(|update| update.1 = update.1.max(since));
    consolidate_updates(&mut updates);
    updates
}

fn compare(case: &Case, uses: &Uses, stock: &Uses, since: u64, windows: usize) -> usize {
    let mut total = 0;
    for what in ["reduce", "count", "join", "windows"] {
        for window in 0..windows {
            let mine = uses.get(&(what, window, true));
            if since > 0 && mine.is_none() && !uses.contains_key(&("reduce", window, true)) {
                continue;
            }
            let mine = consolidated(mine, since);
            let theirs = consolidated(stock.get(&(what, window, false)), since);
            let first = mine.iter().zip(&theirs).find(|(a, b)| a != b);
            assert!(mine == theirs, "{what} of window {window}: {first:?} in {case:?}");
            total += mine.len();
        }
    }
    total
}

#[test]
fn stock_operators_see_a_window_as_they_see_its_stock_formulation() {
    let (mut live, mut late, mut extras) = (0, 0, 0);
    for seed in 0..80 {
        let case = Case::random(seed);
        let (uses, imported, since) = run(&case);
        live += compare(&case, &uses, &uses, 0, case.windows.len());
        if imported.is_empty() {
            continue;
        }
        for window in 0..=case.windows.len() {
            let Some(mine) = imported.get(&("reduce", window, true)) else { continue };
            let mine = consolidated(Some(mine), since);
            let theirs = consolidated(uses.get(&("reduce", window, false)), since);
            assert!(mine == theirs, "window {window} imported half way: {case:?}");
            let counts = consolidated(imported.get(&("count", window, true)), since);
            let theirs = consolidated(uses.get(&("count", window, false)), since);
            assert!(counts == theirs, "window {window} imported half way: {case:?}");
            late += mine.len() + counts.len();
            extras += usize::from(window == case.windows.len());
        }
    }
    assert!(live > 25_000 && late > 5_000 && extras > 10, "{live} {late} {extras}");
}

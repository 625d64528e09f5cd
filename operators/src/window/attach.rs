//! The windows over one log: those of the plan, from its start on, and those made over it while it
//! runs, to be imported where they are used.
//!
//! Each costs a batch of five numbers a frontier step; the events themselves are the log's. A step
//! is [sealed](Attachments::seal), its batches are folded by whoever keeps a cache of the windows, and
//! then [compacted](Attachments::compact): from then on the log may let go of what has left.

use crate::plan::Window;
use crate::time::EventTime;
use crate::timeline::log::Log;
use crate::window::batch::{BatchSpan, WindowBatch};
use crate::window::trace::{Held, WindowTrace};
use differential_dataflow::operators::arrange::{TraceAgent, TraceWriter};
use differential_dataflow::trace::{BatchReader, Trace, TraceReader};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::Antichain;

/// A reader of a window. Advance its compaction, or drop it: it pins rows.
pub type WindowAgent = TraceAgent<WindowTrace>;

struct Attached {
    window: Window,
    writer: TraceWriter<WindowTrace>,
    /// Gone with the trace: from then on only dataflows that imported the stream may listen.
    trace: Weak<Held>,
    entered: u64,
    left: u64,
}

impl Attached {
    /// A window in which nothing has happened.
    fn new(window: Window) -> (Self, WindowAgent) {
        let info = OperatorInfo::new(0, usize::MAX, [].into());
        let trace = WindowTrace::new(info.clone(), None, None);
        let held = trace.held();
        let (agent, writer) = TraceAgent::new(trace, info, None);
        (Attached { window, writer, trace: held, entered: 0, left: 0 }, agent)
    }

    /// A window as of `upper`, over a log that has its rows.
    fn over(window: Window, log: &Log, upper: EventTime) -> (Self, WindowAgent) {
        let (mut attached, mut agent) = Attached::new(window);
        if upper > 0 {
            let left = log.partition(log.start(), |ts| window.leaves(ts) < upper);
            let entered = log.partition(left, |ts| window.enters(ts) < upper);
            let span = BatchSpan { a0: 0, a1: entered, d0: 0, d1: left, cut: left };
            let chunks = log.cover(left, entered).cloned().collect();
            let batch = WindowBatch::settled(window, upper, span, chunks);
            attached.writer.insert(Rc::new(batch), Some(0));
            (attached.entered, attached.left) = (entered, left);
            let upper = Antichain::from_elem(upper);
            agent.set_logical_compaction(upper.borrow());
            agent.set_physical_compaction(upper.borrow());
        }
        (attached, agent)
    }

    /// Gives the trace what enters and leaves from `lower` on and before `upper`.
    fn seal(&mut self, log: &Log, lower: EventTime, upper: EventTime) -> Rc<WindowBatch> {
        let (window, a0, d0) = (self.window, self.entered, self.left);
        self.entered = log.partition(a0, |ts| window.enters(ts) < upper);
        self.left = log.partition(d0, |ts| window.leaves(ts) < upper);
        let span = BatchSpan::new(a0, self.entered, d0, self.left);
        let mut chunks: VecDeque<_> = log.cover(d0, self.left.min(a0)).cloned().collect();
        for chunk in log.cover(a0, self.entered) {
            if chunks.back().is_none_or(|last| last.base() < chunk.base()) {
                chunks.push_back(Rc::clone(chunk));
            }
        }
        let bounds = (Antichain::from_elem(lower), Antichain::from_elem(upper));
        let batch = Rc::new(WindowBatch::new(window, bounds.0, bounds.1, span, chunks));
        self.writer.insert(Rc::clone(&batch), (!span.is_empty()).then_some(lower));
        batch
    }

    /// Whether nobody has `batch`, nor will have one after it. Without a trace, whoever imported
    /// the window has the batch now; or nobody has.
    fn is_deserted(&self, batch: &Rc<WindowBatch>) -> bool {
        !batch.is_empty() && self.trace.strong_count() == 0 && Rc::strong_count(batch) == 1
    }

    /// Rows of the log at or above this are still needed.
    fn low_water(&self) -> u64 {
        let held = self.trace.upgrade().and_then(|held| held.low_water.get());
        held.map_or(self.left, |held| held.min(self.left))
    }
}

/// A window of the plan.
struct Planned {
    attached: Attached,
    /// Follows the log's own frontier.
    agent: WindowAgent,
    /// The batch of the newest step, until it is compacted.
    newest: Option<Rc<WindowBatch>>,
}

/// What a window of the plan holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowState {
    /// Events inside.
    pub events: u64,
    /// Batches of its trace, empty ones included: 1 while its only reader is the log's own.
    pub batches: u64,
    /// Rows of the log that its trace reaches back to: the events inside, and those that some
    /// reader may still see leave.
    pub rows: u64,
}

/// See the module.
///
/// ```
/// use differential_dataflow::trace::{Cursor, TraceReader};
/// use tidemark_operators::entity_log::EntityLog;
/// use tidemark_operators::in_memory::{batch, plan};
/// use tidemark_operators::plan::Window;
/// use tidemark_operators::window::attach::Attachments;
///
/// let entity = &plan().entities[0];
/// let (mut log, mut windows) =
///     (EntityLog::new(entity, 256, 0), Attachments::new(&entity.windows));
/// log.receive(batch(&[(1_000, "a"), (20_000, "b"), (62_000, "a")]));
/// log.seal(Some(70_000), &mut Vec::new());
/// windows.seal(&log.log, 70_000);
/// let inside: Vec<_> = windows.states().map(|state| state.events).collect();
/// assert_eq!(inside, [2], "the first has left the window of a minute");
///
/// // A window made over the running log holds what is inside already.
/// let mut last_10s = windows.attach(&log.log, Window { length: 10_000, delay: 0 }).unwrap();
/// let (mut cursor, batches) = last_10s.cursor();
/// let mut events = 0;
/// while cursor.get_key(&batches).is_some() {
///     while cursor.get_val(&batches).is_some() {
///         cursor.map_times(&batches, |_, diff| events += *diff);
///         cursor.step_val(&batches);
///     }
///     cursor.step_key(&batches);
/// }
/// assert_eq!(events, 1);
/// ```
#[derive(Default)]
pub struct Attachments {
    planned: Vec<Planned>,
    attached: Vec<Attached>,
    /// Every change below this is in the traces.
    upper: EventTime,
}

impl Attachments {
    /// The windows of a plan over a log that starts with them.
    pub fn new(windows: &[Window]) -> Self {
        let planned = |window: &Window| {
            let (attached, agent) = Attached::new(*window);
            Planned { attached, agent, newest: None }
        };
        Attachments { planned: windows.iter().map(planned).collect(), ..Attachments::default() }
    }

    /// The windows of a plan as of the cut `upper`, over a log that has the rows before it that are
    /// inside of them.
    pub fn at(windows: &[Window], log: &Log, upper: EventTime) -> Self {
        let mut attachments = Attachments::new(&[]);
        attachments.upper = upper;
        let planned = |window: &Window| {
            let (attached, agent) = Attached::over(*window, log, upper);
            Planned { attached, agent, newest: None }
        };
        attachments.planned = windows.iter().map(planned).collect();
        attachments
    }

    /// Every change below this is in the traces.
    pub fn upper(&self) -> EventTime {
        self.upper
    }

    /// The plan's windows, in its order. Whoever wants to read one clones it.
    pub fn planned(&self) -> impl ExactSizeIterator<Item = &WindowAgent> {
        self.planned.iter().map(|planned| &planned.agent)
    }

    /// What the plan's windows hold, in its order.
    pub fn states(&self) -> impl Iterator<Item = WindowState> {
        self.planned.iter().map(|Planned { attached, .. }| WindowState {
            events: attached.entered - attached.left,
            batches: attached.trace.upgrade().map_or(0, |held| held.batches.get()),
            rows: attached.entered.saturating_sub(attached.low_water()),
        })
    }

    /// A window over all of `log`, complete from the present frontier on.
    ///
    /// `None` when the log has already let go of rows that the window would hold.
    pub fn attach(&mut self, log: &Log, window: Window) -> Option<WindowAgent> {
        let upper = self.upper;
        if log.forgotten().is_some_and(|ts| window.leaves(ts) >= upper) {
            return None;
        }
        let (attached, agent) = Attached::over(window, log, upper);
        self.attached.push(attached);
        Some(agent)
    }

    /// The log is complete below `hi`: gives the traces what changes until there, a batch each.
    pub fn seal(&mut self, log: &Log, hi: EventTime) {
        if hi <= self.upper {
            return;
        }
        let lower = self.upper;
        for planned in &mut self.planned {
            planned.newest = Some(planned.attached.seal(log, lower, hi));
        }
        self.attached.retain_mut(|attached| {
            let batch = attached.seal(log, lower, hi);
            let deserted = attached.is_deserted(&batch);
            attached.writer.exert();
            !deserted
        });
        self.upper = hi;
    }

    /// The batches of the newest step, a window of the plan each, until it is compacted.
    pub fn newest(&self) -> impl Iterator<Item = &Rc<WindowBatch>> {
        self.planned.iter().filter_map(|planned| planned.newest.as_ref())
    }

    /// The newest step is done: nobody but other readers wants to tell its times apart any more.
    pub fn compact(&mut self) {
        let upper = Antichain::from_elem(self.upper);
        for Planned { agent, newest, .. } in &mut self.planned {
            if newest.take().is_some() {
                agent.set_logical_compaction(upper.borrow());
                agent.set_physical_compaction(upper.borrow());
            }
        }
    }

    /// Appends where the edges of the windows stand in the log.
    pub fn places(&self, places: &mut Vec<u64>) {
        let all = self.planned.iter().map(|planned| &planned.attached).chain(&self.attached);
        places.extend(all.flat_map(|attached| [attached.entered, attached.left]));
    }

    /// Rows of the log at or above this are still needed.
    pub fn low_water(&self, log: &Log) -> u64 {
        let all = self.planned.iter().map(|planned| &planned.attached).chain(&self.attached);
        all.map(Attached::low_water).min().unwrap_or(log.end())
    }
}

//! Windows made over a running log, to be imported where they are used.
//!
//! A window that nobody attached costs nothing. One that somebody did costs a batch of five numbers
//! a frontier step; the events themselves are the log's.

use crate::plan::Window;
use crate::time::EventTime;
use crate::timeline::log::Log;
use crate::window::batch::{BatchSpan, WindowBatch};
use crate::window::trace::WindowTrace;
use differential_dataflow::operators::arrange::{TraceAgent, TraceWriter};
use differential_dataflow::trace::{Trace, TraceReader};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::Antichain;

/// A reader of an attached window. Advance its compaction, or drop it: it pins rows.
pub type WindowAgent = TraceAgent<WindowTrace>;

struct Attached {
    window: Window,
    writer: TraceWriter<WindowTrace>,
    /// Gone with the trace: from then on only dataflows that imported the stream may listen.
    trace: Weak<()>,
    entered: u64,
    left: u64,
}

/// The windows attached to one log.
#[derive(Default)]
pub struct Attachments {
    attached: Vec<Attached>,
    /// Every change below this is in the traces.
    upper: EventTime,
}

impl Attachments {
    /// A window over all of `log`, complete from the present frontier on.
    ///
    /// `None` when the log has already let go of rows that the window would hold.
    pub fn attach(&mut self, log: &Log, window: Window) -> Option<WindowAgent> {
        let upper = self.upper;
        if log.forgotten().is_some_and(|ts| window.leaves(ts) >= upper) {
            return None;
        }
        let left = log.partition(log.start(), |ts| window.leaves(ts) < upper);
        let entered = log.partition(left, |ts| window.enters(ts) < upper);
        let info = OperatorInfo::new(0, usize::MAX, [].into());
        let trace = WindowTrace::new(info.clone(), None, None);
        let alive = trace.alive();
        let (mut agent, mut writer) = TraceAgent::new(trace, info, None);
        if upper > 0 {
            let span = BatchSpan { a0: 0, a1: entered, d0: 0, d1: left, cut: left };
            let chunks = log.cover(left, entered).cloned().collect();
            writer.insert(Rc::new(WindowBatch::settled(window, upper, span, chunks)), Some(0));
            let upper = Antichain::from_elem(upper);
            agent.set_logical_compaction(upper.borrow());
            agent.set_physical_compaction(upper.borrow());
        }
        self.attached.push(Attached { window, writer, trace: alive, entered, left });
        Some(agent)
    }

    /// The log is complete below `hi`: gives the traces what changes until there.
    pub fn seal(&mut self, log: &Log, hi: EventTime) {
        if hi <= self.upper {
            return;
        }
        let (lower, upper) = (Antichain::from_elem(self.upper), Antichain::from_elem(hi));
        self.attached.retain_mut(|attached| {
            let Attached { window, writer, trace, entered, left } = attached;
            let (a0, d0) = (*entered, *left);
            *entered = log.partition(a0, |ts| window.enters(ts) < hi);
            *left = log.partition(d0, |ts| window.leaves(ts) < hi);
            let span = BatchSpan::new(a0, *entered, d0, *left);
            if span.is_empty() {
                writer.seal(upper.clone());
            } else {
                let mut chunks: VecDeque<_> = log.cover(d0, (*left).min(a0)).cloned().collect();
                for chunk in log.cover(a0, *entered) {
                    if chunks.back().is_none_or(|last| last.base() < chunk.base()) {
                        chunks.push_back(Rc::clone(chunk));
                    }
                }
                let batch = WindowBatch::new(*window, lower.clone(), upper.clone(), span, chunks);
                let batch = Rc::new(batch);
                writer.insert(Rc::clone(&batch), Some(self.upper));
                // Without a trace, whoever imported the window has the batch now; or nobody has.
                if trace.strong_count() == 0 && Rc::strong_count(&batch) == 1 {
                    return false;
                }
            }
            writer.exert();
            true
        });
        self.upper = hi;
    }

    /// Rows of the log at or above this are still needed.
    pub fn low_water(&self, log: &Log) -> u64 {
        self.attached.iter().map(|a| a.left).min().unwrap_or(log.end())
    }
}

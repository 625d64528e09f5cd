//! What the workers send each other apart from events.
//!
//! ```text
//!  notices  ── to all ──→            what each has to tell
//!  receipts ── to who has sent ──→   bytes of events that another process has taken in
//!  parcels  ── to worker 0 ──→       what another process has written of a checkpoint
//! ```
//!
//! The last two are there between processes only. What an input is flushed of stays with an exchange that
//! follows it at once, until the input moves on; so an operator stands between them.

use super::Notice;
use std::cell::RefCell;
use std::rc::Rc;
use tidemark_operators::shape::Shape;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};
use timely::worker::Worker;

/// A worker, and bytes that it has sent.
type Receipt = (usize, u64);
type ChannelInput<D> = Option<InputHandle<u64, CapacityContainerBuilder<Vec<D>>>>;
type Inbox<D> = Rc<RefCell<Vec<D>>>;

/// A worker's ends of them.
pub(super) struct Channels {
    notices: ChannelInput<Notice>,
    receipts: ChannelInput<Receipt>,
    parcels: ChannelInput<Vec<u8>>,
    heard: Inbox<Notice>,
    receipted: Inbox<Receipt>,
    arrived: Inbox<Vec<u8>>,
    probe: ProbeHandle<u64>,
}

impl Channels {
    /// Those of a job of this shape; `None`: a worker that is alone needs none. `sends`: this worker
    /// sends parcels.
    pub fn new(worker: &mut Worker, shape: Shape, sends: bool) -> Option<Self> {
        if shape.peers() == 1 {
            return None;
        }
        let (heard, receipted, arrived) =
            (Inbox::default(), Inbox::default(), Inbox::<Vec<u8>>::default());
        let inboxes = (Rc::clone(&heard), Rc::clone(&receipted), Rc::clone(&arrived));
        let probe = ProbeHandle::new();
        let (notices, receipts, parcels) =
            worker.dataflow_named::<u64, _, _>("coordination", |scope| {
                let (notices, told) = scope.new_input::<Vec<Notice>>();
                take_in(told.broadcast(), Pipeline, inboxes.0, &probe);
                if shape.processes() == 1 {
                    return (Some(notices), None, None);
                }
                let (receipts, given) = scope.new_input::<Vec<Receipt>>();
                let sender = Exchange::new(|(sender, _): &Receipt| *sender as u64);
                take_in(given.map(|receipt| receipt), sender, inboxes.1, &probe);
                let (parcels, sent) = scope.new_input::<Vec<Vec<u8>>>();
                let first = Exchange::new(|_: &Vec<u8>| 0);
                take_in(sent.map(|parcel| parcel), first, inboxes.2, &probe);
                (Some(notices), Some(receipts), Some(parcels).filter(|_| sends))
            });
        Some(Channels { notices, receipts, parcels, heard, receipted, arrived, probe })
    }

    /// Tells all workers, this one included.
    pub fn tell(&mut self, notices: Vec<Notice>) {
        send(&mut self.notices, notices);
    }

    /// What has been told since.
    pub fn heard(&self) -> Vec<Notice> {
        self.heard.take()
    }

    /// Tells workers of other processes what has been taken in of what they have sent.
    pub fn receipt(&mut self, receipts: impl IntoIterator<Item = Receipt>) {
        send(&mut self.receipts, receipts);
    }

    /// Bytes of what this worker has sent to other processes that have been taken in since.
    pub fn receipted(&self) -> u64 {
        self.receipted.take().into_iter().map(|(_, bytes)| bytes).sum()
    }

    /// Sends parcels to worker 0.
    pub fn send(&mut self, parcels: impl IntoIterator<Item = Vec<u8>>) {
        send(&mut self.parcels, parcels);
    }

    /// On worker 0, the parcels that have arrived since.
    pub fn arrived(&self) -> Vec<Vec<u8>> {
        self.arrived.take()
    }

    /// All sources have ended: nothing more is told.
    pub fn end_notices(&mut self) {
        (self.notices, self.receipts) = (None, None);
    }

    /// No parcel follows.
    pub fn end_parcels(&mut self) {
        self.parcels = None;
    }

    /// Whether everything has arrived everywhere, and nothing follows.
    pub fn done(&self) -> bool {
        self.probe.done()
    }
}

fn take_in<D: 'static>(
    stream: StreamVec<'_, u64, D>,
    pact: impl ParallelizationContract<u64, Vec<D>>,
    inbox: Inbox<D>,
    probe: &ProbeHandle<u64>,
) {
    stream
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(pact, "Hear", move |_, _| {
            move |input, _output| {
                input.for_each(|_, data| inbox.borrow_mut().append(data));
            }
        })
        .probe_with(probe);
}

fn send<D: Clone + 'static>(feed: &mut ChannelInput<D>, data: impl IntoIterator<Item = D>) {
    let Some(feed) = feed else { return };
    let mut some = false;
    for one in data {
        feed.send(one);
        some = true;
    }
    if some {
        feed.flush();
    }
}

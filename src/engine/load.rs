//! What timely says of a worker's operators, added up by name.
//!
//! ```text
//!  timely: operator began, ended; message sent, received; worker slept ──┐ buffered by the worker
//!  timely: progress sent, received ──────────────────────────────────────┴─→ LoadTally ─→ WorkerMetrics
//! ```
//!
//! What is added up is bounded by the names of operators, which a job's plan decides; beyond
//! [`NAMES_MAX`] they are one. A dataflow is left out: its time is that of the operators inside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::metrics::{OperatorLoad, WorkerLoad, WorkerMetrics};
use tidemark_operators::time::EventTime;
use timely::logging::{
    MessagesEvent, ParkEvent, StartStop, TimelyEvent, TimelyEventBuilder,
    TimelyProgressEventBuilder,
};
use timely::worker::Worker;

/// Names of operators that are told apart; with four series each, and those of the worker, a worker
/// has less than 300.
pub(super) const NAMES_MAX: usize = 64;
/// The name of all others.
const OTHERS: &str = "others";
/// How often what was added up is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is known of the worker.
#[derive(Default)]
struct LoadTally {
    load: WorkerLoad,
    /// By the operator's number: its place in `load`, and since when it is at work.
    places: HashMap<usize, (usize, Option<Duration>)>,
    /// By the operator's address, too.
    addresses: HashMap<Vec<usize>, usize>,
    channels: HashMap<usize, Channel>,
    parked: Option<Duration>,
    told: Duration,
}

/// Who sends and who receives over a channel. It is told of before the operator that receives is.
struct Channel {
    source: Vec<usize>,
    target: Vec<usize>,
    /// Their places, once something was sent.
    places: Option<(Option<usize>, Option<usize>)>,
}

/// From now on what timely says of `worker` is added up in `metrics`: to be called before its dataflow is
/// built.
pub(super) fn watch(worker: &Worker, metrics: &Arc<WorkerMetrics>) {
    let Some(mut registry) = worker.log_register() else { return };
    let tally = Rc::new(RefCell::new(LoadTally::default()));
    let (events, metrics) = (Rc::clone(&tally), Arc::clone(metrics));
    registry.insert::<TimelyEventBuilder, _>("timely", move |until, said| {
        let mut tally = events.borrow_mut();
        for (at, event) in said.iter_mut().flat_map(|said| said.drain(..)) {
            tally.hear(at, event);
        }
        if *until >= tally.told + TELL_EVERY {
            tally.told = *until;
            metrics.load.set(tally.load.clone());
        }
    });
    let name = format!("timely/progress/{}", std::any::type_name::<EventTime>());
    registry.insert::<TimelyProgressEventBuilder<EventTime>, _>(&name, move |_, said| {
        let load = &mut tally.borrow_mut().load;
        for (_, progress) in said.iter_mut().flat_map(|said| said.drain(..)) {
            let updates = progress.messages.len() + progress.internal.len();
            load.progress_messages += 1;
            load.progress_updates += updates as u64;
        }
    });
}

impl LoadTally {
    fn hear(&mut self, at: Duration, event: TimelyEvent) {
        match event {
            // A dataflow has an address of one step; it is told after what it holds.
            TimelyEvent::Operates(operator) if operator.addr.len() > 1 => {
                let place = self.place(&operator.name);
                self.places.insert(operator.id, (place, None));
                self.addresses.insert(operator.addr, place);
            }
            TimelyEvent::Channels(channel) => {
                let end = |port: usize| channel.scope_addr.iter().copied().chain([port]).collect();
                let (source, target) = (end(channel.source.0), end(channel.target.0));
                self.channels.insert(channel.id, Channel { source, target, places: None });
            }
            TimelyEvent::Schedule(schedule) => match schedule.start_stop {
                StartStop::Start => {
                    if let Some((_, began)) = self.places.get_mut(&schedule.id) {
                        *began = Some(at);
                    }
                }
                StartStop::Stop => self.worked(schedule.id, at),
            },
            TimelyEvent::Messages(messages) => self.sent(&messages),
            TimelyEvent::Park(ParkEvent::Park(_)) => self.parked = Some(at),
            TimelyEvent::Park(ParkEvent::Unpark) => {
                let parked =
                    self.parked.take().map_or(Duration::ZERO, |since| at.saturating_sub(since));
                self.load.parked_ns = self.load.parked_ns.saturating_add(nanoseconds(parked));
            }
            _ => {}
        }
    }

    /// The place of a name.
    fn place(&mut self, name: &str) -> usize {
        let operators = &mut self.load.operators;
        let known = operators.iter().position(|known| known.name == name);
        known.unwrap_or_else(|| match operators.len() {
            NAMES_MAX => NAMES_MAX - 1,
            there => {
                let name = if there < NAMES_MAX - 1 { name } else { OTHERS };
                operators.push(OperatorLoad { name: name.to_owned(), ..OperatorLoad::default() });
                there
            }
        })
    }

    fn worked(&mut self, id: usize, until: Duration) {
        let Some((place, began)) = self.places.get_mut(&id) else { return };
        let Some(since) = began.take() else { return };
        if let Some(load) = self.load.operators.get_mut(*place) {
            load.busy_ns = load.busy_ns.saturating_add(nanoseconds(until.saturating_sub(since)));
            load.activations += 1;
        }
    }

    fn sent(&mut self, messages: &MessagesEvent) {
        let Some(channel) = self.channels.get_mut(&messages.channel) else { return };
        let place = |address: &Vec<usize>| self.addresses.get(address).copied();
        let (source, target) =
            *channel.places.get_or_insert_with(|| (place(&channel.source), place(&channel.target)));
        let place = if messages.is_send { source } else { target };
        let load = place.and_then(|place| self.load.operators.get_mut(place));
        let count = u64::try_from(messages.record_count).unwrap_or(0);
        match load {
            Some(load) if messages.is_send => load.sent += count,
            Some(load) => load.received += count,
            None => {}
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timely::logging::{OperatesEvent, ScheduleEvent};

    #[test]
    fn time_at_work_counts_for_the_name_and_names_are_bounded() {
        let mut tally = LoadTally::default();
        for id in 0..NAMES_MAX + 10 {
            let operator = OperatesEvent { id, addr: vec![0, id], name: format!("Operator {id}") };
            tally.hear(Duration::ZERO, operator.into());
        }
        // One more of a name that is known.
        let again = OperatesEvent { id: 900, addr: vec![0, 900], name: "Operator 0".to_owned() };
        tally.hear(Duration::ZERO, again.into());
        assert_eq!(tally.load.operators.len(), NAMES_MAX);
        for (id, from, to) in
            [(0, 10, 15), (NAMES_MAX + 3, 15, 16), (NAMES_MAX + 4, 16, 18), (900, 18, 19)]
        {
            tally.hear(Duration::from_nanos(from), ScheduleEvent::start(id).into());
            tally.hear(Duration::from_nanos(to), ScheduleEvent::stop(id).into());
        }
        tally.hear(Duration::from_nanos(20), ParkEvent::park(None).into());
        tally.hear(Duration::from_nanos(27), ParkEvent::unpark().into());
        let load = |name: &str| tally.load.operators.iter().find(|it| it.name == name).unwrap();
        assert_eq!((load("Operator 0").busy_ns, load("Operator 0").activations), (6, 2));
        assert_eq!((load(OTHERS).busy_ns, load(OTHERS).activations), (3, 2));
        assert_eq!(tally.load.parked_ns, 7);
    }
}

use super::*;
use std::time::Duration;
use tidemark_operators::metrics::{Ahead, PartitionProgress};
use tidemark_operators::origin::PartitionId;

/// A job with made-up numbers.
pub(super) struct World {
    pub plan: Plan,
    pub workers: Vec<Arc<WorkerMetrics>>,
    pub online: OnlineSnapshot,
    pub caught_up: bool,
    start: Instant,
}

/// The machine's clock at the start of a [`World`].
pub(super) const START: EventTime = 1_700_000_000_000;

impl World {
    pub fn new() -> Self {
        World::of(1)
    }

    /// With so many sources, `source_0` and so on.
    pub fn of(sources: usize) -> Self {
        let mut plan = crate::metrics::tests::small_plan();
        let source = plan.sources[0].clone();
        let named = |at| {
            let mut source = source.clone();
            source.name = format!("source_{at}");
            source
        };
        plan.sources = (0..sources).map(named).collect();
        let workers = vec![Arc::new(WorkerMetrics::new(0, &plan))];
        let online = OnlineSnapshot { kind: "redis", ..OnlineSnapshot::default() };
        World { plan, workers, online, caught_up: true, start: Instant::now() }
    }

    /// When the last record of each partition arrived.
    pub fn arrived(&self, partitions: &[Option<EventTime>]) {
        let progress = (0..).zip(partitions).map(|(partition, arrived)| PartitionProgress {
            id: PartitionId { source: 0, partition },
            watermark: 0,
            clock: 0,
            newest: 0,
            ahead: Ahead { newest_arrival: *arrived, ..Ahead::default() },
            first: 0,
            next_offset: 0,
            idle: false,
            caught_up: true,
            paused: false,
            standing: tidemark_operators::ingest::reader::Standing::AtEnd,
            overdue: false,
            still: 0,
        });
        self.workers[0].set_progress(progress);
    }

    /// So many seconds after the start.
    pub fn moment(&self, seconds: u64) -> Moment<'_> {
        Moment {
            plan: &self.plan,
            workers: &self.workers,
            online: &self.online,
            state: None,
            caught_up: self.caught_up,
            certificate: None,
            now: self.start + Duration::from_secs(seconds),
            wall: START + seconds * 1_000,
        }
    }
}

/// Everything wrong at once.
fn bad() -> World {
    let mut world = World::new();
    world.online.oldest_pending_ms = 3_600_000;
    world.online.rows_pending = 1_000_000;
    world.arrived(&[Some(START)]);
    world.workers[0].live_clock.set(START - 600_000);
    world
}

#[test]
fn nothing_is_found_while_catching_up_and_everything_after_it() {
    let checks = Checks::new(&HealthSettings::default());
    let mut world = bad();
    world.caught_up = false;
    for second in 0..100 {
        world.workers[0].verdicts[0].late.add(1_000);
        assert_eq!(checks.look(&world.moment(second)), []);
        assert_eq!(checks.refused(&world.plan), []);
    }
    world.caught_up = true;
    let mut found = Vec::new();
    for second in 100..120 {
        world.workers[0].verdicts[0].late.add(1_000);
        found = checks.look(&world.moment(second));
    }
    let found: Vec<_> = found.iter().map(|f| (f.component.as_str(), f.reason)).collect();
    let expected = [
        ("source_0", "refused_share"),
        ("fraud", "refused_share"),
        ("fraud", "clock_behind"),
        ("online (redis)", "pending_after"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_finding_degrades_what_is_ok_adds_to_what_is_not_and_is_never_lost() {
    let component = |name: &str, state| Component {
        name: name.to_owned(),
        kind: Part::Source,
        state,
        reason: "as it was".to_owned(),
    };
    let finding = |component: &str, text: &str| Finding {
        part: Part::Source,
        component: component.to_owned(),
        reason: "word",
        text: text.to_owned(),
    };
    let mut components = vec![component("a", State::Ok), component("b", State::Down)];
    let findings = [("a", "one"), ("a", "two"), ("b", "three"), ("c", "four")];
    apply(findings.iter().map(|(name, text)| finding(name, text)).collect(), &mut components);
    let shown: Vec<_> = components.iter().map(|c| (c.state, c.reason.as_str())).collect();
    let expected = [
        (State::Degraded, "one; two"),
        (State::Down, "as it was; three"),
        (State::Degraded, "four"),
    ];
    assert_eq!(shown, expected);
}

//! What the page of a running job shows, from what the parts report.

use super::checks::Finding;
use super::condition::condition;
use super::hour::{Distance, HourTold, SourceRates};
use super::{Service, catch_up, checks};
use crate::connect::millis;
use crate::http::overview::{
    CheckpointOverview, EntityOverview, ID_CHARS_MAX, JobCondition, MemoryOverview, Overview,
    PartitionOverview, SinkOverview, SourceOverview, ViewOverview, WorkerOverview,
};
use crate::http::{Component, Health, Introspect, Part, Readiness, State, Status};
use crate::metrics::snapshot::{KafkaPartition, KafkaSnapshot, LogSinkSnapshot, OnlineSnapshot};
use crate::process::ProcessUsage;
use crate::version::VERSION;
use crate::wall_clock::wall_ms;
use std::cmp::Reverse;
use std::time::Instant;
use tidemark_operators::metrics::{
    ClockCounts, EntityMetrics, HistogramSnapshot, PartitionProgress, VerdictCounts,
};
use tidemark_operators::plan::{EntityPlan, SourcePlan};
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::verdict::Reason;

/// The busiest entities of a type that are told.
const BUSIEST_MAX: usize = 10;
/// How far behind the least watermark, in ms, the frontier of a cluster may be told.
const HOLDS: u64 = 1_000;

impl Service {
    /// How far the frontier is behind the live clock, and the job behind its topics.
    pub(super) fn distance(&self) -> Distance {
        let (clock, frontier) = (known(self.live_clock()), self.frontier());
        // The last millisecond that is known whole, as in tidemark_frontier_lag_seconds.
        let whole = frontier.map(|frontier| frontier.saturating_sub(1));
        let kafka = self.kafka();
        let of_source = |source: &SourcePlan| lag(source, kafka.as_ref());
        Distance {
            behind: clock.zip(whole).map(|(clock, whole)| clock.saturating_sub(whole)),
            lag: kafka.as_ref().filter(|kafka| kafka.down.is_none()).map(KafkaSnapshot::total_lag),
            of_sources: self.plan.sources.iter().map(of_source).collect(),
            stored: arrivals(&self.online()),
        }
    }

    /// The least frontier of the workers.
    fn frontier(&self) -> Option<EventTime> {
        known(self.observer.metrics.iter().map(|worker| worker.frontier.get()).min()?)
    }

    fn lasting_condition(
        &self,
        parts: &[Component],
        findings: &[Finding],
        state: (Status, &Readiness),
        notes: Vec<String>,
    ) -> JobCondition {
        let mut condition = condition(parts, findings, state, notes);
        self.lasting.tell(&mut condition.troubles, Instant::now());
        condition
    }

    /// Takes note of what is wrong with `findings`, whether or not anybody looks.
    pub(super) fn note_troubles(&self, findings: &[Finding]) {
        let state = (Status::default(), &Readiness::default());
        self.lasting_condition(&self.parts(), findings, state, Vec::new());
    }

    /// What the page shows.
    pub(super) fn look_over(&self) -> Overview {
        let HourTold { samples: hour, workers, operators, sources } = self.hour.told();
        let (kafka, parts, findings) = (self.kafka(), self.parts(), self.findings());
        let (mut sinks, partitions) =
            (vec![online(&self.online())], self.partitions(kafka.as_ref()));
        sinks.extend(self.logs().iter().map(log));
        let mut told = parts.clone();
        checks::apply(findings.clone(), &mut told);
        let health = Health { components: told, ..Health::default() };
        let notes = self.notes(&partitions, kafka.as_ref(), &findings);
        let state = (health.status(), &self.readiness());
        let uptime = self.observer.started().elapsed().as_millis();
        Overview {
            version: VERSION.into(),
            job: self.plan.name.clone(),
            wall: wall_ms().unwrap_or(0),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
            condition: self.lasting_condition(&parts, &findings, state, notes),
            live_clock: known(self.live_clock()),
            frontier: self.frontier(),
            workers: self.held_by(workers, &parts),
            operators,
            sources: self.verdicts(&sources, &partitions, kafka.as_ref()),
            partitions_in_all: partitions.len(),
            partitions,
            entities: self.entities(),
            views: self.views(),
            sinks,
            checkpoint: self.newest_checkpoint(),
            memory: self.memory(),
            letters: self.letters.newest(),
            processes: self.peers.as_ref().map(|peers| peers.processes()).unwrap_or_default(),
            parts: health.components,
            newest: hour.last().copied(),
            hour,
        }
    }

    fn newest_checkpoint(&self) -> Option<CheckpointOverview> {
        let of = self.checkpoints()?;
        let written = of.row_bytes + of.merged_bytes + of.snapshot_bytes;
        let age = of.age.map(millis);
        Some(CheckpointOverview { segments: of.segments, written, age })
    }

    fn memory(&self) -> MemoryOverview {
        let (usage, bound) = (ProcessUsage::now(), self.observer.state_bound());
        let workers = &self.observer.metrics;
        let of_entities = || {
            let entities = workers.iter().flat_map(|worker| &worker.entities);
            entities.map(|entity| entity.held().used()).sum()
        };
        MemoryOverview {
            resident: usage.rss_bytes,
            limit: usage.limit_bytes,
            state: bound.map_or_else(of_entities, |bound| bound.held(workers).used()),
            state_limit: bound.map(|bound| bound.limit()),
        }
    }

    /// The workers with what they hold; before the first sample there are no rates.
    fn held_by(&self, rates: Vec<WorkerOverview>, parts: &[Component]) -> Vec<WorkerOverview> {
        let mut rates = rates.into_iter();
        let worker = |metrics: &std::sync::Arc<tidemark_operators::metrics::WorkerMetrics>| {
            let name = metrics.worker.to_string();
            let stalled = parts.iter().find(|part| {
                part.kind == Part::Worker && part.name == name && part.state != State::Ok
            });
            WorkerOverview {
                worker: metrics.worker,
                held: metrics.entities.iter().map(|entity| entity.held().held).sum(),
                unsealed: metrics.unsealed_bytes.get(),
                in_flight: metrics.in_flight_bytes.get(),
                stalled: stalled.map(|part| part.reason.clone()),
                ..rates.next().unwrap_or_default()
            }
        };
        self.observer.metrics.iter().map(worker).collect()
    }

    fn partitions(&self, kafka: Option<&KafkaSnapshot>) -> Vec<PartitionOverview> {
        let (progress, now) = (self.progress(), Instant::now());
        let least = checks::clocks::holder(&progress).map(|p| p.watermark);
        // Of several processes it may be one of another that holds. The frontier is told behind the
        // windows' work.
        let several = self.observer.shape().processes() > 1;
        let frontier = self.frontier().filter(|_| several);
        let least = least.filter(|least| {
            frontier.is_none_or(|frontier| *least <= frontier.saturating_add(HOLDS))
        });
        let is_up = kafka.is_some_and(|kafka| kafka.down.is_none());
        let partition = |p: &PartitionProgress| {
            let source = self.plan.sources.get(usize::from(p.id.source))?;
            let mine = |k: &&KafkaPartition| k.partition == p.id.partition;
            let of_topic = of_source(source, kafka).find(mine);
            let ahead = self.lately.ahead(p.id);
            Some(PartitionOverview {
                source: source.name.clone(),
                partition: p.id.partition,
                next_offset: p.next_offset,
                lag: of_topic.filter(|_| is_up).and_then(KafkaPartition::lag),
                clock: known(p.clock),
                quiet: self.lately.quiet(p.id, now),
                holds: !p.idle && p.clock > 0 && Some(p.watermark) == least,
                idle: p.idle,
                overdue: p.overdue,
                paused: p.paused,
                ahead: ahead.share,
                ahead_by: ahead.by,
            })
        };
        let mut partitions: Vec<_> = progress.iter().filter_map(partition).collect();
        partitions.sort_by(|a, b| (&a.source, a.partition).cmp(&(&b.source, b.partition)));
        partitions
    }

    fn verdicts(
        &self,
        rates: &[SourceRates],
        partitions: &[PartitionOverview],
        kafka: Option<&KafkaSnapshot>,
    ) -> Vec<SourceOverview> {
        let workers = &self.observer.metrics;
        let source = |(at, source): (usize, &SourcePlan)| {
            let counts = || workers.iter().filter_map(|worker| worker.verdicts.get(at));
            let clocks = || workers.iter().filter_map(|worker| worker.clocks.get(at));
            let dead = |reason: Reason| counts().map(|counts| counts.dead(reason).get()).sum();
            let dead = Reason::ALL.map(|reason| (reason.name().into(), dead(reason)));
            let mine = partitions.iter().filter(|partition| partition.source == source.name);
            let rates = rates.get(at).copied().unwrap_or_default();
            SourceOverview {
                source: source.name.clone(),
                records: rates.records,
                lag: lag(source, kafka),
                lag_growth: rates.lag_growth,
                paused: mine.filter(|partition| partition.paused).count(),
                down: kafka.filter(|_| catch_up::is_topic(source)).and_then(|k| k.down.clone()),
                accepted: counts().map(|counts| counts.accepted.get()).sum(),
                left_out: counts().map(VerdictCounts::left_out).sum(),
                dead_letters: dead.into_iter().filter(|(_, count)| *count > 0).collect(),
                corrected: clocks().map(|clocks: &ClockCounts| clocks.corrected.get()).sum(),
            }
        };
        self.plan.sources.iter().enumerate().map(source).collect()
    }

    fn entities(&self) -> Vec<EntityOverview> {
        let workers = &self.observer.metrics;
        let entity = |(at, plan): (usize, &EntityPlan)| {
            let of = || workers.iter().filter_map(|worker| worker.entities.get(at));
            let longest = |e: &EntityMetrics| e.windows.iter().map(|w| w.events.get()).max();
            let mut busiest: Vec<_> = of().flat_map(|entity| entity.hottest()).collect();
            busiest.sort_by_key(|(_, share)| Reverse(*share));
            busiest.truncate(BUSIEST_MAX);
            // What is cut is no id to ask for, and says so.
            let cut = |(id, share): (String, u32)| match id.char_indices().nth(ID_CHARS_MAX) {
                Some((at, _)) => (format!("{}\u{2026}", &id[..at]), share),
                None => (id, share),
            };
            EntityOverview {
                entity: plan.name.clone(),
                count: of().map(|entity| entity.entities.get()).sum(),
                events: of().filter_map(longest).sum(),
                held: of().map(|entity| entity.held().held).sum(),
                busiest: busiest.into_iter().map(cut).collect(),
            }
        };
        self.plan.entities.iter().enumerate().map(entity).collect()
    }

    fn views(&self) -> Vec<ViewOverview> {
        let view = |at: usize| {
            let entity = self.plan.entities.get(self.plan.views.get(at)?.entity)?;
            let view = self.plan.view(at)?;
            Some(ViewOverview {
                view: view.name.clone(),
                entity: entity.name.clone(),
                features: view.features.len(),
            })
        };
        (0..self.plan.views.len()).filter_map(view).collect()
    }
}

/// The partitions of a source that is a topic; none of others.
fn of_source<'k>(
    source: &SourcePlan,
    kafka: Option<&'k KafkaSnapshot>,
) -> impl Iterator<Item = &'k KafkaPartition> {
    let (name, is_topic) = (source.name.clone(), catch_up::is_topic(source));
    let all = kafka.filter(|_| is_topic).map(|kafka| kafka.partitions.iter());
    all.into_iter().flatten().filter(move |partition| partition.source == name)
}

/// Records between the job and the ends of a source's topic; unknown while nobody says where they are.
fn lag(source: &SourcePlan, kafka: Option<&KafkaSnapshot>) -> Option<u64> {
    kafka.filter(|kafka| catch_up::is_topic(source) && kafka.down.is_none())?;
    Some(of_source(source, kafka).filter_map(KafkaPartition::lag).sum())
}

/// A clock that has begun, of an input that has not ended.
fn known(clock: EventTime) -> Option<EventTime> {
    (clock > 0 && clock < EventTime::MAX).then_some(clock)
}

/// How long rows that arrivals changed took to be acknowledged by the store, in us.
fn arrivals(online: &OnlineSnapshot) -> HistogramSnapshot {
    let mut causes = online.causes.iter();
    let arrivals = causes.find(|cause| cause.cause == "arrival");
    arrivals.map(|cause| cause.write_us.clone()).unwrap_or_default()
}

/// For so long rows may wait for the store, in ms, before they count as missing there: longer than any round
/// trip of one that answers, and shorter than it takes to find out that one does not.
const LACKS_AFTER: Millis = 2_500;

pub(super) fn online(snapshot: &OnlineSnapshot) -> SinkOverview {
    SinkOverview {
        sink: crate::http::components::online_name(snapshot),
        written: snapshot.rows_written(),
        merged: Some(snapshot.rows_coalesced),
        waiting: snapshot.rows_pending,
        waiting_bytes: None,
        behind: Some(snapshot.behind_ms),
        lacks: snapshot.rows_pending > 0
            && (snapshot.down.is_some() || snapshot.oldest_pending_ms >= LACKS_AFTER),
        down: snapshot.down.clone(),
    }
}

fn log(snapshot: &LogSinkSnapshot) -> SinkOverview {
    SinkOverview {
        sink: snapshot.name.to_owned(),
        written: snapshot.written,
        merged: None,
        waiting: snapshot.pending,
        waiting_bytes: snapshot.pending_bytes,
        behind: None,
        lacks: false,
        down: snapshot.down.clone(),
    }
}

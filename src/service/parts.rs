//! The parts of a running job and their states, before anything was looked for that needs attention
//! although its part works.

use super::{Service, catch_up, checks, holding};
use crate::http::components::{self, StallWatch};
use crate::http::{Component, Part, State};
use crate::life_signs::LifeSigns;
use crate::process::ProcessUsage;
use crate::text::count_text;
use std::sync::Arc;
use std::time::Instant;

impl Service {
    /// Sets whom it tells each second that no worker stands still.
    #[must_use]
    pub(crate) fn with_life_signs(mut self, signs: LifeSigns) -> Self {
        self.life_signs = signs;
        self
    }

    /// Who hears that it lives.
    pub(crate) fn life_signs(&self) -> &LifeSigns {
        &self.life_signs
    }

    /// Gives one, unless a worker stands still.
    pub(super) fn give_life_sign(&self) {
        if self.workers().iter().all(|worker| worker.state != State::Stalled) {
            self.life_signs.alive();
        }
    }

    /// All parts, in the order of `/health`.
    pub(super) fn parts(&self) -> Vec<Component> {
        let mut parts = vec![components::job(&self.plan.name, self.records())];
        parts.extend(self.sources());
        parts.extend(self.registry().as_ref().map(components::registry));
        parts.extend(self.table_components());
        let online = self.online();
        parts.push(components::online(&online));
        parts.extend(components::nodes_down(&online));
        parts.extend(self.logs().iter().map(components::log_sink));
        parts.extend(self.checkpoints().as_ref().map(components::checkpoints));
        parts.extend(self.workers());
        parts.push(components::memory(&ProcessUsage::now()));
        parts.extend(self.files.iter().map(|file| components::disk(file)));
        parts
    }

    fn table_components(&self) -> impl Iterator<Item = Component> {
        let metrics = self.observer.metrics.first();
        // The first process reads them for all.
        let all =
            if self.observer.shape().process() == 0 { self.plan.tables.as_slice() } else { &[] };
        all.iter().zip(&self.tables).enumerate().map(move |(at, (table, status))| {
            let rows = metrics.and_then(|metrics| metrics.tables.get(at)).map(|it| it.rows.get());
            components::table(&table.name, rows.unwrap_or(0), status)
        })
    }

    fn sources(&self) -> Vec<Component> {
        let kafka = self.kafka();
        let progress = self.progress();
        let component = |(at, source): (usize, &tidemark_operators::plan::SourcePlan)| match &kafka
        {
            Some(kafka) if catch_up::is_topic(source) => {
                let component = components::topic(&source.name, kafka);
                match holding::holding(source, at, &progress, Some(kafka)) {
                    Some(held) if component.state == State::Ok => {
                        Component { state: State::Degraded, reason: held, ..component }
                    }
                    _ => component,
                }
            }
            _ => {
                let partitions = progress.iter().filter(|p| usize::from(p.id.source) == at);
                let counts = self.observer.metrics.iter().filter_map(|w| w.verdicts.get(at));
                let records = count_text(counts.map(|counts| counts.total()).sum());
                let reason = format!("{} partitions, {records} records read", partitions.count());
                components::local_source(&source.name, reason)
            }
        };
        let told = |(at, source): (usize, &tidemark_operators::plan::SourcePlan)| {
            let counts = self.observer.metrics.iter().filter_map(|worker| worker.clocks.get(at));
            let mine = progress.iter().filter(|p| usize::from(p.id.source) == at);
            let (counts, mine) = (counts.collect::<Vec<_>>(), mine.collect::<Vec<_>>());
            let told = checks::clocks::told(source, &counts, &mine);
            let mut component = component((at, source));
            // Beside what does not work at all that is no news.
            let told = told.into_iter().chain(self.skipped(at));
            for told in told.filter(|_| component.state != State::Down) {
                component.reason = format!("{}; {told}", component.reason);
            }
            component
        };
        self.plan.sources.iter().enumerate().map(told).collect()
    }

    /// What was skipped of the records of a source.
    fn skipped(&self, source: usize) -> Option<String> {
        let counts = self.observer.metrics.iter().filter_map(|worker| worker.verdicts.get(source));
        let skipped: u64 = counts.map(|counts| counts.skipped_all()).sum();
        (skipped > 0).then(|| {
            format!(
                "{} records skipped, of operations that the job does not read",
                count_text(skipped)
            )
        })
    }

    pub(super) fn workers(&self) -> Vec<Component> {
        let workers = &self.observer.metrics;
        if self.watch.get().is_none() && workers.iter().all(|worker| worker.steps.get() == 0) {
            let waiting = |worker: &Arc<tidemark_operators::metrics::WorkerMetrics>| Component {
                name: worker.worker.to_string(),
                kind: Part::Worker,
                state: State::Ok,
                reason: "not started: waits for the sources".to_owned(),
            };
            return workers.iter().map(waiting).collect();
        }
        let now = Instant::now();
        let watch = || StallWatch::new(workers, self.stall_after, now);
        self.watch.get_or_init(watch).look(workers, now)
    }
}

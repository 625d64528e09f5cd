//! The thread beside a running job: it lets rows out once the job has caught up, passes a request
//! to stop on, and says every ten seconds how the job does.

use crate::config::Settings;
use crate::engine::{self, Observer};
use crate::failure::Failure;
use crate::fault;
use crate::metrics::float;
use crate::online::OnlineStore;
use crate::run::refused::RefusedWatch;
use crate::service::Service;
use crate::signals::Stop;
use crate::text::count_text;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_operators::coordination::Notice;
use tidemark_operators::metrics::VerdictCounts;
use tidemark_operators::time::EventTime;

/// How often it looks.
const TICK: Duration = Duration::from_millis(50);
/// How often it says how the job does.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How often it looks which views' rows lack nothing.
const COMPLETE_EVERY: Duration = Duration::from_secs(1);

/// What is watched.
pub(super) struct Watched {
    pub service: Arc<Service>,
    pub observer: Observer,
    pub store: Arc<dyn OnlineStore>,
    /// What is to be done before reading stops: a last checkpoint.
    pub before_stop: Box<dyn Fn() + Send>,
}

/// The thread; ends when dropped.
pub(super) struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is known from outside of a job that is about to be run.
pub(crate) fn observed(engine: &engine::Settings, settings: &Settings) -> Observer {
    let observer = Observer::new(engine);
    if settings.http.operator_metrics {
        observer.watch_operators();
    }
    observer
}

impl Watched {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(self, stop: &Stop, mut refused: RefusedWatch) -> Result<Watch, Failure> {
        let (over, stop) = (Arc::<AtomicBool>::default(), stop.clone());
        let until = Arc::clone(&over);
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let thread =
            thread.spawn(move || self.run(&stop, &until, &mut refused)).map_err(|error| {
                Failure::failed(format!("cannot start the thread that watches the job: {error}"))
            })?;
        Ok(Watch { over, thread: Some(thread) })
    }

    fn run(&self, stop: &Stop, over: &AtomicBool, refused: &mut RefusedWatch) {
        let (mut caught_up, mut asked) = (false, false);
        let mut covered = Vec::new();
        let mut completed = Instant::now();
        let (mut said, mut events) = (Instant::now(), 0);
        while !over.load(Ordering::Relaxed) {
            if self.is_asked_elsewhere() {
                stop.ask();
            }
            if stop.asked() && !self.observer.stopping() && !asked {
                asked = true;
                self.service.life_signs().ending();
                self.stop();
            }
            if !caught_up && !self.observer.stopping() && self.service.caught_up() {
                caught_up = true;
                self.store.incomplete(self.service.incomplete());
                self.store.release();
                let ms = self.observer.started().elapsed().as_millis();
                tracing::info!("caught up after {ms} ms: rows are current");
            }
            self.refused();
            refused.say(&self.observer, false);
            if caught_up && completed.elapsed() >= COMPLETE_EVERY {
                completed = Instant::now();
                self.tell_covered(&mut covered);
                self.service.complete_views().for_each(|view| self.store.complete(view));
                self.store.incomplete(self.service.incomplete());
            }
            let elapsed = said.elapsed();
            if elapsed >= SAY_EVERY {
                let now = count(&self.observer, VerdictCounts::total);
                let rate = float(now.saturating_sub(events)) / elapsed.as_secs_f64();
                self.say(rate);
                (said, events) = (Instant::now(), now);
            }
            std::thread::sleep(TICK);
        }
        refused.say(&self.observer, true);
    }

    /// Whether another process of the cluster was asked to stop, and this one has to know.
    fn is_asked_elsewhere(&self) -> bool {
        let agreed = self.observer.agreed();
        agreed.stopped() || agreed.stop_wanted() && self.observer.shape().process() == 0
    }

    /// Has the job stop: all of its processes, at the word of the first.
    fn stop(&self) {
        tracing::info!("asked to stop; a second signal ends the process at once");
        if self.observer.agreed().stopped() {
            return;
        }
        if self.observer.shape().process() > 0 {
            self.observer.tell(Notice::StopWanted);
            return;
        }
        fault::point("stop.asked");
        (self.before_stop)();
        fault::point("stop.checkpointed");
        match self.observer.shape().processes() {
            1 => self.observer.stop(),
            _ => self.observer.tell(Notice::Stop),
        }
    }

    /// Tells other processes from when on views lack nothing of what this one reads.
    fn tell_covered(&self, told: &mut Vec<(usize, Option<EventTime>)>) {
        let (process, processes) =
            (self.observer.shape().process(), self.observer.shape().processes());
        if processes == 1 {
            return;
        }
        let covered = self.service.covered();
        for (view, from) in covered.iter().filter(|covered| !told.contains(covered)) {
            if let Ok(view) = u32::try_from(*view) {
                self.observer.tell(Notice::Covered { process, view, from: *from });
            }
        }
        *told = covered;
    }

    /// A job that may not write its views stops.
    fn refused(&self) {
        let redis = if self.observer.stopping() { None } else { self.store.status().redis };
        match redis.and_then(|redis| redis.refused) {
            Some(refused) if refused.taken_over => self.observer.taken_over(refused.why),
            Some(refused) => self.observer.fail(refused.why),
            None => {}
        }
    }

    fn say(&self, rate: f64) {
        let online = self.service.online();
        let lag = self.service.kafka().map_or(0, |kafka| kafka.total_lag());
        let breaker = online.breaker.map_or("none", |breaker| breaker.name());
        tracing::info!(
            events_per_s = format!("{rate:.0}"),
            lag,
            dead_letters = count(&self.observer, dead),
            rows_pending = online.rows_pending,
            breaker,
            "running"
        );
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it has ended the process.
            let _ = thread.join();
        }
    }
}

/// What a run did, in a line.
pub(super) fn totals(service: &Service, observer: &Observer) -> String {
    let online = service.online();
    format!(
        "{} records read, {} dead letters, {} rows written to the online store ({}), {} left",
        count_text(count(observer, VerdictCounts::total)),
        count_text(count(observer, dead)),
        count_text(online.rows_written()),
        online.kind,
        count_text(online.rows_pending),
    )
}

pub(super) fn count(observer: &Observer, of: impl Fn(&VerdictCounts) -> u64) -> u64 {
    observer.metrics.iter().flat_map(|worker| &worker.verdicts).map(of).sum()
}

pub(super) fn dead(counts: &VerdictCounts) -> u64 {
    counts.dead_letters()
}

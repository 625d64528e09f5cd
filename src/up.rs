//! `tidemark up`: starts the processes of a cluster that are of this host, and starts all of them again
//! when one ends by itself.
//!
//! ```text
//!  up ── starts ──→ run --process 0, run --process 1, ..
//!     ←── one ends ── the others are ended too ── pause ── all again, as the next generation
//! ```
//!
//! A process whose workers stand still gives no signs of life; it is ended, as if it had ended by itself.
//!
//! Whenever all are started, they start with what `cluster.toml` says then, and so does their supervisor.
//!
//! A process ends with its supervisor: it holds the other end of the supervisor's socket, over which it is
//! asked to end in order.

mod begun;
mod child;

use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::life_signs::LifeSigns;
use crate::signals::Stop;
use crate::{job_file, logging};
use begun::Begun;
use child::{Child, ChildEnd, Children};
use std::collections::VecDeque;
use std::fs::File;
use std::time::{Duration, Instant};

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is told that this process lives.
const SIGN: Duration = Duration::from_secs(1);
/// How long the others may take to notice that one is gone, before they are ended.
const GRACE: Duration = Duration::from_secs(3);
/// How long after `shutdown` a process that was asked to end is ended.
const LATE: Duration = Duration::from_secs(5);
/// The first and the longest pause before all are started again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the job or the settings are wrong; 1 when a process fails again and again, or another
/// supervisor runs; 75 when another cluster has taken the job over.
pub fn run(args: &UpArgs) -> Result<Exit, Failure> {
    let begun = Begun::read(args)?;
    let job = job_file::load(&args.job)?;
    let log = &begun.settings.log;
    logging::start(&log.level, log.format, logging::LogTarget::Stderr).map_err(Failure::usage)?;
    let locks = begun.lock()?;
    let stop = Stop::on_signals()?;
    tracing::info!(job = job.plan.name, processes = ?begun.processes, "supervising");
    let signs = LifeSigns::to_service();
    Supervisor { args, begun, locks, are_up: false, failures: VecDeque::new(), signs }.run(&stop)
}

struct Supervisor<'a> {
    args: &'a UpArgs,
    begun: Begun,
    /// Keep other supervisors of these processes from beginning.
    locks: Vec<File>,
    /// Whether all processes have come up once. What was to be accepted was accepted by them. Later ones do
    /// not get it: the job or a topic may be another one by then, which nobody has looked at.
    are_up: bool,
    /// When processes ended by themselves, the newest last.
    failures: VecDeque<Instant>,
    /// Of this process, which are not those of its processes: it starts those again itself.
    signs: LifeSigns,
}

impl Supervisor<'_> {
    fn run(mut self, stop: &Stop) -> Result<Exit, Failure> {
        let mut pause = PAUSES.0;
        self.signs.ready();
        loop {
            let began = Instant::now();
            let mut children = Children::default();
            for process in &self.begun.processes {
                children.all.push(Child::start(*process, self.args, !self.are_up)?);
            }
            let ended = self.watch(&mut children, stop)?;
            self.are_up |= children.have_begun();
            let Some(ended) = ended else { return Ok(Exit::Done) };
            // The first that was seen may have ended because of another one, which says why.
            let ended = children.settle(GRACE).unwrap_or(ended);
            children.end();
            self.judge(&ended)?;
            if stop.asked() {
                let why =
                    "it was asked to end in order; the next start goes on from the job's state";
                return Err(Failure::failed(format!("{ended}: {why}")));
            }
            if began.elapsed() > self.begun.settings.cluster.failures_within {
                pause = PAUSES.0;
            }
            tracing::warn!("{ended}; all processes of this host start again in {pause:?}");
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if stop.asked() {
                    return Ok(Exit::Done);
                }
                std::thread::sleep(LOOK);
            }
            pause = (pause * 2).min(PAUSES.1);
            if !self.read_again(stop)? {
                return Ok(Exit::Done);
            }
        }
    }

    /// Takes up what `cluster.toml` says by now, so that all processes start with the same; waits while it cannot
    /// be used. False: somebody asked to stop.
    fn read_again(&mut self, stop: &Stop) -> Result<bool, Failure> {
        let mut told = None;
        while !self.begun.is_current(self.args) {
            if stop.asked() {
                return Ok(false);
            }
            match Begun::read(self.args) {
                Ok(begun) => {
                    tracing::warn!(
                        before = ?self.begun.processes,
                        processes = ?begun.processes,
                        "the settings have changed since the processes were started: they start with the new ones"
                    );
                    self.locks.clear();
                    self.locks = begun.lock()?;
                    self.begun = begun;
                }
                Err(failure) => {
                    let why = failure.to_string();
                    if told.as_ref() != Some(&why) {
                        tracing::error!(
                            "the settings have changed since the processes were started, and these cannot be \
                             used; waiting until they can: {why}"
                        );
                        told = Some(why);
                    }
                    self.signs.alive();
                    let until = Instant::now() + SIGN;
                    while Instant::now() < until && !stop.asked() {
                        std::thread::sleep(LOOK);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Waits until a process ends by itself, which it tells; `None`: all have ended in order.
    ///
    /// # Errors
    /// When some do not end in time.
    fn watch(&self, children: &mut Children, stop: &Stop) -> Result<Option<ChildEnd>, Failure> {
        let (mut until, mut signed) = (None, None::<Instant>);
        loop {
            if signed.is_none_or(|signed| signed.elapsed() >= SIGN) {
                signed = Some(Instant::now());
                self.signs.alive();
            }
            if stop.asked() && until.is_none() {
                tracing::info!("asked to stop: all processes of this host end in order");
                self.signs.ending();
                children.all.iter_mut().for_each(Child::stop);
                until = Some(Instant::now() + self.begun.settings.limits.shutdown + LATE);
            }
            if until.is_none() {
                self.end_silent(children);
            }
            let (left, failed) = children.look();
            // While all end, one may hear of the end of another before its own.
            if let Some(ended) = failed.filter(|ended| until.is_none() || !ended.is_lost()) {
                return Ok(Some(ended));
            }
            if left == 0 {
                return Ok(None);
            }
            if left < children.all.len() && until.is_none() {
                // The job is over: so it is for the others.
                until = Some(Instant::now() + self.begun.settings.limits.shutdown + LATE);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Failure::failed(format!("{left} processes did not end in time"))
                    .hint("they are ended now, and the next start goes on from the job's state"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends those that have given no sign of life for as long as a worker may stand still.
    fn end_silent(&self, children: &mut Children) {
        let longest = self.begun.settings.http.stall_after;
        for child in &mut children.all {
            if let Some(process) = child.is_silent(longest) {
                tracing::error!(
                    process,
                    ?longest,
                    "no sign of life: it, or a worker of it, stands still; it is ended, and its log before \
                     this says what it did"
                );
                child.kill();
            }
        }
    }

    /// Whether all are to be started again.
    fn judge(&mut self, ended: &ChildEnd) -> Result<(), Failure> {
        let failure = |why: &str| Failure::failed(format!("{ended}; {why}"));
        match ended.code {
            Some(code) if code == Exit::Wrong.code() => {
                return Err(Failure::usage(format!("{ended}; its last lines say what is wrong")));
            }
            Some(code) if code == Exit::TakenOver.code() => {
                return Err(failure("another cluster runs this job now").taken_over());
            }
            _ => {}
        }
        if ended.is_lost() && self.begun.processes.len() < self.begun.settings.cluster.count() {
            // Another supervisor's process has failed.
            return Ok(());
        }
        let within = self.begun.settings.cluster.failures_within;
        self.failures.push_back(Instant::now());
        self.failures.retain(|at| at.elapsed() <= within);
        let (most, count) = (self.begun.settings.cluster.failures_max, self.failures.len());
        if count >= most {
            return Err(failure(&format!(
                "that was the {count}th end within {within:?}, and they are not started again"
            ))
            .hint(
                "the lines before say why each ended; when that is mended, `tidemark up` goes on from \
                 the job's state. \"failures_max\" and \"failures_within\" in [cluster] say how often",
            ));
        }
        Ok(())
    }
}

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
//! A process ends with its supervisor: it holds the other end of the supervisor's socket, over which it is
//! asked to end in order.

mod child;

use crate::cli::UpArgs;
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::life_signs::LifeSigns;
use crate::run::place::no_process;
use crate::signals::Stop;
use crate::{job_file, logging};
use child::{Child, ChildEnd, Children};
use rustix::fs::{FlockOperation, flock};
use std::collections::VecDeque;
use std::fs::File;
use std::net::{TcpListener, ToSocketAddrs as _};
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
    let flags = Flags { workers: args.workers, ..Flags::default() };
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), flags)?;
    let job = job_file::load(&args.job)?;
    logging::start(&settings.log.level, settings.log.format, logging::LogTarget::Stderr)
        .map_err(Failure::usage)?;
    let processes = processes(args, &settings)?;
    let _locks = lock(&settings, &processes)?;
    let stop = Stop::on_signals()?;
    tracing::info!(job = job.plan.name, ?processes, "supervising");
    let signs = LifeSigns::to_service();
    let (settings, failures) = (&settings, VecDeque::new());
    Supervisor { args, settings, processes, failures, signs }.run(&stop)
}

/// The processes that are to be supervised.
fn processes(args: &UpArgs, settings: &Settings) -> Result<Vec<usize>, Failure> {
    let count = settings.cluster.count();
    if let Some(process) = args.process {
        return match process < count {
            true => Ok(vec![process]),
            false => Err(no_process(process, count)),
        };
    }
    if count == 1 {
        return Ok(vec![0]);
    }
    let is_here =
        |process: &usize| settings.cluster.host(*process).is_some_and(|host| is_here(&host));
    let here: Vec<usize> = (0..count).filter(is_here).collect();
    if here.is_empty() {
        return Err(Failure::usage("no address in [cluster] is one of this host")
            .hint("say which process this host runs, by --process N"));
    }
    Ok(here)
}

/// Whether a host is this one: whether anybody can listen there.
fn is_here(host: &str) -> bool {
    let addresses = (host.trim_matches(['[', ']']), 0).to_socket_addrs();
    addresses.is_ok_and(|mut addresses| addresses.any(|at| TcpListener::bind(at).is_ok()))
}

/// Keeps other supervisors of these processes from beginning, as long as it is held, where the state is
/// in a folder.
fn lock(settings: &Settings, processes: &[usize]) -> Result<Vec<File>, Failure> {
    let Some(folder) = settings.state.folder() else { return Ok(Vec::new()) };
    let lock = |process: &usize| -> Result<File, Failure> {
        // No object of the store has such a name.
        let path = folder.join(format!(".up-{process}.lock"));
        let failed = |why: std::io::Error| {
            Failure::failed(format!("cannot lock {} for process {process}: {why}", path.display()))
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Failure::failed(format!(
                "process {process} of the cluster with its state in {} is supervised already",
                folder.display()
            ))
            .hint("end the other `tidemark up` first, or give this cluster a state of its own")),
            Err(why) => Err(failed(why.into())),
        }
    };
    processes.iter().map(lock).collect()
}

struct Supervisor<'a> {
    args: &'a UpArgs,
    settings: &'a Settings,
    processes: Vec<usize>,
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
            for process in &self.processes {
                children.all.push(Child::start(*process, self.args)?);
            }
            let Some(ended) = self.watch(&mut children, stop)? else { return Ok(Exit::Done) };
            // The first that was seen may have ended because of another one, which says why.
            let ended = children.settle(GRACE).unwrap_or(ended);
            children.end();
            self.judge(&ended)?;
            if stop.asked() {
                let why =
                    "it was asked to end in order; the next start goes on from the job's state";
                return Err(Failure::failed(format!("{ended}: {why}")));
            }
            if began.elapsed() > self.settings.cluster.failures_within {
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
        }
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
                until = Some(Instant::now() + self.settings.limits.shutdown + LATE);
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
                until = Some(Instant::now() + self.settings.limits.shutdown + LATE);
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
        let longest = self.settings.http.stall_after;
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
        if ended.is_lost() && self.processes.len() < self.settings.cluster.count() {
            // Another supervisor's process has failed.
            return Ok(());
        }
        let within = self.settings.cluster.failures_within;
        self.failures.push_back(Instant::now());
        self.failures.retain(|at| at.elapsed() <= within);
        let (most, count) = (self.settings.cluster.failures_max, self.failures.len());
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

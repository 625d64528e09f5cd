//! Processes that are supervised.

use super::LOOK;
use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::life_signs;
use crate::run::place::STOP;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What of the time between two looks counts as silence, at most.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// A process.
pub(super) struct Child {
    number: usize,
    child: std::process::Child,
    /// The other end of its standard input: it is asked to end there, and gives signs of life.
    talk: UnixStream,
    /// For how long it has given none; `None` before the first, while it reads its state.
    silent: Option<Duration>,
    /// When that was looked at last.
    looked: Instant,
    ended: Option<ExitStatus>,
}

/// How a process ended by itself.
pub(super) struct ChildEnd {
    number: usize,
    status: ExitStatus,
    /// What it exited with; `None`: a signal ended it.
    pub code: Option<u8>,
}

impl ChildEnd {
    /// Whether it ended because another one did.
    pub fn is_lost(&self) -> bool {
        self.code == Some(Exit::PeerLost.code())
    }
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ended by itself ({})", self.number, self.status)
    }
}

impl Child {
    /// Starts process `number`, which accepts what `args` say to accept if it is `accepting`.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn start(number: usize, args: &UpArgs, accepting: bool) -> Result<Self, Failure> {
        let failed = |why| Failure::failed(format!("cannot start process {number}: {why}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["run", &args.job, "--supervised", "--process", &number.to_string()]);
        if let Some(cluster) = &args.cluster {
            command.arg("--cluster").arg(cluster);
        }
        if let Some(workers) = args.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        if accepting {
            let topics = args.accept_changed_topic.iter();
            command.args(topics.map(|name| format!("--accept-changed-topic={name}")));
            command.args(args.start_empty.iter().map(|name| format!("--start-empty={name}")));
        }
        let (talk, its) = UnixStream::pair().map_err(failed)?;
        talk.set_nonblocking(true).map_err(failed)?;
        // Who started this process hears of this one alone.
        command.env_remove(life_signs::SOCKET).stdin(Stdio::from(OwnedFd::from(its)));
        let child = command.spawn().map_err(failed)?;
        tracing::info!(process = number, pid = child.id(), "started");
        Ok(Child { number, child, talk, silent: None, looked: Instant::now(), ended: None })
    }

    /// Asks it to end in order.
    pub fn stop(&mut self) {
        // Whoever does not listen has ended.
        let _ = self.talk.write_all(format!("{STOP}\n").as_bytes());
    }

    /// Its number, if it has given no sign of life for so long. Between two looks no more than a second
    /// counts: who was stopped himself, with the whole machine or alone, has not listened.
    pub fn is_silent(&mut self, longest: Duration) -> Option<usize> {
        let mut signs = [0; 256];
        let since = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        if let Some(silent) = &mut self.silent {
            *silent += since.min(LOOK_MAX);
        }
        while self.talk.read(&mut signs).is_ok_and(|count| count > 0) {
            self.silent = Some(Duration::ZERO);
        }
        let silent = self.silent.is_some_and(|silent| silent >= longest);
        (silent && self.has_ended().is_none()).then_some(self.number)
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended just now.
        let _ = self.child.kill();
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }
}

/// All of them; whoever is left ends with this.
#[derive(Default)]
pub(super) struct Children {
    pub all: Vec<Child>,
}

impl Children {
    /// How many are left, and one that has failed, if any has: of several one whose own failure it is.
    pub fn look(&mut self) -> (usize, Option<ChildEnd>) {
        let ended: Vec<_> =
            self.all.iter_mut().map(|child| (child.number, child.has_ended())).collect();
        let failed = ended.iter().filter_map(|(number, status)| {
            let status = status.filter(|status| !status.success())?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Some(ChildEnd { number: *number, status, code })
        });
        let left = ended.iter().filter(|(_, status)| status.is_none()).count();
        (left, failed.min_by_key(ChildEnd::is_lost))
    }

    /// Whether all have come up: each has given a sign of life.
    pub fn have_begun(&self) -> bool {
        self.all.iter().all(|child| child.silent.is_some())
    }

    /// Waits until none is left, for `grace` at most; one that has failed, as [`Children::look`] gives it.
    pub fn settle(&mut self, grace: Duration) -> Option<ChildEnd> {
        let until = Instant::now() + grace;
        loop {
            let (left, failed) = self.look();
            if left == 0 || Instant::now() >= until {
                return failed;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends those that are left, at once.
    pub fn end(&mut self) {
        for child in &mut self.all {
            if child.has_ended().is_none() {
                child.kill();
                child.ended = child.child.wait().ok();
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.end();
    }
}

//! Processes that are supervised.

use super::LOOK;
use crate::cli::UpArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run::place::STOP;
use std::fmt;
use std::io::Write as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A process.
pub(super) struct Child {
    number: usize,
    child: std::process::Child,
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
    /// Starts process `number`.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn start(number: usize, args: &UpArgs) -> Result<Self, Failure> {
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
        let child = command.stdin(Stdio::piped()).spawn().map_err(failed)?;
        tracing::info!(process = number, pid = child.id(), "started");
        Ok(Child { number, child, ended: None })
    }

    /// Asks it to end in order.
    pub fn stop(&mut self) {
        if let Some(pipe) = &mut self.child.stdin {
            // Whoever does not listen has ended.
            let _ = pipe.write_all(format!("{STOP}\n").as_bytes());
        }
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
                // It may have ended just now.
                let _ = child.child.kill();
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

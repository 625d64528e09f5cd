//! What the process ends with: one scheme for all commands.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to do.
    Done = 0,
    /// It ran and failed.
    Failed = 1,
    /// The command line, a file it names or the environment is wrong; nothing was started.
    Wrong = 2,
    /// It asked a question, and the answer is no: a case of `test` failed, `get` found no row.
    No = 3,
    /// A panic, which is a defect of ours. The codes from 70 to 79 are for ends of a running job
    /// that whatever supervises it has to tell from one another.
    Defect = 70,
    /// Another process has taken the job's state over from this one. Nothing is to be done, and it is
    /// not to be started again: the other one runs.
    TakenOver = 75,
    /// Another process of the cluster is gone or silent, and this one ends with it: all are to be
    /// started again, and go on from the job's state.
    PeerLost = 76,
    /// SIGINT came before the end.
    Interrupted = 130,
    /// SIGTERM came before the end.
    Terminated = 143,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Ends the process at once, without cleaning up.
    pub fn now(self) -> ! {
        std::process::exit(i32::from(self.code()))
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

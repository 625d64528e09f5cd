//! Whether a run of a job still leads, as those ask it that write elsewhere.

/// Why a process may not be taken for the one that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotLeading {
    /// Another process has taken the job's state over.
    TakenOver,
    /// The store of the state does not say; why.
    Unknown(String),
}

/// Fails in a process that another one has taken over from, and where that cannot be found out. Asks the
/// store of the state each time.
pub type Leading = Box<dyn Fn() -> Result<(), NotLeading> + Send + Sync>;

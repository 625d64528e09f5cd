//! `/health`: what works and what does not.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The state of one component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    #[default]
    Ok,
    /// It works, and needs attention soon.
    Degraded,
    /// It does not work; the job goes on and keeps trying.
    Down,
    /// It stands still and will not recover by itself.
    Stalled,
}

/// What kind of component it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The job as a whole.
    Job,
    /// A source of the job.
    Source,
    /// The schema registry that sources ask.
    Registry,
    /// A reference table.
    Table,
    /// The online store, the sealed rows, or the dead letters.
    Sink,
    /// A worker thread.
    Worker,
    /// Memory of the process.
    Memory,
    /// Space where files are written.
    Disk,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name: a source's or a sink's, a worker's number.
    pub name: String,
    /// What kind it is.
    pub kind: Part,
    /// Its state.
    pub state: State,
    /// Why it is in that state, or what there is to know about it. Free of secrets.
    pub reason: String,
}

/// The whole: follows from the components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything works.
    #[default]
    Ok,
    /// Something the job depends on is down or needs attention; the job goes on.
    Degraded,
    /// A worker stands still: the process should be restarted.
    Stalled,
}

/// The answer of `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The job's name.
    pub job: String,
    /// How long the process has run, in ms.
    pub uptime_ms: u64,
    /// All components.
    pub components: Vec<Component>,
}

impl Health {
    /// The state of the whole: stalled if a worker is, degraded if anything is not ok.
    pub fn status(&self) -> Status {
        let stalled = |c: &Component| c.kind == Part::Worker && c.state == State::Stalled;
        if self.components.iter().any(stalled) {
            Status::Stalled
        } else if self.components.iter().any(|c| c.state != State::Ok) {
            Status::Degraded
        } else {
            Status::Ok
        }
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("status", &self.status())?;
        map.serialize_entry("job", &self.job)?;
        map.serialize_entry("version", crate::version::VERSION)?;
        map.serialize_entry("uptime_ms", &self.uptime_ms)?;
        map.serialize_entry("components", &self.components)?;
        map.end()
    }
}

//! Where a start ends.

/// A moment in the life of a process.
pub struct Phase {
    pub name: &'static str,
    /// The named point of the product.
    pub point: &'static str,
    /// It ends at one of the first so many times that it comes there.
    pub times: u32,
    /// Whether it is asked to stop before.
    pub asked_to_stop: bool,
    /// How often, of a hundred times, it stands still there while another one takes over.
    pub stands: u8,
}

const fn phase(name: &'static str, point: &'static str, times: u32) -> Phase {
    Phase { name, point, times, asked_to_stop: false, stands: 0 }
}

const fn stopping(name: &'static str, point: &'static str) -> Phase {
    Phase { asked_to_stop: true, ..phase(name, point, 1) }
}

const fn standing(name: &'static str, point: &'static str, times: u32) -> Phase {
    Phase { stands: 25, ..phase(name, point, times) }
}

/// Those at which deliberate bugs show.
pub const AIMED: [Phase; 8] = [
    phase("reading", "read.records", 8),
    phase("cut, before the manifest", "cut.manifest", 2),
    Phase { stands: 100, ..phase("cut, taken over before the manifest", "cut.manifest", 3) },
    phase("cut, behind the manifest", "cut.committed", 4),
    phase("publish, before", "publish.letters", 2),
    phase("publish, behind", "publish.published", 2),
    phase("sealed rows published", "publish.sealed.done", 2),
    phase("cut, behind the manifest again", "cut.committed", 6),
];

/// All of them.
pub const PHASES: [Phase; 18] = [
    phase("start-up", "start.opened", 1),
    standing("start-up, taken over", "start.taken_over", 1),
    phase("restore, rows", "restore.rows", 3),
    phase("restore, states", "restore.states", 3),
    standing("catching up", "read.records", 4),
    phase("reading", "read.records", 16),
    standing("cut, segment written", "cut.segment", 8),
    phase("cut, states written", "cut.states", 2),
    standing("cut, letters written", "cut.letters", 3),
    standing("cut, before the manifest", "cut.manifest", 4),
    phase("cut, behind the manifest", "cut.committed", 4),
    phase("publish, before", "publish.letters", 3),
    standing("publish, half written", "publish.write", 3),
    phase("publish, behind", "publish.published", 3),
    standing("sealed rows, half published", "publish.sealed", 3),
    phase("sealed rows published", "publish.sealed.done", 3),
    stopping("stop, asked", "stop.asked"),
    stopping("stop, checkpoint made", "stop.checkpointed"),
];

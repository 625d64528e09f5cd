//! Rows that no window lets go of for a while: their columns leave memory, and come back when they depart.
//!
//! ```text
//!          left by        left by         left by                      clock
//!           30 d           24 h             5 m                          │
//!  log ──┬───▼───┬───────┬───▼───┬───────┬───▼───┬───────┬───────┬───────┤
//!        │ back  │ cold  │ back  │ cold  │ back  │ cold  │  hot  │  hot  │
//!        └───────┴───────┴───────┴───────┴───────┴───────┴───────┴───────┘
//!                                                 hot_window ────────────┘
//! ```
//!
//! A chunk whose last row lies `hot_window` behind the clock is handed as bytes to [`ColdRows`], and once it
//! has been written its columns go. What a chunk is asked for as a whole stays: [`Chunk`]. Where an edge of a
//! window comes to it, its columns are read back, once for each edge, and go again behind it; the next
//! chunk is asked for while the edge is in the second half of the one before it. Entities and values go on
//! being counted by the rows that are elsewhere, so their numbers stay what they are.
//!
//! **Why not the checkpoint's segments:** these name entities and values by texts, for another process to
//! read; to read a chunk of them back would be to look up each text again. They come late (with the next
//! checkpoint), may be in a store far away, and are not there without one. It costs disk for
//! the rows a second time.
//!
//! Bounds: [`PUTS_MAX`] chunks of a log are on their way out, [`BACK_A_PLACE`] for each at which an edge of a
//! window stands are back, and as many are read ahead.

use super::chunk::Chunk;
use super::columns::{ColumnLayout, Columns};
use crate::time::{EventTime, Millis, SECOND};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

/// Chunks of a log that are being written.
pub const PUTS_MAX: usize = 2;
/// Chunks that are back, for each at which edges of windows stand: that one, and the next one.
pub const BACK_A_PLACE: usize = 2;
/// How far the clock goes on until what could not be written is tried again.
const RETRY_AFTER: Millis = 10 * SECOND;

/// Bytes that were put somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColdTicket(pub u64);

/// Where the rows of one log go that are not needed for a while. Nothing of it outlives the process.
pub trait ColdRows {
    /// Begins to write `bytes`, and does not wait for it.
    fn put(&mut self, bytes: Vec<u8>) -> ColdTicket;

    /// The next of what was put that has been written, or could not be: why, for people.
    fn written(&mut self) -> Option<(ColdTicket, Result<(), String>)>;

    /// Begins to read what was written, and does not wait for it.
    fn ask(&mut self, ticket: ColdTicket);

    /// What was written, which stays there. Waits for it.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written: what was read, where, and why not.
    fn take(&mut self, ticket: ColdTicket) -> Result<Vec<u8>, String>;

    /// Nobody wants it any more.
    fn free(&mut self, ticket: ColdTicket);
}

/// Opens where the rows of an entity, by its place in the plan, go.
pub type OpenCold = Box<dyn Fn(usize) -> Box<dyn ColdRows>>;

/// How the logs of a worker let rows go.
pub struct Cold {
    /// Rows so far behind the clock go.
    pub hot_window: Millis,
    /// Where they go.
    pub open: OpenCold,
}

/// What of a log is elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColdCounts {
    /// Rows that are written, whether back in memory or not.
    pub rows: u64,
    /// The bytes of those.
    pub bytes: u64,
    /// Chunks of those that are in memory, too.
    pub back: u64,
    /// Chunks that have been read back so far.
    pub reads: u64,
    /// Chunks that could not be written so far.
    pub failures: u64,
}

/// Where the columns of a chunk are.
pub(crate) struct ColdPlace {
    log: Rc<ColdLog>,
    ticket: ColdTicket,
    chunk: Weak<Chunk>,
    rows: u64,
    bytes: u64,
}

impl ColdPlace {
    /// Its `rows` rows, which are `bytes` bytes; `None`: they cannot be read.
    pub fn read(&self, rows: u32, bytes: usize) -> Option<Columns> {
        let columns = self.log.read(self.ticket, rows)?;
        self.log.out.set(self.log.out.get().saturating_sub(bytes));
        self.log.reads.set(self.log.reads.get() + 1);
        self.log.is_back(Weak::clone(&self.chunk));
        Some(columns)
    }

    /// Whether something of its log could not be read.
    pub fn is_lost(&self) -> bool {
        self.log.lost.borrow().is_some()
    }
}

impl Drop for ColdPlace {
    fn drop(&mut self) {
        let (rows, bytes) = self.log.held.get();
        self.log.held.set((rows.saturating_sub(self.rows), bytes.saturating_sub(self.bytes)));
        self.log.free(self.ticket);
    }
}

/// What the chunks of a log share of where they are.
struct ColdLog {
    /// The entity type, for people.
    entity: String,
    rows: RefCell<Box<dyn ColdRows>>,
    layout: ColumnLayout,
    /// Those that are both here and elsewhere, the first to be back first.
    back: RefCell<VecDeque<Weak<Chunk>>>,
    back_max: Cell<usize>,
    /// What is read ahead, and how many bytes each has.
    asked: RefCell<BTreeMap<ColdTicket, usize>>,
    /// Rows and bytes that are elsewhere.
    held: Cell<(u64, u64)>,
    /// Bytes of columns that are not here.
    out: Cell<usize>,
    reads: Cell<u64>,
    failures: Cell<u64>,
    /// Why something could not be read.
    lost: RefCell<Option<String>>,
}

impl ColdLog {
    fn read(&self, ticket: ColdTicket, rows: u32) -> Option<Columns> {
        if self.lost.borrow().is_some() {
            return None;
        }
        self.asked.borrow_mut().remove(&ticket);
        let taken = self.rows.borrow_mut().take(ticket);
        let columns = taken.and_then(|bytes| {
            let columns = Columns::of_bytes(&self.layout, rows as usize, &bytes);
            columns.ok_or_else(|| format!("{} bytes are not {rows} rows", bytes.len()))
        });
        match columns {
            Ok(columns) => Some(columns),
            Err(why) => {
                *self.lost.borrow_mut() = Some(format!(
                    "reading back {rows} events of the timeline of entity \"{}\", which had left memory: \
                     {why}; look at the disk, and start the job again: with \"url\" in [state] it goes on \
                     from its last checkpoint, which has these events, too",
                    self.entity
                ));
                None
            }
        }
    }

    /// A chunk is both here and elsewhere: beyond the bound the one that has been for longest goes.
    fn is_back(&self, chunk: Weak<Chunk>) {
        let mut back = self.back.borrow_mut();
        back.push_back(chunk);
        while back.len() > self.back_max.get() {
            let Some(first) = back.pop_front().and_then(|first| first.upgrade()) else { continue };
            self.let_go(&first);
        }
    }

    fn let_go(&self, chunk: &Chunk) {
        if chunk.let_go() {
            self.out.set(self.out.get() + chunk.bytes());
        }
    }

    /// Lets go of those that are back and not `wanted`.
    fn sweep(&self, wanted: impl Fn(&Chunk) -> bool) {
        self.back.borrow_mut().retain(|chunk| {
            let Some(chunk) = chunk.upgrade() else { return false };
            let is_wanted = wanted(&chunk);
            if !is_wanted {
                self.let_go(&chunk);
            }
            is_wanted
        });
    }

    fn ask(&self, chunk: &Chunk) {
        let Some(place) = chunk.place().filter(|_| !chunk.is_here()) else { return };
        let mut asked = self.asked.borrow_mut();
        if asked.len() < self.back_max.get() && !asked.contains_key(&place.ticket) {
            asked.insert(place.ticket, chunk.bytes());
            self.rows.borrow_mut().ask(place.ticket);
        }
    }

    fn free(&self, ticket: ColdTicket) {
        self.asked.borrow_mut().remove(&ticket);
        self.rows.borrow_mut().free(ticket);
    }
}

/// A chunk that is being written.
struct ColdPut {
    ticket: ColdTicket,
    base: u64,
    bytes: usize,
    chunk: Weak<Chunk>,
}

/// Lets the rows of a log go, and has them read ahead.
pub(super) struct Cooling {
    log: Rc<ColdLog>,
    hot_window: Millis,
    /// Chunks below this have been handed over.
    next: u64,
    puts: VecDeque<ColdPut>,
    /// Nothing is written until the clock is there.
    retry: EventTime,
    /// The chunks at which edges stand, by their places in the log: of a step.
    at: Vec<usize>,
}

impl Cooling {
    pub fn new(
        entity: &str,
        layout: ColumnLayout,
        hot_window: Millis,
        rows: Box<dyn ColdRows>,
    ) -> Self {
        let log = ColdLog {
            entity: entity.to_owned(),
            rows: RefCell::new(rows),
            layout,
            back: RefCell::default(),
            back_max: Cell::new(BACK_A_PLACE),
            asked: RefCell::default(),
            held: Cell::default(),
            out: Cell::default(),
            reads: Cell::default(),
            failures: Cell::default(),
            lost: RefCell::default(),
        };
        let (log, puts) = (Rc::new(log), VecDeque::new());
        Cooling { log, hot_window, next: 0, puts, retry: 0, at: Vec::new() }
    }

    /// Why something could not be read.
    pub fn lost(&self) -> Option<String> {
        self.log.lost.borrow().clone()
    }

    pub fn is_lost(&self) -> bool {
        self.log.lost.borrow().is_some()
    }

    pub fn counts(&self) -> ColdCounts {
        let (rows, bytes) = self.log.held.get();
        let back = self.log.back.borrow().len() as u64;
        ColdCounts {
            rows,
            bytes,
            back,
            reads: self.log.reads.get(),
            failures: self.log.failures.get(),
        }
    }

    /// How many bytes the chunks have that are not in memory, and how many there are besides the chunks.
    pub fn bytes(&self) -> (usize, usize) {
        let asked = self.log.asked.borrow().values().sum::<usize>();
        (self.log.out.get(), asked + self.puts.iter().map(|put| put.bytes).sum::<usize>())
    }

    /// Hands over chunks that lie behind the clock `now` and below `through`, lets go of what has been
    /// written, and asks for what the edges at `places` come to; says whether there is more to hand over.
    /// `shrunk` is told by how many bytes chunks have become smaller.
    pub fn step(
        &mut self,
        chunks: &VecDeque<Rc<Chunk>>,
        (now, through): (EventTime, u64),
        places: &[u64],
        shrunk: &mut usize,
    ) -> bool {
        let mut at = std::mem::take(&mut self.at);
        at.clear();
        let chunk_at = |place: &u64| chunks.partition_point(|chunk| chunk.end() <= *place);
        at.extend(places.iter().map(chunk_at));
        at.sort_unstable();
        at.dedup();
        self.log.back_max.set(BACK_A_PLACE * at.len().max(1));
        self.written(now, shrunk);
        let stands = |chunk: &Chunk| {
            // Whoever holds a chunk that has left the log reads it back for himself.
            let place = chunks.partition_point(|other| other.base() < chunk.base());
            let is_own = chunks.get(place).is_some_and(|other| other.base() == chunk.base());
            is_own && at.binary_search(&place).is_ok()
        };
        self.log.sweep(stands);
        let more = self.put(chunks, now, through);
        for place in &at {
            let Some(chunk) = chunks.get(*place) else { continue };
            self.log.ask(chunk);
            // The last of its edges says whether the next one is near.
            let edges = places.iter().filter(|edge| **edge < chunk.end());
            let furthest = edges.max().map_or(0, |edge| edge.saturating_sub(chunk.base()));
            let next = chunks.get(place + 1).filter(|_| furthest * 2 > u64::from(chunk.len()));
            next.iter().for_each(|next| self.log.ask(next));
        }
        self.at = at;
        more
    }

    /// Takes in what has been written.
    fn written(&mut self, now: EventTime, shrunk: &mut usize) {
        loop {
            let written = self.log.rows.borrow_mut().written();
            let Some((ticket, outcome)) = written else { return };
            let Some(at) = self.puts.iter().position(|put| put.ticket == ticket) else { continue };
            let Some(put) = self.puts.remove(at) else { continue };
            match (outcome, put.chunk.upgrade()) {
                (Ok(()), Some(chunk)) => {
                    let (before, rows) = (chunk.bytes(), u64::from(chunk.len()));
                    let (held, bytes) = (self.log.held.get(), put.bytes as u64);
                    self.log.held.set((held.0 + rows, held.1 + bytes));
                    let (log, chunk_of) = (Rc::clone(&self.log), Weak::clone(&put.chunk));
                    chunk.is_at(ColdPlace { log, ticket, chunk: chunk_of, rows, bytes });
                    *shrunk += before.saturating_sub(chunk.bytes());
                    self.log.is_back(put.chunk);
                }
                (Ok(()), None) => self.log.free(ticket),
                // Whoever writes has said why. The rows stay where they are.
                (Err(_), _) => {
                    self.log.failures.set(self.log.failures.get() + 1);
                    self.next = self.next.min(put.base);
                    self.retry = now.saturating_add(RETRY_AFTER);
                }
            }
        }
    }

    fn put(&mut self, chunks: &VecDeque<Rc<Chunk>>, now: EventTime, through: u64) -> bool {
        if now < self.retry {
            return false;
        }
        let first = chunks.partition_point(|chunk| chunk.base() < self.next);
        // The last one is being filled.
        let full = chunks.len().saturating_sub(1);
        for chunk in chunks.range(first.min(full)..full) {
            let is_hot = chunk.last_time().saturating_add(self.hot_window) >= now;
            if is_hot || chunk.end() > through {
                return false;
            }
            let is_put = self.puts.iter().any(|put| put.base == chunk.base());
            if chunk.place().is_none() && !is_put {
                if self.puts.len() >= PUTS_MAX {
                    return true;
                }
                let Some(columns) = chunk.columns() else { return false };
                let bytes = columns.to_bytes(&self.log.layout, chunk.len() as usize);
                let (base, size, weak) = (chunk.base(), bytes.len(), Rc::downgrade(chunk));
                let ticket = self.log.rows.borrow_mut().put(bytes);
                self.puts.push_back(ColdPut { ticket, base, bytes: size, chunk: weak });
            }
            self.next = chunk.end();
        }
        false
    }
}

//! The file of sealed rows, read again by those who publish them.
//!
//! What a checkpoint has of the file is never written again. Where it is not to be kept, its room is given
//! back to the disk once all its readers are done with it: the file's length stays, and what was there reads
//! as zeros.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of rows that are read together, and held in memory meanwhile; default 4 MiB. A longer line is read
/// by itself.
pub const READ_BYTES: usize = 4 << 20;

/// Room is given back to the disk in pieces of so many bytes.
const PIECE: u64 = 1 << 20;

/// The room of the file, which several readers share.
pub struct OutboxRoom {
    file: File,
    state: Mutex<RoomState>,
}

struct RoomState {
    /// Whether the room is kept.
    keep: bool,
    /// Of each reader up to where it is done; `None`: it has not begun.
    places: Vec<Option<u64>>,
    freed: Option<u64>,
}

/// The part of one reader in that.
pub struct RoomShare {
    room: Arc<OutboxRoom>,
    reader: usize,
}

impl OutboxRoom {
    /// Of a file, open for reading, and for writing unless its room is kept; a share for each of so many
    /// readers.
    pub fn shares(file: File, keep: bool, readers: usize) -> Vec<RoomShare> {
        let state = RoomState { keep, places: vec![None; readers], freed: None };
        let room = Arc::new(OutboxRoom { file, state: Mutex::new(state) });
        (0..readers).map(|reader| RoomShare { room: Arc::clone(&room), reader }).collect()
    }
}

impl RoomShare {
    /// What is before `place` is not read any more by this reader.
    pub fn done(&self, place: u64) {
        let mut state = self.room.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = state.places.get_mut(self.reader) {
            *own = Some(place);
        }
        let least = state.places.iter().copied().min().flatten();
        let Some(least) = least.filter(|_| !state.keep) else { return };
        let freed = *state.freed.get_or_insert(least);
        if least.saturating_sub(freed) >= PIECE {
            state.keep = !give_back(&self.room.file, freed, least);
            state.freed = Some(least);
        }
    }
}

/// Why rows cannot be read back, and what to do.
pub(crate) fn cut_off(place: u64, why: &io::Error) -> String {
    format!(
        "cannot read sealed rows back from byte {place} of their file: {why}; if somebody cut it off, start \
         the job again"
    )
}

/// Whole lines from `place` on, up to `until` at most, where a line ends; or some of the zeros that are there
/// instead.
pub(crate) fn read(file: &File, place: u64, until: u64) -> io::Result<Vec<u8>> {
    let mut most = READ_BYTES;
    loop {
        let left = usize::try_from(until.saturating_sub(place)).unwrap_or(usize::MAX);
        let mut lines = vec![0; most.min(left)];
        file.read_exact_at(&mut lines, place)?;
        // Holes begin where lines end.
        let hole = lines.iter().position(|byte| *byte == 0);
        if let Some(rows) = hole {
            let zeros = lines.iter().take_while(|byte| **byte == 0).count();
            lines.truncate(if rows == 0 { zeros } else { rows });
            return Ok(lines);
        }
        if lines.len() == left {
            return Ok(lines);
        }
        if let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') {
            lines.truncate(end + 1);
            return Ok(lines);
        }
        most = most.saturating_mul(2);
    }
}

/// Gives the room of what is published back to the disk; says whether that can be done here.
fn give_back(file: &File, from: u64, published: u64) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let given = fallocate(file, flags, from, published - from);
    if let Err(why) = &given {
        tracing::warn!(
            %why,
            "the room of published sealed rows cannot be given back to the disk, and is kept: set \
             \"keep = true\" in [sealed], or name a \"path\" on a file system that can"
        );
    }
    given.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_and_up_to_the_place_of_the_checkpoint() {
        let path = std::env::temp_dir().join(format!("tidemark-published-{}", std::process::id()));
        let long = "x".repeat(READ_BYTES + 10);
        let text = format!("one\ntwo\n{long}\nthree\nfour\n");
        std::fs::write(&path, &text).unwrap();
        let file = File::open(&path).unwrap();
        let until = (text.len() - "four\n".len()) as u64;
        let mut place = 0;
        let mut parts = Vec::new();
        while place < until {
            let lines = read(&file, place, until).unwrap();
            assert_eq!(lines.last(), Some(&b'\n'));
            place += lines.len() as u64;
            parts.push(lines);
        }
        assert_eq!(parts.concat(), text.as_bytes()[..until as usize]);
        assert_eq!(parts[0], b"one\ntwo\n");
        assert!(read(&file, place, until + 100).is_err(), "there is less than that");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_was_given_back_to_the_disk_is_passed_over_in_pieces_up_to_the_next_row() {
        let name = format!("tidemark-published-hole-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let hole = vec![0; 2 * READ_BYTES + 5];
        std::fs::write(&path, [&b"first\n"[..], &hole].concat()).unwrap();
        let mut file = File::options().read(true).append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"row\n").unwrap();
        let (until, mut place, mut parts) = (file.metadata().unwrap().len(), 0, Vec::new());
        while place < until {
            let lines = read(&file, place, until).unwrap();
            place += lines.len() as u64;
            parts.push((lines.first() == Some(&0), lines.len()));
        }
        assert_eq!(
            parts,
            [(false, 6), (true, READ_BYTES), (true, READ_BYTES), (true, 5), (false, 4)]
        );
        std::fs::remove_file(&path).unwrap();
    }
}

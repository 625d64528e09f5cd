//! The files of one entity type's events that have left memory, as the thread has them.

use super::SharedFolder;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tidemark_operators::timeline::cold::ColdTicket;

/// A file takes at least so many bytes.
const FILE_BYTES_MIN: u64 = 16 << 20;
/// A file takes such a part of all bytes of its entity type.
const FILES_ABOUT: u64 = 16;

/// The files of an entity type.
pub(super) struct LogFiles {
    folder: Arc<SharedFolder>,
    files: BTreeMap<u64, ColdFile>,
    next: u64,
    places: HashMap<ColdTicket, ColdPiece>,
    held: u64,
}

struct ColdFile {
    file: File,
    len: u64,
    pieces: usize,
}

/// Where what was put is.
#[derive(Clone, Copy)]
struct ColdPiece {
    file: u64,
    at: u64,
    len: usize,
    crc: u32,
}

impl LogFiles {
    pub fn new(folder: Arc<SharedFolder>) -> Self {
        LogFiles { folder, files: BTreeMap::new(), next: 0, places: HashMap::new(), held: 0 }
    }

    pub fn put(&mut self, ticket: ColdTicket, bytes: Vec<u8>) -> Result<(), String> {
        let len = bytes.len();
        let path = self.folder.path.display().to_string();
        let written = self.write(ticket, bytes);
        written.map_err(|why| {
            format!("could not write {len} bytes of events that leave memory to {path}: {why}")
        })
    }

    fn write(&mut self, ticket: ColdTicket, bytes: Vec<u8>) -> Result<(), String> {
        let bytes = match &self.folder.cipher {
            Some(cipher) => cipher.seal(ticket.0, &bytes).map_err(|error| error.to_string())?,
            None => bytes,
        };
        let most = (self.held / FILES_ABOUT).max(FILE_BYTES_MIN);
        let last = self.files.last_key_value().filter(|(_, file)| file.len < most);
        let number = match last.map(|(number, _)| *number) {
            Some(number) => number,
            None => {
                let file = self.folder.file().map_err(|error| error.to_string())?;
                self.next += 1;
                self.files.insert(self.next, ColdFile { file, len: 0, pieces: 0 });
                self.next
            }
        };
        let Some(to) = self.files.get_mut(&number) else { return Ok(()) };
        if let Err(error) = to.file.write_all_at(&bytes, to.len) {
            // A part may have been written: it takes room that somebody needs.
            let _ = to.file.set_len(to.len);
            if to.pieces == 0 {
                self.files.remove(&number);
            }
            return Err(error.to_string());
        }
        let (at, len, crc) = (to.len, bytes.len(), crc32c::crc32c(&bytes));
        (to.len, to.pieces) = (at + len as u64, to.pieces + 1);
        self.held += len as u64;
        self.places.insert(ticket, ColdPiece { file: number, at, len, crc });
        Ok(())
    }

    pub fn read(&self, ticket: ColdTicket) -> Result<Vec<u8>, String> {
        let piece = self.places.get(&ticket).ok_or("they were never written")?;
        let ColdPiece { at, len, crc, .. } = *piece;
        let wrong = |why: &str| {
            let folder = self.folder.path.display();
            format!("{len} bytes from byte {at} on of a file without a name in {folder}: {why}")
        };
        let file = self.files.get(&piece.file).ok_or_else(|| wrong("it is gone"))?;
        let mut bytes = vec![0; len];
        file.file.read_exact_at(&mut bytes, at).map_err(|error| wrong(&error.to_string()))?;
        if crc32c::crc32c(&bytes) != crc {
            return Err(wrong("they are not what was written there (their checksum is another)"));
        }
        match &self.folder.cipher {
            Some(cipher) => {
                cipher.open(ticket.0, &bytes).map_err(|error| wrong(&error.to_string()))
            }
            None => Ok(bytes),
        }
    }

    pub fn free(&mut self, ticket: ColdTicket) {
        let Some(piece) = self.places.remove(&ticket) else { return };
        self.held = self.held.saturating_sub(piece.len as u64);
        let Some(file) = self.files.get_mut(&piece.file) else { return };
        file.pieces = file.pieces.saturating_sub(1);
        if file.pieces == 0 {
            // Without a name, it is gone when it is closed.
            self.files.remove(&piece.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ColdFolder;
    use super::*;
    use std::path::{Path, PathBuf};

    /// A folder of its own.
    fn made(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("cold-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn files(folder: &Path, encrypted: bool) -> LogFiles {
        let folder = ColdFolder::open(folder, encrypted).unwrap();
        LogFiles::new(folder.0)
    }

    fn piece(number: u64) -> Vec<u8> {
        (0..1_000).flat_map(|at| (number * 7 + at).to_le_bytes()).collect()
    }

    #[test]
    fn what_is_put_comes_back_and_a_flipped_bit_or_a_short_file_is_told_and_never_given() {
        let folder = made("flipped");
        for encrypted in [false, true] {
            let mut files = files(&folder, encrypted);
            for number in 0..20 {
                files.put(ColdTicket(number), piece(number)).unwrap();
            }
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "no file has a name");
            assert_eq!(files.read(ColdTicket(7)).unwrap(), piece(7));
            let place = files.places[&ColdTicket(7)];
            let file = &files.files[&place.file].file;
            let mut byte = [0];
            file.read_exact_at(&mut byte, place.at + 77).unwrap();
            file.write_all_at(&[byte[0] ^ 4], place.at + 77).unwrap();
            let why = files.read(ColdTicket(7)).unwrap_err();
            assert!(why.contains(&format!("from byte {} on", place.at)), "{why}");
            assert!(why.contains("checksum is another"), "{why}");
            files.files[&place.file].file.set_len(place.at + 78).unwrap();
            assert!(files.read(ColdTicket(8)).unwrap_err().contains("fill whole buffer"));
            assert_eq!(files.read(ColdTicket(6)).unwrap(), piece(6), "the others are as they were");
        }
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_file_goes_with_the_last_of_its_pieces() {
        let folder = made("pieces");
        let mut files = files(&folder, false);
        let large = vec![7; usize::try_from(FILE_BYTES_MIN).unwrap() / 4];
        for number in 0..12 {
            files.put(ColdTicket(number), large.clone()).unwrap();
        }
        let lens = |files: &LogFiles| files.files.values().map(|f| f.pieces).collect::<Vec<_>>();
        assert_eq!(lens(&files), [4, 4, 4]);
        for number in [0, 1, 2, 5, 6, 3] {
            files.free(ColdTicket(number));
        }
        assert_eq!((lens(&files), files.held), (vec![2, 4], 6 * large.len() as u64));
        assert_eq!(files.read(ColdTicket(4)).unwrap(), large);
        assert_eq!(files.read(ColdTicket(3)).unwrap_err(), "they were never written");
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_takes_no_files_is_refused_with_what_to_do() {
        let why = ColdFolder::open(Path::new("/proc/tidemark"), false).unwrap_err().to_string();
        assert!(why.starts_with("cannot keep events in /proc/tidemark"), "{why}");
        assert!(why.contains("\"cold\" in [state]"), "{why}");
    }
}

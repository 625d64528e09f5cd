//! What a run that was killed has written into the file of sealed rows behind its newest checkpoint.

use super::{RecoveryError, system};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use tidemark_operators::time::EventTime;

/// How much of the file's end is looked at: rows stand in the order of their times, and none is longer.
const TAIL_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
struct SealedLine {
    as_of: EventTime,
}

/// The time of the newest row that is behind the first `known` bytes of the file at `path`; `None`: there
/// is none, or it is no file.
pub(super) fn newest(path: &Path, known: u64) -> Result<Option<EventTime>, RecoveryError> {
    let tail = read_tail(path, known)
        .map_err(|why| system(&format!("look at the sealed rows in {}", path.display()), why))?;
    let lines = tail.split(|byte| *byte == b'\n');
    // The first may be half a line, and so may the last.
    let times = lines.filter_map(|line| serde_json::from_slice::<SealedLine>(line).ok());
    Ok(times.map(|line| line.as_of).max())
}

fn read_tail(path: &Path, known: u64) -> io::Result<Vec<u8>> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    let mut tail = Vec::new();
    if metadata.is_file() && metadata.len() > known {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(known.max(metadata.len().saturating_sub(TAIL_BYTES))))?;
        file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_row_behind_the_checkpoint_is_found_whatever_was_cut_off() {
        let name = format!("tidemark-sealed-tail-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        assert_eq!(newest(&path, 0).unwrap(), None, "there is no file");
        let line = |at: u64| format!("{{\"view\":\"v\",\"as_of\":{at},\"features\":{{}}}}\n");
        let text = [line(5), line(70), line(900)].concat();
        std::fs::write(&path, &text).unwrap();
        let all = text.len() as u64;
        assert_eq!(newest(&path, 0).unwrap(), Some(900));
        assert_eq!(newest(&path, all - 3).unwrap(), None, "nothing whole is behind it");
        assert_eq!(newest(&path, all).unwrap(), None);
        assert_eq!(newest(&path, all + 9).unwrap(), None, "the file was replaced");
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(newest(&path, 1).unwrap(), Some(70));
        std::fs::remove_file(&path).unwrap();
    }
}

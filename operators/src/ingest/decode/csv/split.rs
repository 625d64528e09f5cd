//! Where the records of CSV end.

use super::reader;
use csv_core::{ReadRecordResult, Reader};

/// How many bytes of cells are looked at before the room for them is used again.
const SCRATCH_BYTES: usize = 1 << 10;
/// The same for the places where cells end.
const SCRATCH_ENDS: usize = 1 << 6;

/// Finds where each record ends: at a line end that is not inside of quotes. It keeps nothing of what
/// it has seen but where in the grammar that stood.
#[derive(Debug)]
pub struct Splitter {
    reader: Reader,
    cells: Box<[u8]>,
    ends: Box<[usize]>,
}

impl Splitter {
    /// For CSV whose cells lie between `delimiter`s.
    pub fn new(delimiter: u8) -> Self {
        let (cells, ends) = (vec![0; SCRATCH_BYTES].into(), vec![0; SCRATCH_ENDS].into());
        Self { reader: reader(delimiter), cells, ends }
    }

    /// How many of `bytes`, which follow on what it has seen, belong to the record that has begun, its
    /// line end included (of `\r\n` the first byte); `None` if all do and it has not ended.
    pub fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            // Nothing at all would mean the end of the file.
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let (result, read, ..) = self.reader.read_record(rest, &mut self.cells, &mut self.ends);
            at += read;
            match result {
                ReadRecordResult::Record => return Some(at),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return None,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
            }
        }
    }

    /// Ends the record that has begun, where the file does; false where a quote is still open in it.
    pub fn finish(&mut self) -> bool {
        self.end(b"\n").is_some()
    }
}

/// Whether `begun`, the beginning of a record and not all of it, ends inside of quotes.
pub fn is_quoted(begun: &[u8], delimiter: u8) -> bool {
    // Not asked of a clone: those of the reader do not read as it does.
    let mut splitter = Splitter::new(delimiter);
    splitter.end(begun).is_none() && !splitter.finish()
}

//! Rows of a running job, gathered into files of a roll of event time.
//!
//! ```text
//! _rolls/000001767528000-000000.json     what the files of a part of a roll have: written before them
//! card_stats/2026-01-04T120000Z-000000.parquet
//! merchant_stats/2026-01-04T120000Z-000000.parquet
//! ```
//!
//! A roll is so much event time, and has as many parts as there are [`PART_BYTES`] in it. Rows come in the
//! order of their times; those of one time are in one part.

use super::parquet_file::ParquetValue;
use super::row_group::{RowGroup, begin};
use super::row_line::RowReader;
use serde::{Deserialize, Serialize};
use std::io;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::{EventTime, Millis};

/// Bytes of lines that become the files of one part, and are held in memory until these are written; default
/// 64 MiB. Rows of one time are never parted: of one millisecond more are held.
pub const PART_BYTES: u64 = 64 << 20;

/// The folder of what files have.
pub const ROLLS: &str = "_rolls/";

/// What the files of a part of a roll have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// The roll's time, in ms.
    pub begins: EventTime,
    /// Which part of it.
    pub part: u32,
    /// The id of the state whose rows they are.
    pub state: String,
    /// Where the rows are in the file of sealed rows, in bytes: from here ..
    pub from: u64,
    /// .. to here.
    pub to: u64,
    /// The time of the first row.
    pub first: EventTime,
    /// The time of the last row.
    pub last: EventTime,
}

impl Roll {
    /// The name of the object that says so.
    pub fn name(&self) -> String {
        format!("{ROLLS}{:015}-{:06}.json", self.begins, self.part)
    }

    /// The name of the file of the rows of `view`.
    fn file(&self, view: &str) -> String {
        let time = i64::try_from(self.begins).ok();
        let time = time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let time = match time {
            Some(time) => time.strftime("%Y-%m-%dT%H%M%SZ").to_string(),
            None => self.begins.to_string(),
        };
        format!("{view}/{time}-{:06}.parquet", self.part)
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatheredLine {
    /// It is a row of the part.
    Row,
    /// The part is whole without it; it is to be given again.
    Next,
    /// It is no row of the job.
    Other,
    /// Its row is older than those that are wanted.
    Older,
}

/// Gathers the rows of a part.
pub struct RollRows {
    reader: RowReader,
    groups: Vec<RowGroup>,
    length: Millis,
    state: String,
    /// Rows before it are passed over.
    pub least: EventTime,
    /// The part at hand, where there is one.
    open: Option<Roll>,
    /// Where it is known before what it has: up to which place, or which time.
    until: Option<PartEnd>,
    /// The part before.
    before: Option<Roll>,
}

/// Where a part ends that is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartEnd {
    /// At a place of the file of rows.
    Place(u64),
    /// Behind the rows of this time.
    Time(EventTime),
}

/// A file of a view, whole.
pub struct RollFile {
    /// Its name.
    pub name: String,
    /// What it has.
    pub bytes: Vec<u8>,
    /// Its rows.
    pub rows: u64,
}

impl RollRows {
    /// Of the rows of `plan` of the state `state`, in rolls of `length`.
    ///
    /// # Errors
    /// When columns of a view would have one name.
    pub fn new(plan: &Plan, state: String, length: Millis) -> Result<Self, String> {
        let reader = RowReader::new(plan)?;
        let groups = reader.views().iter().map(RowGroup::of_lines).collect();
        let length = length.max(1);
        Ok(RollRows {
            reader,
            groups,
            length,
            state,
            least: 0,
            open: None,
            until: None,
            before: None,
        })
    }

    /// Gathers the rows of `roll` again, up to `until`.
    pub fn again(&mut self, roll: Roll, until: PartEnd) {
        self.least = roll.first;
        (self.open, self.until) = (Some(roll), Some(until));
    }

    /// The part at hand.
    pub fn open(&self) -> Option<&Roll> {
        self.open.as_ref()
    }

    /// Whether what the part has was said before this process began.
    pub fn is_again(&self) -> bool {
        self.until.is_some()
    }

    /// Takes a line, with its newline, which is at `place` of the file.
    ///
    /// # Errors
    /// When its id is not what its key has to be, or there are more texts than fit.
    pub fn take(&mut self, line: &[u8], place: u64) -> io::Result<GatheredLine> {
        let mut features: Vec<ParquetValue<'_>> = Vec::new();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let Ok(row) = self.reader.row(text, &mut features) else { return Ok(GatheredLine::Other) };
        if row.as_of < self.least {
            return Ok(GatheredLine::Older);
        }
        let begins = row.as_of - row.as_of % self.length;
        let is_next = self.open.as_ref().is_some_and(|open| match self.until {
            Some(PartEnd::Place(end)) => place >= end,
            Some(PartEnd::Time(end)) => row.as_of > end,
            None => {
                let is_full = place - open.from.min(place) >= PART_BYTES && row.as_of != open.last;
                begins != open.begins || is_full
            }
        });
        if is_next {
            return Ok(GatheredLine::Next);
        }
        let (state, before) = (&self.state, &self.before);
        let open = self.open.get_or_insert_with(|| {
            let same = before.as_ref().filter(|before| before.begins == begins);
            let part = same.map_or(0, |before| before.part + 1);
            let (first, last) = (row.as_of, row.as_of);
            Roll { begins, part, state: state.clone(), from: place, to: place, first, last }
        });
        if self.until.is_none() {
            open.last = row.as_of;
            open.to = place + line.len() as u64;
        }
        if let Some(group) = self.groups.get_mut(row.view) {
            group.push(row, &mut features)?;
        }
        Ok(GatheredLine::Row)
    }

    /// Whether the part at hand is whole, when all rows before `cut`, and up to `place` of their file, were
    /// given.
    pub fn is_whole(&self, cut: EventTime, place: u64) -> bool {
        self.open.as_ref().is_some_and(|open| match self.until {
            Some(PartEnd::Place(end)) => place >= end,
            Some(PartEnd::Time(end)) => cut > end,
            None => cut >= open.begins.saturating_add(self.length),
        })
    }

    /// The files of the part at hand, of views that have rows; they are held no more.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn files(&mut self) -> io::Result<Vec<RollFile>> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        let mut files = Vec::new();
        for (view, group) in self.reader.views().iter().zip(&mut self.groups) {
            if group.len() > 0 {
                let mut file = begin(Vec::new(), view)?;
                let rows = group.write(&mut file)?;
                files.push(RollFile { name: open.file(&view.name), bytes: file.finish()?, rows });
            }
        }
        Ok(files)
    }

    /// The part's files are written: what follows is the next one's.
    pub fn written(&mut self) {
        if let Some(open) = self.open.take() {
            self.least = match self.until.take() {
                Some(PartEnd::Time(end)) => end + 1,
                _ => open.last,
            };
            self.before = Some(open);
        }
    }
}

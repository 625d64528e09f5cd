//! What is in a dead-letter file: `tidemark dlq ls` and `show`.

use super::{DeadLetterError, parse};
use crate::named_file;
use crate::text::{duration_exact, is_harmful, printable};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::{EventTime, HOUR, MINUTE, Millis, SECOND};
use tidemark_operators::verdict::Reason;

/// The upper bounds of the lateness histogram and their names; what is beyond is "more".
pub(super) const BUCKETS: [(Millis, &str); 5] = [
    (SECOND, "< 1 s"),
    (10 * SECOND, "< 10 s"),
    (MINUTE, "< 1 min"),
    (10 * MINUTE, "< 10 min"),
    (HOUR, "< 1 h"),
];
/// The widest bar of the histogram, in characters.
const BAR_MAX: u64 = 40;
/// How much of a key or value is shown, in characters.
const SHOWN_MAX: usize = 2_000;
/// The same where a letter has one line.
const BRIEF_MAX: usize = 80;

/// Which letters are listed or shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those with this reason.
    pub reason: Option<Reason>,
    /// Only those of this partition (of any source).
    pub partition: Option<u32>,
    /// Only the record at this offset (of any partition).
    pub offset: Option<u64>,
    /// Leave out the first so many of them.
    pub skip: u64,
    /// At most this many; `None`: all.
    pub limit: Option<u64>,
}

impl Selection {
    /// Whether a letter is one of them, `skip` and `limit` aside.
    fn matches(&self, letter: &DeadLetter) -> bool {
        self.reason.is_none_or(|reason| reason == letter.reason)
            && self.partition.is_none_or(|partition| partition == letter.partition.partition)
            && self.offset.is_none_or(|offset| offset == letter.offset)
    }

    /// Where the first and the one after the last lie among those that match.
    fn range(&self) -> std::ops::Range<u64> {
        self.skip..self.skip.saturating_add(self.limit.unwrap_or(u64::MAX))
    }
}

/// In the order of [`Reason::ALL`].
pub(super) type ByReason<T> = [T; Reason::ALL.len()];

/// Counts of a group of letters.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) by_reason: ByReason<u64>,
    pub(super) times: Option<(EventTime, EventTime)>,
}

impl Counts {
    fn add(&mut self, letter: &DeadLetter) {
        for (count, reason) in self.by_reason.iter_mut().zip(Reason::ALL) {
            *count += u64::from(letter.reason == reason);
        }
        if let Some(t) = letter.event_time {
            let (first, last) = self.times.unwrap_or((t, t));
            self.times = Some((first.min(t), last.max(t)));
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// Which reasons have a column.
    fn shown(&self) -> ByReason<bool> {
        let mut shown = Reason::ALL.map(|reason| !reason.is_rare());
        for (shown, count) in shown.iter_mut().zip(self.by_reason) {
            *shown |= count > 0;
        }
        shown
    }
}

/// All that `ls` counts.
#[derive(Default)]
pub(super) struct ListedLetters {
    pub(super) all: Counts,
    pub(super) by_partition: BTreeMap<(String, PartitionId), Counts>,
    pub(super) late: [u64; BUCKETS.len() + 1],
    pub(super) idle_floor: u64,
    pub(super) not_letters: u64,
    /// All letters, also those that were not asked for.
    letters: u64,
}

impl ListedLetters {
    /// How many match behind those that are listed.
    pub(super) fn beyond(&self, selection: &Selection) -> u64 {
        self.all.total().saturating_sub(selection.range().end)
    }

    fn add(&mut self, letter: &DeadLetter) {
        self.all.add(letter);
        let partition = (letter.source.clone(), letter.partition);
        self.by_partition.entry(partition).or_default().add(letter);
        self.idle_floor += u64::from(letter.idle_floor);
        if let Some(late_by) = letter.late_by.filter(|_| letter.reason == Reason::Late) {
            let bucket = BUCKETS.iter().take_while(|(bound, _)| late_by >= *bound).count();
            if let Some(count) = self.late.get_mut(bucket) {
                *count += 1;
            }
        }
    }
}

/// Counts all letters of a file that match, and hands over those of them that are listed.
///
/// # Errors
/// When the file cannot be opened or read, or holds no dead letter.
pub(super) fn go_through(
    path: &Path,
    selection: &Selection,
    mut listed: impl FnMut(&DeadLetter),
) -> Result<ListedLetters, DeadLetterError> {
    let mut summary = ListedLetters::default();
    let range = selection.range();
    each(path, |line| {
        let parsed = parse(line);
        summary.letters += u64::from(parsed.is_ok());
        match parsed {
            Ok(letter) if selection.matches(&letter) => {
                if range.contains(&summary.all.total()) {
                    listed(&letter);
                }
                summary.add(&letter);
            }
            Ok(_) => {}
            Err(_) => summary.not_letters += 1,
        }
        true
    })?;
    match summary.letters {
        // It is likely another file than was meant.
        0 => Err(DeadLetterError::None { path: path.to_owned(), lines: summary.not_letters }),
        _ => Ok(summary),
    }
}

/// The letters that `selection` asks for, one a line, and a summary of all that match (`skip` and
/// `limit` aside): by source, partition and reason, how late the late ones are, and the span of
/// their event times.
///
/// # Errors
/// When the file cannot be opened or read, or holds no dead letter.
pub fn ls(path: &Path, selection: &Selection) -> Result<String, DeadLetterError> {
    let mut text = String::new();
    let summary = go_through(path, selection, |letter| {
        // Writing to a string cannot fail.
        let _ = brief(letter, &mut text);
    })?;
    if !text.is_empty() {
        let after = summary.beyond(selection);
        let more = if after > 0 { format!(".. and {after} more\n\n") } else { "\n".to_owned() };
        text.push_str(&more);
    }
    let _ = table(&summary, &mut text);
    Ok(text)
}

/// A letter on one line.
fn brief(letter: &DeadLetter, text: &mut String) -> std::fmt::Result {
    let DeadLetter { source, offset, reason, .. } = letter;
    let partition = letter.partition.partition;
    let source = printable(source);
    write!(text, "{:<9}  {source}[{partition}] offset {offset}", reason.name())?;
    if let Some(at) = letter.event_time {
        write!(text, "  {}", time(at))?;
    }
    if let Some(key) = &letter.key {
        write!(text, "  {}", clipped(&shown(key)))?;
    }
    match (letter.late_by, &letter.error) {
        (Some(late_by), _) => writeln!(text, "  late by {}", duration_exact(late_by)),
        (None, Some(error)) => writeln!(text, "  {}", clipped(&printable(error))),
        (None, None) => writeln!(text),
    }
}

/// The beginning of a text that may be too long for a line.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(BRIEF_MAX) {
        Some((at, _)) => format!("{}..", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn table(summary: &ListedLetters, text: &mut String) -> std::fmt::Result {
    let width =
        summary.by_partition.keys().map(|(source, _)| printable(source).chars().count()).max();
    let width = width.unwrap_or(0).max("source".len());
    write!(text, "{:<width$} {:>9}", "source", "partition")?;
    let shown = summary.all.shown();
    for (_, reason) in shown.into_iter().zip(Reason::ALL).filter(|(shown, _)| *shown) {
        write!(text, " {:>10}", reason.name())?;
    }
    writeln!(text, " {:>10}  event times", "total")?;
    for ((source, partition), counts) in &summary.by_partition {
        write!(text, "{:<width$} {:>9}", printable(source), partition.partition)?;
        row(counts, shown, text)?;
    }
    write!(text, "{:<width$} {:>9}", "all", "")?;
    row(&summary.all, shown, text)?;
    let late_max = summary.late.iter().copied().max().unwrap_or(0);
    if late_max > 0 {
        writeln!(text, "\nlate by")?;
        let names = BUCKETS.iter().map(|(_, name)| *name).chain(["more"]);
        for (name, count) in names.zip(summary.late) {
            let bar = usize::try_from((count * BAR_MAX).div_ceil(late_max)).unwrap_or(0);
            writeln!(
                text,
                "{}",
                format!("  {name:<9} {count:>10}  {}", "#".repeat(bar)).trim_end()
            )?;
        }
    }
    if summary.idle_floor > 0 {
        let count = summary.idle_floor;
        writeln!(text, "\n{count} of the late ones only because their partition had been idle")?;
    }
    if summary.not_letters > 0 {
        let count = summary.not_letters;
        writeln!(text, "\n{count} lines are not dead letters (cut off by a crash?)")?;
    }
    Ok(())
}

fn row(counts: &Counts, shown: ByReason<bool>, text: &mut String) -> std::fmt::Result {
    let by_reason = counts.by_reason.iter().zip(shown).filter(|(_, shown)| *shown);
    for count in by_reason.map(|(count, _)| *count).chain([counts.total()]) {
        write!(text, " {count:>10}")?;
    }
    match counts.times {
        Some((first, last)) => writeln!(text, "  {} .. {}", time(first), time(last)),
        None => writeln!(text, "  -"),
    }
}

/// The letters that `selection` asks for, one after the other, for people; empty when there are
/// none.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn show(path: &Path, selection: &Selection) -> Result<String, DeadLetterError> {
    let mut text = String::new();
    let (range, mut seen) = (selection.range(), 0_u64);
    each(path, |line| {
        if let Ok(letter) = parse(line)
            && selection.matches(&letter)
        {
            if range.contains(&seen) {
                let _ = pretty(&letter, &mut text);
            }
            seen += 1;
        }
        seen < range.end
    })?;
    Ok(text)
}

fn pretty(letter: &DeadLetter, text: &mut String) -> std::fmt::Result {
    if !text.is_empty() {
        text.push('\n');
    }
    let DeadLetter { source, offset, reason, .. } = letter;
    let source = printable(source);
    writeln!(text, "{reason}  {source}[{}] offset {offset}", letter.partition.partition)?;
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<11} {value}");
    if let Some(error) = &letter.error {
        line("error", printable(error).into_owned())?;
    }
    if let Some(at) = letter.event_time {
        line("event time", time(at))?;
    }
    if let Some(at) = letter.field_time.filter(|at| letter.event_time != Some(*at)) {
        line("field says", time(at))?;
    }
    if let Some(at) = letter.arrival {
        line("arrival", time(at))?;
    }
    // 0 is before the first record of the partition, not 1970.
    let none = || "none yet: no record of the partition had been accepted".to_owned();
    let watermark = Some(letter.watermark).filter(|at| *at > 0);
    line("watermark", watermark.map_or_else(none, time))?;
    if let Some(late_by) = letter.late_by {
        let floor = if letter.idle_floor { ", by an idle floor" } else { "" };
        line("late by", format!("{}{floor}", duration_exact(late_by)))?;
    }
    if let Some(topic) = &letter.topic {
        line("topic", printable(topic).into_owned())?;
    }
    if let Some(key) = &letter.key {
        line("key", shown(key))?;
    }
    line("value", letter.value.as_deref().map_or_else(|| "null".to_owned(), shown))
}

/// Bytes for a terminal: control characters and what is not UTF-8 are escaped.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_harmful(c) {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
        if text.len() > SHOWN_MAX {
            let cut = (0..=SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(cut.unwrap_or(0));
            let _ = write!(text, ".. ({} bytes)", bytes.len());
            break;
        }
    }
    text
}

/// A time in RFC 3339, or plain ms when it is beyond the calendar.
fn time(at: EventTime) -> String {
    let timestamp =
        i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    timestamp.map_or_else(|| format!("{at} ms"), |t| format!("{t:.3}"))
}

/// Calls `take` with each line that is not blank, until it returns false.
///
/// # Errors
/// When the file cannot be opened or read.
pub(crate) fn each(
    path: &Path,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<(), DeadLetterError> {
    let file = named_file::open(path)
        .map_err(|source| DeadLetterError::Open { path: path.to_owned(), source })?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut bytes, mut line) = (Vec::new(), 0);
    loop {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => return Ok(()),
            Ok(_) => line += 1,
            Err(source) => {
                return Err(DeadLetterError::Read { path: path.to_owned(), line, source });
            }
        }
        if !bytes.trim_ascii().is_empty() && !take(&bytes) {
            return Ok(());
        }
    }
}

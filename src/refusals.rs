//! Records that did not become events, as people are told of them: how many, and the first.
//!
//! Each is counted on its way to where dead letters go, by source and reason. Of every kind one is
//! remembered: the first by partition and offset of those that nobody was told of yet.

use crate::dead_letters::NewestLetters;
use crate::failure::Failure;
use crate::text::{count_text, duration_exact, printable, time_text};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Format, Plan, SourcePlan};
use tidemark_operators::verdict::Reason;

/// Counts of all sources, shared by the workers.
pub struct Refusals {
    plan: Arc<Plan>,
    /// By source; its files in the place of those that the job names.
    files: Vec<Vec<PathBuf>>,
    /// By source, then in the order of [`Reason::ALL`].
    kinds: Vec<[RefusalCount; Reason::ALL.len()]>,
    /// Where somebody looks at them.
    newest: OnceLock<NewestLetters>,
}

/// One reason in one source.
#[derive(Default)]
struct RefusalCount {
    count: AtomicU64,
    first: Mutex<Option<RefusedRecord>>,
}

/// One record, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    at: (PartitionId, u64),
    text: String,
}

impl RefusedRecord {
    /// Where it is, and what is wrong with it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Refusals {
    /// For the sources of `plan`, which are read from `files`: by source, empty for topics.
    pub fn new(plan: &Arc<Plan>, files: &[(u16, Vec<PathBuf>)]) -> Arc<Self> {
        let of = |at: u16| files.iter().find(|(source, _)| *source == at).map(|(_, f)| f.clone());
        let sources = || (0_u16..).zip(&plan.sources).map(|(at, _)| at);
        Arc::new(Refusals {
            plan: Arc::clone(plan),
            files: sources().map(|at| of(at).unwrap_or_default()).collect(),
            kinds: sources().map(|_| Default::default()).collect(),
            newest: OnceLock::new(),
        })
    }

    /// The names of the sources, in the order of the job.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.plan.sources.iter().map(|source| source.name.as_str())
    }

    fn kind(&self, source: usize, reason: Reason) -> Option<&RefusalCount> {
        let at = Reason::ALL.iter().position(|known| *known == reason)?;
        self.kinds.get(source)?.get(at)
    }

    /// How many records of a source were refused for `reason`.
    pub fn count(&self, source: usize, reason: Reason) -> u64 {
        self.kind(source, reason).map_or(0, |kind| kind.count.load(Ordering::Relaxed))
    }

    /// The same of all sources.
    pub fn count_all(&self, reason: Reason) -> u64 {
        (0..self.kinds.len()).map(|source| self.count(source, reason)).sum()
    }

    /// The first of these that was not taken yet; the next one that comes is a first again.
    pub fn take_first(&self, source: usize, reason: Reason) -> Option<RefusedRecord> {
        let kind = self.kind(source, reason)?;
        kind.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The first of all sources.
    pub fn take_first_of_all(&self, reason: Reason) -> Option<RefusedRecord> {
        let firsts = (0..self.kinds.len()).filter_map(|at| self.take_first(at, reason));
        firsts.min_by_key(|refused| refused.at)
    }

    /// The newest letters, in short, from the first call on.
    pub fn newest(&self) -> &NewestLetters {
        self.newest.get_or_init(NewestLetters::default)
    }

    /// Counts a dead letter.
    pub fn add(&self, letter: &DeadLetter) {
        if let Some(newest) = self.newest.get() {
            newest.add(letter);
        }
        let source = usize::from(letter.partition.source);
        let Some(kind) = self.kind(source, letter.reason) else { return };
        kind.count.fetch_add(1, Ordering::Relaxed);
        let at = (letter.partition, letter.offset);
        let mut first = kind.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|first| at < first.at) {
            *first = Some(RefusedRecord { at, text: self.told(letter) });
        }
    }

    /// The file that is a partition; `None` where it is one of a topic.
    pub fn file(&self, partition: PartitionId) -> Option<&Path> {
        let file = usize::try_from(partition.partition).ok()?;
        self.files.get(usize::from(partition.source))?.get(file).map(PathBuf::as_path)
    }

    /// Where a record is: `tx.jsonl line 7`, `transactions[3] offset 6`. `topic`: unless the job says.
    pub fn place(&self, partition: PartitionId, offset: u64, topic: Option<&str>) -> String {
        let Some(source) = self.plan.sources.get(usize::from(partition.source)) else {
            return String::new();
        };
        match self.file(partition) {
            Some(file) => {
                let unit = if source.format == Format::Avro { "record" } else { "line" };
                format!("{} {unit} {}", file.display(), offset.saturating_add(1))
            }
            None => {
                let topic = topic.or(source.topic.as_deref()).unwrap_or(&source.name);
                format!("{topic}[{}] offset {offset}", partition.partition)
            }
        }
    }

    fn told(&self, letter: &DeadLetter) -> String {
        let source = usize::from(letter.partition.source);
        let Some(plan) = self.plan.sources.get(source) else { return String::new() };
        let place = self.place(letter.partition, letter.offset, letter.topic.as_deref());
        printable(&format!("{place}: {}", fault(letter, plan))).into_owned()
    }
}

/// What is wrong with a record: which field, what was expected there and what was found.
fn fault(letter: &DeadLetter, source: &SourcePlan) -> String {
    match (&letter.error, letter.reason, letter.event_time) {
        (Some(error), _, _) => error.clone(),
        (None, Reason::Late, Some(found)) => format!(
            "event time \"{}\": expected no earlier than the watermark, {}, found {}: late by {}",
            source.time.place.shown(&source.time.path),
            time_text(letter.watermark),
            time_text(found),
            duration_exact(letter.late_by.unwrap_or(0)),
        ),
        (None, Reason::Tombstone, _) => "expected a value, found none (null)".to_owned(),
        (None, reason, _) => format!("it is {reason}"),
    }
}

/// Whether any record was accepted, of at least one.
///
/// # Errors
/// When all of them were refused.
pub fn some_accepted(workers: &[Arc<WorkerMetrics>]) -> Result<(), Failure> {
    let verdicts = || workers.iter().flat_map(|worker| &worker.verdicts);
    // What the job does not read says nothing of what it does.
    let read: u64 = verdicts().map(|verdicts| verdicts.judged()).sum();
    let accepted: u64 = verdicts().map(|verdicts| verdicts.accepted.get()).sum();
    if read == 0 || accepted > 0 {
        return Ok(());
    }
    let what = format!("every record was refused: {} of {0}", count_text(read));
    Err(Failure::failed(what).hint(
        "hold the job's sources against what is read: the warnings name a field of the first \
         record, and what was expected there",
    ))
}

/// What is said of the records that were refused for `reason`.
pub fn sentence(reason: Reason, refused: u64, of: u64, first: Option<&RefusedRecord>) -> String {
    let (refused, of) = (count_text(refused), count_text(of));
    let what = match reason {
        Reason::Late => "late",
        Reason::Future => "too far in the future",
        Reason::Malformed => "malformed",
        Reason::Schema => "without a schema that fits",
        Reason::Tombstone => "tombstones",
        Reason::Duplicate => "duplicates",
    };
    let first = first.map_or_else(String::new, |first| format!("; the first: {}", first.text));
    format!("{refused} of {of} records refused, {what}{first}")
}

/// Counts dead letters on their way.
pub struct CountedLetters {
    to: Box<dyn DeadLetterSink>,
    refusals: Arc<Refusals>,
}

impl CountedLetters {
    /// Counts in `refusals` what goes `to` a sink.
    pub fn new(to: Box<dyn DeadLetterSink>, refusals: &Arc<Refusals>) -> Self {
        CountedLetters { to, refusals: Arc::clone(refusals) }
    }
}

impl DeadLetterSink for CountedLetters {
    fn has_room(&self) -> bool {
        self.to.has_room()
    }

    fn push(&mut self, letter: DeadLetter) {
        self.refusals.add(&letter);
        self.to.push(letter);
    }
}

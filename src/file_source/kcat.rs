//! Dumps of topics: what `kcat -J` has written, a line a record.
//!
//! The records become the partitions that they were, with their offsets, timestamps, keys and
//! headers, so that a job makes of the dump what it makes of the topic. Several files of a source are
//! one dump, in the order of the list.
//!
//! Why this way: a dump has its partitions in any order, one after another or mixed, and the engine
//! reads them at its own pace, so that one reader for all would have to hold what nobody wants yet.
//! Each partition has a thread that reads the whole dump and takes its own lines; the others' are told
//! by their first bytes. So memory is bounded, and a dump cannot be a pipe.

mod line;
#[cfg(test)]
mod tests;

use super::lines::LineReader;
use super::opened::OpenFile;
use super::{BATCHES_MAX, FileSourceError, Progress, RecordFile as _};
use crate::feed::{FeedSender, ThreadFeed, feed};
use crate::named_file::is_standard;
use crate::source::Waker;
use line::{DumpedRecord, quick};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Framing, Plan, SourcePlan};

/// The longest line of a dump, in bytes (64 MiB): a longer one fails the partition.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The dumps of a job, and the partitions that are in each.
#[derive(Clone, Debug, Default)]
pub struct Dumps {
    partitions: Vec<(PartitionId, Arc<Dump>)>,
}

/// The dump of a source.
#[derive(Debug)]
struct Dump {
    files: Vec<PathBuf>,
    /// The headers that are wanted.
    headers: Vec<String>,
}

impl Dumps {
    /// Takes from `sources` (by place in the plan) those whose files are dumps, and looks through them
    /// for their partitions. Blocks until all dumps have been read once.
    ///
    /// # Errors
    /// When a file cannot be read, is no plain file, or has a line that `kcat -J` cannot have written.
    pub fn take(
        plan: &Plan,
        sources: &mut Vec<(u16, Vec<PathBuf>)>,
    ) -> Result<Self, FileSourceError> {
        let source = |at: u16| plan.sources.get(usize::from(at));
        let is_dump = |(at, _): &mut (u16, Vec<PathBuf>)| {
            source(*at).is_some_and(|source| source.framing == Framing::Kcat)
        };
        let mut dumps = Self::default();
        for (at, files) in sources.extract_if(.., is_dump) {
            let partitions = survey(&files)?;
            let headers = source(at).map(SourcePlan::headers).unwrap_or_default();
            let dump = Arc::new(Dump { files, headers });
            let id = |partition| PartitionId { source: at, partition };
            let found = partitions.into_iter().map(|it| (id(it), Arc::clone(&dump)));
            dumps.partitions.extend(found);
        }
        Ok(dumps)
    }

    /// How many partitions they have.
    pub fn count(&self) -> usize {
        self.partitions.len()
    }

    /// Starts to read those of the partitions that belong to `worker` out of `workers`: every
    /// `workers`-th, in the order of (source, partition).
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn open(
        &self,
        worker: usize,
        workers: usize,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Vec<Box<dyn PartitionReader>>, FileSourceError> {
        let mine = self.partitions.iter().skip(worker).step_by(workers.max(1));
        mine.map(|(id, dump)| DumpPartition::start(*id, dump, waker, progress)).collect()
    }
}

/// The partitions that are in the dump, which has to be of one topic.
fn survey(files: &[PathBuf]) -> Result<BTreeSet<u32>, FileSourceError> {
    let (mut partitions, mut topic) = (BTreeSet::new(), None);
    for path in files {
        let other = || std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
        if is_standard(path) || other() {
            return Err(FileSourceError::DumpIsNoFile { path: path.clone() });
        }
        let mut note = |line: &[u8]| {
            let (of, partition) = match quick(line) {
                Some((topic, partition)) => (topic.to_vec(), partition),
                None => DumpedRecord::parse(line)
                    .map(|line| (line.topic.into_bytes(), line.partition))?,
            };
            let known = topic.get_or_insert_with(|| of.clone());
            if *known != of {
                let (known, of) = (String::from_utf8_lossy(known), String::from_utf8_lossy(&of));
                return Err(format!(
                    "it is of topic \"{of}\", and lines before it are of \"{known}\": make a dump \
                     of each"
                ));
            }
            partitions.insert(partition);
            Ok(())
        };
        let progress = Arc::<Progress>::default();
        each_batch(path, &progress, &mut |batch| {
            for record in &batch.records {
                note(batch.value(record)).map_err(|why| at_line(record.offset, &why))?;
            }
            Ok(true)
        })?;
    }
    Ok(partitions)
}

fn at_line(line: u64, why: &str) -> String {
    format!("line {}: {why}", line.saturating_add(1))
}

/// Gives the lines of a file to `take` until that says no; returns whether it never did.
fn each_batch(
    path: &Path,
    progress: &Arc<Progress>,
    take: &mut dyn FnMut(&RawBatch) -> Result<bool, String>,
) -> Result<bool, FileSourceError> {
    let unreadable = |source| FileSourceError::Open { path: path.to_owned(), source };
    let wrong = |why| FileSourceError::Dump { path: path.to_owned(), why };
    let file = OpenFile::new(path, Arc::clone(progress)).map_err(unreadable)?;
    let mut lines = LineReader::new(file.contents, LINE_BYTES_MAX);
    loop {
        let batch = lines.next_batch();
        let batch = batch.map_err(|error| wrong(format!("after {}: {error}", lines.place())))?;
        let Some(batch) = batch else { return Ok(true) };
        if let Some(long) = batch.records.iter().find(|line| line.left_out > 0) {
            let why = format!("it has more than {LINE_BYTES_MAX} bytes");
            return Err(wrong(at_line(long.offset, &why)));
        }
        if !take(&batch).map_err(wrong)? {
            return Ok(false);
        }
    }
}

/// One partition of a dump.
struct DumpPartition {
    id: PartitionId,
    name: String,
    feed: ThreadFeed,
}

impl DumpPartition {
    fn start(
        id: PartitionId,
        dump: &Arc<Dump>,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Box<dyn PartitionReader>, FileSourceError> {
        let (sender, feed) = feed(BATCHES_MAX, Waker::clone(waker));
        let (reading, progress) = (Arc::clone(dump), Arc::clone(progress));
        let name = format!("dump-{}-{}", id.source, id.partition);
        let started = thread::Builder::new().name(name).spawn(move || {
            match read(&reading, id.partition, &progress, &sender) {
                Ok(false) => {}
                Ok(true) => sender.end(Ok(())),
                Err(error) => sender.end(Err(error.to_string())),
            }
        });
        let path = dump.files.first().cloned().unwrap_or_default();
        let name = format!("{}[{}]", path.display(), id.partition);
        match started {
            Ok(_) => Ok(Box::new(Self { id, name, feed })),
            Err(source) => Err(FileSourceError::Thread { path, source }),
        }
    }
}

/// Hands over the records of a partition; false when nobody reads them any more.
fn read(
    dump: &Dump,
    partition: u32,
    progress: &Arc<Progress>,
    sender: &FeedSender,
) -> Result<bool, FileSourceError> {
    let mut next = 0;
    for path in &dump.files {
        let whole = each_batch(path, progress, &mut |lines| {
            let batch = records(lines, partition, &dump.headers, &mut next)?;
            Ok(batch.records.is_empty() || sender.send(batch))
        })?;
        if !whole {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The records of a partition among `lines`; `next` is the least offset that may come.
fn records(
    lines: &RawBatch,
    partition: u32,
    headers: &[String],
    next: &mut u64,
) -> Result<RawBatch, String> {
    let mut batch = RawBatch::default();
    for record in &lines.records {
        let text = lines.value(record);
        if quick(text).is_some_and(|(_, of)| of != partition) {
            continue;
        }
        let line = DumpedRecord::parse(text).map_err(|why| at_line(record.offset, &why))?;
        if line.partition != partition {
            continue;
        }
        if line.offset < *next {
            let why = format!(
                "offset {} of partition {partition} comes where {next} or a later one was due: give \
                 each part of the dump once, in its order",
                line.offset
            );
            return Err(at_line(record.offset, &why));
        }
        *next = line.offset.saturating_add(1);
        line.append(&mut batch, headers);
    }
    Ok(batch)
}

impl PartitionReader for DumpPartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        self.feed.poll()
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

//! Sealed rows into a file, on a thread of its own.
//!
//! At most [`BUFFERS_MAX`] buffers wait for the disk; when it is slower than the rows, the worker
//! that hands them over waits with it, so nothing is lost and memory stays bounded. What has been
//! handed over is in the file within [`FLUSH_MAX`], in whole lines: who follows the file sees rows
//! as they are sealed, and a process that is killed leaves them behind.

use crate::created_file::{Held, append_lines, create, end_lines};
use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tidemark_operators::cut::Cut;
use tidemark_operators::sealed_lines::SealedSink;

/// Buffers of lines that may wait for the disk; default 32. A buffer is what one frontier step seals,
/// or about 1 MiB of it.
pub const BUFFERS_MAX: usize = 32;

/// How long lines may wait in this process, while the disk takes them; default 1 s.
pub const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Bytes that are written together.
const WRITE_BYTES: usize = 1 << 20;

/// Lines that could not be written.
#[derive(Debug, Error)]
#[error("writing {what} to {}: {reason}", path.display())]
pub struct LinesError {
    /// What the lines are.
    pub what: &'static str,
    /// Into which file.
    pub path: PathBuf,
    /// Why.
    pub reason: std::io::Error,
}

/// A file of lines being written.
pub struct SealedFile {
    sender: Option<SyncSender<Handed>>,
    thread: Option<JoinHandle<Result<u64, LinesError>>>,
}

/// What is handed to the thread.
enum Handed {
    Lines(Vec<u8>),
    /// The first so many bytes of all lines are those of rows before the cut.
    Cut(Cut, u64),
}

/// Who is told how many bytes of the file, all of them durable, are those of rows before a cut.
pub type OnCut = Box<dyn Fn(Cut, u64) + Send>;

impl SealedFile {
    /// Opens `path`, or creates it: rows follow what it holds. `failed` is called from the writing
    /// thread when the disk refuses: the job should stop then, for what comes after is dropped.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn append(
        path: &Path,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<Self, LinesError> {
        let error = |reason| LinesError { what: "sealed rows", path: path.to_owned(), reason };
        let file = append_lines(path).map_err(error)?;
        Self::start(path, file, failed)
    }

    /// The same for a job with checkpoints: `known` bytes of the file are those of rows before the cut
    /// that it goes on from, and what is behind them is written again. `None`: it begins. `told` is told
    /// of each cut. Also gives how many bytes rows are written behind, and the file to read and write at
    /// places, where it is one.
    ///
    /// # Errors
    /// When the file cannot be opened, or not be cut off there.
    pub fn resume(
        path: &Path,
        known: Option<u64>,
        told: OnCut,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<(Self, u64, Option<File>), LinesError> {
        let error = |reason| LinesError { what: "sealed rows", path: path.to_owned(), reason };
        let file = create(path, Held::Placed).map_err(error)?;
        let is_regular = file.metadata().map_err(error)?.is_file();
        let length = file.metadata().map_err(error)?.len();
        let held = match known {
            Some(known) if known <= length => length,
            // Rows follow what is there.
            _ => end_lines(&file).map_err(error)?,
        };
        let begins = known.unwrap_or(held).min(held);
        if known.is_some_and(|known| known > held) {
            let path = path.display();
            tracing::warn!(
                %path, bytes = held,
                "the file of sealed rows is shorter than it was: it was replaced, and rows follow it"
            );
        }
        if is_regular && begins < held {
            file.set_len(begins).map_err(error)?;
        }
        let synced = file.try_clone().map_err(error)?;
        let read = is_regular.then(|| file.try_clone()).transpose().map_err(error)?;
        let told = move |cut, bytes| {
            if is_regular {
                synced.sync_data()?;
            }
            told(cut, begins + bytes);
            Ok(())
        };
        let file: Box<dyn Write + Send> = match is_regular {
            true => Box::new(PlacedFile { file, position: begins }),
            false => Box::new(file),
        };
        let started = Self::spawn(path, file, failed, told)?;
        Ok((started, begins, read))
    }

    /// The same with what is open already, for `path`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        path: &Path,
        file: impl Write + Send + 'static,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<Self, LinesError> {
        Self::spawn(path, file, failed, |_, _| Ok(()))
    }

    fn spawn(
        path: &Path,
        file: impl Write + Send + 'static,
        failed: impl Fn(String) + Send + 'static,
        told: impl Fn(Cut, u64) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Self, LinesError> {
        let (sender, receiver) = sync_channel(BUFFERS_MAX);
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("sealed-file".to_owned());
        let thread = thread.spawn(move || {
            let error = |reason| LinesError { what: "sealed rows", path: path.clone(), reason };
            write_all(file, &receiver, told).map_err(error).inspect_err(|e| failed(e.to_string()))
        });
        let thread = thread.map_err(|reason| LinesError {
            what: "sealed rows",
            path: PathBuf::from("a thread of its own"),
            reason,
        })?;
        Ok(SealedFile { sender: Some(sender), thread: Some(thread) })
    }

    /// The end that the worker writes to.
    pub fn sink(&self) -> LineSink {
        LineSink { sender: self.sender.clone() }
    }

    /// Waits for all lines to be in the file; all sinks must be gone. Returns its bytes.
    ///
    /// # Errors
    /// When the disk refused.
    pub fn finish(mut self) -> Result<u64, LinesError> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            // The writing thread does not panic.
            Some(Err(_)) | None => Ok(0),
        }
    }
}

/// A file that is written from a place on. A process that stood still while another one took over has
/// the rows of that other one to write, at the places where they are: so what it still writes changes
/// nothing.
struct PlacedFile {
    file: File,
    position: u64,
}

impl Write for PlacedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write_at(bytes, self.position)?;
        self.position += written as u64;
        // For who shares the standard output, and writes on where it stands.
        self.file.seek(SeekFrom::Start(self.position))?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn write_all(
    file: impl Write,
    receiver: &Receiver<Handed>,
    told: impl Fn(Cut, u64) -> std::io::Result<()>,
) -> std::io::Result<u64> {
    // A write of the buffer ends where one of the worker's buffers does, which hold whole lines.
    let mut file = BufWriter::with_capacity(WRITE_BYTES, file);
    let mut written = 0;
    // When the oldest line in the buffer has to be in the file.
    let mut due: Option<Instant> = None;
    loop {
        let received = match due {
            Some(due) => receiver.recv_timeout(due.saturating_duration_since(Instant::now())),
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(Handed::Cut(cut, bytes)) => {
                file.flush()?;
                due = None;
                told(cut, bytes)?;
            }
            Ok(Handed::Lines(lines)) => {
                file.write_all(&lines)?;
                written += lines.len() as u64;
                due.get_or_insert_with(|| Instant::now() + FLUSH_MAX);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if due.is_some_and(|due| Instant::now() >= due) {
            file.flush()?;
            due = None;
        }
    }
    file.flush()?;
    Ok(written)
}

/// Hands lines to the writing thread.
pub struct LineSink {
    sender: Option<SyncSender<Handed>>,
}

impl LineSink {
    fn hand(&mut self, handed: Handed) {
        // An error means that the disk refused, which stopped the job already.
        self.sender = self.sender.take().filter(|sender| sender.send(handed).is_ok());
    }
}

impl SealedSink for LineSink {
    fn write(&mut self, lines: Vec<u8>) {
        self.hand(Handed::Lines(lines));
    }

    fn cut(&mut self, cut: Cut, bytes: u64) {
        self.hand(Handed::Cut(cut, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"{\"as_of\":1,\"view\":\"cards\"}\n";

    fn file(name: &str) -> (PathBuf, SealedFile) {
        let name = format!("tidemark-sealed-{name}-{}.jsonl", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = SealedFile::append(&path, |reason| panic!("{reason}")).unwrap();
        (path, file)
    }

    fn wait_for(path: &Path, bytes: usize) {
        let start = Instant::now();
        while std::fs::metadata(path).unwrap().len() < bytes as u64 {
            assert!(start.elapsed() < Duration::from_secs(60), "{bytes} bytes never came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn lines_reach_the_file_although_no_more_come_and_the_job_goes_on() {
        let (path, file) = file("last");
        let mut sink = file.sink();
        for lines in 1..4 {
            sink.write(LINE.to_vec());
            wait_for(&path, lines * LINE.len());
        }
        assert_eq!(std::fs::read(&path).unwrap(), LINE.repeat(3));
        drop(sink);
        assert_eq!(file.finish().unwrap(), 3 * LINE.len() as u64);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn rows_follow_those_of_the_run_before_and_a_line_that_was_cut_off_spoils_none() {
        let (path, file) = file("again");
        file.sink().write(LINE.to_vec());
        file.finish().unwrap();
        let cut = [LINE, b"{\"as_of\":"].concat();
        std::fs::write(&path, &cut).unwrap();
        let again = SealedFile::append(&path, |reason| panic!("{reason}")).unwrap();
        again.sink().write(LINE.to_vec());
        again.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [&cut, b"\n".as_slice(), LINE].concat());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_that_was_taken_over_from_writes_what_is_there_already_and_adds_nothing() {
        let path = std::env::temp_dir().join(format!("tidemark-sealed-two-{}", std::process::id()));
        std::fs::write(&path, LINE).unwrap();
        let failed = |reason: String| panic!("{reason}");
        let known = Some(LINE.len() as u64);
        let resume = || SealedFile::resume(&path, known, Box::new(|_, _| {}), failed).unwrap();
        let lines: Vec<u8> =
            (0..9).flat_map(|n| format!("{{\"as_of\":{n}}}\n").into_bytes()).collect();
        let (stale, ..) = resume();
        stale.sink().write(lines[..22].to_vec());
        let (newer, begins, _) = resume();
        assert_eq!(begins, LINE.len() as u64);
        newer.sink().write(lines.clone());
        newer.finish().unwrap();
        stale.sink().write(lines[22..44].to_vec());
        stale.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), [LINE, &lines].concat());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lines_reach_the_file_while_more_come_and_always_whole() {
        let (path, file) = file("stream");
        let mut sink = file.sink();
        let (start, mut written) = (Instant::now(), 0);
        // Never silent for a second, and never as much as is written together.
        while std::fs::metadata(&path).unwrap().len() == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "no line ever came");
            assert!(written < WRITE_BYTES, "the buffer was full before it was due");
            sink.write(LINE.to_vec());
            written += LINE.len();
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(std::fs::read(&path).unwrap().ends_with(LINE));
        drop(sink);
        assert_eq!(file.finish().unwrap(), written as u64);
        std::fs::remove_file(&path).unwrap();
    }
}

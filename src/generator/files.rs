//! Generated traffic as JSON-lines files.

use super::{Generator, Options, RecordTally};
use crate::whole_file::{WholeFile, WholeFileError, WholeFileWriter};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// After how many records progress is told.
const PROGRESS_EVERY: u64 = 1 << 16;
/// What is written at once, in bytes.
const WRITE_BYTES: usize = 1 << 18;
/// The zstd level: the fastest that still shrinks well.
const ZSTD_LEVEL: i32 = 3;

/// Why traffic could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// An option is out of its bounds.
    #[error("cannot generate: `{option}` must be {bounds}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What it may be.
        bounds: String,
    },
    /// A file could not be written.
    #[error("cannot write generated records to {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<WholeFileError> for GenerateError {
    fn from(WholeFileError { path, source }: WholeFileError) -> Self {
        GenerateError::Io { path, source }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenFiles {
    /// The records; their bytes are those before compression.
    pub tally: RecordTally,
    /// The files, in the order of the partitions.
    pub files: Vec<PathBuf>,
}

/// The file of `partition` when `out` was asked for: `out` itself when there is only one, else
/// with `-0`, `-1`, .. before the extension (`traffic.jsonl.zst` becomes `traffic-0.jsonl.zst`).
pub fn partition_path(out: &Path, partition: u32, partitions: u32) -> PathBuf {
    if partitions == 1 {
        return out.to_owned();
    }
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let (plain, zst) = match name.strip_suffix(".zst") {
        Some(plain) => (plain, ".zst"),
        None => (name.as_ref(), ""),
    };
    let (stem, extension) = match plain.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (plain, String::new()),
    };
    out.with_file_name(format!("{stem}-{partition}{extension}{zst}"))
}

/// Writes the records `options` ask for to `out`, one file a partition (see [`partition_path`]),
/// compressed when the name ends in `.zst`. `progress` is told now and then how many there are.
///
/// # Errors
/// When an option is out of its bounds, or a file cannot be written.
pub fn write_files(
    options: &Options,
    out: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<WrittenFiles, GenerateError> {
    let mut generator = Generator::new(options.clone())?;
    let mut outputs = (0..options.partitions)
        .map(|partition| Output::create(partition_path(out, partition, options.partitions)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut summary = WrittenFiles::default();
    while let Some(record) = generator.next() {
        let output = usize::try_from(record.partition).ok().and_then(|p| outputs.get_mut(p));
        if let Some(output) = output {
            output.line(record.line)?;
        }
        summary.tally.count(&record);
        if summary.tally.events.is_multiple_of(PROGRESS_EVERY) {
            progress(summary.tally.events);
        }
    }
    progress(summary.tally.events);
    let mut files = Vec::new();
    for output in outputs {
        summary.files.push(output.path.clone());
        files.push(output.finish()?);
    }
    WholeFile::finish(files)?;
    Ok(summary)
}

/// One file being written.
struct Output {
    path: PathBuf,
    file: WholeFile,
    to: Encoder,
}

enum Encoder {
    Plain(BufWriter<WholeFileWriter>),
    Zstd(BufWriter<zstd::stream::write::Encoder<'static, WholeFileWriter>>),
}

impl Output {
    fn create(path: PathBuf) -> Result<Self, GenerateError> {
        let file = WholeFile::create(&path)?;
        let writer = file.writer();
        let encoder = || {
            if path.extension().is_some_and(|e| e == "zst") {
                let mut zstd = zstd::stream::write::Encoder::new(writer, ZSTD_LEVEL)?;
                // A damaged file is then told from a whole one.
                zstd.include_checksum(true)?;
                return Ok(Encoder::Zstd(BufWriter::with_capacity(WRITE_BYTES, zstd)));
            }
            Ok(Encoder::Plain(BufWriter::with_capacity(WRITE_BYTES, writer)))
        };
        match encoder() {
            Ok(to) => Ok(Self { path, file, to }),
            Err(source) => Err(GenerateError::Io { path, source }),
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), GenerateError> {
        let to: &mut dyn Write = match &mut self.to {
            Encoder::Plain(to) => to,
            Encoder::Zstd(to) => to,
        };
        to.write_all(line)
            .and_then(|()| to.write_all(b"\n"))
            .map_err(|source| GenerateError::Io { path: self.path.clone(), source })
    }

    fn finish(self) -> Result<WholeFile, GenerateError> {
        let finished = match self.to {
            Encoder::Plain(mut to) => to.flush(),
            Encoder::Zstd(to) => to
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(zstd::stream::write::Encoder::finish)
                .map(|_| ()),
        };
        match finished {
            Ok(()) => Ok(self.file),
            Err(source) => Err(GenerateError::Io { path: self.path, source }),
        }
    }
}

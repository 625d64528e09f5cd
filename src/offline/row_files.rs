//! Lines of sealed rows into files of columns, one a view.

use super::parquet_file::{GROUP_ROWS, ParquetFile, ParquetValue};
use super::row_group::{RowGroup, begin};
use super::row_line::{RowReader, SealedRow, each_line};
use std::io::{self, Write};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// Bytes of lines that may become one row group, and are held in memory until they are written; default
/// 64 MiB. Usually a group ends at [`GROUP_ROWS`] rows.
pub const GROUP_BYTES: usize = 64 << 20;

/// The files of all views, as they are written.
pub struct RowFiles<W: Write + Send> {
    reader: RowReader,
    files: Vec<RowFile<W>>,
}

/// The file of one view.
struct RowFile<W: Write + Send> {
    file: ParquetFile<W>,
    group: RowGroup,
    bytes: usize,
    /// The time of its newest row.
    newest: EventTime,
}

impl<W: Write + Send> RowFiles<W> {
    /// For the rows of `plan`; `out` opens the file of a view.
    ///
    /// # Errors
    /// When a file cannot be written, or columns of a view would have one name.
    pub fn new(plan: &Plan, mut out: impl FnMut(&str) -> io::Result<W>) -> io::Result<Self> {
        let reader = RowReader::new(plan).map_err(io::Error::other)?;
        let mut files = Vec::with_capacity(reader.views().len());
        for view in reader.views() {
            let file = begin(out(&view.name)?, view)?;
            files.push(RowFile { file, group: RowGroup::new(view), bytes: 0, newest: 0 });
        }
        Ok(RowFiles { reader, files })
    }

    /// Ends all files.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn finish(self) -> io::Result<()> {
        for mut file in self.files {
            file.group.write(&mut file.file)?;
            file.file.finish()?;
        }
        Ok(())
    }
}

impl<W: Write + Send> RowFile<W> {
    fn take<'l>(
        &mut self,
        row: SealedRow<'l>,
        features: &mut Vec<ParquetValue<'l>>,
        bytes: usize,
    ) -> io::Result<()> {
        // Rows of one time stay together: their order is told by `created`.
        let is_full = self.group.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES;
        if is_full && row.as_of != self.newest {
            self.group.write(&mut self.file)?;
            self.bytes = 0;
        }
        self.newest = row.as_of;
        self.bytes += bytes;
        self.group.push(row, features)
    }
}

impl<W: Write + Send> Write for RowFiles<W> {
    /// Takes whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut features = Vec::new();
        for line in each_line(lines) {
            let row = self.reader.row(line, &mut features)?;
            if let Some(file) = self.files.get_mut(row.view) {
                file.take(row, &mut features, line.len())?;
            }
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

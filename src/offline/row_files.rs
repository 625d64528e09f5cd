//! Packed sealed rows into files of columns, one a view.

use super::parquet_file::{GROUP_ROWS, ParquetFile};
use super::row_group::{RowGroup, begin, no_row};
use super::row_view::RowView;
use std::io::{self, Write};
use tidemark_operators::plan::Plan;
use tidemark_operators::sealed_lines::{PackedRow, PackedRows};
use tidemark_operators::time::EventTime;

/// Bytes of packed rows that may become one row group, and are held in memory until they are written; default
/// 64 MiB. Usually a group ends at [`GROUP_ROWS`] rows.
pub const GROUP_BYTES: usize = 64 << 20;

/// The files of all views, as they are written.
pub struct RowFiles<W: Write + Send> {
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
        let views = RowView::all(plan).map_err(io::Error::other)?;
        let sources: Vec<_> = plan.sources.iter().map(|source| source.name.clone()).collect();
        let mut files = Vec::with_capacity(views.len());
        for (at, view) in views.iter().enumerate() {
            let features = plan.view(at).map_or(&[][..], |view| &view.features);
            let types = features.iter().map(|feature| feature.ty).collect();
            files.push(RowFile {
                file: begin(out(&view.name)?, view)?,
                group: RowGroup::of_packed(view, types, &sources),
                bytes: 0,
                newest: 0,
            });
        }
        Ok(RowFiles { files })
    }

    /// Takes whole packed rows.
    ///
    /// # Errors
    /// When a file cannot be written, or they are no rows of the job.
    pub fn take(&mut self, packed: &[u8]) -> io::Result<()> {
        let mut rows = PackedRows::new(packed);
        let mut left = packed.len();
        while let Some(row) = rows.next() {
            let bytes = left - rows.rest().len();
            left = rows.rest().len();
            let file = self.files.get_mut(row.view).ok_or_else(no_row)?;
            file.take(&row, bytes)?;
        }
        if rows.rest().is_empty() { Ok(()) } else { Err(no_row()) }
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
    fn take(&mut self, row: &PackedRow<'_>, bytes: usize) -> io::Result<()> {
        // Rows of one time stay together: their order is told by `created`.
        let is_full = self.group.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES;
        if is_full && row.as_of != self.newest {
            self.group.write(&mut self.file)?;
            self.bytes = 0;
        }
        self.newest = row.as_of;
        self.bytes += bytes;
        self.group.push_packed(row)
    }
}

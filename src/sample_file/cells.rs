//! A record of CSV, taken apart: its cells, each under the name of its column.

use std::sync::Arc;
use tidemark_operators::ingest::decode::csv::{CellReader, names};
use tidemark_operators::ingest::decode::{MemberValue, Scalar};

/// See the module.
#[derive(Debug)]
pub(super) struct NamedCells {
    header: Arc<str>,
    /// A path for each column.
    names: Vec<[String; 1]>,
    reader: CellReader,
}

impl NamedCells {
    /// Of the records behind the line `header`.
    pub fn new(header: &Arc<str>, delimiter: u8) -> Result<Self, String> {
        let names = names(header, delimiter)?.into_iter().map(|name| [name]).collect();
        Ok(Self { header: Arc::clone(header), names, reader: CellReader::new(delimiter) })
    }

    /// Whether they are those behind `header`.
    pub fn are_of(&self, header: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.header, header) || self.header == *header
    }

    /// Shows `visit` the cells of `record`: an empty one is nothing, and all others are texts.
    pub fn each(
        &mut self,
        record: &[u8],
        visit: &mut dyn FnMut(&[String], MemberValue<'_>),
    ) -> Result<(), String> {
        let cells = self.reader.of_columns(record, self.names.len());
        let cells = cells.map_err(|error| error.to_string())?;
        for (name, cell) in self.names.iter().zip(cells) {
            visit(
                name,
                if cell.is_empty() {
                    MemberValue::Null
                } else {
                    MemberValue::Scalar(Scalar::Text(cell))
                },
            );
        }
        Ok(())
    }
}

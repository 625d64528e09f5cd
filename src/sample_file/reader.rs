//! Records of a sample, taken apart: the values in each with their paths, whatever its format is.

use super::cells::NamedCells;
use super::{SampleRecord, members};
use std::sync::Arc;
use tidemark_operators::ingest::decode::MemberValue;
use tidemark_operators::ingest::decode::avro::DatumReader;
use tidemark_operators::plan::Format;

/// See the module. What a schema or a header says is found out once.
#[derive(Debug)]
pub struct MemberReader {
    format: Format,
    cells: Option<NamedCells>,
    datums: Option<(Arc<str>, DatumReader)>,
}

impl MemberReader {
    /// For records of this format.
    pub fn new(format: Format) -> Self {
        MemberReader { format, cells: None, datums: None }
    }

    /// Shows `visit` all that is in `record`, each thing with its path, in the order of the record.
    ///
    /// # Errors
    /// When it is no record: why.
    pub fn each(
        &mut self,
        record: SampleRecord<'_>,
        visit: &mut dyn FnMut(&[String], MemberValue<'_>),
    ) -> Result<(), String> {
        let schema = || record.schema.ok_or_else(|| "it came without a schema".to_owned());
        match self.format {
            Format::Json => members::each(record.value, visit),
            Format::Csv { delimiter } => {
                let header = schema()?;
                if self.cells.as_ref().is_none_or(|cells| !cells.are_of(header)) {
                    self.cells = Some(NamedCells::new(header, delimiter)?);
                }
                self.cells.as_mut().map_or(Ok(()), |cells| cells.each(record.value, visit))
            }
            Format::Avro => {
                let schema = schema()?;
                if self.datums.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, schema)) {
                    self.datums = Some((Arc::clone(schema), DatumReader::new(schema)?));
                }
                let read = self.datums.as_ref().map(|(_, datums)| datums.each(record.value, visit));
                read.unwrap_or(Ok(())).map_err(|error| error.to_string())
            }
        }
    }
}

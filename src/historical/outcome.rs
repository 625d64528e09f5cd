//! Writing examples with what was found of them.

use super::asked::Asking;
use super::shares::{EntityAnswers, TakenAnswers};
use super::shown::ShownRows;
use crate::failure::Failure;
use crate::offline::answers::{self, Answers, Pick};
use crate::offline::example_file::{ExampleFile, ExampleForm, FeatureColumn, SpineRow};
use crate::offline::external_sort::SortedEntries;
use crate::offline::spine::{
    ExampleColumn, ExampleRecord, ExampleValue, RecordSplitter, Spine, digest,
};
use crate::output;
use crate::sample_file::{Asked, ToldFile};
use crate::text::{count_text, time_text};
use crate::whole_file::WholeFile;
use std::io::BufWriter;
use std::path::Path;
use std::sync::PoisonError;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Column;

/// What is written at once, in bytes.
const WRITE_BYTES: usize = 1 << 18;
/// Times from here on are most often those of another unit.
const YEAR_2100: EventTime = 4_102_444_800_000;

/// What was written.
pub(super) struct Outcome {
    /// How many rows.
    pub rows: u64,
    digest: u64,
    /// For each feature in how many of them it is null.
    pub nulls: Vec<u64>,
}

/// What was found of one entity type: by worker, in the order of rows.
struct Found {
    workers: Vec<SortedEntries>,
    picks: Vec<Pick>,
    values: Vec<Column>,
    bytes: Vec<u8>,
}

impl Found {
    fn new(answers: &EntityAnswers, picks: &[Pick]) -> Result<Self, Failure> {
        let mut workers = Vec::with_capacity(answers.len());
        for answers in answers {
            let mut held = answers.lock().unwrap_or_else(PoisonError::into_inner);
            let all = std::mem::replace(&mut *held, Answers::new(Vec::new(), 1));
            workers.push(all.finish().map_err(Failure::failed)?);
        }
        let values = vec![Column::default(); picks.len()];
        Ok(Found { workers, picks: picks.to_vec(), values, bytes: Vec::new() })
    }

    /// Makes `values` those of `row`, nulls where nothing was asked for it.
    fn read(&mut self, row: u64) -> Result<(), Failure> {
        self.bytes.clear();
        let is = |sorted: &&mut SortedEntries| sorted.peek().is_some_and(|(at, _)| at == row);
        if let Some(sorted) = self.workers.iter_mut().find(is) {
            sorted.next(&mut self.bytes).map_err(Failure::failed)?;
        }
        self.values.iter_mut().for_each(Column::clear);
        let types = self.picks.iter().map(|pick| pick.ty);
        answers::read(&self.bytes, self.values.iter_mut().zip(types));
        Ok(())
    }
}

impl Outcome {
    /// Writes the rows of `spine` to `file`, called `path`, with what `answers` have of them.
    ///
    /// # Errors
    /// When the spine has changed or the file cannot be written.
    pub fn write(
        spine: &Spine,
        asking: &Asking,
        answers: TakenAnswers,
        form: ExampleForm,
        (path, out): (&Path, &WholeFile),
    ) -> Result<Self, Failure> {
        let mut found = Vec::new();
        for (answers, entity) in answers.iter().zip(&asking.entities) {
            found.push(Found::new(answers, &entity.picks)?);
        }
        drop(answers);
        let features: Vec<FeatureColumn> =
            asking.features.iter().map(|feature| feature.column.clone()).collect();
        let out = BufWriter::with_capacity(WRITE_BYTES, out.writer());
        let columns = (spine.columns.as_slice(), spine.time.as_str());
        let file = ExampleFile::new(out, form, spine.format, columns, &features);
        let mut file = file.map_err(|error| unwritten(path, &error))?;
        let mut outcome = Outcome { rows: 0, digest: 0, nulls: vec![0; features.len()] };
        outcome.rows(spine, asking, &mut found, &mut file, path)?;
        file.finish().map_err(|error| unwritten(path, &error))?;
        if (outcome.rows, outcome.digest) != (spine.rows, spine.digest) {
            return Err(changed(&spine.path));
        }
        Ok(outcome)
    }

    fn rows(
        &mut self,
        spine: &Spine,
        asking: &Asking,
        found: &mut [Found],
        file: &mut ExampleFile<'_, impl std::io::Write + Send>,
        path: &Path,
    ) -> Result<(), Failure> {
        let mut read = ToldFile::open(&spine.path, Asked::Rows)?;
        let mut splitter = RecordSplitter::new(spine.format);
        let mut begun = false;
        let mut shown = ShownRows::new("written", Some(spine.rows));
        while let Some(batch) = read.next_batch()? {
            if !std::mem::replace(&mut begun, true) {
                self.header(batch.schema.as_deref());
                file.begin(batch.schema.as_deref()).map_err(|error| unwritten(path, &error))?;
            }
            for record in &batch.records {
                for found in found.iter_mut() {
                    found.read(self.rows)?;
                }
                let raw = batch.value(record);
                self.digest = digest(self.digest, raw);
                let split = match file.passes_rows_on() {
                    true => ExampleRecord::default(),
                    false => splitter
                        .split(batch.schema.as_ref(), raw)
                        .map_err(|_| changed(&spine.path))?,
                };
                let row = SpineRow { raw, values: by_column(split, &spine.columns) };
                let features =
                    asking.features.iter().zip(&mut self.nulls).filter_map(|(at, nulls)| {
                        let (entity, pick) = at.found;
                        let column = found.get(entity)?.values.get(pick)?;
                        *nulls += u64::from(column.word(0).is_none());
                        Some(column)
                    });
                let features: Vec<&Column> = features.collect();
                file.write(&row, &features, 0).map_err(|error| unwritten(path, &error))?;
                self.rows += 1;
                shown.one_more();
            }
        }
        if !begun {
            let header = read.only_header();
            self.header(header.as_deref());
            file.begin(header.as_deref()).map_err(|error| unwritten(path, &error))?;
        }
        Ok(())
    }

    fn header(&mut self, header: Option<&str>) {
        if let Some(header) = header {
            self.digest = digest(self.digest, header.as_bytes());
        }
    }

    /// Says what people may not expect of what was written.
    pub fn tell(&self, asking: &Asking, spine: &Spine) {
        if let Some((_, to)) = spine.span.filter(|(_, to)| *to >= YEAR_2100) {
            output::note(&format!(
                "note: the times of the rows reach to {}, where windows are empty: see whether --time-unit is \
                 theirs",
                time_text(to)
            ));
        }
        for (entity, keyless) in asking.entities.iter().zip(&spine.keyless) {
            if *keyless > 0 {
                let (count, all) = (count_text(*keyless), count_text(spine.rows));
                let name = &entity.key.name;
                output::note(&format!(
                    "note: {count} of {all} rows have no \"{name}\": the features found by it are null there"
                ));
            }
        }
    }
}

/// The values of a row, a column of the spine each.
fn by_column<'a>(
    record: ExampleRecord<'a>,
    columns: &[ExampleColumn],
) -> Vec<Option<ExampleValue<'a>>> {
    let mut values = vec![None; if record.fields.is_empty() { 0 } else { columns.len() }];
    for (at, (name, value)) in record.fields.into_iter().enumerate() {
        // Rows are mostly alike.
        let likely = columns.get(at).is_some_and(|column| column.name == name);
        let place = if likely { Some(at) } else { columns.iter().position(|c| c.name == name) };
        if let Some(place) = place.and_then(|place| values.get_mut(place)) {
            *place = Some(value);
        }
    }
    values
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write examples to {}: {error}", path.display()))
}

fn changed(path: &Path) -> Failure {
    let why = format!("the examples in {} have changed while they were read", path.display());
    Failure::failed(why).hint("start again when nothing writes to the file")
}

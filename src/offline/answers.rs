//! What was found of examples: found in the order of time, read in the order of rows.

use crate::offline::external_sort::{ExternalSort, SortedEntries, SpillError};
use tidemark_operators::probes::Probed;
use tidemark_operators::value::{Column, Type};

/// A value among those that a view was found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The view's place in the job.
    pub view: usize,
    /// The column of the view.
    pub column: usize,
    /// Its type.
    pub ty: Type,
}

/// Takes answers.
#[derive(Debug)]
pub struct Answers {
    picks: Vec<Pick>,
    sort: ExternalSort,
    bytes: Vec<u8>,
}

/// What stands before a value.
const NULL: u8 = 0;
const VALUE: u8 = 1;

impl Answers {
    /// Keeps `picks` of each, one of so many takers.
    pub fn new(picks: Vec<Pick>, takers: usize) -> Self {
        Answers { picks, sort: ExternalSort::one_of(takers), bytes: Vec::new() }
    }

    /// Takes what probes have read: each is known by the number of its row.
    ///
    /// # Errors
    /// When they do not fit into memory, and the temporary file cannot be written.
    pub fn take(&mut self, probed: &Probed<'_>) -> Result<(), SpillError> {
        let column = |pick: &Pick| {
            let (_, columns) = probed.views.iter().find(|(view, _)| *view == pick.view)?;
            columns.get(pick.column).map(|column| (column, pick.ty))
        };
        let columns: Vec<_> = self.picks.iter().map(column).collect();
        for (at, row) in probed.rows.iter().enumerate() {
            self.bytes.clear();
            for column in &columns {
                match column {
                    Some((column, ty)) => push(column, *ty, at, &mut self.bytes),
                    None => self.bytes.push(NULL),
                }
            }
            self.sort.push((*row, 0), &self.bytes)?;
        }
        Ok(())
    }

    /// All of them, by row.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn finish(self) -> Result<SortedEntries, SpillError> {
        self.sort.finish()
    }
}

fn push(column: &Column, ty: Type, row: usize, out: &mut Vec<u8>) {
    let bytes = if ty.is_bytes() { column.bytes(row) } else { Some(&[][..]) };
    let length = bytes.and_then(|bytes| u32::try_from(bytes.len()).ok());
    let (Some(word), Some(bytes), Some(length)) = (column.word(row), bytes, length) else {
        return out.push(NULL);
    };
    out.push(VALUE);
    match ty.is_bytes() {
        true => {
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(bytes);
        }
        false => out.extend_from_slice(&word.to_le_bytes()),
    }
}

/// Appends the values of an answer, each to the column of its place; a null where the answer ends.
pub fn read<'c>(mut answer: &[u8], values: impl Iterator<Item = (&'c mut Column, Type)>) {
    for (column, ty) in values {
        let Some((rest, value)) = next(answer, ty) else {
            column.push_null();
            continue;
        };
        answer = rest;
        match value {
            FoundValue::Null => column.push_null(),
            FoundValue::Word(word) => column.push_word(word),
            FoundValue::Bytes(bytes) => column.push_bytes(bytes),
        }
    }
}

enum FoundValue<'a> {
    Null,
    Word(u64),
    Bytes(&'a [u8]),
}

/// The first value, and what follows it.
fn next(answer: &[u8], ty: Type) -> Option<(&[u8], FoundValue<'_>)> {
    let (kind, rest) = answer.split_first()?;
    if *kind == NULL {
        return Some((rest, FoundValue::Null));
    }
    if ty.is_bytes() {
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        return Some((rest, FoundValue::Bytes(bytes)));
    }
    let (word, rest) = rest.split_first_chunk()?;
    Some((rest, FoundValue::Word(u64::from_le_bytes(*word))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_by_row_as_they_were() {
        let (mut number, mut text) = (Column::default(), Column::default());
        number.push_int(-7);
        number.push_null();
        text.push_bytes(b"");
        text.push_bytes("é".as_bytes());
        let columns = [text, number];
        let picks = vec![
            Pick { view: 4, column: 1, ty: Type::Int },
            Pick { view: 4, column: 0, ty: Type::Text },
            Pick { view: 5, column: 0, ty: Type::Bool },
        ];
        let types: Vec<Type> = picks.iter().map(|pick| pick.ty).collect();
        let mut answers = Answers::new(picks, 1);
        let views = vec![(4, &columns[..])];
        answers.take(&Probed { rows: &[9, 3], views }).unwrap();
        let mut sorted = answers.finish().unwrap();
        let (mut bytes, mut found) = (Vec::new(), vec![Column::default(); 3]);
        while sorted.next(&mut bytes).unwrap().is_some() {
            read(&bytes, found.iter_mut().zip(types.iter().copied()));
        }
        assert_eq!((found[0].int(0), found[0].int(1)), (None, Some(-7)));
        assert_eq!((found[1].bytes(0), found[1].bytes(1)), (Some("é".as_bytes()), Some(&b""[..])));
        assert_eq!((found[2].word(0), found[2].word(1)), (None, None));
    }
}

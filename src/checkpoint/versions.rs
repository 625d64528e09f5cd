//! Versions of reference tables, format 1: all rows of a table as it was read once.
//!
//! ```text
//! block:    keys | valid from | which values of the first column are there | those values | ..
//! content:  the table as it was defined, how many rows, how many rows are in each block
//! ```
//!
//! Rows are in the order of their keys, so equal versions are equal bytes. A block is whole in itself, so
//! a reader holds one of them.

use super::blocks::{ObjectKind, ObjectReader, ObjectWriter};
use super::encoding::{
    BLOCK_ROWS, Encoded, TEXTS_BYTES_MAX, decode_integers, decode_texts, encode_integers,
    encode_texts,
};
use super::{BlockCipher, CheckpointError, StateKeys, StoredObject, Verified};
use crate::objects::Objects;
use serde::{Deserialize, Serialize};
use tidemark_operators::cut::Texts;
use tidemark_operators::plan::{Matching, TablePlan};
use tidemark_operators::reference::row::Row;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::value::{Cell, Type};

const KIND: ObjectKind = ObjectKind(*b"TIDETAB\n");

/// A version's rows as its record lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedVersion {
    /// The object.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// The object's size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
}

/// A table as it was defined when a version of it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDefinition {
    /// Its name in the job.
    pub table: String,
    /// The name of its key column.
    pub key: String,
    /// How a row is found: `prefix`, or the type of the key.
    pub matching: String,
    /// What a row has besides its key.
    pub columns: Vec<ColumnDefinition>,
}

/// A column of a [`TableDefinition`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type, as a job file names it.
    #[serde(rename = "type")]
    pub ty: String,
}

impl TableDefinition {
    /// How `plan` defines a table.
    pub fn of(plan: &TablePlan) -> Self {
        let columns = plan.columns.iter();
        let columns = columns.map(|column| ColumnDefinition {
            name: column.name.clone(),
            ty: column.ty.to_string(),
        });
        TableDefinition {
            table: plan.name.clone(),
            key: plan.key.clone(),
            matching: match plan.matching {
                Matching::Prefix => "prefix".to_owned(),
                Matching::Exact(ty) => ty.to_string(),
            },
            columns: columns.collect(),
        }
    }

    /// For each column of `own` its place among these.
    ///
    /// # Errors
    /// What `own` needs and these rows do not have.
    pub fn places(&self, own: &TableDefinition) -> Result<Vec<usize>, String> {
        if self.key != own.key || self.matching != own.matching {
            let (was, is) = (&self.matching, &own.matching);
            return Err(format!(
                "its key was \"{}\" ({was}), and is \"{}\" ({is})",
                self.key, own.key
            ));
        }
        let place = |column: &ColumnDefinition| {
            let found = self.columns.iter().position(|held| held.name == column.name);
            let place =
                found.ok_or_else(|| format!("it had no column \"{}\" then", column.name))?;
            match self.columns.get(place).filter(|held| held.ty == column.ty) {
                Some(_) => Ok(place),
                None => Err(format!("its column \"{}\" was of another type", column.name)),
            }
        };
        own.columns.iter().map(place).collect()
    }

    fn types(&self) -> Option<Vec<Type>> {
        self.columns.iter().map(|column| Type::named(&column.ty)).collect()
    }
}

/// What the object of a version says of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionContent {
    /// The table as it was then.
    pub definition: TableDefinition,
    /// How many rows.
    pub rows: u64,
    /// How many rows are in each block.
    blocks: Vec<u32>,
}

/// The rows of a version, ready to be written: equal ones are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedVersion {
    blocks: Vec<(u32, Vec<u8>)>,
}

impl EncodedVersion {
    /// Those of `rows`, in whatever order these are.
    pub fn of(rows: &[TableRow]) -> Option<Self> {
        let mut sorted: Vec<&TableRow> = rows.iter().collect();
        sorted.sort_unstable_by(|a, b| (&a.key, a.row.valid_from).cmp(&(&b.key, b.row.valid_from)));
        let (mut blocks, mut rest) = (Vec::new(), sorted.as_slice());
        while !rest.is_empty() {
            let (rows, following) = rest.split_at_checked(block_rows(rest))?;
            blocks.push((u32::try_from(rows.len()).ok()?, encode(rows)?));
            rest = following;
        }
        Some(EncodedVersion { blocks })
    }

    /// What tells them from others: a hash of all.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = openssl::sha::Sha256::new();
        for (rows, block) in &self.blocks {
            hash.update(&rows.to_le_bytes());
            hash.update(block);
        }
        hash.finish()
    }

    /// The object `name`, and what a record lists it by.
    ///
    /// # Errors
    /// When a block cannot be encrypted, or the footer is too long.
    pub fn object(
        &self,
        name: String,
        definition: TableDefinition,
        cipher: Option<&BlockCipher>,
    ) -> Result<(StoredObject, ListedVersion), CheckpointError> {
        let mut object = ObjectWriter::new(name, cipher);
        self.blocks.iter().try_for_each(|(_, block)| object.push(block))?;
        let blocks: Vec<u32> = self.blocks.iter().map(|(rows, _)| *rows).collect();
        let rows = blocks.iter().map(|rows| u64::from(*rows)).sum();
        let object = object.finish(KIND, VersionContent { definition, rows, blocks })?;
        let (name, bytes, crc32c) = (object.name.clone(), object.size(), object.crc32c());
        Ok((object, ListedVersion { name, rows, bytes, crc32c }))
    }
}

/// How many of `rows` go into a block: at least one.
fn block_rows(rows: &[&TableRow]) -> usize {
    let mut bytes = 0usize;
    let fits = |row: &&&TableRow| {
        let cells = row.row.cells.iter().map(|cell| match cell {
            Cell::Bytes(bytes) => bytes.len(),
            Cell::Null | Cell::Word(_) => 0,
        });
        bytes = bytes.saturating_add(row.key.len()).saturating_add(cells.sum());
        bytes <= TEXTS_BYTES_MAX
    };
    rows.iter().take(BLOCK_ROWS).take_while(fits).count().max(1)
}

/// `None`: they are no rows of one table, or too long.
fn encode(rows: &[&TableRow]) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    let mut keys = Texts::default();
    rows.iter().try_for_each(|row| keys.push(&row.key).map(drop))?;
    encode_texts(&keys, 0, keys.len(), &mut block);
    encode_integers(rows, |row| row.row.valid_from.cast_signed(), &mut block);
    let columns = rows.first().map_or(0, |row| row.row.cells.len());
    for column in 0..columns {
        let cells: Option<Vec<&Cell>> = rows.iter().map(|row| row.row.cells.get(column)).collect();
        let cells = cells?;
        encode_integers(&cells, |cell| i64::from(*cell != Cell::Null), &mut block);
        if cells.iter().any(|cell| matches!(cell, Cell::Bytes(_))) {
            let mut texts = Texts::default();
            for cell in cells {
                let bytes = if let Cell::Bytes(bytes) = cell { bytes.as_slice() } else { &[] };
                texts.push(bytes)?;
            }
            block.push(TEXTS);
            encode_texts(&texts, 0, texts.len(), &mut block);
        } else {
            let word = |cell: &Cell| if let Cell::Word(word) = cell { *word } else { 0 };
            block.push(WORDS);
            encode_integers(&cells, |cell| word(cell).cast_signed(), &mut block);
        }
    }
    Some(block)
}

/// How the values of a column follow.
const WORDS: u8 = 0;
/// See [`WORDS`].
const TEXTS: u8 = 1;

/// Reads a version, a block of rows at a time.
pub struct VersionReader<'a> {
    object: ObjectReader<'a>,
    content: VersionContent,
    types: Vec<Type>,
}

impl<'a> VersionReader<'a> {
    /// Opens the object that `listed` says, which is of the table `table`. `keys` are those that it may
    /// be encrypted with.
    ///
    /// # Errors
    /// When it cannot be read, is missing, damaged or not what `listed` says, or its key is not there.
    pub fn open(
        objects: &'a dyn Objects,
        table: &str,
        listed: &ListedVersion,
        keys: Option<&StateKeys>,
    ) -> Result<Self, CheckpointError> {
        let (object, content): (_, VersionContent) =
            ObjectReader::open(objects, &listed.name, listed.bytes, KIND, keys)?;
        let all: u64 = content.blocks.iter().map(|count| u64::from(*count)).sum();
        let no_block = |count: &u32| !(1..=BLOCK_ROWS).contains(&(*count as usize));
        let types = content.definition.types();
        let wrong = [
            (content.definition.table != table, "it is of another table than its record says"),
            (content.rows != listed.rows || all != content.rows, "it has another number of rows"),
            (content.blocks.len() != object.blocks(), "it has another number of blocks"),
            (content.blocks.iter().any(no_block), "a block has too many rows"),
        ];
        match (wrong.into_iter().find(|(is_so, _)| *is_so), types) {
            (Some((_, what)), _) => Err(object.no_footer(what)),
            (None, None) => Err(object.no_footer("a column is of a type that there is not")),
            (None, Some(types)) => Ok(VersionReader { object, content, types }),
        }
    }

    /// What it says of its content.
    pub fn content(&self) -> &VersionContent {
        &self.content
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.content.blocks.len()
    }

    /// The rows of a block.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or there is no such block.
    pub fn rows(&self, number: usize) -> Result<Vec<TableRow>, CheckpointError> {
        let bytes = self.object.block(number)?;
        let count = self.content.blocks.get(number).map_or(0, |count| *count as usize);
        let rows = decode(&bytes, count, &self.types);
        rows.ok_or_else(|| self.object.no_block(number, "the bytes are no rows of a table"))
    }
}

/// Reads all of a version, and checks every block and every checksum against what `listed` says.
///
/// # Errors
/// As [`VersionReader::open`] and [`VersionReader::rows`]; that there are no keys is none.
pub fn verify_version(
    objects: &dyn Objects,
    table: &str,
    listed: &ListedVersion,
    keys: Option<&StateKeys>,
) -> Result<Verified, CheckpointError> {
    let version = VersionReader::open(objects, table, listed, keys)?;
    let verified = version.object.verify(listed.crc32c)?;
    if verified == Verified::Whole {
        (0..version.blocks()).try_for_each(|number| version.rows(number).map(drop))?;
    }
    Ok(verified)
}

fn decode(bytes: &[u8], count: usize, types: &[Type]) -> Option<Vec<TableRow>> {
    let mut encoded = Encoded(bytes);
    let mut keys = Texts::default();
    decode_texts(&mut encoded, count, &mut keys)?;
    let mut times = integers(&mut encoded, count)?.into_iter().map(i64::cast_unsigned);
    let row = |key: &[u8]| {
        let row = Row { valid_from: times.next()?, cells: Vec::with_capacity(types.len()) };
        Some(TableRow { key: key.to_vec(), row })
    };
    let mut rows: Vec<TableRow> = keys.iter().map(row).collect::<Option<_>>()?;
    for ty in types {
        let there = integers(&mut encoded, count)?;
        let cells: Vec<Cell> = match encoded.byte()? {
            TEXTS if ty.is_bytes() => {
                let mut texts = Texts::default();
                decode_texts(&mut encoded, count, &mut texts)?;
                texts.iter().map(|text| Cell::Bytes(text.to_vec())).collect()
            }
            WORDS => {
                let words = integers(&mut encoded, count)?.into_iter();
                words.map(|word| Cell::Word(word.cast_unsigned())).collect()
            }
            _ => return None,
        };
        for ((row, cell), there) in rows.iter_mut().zip(cells).zip(there) {
            let cell = match (there, cell) {
                (0, _) => Cell::Null,
                // All values of such a column are null.
                (_, Cell::Word(_)) if ty.is_bytes() => return None,
                (_, cell) => cell,
            };
            row.row.cells.push(cell);
        }
    }
    encoded.0.is_empty().then_some(rows)
}

fn integers(encoded: &mut Encoded<'_>, count: usize) -> Option<Vec<i64>> {
    let mut values = Vec::with_capacity(count.min(BLOCK_ROWS));
    decode_integers(encoded, count, |value| values.push(value))?;
    Some(values)
}

#[cfg(test)]
mod tests;

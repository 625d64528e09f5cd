//! Files of ids, format 1: by which copies of the records of some partitions are told.
//!
//! ```text
//! block:    times | classes, a byte each | hashes, 16 bytes each
//! content:  the partitions, each with what its ids are made of | for each block whose it is, and how many
//! ```
//!
//! Each checkpoint writes the ids that have come since the one before. So that there are never many of
//! these files, [`MERGED_FILES`] of one level become one of the next, without the ids that are over: an
//! id is written once a level, of which there are few.

use super::blocks::{ObjectKind, ObjectReader, ObjectWriter};
use super::encoding::{BLOCK_ROWS, Encoded, decode_integers, encode_integers};
use super::{BlockCipher, CheckpointError, StateKeys, StoredObject, Verified};
use crate::objects::Objects;
use serde::{Deserialize, Serialize};
use tidemark_operators::cut::SeenId;
use tidemark_operators::time::EventTime;

const KIND: ObjectKind = ObjectKind(*b"TIDEIDS\n");
/// How many files of one level become one.
pub const MERGED_FILES: usize = 8;
/// Files that would have more ids together stay as they are.
const MERGED_IDS_MAX: u64 = 1 << 20;
const HASH_BYTES: usize = 16;

/// A file of ids as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedIds {
    /// The object.
    pub name: String,
    /// How often its ids have been merged.
    pub level: u32,
    /// How many ids.
    pub ids: u64,
    /// The partitions that have some: source, number, and the time of the latest.
    pub partitions: Vec<(String, u32, EventTime)>,
    /// The object's size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
}

/// Whose ids they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdsOf {
    /// The source.
    pub source: String,
    /// The number of its partition.
    pub partition: u32,
    /// The fields that an id is made of: others make other ids.
    pub fields: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdsContent {
    partitions: Vec<IdsOf>,
    /// For each block the place of its partition, and how many ids it has.
    blocks: Vec<(u32, u32)>,
}

/// Puts a file of ids together.
pub struct IdsWriter<'a> {
    object: ObjectWriter<'a>,
    content: IdsContent,
    latest: Vec<EventTime>,
    ids: u64,
}

impl<'a> IdsWriter<'a> {
    /// An empty one.
    pub fn new(name: String, cipher: Option<&'a BlockCipher>) -> Self {
        let content = IdsContent { partitions: Vec::new(), blocks: Vec::new() };
        IdsWriter { object: ObjectWriter::new(name, cipher), content, latest: Vec::new(), ids: 0 }
    }

    /// Appends ids of a partition.
    ///
    /// # Errors
    /// When a block cannot be encrypted.
    pub fn push(&mut self, of: &IdsOf, ids: &[SeenId]) -> Result<(), CheckpointError> {
        let Some(latest) = ids.iter().map(|id| id.at).max() else { return Ok(()) };
        let place = self.content.partitions.iter().position(|one| one == of);
        let place = place.unwrap_or(self.content.partitions.len());
        match self.latest.get_mut(place) {
            Some(before) => *before = latest.max(*before),
            None => {
                self.content.partitions.push(of.clone());
                self.latest.push(latest);
            }
        }
        let place = u32::try_from(place).map_err(|_| CheckpointError::Unwritable {
            object: self.object.name().to_owned(),
            why: "it has ids of too many partitions".to_owned(),
        })?;
        for ids in ids.chunks(BLOCK_ROWS) {
            let mut block = Vec::with_capacity(ids.len() * (HASH_BYTES + 4));
            encode_integers(ids, |id| id.at.cast_signed(), &mut block);
            block.extend(ids.iter().map(|id| id.class));
            ids.iter().for_each(|id| block.extend_from_slice(&id.hash));
            self.object.push(&block)?;
            // At most BLOCK_ROWS.
            self.content.blocks.push((place, u32::try_from(ids.len()).unwrap_or(u32::MAX)));
        }
        self.ids += ids.len() as u64;
        Ok(())
    }

    /// The file, and what a manifest lists it by.
    ///
    /// # Errors
    /// When its footer is too long.
    pub fn finish(self, level: u32) -> Result<(StoredObject, ListedIds), CheckpointError> {
        let IdsWriter { object, content, latest, ids } = self;
        let partitions = content.partitions.iter().zip(latest);
        let partitions = partitions.map(|(of, at)| (of.source.clone(), of.partition, at)).collect();
        let object = object.finish(KIND, content)?;
        let (name, bytes, crc32c) = (object.name.clone(), object.size(), object.crc32c());
        Ok((object, ListedIds { name, level, ids, partitions, bytes, crc32c }))
    }
}

/// Reads a file of ids block by block.
pub struct IdsReader<'a> {
    object: ObjectReader<'a>,
    content: IdsContent,
}

impl<'a> IdsReader<'a> {
    /// Opens the file that `listed` lists.
    ///
    /// # Errors
    /// When it cannot be read, is missing, damaged or not what `listed` says, or its key is not there.
    pub fn open(
        objects: &'a dyn Objects,
        listed: &ListedIds,
        keys: Option<&StateKeys>,
    ) -> Result<Self, CheckpointError> {
        let (object, content): (_, IdsContent) =
            ObjectReader::open(objects, &listed.name, listed.bytes, KIND, keys)?;
        let all: u64 = content.blocks.iter().map(|(_, count)| u64::from(*count)).sum();
        let no_block = |(place, count): &(u32, u32)| {
            *place as usize >= content.partitions.len()
                || !(1..=BLOCK_ROWS).contains(&(*count as usize))
        };
        let partitions = content.partitions.iter().map(|of| (&of.source, of.partition));
        let wrong = [
            (all != listed.ids, "it has another number of ids"),
            (
                !partitions.eq(listed.partitions.iter().map(|(source, at, _)| (source, *at))),
                "it has ids of other partitions",
            ),
            (content.blocks.len() != object.blocks(), "it has another number of blocks"),
            (content.blocks.iter().any(no_block), "a block has too many ids, or is nobody's"),
        ];
        match wrong.into_iter().find(|(is_so, _)| *is_so) {
            Some((_, what)) => Err(object.no_footer(what)),
            None => Ok(IdsReader { object, content }),
        }
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.content.blocks.len()
    }

    /// The ids of a block, and whose they are.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or there is no such block.
    pub fn ids(&self, number: usize) -> Result<(&IdsOf, Vec<SeenId>), CheckpointError> {
        let bytes = self.object.block(number)?;
        let (place, count) = self.content.blocks.get(number).copied().unwrap_or_default();
        let of = self.content.partitions.get(place as usize);
        let ids = decode(&bytes, count as usize);
        let no_block = || self.object.no_block(number, "the bytes are no ids");
        of.zip(ids).ok_or_else(no_block)
    }
}

/// Reads all of a file of ids, and checks every block and every checksum against what `listed` says.
///
/// # Errors
/// As [`IdsReader::open`] and [`IdsReader::ids`]; that there are no keys is none.
pub fn verify_ids(
    objects: &dyn Objects,
    listed: &ListedIds,
    keys: Option<&StateKeys>,
) -> Result<Verified, CheckpointError> {
    let ids = IdsReader::open(objects, listed, keys)?;
    let verified = ids.object.verify(listed.crc32c)?;
    if verified == Verified::Whole {
        (0..ids.blocks()).try_for_each(|number| ids.ids(number).map(drop))?;
    }
    Ok(verified)
}

fn decode(bytes: &[u8], count: usize) -> Option<Vec<SeenId>> {
    let mut encoded = Encoded(bytes);
    let mut times = Vec::with_capacity(count.min(BLOCK_ROWS));
    decode_integers(&mut encoded, count, |at| times.push(at.cast_unsigned()))?;
    let classes = encoded.take(count)?;
    let (hashes, rest) = encoded.take(count * HASH_BYTES)?.as_chunks::<HASH_BYTES>();
    let ids = times.iter().zip(classes).zip(hashes);
    let ids = ids.map(|((at, class), hash)| SeenId { at: *at, hash: *hash, class: *class });
    (encoded.0.is_empty() && rest.is_empty()).then(|| ids.collect())
}

/// The files of `listed` that are to become one, when there are enough of a level.
pub fn mergeable_ids(listed: &[ListedIds]) -> Option<(u32, Vec<ListedIds>)> {
    let mut levels: Vec<u32> = listed.iter().map(|one| one.level).collect();
    levels.sort_unstable();
    levels.dedup();
    levels.into_iter().find_map(|level| {
        let of = listed.iter().filter(|one| one.level == level).take(MERGED_FILES);
        let of: Vec<ListedIds> = of.cloned().collect();
        let fits = of.iter().map(|one| one.ids).sum::<u64>() <= MERGED_IDS_MAX;
        (of.len() == MERGED_FILES && fits).then_some((level + 1, of))
    })
}

#[cfg(test)]
mod tests;

//! Reading a segment: its lists, then its rows a block at a time.

use super::super::blocks::ObjectReader;
use super::super::encoding::{BLOCK_ROWS, Encoded, decode_texts};
use super::columns::{self, PlacedValues};
use super::{KIND, ListedSegment, SegmentContent};
use crate::checkpoint::{CheckpointError, StateKeys, Verified};
use crate::objects::Objects;
use std::ops::Range;
use tidemark_operators::cut::{AttributeValues, Texts, TimelineRows};
use tidemark_operators::time::EventTime;

/// Reads a segment. What it holds in memory: ids and values of symbols, and the block of rows that is
/// being read.
pub struct SegmentReader<'a> {
    object: ObjectReader<'a>,
    content: SegmentContent,
    ids: Texts,
    /// For each attribute its values; none of those that have their words in the rows.
    values: Vec<Option<Texts>>,
    /// The first block of rows.
    first: usize,
}

impl<'a> SegmentReader<'a> {
    /// Opens the segment that `listed` says. `keys` are those that it may be encrypted with.
    ///
    /// # Errors
    /// When it cannot be read, is missing, damaged or not what `listed` says, or its key is not there.
    pub fn open(
        objects: &'a dyn Objects,
        listed: &ListedSegment,
        keys: Option<&StateKeys>,
    ) -> Result<Self, CheckpointError> {
        let (object, content): (_, SegmentContent) =
            ObjectReader::open(objects, &listed.name, listed.bytes, KIND, keys)?;
        if let Some(what) = contradiction(&content, listed) {
            return Err(object.no_footer(what));
        }
        let first = texts_blocks(&content);
        if first.checked_add(content.blocks.len()) != Some(object.blocks()) {
            return Err(object.no_footer("it has another number of blocks"));
        }
        let mut next = 0;
        let ids = read_texts(&object, &mut next, &content.ids)?;
        let values = content.values.iter().map(|counts| match counts {
            None => Ok(None),
            Some(counts) => read_texts(&object, &mut next, counts).map(Some),
        });
        let values = values.collect::<Result<_, CheckpointError>>()?;
        Ok(SegmentReader { object, content, ids, values, first })
    }

    /// What it says of its content.
    pub fn content(&self) -> &SegmentContent {
        &self.content
    }

    /// The ids of its entities.
    pub fn ids(&self) -> &Texts {
        &self.ids
    }

    /// How many blocks of rows there are.
    pub fn blocks(&self) -> usize {
        self.content.blocks.len()
    }

    /// The blocks that may hold rows with times in `range`.
    pub fn blocks_within(&self, range: Range<EventTime>) -> impl Iterator<Item = usize> {
        let within = move |(_, (_, first, last)): &(usize, &(u32, EventTime, EventTime))| {
            *first < range.end && *last >= range.start
        };
        self.content.blocks.iter().enumerate().filter(within).map(|(number, _)| number)
    }

    /// The rows of a block, with only the ids and values that they have.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or there is no such block.
    pub fn rows(&self, number: usize) -> Result<TimelineRows, CheckpointError> {
        let at = self.first + number;
        let Some((count, first, last)) = self.content.blocks.get(number).copied() else {
            return Err(self.object.no_footer("a block of rows is missing"));
        };
        let bytes = self.object.block(at)?;
        let wrong = |what| self.object.no_block(at, what);
        let is_words: Vec<_> = self.values.iter().map(Option::is_none).collect();
        let rows = columns::decode(&bytes, count as usize, &is_words)
            .ok_or_else(|| wrong("the bytes are no rows"))?;
        if rows.times.first() != Some(&first) || rows.times.last() != Some(&last) {
            return Err(wrong("its times are not those of the footer"));
        }
        let (ids, entities) =
            used(&self.ids, rows.entities.into_iter().map(|at| at.saturating_add(1)))
                .ok_or_else(|| wrong("an entity has no id"))?;
        // No entity is null.
        let entities = entities.into_iter().map(|place| place.saturating_sub(1)).collect();
        let attributes =
            rows.attributes.into_iter().zip(&self.values).map(|(attribute, values)| {
                Some(match (attribute, values) {
                    (PlacedValues::Words(words), _) => AttributeValues::Words(words),
                    (PlacedValues::Places(places), values) => {
                        let (values, places) = used(values.as_ref()?, places.into_iter())?;
                        AttributeValues::Symbols { values, places }
                    }
                })
            });
        let attributes = attributes.collect::<Option<_>>();
        let attributes = attributes.ok_or_else(|| wrong("an attribute has no value"))?;
        Ok(TimelineRows { times: rows.times, ids, entities, bits: rows.bits, attributes })
    }
}

/// Reads all of a segment, and checks every row and every checksum against what `listed` says.
///
/// # Errors
/// As [`SegmentReader::open`] and [`SegmentReader::rows`]; that there are no keys is none.
pub fn verify_segment(
    objects: &dyn Objects,
    listed: &ListedSegment,
    keys: Option<&StateKeys>,
) -> Result<Verified, CheckpointError> {
    let (object, content): (_, SegmentContent) =
        ObjectReader::open(objects, &listed.name, listed.bytes, KIND, keys)?;
    if let Some(what) = contradiction(&content, listed) {
        return Err(object.no_footer(what));
    }
    let verified = object.verify(listed.crc32c)?;
    if verified == Verified::Whole {
        let segment = SegmentReader::open(objects, listed, keys)?;
        (0..segment.blocks()).try_for_each(|number| segment.rows(number).map(drop))?;
    }
    Ok(verified)
}

/// What the footer and the list say differently.
fn contradiction(content: &SegmentContent, listed: &ListedSegment) -> Option<&'static str> {
    let SegmentContent { schema, rows, from, to, ids, values, blocks } = content;
    let counts = values.iter().flatten().chain([ids]).flatten();
    let too_many = |count: &u32| !(1..=BLOCK_ROWS).contains(&(*count as usize));
    let all: u64 = blocks.iter().map(|(count, ..)| u64::from(*count)).sum();
    let in_order = blocks.iter().map(|(_, first, last)| (*first, *last));
    let ends: Vec<_> = in_order.flat_map(|(first, last)| [first, last]).collect();
    let within =
        ends.first().is_none_or(|time| time >= from) && ends.last().is_none_or(|time| time < to);
    let wrong = [
        (schema.entity != listed.entity, "it is of another entity type than the manifest says"),
        (*rows != listed.rows || all != *rows, "it has another number of rows"),
        ((*from, *to) != (listed.from, listed.to), "it has another range of times"),
        (schema.attributes.len() != values.len(), "its attributes have no values"),
        (counts.into_iter().any(too_many), "a block has too many values"),
        (blocks.iter().any(|(count, ..)| too_many(count)), "a block has too many rows"),
        (!ends.is_sorted() || !within, "its blocks are not in order"),
    ];
    wrong.into_iter().find(|(is_so, _)| *is_so).map(|(_, what)| what)
}

fn texts_blocks(content: &SegmentContent) -> usize {
    content.ids.len() + content.values.iter().flatten().map(Vec::len).sum::<usize>()
}

/// Reads texts that lie in blocks from `next` on, so many in each.
pub(in super::super) fn read_texts(
    object: &ObjectReader<'_>,
    next: &mut usize,
    counts: &[u32],
) -> Result<Texts, CheckpointError> {
    let mut texts = Texts::default();
    for count in counts {
        let bytes = object.block(*next)?;
        let mut encoded = Encoded(&bytes);
        let read = decode_texts(&mut encoded, *count as usize, &mut texts);
        if read.is_none() || !encoded.0.is_empty() {
            return Err(object.no_block(*next, "the bytes are no texts"));
        }
        *next += 1;
    }
    Ok(texts)
}

/// Those texts that have a place, in the order in which they come first, and the places in these. All
/// places are plus one, and 0 is nothing. `None`: nothing is at a place.
fn used(texts: &Texts, places: impl Iterator<Item = u32>) -> Option<(Texts, Vec<u32>)> {
    let mut kept = Texts::default();
    // For each text its new place, plus one.
    let mut kept_at = vec![0; texts.len()];
    let mut placed = Vec::with_capacity(places.size_hint().0);
    for place in places {
        let Some(place) = (place as usize).checked_sub(1) else {
            placed.push(0);
            continue;
        };
        let at = kept_at.get_mut(place)?;
        if *at == 0 {
            *at = kept.push(texts.get(place)?)? + 1;
        }
        placed.push(*at);
    }
    Some((kept, placed))
}

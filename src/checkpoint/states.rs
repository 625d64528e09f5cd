//! State files, format 1: a part of a snapshot, what is folded over the rows of some entities.
//!
//! ```text
//! block:    ids | states of the first component | states of the second | ..
//! content:  entity type, the cut, how many entities, the components, how many entities are in each block
//! ```
//!
//! A block is whole in itself, so a reader holds one of them.

use super::blocks::{ObjectKind, ObjectReader, ObjectWriter};
use super::encoding::{BLOCK_ROWS, Encoded, TEXTS_BYTES_MAX, decode_texts, encode_texts};
use super::{BlockCipher, CheckpointError, StateKeys, StoredObject, Verified};
use crate::objects::Objects;
use serde::{Deserialize, Serialize};
use tidemark_operators::cut::{EntityStates, StateComponent, Texts};
use tidemark_operators::time::EventTime;

const KIND: ObjectKind = ObjectKind(*b"TIDESTA\n");

/// A state file as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedStates {
    /// The object.
    pub name: String,
    /// The entity type.
    pub entity: String,
    /// The cut that the states are as of.
    pub as_of: EventTime,
    /// How many entities.
    pub entities: u64,
    /// The object's size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
}

/// What a state file says of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatesContent {
    /// The entity type.
    pub entity: String,
    /// The cut that the states are as of.
    pub as_of: EventTime,
    /// How many entities.
    pub entities: u64,
    /// What each component is.
    pub components: Vec<String>,
    /// How many entities are in each block.
    blocks: Vec<u32>,
}

/// Puts a state file together, slice by slice.
pub struct StatesWriter<'a> {
    object: ObjectWriter<'a>,
    content: StatesContent,
}

impl<'a> StatesWriter<'a> {
    /// An empty one of `entity` as of the cut `as_of`, with these components.
    pub fn new(
        name: String,
        entity: String,
        as_of: EventTime,
        components: Vec<String>,
        cipher: Option<&'a BlockCipher>,
    ) -> Self {
        let object = ObjectWriter::new(name, cipher);
        let content = StatesContent { entity, as_of, entities: 0, components, blocks: Vec::new() };
        StatesWriter { object, content }
    }

    /// How many bytes it has so far.
    pub fn bytes(&self) -> u64 {
        self.object.bytes()
    }

    /// Appends entities.
    ///
    /// # Errors
    /// When they are of another cut or have other components, or a component has not one state for
    /// each of them.
    pub fn push(&mut self, states: &EntityStates) -> Result<(), CheckpointError> {
        let identities = states.components.iter().map(|component| &component.identity);
        let lengths = states.components.iter().map(|component| component.states.len());
        let wrong = [
            (states.as_of != self.content.as_of, "a part of it is as of another cut"),
            (!identities.eq(&self.content.components), "a part of it has other components"),
            (
                lengths.clone().any(|length| length != states.ids.len()),
                "a component has not one state for each entity",
            ),
        ];
        if let Some((_, why)) = wrong.into_iter().find(|(is_so, _)| *is_so) {
            let (object, why) = (self.object.name().to_owned(), why.to_owned());
            return Err(CheckpointError::Unwritable { object, why });
        }
        let mut from = 0;
        while from < states.ids.len() {
            let to = slice_end(states, from);
            let mut block = Vec::new();
            encode_texts(&states.ids, from, to, &mut block);
            for component in &states.components {
                encode_texts(&component.states, from, to, &mut block);
            }
            self.object.push(&block)?;
            // At most BLOCK_ROWS.
            self.content.blocks.push(u32::try_from(to - from).unwrap_or(u32::MAX));
            self.content.entities += (to - from) as u64;
            from = to;
        }
        Ok(())
    }

    /// The file, and what a manifest lists it by.
    ///
    /// # Errors
    /// When its footer is too long.
    pub fn finish(self) -> Result<(StoredObject, ListedStates), CheckpointError> {
        let StatesContent { entity, as_of, entities, .. } = self.content.clone();
        let object = self.object.finish(KIND, self.content)?;
        let (name, bytes, crc32c) = (object.name.clone(), object.size(), object.crc32c());
        Ok((object, ListedStates { name, entity, as_of, entities, bytes, crc32c }))
    }
}

/// Up to where entities go into a block that begins with the one at `from`: at least one.
fn slice_end(states: &EntityStates, from: usize) -> usize {
    let columns =
        || states.components.iter().map(|component| &component.states).chain([&states.ids]);
    let end = |texts: &Texts, place: usize| {
        let before = place.checked_sub(1);
        before.and_then(|before| texts.parts().1.get(before)).map_or(0, |end| u64::from(*end))
    };
    let until = |place: usize| columns().map(|texts| end(texts, place)).sum::<u64>();
    let (start, all) = (until(from), states.ids.len().min(from + BLOCK_ROWS));
    let fits = |to: &usize| until(*to) - start <= TEXTS_BYTES_MAX as u64;
    (from + 1..=all).take_while(fits).last().unwrap_or(from + 1)
}

/// Reads a state file, a block of entities at a time.
pub struct StatesReader<'a> {
    object: ObjectReader<'a>,
    content: StatesContent,
}

impl<'a> StatesReader<'a> {
    /// Opens the file that `listed` says. `keys` are those that it may be encrypted with.
    ///
    /// # Errors
    /// When it cannot be read, is missing, damaged or not what `listed` says, or its key is not there.
    pub fn open(
        objects: &'a dyn Objects,
        listed: &ListedStates,
        keys: Option<&StateKeys>,
    ) -> Result<Self, CheckpointError> {
        let (object, content): (_, StatesContent) =
            ObjectReader::open(objects, &listed.name, listed.bytes, KIND, keys)?;
        let all: u64 = content.blocks.iter().map(|count| u64::from(*count)).sum();
        let too_many = |count: &u32| !(1..=BLOCK_ROWS).contains(&(*count as usize));
        let wrong = [
            (
                content.entity != listed.entity,
                "it is of another entity type than the manifest says",
            ),
            (content.as_of != listed.as_of, "it is as of another cut"),
            (
                content.entities != listed.entities || all != content.entities,
                "it has another number of entities",
            ),
            (content.blocks.len() != object.blocks(), "it has another number of blocks"),
            (content.blocks.iter().any(too_many), "a block has too many entities"),
        ];
        match wrong.into_iter().find(|(is_so, _)| *is_so) {
            Some((_, what)) => Err(object.no_footer(what)),
            None => Ok(StatesReader { object, content }),
        }
    }

    /// What it says of its content.
    pub fn content(&self) -> &StatesContent {
        &self.content
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.content.blocks.len()
    }

    /// The entities of a block.
    ///
    /// # Errors
    /// When it cannot be read or is damaged, or there is no such block.
    pub fn states(&self, number: usize) -> Result<EntityStates, CheckpointError> {
        let bytes = self.object.block(number)?;
        let count = self.content.blocks.get(number).map_or(0, |count| *count as usize);
        let decoded = decode(&bytes, count, &self.content);
        decoded.ok_or_else(|| self.object.no_block(number, "the bytes are no states"))
    }
}

/// Reads all of a state file, and checks every block and every checksum against what `listed` says.
///
/// # Errors
/// As [`StatesReader::open`] and [`StatesReader::states`]; that there are no keys is none.
pub fn verify_states(
    objects: &dyn Objects,
    listed: &ListedStates,
    keys: Option<&StateKeys>,
) -> Result<Verified, CheckpointError> {
    let states = StatesReader::open(objects, listed, keys)?;
    let verified = states.object.verify(listed.crc32c)?;
    if verified == Verified::Whole {
        (0..states.blocks()).try_for_each(|number| states.states(number).map(drop))?;
    }
    Ok(verified)
}

fn decode(bytes: &[u8], count: usize, content: &StatesContent) -> Option<EntityStates> {
    let mut encoded = Encoded(bytes);
    let mut texts = || {
        let mut texts = Texts::default();
        decode_texts(&mut encoded, count, &mut texts).map(|()| texts)
    };
    let ids = texts()?;
    let components = content
        .components
        .iter()
        .map(|identity| Some(StateComponent { identity: identity.clone(), states: texts()? }));
    let components = components.collect::<Option<_>>()?;
    let states = EntityStates { as_of: content.as_of, ids, components };
    encoded.0.is_empty().then_some(states)
}

#[cfg(test)]
mod tests;

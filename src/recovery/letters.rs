//! The dead letters of a checkpoint in the store, until they are published.

use super::RecoveryError;
use super::publisher::{Batch, Published};
use crate::checkpoint::{Position, StoredObject};
use crate::dead_letters::{encode, parse};
use crate::objects::Objects;
use std::collections::BTreeMap;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// The folder of a store that they are in.
const FOLDER: &str = "letters/";
/// What a manifest says of them: the newest checkpoint whose letters are published, how far the target
/// has been written then, and of each that may not be its object.
const PUBLISHED: &str = "dead_letters.published";
const POSITION: &str = "dead_letters.position";
const UNPUBLISHED: &str = "dead_letters.unpublished.";
/// How many bytes of the file of sealed rows hold those before the cut.
pub(super) const SEALED_BYTES: &str = "sealed.bytes";

type Positions = BTreeMap<String, Position>;

/// Sets a number.
pub(super) fn set(outbox: &mut Positions, name: &str, number: u64) {
    outbox.insert(name.to_owned(), Position::Number(number));
}

/// A number that was set.
pub(super) fn number(outbox: &Positions, name: &str) -> Option<u64> {
    match outbox.get(name) {
        Some(Position::Number(number)) => Some(*number),
        _ => None,
    }
}

/// Notes how far letters are published: what is needs no object any more.
pub(super) fn published(outbox: &mut Positions, published: &Published) {
    set(outbox, PUBLISHED, published.number);
    set(outbox, POSITION, published.position);
    let last = format!("{UNPUBLISHED}{:020}", published.number);
    outbox.retain(|name, _| !name.starts_with(UNPUBLISHED) || *name > last);
}

/// How far they were published; `None`: there was no checkpoint.
pub(super) fn how_far(outbox: &Positions) -> Option<Published> {
    let (number, position) = (number(outbox, PUBLISHED)?, number(outbox, POSITION)?);
    Some(Published { number, position })
}

/// An object of letters, as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredLetters {
    number: u64,
    name: String,
    bytes: u64,
    crc32c: u32,
}

impl StoredLetters {
    /// That of `batch`, written by generation `generation`, and the object itself.
    pub fn of(generation: u64, batch: &Batch) -> (Self, StoredObject) {
        let number = batch.number;
        let name = format!("{FOLDER}{generation:010}-{number:020}");
        let object = StoredObject { name: name.clone(), bytes: batch.lines.clone() };
        let (bytes, crc32c) = (object.size(), object.crc32c());
        (StoredLetters { number, name, bytes, crc32c }, object)
    }

    /// Has a manifest list it.
    pub fn list(&self, outbox: &mut Positions) {
        let StoredLetters { number, name, bytes, crc32c } = self;
        let text = format!("{name} {bytes} {crc32c:08x}");
        outbox.insert(format!("{UNPUBLISHED}{number:020}"), Position::Text(text));
    }

    /// Those that a manifest lists.
    pub fn listed(outbox: &Positions) -> Vec<StoredLetters> {
        let letters = |(name, position): (&String, &Position)| {
            let number = name.strip_prefix(UNPUBLISHED)?.parse().ok()?;
            let Position::Text(text) = position else { return None };
            let mut parts = text.split(' ');
            let (name, bytes, crc32c) = (parts.next()?, parts.next()?, parts.next()?);
            Some(StoredLetters {
                number,
                name: name.to_owned(),
                bytes: bytes.parse().ok()?,
                crc32c: u32::from_str_radix(crc32c, 16).ok()?,
            })
        };
        outbox.iter().filter_map(letters).collect()
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is missing, damaged, or cannot be read.
    pub fn read(&self, objects: &dyn Objects) -> Result<Batch, RecoveryError> {
        let damaged = |what: &str| RecoveryError::StoredLetters {
            object: self.name.clone(),
            store: objects.url().to_owned(),
            what: what.to_owned(),
        };
        let lines = objects.get(&self.name)?.ok_or_else(|| damaged("it is missing"))?;
        let object = StoredObject { name: self.name.clone(), bytes: lines };
        if (object.size(), object.crc32c()) != (self.bytes, self.crc32c) {
            return Err(damaged("it is not the one that the manifest lists"));
        }
        let lines = object.bytes;
        let each = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let letters: Result<Vec<DeadLetter>, _> = each.map(parse).collect();
        let letters = letters.map_err(|error| damaged(&error.to_string()))?;
        Ok(Batch { number: self.number, cut: 0, lines, letters })
    }
}

impl Batch {
    /// The letters of checkpoint `number`, of the cut `cut` of this run, in an order that does not depend
    /// on the workers.
    pub fn new(number: u64, cut: u64, mut letters: Vec<DeadLetter>) -> Self {
        letters.sort_by_key(|letter| (letter.partition, letter.offset));
        let mut lines = Vec::new();
        letters.iter().for_each(|letter| encode(letter, &mut lines));
        Batch { number, cut, lines, letters }
    }
}

/// Deletes the objects of letters that no kept manifest needs: those up to checkpoint `last`.
pub(super) fn collect(objects: &dyn Objects, last: u64) {
    let listed = objects.list(FOLDER).unwrap_or_default();
    for object in listed {
        let number = object.name.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        if number.is_some_and(|number| number <= last)
            && let Err(error) = objects.delete(&object.name)
        {
            tracing::warn!(%error, "letters that are published cannot be deleted; they are left");
        }
    }
}

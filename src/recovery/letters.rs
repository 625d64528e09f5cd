//! The dead letters of a checkpoint in the store, until they are published.

use super::RecoveryError;
use super::publisher::{Batch, Published};
use crate::checkpoint::{
    CheckpointError, DamagedObject, LETTERS, Position, StateKeys, StoredLetters, UNPUBLISHED,
};
use crate::dead_letters::encode;
use crate::objects::Objects;
use std::collections::BTreeMap;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// What a manifest says of them beside the objects of those that may not be published: the newest
/// checkpoint whose letters are, and how far the target has been written then.
const PUBLISHED: &str = "dead_letters.published";
const POSITION: &str = "dead_letters.position";
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

/// Reads what `stored` lists, to be published.
///
/// # Errors
/// When it is missing, damaged, or cannot be read, or its key is not there.
pub(super) fn read(
    stored: &StoredLetters,
    objects: &dyn Objects,
    keys: Option<&StateKeys>,
) -> Result<Batch, RecoveryError> {
    match stored.read(objects, keys) {
        Ok((lines, letters)) => Ok(Batch { number: stored.number, cut: 0, lines, letters }),
        Err(CheckpointError::Damaged(DamagedObject { object, store, place, what })) => {
            Err(RecoveryError::StoredLetters { object, store, what: format!("{place}{what}") })
        }
        Err(error) => Err(error.into()),
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
    let listed = objects.list(LETTERS).unwrap_or_default();
    for object in listed {
        let number = object.name.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        if number.is_some_and(|number| number <= last)
            && let Err(error) = objects.delete(&object.name)
        {
            tracing::warn!(%error, "letters that are published cannot be deleted; they are left");
        }
    }
}

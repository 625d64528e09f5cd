//! Objects of dead letters: those of a checkpoint that may not be published yet.
//!
//! ```text
//! lines:    as they are published; what is written where there are no keys
//! blocks:   the same bytes, cut into blocks that are encrypted | content: how many they are
//! ```
//!
//! A letter holds a whole record, so it is encrypted where anything is. A manifest says which of the two
//! forms an object has: nobody guesses it from the bytes.

use super::blocks::{ObjectKind, ObjectReader, ObjectWriter, damage};
use super::{
    BlockCipher, CheckpointError, DamagePlace, Position, StateKeys, StoredObject, Verified,
};
use crate::dead_letters::parse;
use crate::objects::Objects;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemark_operators::ingest::dead_letter::DeadLetter;

const KIND: ObjectKind = ObjectKind(*b"TIDELET\n");
/// How many bytes of lines one block has at most.
const BLOCK_BYTES: usize = 1 << 20;
/// The folder that they are in.
pub(crate) const LETTERS: &str = "letters/";
/// What a manifest calls the object of a checkpoint, before its number.
pub(crate) const UNPUBLISHED: &str = "dead_letters.unpublished.";
/// What a manifest adds to an object of blocks.
const IN_BLOCKS: &str = "blocks";

/// An object of letters, as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetters {
    /// The sequence number of their checkpoint.
    pub number: u64,
    /// The object.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The checksum of all its bytes.
    pub crc32c: u32,
    form: LettersForm,
}

/// How the letters lie in their object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LettersForm {
    Lines,
    Blocks,
    /// A newer program has written it.
    Unknown(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LettersContent {
    /// How many bytes the lines have.
    bytes: u64,
}

impl StoredLetters {
    /// The lines of the letters of checkpoint `number`, written by generation `generation`: what lists
    /// them, and the object itself.
    ///
    /// # Errors
    /// When a block cannot be encrypted, or the footer is too long.
    pub fn of(
        generation: u64,
        number: u64,
        lines: &[u8],
        cipher: Option<&BlockCipher>,
    ) -> Result<(Self, StoredObject), CheckpointError> {
        let name = format!("{LETTERS}{generation:010}-{number:020}");
        let (form, object) = match cipher {
            None => {
                (LettersForm::Lines, StoredObject { name: name.clone(), bytes: lines.to_vec() })
            }
            Some(_) => {
                let mut object = ObjectWriter::new(name.clone(), cipher);
                lines.chunks(BLOCK_BYTES).try_for_each(|block| object.push(block))?;
                let content = LettersContent { bytes: lines.len() as u64 };
                (LettersForm::Blocks, object.finish(KIND, content)?)
            }
        };
        let (bytes, crc32c) = (object.size(), object.crc32c());
        Ok((StoredLetters { number, name, bytes, crc32c, form }, object))
    }

    /// Has a manifest list it.
    pub fn list(&self, outbox: &mut BTreeMap<String, Position>) {
        let StoredLetters { number, name, bytes, crc32c, form } = self;
        let form = match form {
            LettersForm::Lines => String::new(),
            LettersForm::Blocks => format!(" {IN_BLOCKS}"),
            LettersForm::Unknown(form) => format!(" {form}"),
        };
        let text = format!("{name} {bytes} {crc32c:08x}{form}");
        outbox.insert(format!("{UNPUBLISHED}{number:020}"), Position::Text(text));
    }

    /// Those that a manifest lists.
    pub fn listed(outbox: &BTreeMap<String, Position>) -> Vec<StoredLetters> {
        let letters = |(name, position): (&String, &Position)| {
            let number = name.strip_prefix(UNPUBLISHED)?.parse().ok()?;
            let Position::Text(text) = position else { return None };
            let mut parts = text.splitn(4, ' ');
            let (name, bytes, crc32c) = (parts.next()?, parts.next()?, parts.next()?);
            Some(StoredLetters {
                number,
                name: name.to_owned(),
                bytes: bytes.parse().ok()?,
                crc32c: u32::from_str_radix(crc32c, 16).ok()?,
                form: match parts.next() {
                    None => LettersForm::Lines,
                    Some(IN_BLOCKS) => LettersForm::Blocks,
                    Some(form) => LettersForm::Unknown(form.to_owned()),
                },
            })
        };
        outbox.iter().filter_map(letters).collect()
    }

    /// Reads it: the lines, and the letters that they are. `keys` are those that it may be encrypted with.
    ///
    /// # Errors
    /// When it is missing, damaged, or cannot be read, or its key is not there.
    pub fn read(
        &self,
        objects: &dyn Objects,
        keys: Option<&StateKeys>,
    ) -> Result<(Vec<u8>, Vec<DeadLetter>), CheckpointError> {
        let lines = match &self.form {
            LettersForm::Lines => self.lines(objects)?,
            LettersForm::Blocks => self.blocks(objects, keys)?,
            LettersForm::Unknown(_) => {
                return Err(self.damaged(objects, "its form is one that a newer program knows"));
            }
        };
        let each = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let letters: Result<Vec<DeadLetter>, _> = each.map(parse).collect();
        match letters {
            Ok(letters) => Ok((lines, letters)),
            Err(error) => Err(self.damaged(objects, &error.to_string())),
        }
    }

    fn lines(&self, objects: &dyn Objects) -> Result<Vec<u8>, CheckpointError> {
        let lines = objects.get(&self.name)?;
        let lines = lines.ok_or_else(|| self.damaged(objects, "it is missing"))?;
        if (lines.len() as u64, crc32c::crc32c(&lines)) != (self.bytes, self.crc32c) {
            return Err(self.damaged(objects, "it is not the one that the manifest lists"));
        }
        Ok(lines)
    }

    fn blocks(
        &self,
        objects: &dyn Objects,
        keys: Option<&StateKeys>,
    ) -> Result<Vec<u8>, CheckpointError> {
        let (object, content) = self.opened(objects, keys)?;
        object.verify(self.crc32c)?;
        let mut lines = Vec::new();
        for number in 0..object.blocks() {
            lines.extend(object.block(number)?);
        }
        match lines.len() as u64 == content.bytes {
            true => Ok(lines),
            false => Err(object.no_footer("its lines have another number of bytes")),
        }
    }

    fn opened<'a>(
        &self,
        objects: &'a dyn Objects,
        keys: Option<&StateKeys>,
    ) -> Result<(ObjectReader<'a>, LettersContent), CheckpointError> {
        ObjectReader::open(objects, &self.name, self.bytes, KIND, keys)
    }

    fn damaged(&self, objects: &dyn Objects, what: &str) -> CheckpointError {
        damage(objects, &self.name, DamagePlace::Whole, what).into()
    }
}

/// Reads all of an object of letters that is listed, and says whether it is whole.
///
/// # Errors
/// When it is missing, damaged or not what is listed, or cannot be read or decrypted.
pub fn verify_letters(
    objects: &dyn Objects,
    listed: &StoredLetters,
    keys: Option<&StateKeys>,
) -> Result<Verified, CheckpointError> {
    if listed.form == LettersForm::Blocks {
        let (object, _) = listed.opened(objects, keys)?;
        if object.verify(listed.crc32c)? == Verified::Checksums {
            return Ok(Verified::Checksums);
        }
    }
    listed.read(objects, keys)?;
    Ok(Verified::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::encode;
    use crate::objects::memory::MemoryObjects;
    use tidemark_operators::origin::PartitionId;
    use tidemark_operators::verdict::Reason;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn keys(name: &str, id: &str) -> StateKeys {
        let path = std::env::temp_dir().join(format!("tidemark-{name}-{}", std::process::id()));
        std::fs::write(&path, format!("{id} {DIGITS}\n")).unwrap();
        let keys = StateKeys::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        keys
    }

    /// More than a block of them.
    fn lines() -> (Vec<u8>, Vec<DeadLetter>) {
        let mut lines = Vec::new();
        for offset in 0..1_500 {
            let letter = DeadLetter {
                source: "transactions".to_owned(),
                topic: None,
                partition: PartitionId { source: 0, partition: 2 },
                offset,
                key: None,
                value: Some(format!("plain-{offset}{}", "x".repeat(1 << 10)).into_bytes()),
                reason: Reason::Malformed,
                event_time: None,
                field_time: None,
                arrival: None,
                watermark: 1_700_000_060_000,
                late_by: None,
                idle_floor: false,
                error: Some("it is no JSON".to_owned()),
            };
            encode(&letter, &mut lines);
        }
        assert!(lines.len() > BLOCK_BYTES);
        let each = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let letters = each.map(|line| parse(line).unwrap()).collect();
        (lines, letters)
    }

    fn stored(
        objects: &MemoryObjects,
        lines: &[u8],
        cipher: Option<&BlockCipher>,
    ) -> StoredLetters {
        let (listed, object) = StoredLetters::of(3, 17, lines, cipher).unwrap();
        crate::checkpoint::store(objects, &object).unwrap();
        let mut outbox = BTreeMap::new();
        listed.list(&mut outbox);
        assert_eq!(StoredLetters::listed(&outbox), std::slice::from_ref(&listed));
        listed
    }

    #[test]
    fn letters_come_back_as_they_were_with_keys_and_without() {
        let (keys, (lines, letters)) = (keys("letters-back", "one"), lines());
        for cipher in [None, Some(keys.cipher().unwrap())] {
            let objects = MemoryObjects::new();
            let listed = stored(&objects, &lines, cipher.as_ref());
            assert_eq!(
                listed.read(&objects, Some(&keys)).unwrap(),
                (lines.clone(), letters.clone())
            );
            assert_eq!(verify_letters(&objects, &listed, Some(&keys)).unwrap(), Verified::Whole);
            let bytes = objects.get(&listed.name).unwrap().unwrap();
            let clear = bytes.windows(6).any(|bytes| bytes == b"plain-");
            assert_eq!(clear, cipher.is_none());
        }
    }

    #[test]
    fn letters_of_an_older_program_are_read_where_there_are_keys() {
        let (objects, (lines, letters)) = (MemoryObjects::new(), lines());
        let name = "letters/0000000001-00000000000000000005";
        objects.put(name, &lines).unwrap();
        let text = format!("{name} {} {:08x}", lines.len(), crc32c::crc32c(&lines));
        let key = format!("{UNPUBLISHED}{:020}", 5);
        let listed = StoredLetters::listed(&BTreeMap::from([(key, Position::Text(text))]));
        let [listed] = &listed[..] else { panic!("{listed:?}") };
        let keys = keys("letters-older", "one");
        assert_eq!(listed.read(&objects, Some(&keys)).unwrap(), (lines, letters));
    }

    #[test]
    fn encrypted_letters_without_their_key_are_refused_and_their_checksums_verified() {
        let (objects, (lines, _)) = (MemoryObjects::new(), lines());
        let cipher = keys("letters-key", "one").cipher().unwrap();
        let listed = stored(&objects, &lines, Some(&cipher));
        assert_eq!(verify_letters(&objects, &listed, None).unwrap(), Verified::Checksums);
        let error = listed.read(&objects, None).unwrap_err().to_string();
        assert!(error.contains("encrypted with key \"one\", which is not there"), "{error}");
        let other = keys("letters-other", "two");
        assert!(listed.read(&objects, Some(&other)).is_err());
    }

    #[test]
    fn what_is_not_the_object_that_is_listed_is_named_and_a_form_of_tomorrow_is_not_guessed() {
        let keys = keys("letters-damage", "one");
        let (lines, _) = lines();
        for cipher in [None, Some(keys.cipher().unwrap())] {
            let (listed, object) = StoredLetters::of(3, 17, &lines, cipher.as_ref()).unwrap();
            let mut damaged = object.bytes.clone();
            damaged[lines.len() / 2] ^= 1;
            for bytes in [Some(damaged), Some(object.bytes[1..].to_vec()), None] {
                let objects = MemoryObjects::new();
                if let Some(bytes) = bytes {
                    objects.put(&listed.name, &bytes).unwrap();
                }
                let read = listed.read(&objects, Some(&keys)).unwrap_err();
                let verified = verify_letters(&objects, &listed, Some(&keys)).unwrap_err();
                for error in [read, verified] {
                    assert!(error.to_string().contains(&listed.name), "{error}");
                }
            }
        }
        let text = "letters/1-2 10 00000000 woven 2".to_owned();
        let key = format!("{UNPUBLISHED}{:020}", 2);
        let listed = StoredLetters::listed(&BTreeMap::from([(key, Position::Text(text))]));
        let error = listed[0].read(&MemoryObjects::new(), None).unwrap_err().to_string();
        assert!(error.contains("its form is one that a newer program knows"), "{error}");
    }
}

//! Objects of blocks: what segments and state files have in common.
//!
//! ```text
//! block 0 | block 1 | .. | footer: JSON {format, blocks: [[bytes, crc32c]..], encrypted?, content}
//!         | trailer: the footer's length (4 bytes, the lowest first) | its CRC32C (4) | kind (8)
//! ```
//!
//! Every byte is in a block, in the footer or in the trailer, and each of them is checked before
//! anything of it is used.

use super::encryption::{self, EncryptedWith, Opener};
use super::{BlockCipher, CheckpointError, DamagePlace, DamagedObject, StateKeys};
use crate::objects::Objects;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The format that is written.
pub(super) const FORMAT: u32 = 1;
const TRAILER_BYTES: usize = 16;
/// How much of an object's end is read at once: small objects whole, of others footer and trailer.
const TAIL_BYTES: u64 = 64 << 10;

/// What an object is, in its last bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectKind(pub [u8; 8]);

/// An object, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl StoredObject {
    /// The checksum of all its bytes.
    pub fn crc32c(&self) -> u32 {
        crc32c::crc32c(&self.bytes)
    }

    /// How many bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer<C> {
    format: u32,
    /// For each block its size and its checksum.
    blocks: Vec<(u64, u32)>,
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    encrypted: Option<EncryptedWith>,
    content: C,
}

/// What every format's footer has.
#[derive(Deserialize)]
struct AnyFooter {
    format: u32,
}

/// Puts an object together.
pub(super) struct ObjectWriter<'a> {
    object: StoredObject,
    blocks: Vec<(u64, u32)>,
    cipher: Option<&'a BlockCipher>,
}

impl<'a> ObjectWriter<'a> {
    pub fn new(name: String, cipher: Option<&'a BlockCipher>) -> Self {
        let object = StoredObject { name, bytes: Vec::new() };
        ObjectWriter { object, blocks: Vec::new(), cipher }
    }

    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// How many bytes the blocks have.
    pub fn bytes(&self) -> u64 {
        self.object.size()
    }

    /// Appends a block.
    pub fn push(&mut self, plain: &[u8]) -> Result<(), CheckpointError> {
        let sealed;
        let block = match self.cipher {
            None => plain,
            Some(cipher) => {
                sealed = cipher.seal(&self.object.name, self.blocks.len(), plain)?;
                &sealed
            }
        };
        self.blocks.push((block.len() as u64, crc32c::crc32c(block)));
        self.object.bytes.extend_from_slice(block);
        Ok(())
    }

    pub fn finish<C: Serialize>(
        self,
        kind: ObjectKind,
        content: C,
    ) -> Result<StoredObject, CheckpointError> {
        let ObjectWriter { mut object, blocks, cipher } = self;
        let encrypted = cipher.map(|cipher| cipher.with().clone());
        let footer = Footer { format: FORMAT, blocks, encrypted, content };
        let unwritable =
            |why: String| CheckpointError::Unwritable { object: object.name.clone(), why };
        let footer = serde_json::to_vec(&footer).map_err(|error| unwritable(error.to_string()))?;
        let length = u32::try_from(footer.len())
            .map_err(|_| unwritable("its footer is longer than 4 GiB".to_owned()))?;
        object.bytes.extend_from_slice(&footer);
        object.bytes.extend(length.to_le_bytes());
        object.bytes.extend(crc32c::crc32c(&footer).to_le_bytes());
        object.bytes.extend(kind.0);
        Ok(object)
    }
}

/// Where a block lies.
#[derive(Clone, Copy, Debug)]
struct PlacedBlock {
    offset: u64,
    bytes: u64,
    crc32c: u32,
}

/// Whether an object is encrypted, and can be decrypted.
enum Lock {
    None,
    Opened(Opener),
    Closed(EncryptedWith),
}

/// What of an object was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// All of it.
    Whole,
    /// Its checksums; what it holds is encrypted, and there are no keys.
    Checksums,
}

/// Reads an object block by block.
pub(super) struct ObjectReader<'a> {
    objects: &'a dyn Objects,
    name: String,
    size: u64,
    blocks: Vec<PlacedBlock>,
    lock: Lock,
    /// The last bytes, as they are stored.
    tail: Vec<u8>,
    /// Of footer and trailer.
    end_crc32c: u32,
    end_bytes: usize,
}

impl<'a> ObjectReader<'a> {
    /// Opens the object, of `size` bytes as whoever lists it says, and hands out what its footer says
    /// of its content.
    pub fn open<C: DeserializeOwned>(
        objects: &'a dyn Objects,
        name: &str,
        size: u64,
        kind: ObjectKind,
        keys: Option<&StateKeys>,
    ) -> Result<(Self, C), CheckpointError> {
        let damaged = |place, what: &str| damage(objects, name, place, what);
        if size < TRAILER_BYTES as u64 {
            return Err(damaged(DamagePlace::Whole, "it is listed with too few bytes").into());
        }
        let tail = read_tail(objects, name, size)?;
        let (before, trailer) = tail
            .split_last_chunk::<TRAILER_BYTES>()
            .ok_or_else(|| damaged(DamagePlace::Whole, "it is listed with too few bytes"))?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, found @ ..] = *trailer;
        if found != kind.0 {
            return Err(damaged(DamagePlace::Trailer, "it does not say what it is").into());
        }
        let trailer_from = size - TRAILER_BYTES as u64;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let footer_from = trailer_from
            .checked_sub(u64::from(length))
            .ok_or_else(|| damaged(DamagePlace::Trailer, "its footer is longer than the object"))?;
        let long;
        let footer = match before.len().checked_sub(length as usize) {
            Some(from) => before.get(from..).unwrap_or_default(),
            None => {
                let read = objects.get_range(name, footer_from, trailer_from)?;
                long = read.unwrap_or_default();
                &long
            }
        };
        if crc32c::crc32c(footer) != u32::from_le_bytes([c0, c1, c2, c3]) {
            let what = "the checksum is not that of the bytes";
            return Err(damaged(DamagePlace::Footer, what).into());
        }
        let Footer { blocks, encrypted, content, .. } = read_footer(objects, name, footer)?;
        let blocks = placed(blocks, footer_from).ok_or_else(|| {
            damaged(DamagePlace::Footer, "its blocks are not what lies before it")
        })?;
        let lock = match (encrypted, keys) {
            (None, _) => Lock::None,
            (Some(with), Some(keys)) => Lock::Opened(keys.opener(name, &with)?),
            (Some(with), None) => Lock::Closed(with),
        };
        let end_crc32c = crc32c::crc32c_append(crc32c::crc32c(footer), trailer);
        let end_bytes = footer.len() + TRAILER_BYTES;
        let name = name.to_owned();
        Ok((
            ObjectReader { objects, name, size, blocks, lock, tail, end_crc32c, end_bytes },
            content,
        ))
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// A block as it was pushed.
    pub fn block(&self, number: usize) -> Result<Vec<u8>, CheckpointError> {
        let stored = self.stored(number)?;
        match &self.lock {
            Lock::None => Ok(stored),
            Lock::Opened(opener) => Ok(opener.open(&self.name, number, &stored)?),
            Lock::Closed(with) => Err(encryption::missing(&self.name, with).into()),
        }
    }

    /// A block as it is stored, after its checksum.
    fn stored(&self, number: usize) -> Result<Vec<u8>, CheckpointError> {
        let Some(PlacedBlock { offset, bytes, crc32c }) = self.blocks.get(number).copied() else {
            return Err(self.damage(DamagePlace::Footer, "a block is missing").into());
        };
        let place = DamagePlace::Block { number, offset };
        let stored = match self.in_tail(offset, bytes) {
            Some(stored) => stored.to_vec(),
            None => {
                let read = self.objects.get_range(&self.name, offset, offset + bytes)?;
                read.ok_or_else(|| self.damage(DamagePlace::Whole, "it is missing"))?
            }
        };
        match crc32c::crc32c(&stored) {
            found if found == crc32c && stored.len() as u64 == bytes => Ok(stored),
            found => {
                let what = format!("the checksum is {found:08x}, not {crc32c:08x}");
                Err(self.damage(place, &what).into())
            }
        }
    }

    /// Bytes that were read with the end.
    fn in_tail(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        let tail_from = self.size.checked_sub(self.tail.len() as u64)?;
        let from = usize::try_from(offset.checked_sub(tail_from)?).ok()?;
        self.tail.get(from..from.checked_add(usize::try_from(bytes).ok()?)?)
    }

    /// Reads all of it, and says whether the checksum of the whole is this. What it holds can be
    /// looked into when this is [`Verified::Whole`].
    pub fn verify(&self, crc32c: u32) -> Result<Verified, CheckpointError> {
        let mut found = 0;
        for number in 0..self.blocks() {
            found = crc32c::crc32c_append(found, &self.stored(number)?);
        }
        match crc32c::crc32c_combine(found, self.end_crc32c, self.end_bytes) {
            found if found == crc32c => Ok(match self.lock {
                Lock::Closed(_) => Verified::Checksums,
                Lock::None | Lock::Opened(_) => Verified::Whole,
            }),
            found => {
                let what =
                    format!("its checksum is {found:08x}, and it is listed with {crc32c:08x}");
                Err(self.damage(DamagePlace::Whole, &what).into())
            }
        }
    }

    /// That a block's bytes are no block, although the checksum is theirs.
    pub fn no_block(&self, number: usize, what: &str) -> CheckpointError {
        let offset = self.blocks.get(number).map_or(self.size, |block| block.offset);
        self.damage(DamagePlace::Block { number, offset }, what).into()
    }

    /// That the footer says what cannot be.
    pub fn no_footer(&self, what: &str) -> CheckpointError {
        self.damage(DamagePlace::Footer, what).into()
    }

    fn damage(&self, place: DamagePlace, what: &str) -> DamagedObject {
        damage(self.objects, &self.name, place, what)
    }
}

/// The last bytes of an object, which has exactly `size` of them.
fn read_tail(objects: &dyn Objects, name: &str, size: u64) -> Result<Vec<u8>, CheckpointError> {
    let damaged = |what: String| damage(objects, name, DamagePlace::Whole, &what);
    let from = size.saturating_sub(TAIL_BYTES);
    // One byte more, to see that there is none.
    let tail = objects.get_range(name, from, size.saturating_add(1))?;
    let tail = tail.ok_or_else(|| damaged("it is missing".to_owned()))?;
    match (tail.len() as u64).cmp(&(size - from)) {
        Ordering::Equal => Ok(tail),
        Ordering::Less => {
            Err(damaged(format!("it is cut off: it has less than {size} bytes")).into())
        }
        Ordering::Greater => Err(damaged(format!("it has more than {size} bytes")).into()),
    }
}

pub(super) fn damage(
    objects: &dyn Objects,
    name: &str,
    place: DamagePlace,
    what: &str,
) -> DamagedObject {
    DamagedObject {
        object: name.to_owned(),
        store: objects.url().to_owned(),
        place,
        what: what.to_owned(),
    }
}

/// The footer, whose checksum is right.
fn read_footer<C: DeserializeOwned>(
    objects: &dyn Objects,
    name: &str,
    footer: &[u8],
) -> Result<Footer<C>, CheckpointError> {
    let no_footer =
        |error: serde_json::Error| damage(objects, name, DamagePlace::Footer, &error.to_string());
    let AnyFooter { format } = serde_json::from_slice(footer).map_err(no_footer)?;
    if format > FORMAT {
        return Err(CheckpointError::Newer {
            object: name.to_owned(),
            store: objects.url().to_owned(),
            format,
            known: FORMAT,
        });
    }
    Ok(serde_json::from_slice(footer).map_err(no_footer)?)
}

/// Where each block lies; `None`: together they are not the first `bytes` of the object.
fn placed(blocks: Vec<(u64, u32)>, bytes: u64) -> Option<Vec<PlacedBlock>> {
    let mut end = 0u64;
    let place = |(bytes, crc32c)| {
        let offset = end;
        end = end.checked_add(bytes)?;
        Some(PlacedBlock { offset, bytes, crc32c })
    };
    let placed = blocks.into_iter().map(place).collect::<Option<Vec<_>>>()?;
    (end == bytes).then_some(placed)
}

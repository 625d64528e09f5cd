//! Encryption of blocks: AES-256 in Galois/counter mode, by keys of a file.
//!
//! A key of the file encrypts nothing itself: each start of a process derives a key of its own from it
//! and 16 random bytes (HKDF-SHA-256), which stand with what it encrypts. Its nonces count up, so none
//! is used twice with one key, however many processes use the file. The object's name and the number
//! of the block are authenticated: a block that is put somewhere else is refused. Footers and
//! manifests are not encrypted: they hold names, counts and times, no ids and no values.

mod process_cipher;

pub use process_cipher::ProcessCipher;

use crate::text::hex;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::Id;
use openssl::pkey_ctx::PkeyCtx;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
/// What stands before an encrypted block: the number that its nonce ends with.
const COUNTER_BYTES: usize = 8;
/// How long a file of keys may be.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What the derived keys are for.
const PURPOSE: &[u8] = b"tidemark checkpoint blocks 1";

/// A key cannot be had or used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file of keys cannot be used.
    #[error(
        "could not read the keys in {}: {why}; write a line a key, its id and 64 hexadecimal \
         digits with a space between them, the one to encrypt with first", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key that an object needs is not there.
    #[error(
        "could not decrypt {object}: it is encrypted with key \"{key}\", which is not there; add it \
         to the file that `encrypt` of [state] names"
    )]
    Missing {
        /// The object.
        object: String,
        /// The key's id.
        key: String,
    },
    /// The key of that id is another.
    #[error(
        "could not decrypt block {block} of {object}: key \"{key}\" does not fit; put back the key \
         that had this id when it was written"
    )]
    Wrong {
        /// The object.
        object: String,
        /// The number of the block.
        block: usize,
        /// The key's id.
        key: String,
    },
    /// The library did not do it.
    #[error("could not {attempt}: {why}; look at the installation of OpenSSL")]
    Library {
        /// What was attempted.
        attempt: &'static str,
        /// Why it failed.
        why: ErrorStack,
    },
}

impl KeyError {
    /// The object that it is about, or the file of keys.
    pub fn object(&self) -> String {
        match self {
            KeyError::Missing { object, .. } | KeyError::Wrong { object, .. } => object.clone(),
            KeyError::File { path, .. } => path.display().to_string(),
            KeyError::Library { .. } => String::new(),
        }
    }
}

/// What an encrypted object says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncryptedWith {
    /// The id of the key.
    key: String,
    /// The random bytes of the process, as 32 hexadecimal digits.
    salt: String,
}

/// The keys of a file: the first encrypts, all decrypt.
pub struct StateKeys {
    keys: Vec<(String, [u8; KEY_BYTES])>,
}

impl fmt::Debug for StateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl StateKeys {
    /// Those of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or holds anything but keys. What it holds is not shown.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let wrong = |why: String| KeyError::File { path: path.to_owned(), why };
        let bytes = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(wrong(format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<(String, [u8; KEY_BYTES])> = Vec::new();
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let key = line.split_once(char::is_whitespace);
            let key = key.and_then(|(id, digits)| Some((id, bytes_of(digits.trim())?)));
            let Some((id, key)) = key else {
                return Err(format!("line {number} is no key"));
            };
            if keys.iter().any(|(known, _)| known == id) {
                return Err(format!("line {number} has the id \"{id}\" again"));
            }
            keys.push((id.to_owned(), key));
        }
        match keys.is_empty() {
            true => Err("there is none in it".to_owned()),
            false => Ok(StateKeys { keys }),
        }
    }

    /// What this start of the process encrypts with.
    ///
    /// # Errors
    /// When there are no random bytes to be had.
    pub fn cipher(&self) -> Result<BlockCipher, KeyError> {
        let mut salt = [0; SALT_BYTES];
        openssl::rand::rand_bytes(&mut salt)
            .map_err(|why| KeyError::Library { attempt: "get random bytes", why })?;
        // There is at least one.
        let (id, key) = self.keys.first().map(|(id, key)| (id.clone(), *key)).unwrap_or_default();
        Ok(BlockCipher {
            with: EncryptedWith { key: id, salt: hex(&salt) },
            key: derived(&key, &salt)?,
            next: AtomicU64::new(0),
        })
    }

    /// What decrypts an object.
    pub(super) fn opener(&self, object: &str, with: &EncryptedWith) -> Result<Opener, KeyError> {
        let missing = || KeyError::Missing { object: object.to_owned(), key: with.key.clone() };
        let known = self.keys.iter().find(|(id, _)| *id == with.key);
        let (_, key) = known.ok_or_else(missing)?;
        let salt: [u8; SALT_BYTES] = bytes_of(&with.salt).ok_or_else(missing)?;
        Ok(Opener { id: with.key.clone(), key: derived(key, &salt)? })
    }
}

/// That no key is there for an object.
pub(super) fn missing(object: &str, with: &EncryptedWith) -> KeyError {
    KeyError::Missing { object: object.to_owned(), key: with.key.clone() }
}

/// Encrypts the blocks of one start of a process. Threads may share it.
pub struct BlockCipher {
    with: EncryptedWith,
    key: [u8; KEY_BYTES],
    next: AtomicU64,
}

impl fmt::Debug for BlockCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCipher").field("with", &self.with).finish_non_exhaustive()
    }
}

impl BlockCipher {
    /// What an object says that is encrypted by this.
    pub(super) fn with(&self) -> &EncryptedWith {
        &self.with
    }

    /// A block, encrypted.
    pub(super) fn seal(&self, name: &str, block: usize, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        // 2^64 of them are never used up.
        let counter = self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let sealed = || -> Result<Vec<u8>, ErrorStack> {
            let mut context = CipherCtx::new()?;
            context.encrypt_init(
                Some(Cipher::aes_256_gcm()),
                Some(&self.key),
                Some(&nonce(counter)),
            )?;
            context.cipher_update(&place(name, block), None)?;
            let mut out = counter.to_vec();
            context.cipher_update_vec(plain, &mut out)?;
            context.cipher_final_vec(&mut out)?;
            let mut tag = [0; TAG_BYTES];
            context.tag(&mut tag)?;
            out.extend(tag);
            Ok(out)
        };
        sealed().map_err(|why| KeyError::Library { attempt: "encrypt a block", why })
    }
}

/// Decrypts the blocks of one object.
pub(super) struct Opener {
    id: String,
    key: [u8; KEY_BYTES],
}

impl Opener {
    /// A block, decrypted.
    pub(super) fn open(
        &self,
        name: &str,
        block: usize,
        sealed: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let opened = || -> Option<Vec<u8>> {
            let (counter, rest) = sealed.split_first_chunk::<COUNTER_BYTES>()?;
            let (text, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
            let mut context = CipherCtx::new().ok()?;
            let nonce = nonce(*counter);
            context
                .decrypt_init(Some(Cipher::aes_256_gcm()), Some(&self.key), Some(&nonce))
                .ok()?;
            context.set_tag(tag).ok()?;
            context.cipher_update(&place(name, block), None).ok()?;
            let mut out = Vec::with_capacity(text.len());
            context.cipher_update_vec(text, &mut out).ok()?;
            context.cipher_final_vec(&mut out).ok()?;
            Some(out)
        };
        let wrong = || KeyError::Wrong { object: name.to_owned(), block, key: self.id.clone() };
        opened().ok_or_else(wrong)
    }
}

/// What is authenticated besides the block: where it is.
fn place(name: &str, block: usize) -> Vec<u8> {
    let mut place = name.as_bytes().to_vec();
    place.push(0);
    place.extend((block as u64).to_le_bytes());
    place
}

fn nonce(counter: [u8; COUNTER_BYTES]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.iter_mut().skip(12 - COUNTER_BYTES).zip(counter).for_each(|(to, from)| *to = from);
    nonce
}

fn derived(key: &[u8], salt: &[u8]) -> Result<[u8; KEY_BYTES], KeyError> {
    let derive = || -> Result<[u8; KEY_BYTES], ErrorStack> {
        let mut context = PkeyCtx::new_id(Id::HKDF)?;
        context.derive_init()?;
        context.set_hkdf_md(Md::sha256())?;
        context.set_hkdf_key(key)?;
        context.set_hkdf_salt(salt)?;
        context.add_hkdf_info(PURPOSE)?;
        let mut derived = [0; KEY_BYTES];
        context.derive(Some(&mut derived))?;
        Ok(derived)
    };
    derive().map_err(|why| KeyError::Library { attempt: "derive a key", why })
}

fn bytes_of<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> StateKeys {
        StateKeys::parse(text).unwrap()
    }

    fn line(id: &str, digit: char) -> String {
        format!("{id} {}\n", String::from(digit).repeat(64))
    }

    #[test]
    fn a_block_comes_back_only_where_it_was_and_unchanged() {
        let keys = keys(&line("2026", 'a'));
        let cipher = keys.cipher().unwrap();
        let sealed = cipher.seal("segments/a", 3, b"card_0000017").unwrap();
        let opener = keys.opener("segments/a", cipher.with()).unwrap();
        assert_eq!(opener.open("segments/a", 3, &sealed).unwrap(), b"card_0000017");
        assert!(!sealed.windows(4).any(|bytes| bytes == b"card"));
        for (name, block) in [("segments/b", 3), ("segments/a", 4)] {
            let error = opener.open(name, block, &sealed).unwrap_err().to_string();
            assert!(error.contains("key \"2026\" does not fit"), "{error}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(opener.open("segments/a", 3, &flipped).is_err(), "bit {bit}");
        }
        for bytes in 0..sealed.len() {
            assert!(opener.open("segments/a", 3, &sealed[..bytes]).is_err());
        }
    }

    #[test]
    fn every_start_of_a_process_has_a_key_of_its_own_and_no_nonce_twice() {
        let keys = keys(&line("a", '0'));
        let (one, two) = (keys.cipher().unwrap(), keys.cipher().unwrap());
        assert_ne!(one.with().salt, two.with().salt);
        assert_ne!(one.key, two.key);
        let sealed = [0, 1, 2].map(|_| one.seal("n", 0, b"x").unwrap());
        assert_eq!(sealed.map(|sealed| sealed[0]), [0, 1, 2]);
    }

    #[test]
    fn the_first_key_encrypts_and_all_decrypt() {
        let before = keys(&line("2025", 'a'));
        let cipher = before.cipher().unwrap();
        let sealed = cipher.seal("n", 0, b"x").unwrap();
        let rotated = keys(&format!("# keys\n\n{}{}", line("2026", 'b'), line("2025", 'a')));
        assert_eq!(rotated.cipher().unwrap().with().key, "2026");
        let opener = rotated.opener("n", cipher.with()).unwrap();
        assert_eq!(opener.open("n", 0, &sealed).unwrap(), b"x");

        let error = keys(&line("2026", 'b')).opener("n", cipher.with()).err().unwrap().to_string();
        assert!(
            error.contains("could not decrypt n: it is encrypted with key \"2025\""),
            "{error}"
        );
        let other = keys(&line("2025", 'c'));
        let error = other.opener("n", cipher.with()).unwrap().open("n", 0, &sealed).unwrap_err();
        assert!(error.to_string().contains("key \"2025\" does not fit"), "{error}");
        assert_eq!(format!("{rotated:?}"), "[\"2026\", \"2025\"]");
    }

    #[test]
    fn a_file_that_holds_no_keys_is_refused_without_being_shown() {
        let twice = format!("{}{}", line("a", '1'), line("a", '2'));
        let short = "hunter2 hunter2";
        let empty = "# nothing\n";
        for (text, why) in [
            (twice.as_str(), "line 2 has the id \"a\" again"),
            (short, "line 1 is no key"),
            (empty, "there is none in it"),
        ] {
            let error = StateKeys::parse(text).unwrap_err();
            assert_eq!(error, why);
        }
        let error = StateKeys::read(Path::new("/nowhere/keys")).unwrap_err().to_string();
        assert!(error.starts_with("could not read the keys in /nowhere/keys: "), "{error}");
    }

    #[test]
    fn keys_are_derived_as_rfc_5869_says() {
        // By the same function as its first test, whose key, salt and output have other lengths: the
        // value is of another implementation.
        let derived = derived(&[0x0b; 32], &[0x01; 16]).unwrap();
        assert_eq!(hex(&derived), DERIVED_ELSEWHERE);
    }

    /// Of HMAC-SHA-256 in Python, extract and expand by hand.
    const DERIVED_ELSEWHERE: &str =
        "425bc706beec1cde522daf5fa29a327f149b4135f82384f22c5d4fca339a1d68";
}

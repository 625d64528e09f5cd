//! Encryption of what no other process ever reads.

use super::{BlockCipher, KEY_BYTES, KeyError, Opener, StateKeys};
use std::fmt;

/// Encrypts what does not outlive the process, by a key that nobody else has.
pub struct ProcessCipher {
    cipher: BlockCipher,
    opener: Opener,
}

impl fmt::Debug for ProcessCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessCipher").finish_non_exhaustive()
    }
}

impl ProcessCipher {
    /// With a new key.
    ///
    /// # Errors
    /// When there are no random bytes to be had.
    pub fn new() -> Result<Self, KeyError> {
        let mut key = [0; KEY_BYTES];
        openssl::rand::rand_bytes(&mut key)
            .map_err(|why| KeyError::Library { attempt: "get random bytes", why })?;
        let keys = StateKeys { keys: vec![(String::new(), key)] };
        let cipher = keys.cipher()?;
        let opener = keys.opener("", cipher.with())?;
        Ok(ProcessCipher { cipher, opener })
    }

    /// Piece `number`, encrypted.
    ///
    /// # Errors
    /// When the library does not do it.
    pub fn seal(&self, number: u64, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.cipher.seal("", usize::try_from(number).unwrap_or(usize::MAX), plain)
    }

    /// Piece `number`, decrypted.
    ///
    /// # Errors
    /// When it is not what was encrypted.
    pub fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.opener.open("", usize::try_from(number).unwrap_or(usize::MAX), sealed)
    }
}

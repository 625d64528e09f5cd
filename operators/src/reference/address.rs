//! IP prefixes as keys.
//!
//! IPv4 and IPv6 are apart: `::/0` holds no IPv4 address. A prefix of IPv4 addresses inside of IPv6
//! ones (`::ffff:192.0.2.0/120`) is that prefix of IPv4 addresses, as these addresses are (see
//! [`Type::Ip`](crate::value::Type::Ip)).

use super::row::Key;
use std::net::IpAddr;
use thiserror::Error;

/// The twelve bytes before an IPv4 address inside of an IPv6 one.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const MAPPED_BITS: u8 = 96;

/// What is wrong with the text of a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// It is not an address and a length.
    #[error("\"{0}\" is no IP prefix; write one such as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
    Syntax(String),
    /// Bits after the prefix are set.
    #[error("\"{given}\" has bits after its first {length}; did you mean \"{meant}\"?")]
    HostBits {
        /// What was written.
        given: String,
        /// Its length.
        length: u8,
        /// The same without these bits.
        meant: String,
    },
}

/// A prefix: the first `length` bits of addresses of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// 4 or 16 bytes, network order; all bits after the prefix are 0.
    pub address: Vec<u8>,
    /// How many bits it has.
    pub length: u8,
}

impl Prefix {
    /// Reads `192.0.2.0/24`, or an address alone, which is a prefix of all its bits.
    ///
    /// # Errors
    /// When it is none, or has bits after the prefix: then what was meant cannot be told.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let syntax = || PrefixError::Syntax(text.chars().take(64).collect());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        // As written: whether it is a prefix of IPv4 addresses, its length says as well.
        let bytes = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let most = u8::try_from(bytes.len() * 8).unwrap_or(u8::MAX);
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| syntax())?
            }
            Some(_) => return Err(syntax()),
        };
        if length > most {
            return Err(syntax());
        }
        let masked = mask(&bytes, length);
        if masked != bytes {
            let meant = crate::value::address(&masked);
            let meant = meant.map_or(String::new(), |address| format!("{address}/{length}"));
            return Err(PrefixError::HostBits { given: text.to_owned(), length, meant });
        }
        match (length.checked_sub(MAPPED_BITS), bytes.strip_prefix(&MAPPED)) {
            (Some(length), Some(v4)) => Ok(Prefix { address: v4.to_vec(), length }),
            _ => Ok(Prefix { address: bytes, length }),
        }
    }

    /// Its key: how many bytes an address has, the length, and the bytes that have bits of it.
    pub fn key(&self) -> Key {
        let mut key = Key::new();
        write_key(&self.address, self.length, &mut key);
        key
    }
}

/// The first `length` bits of `address`, the others 0.
fn mask(address: &[u8], length: u8) -> Vec<u8> {
    let mut key = Key::new();
    write_key(address, length, &mut key);
    let mut masked = key.split_off(2);
    masked.resize(address.len(), 0);
    masked
}

/// Replaces `key` by that of the prefix of `length` bits that `address` (4 or 16 bytes) is in.
pub(super) fn write_key(address: &[u8], length: u8, key: &mut Key) {
    let (whole, rest) = (usize::from(length / 8), length % 8);
    key.clear();
    key.push(u8::try_from(address.len()).unwrap_or(0));
    key.push(length);
    key.extend(address.iter().take(whole));
    if let (Some(byte), true) = (address.get(whole), rest > 0) {
        key.push(byte & (0xff << (8 - rest)));
    }
}

/// Which lengths of prefixes there are, by family.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    v4: [u64; 3],
    v6: [u64; 3],
}

impl Lengths {
    /// Takes note of the key of a prefix.
    pub fn note(&mut self, key: &[u8]) {
        if let [family, length, ..] = *key
            && let Some(word) = self.family(family).get_mut(usize::from(length) / 64)
        {
            *word |= 1 << (length % 64);
        }
    }

    fn family(&mut self, bytes: u8) -> &mut [u64; 3] {
        if bytes == 4 { &mut self.v4 } else { &mut self.v6 }
    }

    /// The lengths there are for an address of so many bytes, the longest first.
    pub fn longest_first(&self, bytes: usize) -> impl Iterator<Item = u8> + use<> {
        let words = if bytes == 4 { self.v4 } else { self.v6 };
        let most: u8 = if bytes == 4 { 32 } else { 128 };
        (0..=most).rev().filter(move |length| {
            words.get(usize::from(*length) / 64).is_some_and(|w| w >> (length % 64) & 1 == 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Prefix::parse(text).unwrap().key()
    }

    #[test]
    fn prefixes_are_read_in_both_families() {
        assert_eq!(key("192.0.2.0/24"), [4, 24, 192, 0, 2]);
        assert_eq!(key("192.0.2.128/25"), [4, 25, 192, 0, 2, 128]);
        assert_eq!(key("0.0.0.0/0"), [4, 0]);
        assert_eq!(key("192.0.2.7"), [4, 32, 192, 0, 2, 7]);
        assert_eq!(key("2001:db8::/32"), [16, 32, 0x20, 1, 0xd, 0xb8]);
        assert_eq!(key("::/0"), [16, 0]);
        assert_eq!(key("::1").len(), 18);
    }

    #[test]
    fn an_ipv4_prefix_written_as_ipv6_is_the_ipv4_prefix() {
        assert_eq!(key("::ffff:192.0.2.0/120"), key("192.0.2.0/24"));
        assert_eq!(key("::ffff:0.0.0.0/96"), key("0.0.0.0/0"));
        assert_eq!(key("::/90"), [&[16, 90][..], &[0; 12]].concat());
        assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
        assert_eq!(key("::192.0.2.7").len(), 18);
    }

    #[test]
    fn bits_after_the_prefix_are_a_mistake_that_names_what_was_meant() {
        let wrong = Prefix::parse("192.0.2.1/24").unwrap_err().to_string();
        assert!(wrong.ends_with("did you mean \"192.0.2.0/24\"?"), "{wrong}");
        let wrong = Prefix::parse("2001:db8::1/32").unwrap_err().to_string();
        assert!(wrong.ends_with("did you mean \"2001:db8::/32\"?"), "{wrong}");
        for text in ["", "/8", "1.2.3/8", "1.2.3.4/33", "::/129", "1.2.3.4/+8", "1.2.3.4/", "x"] {
            let wrong = Prefix::parse(text).unwrap_err();
            assert_eq!(wrong, PrefixError::Syntax(text.to_owned()));
        }
    }
}

//! Where a cluster keeps a key: of its 16,384 slots one is the key's, and each server has some of them.
//!
//! A slot is found by a checksum of the key, or of what stands in its first braces when that is not
//! empty. So a key is put on a certain server by a tag in front of it, whose slot the server has.

use crate::online::redis::servers::ServerAddress;
use redis::Value;
use std::sync::LazyLock;

/// How many slots there are.
pub(crate) const SLOTS: u16 = 16_384;

/// The slot of a key.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    checksum(hashed(key)) % SLOTS
}

/// The part of a key that is hashed.
fn hashed(key: &[u8]) -> &[u8] {
    let inside = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|inside| !inside.is_empty())
    });
    inside.unwrap_or(key)
}

/// CRC-16 as XMODEM has it: the polynomial 0x1021, from 0.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        let at = usize::from((sum >> 8) ^ u16::from(*byte));
        (sum << 8) ^ TABLE.get(at).copied().unwrap_or_default()
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte: u16 = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte << 8, 0);
        while bit < 8 {
            sum = if sum & 0x8000 != 0 { sum << 1 ^ 0x1021 } else { sum << 1 };
            bit += 1;
        }
        table[byte as usize] = sum;
        byte += 1;
    }
    table
};

/// By slot the least number whose text has it.
static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut tags = vec![None; usize::from(SLOTS)];
    let mut missing = tags.len();
    for number in 0_u32.. {
        let slot = usize::from(slot_of(number.to_string().as_bytes()));
        if let Some(tag @ None) = tags.get_mut(slot) {
            *tag = Some(number);
            missing -= 1;
        }
        if missing == 0 {
            break;
        }
    }
    tags.into_iter().map(Option::unwrap_or_default).collect()
});

/// What keys begin with that are to lie in `slot`: braces and all.
pub(crate) fn tag_of(slot: u16) -> String {
    let number = TAGS.get(usize::from(slot)).copied().unwrap_or_default();
    format!("{{{number}}}")
}

/// Which server has which slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotMap {
    /// First and last slot and their server, in the order of the slots.
    ranges: Vec<(u16, u16, ServerAddress)>,
}

impl SlotMap {
    /// All slots are on one server.
    pub(crate) fn of_one(server: ServerAddress) -> SlotMap {
        SlotMap { ranges: vec![(0, SLOTS - 1, server)] }
    }

    /// From the reply to `CLUSTER SLOTS` of the server at `asked`; `None` when it is none.
    pub(crate) fn read(reply: &Value, asked: &ServerAddress) -> Option<SlotMap> {
        let Value::Array(told) = reply else { return None };
        let mut ranges = Vec::with_capacity(told.len());
        for range in told {
            let Value::Array(range) = range else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice()
            else {
                return None;
            };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
            let port = u16::try_from(*port).ok()?;
            ranges.push((first, last, ServerAddress { host: host_of(host, asked), port }));
        }
        ranges.sort();
        Some(SlotMap { ranges })
    }

    /// The server that has a slot, if anyone has.
    pub(crate) fn owner(&self, slot: u16) -> Option<&ServerAddress> {
        let at = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, owner) = self.ranges.get(at.checked_sub(1)?)?;
        (slot <= *last).then_some(owner)
    }

    /// Every server with slots, and the first of them, in the order of those.
    pub(crate) fn owners(&self) -> Vec<(&ServerAddress, u16)> {
        let mut owners: Vec<(&ServerAddress, u16)> = Vec::new();
        for (first, _, owner) in &self.ranges {
            if !owners.iter().any(|(known, _)| *known == owner) {
                owners.push((owner, *first));
            }
        }
        owners
    }

    /// Whether slots have gone over from servers that have none any more: that is a failover (or the
    /// end of a server that was emptied), and what was acknowledged last may be lost.
    pub(crate) fn was_taken_over(&self, next: &SlotMap) -> bool {
        let owners = next.owners();
        self.owners().iter().any(|(owner, _)| !owners.iter().any(|(left, _)| left == owner))
    }
}

/// The host in a reply; none means the one that was asked.
fn host_of(told: &Value, asked: &ServerAddress) -> String {
    match told {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => {
            String::from_utf8_lossy(host).into_owned()
        }
        _ => asked.host.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(checksum(b"123456789"), 0x31c3);
        for (key, slot) in [(&b"foo"[..], 12_182), (b"{user1000}.following", 3_443), (b"", 0)] {
            assert_eq!(slot_of(key), slot);
        }
        assert_eq!(slot_of(b"{user1000}.followers"), slot_of(b"user1000"));
        // Nothing inside, or no end: the whole key.
        assert_eq!(slot_of(b"foo{}{bar}"), checksum(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar"), checksum(b"foo{bar") % SLOTS);
    }

    #[test]
    fn every_slot_has_a_tag_that_lies_in_it() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of(format!("{}:tidemark:x", tag_of(slot)).as_bytes()), slot);
        }
    }

    fn server(port: u16) -> ServerAddress {
        ServerAddress { host: "10.0.0.1".to_owned(), port }
    }

    fn told(ranges: &[(i64, i64, &str, i64)]) -> Value {
        let range = |(first, last, host, port): &(i64, i64, &str, i64)| {
            let primary = vec![Value::BulkString(host.as_bytes().to_vec()), Value::Int(*port)];
            Value::Array(vec![Value::Int(*first), Value::Int(*last), Value::Array(primary)])
        };
        Value::Array(ranges.iter().map(range).collect())
    }

    #[test]
    fn a_slot_has_the_server_that_the_cluster_tells_and_gaps_have_none() {
        let reply = told(&[(10, 99, "", 2), (0, 5, "10.0.0.1", 1), (200, 16_383, "10.0.0.1", 1)]);
        let map = SlotMap::read(&reply, &server(9)).unwrap();
        let owner = |slot| map.owner(slot).map(|owner| owner.port);
        assert_eq!(
            [0, 5, 6, 10, 99, 150, 200, 16_383].map(owner),
            [Some(1), Some(1), None, Some(2), Some(2), None, Some(1), Some(1)]
        );
        let (one, two) = (server(1), server(2));
        assert_eq!(map.owners(), [(&one, 0), (&two, 10)]);
        assert_eq!(SlotMap::read(&Value::Nil, &one), None);
        assert_eq!(SlotMap::default().owner(0), None);
    }

    #[test]
    fn a_server_without_slots_was_taken_over_from_and_one_that_gave_some_away_was_not() {
        let read = |ranges: &[_]| SlotMap::read(&told(ranges), &server(1)).unwrap();
        let before = read(&[(0, 99, "a", 1), (100, 16_383, "b", 1)]);
        assert!(!before.was_taken_over(&read(&[(0, 49, "a", 1), (50, 16_383, "b", 1)])));
        assert!(!before.was_taken_over(&read(&[
            (0, 9, "a", 1),
            (10, 19, "c", 1),
            (20, 16_383, "b", 1)
        ])));
        assert!(before.was_taken_over(&read(&[(0, 99, "c", 1), (100, 16_383, "b", 1)])));
        assert!(!SlotMap::default().was_taken_over(&before), "nothing was known");
    }
}

//! Replies as they come in, without a value made of each: rows are many small ones.
//!
//! Bound: [`REPLIES_BYTES_MAX`] of what is read together; of the room for them [`KEPT_BYTES`] are kept.

use std::ops::Range;

/// Bytes of the replies to commands that go out together.
const REPLIES_BYTES_MAX: usize = 256 << 20;
/// Bytes that are kept for the next ones.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes that are read at once, at least and at most.
const ROOM: usize = 16 << 10;
const ROOM_MAX: usize = 256 << 10;

/// Bytes that are no replies, or too many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoReplies {
    /// They are something else.
    #[error("what it sends are no replies of Redis")]
    Unreadable,
    /// Nobody keeps so many.
    #[error("its replies are longer than {REPLIES_BYTES_MAX} bytes")]
    TooLong,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// A text, or a number as one.
    Text(&'a [u8]),
    /// An error: a code and what it says.
    Error(&'a [u8]),
    /// Nothing.
    Nil,
    /// Several.
    List(ReplyItems<'a>),
}

/// The replies in a list, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplyItems<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
}

/// The replies to commands that went out together.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    /// So many of them have come.
    filled: usize,
    /// Where each reply that is complete ends.
    ends: Vec<usize>,
    /// What was looked at, and how many parts of the reply there are to come.
    at: usize,
    left: usize,
}

/// How a reply, or a part of one, begins.
enum ReplyHead {
    Text(Range<usize>),
    Error(Range<usize>),
    Nil,
    List(usize),
}

/// What begins at `at`, and where what comes next does; `None`: not all of it has come.
fn head(bytes: &[u8], at: usize) -> Result<Option<(ReplyHead, usize)>, NoReplies> {
    let Some((kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(None) };
    let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or(NoReplies::Unreadable)?;
    let (begin, next) = (at + 1, at + end + 2);
    let said = begin..begin + line.len();
    Ok(Some(match kind {
        b'+' | b':' => (ReplyHead::Text(said), next),
        b'-' => (ReplyHead::Error(said), next),
        b'*' => match count(line)? {
            Some(count) => (ReplyHead::List(count), next),
            None => (ReplyHead::Nil, next),
        },
        b'$' => match count(line)? {
            None => (ReplyHead::Nil, next),
            Some(length) => {
                let end = next.checked_add(length).ok_or(NoReplies::TooLong)?;
                match bytes.get(end..end.saturating_add(2)) {
                    Some(b"\r\n") => (ReplyHead::Text(next..end), end + 2),
                    Some(_) => return Err(NoReplies::Unreadable),
                    None => return Ok(None),
                }
            }
        },
        _ => return Err(NoReplies::Unreadable),
    }))
}

/// A length or a number of parts; `None`: there is nothing.
fn count(line: &[u8]) -> Result<Option<usize>, NoReplies> {
    if line == b"-1" {
        return Ok(None);
    }
    let mut digits = line.iter();
    let number = digits.try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    });
    number.filter(|_| !line.is_empty()).map(Some).ok_or(NoReplies::Unreadable)
}

impl Replies {
    /// Forgets those that are there.
    pub(crate) fn clear(&mut self) {
        if self.bytes.len() > KEPT_BYTES {
            self.bytes.truncate(KEPT_BYTES);
            self.bytes.shrink_to_fit();
        }
        self.ends.clear();
        (self.filled, self.at, self.left) = (0, 0, 1);
    }

    /// Where what comes next is put.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.bytes.len() < self.filled + ROOM {
            self.bytes.resize((self.filled + ROOM).max(self.bytes.len() * 2), 0);
        }
        let end = self.bytes.len().min(self.filled + ROOM_MAX);
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// So many bytes were put there.
    ///
    /// # Errors
    /// When they are no replies, or too many.
    pub(crate) fn filled(&mut self, count: usize) -> Result<(), NoReplies> {
        self.filled = (self.filled + count).min(self.bytes.len());
        if self.filled > REPLIES_BYTES_MAX {
            return Err(NoReplies::TooLong);
        }
        let bytes = self.bytes.get(..self.filled).unwrap_or_default();
        while let Some((head, next)) = head(bytes, self.at)? {
            self.at = next;
            self.left = self.left.saturating_sub(1);
            if let ReplyHead::List(count) = head {
                self.left = self.left.checked_add(count).ok_or(NoReplies::TooLong)?;
            }
            if self.left == 0 {
                self.ends.push(next);
                self.left = 1;
            }
        }
        Ok(())
    }

    /// How many are complete.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nothing behind the last one that is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.ends.last().copied().unwrap_or(0) == self.filled
    }

    /// The bytes of the reply at `at`.
    pub(crate) fn bytes(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let begin = begin.copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(begin);
        self.bytes.get(begin..end).unwrap_or_default()
    }

    /// The reply at `at`; nothing where there is none.
    pub(crate) fn reply(&self, at: usize) -> Reply<'_> {
        ReplyItems { bytes: self.bytes(at), at: 0, left: 1 }.next().unwrap_or(Reply::Nil)
    }
}

impl<'a> Iterator for ReplyItems<'a> {
    type Item = Reply<'a>;

    fn next(&mut self) -> Option<Reply<'a>> {
        self.left = self.left.checked_sub(1)?;
        // All of it was looked at as it came.
        let Ok(Some((head, next))) = head(self.bytes, self.at) else { return Some(Reply::Nil) };
        self.at = next;
        let said = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        Some(match head {
            ReplyHead::Text(range) => Reply::Text(said(range)),
            ReplyHead::Error(range) => Reply::Error(said(range)),
            ReplyHead::Nil => Reply::Nil,
            ReplyHead::List(count) => {
                let items = ReplyItems { bytes: self.bytes, at: self.at, left: count };
                self.at = items.end();
                Reply::List(items)
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for ReplyItems<'_> {}

impl ReplyItems<'_> {
    /// Where what comes behind them begins.
    fn end(&self) -> usize {
        let (mut at, mut left) = (self.at, self.left);
        while left > 0
            && let Ok(Some((head, next))) = head(self.bytes, at)
        {
            (at, left) = (next, left - 1);
            if let ReplyHead::List(count) = head {
                left = left.saturating_add(count);
            }
        }
        at
    }
}

impl<'a> Reply<'a> {
    /// Its text, if it is one.
    pub(crate) fn text(self) -> Option<&'a [u8]> {
        match self {
            Reply::Text(text) => Some(text),
            Reply::Error(_) | Reply::Nil | Reply::List(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng as _, SeedableRng as _};
    use redis::Value;

    /// Puts `bytes` there in pieces of so many.
    fn read(bytes: &[u8], piece: usize) -> Result<Replies, NoReplies> {
        let mut replies = Replies::default();
        replies.clear();
        for piece in bytes.chunks(piece) {
            replies.room()[..piece.len()].copy_from_slice(piece);
            replies.filled(piece.len())?;
        }
        Ok(replies)
    }

    /// The same as the client library has it.
    fn value(reply: Reply<'_>) -> Value {
        match reply {
            Reply::Text(text) => Value::BulkString(text.to_vec()),
            Reply::Error(line) => {
                redis::parse_redis_value(&[b"-", line, b"\r\n"].concat()).unwrap()
            }
            Reply::Nil => Value::Nil,
            Reply::List(items) => Value::Array(items.map(value).collect()),
        }
    }

    /// How many parts it has.
    fn parts(reply: Reply<'_>) -> usize {
        match reply {
            Reply::Text(_) | Reply::Error(_) | Reply::Nil => 1,
            Reply::List(items) => 1 + items.map(parts).sum::<usize>(),
        }
    }

    fn as_text(reply: Value) -> Value {
        match reply {
            Value::Okay => Value::BulkString(b"OK".to_vec()),
            Value::SimpleString(text) => Value::BulkString(text.into_bytes()),
            Value::Int(number) => Value::BulkString(number.to_string().into_bytes()),
            Value::Array(values) => Value::Array(values.into_iter().map(as_text).collect()),
            other => other,
        }
    }

    fn random_reply(random: &mut SmallRng, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
            0 => out.extend_from_slice(b"$-1\r\n"),
            1 => out.extend_from_slice(b"+OK\r\n"),
            2 => out.extend_from_slice(b":-17\r\n"),
            3 => out.extend_from_slice(b"-WRONGTYPE no hash\r\n"),
            4 | 5 => {
                let length = random.random_range(0..40);
                out.extend_from_slice(format!("${length}\r\n").as_bytes());
                out.extend((0..length).map(|_| b"\r\n$*a\0"[random.random_range(0..6)]));
                out.extend_from_slice(b"\r\n");
            }
            _ => {
                let count = random.random_range(0..5);
                out.extend_from_slice(format!("*{count}\r\n").as_bytes());
                (0..count).for_each(|_| out.extend(random_reply(random, depth - 1)));
            }
        }
        out
    }

    #[test]
    fn replies_in_pieces_of_any_length_are_those_that_the_client_library_reads() {
        let mut random = SmallRng::seed_from_u64(3);
        for _ in 0..500 {
            let each: Vec<_> =
                (0..random.random_range(1..6)).map(|_| random_reply(&mut random, 3)).collect();
            let bytes = each.concat();
            let replies = read(&bytes, random.random_range(1..=bytes.len())).unwrap();
            assert_eq!((replies.count(), replies.is_whole()), (each.len(), true));
            for (at, one) in each.iter().enumerate() {
                let twin = as_text(redis::parse_redis_value(one).unwrap());
                assert_eq!((value(replies.reply(at)), replies.bytes(at)), (twin, &one[..]));
            }
            let part = read(&bytes[..bytes.len() - 1], 7).unwrap();
            assert_eq!((part.count(), part.is_whole()), (each.len() - 1, false));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_and_never_a_panic() {
        for wrong in ["x\r\n", "$x\r\n", "$\r\n", "*-2\r\n", "$3\r\nabcd\r\n", "+a\n", "%1\r\n"] {
            assert_eq!(read(wrong.as_bytes(), 1).unwrap_err(), NoReplies::Unreadable, "{wrong}");
        }
        let beyond = format!("${}\r\n", usize::MAX);
        assert_eq!(read(beyond.as_bytes(), 1).unwrap_err(), NoReplies::TooLong);
        let many = format!("*{0}\r\n*{0}\r\n", usize::MAX);
        assert_eq!(read(many.as_bytes(), 1).unwrap_err(), NoReplies::TooLong);
        let mut random = SmallRng::seed_from_u64(4);
        for _ in 0..20_000 {
            let mut bytes = random_reply(&mut random, 2);
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = b"\r\n$*+-:019\xff"[random.random_range(0..11)];
            }
            if let Ok(replies) = read(&bytes, 5) {
                let parts = (0..replies.count()).map(|at| parts(replies.reply(at)));
                assert!(parts.sum::<usize>() <= bytes.len());
            }
        }
    }

    #[test]
    fn room_for_long_replies_is_given_back() {
        let mut replies = Replies::default();
        replies.clear();
        let long = vec![b'a'; 3 * KEPT_BYTES];
        for piece in [format!("${}\r\n", long.len()).as_bytes(), &long[..], b"\r\n"] {
            for piece in piece.chunks(ROOM) {
                replies.room()[..piece.len()].copy_from_slice(piece);
                replies.filled(piece.len()).unwrap();
            }
        }
        assert_eq!(replies.reply(0), Reply::Text(&long));
        replies.clear();
        assert!(replies.bytes.capacity() <= 2 * KEPT_BYTES);
    }
}

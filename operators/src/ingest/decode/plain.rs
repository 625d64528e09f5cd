//! JSON as nearly all of it is written, in one pass and without a general parser.
//!
//! It reads only what is surely one JSON object, and hands the very calls to the row that the
//! [seeds](super::seed) would. At anything else (a mistake above all, but also a value of another
//! shape than the paths want, half of a surrogate pair, nesting without end) it gives up, and the
//! record is read again from its beginning by the parser, which has the errors and the leniency. So
//! that this decides how fast a record is read, and never what it is.

use super::cell::Row;
use super::keys::{Expected, Target};
use std::borrow::Cow;

/// How deep what is skipped may be nested: a bit of a word each.
const SKIPPED_DEPTH_MAX: u32 = u64::BITS;
/// How far from the end of an array an element may be wanted.
const LAST_ELEMENTS_MAX: usize = 8;

/// Reads the object that `text` is into `row`. `None`: it is for the parser, and the row to be begun
/// anew.
#[inline]
pub(super) fn read(text: &str, row: &mut Row<'_>) -> Option<()> {
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0 };
    scan.space();
    scan.expect(b'{')?;
    scan.object(row, 0)?;
    scan.space();
    (scan.at == scan.bytes.len()).then_some(())
}

/// How far a record has been read.
struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Scan<'t> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        rest.starts_with(word).then(|| self.at += word.len())
    }

    /// The members of the object at `node`, behind its brace.
    fn object(&mut self, row: &mut Row<'_>, node: usize) -> Option<()> {
        let mut position = 0;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let target = self.key(row, node, &mut position)?;
            self.space();
            self.value(row, target)?;
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.space();
        }
    }

    /// What a key of the object at `node` leads to; moves behind its colon.
    #[inline]
    fn key(&mut self, row: &mut Row<'_>, node: usize, position: &mut usize) -> Option<Target> {
        self.expect(b'"')?;
        let keys = &mut row.nodes.get_mut(node)?.keys;
        if let Some(next) = self.bytes.get(self.at..)?.first_chunk()
            && let Some(Expected { target, length }) = keys.expected(next, *position)
        {
            *position += 1;
            self.at += length;
            return Some(target);
        }
        let name = self.string()?;
        let target = keys.next(&name, position);
        self.space();
        self.expect(b':')?;
        Some(target)
    }

    #[inline]
    fn value(&mut self, row: &mut Row<'_>, target: Target) -> Option<()> {
        match target {
            Target::Skip => self.skip(),
            Target::Leaf(leaf) => self.leaf(row, leaf),
            Target::Object(node) => self.inner(row, node),
            Target::Encoded(leaf) => {
                let from = self.at;
                self.skip()?;
                self.text.get(from..self.at).map(|json| row.put_encoded(leaf, json))
            }
        }
    }

    /// An object or an array in which something is wanted. As deep as the job's paths, no deeper.
    fn inner(&mut self, row: &mut Row<'_>, node: usize) -> Option<()> {
        let known = row.nodes.get(node)?;
        let (is_object, is_array) = (known.is_object, !known.elements.is_empty());
        match self.peek()? {
            b'{' if is_object => {
                self.at += 1;
                row.restart(node);
                self.object(row, node)
            }
            b'[' if is_array => {
                self.at += 1;
                row.restart(node);
                self.array(row, node)
            }
            b'n' => {
                self.word(b"null")?;
                row.put_nulls(node);
                Some(())
            }
            _ => None,
        }
    }

    /// The elements of the array at `node`, behind its bracket: those that are counted from its end
    /// once it has ended.
    fn array(&mut self, row: &mut Row<'_>, node: usize) -> Option<()> {
        let (first, last) = row.nodes.get(node)?.reach();
        let (mut begins, mut count) = ([0; LAST_ELEMENTS_MAX], 0_usize);
        if last > begins.len() {
            return None;
        }
        self.space();
        while self.peek()? != b']' {
            if count > 0 {
                self.expect(b',')?;
                self.space();
            }
            *begins.get_mut(count % LAST_ELEMENTS_MAX)? = self.at;
            let at = i16::try_from(count).ok().filter(|at| *at < first);
            let target = at.and_then(|at| row.nodes.get(node)?.element(at));
            self.value(row, target.unwrap_or(Target::Skip))?;
            self.space();
            count += 1;
        }
        let end = self.at + 1;
        for (from_end, element) in (1_i16..).zip((0..count).rev()).take(last) {
            if let Some(target) = row.nodes.get(node)?.element(-from_end) {
                self.at = *begins.get(element % LAST_ELEMENTS_MAX)?;
                self.value(row, target)?;
            }
        }
        self.at = end;
        Some(())
    }

    #[inline]
    fn leaf(&mut self, row: &mut Row<'_>, leaf: usize) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                let text = self.string()?;
                row.put_text(leaf, &text);
            }
            b'-' | b'0'..=b'9' => {
                let text = self.number()?;
                row.put_number(leaf, text);
            }
            b't' => {
                self.word(b"true")?;
                row.put_bool(leaf, true);
            }
            b'f' => {
                self.word(b"false")?;
                row.put_bool(leaf, false);
            }
            b'n' => {
                self.word(b"null")?;
                row.put_null(leaf);
            }
            _ => return None,
        }
        Some(())
    }

    /// What a string says whose first quote has been read.
    #[inline]
    fn string(&mut self) -> Option<Cow<'t, str>> {
        let from = self.at;
        let end = self.special()?;
        if *self.bytes.get(end)? == b'"' {
            self.at = end + 1;
            return self.text.get(from..end).map(Cow::Borrowed);
        }
        self.escaped(from)
    }

    #[cold]
    fn escaped(&mut self, from: usize) -> Option<Cow<'t, str>> {
        self.skip_string()?;
        serde_json::from_str(self.text.get(from.checked_sub(1)?..self.at)?).ok().map(Cow::Owned)
    }

    /// Where the next byte is that is not one of a string without escapes: a quote, a backslash or a
    /// control character.
    #[inline]
    fn special(&self) -> Option<usize> {
        let mut at = self.at;
        loop {
            let rest = self.bytes.get(at..)?;
            let Some(eight) = rest.first_chunk() else {
                let found = rest.iter().position(|b| *b < b' ' || *b == b'"' || *b == b'\\');
                return found.map(|found| at + found);
            };
            match first_special(u64::from_le_bytes(*eight)) {
                Some(found) => return Some(at + found),
                None => at += eight.len(),
            }
        }
    }

    /// A number's text.
    #[inline]
    fn number(&mut self) -> Option<&'t str> {
        let from = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(from..self.at)
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    /// Moves behind a value that nobody wants.
    #[inline]
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' | b'[' => self.skip_nested(),
            first => self.skip_scalar(first),
        }
    }

    #[inline]
    fn skip_scalar(&mut self, first: u8) -> Option<()> {
        match first {
            b'"' => {
                self.at += 1;
                self.skip_string()
            }
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    /// The rest of a string whose first quote has been read.
    #[inline]
    fn skip_string(&mut self) -> Option<()> {
        loop {
            self.at = self.special()?;
            let length = match self.bytes.get(self.at..)? {
                [b'"', ..] => {
                    self.at += 1;
                    return Some(());
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                // Whether that is a character asks only who wants the string.
                [b'\\', b'u', a, b, c, d, ..]
                    if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
                {
                    6
                }
                _ => return None,
            };
            self.at += length;
        }
    }

    /// An object or an array, without recursion: what a record has in it may be nested as it likes.
    fn skip_nested(&mut self) -> Option<()> {
        // The last bit says whether what is open is an object, the one before it what that is in.
        let (mut objects, mut depth) = (0_u64, 0_u32);
        loop {
            let first = self.peek()?;
            if let b'{' | b'[' = first {
                self.at += 1;
                self.space();
                let object = first == b'{';
                if self.peek()? == closing(object) {
                    self.at += 1;
                } else {
                    depth += 1;
                    if depth > SKIPPED_DEPTH_MAX {
                        return None;
                    }
                    objects = objects << 1 | u64::from(object);
                    if object {
                        self.skip_key()?;
                    }
                    continue;
                }
            } else {
                self.skip_scalar(first)?;
            }
            // Behind a value: the next one, or the ends of those that it is in.
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.space();
                let object = objects & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        self.space();
                        if object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    end if end == closing(object) => {
                        self.at += 1;
                        objects >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    fn skip_key(&mut self) -> Option<()> {
        self.expect(b'"')?;
        self.skip_string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Some(())
    }
}

const fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// The first of eight bytes that is a quote, a backslash or a control character.
#[inline]
fn first_special(eight: u64) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    // The highest bit of a byte that is less than `b` (at most 128) is set. What a subtraction borrows
    // can set the bits of bytes behind the first such one, which nobody asks for.
    let less = |bytes: u64, b: u8| bytes.wrapping_sub(LOW * u64::from(b)) & !bytes;
    let is = |b: u8| less(eight ^ (LOW * u64::from(b)), 1);
    let found = (less(eight, b' ') | is(b'"') | is(b'\\')) & HIGH;
    (found != 0).then(|| usize::try_from(found.trailing_zeros() / 8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found_as_one_by_one(
            bytes in proptest::array::uniform8(prop_oneof![
                4 => any::<u8>(),
                1 => Just(b'"'),
                1 => Just(b'\\'),
                2 => Just(b'!'),
                1 => 0x1e_u8..0x22,
            ]),
        ) {
            let one_by_one = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\');
            prop_assert_eq!(first_special(u64::from_le_bytes(bytes)), one_by_one);
        }
    }
}

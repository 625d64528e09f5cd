//! The keys of one object, in the order records have them.
//!
//! Producers write their keys in one order, so the next key is nearly always the one after the
//! last. Keys of no interest are remembered too, up to a bound: recognising one costs a comparison.

/// How many keys of no interest an object remembers.
const SKIPPED_KEYS_MAX: usize = 64;
/// The longest key of no interest that is remembered, in bytes.
const SKIPPED_KEY_BYTES_MAX: usize = 64;
/// How many keys in a row may be absent before the remembered order is taken to have changed.
const ABSENT_KEYS_MAX: usize = 4;

/// What a key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing that is wanted.
    Skip,
    /// A value: index into the trie's leaves.
    Leaf(usize),
    /// The same, of a number in base64.
    Encoded(usize),
    /// An object or an array: index into the trie's nodes.
    Object(usize),
}

/// How many bytes of a record are compared with the key that is expected, at once.
pub(super) const EXPECTED_BYTES: usize = 16;

/// The key that was expected, where it is the one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// What it leads to.
    pub target: Target,
    /// How many bytes its name, its last quote and the colon are.
    pub length: usize,
}

#[derive(Clone, Debug)]
struct Key {
    name: Box<str>,
    target: Target,
    /// The name, its last quote and the colon as a record has them, and which bytes those are; no
    /// bytes where they are too many, or the name has escapes.
    written: u128,
    mask: u128,
}

impl Key {
    fn new(name: &str, target: Target) -> Self {
        let plain = |b: u8| b >= b' ' && b != b'"' && b != b'\\';
        let (mut written, mut mask) = ([0; EXPECTED_BYTES], [0; EXPECTED_BYTES]);
        if name.len() + 2 <= EXPECTED_BYTES && name.bytes().all(plain) {
            let bytes = name.bytes().chain(*b"\":");
            for ((written, mask), byte) in written.iter_mut().zip(&mut mask).zip(bytes) {
                (*written, *mask) = (byte, u8::MAX);
            }
        }
        let (written, mask) = (u128::from_le_bytes(written), u128::from_le_bytes(mask));
        Self { name: name.into(), target, written, mask }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    skipped: usize,
}

impl Keys {
    /// What `name` leads to, if it is known.
    pub fn get(&self, name: &str) -> Option<Target> {
        self.keys.iter().find(|k| *k.name == *name).map(|k| k.target)
    }

    /// The keys that are wanted.
    pub fn names(&self) -> Vec<Box<str>> {
        let wanted = self.keys.iter().filter(|k| k.target != Target::Skip);
        wanted.map(|k| k.name.clone()).collect()
    }

    /// What its keys lead to.
    pub fn targets(&mut self) -> impl Iterator<Item = &mut Target> {
        self.keys.iter_mut().map(|key| &mut key.target)
    }

    /// Makes a wanted key known, or lets it lead elsewhere.
    pub fn insert(&mut self, name: &str, target: Target) {
        match self.keys.iter_mut().find(|k| *k.name == *name) {
            Some(key) => key.target = target,
            None => self.keys.push(Key::new(name, target)),
        }
    }

    /// What the key after those before `position` leads to, if `next`, which comes behind its first
    /// quote, begins with it and a colon.
    #[inline]
    pub fn expected(&self, next: &[u8; EXPECTED_BYTES], position: usize) -> Option<Expected> {
        let key = self.keys.get(position)?;
        let same = (u128::from_le_bytes(*next) ^ key.written) & key.mask == 0;
        let Key { target, .. } = *key;
        (same && key.mask != 0).then(|| Expected { target, length: key.name.len() + 2 })
    }

    /// What the key after those before `position` leads to; moves `position` past it.
    #[inline]
    pub fn next(&mut self, name: &str, position: &mut usize) -> Target {
        match self.keys.get(*position) {
            Some(key) if *key.name == *name => {
                *position += 1;
                key.target
            }
            _ => self.search(name, position),
        }
    }

    #[cold]
    #[inline(never)]
    fn search(&mut self, name: &str, position: &mut usize) -> Target {
        let Some(found) = self.keys.iter().position(|k| *k.name == *name) else {
            return self.learn(name, position);
        };
        let target = self.keys.get(found).map_or(Target::Skip, |k| k.target);
        if found < *position {
            // Seen before the ones that precede it here: it belongs behind them.
            if let Some(range) = self.keys.get_mut(found..*position) {
                range.rotate_left(1);
            }
        } else if found - *position <= ABSENT_KEYS_MAX {
            *position = found + 1;
        } else {
            if let Some(range) = self.keys.get_mut(*position..=found) {
                range.rotate_right(1);
            }
            *position += 1;
        }
        target
    }

    fn learn(&mut self, name: &str, position: &mut usize) -> Target {
        if self.skipped < SKIPPED_KEYS_MAX && name.len() <= SKIPPED_KEY_BYTES_MAX {
            self.skipped += 1;
            let at = (*position).min(self.keys.len());
            self.keys.insert(at, Key::new(name, Target::Skip));
            *position = at + 1;
        }
        Target::Skip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &mut Keys, names: &[&str]) -> Vec<Target> {
        let mut position = 0;
        names.iter().map(|n| keys.next(n, &mut position)).collect()
    }

    fn wanted() -> Keys {
        let mut keys = Keys::default();
        for (leaf, name) in ["a", "b", "c", "d", "e", "f", "g"].into_iter().enumerate() {
            keys.insert(name, Target::Leaf(leaf));
        }
        keys
    }

    fn names(keys: &Keys) -> String {
        keys.keys.iter().map(|k| &*k.name).collect()
    }

    #[test]
    fn the_order_of_the_first_record_is_remembered() {
        let mut keys = wanted();
        let order = ["g", "x", "b", "a", "y", "c"];
        let first = read(&mut keys, &order);
        let [g, x, b, a, y, c] = [6, 9, 1, 0, 9, 2]
            .map(|leaf| if leaf == 9 { Target::Skip } else { Target::Leaf(leaf) });
        assert_eq!(first, [g, x, b, a, y, c]);
        assert_eq!(read(&mut keys, &order), first);
        assert!(names(&keys).starts_with("gxb"), "{}", names(&keys));
    }

    #[test]
    fn the_expected_key_is_the_same_by_its_bytes_and_by_its_name() {
        let wide = "abcdefghijklmn\":1";
        for (name, next, length) in [
            ("a", "a\":1,\"b\":2,\"c\":3", Some(3)),
            ("\u{e9}", "\u{e9}\":1,\"b\":2,\"c\":3", Some(4)),
            ("abcdefghijklmn", wide, Some(16)),
            ("", "\":1,\"b\":2,\"c\":3 ", Some(2)),
            ("abcdefghijklmno", "abcdefghijklmno\":", None),
            ("a", "a\" :1,\"b\":2,\"c\":3", None),
            ("a", "ab\":1,\"b\":2,\"c\":3", None),
            ("a\"b", "a\"b\":1,\"b\":2,\"c\":3", None),
            ("a\\", "a\\\":1,\"b\":2,\"c\":3", None),
        ] {
            let mut keys = Keys::default();
            keys.insert(name, Target::Leaf(7));
            let next = next.as_bytes().first_chunk().unwrap();
            let expected = length.map(|length| Expected { target: Target::Leaf(7), length });
            assert_eq!(keys.expected(next, 0), expected, "{name}");
            assert_eq!(keys.expected(next, 1), None, "{name}");
        }
    }

    #[test]
    fn an_absent_key_does_not_change_the_order() {
        let mut keys = wanted();
        let before = names(&keys);
        read(&mut keys, &["a", "c", "d", "g"]);
        assert_eq!(names(&keys), before);
    }

    #[test]
    fn keys_of_no_interest_are_remembered_up_to_a_bound() {
        let mut keys = wanted();
        for record in 0..1000 {
            let unknown = format!("unknown {record}");
            let found = read(&mut keys, &["a", &unknown, "b", &"z".repeat(65)]);
            assert_eq!(found, [Target::Leaf(0), Target::Skip, Target::Leaf(1), Target::Skip]);
        }
        assert_eq!(keys.keys.len(), 7 + SKIPPED_KEYS_MAX);
    }
}

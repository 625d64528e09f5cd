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

#[derive(Clone, Debug)]
struct Key {
    name: Box<str>,
    target: Target,
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
            None => self.keys.push(Key { name: name.into(), target }),
        }
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
            self.keys.insert(at, Key { name: name.into(), target: Target::Skip });
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

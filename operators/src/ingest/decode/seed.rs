//! The seeds that drive the parser.

use super::cell::Row;
use super::error::DecodeError;
use super::keys::{Keys, Target};
use super::lenient;
use super::trie::Node;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::fmt;

/// Breaks off reading: the parser's error says nothing, the row keeps the reason.
fn stop<E: Error>(row: &mut Row<'_>, fault: DecodeError) -> E {
    row.stopped = Some(fault);
    E::custom("")
}

/// Reads an object or an array of which some keys or elements are wanted.
pub(super) struct ObjectSeed<'r, 'a> {
    row: &'r mut Row<'a>,
    node: usize,
}

impl<'r, 'a> ObjectSeed<'r, 'a> {
    /// For the record itself.
    pub fn root(row: &'r mut Row<'a>) -> Self {
        Self { row, node: 0 }
    }

    /// For the object at `node`.
    pub fn at(row: &'r mut Row<'a>, node: usize) -> Self {
        Self { row, node }
    }

    /// Something else than what is wanted: an end of a record, and inside of one what its fields say.
    #[cold]
    fn refuse<E: Error>(self, found: &str) -> Result<(), E> {
        let Self { row, node } = self;
        let known = row.nodes.get(node);
        let field = known.map(|n| n.label.clone()).unwrap_or_default();
        let expected = match known {
            Some(Node { is_object: false, elements, .. }) if !elements.is_empty() => "an array",
            Some(Node { elements, .. }) if !elements.is_empty() => "an object or an array",
            _ => "an object",
        };
        let fault = DecodeError::WrongType { field, expected, found: found.into() };
        if node == 0 {
            return Err(stop(row, fault));
        }
        row.refuse_object(node, &fault);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.row.by_text || self.node == 0 {
            return deserializer.deserialize_any(self);
        }
        // The parser refuses a number that is no double even where it only has to say what is there.
        let json = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        match json.get().as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => self.refuse("a number"),
            Some(b'[') if lenient::is_word(json.get()) => self.refuse(lenient::word(json.get())),
            _ => serde_json::Deserializer::from_str(json.get())
                .deserialize_any(self)
                .map_err(D::Error::custom),
        }
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { row, node } = self;
        if node != 0 {
            if row.nodes.get(node).is_some_and(|node| !node.is_object) {
                ObjectSeed { row, node }.refuse("an object")?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(());
            }
            row.restart(node);
        }
        let mut position = 0;
        loop {
            let Some(at) = row.nodes.get_mut(node) else { return Ok(()) };
            let seed = KeySeed { keys: &mut at.keys, position: &mut position };
            match map.next_key_seed(seed)? {
                None => return Ok(()),
                Some(Target::Skip) => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(Target::Leaf(leaf)) => map.next_value_seed(LeafSeed { row, leaf })?,
                Some(Target::Encoded(leaf)) => {
                    let json = map.next_value::<&RawValue>()?;
                    row.put_encoded(leaf, json.get());
                }
                Some(Target::Object(node)) => map.next_value_seed(ObjectSeed { row, node })?,
            }
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.node == 0 {
            return self.refuse("null");
        }
        self.row.put_nulls(self.node);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.refuse(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.refuse("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.refuse("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.refuse("a number")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.refuse("a string")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { row, node } = self;
        if node == 0 {
            return Err(stop(row, DecodeError::Array));
        }
        if row.nodes.get(node).is_some_and(|node| !node.elements.is_empty()) {
            row.restart(node);
            return elements(row, node, seq);
        }
        ObjectSeed { row, node }.refuse("an array")?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads the wanted elements of an array; those that are counted from its end once it has ended.
fn elements<'de, A: SeqAccess<'de>>(
    row: &mut Row<'_>,
    node: usize,
    mut seq: A,
) -> Result<(), A::Error> {
    let (first, last) = row.nodes.get(node).map_or((0, 0), Node::reach);
    let mut ending: VecDeque<&'de RawValue> = VecDeque::new();
    let mut at = 0;
    while at < first || last > 0 {
        let Some(json) = seq.next_element::<&'de RawValue>()? else { break };
        if at < first {
            element(row, node, at, json)?;
            at += 1;
        }
        if last > 0 {
            if ending.len() == last {
                ending.pop_front();
            }
            ending.push_back(json);
        }
    }
    for (from_end, json) in (1_i16..).zip(ending.into_iter().rev()) {
        element(row, node, -from_end, json)?;
    }
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads what is wanted of an element, by its text.
fn element<E: Error>(row: &mut Row<'_>, node: usize, at: i16, json: &RawValue) -> Result<(), E> {
    match row.nodes.get(node).and_then(|node| node.element(at)) {
        None | Some(Target::Skip) => Ok(()),
        Some(Target::Leaf(leaf)) => {
            row.put_json(leaf, json.get());
            Ok(())
        }
        Some(Target::Encoded(leaf)) => {
            row.put_encoded(leaf, json.get());
            Ok(())
        }
        Some(Target::Object(node)) => {
            let mut json = serde_json::Deserializer::from_str(json.get());
            ObjectSeed { row, node }.deserialize(&mut json).map_err(E::custom)
        }
    }
}

/// Finds out what a key leads to.
struct KeySeed<'k> {
    keys: &'k mut Keys,
    position: &'k mut usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Target;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Target, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E: Error>(self, key: &str) -> Result<Target, E> {
        Ok(self.keys.next(key, self.position))
    }
}

/// Reads a wanted value: strings as the parser hands them out, everything else by its text.
struct LeafSeed<'r, 'a> {
    row: &'r mut Row<'a>,
    leaf: usize,
}

impl<'de> DeserializeSeed<'de> for LeafSeed<'_, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.row.is_text(self.leaf) && !self.row.by_text {
            return deserializer.deserialize_any(self);
        }
        let json = <&RawValue as serde::Deserialize>::deserialize(deserializer)?;
        self.row.put_json(self.leaf, json.get());
        Ok(())
    }
}

impl<'de> Visitor<'de> for LeafSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.row.put_text(self.leaf, text);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.row.put_null(self.leaf);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.row.put_bool(self.leaf, value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.row.put_number(self.leaf, itoa::Buffer::new().format(value));
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.row.put_number(self.leaf, itoa::Buffer::new().format(value));
        Ok(())
    }

    /// The parser has made the nearest double of it: it is read again, by its text.
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.row.inexact = Some(self.leaf);
        Err(E::custom(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.row.refuse(self.leaf, "an array");
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.row.refuse(self.leaf, "an object");
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

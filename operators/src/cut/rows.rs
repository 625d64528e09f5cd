//! Rows of a timeline, by value.

use super::Texts;
use crate::event_batch::retain;
use crate::time::EventTime;

/// Sealed rows of one entity type, in the order of the log: by time, and those of one entity and time
/// as they were sealed.
///
/// An id and a value of a symbol attribute stand once in their list, and a row says where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineRows {
    /// Event times, ascending.
    pub times: Vec<EventTime>,
    /// The entity ids.
    pub ids: Texts,
    /// For each row the place of its entity in `ids`.
    pub entities: Vec<u32>,
    /// Filter bits.
    pub bits: Vec<u64>,
    /// For each attribute of the entity type its column.
    pub attributes: Vec<AttributeValues>,
}

/// One attribute of [`TimelineRows`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValues {
    /// Of [`Storage::Wide`](crate::plan::Storage::Wide): its words;
    /// [`NULL`](crate::event_batch::NULL) for null.
    Words(Vec<i64>),
    /// Of [`Storage::Symbol`](crate::plan::Storage::Symbol).
    Symbols {
        /// The values: of texts, addresses and the like their bytes, of others the 8 bytes of the
        /// word, the lowest first.
        values: Texts,
        /// For each row the place of its value in `values` plus one; 0: null.
        places: Vec<u32>,
    },
}

impl TimelineRows {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// What they take, in bytes.
    pub fn memory(&self) -> usize {
        let columns = self.attributes.iter().map(|column| match column {
            AttributeValues::Words(words) => words.capacity() * size_of::<i64>(),
            AttributeValues::Symbols { values, places } => {
                values.memory() + places.capacity() * size_of::<u32>()
            }
        });
        let words = (self.times.capacity() + self.bits.capacity()) * size_of::<u64>();
        let places = self.entities.capacity() * size_of::<u32>();
        words + places + self.ids.memory() + columns.sum::<usize>()
    }

    /// Leaves out the rows from place `len` on. Ids and values stay listed.
    pub fn truncate(&mut self, len: usize) {
        self.times.truncate(len);
        self.entities.truncate(len);
        self.bits.truncate(len);
        for column in &mut self.attributes {
            match column {
                AttributeValues::Words(words) => words.truncate(len),
                AttributeValues::Symbols { places, .. } => places.truncate(len),
            }
        }
    }

    /// Leaves out the rows for which `keep` does not hold. Ids and values stay listed.
    pub fn retain(&mut self, keep: &[bool]) {
        retain(&mut self.times, keep);
        retain(&mut self.entities, keep);
        retain(&mut self.bits, keep);
        for column in &mut self.attributes {
            match column {
                AttributeValues::Words(words) => retain(words, keep),
                AttributeValues::Symbols { places, .. } => retain(places, keep),
            }
        }
    }

    /// The same rows but for those for whose entity's place `is_gone`, with no id and no value but what
    /// those that stay have. `None` where the rows are none: a place is not listed.
    pub fn without(&self, is_gone: impl Fn(u32) -> bool) -> Option<TimelineRows> {
        let stay: Vec<bool> = self.entities.iter().map(|place| !is_gone(*place)).collect();
        let mut rows = TimelineRows { ids: Texts::default(), ..self.clone() };
        rows.retain(&stay);
        rows.ids = only_listed(&self.ids, rows.entities.iter_mut())?;
        for attribute in &mut rows.attributes {
            if let AttributeValues::Symbols { values, places } = attribute {
                // One less is the place; 0 is null.
                let mut listed: Vec<&mut u32> = places.iter_mut().filter(|at| **at > 0).collect();
                listed.iter_mut().for_each(|place| **place -= 1);
                let of = std::mem::take(values);
                *values = only_listed(&of, listed.iter_mut().map(|place| &mut **place))?;
                listed.into_iter().for_each(|place| *place += 1);
            }
        }
        Some(rows)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// The texts of `all` at `places`, which are then places in what is given.
fn only_listed<'a>(all: &Texts, places: impl Iterator<Item = &'a mut u32>) -> Option<Texts> {
    let (mut texts, mut known) = (Texts::default(), vec![None; all.len()]);
    for place in places {
        let listed = known.get_mut(*place as usize)?;
        *place = match *listed {
            Some(place) => place,
            None => *listed.insert(texts.push(all.get(*place as usize)?)?),
        };
    }
    Some(texts)
}

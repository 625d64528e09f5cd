//! The entities of one type that one worker has rows of: slot to id, and id to slot.
//!
//! Bound: one id for each entity with a row in some view.

use std::collections::HashMap;
use std::sync::Arc;
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::slab::heap_bytes;

/// Slots of a page.
const PAGE: usize = 256;

#[derive(Clone, Debug, Default)]
struct Place {
    id: Option<Arc<[u8]>>,
    /// In how many views the entity has a row.
    rows: u32,
}

/// Ids by slot and slots by id. The map hashes with a key of its own: ids come from outside.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pages: Vec<Option<Box<[Place]>>>,
    by_id: HashMap<Arc<[u8]>, u32>,
    /// Pages that were made, and the bytes of the ids that are held.
    made: usize,
    id_bytes: u64,
}

impl Ids {
    /// The bytes of an entry of the map from ids, with the byte that a hash table keeps of it.
    pub(crate) const ENTRY_BYTES: u64 = size_of::<(Arc<[u8]>, u32)>() as u64 + 1;

    /// The bytes of an entity's place with an id of `len` bytes: shared, so behind two counts.
    pub(crate) const fn place_bytes(len: u64) -> u64 {
        size_of::<Place>() as u64 + heap_bytes(len + 16)
    }

    /// What they take.
    pub(crate) fn memory(&self) -> HeldBytes {
        let free = (self.made * PAGE).saturating_sub(self.by_id.len());
        let pages = self.made * PAGE * size_of::<Place>();
        let places = self.pages.capacity() * size_of::<Option<Box<[Place]>>>();
        // A table keeps a place in eight free.
        let map = self.by_id.capacity() as u64 * 8 / 7 * Ids::ENTRY_BYTES;
        HeldBytes {
            held: (pages + places) as u64 + map + self.id_bytes,
            reusable: (free * size_of::<Place>()) as u64,
        }
    }

    /// Counts one more row for `slot`; the first one takes the id.
    pub(crate) fn acquire(&mut self, slot: u32, id: &[u8]) {
        let at = slot as usize;
        if at / PAGE >= self.pages.len() {
            self.pages.resize_with(at / PAGE + 1, || None);
        }
        let Some(page) = self.pages.get_mut(at / PAGE) else { return };
        let made = &mut self.made;
        let page = page.get_or_insert_with(|| {
            *made += 1;
            vec![Place::default(); PAGE].into()
        });
        let Some(place) = page.get_mut(at % PAGE) else { return };
        if place.rows == 0 {
            let id: Arc<[u8]> = id.into();
            self.id_bytes += shared_bytes(&id);
            self.by_id.insert(Arc::clone(&id), slot);
            place.id = Some(id);
        }
        place.rows += 1;
    }

    /// Counts one row less for `slot` and gives its id; the last one forgets it.
    pub(crate) fn release(&mut self, slot: u32) -> Option<Arc<[u8]>> {
        let at = slot as usize;
        let place = self.pages.get_mut(at / PAGE)?.as_mut()?.get_mut(at % PAGE)?;
        let id = place.id.clone()?;
        place.rows = place.rows.saturating_sub(1);
        if place.rows == 0 {
            place.id = None;
            self.id_bytes = self.id_bytes.saturating_sub(shared_bytes(&id));
            // Another slot may have taken over the id already.
            if self.by_id.get(&id) == Some(&slot) {
                self.by_id.remove(&id);
            }
        }
        Some(id)
    }

    pub(crate) fn id(&self, slot: u32) -> Option<&Arc<[u8]>> {
        let at = slot as usize;
        self.pages.get(at / PAGE)?.as_ref()?.get(at % PAGE)?.id.as_ref()
    }

    pub(crate) fn slot(&self, id: &[u8]) -> Option<u32> {
        self.by_id.get(id).copied()
    }
}

/// The bytes of an id: behind two counts.
fn shared_bytes(id: &[u8]) -> u64 {
    heap_bytes(id.len() as u64 + 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_as_long_as_some_view_has_a_row() {
        let mut ids = Ids::default();
        ids.acquire(300, b"a");
        ids.acquire(300, b"a");
        assert_eq!(ids.release(300).as_deref(), Some(b"a".as_slice()));
        assert_eq!(ids.slot(b"a"), Some(300));
        assert_eq!(ids.release(300).as_deref(), Some(b"a".as_slice()));
        assert_eq!((ids.slot(b"a"), ids.id(300)), (None, None));
        ids.acquire(300, b"b");
        ids.acquire(7, b"a");
        assert_eq!((ids.slot(b"a"), ids.slot(b"b")), (Some(7), Some(300)));
        assert_eq!(ids.release(9), None);
    }
}

//! Reading rows for whoever serves them: words become JSON under the shard's lock, without a
//! `Value` in between.

use crate::online::rows::{PRESENT, Row};
use crate::online::schema::Feature;
use crate::online::shard::{Shard, is_set};
use crate::online::text;
use crate::online::texts::Texts;
use tidemark_operators::json::push_json_text;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Type;

/// A row that is held, for as long as its shard is locked.
pub struct HeldRow<'a> {
    row: Row<'a>,
    features: &'a [Feature],
    texts: &'a Texts,
}

impl HeldRow<'_> {
    /// The live clock of its last change.
    pub fn as_of(&self) -> EventTime {
        self.row.as_of()
    }

    /// Appends the value of the feature at `at`, in job order, as JSON; whether there is one.
    /// Nothing is appended for a null.
    pub fn json(&self, at: usize, out: &mut Vec<u8>) -> bool {
        let word = self.row.values.get(at).filter(|_| is_set(self.row.valid, at));
        let (Some(word), Some(feature)) = (word, self.features.get(at)) else { return false };
        match feature.ty {
            Type::Text => push_json_text(self.texts.get(*word, &mut [0; 8]), out),
            Type::Ip => {
                let mut scratch = [0; 8];
                let bytes = self.texts.get(*word, &mut scratch);
                if text::address(bytes).is_none() {
                    return false;
                }
                out.push(b'"');
                text::bytes(Type::Ip, bytes, out);
                out.push(b'"');
            }
            ty => text::word(ty, *word, out),
        }
        true
    }
}

impl Shard {
    /// The rows of `id`, an entity of the type at index `entity`, in `views` (job indices). `found`
    /// is told of each, by its place among `views`; `None`: there is no row.
    pub(crate) fn read_rows(
        &mut self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) {
        let slot = self.entities.get(entity).and_then(|ids| ids.slot(id));
        for (place, view) in views.iter().enumerate() {
            let rows = self.views.get_mut(*view).zip(self.schema.views.get(*view));
            let row = rows.zip(slot).and_then(|((rows, view), slot)| {
                let row = rows.get(slot).filter(|row| row.has(PRESENT))?;
                Some(HeldRow { row, features: &view.features, texts: &self.texts })
            });
            found(place, row);
        }
    }
}

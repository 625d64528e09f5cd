//! `[entities.NAME]`: what features describe.

use crate::document::{At, Table};

/// An entity as it was written.
#[derive(Debug)]
pub(crate) struct EntityDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    pub(crate) keys: Keys,
}

/// The fields that are an entity's key.
#[derive(Debug)]
pub(crate) enum Keys {
    /// `key = "card_id"`: the same in every source.
    Same(At<String>),
    /// `keys = { transactions = "card_id" }`: by source; also both names' places.
    BySource(Vec<(At<String>, At<String>)>),
    /// What was written is wrong, and that is recorded.
    Unknown,
}

impl EntityDeclared {
    pub(super) fn read(name: At<String>, mut table: Table<'_>) -> Self {
        let description = table.text("description").map(|text| text.value).unwrap_or_default();
        let keys = if table.has("keys") {
            table.refuse("key", "cannot stand beside \"keys\": an entity has one or the other");
            by_source(&mut table)
        } else {
            table.need("key");
            table.text("key").map_or(Keys::Unknown, Keys::Same)
        };
        if !table.has("keys") {
            table.table("keys", "");
        }
        table.finish();
        EntityDeclared { name, description, keys }
    }
}

fn by_source(table: &mut Table<'_>) -> Keys {
    let label = format!("\"keys\" of {}", table.label());
    let Some(mut keys) = table.table("keys", &label) else { return Keys::Unknown };
    let named = keys.named();
    let count = named.len();
    let read: Vec<_> = named
        .into_iter()
        .filter_map(|entry| {
            let field = entry.as_text();
            if field.is_none() {
                entry.mistyped(
                    &format!("the key in source \"{}\"", entry.name.value),
                    "a field's name",
                );
            }
            Some((entry.name.clone(), field?))
        })
        .collect();
    if count == 0 {
        let message = format!("{label} names no source");
        table.problems().push(keys.at(), Some("keys"), message, None);
    }
    if read.is_empty() || read.len() < count { Keys::Unknown } else { Keys::BySource(read) }
}

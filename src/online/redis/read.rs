//! Reading a row as any client of Redis sees it.

use crate::online::StoreError;
use crate::online::redis::nodes::Nodes;
use crate::online::redis::settings::RedisSettings;
use crate::online::schema::Schema;
use crate::online::stored::{StoredRows, StoredText};
use redis::Value;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// A row as texts: each feature's name and, unless it is null, its value.
pub type TextRow = Vec<(String, Option<String>)>;

/// The features of an entity's row in the view at job index `view`, as texts in job order; `None`
/// for a null. The whole is `None` when there is no such key, which reads as the empty values.
///
/// # Errors
/// When Redis cannot be reached or does not answer; see [`StoreError`].
pub fn read_redis(
    settings: &RedisSettings,
    plan: &Plan,
    view: usize,
    id: &[u8],
) -> Result<Option<TextRow>, StoreError> {
    let schema = Schema::new(plan);
    let form = settings.placing().read_forms(&schema).into_iter().nth(view);
    let Some((view, form)) = schema.views.get(view).zip(form) else { return Ok(None) };
    let features: Vec<usize> = (0..view.features.len()).collect();
    let key = form.key(id);
    let fields: Vec<&[u8]> = form.fields_of(&features);
    let mut nodes = Nodes::new(Arc::new(settings.clone()));
    nodes.connect_for(&key)?;
    let mut rows = StoredRows::default();
    match nodes.ask("HMGET", &key, &fields) {
        Ok(Value::Array(values)) => form.read(values.into_iter().map(bytes), &mut rows),
        Ok(_) => return Ok(None),
        Err(StoreError::Reply { reason, .. }) if reason.starts_with("WRONGTYPE") => {
            form.read_unreadable(&mut rows);
        }
        Err(error) => return Err(error),
    }
    let Some(row) = rows.iter().next() else { return Ok(None) };
    if row.changed.is_none() && !row.values().any(StoredText::is_there) {
        return Ok(None);
    }
    let text = |value: StoredText<'_>| match value {
        StoredText::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        StoredText::Null => None,
        StoredText::Unreadable => Some("(unreadable)".to_owned()),
    };
    let values = row.values().map(text);
    Ok(Some(view.features.iter().map(|feature| feature.name.clone()).zip(values).collect()))
}

/// The bytes of a reply.
pub(crate) fn bytes(reply: Value) -> Option<Vec<u8>> {
    match reply {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

//! Reading a row as any client of Redis sees it.

use crate::online::StoreError;
use crate::online::redis::link::Link;
use crate::online::redis::settings::RedisSettings;
use crate::online::schema::Schema;
use redis::Value;
use std::collections::HashMap;
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
    let Some(view) = schema.views.get(view) else { return Ok(None) };
    let key = view.key(&settings.key_prefix, id);
    let reply = Link::open(settings)?.ask("HGETALL", &[&key])?;
    let pairs = match reply {
        Value::Array(flat) => flat
            .chunks_exact(2)
            .filter_map(|pair| match pair {
                [name, value] => Some((text(name)?, text(value)?)),
                _ => None,
            })
            .collect(),
        Value::Map(pairs) => {
            pairs.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
        }
        _ => HashMap::new(),
    };
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut pairs = pairs;
    let features = view.features.iter();
    Ok(Some(features.map(|f| (f.name.clone(), pairs.remove(&f.name))).collect()))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

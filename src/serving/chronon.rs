//! Questions as Chronon's fetcher asks them: one object of keys for each entity.

use crate::serving::ask::AskedFeatures;
use crate::serving::feast_error::FeastError;
use crate::serving::routes::json_bytes;
use crate::serving::source::AskedIds;
use crate::serving::{ENTITIES_MAX, Serving, question};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One entity as Chronon's fetcher asks for it.
#[derive(Deserialize)]
struct EntityKeys<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);

impl Serving {
    /// The features that `kind` and `name` of a path stand for.
    pub(super) fn fetched(&self, kind: &str, name: &str) -> Result<Arc<AskedFeatures>, FeastError> {
        self.compiled(format!("/{kind}/{name}"), || {
            let full = |full_names| match kind {
                "groupby" => self.catalogue.view(name, full_names),
                "join" => self.catalogue.service(name, full_names),
                _ => Err(FeastError::detail(404, "Not Found")),
            };
            // Chronon has no switch for it: names with their views where they would be the same without.
            match full(false) {
                Err(refusal) if refusal.is_collision() => full(true),
                asked => asked,
            }
        })
    }

    /// The answer to a question of Chronon's fetcher: one result for each object of keys, and behind them as of
    /// when they are, as in the metadata of an answer to Feast.
    pub(super) async fn fetch(
        &self,
        ask: &AskedFeatures,
        body: &[u8],
    ) -> Result<Response, FeastError> {
        let asked: Vec<EntityKeys<'_>> =
            serde_json::from_slice(body).map_err(|error| FeastError::json(body, &error))?;
        if asked.len() > ENTITIES_MAX {
            let why = format!("List should have at most {ENTITIES_MAX} items");
            return Err(FeastError::body("too_long", &[], why));
        }
        let in_flight = self.begin(ask.columns.len(), asked.len())?;
        let mut ids = AskedIds { groups: vec![Vec::new(); ask.groups.len()], rows: 0 };
        let mut places = Vec::with_capacity(asked.len());
        for keys in &asked {
            let found = ask.groups.iter().map(|group| self.key(group.entity, keys));
            match found.collect::<Result<Vec<_>, _>>() {
                Ok(found) => {
                    places.push(Ok(ids.rows));
                    ids.groups.iter_mut().zip(found).for_each(|(ids, id)| ids.push(id));
                    ids.rows += 1;
                }
                Err(why) => places.push(Err(why)),
            }
        }
        let found = self.told(ask, &ids, false).await?;
        let form = self.form(false, &found);
        let empties: Vec<&str> = (0..ask.columns.len()).map(|at| form.empty(ask, at)).collect();
        let mut out = b"{\"results\":[".to_vec();
        for (at, place) in places.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match place {
                Ok(row) => {
                    out.extend_from_slice(b"{\"status\":\"Success\",\"features\":{");
                    for (column, (name, empty)) in ask.names.iter().zip(&empties).enumerate() {
                        let comma = if column > 0 { "," } else { "" };
                        out.extend_from_slice(format!("{comma}{name}:").as_bytes());
                        out.extend_from_slice(found.cells.json(column, *row, empty));
                    }
                    out.extend_from_slice(b"}}");
                    tokio::task::yield_now().await;
                }
                Err(why) => {
                    let failure = json!({ "status": "Failure", "error": why });
                    out.extend_from_slice(failure.to_string().as_bytes());
                }
            }
        }
        out.push(b']');
        form.metadata(ask, &found.freshness, &mut out);
        out.push(b'}');
        Ok(json_bytes(out, in_flight))
    }

    /// The id of an entity among keys.
    fn key<'a>(&self, entity: usize, keys: &'a EntityKeys<'a>) -> Result<Cow<'a, str>, String> {
        let Some(entity) = self.catalogue.entities.get(entity) else { return Err(String::new()) };
        let found = keys.0.get(entity.join_key.as_str()).or(keys.0.get(entity.name.as_str()));
        let asked = found.ok_or_else(|| format!("the key {} is missing", entity.join_key))?;
        question::id(entity.ty, asked, self.settings.statuses).map_err(|refusal| refusal.why())
    }
}

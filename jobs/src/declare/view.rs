//! `[views.NAME]`: a group of features of one entity.

use super::{FeatureDeclared, Written, feature};
use crate::document::{At, Problems, Table};
use std::collections::HashMap;
use std::rc::Rc;
use tidemark_operators::time::{DAY, Millis, SECOND};

/// The ttl of views that name none.
const TTL_DEFAULT: Millis = 2 * DAY;

/// A view as it was written.
#[derive(Debug)]
pub(crate) struct ViewDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    pub(crate) entity: Option<At<String>>,
    /// Empty when it names none: the job's only source.
    pub(crate) sources: Vec<At<String>>,
    pub(crate) ttl: Millis,
    pub(crate) filter: Option<Written>,
    /// Whether `filter` is what was written; otherwise that is recorded.
    pub(crate) filter_known: bool,
    /// The view whose features these are.
    pub(crate) like: Option<At<String>>,
    pub(crate) features: Rc<Vec<FeatureDeclared>>,
}

impl ViewDeclared {
    pub(super) fn read(name: At<String>, mut table: Table<'_>) -> Self {
        let problems = table.problems();
        let description = table.text("description").map(|text| text.value).unwrap_or_default();
        table.need("entity");
        let entity = table.text("entity");
        let sources = if table.has("sources") {
            table.refuse("source", "cannot stand beside \"sources\": a view has one or the other");
            let sources = table.texts("sources");
            if sources.as_ref().is_some_and(Vec::is_empty) {
                let message = format!("\"sources\" in {} names no source", table.label());
                problems.push(table.at(), Some("sources"), message, None);
            }
            sources.unwrap_or_default()
        } else {
            table.text("source").into_iter().collect()
        };
        let ttl = table.duration("ttl", SECOND..=3_660 * DAY).map_or(TTL_DEFAULT, |ttl| ttl.value);
        let filter = feature::filter(&mut table, "where");
        let like = if table.has("like") {
            table.refuse("features", "cannot stand beside \"like\": the features are that view's");
            table.text("like")
        } else {
            table.need("features");
            None
        };
        let label = format!("the features of view \"{}\"", name.value);
        let features = match like {
            Some(_) => Vec::new(),
            None => {
                table.table("features", &label).map(FeatureDeclared::read_all).unwrap_or_default()
            }
        };
        table.finish();
        ViewDeclared {
            name,
            description,
            entity,
            sources,
            ttl,
            filter_known: filter.is_ok(),
            filter: filter.unwrap_or_default(),
            like,
            features: Rc::new(features),
        }
    }

    /// Gives each view that is like another one that one's features, and its filter if it has none
    /// of its own.
    pub(super) fn resolve_likes(views: &mut [ViewDeclared], problems: &Problems<'_>) {
        let known: HashMap<String, _> = views
            .iter()
            .map(|view| {
                let filter = (view.filter.clone(), view.filter_known);
                let own = view.like.is_none();
                (view.name.value.clone(), (own, Rc::clone(&view.features), filter))
            })
            .collect();
        let names: Vec<String> = views.iter().map(|view| view.name.value.clone()).collect();
        for view in views {
            let Some(like) = &view.like else { continue };
            match known.get(&like.value) {
                Some((true, features, (filter, filter_known))) => {
                    view.features = Rc::clone(features);
                    if view.filter_known && view.filter.is_none() {
                        (view.filter, view.filter_known) = (filter.clone(), *filter_known);
                    }
                }
                Some((false, ..)) => {
                    let message = format!(
                        "\"like\" in view \"{}\" names \"{}\", which has no features of its own",
                        view.name.value, like.value
                    );
                    let hint = "name the view that lists the features".to_owned();
                    problems.wrong(like, message, Some(hint));
                }
                None => {
                    let message = format!(
                        "\"like\" in view \"{}\" names no view: \"{}\"",
                        view.name.value, like.value
                    );
                    let own = names.iter().filter(|name| **name != view.name.value);
                    problems.unknown(like, message, own.map(String::as_str));
                }
            }
        }
    }
}

//! What may be asked of a job: its views, entities and services, by name.

use crate::serving::answer::IdColumns;
use crate::serving::ask::{AskedFeatures, Group};
use crate::serving::feast_error::FeastError;
use std::collections::{HashMap, HashSet};
use tidemark_jobs::{Job, docs};
use tidemark_operators::json::quoted;
use tidemark_operators::plan::JoinKey;
use tidemark_operators::plan::{EntityPlan, Plan};
use tidemark_operators::value::Type;

/// Everything.
pub(super) struct Catalogue {
    /// The job's name.
    pub job: String,
    /// Feast's project.
    pub project: String,
    pub views: Vec<ServedView>,
    pub entities: Vec<Entity>,
    /// The names of the job's sources.
    pub sources: Vec<String>,
    /// The topics of the job's sources.
    pub topics: Vec<String>,
    services: HashMap<String, Vec<(usize, usize)>>,
    views_by_name: HashMap<String, usize>,
}

/// A view.
pub(super) struct ServedView {
    pub name: String,
    pub entity: usize,
    /// Names, and the value in a missing row as JSON.
    pub features: Vec<(String, String)>,
    pub types: Vec<Type>,
    /// A feature that every row has a value of.
    pub witness: Option<usize>,
}

/// An entity type.
pub(super) struct Entity {
    pub name: String,
    /// What Feast calls the column of ids: the field that is the key.
    pub join_key: String,
    /// The same as JSON.
    pub join_key_json: String,
    /// What ids are: text, int or ip.
    pub ty: Type,
}

impl Entity {
    fn new(plan: &Plan, entity: &EntityPlan) -> Entity {
        let JoinKey { name: join_key, ty } = JoinKey::of(plan, entity);
        Entity { name: entity.name.clone(), join_key_json: quoted(&join_key), join_key, ty }
    }
}

impl Catalogue {
    /// Of `job`, whose rows are in Feast's `project`.
    pub fn new(job: &Job, project: String) -> Catalogue {
        let plan = &job.plan;
        let views: Vec<ServedView> =
            (0..plan.views.len()).filter_map(|at| view(plan, at)).collect();
        let names = views.iter().enumerate().map(|(at, view)| (view.name.clone(), at));
        let services = job.services.iter().map(|it| (it.name.clone(), it.features.clone()));
        Catalogue {
            job: plan.name.clone(),
            project,
            views_by_name: names.collect(),
            views,
            entities: plan.entities.iter().map(|it| Entity::new(plan, it)).collect(),
            sources: plan.sources.iter().map(|source| source.name.clone()).collect(),
            topics: plan.sources.iter().filter_map(|source| source.topic.clone()).collect(),
            services: services.collect(),
        }
    }

    /// The entity types whose ids a column of this name holds: by join key, or by their own names.
    pub fn entities_of<'a>(&'a self, column: &'a str) -> impl Iterator<Item = usize> {
        let is = move |entity: &&Entity| entity.join_key == column;
        let by_key = self.entities.iter().any(|entity| is(&entity));
        let named = move |(_, entity): &(usize, &Entity)| match by_key {
            true => entity.join_key == column,
            false => entity.name == column,
        };
        self.entities.iter().enumerate().filter(named).map(|(at, _)| at)
    }

    /// In the words of Feast, which lists the keys of the whole project: of the entity at `missing` no
    /// id was given, or (`empty`) none of its column.
    pub fn keys_missing(&self, missing: usize, empty: bool, given: &IdColumns<'_>) -> FeastError {
        let listed = |but: Option<usize>| {
            let keys = self.entities.iter().enumerate().filter(|(at, _)| but != Some(*at));
            let mut keys: Vec<_> = keys.map(|(_, it)| format!("'{}'", it.join_key)).collect();
            keys.sort();
            keys.dedup();
            keys.join(", ")
        };
        let given: Vec<_> =
            given.iter().map(|(name, _)| format!("'{}'", name.trim_matches('"'))).collect();
        FeastError::text(format!(
            "\"Missing join key values for keys: [{}]. No values provided for keys: [{}]. Provided \
             join_key_values: [{}]\"",
            listed(Some(missing).filter(|_| empty)),
            listed(None),
            given.join(", "),
        ))
    }

    /// All features of a view.
    pub fn view(&self, name: &str, full_names: bool) -> Result<AskedFeatures, FeastError> {
        let at = self.find(name)?;
        let count = self.views.get(at).map_or(0, |view| view.features.len());
        self.ask((0..count).map(|feature| (at, feature)).collect(), full_names)
    }

    /// The features of a service.
    pub fn service(&self, name: &str, full_names: bool) -> Result<AskedFeatures, FeastError> {
        let found = self.services.get(name).ok_or_else(|| {
            let project = &self.project;
            FeastError::feast(
                404,
                "FeatureServiceNotFoundException",
                format!("Feature service {name} does not exist in project {project}"),
            )
        })?;
        self.ask(found.clone(), full_names)
    }

    /// Features by their references, `view:feature`.
    pub fn features<T: AsRef<str>>(
        &self,
        refs: &[T],
        full_names: bool,
    ) -> Result<AskedFeatures, FeastError> {
        if refs.is_empty() {
            return Err(FeastError::text("No features specified for retrieval"));
        }
        let found = refs.iter().map(|reference| self.feature(reference.as_ref()));
        self.ask(found.collect::<Result<_, _>>()?, full_names)
    }

    fn feature(&self, reference: &str) -> Result<(usize, usize), FeastError> {
        let (view, feature) = reference.split_once(':').ok_or_else(|| {
            FeastError::text(format!(
                "Invalid feature reference '{reference}'. Expected format: \
                 '<feature_view>:<feature>' or '<feature_view>@<version>:<feature>'"
            ))
        })?;
        let at = self.find(view)?;
        let features = self.views.get(at).map(|view| view.features.as_slice()).unwrap_or_default();
        match features.iter().position(|(name, _)| name == feature) {
            Some(feature) => Ok((at, feature)),
            None => {
                let why = format!("'Feature {feature} not found in projection {view}'");
                Err(FeastError::text(why))
            }
        }
    }

    fn find(&self, view: &str) -> Result<usize, FeastError> {
        self.views_by_name.get(view).copied().ok_or_else(|| {
            let project = &self.project;
            FeastError::feast(
                404,
                "FeatureViewNotFoundException",
                format!("Feature view {view} does not exist in project {project}"),
            )
        })
    }

    fn ask(
        &self,
        columns: Vec<(usize, usize)>,
        full_names: bool,
    ) -> Result<AskedFeatures, FeastError> {
        let mut ask = AskedFeatures { columns, ..AskedFeatures::default() };
        let mut names = HashSet::new();
        for (column, (at, feature)) in ask.columns.iter().enumerate() {
            let Some(view) = self.views.get(*at) else { continue };
            let Some((name, _)) = view.features.get(*feature) else { continue };
            let name = match full_names {
                true => format!("{}__{name}", view.name),
                false => name.clone(),
            };
            if !names.insert(name.clone()) {
                return Err(FeastError::collision(&name, full_names));
            }
            ask.names.push(quoted(&name));
            if !ask.views.contains(at) {
                ask.views.push(*at);
            }
            let group = match ask.groups.iter().position(|group| group.entity == view.entity) {
                Some(group) => group,
                None => {
                    ask.groups.push(Group { entity: view.entity, ..Group::default() });
                    ask.groups.len() - 1
                }
            };
            if let Some(group) = ask.groups.get_mut(group) {
                group.add(*at, view.witness, column, *feature);
            }
        }
        Ok(ask)
    }
}

fn view(plan: &Plan, at: usize) -> Option<ServedView> {
    let (index, view) = (plan.views.get(at)?, plan.view(at)?);
    let empty = docs::empty_row(view, &plan.zone).into_iter().map(|value| {
        let mut json = Vec::new();
        crate::online::text::json(&value, &mut json);
        String::from_utf8(json).unwrap_or_else(|_| "null".to_owned())
    });
    Some(ServedView {
        name: view.name.clone(),
        entity: index.entity,
        features: view.features.iter().map(|f| f.name.clone()).zip(empty).collect(),
        types: view.features.iter().map(|feature| feature.ty).collect(),
        witness: view.features.iter().position(|feature| !feature.nullable),
    })
}

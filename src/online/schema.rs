//! What the store knows of a job: its views, their features and their keys in Redis.

use crate::online::rows::Layout;
use tidemark_operators::plan::{FeaturePlan, Plan};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

/// The views of a job, in job order.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) job: String,
    pub(crate) views: Vec<View>,
    pub(crate) entities: usize,
}

/// One view.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) entity: usize,
    pub(crate) entity_name: String,
    pub(crate) ttl: Millis,
    pub(crate) features: Vec<Feature>,
    /// No feature is always there, so a key may hold fields of which none is in the row.
    pub(crate) all_nullable: bool,
    pub(crate) layout: Layout,
    /// A bit for each feature kept as bytes, in groups of 64.
    pub(crate) bytes: Vec<u64>,
}

/// One feature.
#[derive(Debug)]
pub(crate) struct Feature {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

impl Schema {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut views = Vec::with_capacity(plan.views.len());
        for at in &plan.views {
            let Some(entity) = plan.entities.get(at.entity) else { continue };
            let Some(view) = entity.views.get(at.view) else { continue };
            let features = view.features.iter();
            views.push(View {
                name: view.name.clone(),
                entity: at.entity,
                entity_name: entity.name.clone(),
                ttl: view.ttl,
                all_nullable: view.features.iter().all(|f| f.nullable),
                features: features.map(|f| Feature { name: f.name.clone(), ty: f.ty }).collect(),
                layout: Layout::new(view.features.len()),
                bytes: view.features.chunks(64).map(bytes_of).collect(),
            });
        }
        Schema { job: plan.name.clone(), views, entities: plan.entities.len() }
    }
}

fn bytes_of(group: &[FeaturePlan]) -> u64 {
    let bits = group.iter().enumerate().map(|(bit, f)| u64::from(f.ty.is_bytes()) << bit);
    bits.sum()
}

impl View {
    /// The key of an entity's row: `PREFIX:ENTITY_TYPE:ID:VIEW`.
    pub(crate) fn key(&self, prefix: &str, id: &[u8]) -> Vec<u8> {
        let mut key = self.key_head(prefix);
        key.extend_from_slice(id);
        key.extend_from_slice(&self.key_tail());
        key
    }

    /// What comes before the id in a key.
    pub(crate) fn key_head(&self, prefix: &str) -> Vec<u8> {
        format!("{prefix}:{}:", self.entity_name).into_bytes()
    }

    /// What comes after it.
    pub(crate) fn key_tail(&self) -> Vec<u8> {
        format!(":{}", self.name).into_bytes()
    }
}

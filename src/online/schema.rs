//! What the store knows of a job: its views, their features and what their entities are known by.

use crate::online::rows::RowWidth;
use tidemark_operators::plan::JoinKey;
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
    pub(crate) key: JoinKey,
    pub(crate) ttl: Millis,
    pub(crate) features: Vec<Feature>,
    /// No feature is always there, so a key may hold fields of which none is in the row.
    pub(crate) all_nullable: bool,
    pub(crate) width: RowWidth,
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
                key: JoinKey::of(plan, entity),
                ttl: view.ttl,
                all_nullable: view.features.iter().all(|f| f.nullable),
                features: features.map(|f| Feature { name: f.name.clone(), ty: f.ty }).collect(),
                width: RowWidth::new(view.features.len()),
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

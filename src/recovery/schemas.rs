//! How rows are written.

use crate::checkpoint::{AttributeSchema, EntitySchema};
use tidemark_operators::plan::identity::EntityIdentities;
use tidemark_operators::plan::{EntityPlan, Plan, Storage};

/// For each entity of `plan` how its rows are written.
pub(super) fn schemas(plan: &Plan) -> Vec<EntitySchema> {
    let schema = |entity: &EntityPlan| {
        let rows = EntityIdentities::new(plan, entity, None).rows;
        let attributes = entity.attributes.iter().zip(rows.attributes);
        let attributes = attributes.map(|(attribute, identity)| AttributeSchema {
            name: attribute.name.clone(),
            ty: attribute.ty.to_string(),
            storage: match attribute.storage {
                Storage::Wide => "word".to_owned(),
                Storage::Symbol => "symbol".to_owned(),
            },
            identity,
        });
        EntitySchema {
            entity: entity.name.clone(),
            filters: rows.bits,
            every: rows.every,
            sources: rows.sources,
            keys: rows.keys,
            attributes: attributes.collect(),
        }
    };
    plan.entities.iter().map(schema).collect()
}

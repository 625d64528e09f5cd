//! What an entity is called by in questions.

use crate::plan::{EntityPlan, Plan};
use crate::value::Type;
use std::collections::HashSet;

/// The field that identifies an entity, as Feast speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinKey {
    /// Its name in the first source that has it; the entity type's own name without such a source.
    pub name: String,
    /// What ids are: int or ip where they are in every source, else text.
    pub ty: Type,
}

impl JoinKey {
    /// Of an entity of `plan`.
    pub fn of(plan: &Plan, entity: &EntityPlan) -> JoinKey {
        let feeds = plan.sources.iter().zip(&entity.sources);
        let keys = feeds.filter_map(|(source, feed)| source.fields.get(feed.as_ref()?.key));
        let mut keys = keys.peekable();
        let name = keys.peek().map_or_else(|| entity.name.clone(), |key| key.name.clone());
        let types: HashSet<Type> = keys.map(|key| key.ty).collect();
        let only = |ty: &Type| types.len() == 1 && types.contains(ty);
        let ty = [Type::Int, Type::Ip].into_iter().find(only).unwrap_or(Type::Text);
        JoinKey { name, ty }
    }
}

//! What an entity is asked for by.
//!
//! An entity whose key is an address is known by the address's usual notation, as rows have it (see
//! [`parse_address`]). Who asks for its row may write the address in any way.

use std::borrow::Cow;
use tidemark_operators::plan::JoinKey;
use tidemark_operators::plan::{EntityPlan, Plan};
use tidemark_operators::value::{Type, parse_address};

/// How the entity that `asked` names is known in the rows of the view at job index `view`.
pub(crate) fn known_as<'a>(plan: &Plan, view: usize, asked: &'a str) -> Cow<'a, str> {
    let entity = plan.views.get(view).and_then(|at| plan.entities.get(at.entity));
    entity.map_or(Cow::Borrowed(asked), |entity| of_entity(plan, entity, asked))
}

/// The same of an entity of this type.
pub(crate) fn of_entity<'a>(plan: &Plan, entity: &EntityPlan, asked: &'a str) -> Cow<'a, str> {
    // Whether its key is an address, in every source that has one.
    let is_address = || JoinKey::of(plan, entity).ty == Type::Ip;
    match parse_address(asked).filter(|_| is_address()) {
        Some(address) => Cow::Owned(address.to_string()),
        None => Cow::Borrowed(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"
[job]
name = "addresses"
[sources.t]
topic = "t"
time = "ts"
out_of_orderness = "5s"
[sources.t.fields]
ip = "ip?"
user = "string?"
[entities.address]
key = "ip"
[entities.user]
key = "user"
[views.of_address]
entity = "address"
[views.of_address.features]
n = { aggregate = "count", window = "5m" }
[views.of_user]
entity = "user"
[views.of_user.features]
n = { aggregate = "count", window = "5m" }
"#;

    #[test]
    fn an_address_is_known_by_its_usual_notation_and_a_text_by_itself() {
        let plan = tidemark_jobs::load("addresses.toml", JOB).unwrap().plan;
        let view = |name: &str| {
            (0..plan.views.len()).find(|at| plan.view(*at).unwrap().name == name).unwrap()
        };
        let (address, user) = (view("of_address"), view("of_user"));
        for (asked, known) in [
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::FFFF:C000:0207", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("no address", "no address"),
        ] {
            assert_eq!(known_as(&plan, address, asked), known);
            assert_eq!(known_as(&plan, user, asked), asked);
        }
        assert_eq!(known_as(&plan, plan.views.len(), "::ffff:192.0.2.7"), "::ffff:192.0.2.7");
    }
}

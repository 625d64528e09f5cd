//! Whose keys `feast teardown` would remove: Feast finds the keys of a project by what they end with.
//!
//! So a project must not be named as another one ends: removing the one would remove the other's rows.
//! Bound: about 100,000 keys are looked at.

use crate::online::StoreError;
use crate::online::feast;
use crate::online::redis::link::Link;
use crate::online::redis::sweep::scan;
use std::ops::ControlFlow;

/// A project whose keys lie in this Redis, of which one of the two names ends with the other. `None`
/// also where this user may not look.
pub(crate) fn entangled(link: &mut Link, own: &str) -> Result<Option<String>, StoreError> {
    let mut other = None;
    let looked = scan(link, feast::PATTERN, |_, keys| {
        let projects = keys.iter().filter_map(|key| feast::project_of(key));
        let mut projects = projects.filter_map(|project| std::str::from_utf8(project).ok());
        other = projects.find(|other| is_entangled(own, other)).map(str::to_owned);
        Ok(if other.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    match looked {
        Err(StoreError::Reply { .. }) => Ok(None),
        looked => looked.map(|_| other),
    }
}

fn is_entangled(own: &str, other: &str) -> bool {
    own != other && !other.is_empty() && (own.ends_with(other) || other.ends_with(own))
}

/// What a run says that must not write beside `other`.
pub(crate) fn refusal(own: &str, other: &str) -> String {
    format!(
        "cannot write rows of the Feast project '{own}' to this Redis: rows of the project '{other}' are \
         there, and `feast teardown` of one would remove those of both, as one name ends with the other; \
         choose another project in [online.redis] of cluster.toml, or another db"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_entangled_when_one_name_ends_with_the_other() {
        for (own, other) in [("gen_p", "other_gen_p"), ("other_gen_p", "gen_p")] {
            assert!(is_entangled(own, other));
        }
        for (own, other) in [("p", "p"), ("p", "q"), ("p", "p_2"), ("p", "")] {
            assert!(!is_entangled(own, other), "{own} {other}");
        }
    }
}

//! Whose keys `feast teardown` would remove: Feast finds the keys of a project by what they end with.
//!
//! So a project must not be named as another one ends: removing the one would remove the other's rows.
//! Bound: `CALLS` of SCAN, which look at about 100,000 keys.

use crate::online::StoreError;
use crate::online::feast;
use crate::online::redis::link::Link;
use crate::online::redis::sweep::scanned;

/// Calls of SCAN at most.
const CALLS: usize = 100;

/// Keys looked at in one call: about a millisecond of Redis.
const COUNT: &[u8] = b"1000";

/// A project whose keys lie in this Redis, of which one of the two names ends with the other. `None`
/// also where this user may not look.
pub(crate) fn entangled(link: &mut Link, own: &str) -> Result<Option<String>, StoreError> {
    let mut cursor = b"0".to_vec();
    for _ in 0..CALLS {
        let reply = link.ask("SCAN", &[&cursor, b"MATCH", feast::PATTERN, b"COUNT", COUNT]);
        let reply = match reply {
            Err(StoreError::Reply { .. }) => return Ok(None),
            other => other?,
        };
        let (next, keys) = scanned(&reply);
        let projects = keys.iter().filter_map(|key| feast::project_of(key));
        let mut projects = projects.filter_map(|project| std::str::from_utf8(project).ok());
        if let Some(other) = projects.find(|other| is_entangled(own, other)) {
            return Ok(Some(other.to_owned()));
        }
        if next == b"0" {
            break;
        }
        cursor = next;
    }
    Ok(None)
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

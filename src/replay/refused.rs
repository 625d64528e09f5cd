//! What a replay says of records that it refused.

use crate::output;
use crate::refusals::{Refusals, sentence};
use std::path::Path;
use tidemark_operators::verdict::Reason;

/// What keeps them where there is a flag for that.
pub(crate) const BY_FLAG: &str = "--dlq FILE keeps them";

/// Says in a line for each reason how many there were, what is wrong with the first, and where they
/// are: in `kept`, or what would keep them.
pub(crate) fn say(refusals: &Refusals, kept: Result<&Path, &str>, of: u64) {
    for reason in Reason::ALL {
        let count = refusals.count_all(reason);
        if count == 0 {
            continue;
        }
        let first = refusals.take_first_of_all(reason);
        let kept = match kept {
            Ok(path) => format!("they are in {}", path.display()),
            Err(keeps) => keeps.to_owned(),
        };
        let said = sentence(reason, count, of, first.as_ref());
        output::note(&format!("warning: {said}; {kept}"));
    }
}

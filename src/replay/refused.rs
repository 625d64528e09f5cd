//! What a replay says of records that it refused.

use crate::output;
use crate::refusals::{Refusals, sentence};
use std::path::Path;
use tidemark_operators::verdict::Reason;

/// Says in a line for each reason how many there were, what is wrong with the first, and where they
/// are: in `kept`, or what keeps them.
pub(crate) fn say(refusals: &Refusals, kept: Option<&Path>, of: u64) {
    for reason in Reason::ALL {
        let count = refusals.count_all(reason);
        if count == 0 {
            continue;
        }
        let first = refusals.take_first_of_all(reason);
        let kept = match kept {
            Some(path) => format!("they are in {}", path.display()),
            None => "--dlq FILE keeps them".to_owned(),
        };
        let said = sentence(reason, count, of, first.as_ref());
        output::note(&format!("warning: {said}; {kept}"));
    }
}

//! Notes on expressions that mix windows, which are as of now, with what the latest event had, which
//! stays as it was.
//!
//! Such an expression is right as of the event (in its sealed row, and in the live row of its very
//! millisecond). Afterwards time goes on in one half of it. Often it was written to leave the latest
//! event out of a window, which it does only that long.

use tidemark_operators::expression::{Arithmetic, Expr};
use tidemark_operators::plan::{AttributePlan, Read};
use tidemark_operators::time::{MINUTE, Millis};

use super::entity::EntityBuild;
use crate::document::quantity::show_duration;

/// A window that is delayed by less was hardly delayed to look at what was long ago.
const SHORT_DELAY: Millis = MINUTE;

/// What to do instead.
const INSTEAD: &str = "to compare an event with what was before it, read the row before you publish \
                       the event and put the event's own values in; for training take sealed rows, \
                       which are as of their event";

/// What a column is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// Events in a window.
    window: bool,
    /// A number that each event in a window adds to.
    total: bool,
    /// The shortest delay of the windows that have a short one.
    delay: Option<Millis>,
    /// A field of the latest event.
    latest: bool,
}

impl Origin {
    /// Of what is read from the state of `entity`.
    pub(super) fn of_read(read: Read, entity: &EntityBuild) -> Origin {
        let mut origin = Origin::default();
        for at in read.accumulators() {
            let window = entity.accumulators.get(at).and_then(|it| entity.windows.get(it.window));
            let delay = window.map(|window| window.delay);
            origin.window = true;
            origin.delay = delay.filter(|delay| (1..SHORT_DELAY).contains(delay));
            origin.total = matches!(read, Read::Count { .. } | Read::Sum { .. });
        }
        if let Read::Latest { last, attribute, .. } = read {
            let kept = entity.lasts.get(last).and_then(|last| last.attributes.get(attribute));
            let kept: Option<&AttributePlan> = kept.and_then(|at| entity.attributes.get(*at));
            origin.latest = kept.is_some_and(|it| !it.derived);
        }
        origin
    }

    /// Of an expression over columns.
    pub(super) fn of(expr: &Expr, column: &impl Fn(usize) -> Origin) -> Origin {
        let origins = expr.inputs().into_iter().map(column);
        origins.fold(Origin::default(), |all, one| Origin {
            window: all.window || one.window,
            total: all.total || one.total,
            delay: all.delay.into_iter().chain(one.delay).min(),
            latest: all.latest || one.latest,
        })
    }

    fn is_mixed(self) -> bool {
        self.window && self.latest
    }
}

/// What is to be noted about `expr`, if it is the one that mixes: what, and what to do instead.
pub(super) fn note(
    expr: &Expr,
    column: &impl Fn(usize) -> Origin,
) -> Option<(String, &'static str)> {
    let mixed = Origin::of(expr, column);
    if !mixed.is_mixed() || expr.inputs().into_iter().any(|input| column(input).is_mixed()) {
        return None;
    }
    let message = if let Some(delay) = mixed.delay {
        let delay = show_duration(delay);
        format!(
            "is without the latest event for {delay} only: a window that is delayed by {delay} has it \
             from then on, and the expression compares the event with itself"
        )
    } else if subtracts_latest(expr, column) {
        "takes the latest event out of a window as of now, which is right for the millisecond of that \
         event only: once it has left the window it is still taken out, down to below 0"
            .to_owned()
    } else {
        "mixes windows as of now with the latest event, which stays as it was while they go on: both \
         are as of one time for the millisecond of that event only"
            .to_owned()
    };
    Some((message, INSTEAD))
}

/// Whether a total over a window has something of the latest event subtracted.
fn subtracts_latest(expr: &Expr, column: &impl Fn(usize) -> Origin) -> bool {
    if let Expr::Arithmetic { op: Arithmetic::Subtract, left, right } = expr {
        let (left, right) = (Origin::of(left, column), Origin::of(right, column));
        if left.total && !left.latest && right.latest && !right.window {
            return true;
        }
    }
    expr.children().into_iter().any(|child| subtracts_latest(child, column))
}

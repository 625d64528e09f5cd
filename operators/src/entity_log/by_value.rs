//! The history of a timeline by value, by the components that it is told in.

use super::EntityLog;
use crate::cut::{Encoded, Unreadable};
use crate::history::sealed::SealedHistory;
use crate::history::sealed::by_value::HistoryPart;
use crate::plan::Sequence;
use crate::plan::identity::ComponentKind;
use crate::time::EventTime;

/// What a component is of a history; `None` when it is none of it.
fn part(kind: ComponentKind, history: &SealedHistory) -> Option<HistoryPart> {
    Some(match kind {
        ComponentKind::Accumulator(_)
        | ComponentKind::Last(_)
        | ComponentKind::LastAttribute(..) => return None,
        ComponentKind::Sequence(at) => match history.fold.sequences().get(at)?.0.what {
            Sequence::New { .. } => HistoryPart::Seen(at),
            Sequence::Changed { .. } | Sequence::Previous { .. } => HistoryPart::Sequence(at),
        },
        ComponentKind::Session(at) => HistoryPart::Session(at),
        ComponentKind::SessionFirst(at, of) => HistoryPart::First(at, of),
        ComponentKind::SessionCount(at, of) => HistoryPart::Count(at, of),
        ComponentKind::SessionSum(at, of) => HistoryPart::Sum(at, of),
    })
}

impl EntityLog {
    /// Appends what the component `kind` of the history keeps of `slot` that an event at or after
    /// `as_of` can see.
    pub(crate) fn save_history(
        &self,
        kind: ComponentKind,
        slot: u32,
        as_of: EventTime,
        out: &mut Vec<u8>,
    ) {
        let Some(history) = &self.history else { return };
        if let Some(part) = part(kind, history) {
            history.save(part, slot, as_of, &self.names, out);
        }
    }

    /// Makes the component `kind` of the history of `slot` what was told of it.
    pub(crate) fn load_history(
        &mut self,
        kind: ComponentKind,
        slot: u32,
        as_of: EventTime,
        from: Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let Some(history) = &mut self.history else { return Err(Unreadable::Impossible) };
        let part = part(kind, history).ok_or(Unreadable::Impossible)?;
        history.load(part, slot, as_of, from, &mut self.names)
    }

    /// Makes the history exist for all slots.
    pub(crate) fn grow_history(&mut self) {
        let slots = self.names.entities.end();
        if let Some(history) = &mut self.history {
            history.grow(slots);
        }
        if let Some(unsealed) = &mut self.unsealed {
            unsealed.grow(slots);
        }
    }

    /// See [`SealedHistory::scan_seen`].
    pub(crate) fn scan_seen(
        &self,
        place: u64,
        places: usize,
        as_of: EventTime,
        each: impl FnMut(usize, u32, u32, u64),
    ) -> Option<u64> {
        self.history.as_ref()?.scan_seen(place, places, as_of, each)
    }

    /// The attribute whose values sequence `sequence` sees.
    pub(crate) fn seen_attribute(&self, sequence: usize) -> Option<usize> {
        self.history.as_ref()?.seen_attribute(sequence)
    }
}

//! What is derived of an event from those before it: sequences and sessions, equal ones shared.

use super::{Bit, EntityBuild, TooManyFilters};
use tidemark_operators::plan::{
    AttributePlan, Mask, Sequence, SequencePlan, SessionPlan, SessionSum, Storage,
};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

impl EntityBuild {
    /// The bit of events with `mask` whose `attribute` changed.
    pub(in super::super) fn changed(
        &mut self,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> Result<Mask, TooManyFilters> {
        let known = self.sequences(mask, attribute, horizon).find_map(|what| match what {
            Sequence::Changed { bit } => Some(bit),
            _ => None,
        });
        if let Some(bit) = known {
            return Ok(1 << bit);
        }
        let bit = self.add_bit(Bit::Changed)?;
        let what = Sequence::Changed { bit };
        self.sequences.push(SequencePlan { mask, attribute, horizon, what });
        Ok(1 << bit)
    }

    /// The attribute that says whether the value of `attribute`, called `name`, is new.
    pub(in super::super) fn new_value(
        &mut self,
        name: &str,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> usize {
        let known = self.sequences(mask, attribute, horizon).find_map(|what| match what {
            Sequence::New { target } => Some(target),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let name = format!("sequence {}: is {name} new", self.sequences.len());
            let target = self.derived(name, Type::Bool, Storage::Wide, None);
            let what = Sequence::New { target };
            self.sequences.push(SequencePlan { mask, attribute, horizon, what });
            target
        })
    }

    /// The attribute that is `attribute` of the event before.
    pub(in super::super) fn previous(
        &mut self,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> usize {
        let known = self.sequences(mask, attribute, horizon).find_map(|what| match what {
            Sequence::Previous { target } => Some(target),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let target =
                self.copy_of(attribute, &format!("sequence {}: previous", self.sequences.len()));
            let what = Sequence::Previous { target };
            self.sequences.push(SequencePlan { mask, attribute, horizon, what });
            target
        })
    }

    fn sequences(
        &self,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> impl Iterator<Item = Sequence> {
        let same = self.sequences.iter().filter(move |sequence| {
            (sequence.mask, sequence.attribute, sequence.horizon) == (mask, attribute, horizon)
        });
        same.map(|sequence| sequence.what)
    }

    /// The sessions of the events with `mask`.
    pub(in super::super) fn session(&mut self, mask: Mask, gap: Millis) -> usize {
        let known = self.sessions.iter().position(|it| (it.mask, it.gap) == (mask, gap));
        known.unwrap_or_else(|| {
            let (firsts, counts, sums) = (Vec::new(), Vec::new(), Vec::new());
            self.sessions.push(SessionPlan { mask, gap, start: None, firsts, counts, sums });
            self.sessions.len() - 1
        })
    }

    /// The attribute that is the time of the session's first event.
    pub(in super::super) fn session_start(&mut self, session: usize) -> usize {
        let known = self.sessions.get(session).and_then(|it| it.start);
        known.unwrap_or_else(|| {
            let name = format!("session {session}: start");
            let start = self.derived(name, Type::Timestamp, Storage::Wide, None);
            self.in_session(session, |it| it.start = Some(start));
            start
        })
    }

    /// The attribute that is `attribute` of the session's first event.
    pub(in super::super) fn session_first(&mut self, session: usize, attribute: usize) -> usize {
        let mut firsts = self.sessions.get(session).into_iter().flat_map(|it| &it.firsts);
        let known = firsts.find(|(of, _)| *of == attribute).map(|(_, first)| *first);
        known.unwrap_or_else(|| {
            let first = self.copy_of(attribute, &format!("session {session}: first"));
            self.in_session(session, |it| it.firsts.push((attribute, first)));
            first
        })
    }

    /// The attribute that counts the session's events that have the bits `mask`.
    pub(in super::super) fn session_count(&mut self, session: usize, mask: Mask) -> usize {
        let mut counts = self.sessions.get(session).into_iter().flat_map(|it| &it.counts);
        let known = counts.find(|(bits, _)| *bits == mask).map(|(_, count)| *count);
        known.unwrap_or_else(|| {
            let name = format!("session {session}: events with {mask:#b}");
            let count = self.derived(name, Type::Int, Storage::Wide, None);
            self.in_session(session, |it| it.counts.push((mask, count)));
            count
        })
    }

    /// The attributes that sum `attribute`, of type `ty`, over the session's events that have the
    /// bits `mask`.
    pub(in super::super) fn session_sum(
        &mut self,
        session: usize,
        mask: Mask,
        attribute: usize,
        ty: Type,
    ) -> SessionSum {
        let mut sums = self.sessions.get(session).into_iter().flat_map(|it| &it.sums);
        let known = sums.find(|sum| (sum.mask, sum.attribute) == (mask, attribute)).copied();
        known.unwrap_or_else(|| {
            let of = self.attributes.get(attribute).map_or("", |it| it.name.as_str());
            let name = format!("session {session}: sum of {of} with {mask:#b}");
            let high = self.derived(format!("{name}, high"), ty, Storage::Wide, None);
            let low = self.derived(format!("{name}, low"), ty, Storage::Wide, None);
            let sum = SessionSum { mask, attribute, high, low };
            self.in_session(session, |it| it.sums.push(sum));
            sum
        })
    }

    fn in_session(&mut self, session: usize, change: impl FnOnce(&mut SessionPlan)) {
        if let Some(session) = self.sessions.get_mut(session) {
            change(session);
        }
    }

    /// A derived attribute for values of `attribute` of another event.
    fn copy_of(&mut self, attribute: usize, what: &str) -> usize {
        let copied = self.attributes.get(attribute);
        let (name, ty, storage) = copied.map_or(("", Type::Int, Storage::Wide), |copied| {
            (copied.name.as_str(), copied.ty, copied.storage)
        });
        let dictionary = (storage == Storage::Symbol).then_some(attribute);
        self.derived(format!("{what} {name}"), ty, storage, dictionary)
    }

    fn derived(
        &mut self,
        name: String,
        ty: Type,
        storage: Storage,
        dictionary: Option<usize>,
    ) -> usize {
        self.add_attribute(AttributePlan::derived(name, ty, storage, dictionary), Vec::new())
    }
}

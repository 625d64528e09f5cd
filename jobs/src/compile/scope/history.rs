//! Sequences and sessions: what is derived of an event from those before it.

use super::super::entity::TooManyFilters;
use super::Scope;
use crate::aggregate::{Memory, Of, OfValue, Reading, Reported, Session};
use tidemark_operators::plan::{Mask, Read, Storage};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

impl Scope<'_, '_> {
    /// The bits of the events with `mask` that have another value of `attribute`, which is `of`,
    /// than the nearest event before them that has one.
    pub(crate) fn changed(
        &mut self,
        of: &OfValue,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> Result<Mask, Reported> {
        match self.entity.changed(mask, attribute, horizon) {
            Ok(changed) => Ok(mask | changed),
            Err(TooManyFilters) => {
                let message =
                    format!("\"of\" in {}: {}", self.label, self.entity.too_many_filters());
                let hint = "each field whose changes are counted is a filter too".to_owned();
                if let Some(field) = of.0.first() {
                    self.problems.wrong(field, message, Some(hint));
                }
                Err(Reported)
            }
        }
    }

    /// Whether the latest event with `mask` is the first with its value of `attribute`, called
    /// `name`.
    pub(crate) fn new_value(
        &mut self,
        name: &str,
        mask: Mask,
        attribute: usize,
        horizon: Millis,
    ) -> Reading {
        let target = self.entity.new_value(name, mask, attribute, horizon);
        self.of_latest(mask, target, Type::Bool, horizon)
    }

    /// The field of the event with `mask` before the latest one, and what it keeps.
    pub(crate) fn previous(
        &mut self,
        of: &Of,
        mask: Mask,
        horizon: Millis,
    ) -> Result<(Reading, Memory), Reported> {
        let (attribute, ty, storage) = self.carried(of)?;
        let target = self.entity.previous(mask, attribute, horizon);
        let reading = self.of_latest(mask, target, ty, horizon);
        Ok((reading, Memory::derived(&[storage])))
    }

    /// How many events of the session have the bits `mask`, and what that keeps; null when no
    /// session is open.
    pub(crate) fn session_count(&mut self, session: Session, mask: Mask) -> (Reading, Memory) {
        let at = self.entity.session(self.frame.mask, session.gap);
        let count = self.entity.session_count(at, mask);
        let reading = self.of_session(session, count, Type::Int);
        (reading, Memory::derived(&[Storage::Wide]))
    }

    /// The sum of `attribute`, of type `ty`, over the events of the session that have the bits
    /// `mask`, and what that keeps.
    pub(crate) fn session_sum(
        &mut self,
        session: Session,
        mask: Mask,
        attribute: usize,
        ty: Type,
    ) -> (Reading, Memory) {
        let at = self.entity.session(self.frame.mask, session.gap);
        let sum = self.entity.session_sum(at, mask, attribute, ty);
        let horizon = session.horizon();
        let last = self.entity.last(self.frame.mask, horizon);
        let high = self.entity.last_attribute(last, sum.high);
        let low = self.entity.last_attribute(last, sum.low);
        let read = Read::SessionSum { last, high, low, horizon };
        (Reading::of(read, Type::Double, false), Memory::derived(&[Storage::Wide; 2]))
    }

    /// The time of the session's first event, and what that keeps.
    pub(crate) fn session_start(&mut self, session: Session) -> (Reading, Memory) {
        let at = self.entity.session(self.frame.mask, session.gap);
        let start = self.entity.session_start(at);
        let reading = self.of_session(session, start, Type::Timestamp);
        (reading, Memory::derived(&[Storage::Wide]))
    }

    /// The time of the session's last event.
    pub(crate) fn session_end(&mut self, session: Session) -> Reading {
        let horizon = session.horizon();
        let last = self.entity.last(self.frame.mask, horizon);
        Reading::of(Read::LatestTime { last, horizon }, Type::Timestamp, true)
    }

    /// A field of the session's first event, and what that keeps.
    pub(crate) fn session_first(
        &mut self,
        session: Session,
        of: &Of,
    ) -> Result<(Reading, Memory), Reported> {
        if self.is_time(&of.0.value) {
            return Ok(self.session_start(session));
        }
        let (attribute, ty, storage) = self.carried(of)?;
        let at = self.entity.session(self.frame.mask, session.gap);
        let first = self.entity.session_first(at, attribute);
        Ok((self.of_session(session, first, ty), Memory::derived(&[storage])))
    }

    /// A field of the session's last event, and what that keeps.
    pub(crate) fn session_last(
        &mut self,
        session: Session,
        of: &Of,
    ) -> Result<(Reading, Memory), Reported> {
        let (read, ty, memory) = self.latest(&of.0, self.frame.mask, session.horizon())?;
        Ok((Reading::of(read, ty, true), memory))
    }

    /// How long which events are seen through a session.
    pub(crate) fn session_extent(&self, session: Session) -> (Mask, Millis) {
        (self.frame.mask, session.horizon())
    }

    fn of_session(&mut self, session: Session, attribute: usize, ty: Type) -> Reading {
        self.of_latest(self.frame.mask, attribute, ty, session.horizon())
    }

    /// An attribute of the latest event with `mask`.
    fn of_latest(&mut self, mask: Mask, attribute: usize, ty: Type, horizon: Millis) -> Reading {
        let last = self.entity.last(mask, horizon);
        let attribute = self.entity.last_attribute(last, attribute);
        Reading::of(Read::Latest { last, attribute, horizon }, ty, true)
    }
}

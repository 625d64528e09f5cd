//! What a feature of some view can ask for while it is compiled; its fields are in `attributes`, its
//! sequences and sessions in `history`.

mod attributes;
mod history;

use super::entity::{Bit, EntityBuild, TooManyFilters};
use super::frame::Frame;
use super::source::{Filter, SourceBuild, filter};
use crate::aggregate::Reported;
use crate::declare::Written;
use crate::document::Problems;
use tidemark_operators::plan::{Kind, Mask, Window};
use tidemark_operators::time::Millis;

/// A feature's surroundings: it looks names up in the view's sources and registers state with the
/// view's entity.
pub(crate) struct Scope<'c, 'j> {
    /// What errors call the feature.
    pub(super) label: String,
    pub(super) entity: &'c mut EntityBuild,
    pub(super) frame: &'c Frame,
    pub(super) sources: &'c mut [SourceBuild<'j>],
    pub(super) problems: &'c Problems<'c>,
}

impl Scope<'_, '_> {
    /// The filter bits of the view's events that match `written`.
    pub(crate) fn mask(&mut self, written: Option<&Written>) -> Result<Mask, Reported> {
        let Some(written) = written else { return Ok(self.frame.mask) };
        let bit = match filter(written, self.frame, self.sources, self.problems)? {
            Filter::Read(predicates) => Bit::Filter(predicates),
            Filter::Late(conditions) => Bit::Late(self.over_attributes(conditions)),
        };
        match self.entity.filter(bit) {
            Ok(mask) => Ok(self.frame.mask | mask),
            Err(TooManyFilters) => {
                written.wrong(1, &self.entity.too_many_filters(), None, self.problems);
                Err(Reported)
            }
        }
    }

    /// The same for an aggregate that keeps the latest event: its filter cannot be about what is
    /// looked up, for a table that is loaded again may let an event that was kept match no more.
    pub(crate) fn mask_of_latest(&mut self, written: Option<&Written>) -> Result<Mask, Reported> {
        let mask = self.mask(written)?;
        match written {
            Some(written) if mask & self.entity.late_bits() != 0 => {
                let message = "is about what is looked up in a table: only features that count over \
                               a window or session can be filtered by that";
                written.wrong(1, message, None, self.problems);
                Err(Reported)
            }
            _ => Ok(mask),
        }
    }

    /// The accumulator of this kind.
    pub(crate) fn accumulator(
        &mut self,
        kind: Kind,
        attribute: Option<usize>,
        mask: Mask,
        window: Window,
    ) -> usize {
        self.entity.accumulator(kind, attribute, mask, window)
    }

    /// How long an event is seen through `window`.
    pub(crate) fn extent(&self, window: Window) -> Millis {
        window.length.saturating_add(window.delay)
    }

    /// State of the latest event with `mask`.
    pub(crate) fn last(&mut self, mask: Mask, horizon: Millis) -> usize {
        self.entity.last(mask, horizon)
    }
}

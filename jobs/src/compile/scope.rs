//! What a feature of some view can ask for while it is compiled.

use super::entity::{EntityBuild, TooManyFilters};
use super::frame::Frame;
use super::lookup::{self, Meaning};
use super::source::{SourceBuild, filter_bits, suggest};
use crate::aggregate::{Memory, Of, Reported};
use crate::declare::Written;
use crate::document::{At, Problems};
use tidemark_operators::plan::{Kind, Mask, Read, Storage, TimeUnit, Window};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

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
    /// The filter bits of the view's events that match `filter`.
    pub(crate) fn mask(&mut self, filter: Option<&Written>) -> Result<Mask, Reported> {
        let Some(written) = filter else { return Ok(self.frame.mask) };
        let bits = filter_bits(written, self.frame, self.sources, self.problems)?;
        match self.entity.filter(bits) {
            Ok(mask) => Ok(self.frame.mask | mask),
            Err(TooManyFilters) => {
                written.wrong(1, &self.entity.too_many_filters(), None, self.problems);
                Err(Reported)
            }
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

    /// A field that is summed, and its type: int or decimal.
    pub(crate) fn summand(&mut self, of: &Of, aggregate: &str) -> Result<(usize, Type), Reported> {
        self.attribute(of, aggregate, Storage::Wide, &[Type::Int, Type::Decimal])
    }

    /// A field that is compared by size, and its type: int, decimal or timestamp.
    pub(crate) fn ordered(&mut self, of: &Of, aggregate: &str) -> Result<(usize, Type), Reported> {
        let types = [Type::Int, Type::Decimal, Type::Timestamp];
        self.attribute(of, aggregate, Storage::Wide, &types)
    }

    /// A field whose values are told apart, and its type: any but double.
    pub(crate) fn symbol(&mut self, of: &Of, aggregate: &str) -> Result<(usize, Type), Reported> {
        let types = [Type::Text, Type::Int, Type::Decimal, Type::Bool, Type::Timestamp, Type::Ip];
        self.attribute(of, aggregate, Storage::Symbol, &types)
    }

    /// A field of the latest event with `mask` (or its time): how it is read, its type, and what it
    /// keeps.
    pub(crate) fn latest(
        &mut self,
        name: &At<String>,
        mask: Mask,
        horizon: Millis,
    ) -> Result<(Read, Type, Memory), Reported> {
        let ty = self.field_type(name)?;
        Ok(self.latest_of_type(&name.value, ty, mask, horizon))
    }

    /// As [`latest`](Self::latest), of a name that is known to be a field of this type.
    pub(super) fn latest_of_type(
        &mut self,
        name: &str,
        ty: Type,
        mask: Mask,
        horizon: Millis,
    ) -> (Read, Type, Memory) {
        let last = self.entity.last(mask, horizon);
        if lookup::meaning(name, self.frame, self.sources) == Meaning::Time {
            return (Read::LatestTime { last, horizon }, ty, Memory::last([].into_iter()));
        }
        let storage = match ty {
            Type::Int | Type::Decimal | Type::Double | Type::Timestamp => Storage::Wide,
            Type::Text | Type::Ip | Type::Bool => Storage::Symbol,
        };
        let attribute = self.register(name, ty, storage);
        let attribute = self.entity.last_attribute(last, attribute);
        let memory = Memory::last([storage].into_iter());
        (Read::Latest { last, attribute, horizon }, ty, memory)
    }

    fn attribute(
        &mut self,
        of: &Of,
        aggregate: &str,
        storage: Storage,
        types: &[Type],
    ) -> Result<(usize, Type), Reported> {
        let name = &of.0;
        let ty = self.field_type(name)?;
        if !self.is_decoded(name) {
            let message = format!(
                "\"of\" in {} is the event time, which can be aggregated only when its unit is ms",
                self.label
            );
            self.problems.wrong(name, message, None);
            return Err(Reported);
        }
        if types.contains(&ty) {
            return Ok((self.register(&name.value, ty, storage), ty));
        }
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        let message = format!(
            "\"{aggregate}\" in {} cannot be of \"{}\", which is of type {ty}",
            self.label, name.value
        );
        let hint = match ty {
            Type::Double => {
                "double fields can be filtered and shown, not aggregated: declare it \"decimal\""
                    .into()
            }
            _ => format!("it takes {}", names.join(", ")),
        };
        self.problems.wrong(name, message, Some(hint));
        Err(Reported)
    }

    /// Whether `name` can be read as a field: the event time only in ms.
    fn is_decoded(&self, name: &At<String>) -> bool {
        let mut sources = self.frame.sources.iter().filter_map(|source| self.sources.get(*source));
        sources.all(|source| {
            let declared = source.declared;
            name.value != declared.time_name() || declared.time.unit == TimeUnit::Ms
        })
    }

    /// The type of the field `name`; its absence is recorded.
    fn field_type(&self, name: &At<String>) -> Result<Type, Reported> {
        let (label, text) = (&self.label, &name.value);
        let message = match lookup::meaning(text, self.frame, self.sources) {
            Meaning::Field(ty) => return Ok(ty),
            Meaning::Time => return Ok(Type::Timestamp),
            Meaning::Reported => return Err(Reported),
            Meaning::Conflict(how) => format!("\"of\" in {label}: {how}"),
            Meaning::Definition => {
                format!("\"of\" in {label} names a definition, \"{text}\": it takes a field")
            }
            Meaning::Unknown => {
                let message = format!("\"of\" in {label} names no field: \"{text}\"");
                let hint = suggest(text, lookup::names(self.frame, self.sources));
                self.problems.wrong(name, message, hint);
                return Err(Reported);
            }
        };
        self.problems.wrong(name, message, None);
        Err(Reported)
    }

    fn register(&mut self, name: &str, ty: Type, storage: Storage) -> usize {
        if let Some(looked_up) = self.register_lookup(name, storage) {
            return looked_up;
        }
        let keyed = self.entity.keys.iter().map(Option::is_some);
        let fields = keyed
            .zip(self.sources.iter_mut())
            .map(|(keyed, source)| {
                let field = match source.declared.field(name) {
                    Some((at, field)) => (field.ty == Some(ty)).then_some(at),
                    None => (name == source.declared.time_name()).then(|| source.time_index()),
                };
                let field = field.filter(|_| keyed);
                if let Some(field) = field {
                    source.need(field);
                }
                field
            })
            .collect();
        self.entity.attribute(name, ty, storage, fields)
    }
}

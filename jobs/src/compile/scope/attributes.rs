//! Fields as attributes of an entity.

use super::super::lookup::{self, Meaning};
use super::super::source::{SourceBuild, suggest};
use super::Scope;
use crate::aggregate::{Memory, Of, OfValue, Reported};
use crate::declare::EVENT_TIME;
use crate::document::At;
use tidemark_operators::expression::Expr;
use tidemark_operators::plan::{Feed, Mask, Read, Storage};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

/// Types whose values are told apart: all but double.
const SYMBOLS: [Type; 6] =
    [Type::Text, Type::Int, Type::DECIMAL, Type::Bool, Type::Timestamp, Type::Ip];

impl Scope<'_, '_> {
    /// A field that is summed, and its type: int or decimal.
    pub(crate) fn summand(&mut self, of: &Of, aggregate: &str) -> Result<(usize, Type), Reported> {
        self.attribute(of, aggregate, Storage::Wide, &[Type::Int, Type::DECIMAL])
    }

    /// A field that is compared by size, and its type: int, decimal or timestamp.
    pub(crate) fn ordered(&mut self, of: &Of, aggregate: &str) -> Result<(usize, Type), Reported> {
        let types = [Type::Int, Type::DECIMAL, Type::Timestamp];
        self.attribute(of, aggregate, Storage::Wide, &types)
    }

    /// A field whose values are told apart, of any type but double; or several as one value.
    pub(crate) fn symbol(&mut self, of: &OfValue, aggregate: &str) -> Result<usize, Reported> {
        let parts = of.0.iter().map(|part| Ok((part, self.type_among(part, aggregate, &SYMBOLS)?)));
        // All of them are looked up, so that all mistakes are recorded.
        let parts: Vec<Result<(&At<String>, Type), Reported>> = parts.collect();
        let parts: Vec<(&At<String>, Type)> = parts.into_iter().collect::<Result<_, _>>()?;
        match parts.as_slice() {
            [(field, ty)] => Ok(self.register(&field.value, *ty, Storage::Symbol)),
            parts => self.tuple(&of.shown(), parts),
        }
    }

    /// The attribute of several fields as one value.
    fn tuple(&mut self, name: &str, parts: &[(&At<String>, Type)]) -> Result<usize, Reported> {
        self.refuse_looked_up(parts.iter().map(|(part, _)| *part))?;
        let mut feeds = Vec::with_capacity(self.sources.len());
        for (s, source) in self.sources.iter_mut().enumerate() {
            let keyed = self.entity.keys.get(s).is_some_and(Option::is_some);
            let fields = parts.iter().map(|(part, ty)| field_of(source, &part.value, *ty));
            let fields: Vec<Option<usize>> = fields.collect();
            let lacking = parts.iter().zip(&fields).find(|(_, field)| field.is_none());
            if let Some(((part, _), _)) = lacking
                && fields.iter().any(Option::is_some)
                && self.frame.sources.contains(&s)
            {
                let message = format!(
                    "\"of\" in {}: source \"{}\" has some fields of {name}, but no \"{}\"",
                    self.label, source.declared.name.value, part.value
                );
                let hint = "declare it there as optional, or leave it out here".to_owned();
                self.problems.wrong(part, message, Some(hint));
                return Err(Reported);
            }
            let fields: Option<Vec<usize>> = fields.into_iter().collect();
            feeds.push(match fields.filter(|_| keyed) {
                Some(fields) => {
                    fields.iter().for_each(|field| source.need(*field));
                    Feed::Tuple(fields)
                }
                None => Feed::Absent,
            });
        }
        Ok(self.entity.attribute(name, Type::Text, Storage::Symbol, feeds))
    }

    /// A field of any type as it is kept where it is carried along, and its type.
    pub(super) fn carried(&mut self, of: &Of) -> Result<(usize, Type, Storage), Reported> {
        let ty = self.field_type(&of.0)?;
        let storage = storage_of(ty);
        Ok((self.register(&of.0.value, ty, storage), ty, storage))
    }

    /// Whether the name is that of the event time.
    pub(super) fn is_time(&self, name: &str) -> bool {
        lookup::meaning(name, self.frame, self.sources) == Meaning::Time
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
    pub(in super::super) fn latest_of_type(
        &mut self,
        name: &str,
        ty: Type,
        mask: Mask,
        horizon: Millis,
    ) -> (Read, Type, Memory) {
        let last = self.entity.last(mask, horizon);
        if self.is_time(name) {
            return (Read::LatestTime { last, horizon }, ty, Memory::last([].into_iter()));
        }
        let storage = storage_of(ty);
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
        let ty = self.type_among(&of.0, aggregate, types)?;
        Ok((self.register(&of.0.value, ty, storage), ty))
    }

    /// The type of the field `name`, which must be one of `types`.
    fn type_among(
        &self,
        name: &At<String>,
        aggregate: &str,
        types: &[Type],
    ) -> Result<Type, Reported> {
        let ty = self.field_type(name)?;
        if types.iter().any(|known| known.is_like(ty)) {
            return Ok(ty);
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

    /// The same conditions over the attributes of the entity, which are added where it lacks them.
    pub(super) fn over_attributes(&mut self, conditions: Vec<Option<Expr>>) -> Vec<Option<Expr>> {
        let conditions = conditions.into_iter().enumerate();
        let over_attributes = |(s, condition): (usize, Option<Expr>)| {
            Some(condition?.map_inputs(&mut |input| self.input(s, input)))
        };
        conditions.map(over_attributes).collect()
    }

    /// The attribute of what an input of a condition is in source `s`.
    fn input(&mut self, s: usize, input: usize) -> usize {
        let source = self.sources.get(s);
        let name = source.and_then(|source| source.input_name(input)).unwrap_or_default();
        let ty = match lookup::meaning(&name, self.frame, self.sources) {
            Meaning::Field(ty) => ty,
            _ => Type::Timestamp,
        };
        self.register(&name, ty, storage_of(ty))
    }

    fn register(&mut self, name: &str, ty: Type, storage: Storage) -> usize {
        if let Some(looked_up) = self.register_lookup(name, storage) {
            return looked_up;
        }
        // However it is called, it is one attribute.
        let name = if self.is_time(name) { EVENT_TIME } else { name };
        let keyed = self.entity.keys.iter().map(Option::is_some);
        let feeds = keyed.zip(self.sources.iter_mut()).map(|(keyed, source)| {
            match field_of(source, name, ty).filter(|_| keyed) {
                Some(field) => {
                    source.need(field);
                    Feed::Field(field)
                }
                None => Feed::Absent,
            }
        });
        let feeds = feeds.collect();
        self.entity.attribute(name, ty, storage, feeds)
    }
}

/// The column of a source that has this name and type.
fn field_of(source: &SourceBuild<'_>, name: &str, ty: Type) -> Option<usize> {
    source.column(name).filter(|column| column.ty == ty).map(|column| column.index)
}

/// How values of a type are kept where they are shown.
fn storage_of(ty: Type) -> Storage {
    match ty {
        Type::Int | Type::Decimal(_) | Type::Double | Type::Timestamp => Storage::Wide,
        Type::Text | Type::Ip | Type::Bool => Storage::Symbol,
    }
}

//! What the state of an entity type is, as texts: the same for the same state, in any process and
//! version and in whatever order the job names things, so that a changed job finds in a checkpoint what
//! it still has.
//!
//! An identity says what something is computed from, with everything that a name stands for written
//! out: sources and fields by their names in the job (a field with its type), filters and definitions
//! as [expressions], tables, windows, horizons, the time zone. It changes when any of that changes. It
//! does not when views, features, definitions or filters are renamed or change places, when something
//! is added beside it, when a field is found elsewhere in the record or gets another default, or when a
//! source is read from another topic.
//!
//! Why this way: all of it is in the [plan](super), where names have become what they stand for. A text
//! of the job file would change with every definition that is renamed.
//!
//! [expressions]: crate::expression::Expr

mod components;
mod expression;

pub use components::{Component, ComponentKind, Stored};

use crate::expression::Expr;
use crate::plan::{
    AttributePlan, Computed, EntityPlan, EntitySource, Feed, LookupPlan, Mask, Plan, Sequence,
    SequencePlan, SessionPlan, SourcePlan, Storage,
};
use crate::time::Millis;
use crate::value::{Cell, Value};
use expression::expression;
use serde::{Deserialize, Serialize};

/// The identities of what is kept of an entity type.
///
/// ```
/// use tidemark_operators::in_memory::plan;
/// use tidemark_operators::plan::identity::EntityIdentities;
///
/// let plan = plan();
/// let card = EntityIdentities::new(&plan, &plan.entities[0], None);
/// assert_eq!(card.rows.sources, ["payments"]);
/// assert_eq!(card.components[0].identity, "count of payments in 60000 ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityIdentities {
    /// Of what its rows have.
    pub rows: RowIdentities,
    /// Of each component of its state.
    pub components: Vec<Component>,
}

/// The identities of what the rows of an entity type have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowIdentities {
    /// The names of the sources that feed it.
    pub sources: Vec<String>,
    /// What the entity is in each of them: the field that is the key.
    pub keys: Vec<String>,
    /// Of each attribute in the log: `word` or `symbol`, by how it is kept, its type, and what it is
    /// made from; [`NOTHING`] where no event has it.
    pub attributes: Vec<String>,
    /// Of each filter bit; [`NOTHING`] where it is never set.
    pub bits: Vec<String>,
    /// Of a filter that every event passes.
    pub every: String,
}

/// What an attribute is made from that no event has, and a filter that none passes.
pub const NOTHING: &str = "nothing";

impl EntityIdentities {
    /// Those of `entity` of `plan`; with `among` as they are when only these sources have had events,
    /// which is how they compare with those of a job that had no others.
    pub fn new(plan: &Plan, entity: &EntityPlan, among: Option<&[String]>) -> Self {
        let texts = IdentityTexts::new(plan, entity, among);
        let rows = RowIdentities {
            sources: texts.sources.iter().map(|(_, source, _)| source.name.clone()).collect(),
            keys: texts.keys(),
            attributes: (0..entity.attributes.len()).map(|at| texts.attribute(at)).collect(),
            bits: (0..entity.filters).map(|bit| texts.mask(1 << bit)).collect(),
            every: texts.mask(0),
        };
        EntityIdentities { rows, components: components::components(&texts) }
    }
}

/// What identities are made from.
struct IdentityTexts<'a> {
    plan: &'a Plan,
    entity: &'a EntityPlan,
    /// The sources that feed the entity, by name: where each is in the job, and how it feeds it.
    sources: Vec<(usize, &'a SourcePlan, &'a EntitySource)>,
}

impl<'a> IdentityTexts<'a> {
    fn new(plan: &'a Plan, entity: &'a EntityPlan, among: Option<&[String]>) -> Self {
        let all = plan.sources.iter().zip(&entity.sources).enumerate();
        let feeding = all.filter_map(|(at, (source, feeds))| Some((at, source, feeds.as_ref()?)));
        let counts = |name: &String| among.is_none_or(|among| among.contains(name));
        let mut sources: Vec<_> = feeding.filter(|(_, source, _)| counts(&source.name)).collect();
        sources.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        IdentityTexts { plan, entity, sources }
    }

    /// By source, the field that is the key.
    fn keys(&self) -> Vec<String> {
        let key = |(_, source, feeds): &(usize, &SourcePlan, &EntitySource)| {
            format!("{}.{}", source.name, Self::column(source, feeds.key))
        };
        self.sources.iter().map(key).collect()
    }

    /// A column of a source.
    fn column(source: &SourcePlan, column: usize) -> String {
        let field = |at: usize| {
            let field = source.fields.get(at);
            field.map_or_else(String::new, |field| format!("{}:{}", field.name, field.ty))
        };
        match column.checked_sub(source.fields.len()) {
            None => field(column),
            Some(at) => match source.computed.get(at) {
                Some(Computed::EventTime) => "event_time()".to_owned(),
                Some(Computed::Invalid(at)) => format!("invalid({})", field(*at)),
                None => String::new(),
            },
        }
    }

    /// An attribute of the log.
    fn attribute(&self, at: usize) -> String {
        let Some(attribute) = self.entity.attributes.get(at) else { return String::new() };
        let kept = match attribute.storage {
            Storage::Wide => "word",
            Storage::Symbol => "symbol",
        };
        format!("{kept} {} {}", attribute.ty, self.origin(at, attribute))
    }

    /// What an attribute is made from.
    fn origin(&self, at: usize, attribute: &AttributePlan) -> String {
        if !attribute.derived {
            return self.sent(at);
        }
        let EntityPlan { lookups, sequences, sessions, .. } = self.entity;
        if let Some(lookup) = lookups.iter().find(|lookup| lookup.target == at) {
            return self.lookup(lookup);
        }
        let sequence = sequences.iter().find(|sequence| match sequence.what {
            Sequence::New { target } | Sequence::Previous { target } => target == at,
            Sequence::Changed { .. } => false,
        });
        if let Some(sequence) = sequence {
            if self.mask(sequence.mask) == NOTHING {
                return NOTHING.to_owned();
            }
            return format!("{} within {} ms", self.sequence(sequence), sequence.horizon);
        }
        sessions.iter().find_map(|session| self.of_session(session, at)).unwrap_or_default()
    }

    /// An attribute that comes with the event: by source what it is there.
    fn sent(&self, at: usize) -> String {
        let feed = |(_, source, feeds): &(usize, &SourcePlan, &EntitySource)| {
            let column = |column: &usize| Self::column(source, *column);
            let feed = match feeds.attributes.get(at)? {
                Feed::Absent => return None,
                Feed::Field(field) => column(field),
                Feed::Tuple(fields) => {
                    let fields: Vec<String> = fields.iter().map(column).collect();
                    format!("({})", fields.join(", "))
                }
            };
            Some(format!("{}.{feed}", source.name))
        };
        let feeds: Vec<String> = self.sources.iter().filter_map(feed).collect();
        if feeds.is_empty() { NOTHING.to_owned() } else { feeds.join(" or ") }
    }

    fn lookup(&self, lookup: &LookupPlan) -> String {
        let table = self.plan.tables.get(lookup.table);
        let name = table.map_or("", |table| &table.name);
        let column = table.and_then(|table| table.columns.get(lookup.column));
        let column = column.map_or("", |column| &column.name);
        let here = |at: &usize| lookup.sources.get(*at).copied().unwrap_or(false);
        let sources = self.sources.iter().filter(|(at, ..)| here(at));
        let sources: Vec<&str> = sources.map(|(_, source, _)| source.name.as_str()).collect();
        if sources.is_empty() {
            return NOTHING.to_owned();
        }
        let default = match &lookup.default {
            Cell::Null => String::new(),
            Cell::Word(word) => format!(" else word {word}"),
            Cell::Bytes(bytes) => format!(" else bytes {}", bytes.escape_ascii()),
        };
        let key = self.attribute(lookup.key);
        format!("{name}.{column} by [{key}]{default} for {}", sources.join(", "))
    }

    /// What a sequence looks at, whatever its horizon.
    fn sequence(&self, sequence: &SequencePlan) -> String {
        let what = match sequence.what {
            Sequence::Changed { .. } => "changed",
            Sequence::New { .. } => "new",
            Sequence::Previous { .. } => "previous",
        };
        let of = self.attribute(sequence.attribute);
        format!("{what} [{of}] among {}", self.mask(sequence.mask))
    }

    fn session(&self, session: &SessionPlan) -> String {
        format!("session of {} with gaps up to {} ms", self.mask(session.mask), session.gap)
    }

    /// What attribute `at` is of a session, if it is anything.
    fn of_session(&self, session: &SessionPlan, at: usize) -> Option<String> {
        let first = session.firsts.iter().find(|(_, target)| *target == at);
        let count = session.counts.iter().find(|(_, target)| *target == at);
        let sum = session.sums.iter().find(|sum| sum.high == at || sum.low == at);
        let what = match (first, count, sum) {
            _ if session.start == Some(at) => "start".to_owned(),
            (Some((attribute, _)), ..) => self.first(*attribute),
            (_, Some((mask, _)), _) => self.count(*mask),
            (.., Some(sum)) => {
                let part = if sum.high == at { "high" } else { "low" };
                format!("{part} part of {}", self.sum(sum.mask, sum.attribute))
            }
            _ => return None,
        };
        if self.mask(session.mask) == NOTHING {
            return Some(NOTHING.to_owned());
        }
        Some(format!("{what} in {}", self.session(session)))
    }

    fn first(&self, attribute: usize) -> String {
        format!("first [{}]", self.attribute(attribute))
    }

    fn count(&self, mask: Mask) -> String {
        format!("count of {}", self.mask(mask))
    }

    fn sum(&self, mask: Mask, attribute: usize) -> String {
        format!("sum of [{}] over {}", self.attribute(attribute), self.mask(mask))
    }

    /// The events with these bits: by source what holds of them there.
    fn mask(&self, mask: Mask) -> String {
        let of_source = |at: usize| {
            let (_, source, _) = self.sources.get(at)?;
            let bits = (0..self.entity.filters).filter(|bit| mask >> bit & 1 == 1);
            let conditions: Option<Vec<String>> = bits.map(|bit| self.bit(bit, at)).collect();
            let mut conditions = conditions?;
            conditions.retain(|condition| condition != "true");
            conditions.sort_unstable();
            conditions.dedup();
            Some(match conditions.is_empty() {
                true => source.name.clone(),
                false => format!("{} where {}", source.name, conditions.join(" and ")),
            })
        };
        let sources: Vec<String> = (0..self.sources.len()).filter_map(of_source).collect();
        if sources.is_empty() { NOTHING.to_owned() } else { sources.join(" or ") }
    }

    /// What filter bit `bit` says of an event of the source at place `at`; `None` when it is never
    /// set there.
    fn bit(&self, bit: usize, at: usize) -> Option<String> {
        let (index, source, feeds) = self.sources.get(at)?;
        let changed = self.entity.sequences.iter().find(|s| match s.what {
            Sequence::Changed { bit: own } => own == bit,
            Sequence::New { .. } | Sequence::Previous { .. } => false,
        });
        if let Some(changed) = changed {
            return Some(format!("({} within {} ms)", self.sequence(changed), changed.horizon));
        }
        let zone = &self.plan.zone.name;
        if let Some(late) = self.entity.late.iter().find(|late| late.bit == bit) {
            let condition = late.by_source.get(*index)?.as_ref()?;
            let attribute = |at: usize| format!("[{}]", self.attribute(at));
            return Some(expression(condition, zone, &attribute));
        }
        let predicate = source.predicates.get((*feeds.bits.get(bit)?)?)?;
        Some(match predicate {
            Expr::Literal(Value::Bool(true)) => "true".to_owned(),
            predicate => expression(predicate, zone, &|column| Self::column(source, column)),
        })
    }
}

/// How far back something reaches, behind what it is.
fn kept(what: &str, reach: Millis) -> String {
    format!("{what}, kept {reach} ms")
}

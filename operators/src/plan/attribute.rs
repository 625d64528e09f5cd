//! What the log keeps of an event, and where it comes from.

use crate::value::Type;

/// How an attribute is kept in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 8 bytes: int, decimal, double, timestamp. Null is `i64::MIN`.
    Wide,
    /// 4 bytes: a symbol for any type (what distinct, entropy and latest text read), most of them a
    /// number in a [dictionary](crate::timeline::dictionary). Null is 0.
    Symbol,
}

/// One attribute in an entity's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePlan {
    /// Its name in the job.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// How it is kept. An attribute that is both summed and counted distinct is listed twice.
    pub storage: Storage,
    /// Whether it does not come with the event but is derived from the entity's history or looked
    /// up, once for each event, and stored with it.
    pub derived: bool,
    /// The attribute whose dictionary its symbols are from; `None`: its own.
    pub dictionary: Option<usize>,
}

impl AttributePlan {
    /// An attribute that comes with the event.
    pub fn sent(name: impl Into<String>, ty: Type, storage: Storage) -> Self {
        AttributePlan { name: name.into(), ty, storage, derived: false, dictionary: None }
    }

    /// An attribute that is derived. Symbols are from the dictionary of attribute `dictionary`.
    pub fn derived(
        name: impl Into<String>,
        ty: Type,
        storage: Storage,
        dictionary: Option<usize>,
    ) -> Self {
        AttributePlan { name: name.into(), ty, storage, derived: true, dictionary }
    }
}

/// What an attribute of an entity is in one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// Nothing: it is null (or derived).
    #[default]
    Absent,
    /// A column of the source: a field, or behind these what is computed
    /// ([`SourcePlan::columns`](super::SourcePlan::columns)).
    Field(usize),
    /// Several columns as one value, which is null only if all of them are; for symbols only.
    Tuple(Vec<usize>),
}

/// A set of filter bits (bit `i` = filter `i` of the entity) that must all be set; 0: every event.
pub type Mask = u64;

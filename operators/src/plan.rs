//! What a checked job compiles to: everything the dataflow has to know, with names resolved to
//! indices. `jobs` makes it; nothing here checks it again.

use crate::expression::Expr;
use crate::reference::row::Cell;
use crate::time::{EventTime, Millis};
use crate::value::{Type, Value};
use std::sync::Arc;

/// A whole job.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// Sources, in the order of the job file; the order breaks ties between events.
    pub sources: Vec<SourcePlan>,
    /// Reference tables, in the order of the job file.
    pub tables: Vec<TablePlan>,
    /// Entities; each has a timeline of its own.
    pub entities: Vec<EntityPlan>,
    /// Views in job order: the entity each belongs to and its place among that entity's views.
    pub views: Vec<ViewIndex>,
    /// The job's time zone, for `hour` and `weekday`.
    pub zone: Arc<Zone>,
    /// The value at which a reported distinct count saturates; default 100,000.
    pub distinct_max: u64,
}

impl Plan {
    /// The view at job index `view`.
    pub fn view(&self, view: usize) -> Option<&ViewPlan> {
        let at = self.views.get(view)?;
        self.entities.get(at.entity)?.views.get(at.view)
    }
}

/// Where a view of the job is found: `plan.entities[entity].views[view]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewIndex {
    /// Index into [`Plan::entities`].
    pub entity: usize,
    /// Index into [`EntityPlan::views`].
    pub view: usize,
}

/// A time zone as a table of offsets from UTC, so that the dataflow reads no tz database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name.
    pub name: String,
    /// `(from, offset)`: from this ms since the epoch on, local time is UTC plus `offset` ms.
    /// Ascending; the first entry starts at `i64::MIN`.
    pub offsets: Vec<(i64, i64)>,
}

/// How records are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record.
    Json,
    /// One Avro datum a record: in a topic behind the number of its schema (the schema-registry wire
    /// format), in a file in an object container that holds the schema.
    Avro,
}

/// How an event time is written in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds since the epoch.
    Ms,
    /// Seconds since the epoch, with or without a fraction.
    S,
    /// Microseconds since the epoch.
    Us,
    /// RFC 3339 text.
    Rfc3339,
}

/// A time inside a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeField {
    /// The dotted path, split.
    pub path: Vec<String>,
    /// How it is written.
    pub unit: TimeUnit,
}

/// Where a topic is read from when nothing else says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record.
    Earliest,
    /// The end of the partition when the job starts.
    Latest,
    /// The first record at or after this time, by the broker's timestamps.
    At(EventTime),
    /// The first record at or after the start of the job minus this.
    Ago(Millis),
}

/// One source.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name in the job.
    pub name: String,
    /// Its Kafka topic, when it has one.
    pub topic: Option<String>,
    /// Its files (one a partition), when the job names files.
    pub files: Vec<String>,
    /// How its records are encoded.
    pub format: Format,
    /// How long a number that no schema is known for is asked about before its records are dead
    /// letters; counted by whoever asks, see [`Schemas`](crate::ingest::schemas::Schemas).
    pub schema_wait: Millis,
    /// Where a topic is read from.
    pub start: Start,
    /// The event time.
    pub time: TimeField,
    /// When the record arrived, for `future` verdicts over files; `None`: no such field.
    pub arrival: Option<TimeField>,
    /// Event times outside `[earliest, latest)` are malformed.
    pub earliest: EventTime,
    /// See `earliest`.
    pub latest: EventTime,
    /// How far behind the newest accepted event of its partition an event may be.
    pub out_of_orderness: Millis,
    /// Wall time without an accepted record after which a partition is idle that stands at its end;
    /// counted from when the end was found, if that is later.
    pub idle_after: Millis,
    /// Wall time after which a partition no longer holds the others that has been read, but for open
    /// transactions, and whose clock has not moved.
    pub hold_max: Millis,
    /// How far ahead of its arrival an event may be; `None`: any distance.
    pub max_future_skew: Option<Millis>,
    /// The fields that are decoded: those that a key, an attribute or a predicate needs.
    pub fields: Vec<FieldPlan>,
    /// Predicates over the fields (bool expressions whose inputs are indices into `fields`),
    /// evaluated once an event: view and feature filters.
    pub predicates: Vec<Expr>,
    /// Fields that are entity keys: an event that has none of them is malformed.
    pub keys: Vec<usize>,
}

/// One field of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPlan {
    /// Its name in the job.
    pub name: String,
    /// Where it is in the record: the dotted path, split.
    pub path: Vec<String>,
    /// Where else it may be: of `path` and these, in this order, the first that a record has is
    /// read. No two fields share a path.
    pub aliases: Vec<Vec<String>>,
    /// Its type.
    pub ty: Type,
    /// Whether a record without it (or with null) is malformed.
    pub required: bool,
    /// What stands in for it in a record that has none of its paths (a null is no absence). Never
    /// [`Value::Null`], and of the field's type.
    pub default: Option<Value>,
}

/// A reference table: rows that events are looked up in.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// Its name in the job.
    pub name: String,
    /// The name of its key column.
    pub key: String,
    /// How a row is found by it.
    pub matching: Matching,
    /// What a row has besides its key.
    pub columns: Vec<TableColumn>,
    /// The most rows it may have; more are an error.
    pub rows_max: usize,
    /// Where it is read from.
    pub from: TableFrom,
}

/// How the row of a key is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The row whose key, of this type, is the same.
    Exact(Type),
    /// The row with the longest IP prefix that the address is in.
    Prefix,
}

impl Matching {
    /// The type of what is looked up.
    pub const fn ty(self) -> Type {
        match self {
            Matching::Exact(ty) => ty,
            Matching::Prefix => Type::Ip,
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether every row must have it.
    pub required: bool,
}

/// Where a table is read from.
#[derive(Clone, Debug)]
pub enum TableFrom {
    /// A CSV file; a new version of it takes the place of the old one.
    File {
        /// Its path, relative to the job file.
        path: String,
        /// The column that says from when on a row is valid; `None`: always.
        valid_from: Option<String>,
        /// How often to look whether it has changed, in ms.
        reload: Millis,
    },
    /// CSV that comes with the program; it never changes.
    Shipped {
        /// What it is called.
        name: String,
        /// The CSV.
        text: &'static str,
        /// As of a file.
        valid_from: Option<String>,
    },
    /// A compacted topic: the key of a record is the row's, as text; its value is a JSON object
    /// with the columns, and an empty one deletes the row. Its fields are the table's columns.
    Topic {
        /// How it is read, like a source of events.
        source: Box<SourcePlan>,
    },
}

/// What an entity looks up for each of its events, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupPlan {
    /// Index into [`Plan::tables`].
    pub table: usize,
    /// The attribute with the key: a symbol that comes with the event, of the type of the table's
    /// [`Matching`].
    pub key: usize,
    /// Index into [`TablePlan::columns`].
    pub column: usize,
    /// The derived attribute that gets the value, of the column's type.
    pub target: usize,
    /// The value where there is no row, no value in it, or no key.
    pub default: Cell,
    /// By source of the job: whether its events are looked up; others have no value.
    pub sources: Vec<bool>,
}

/// A filter bit that depends on what is looked up, so that it is set where the entity is kept.
#[derive(Clone, Debug)]
pub struct LatePredicate {
    /// The number of the bit, below [`EntityPlan::filters`].
    pub bit: usize,
    /// By source of the job: a bool expression whose inputs are indices of the entity's attributes;
    /// `None`: never set.
    pub by_source: Vec<Option<Expr>>,
}

/// A time window over a timeline: at clock `t` it holds the events with
/// `t - delay - length < ts <= t - delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Its length in ms, at least 1.
    pub length: Millis,
    /// Its delay in ms.
    pub delay: Millis,
}

impl Window {
    /// The clock at which an event of `ts` enters.
    pub const fn enters(self, ts: EventTime) -> EventTime {
        ts.saturating_add(self.delay)
    }

    /// The clock at which an event of `ts` leaves.
    pub const fn leaves(self, ts: EventTime) -> EventTime {
        ts.saturating_add(self.delay).saturating_add(self.length)
    }
}

/// How an attribute is kept in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 8 bytes: int, decimal, double, timestamp. Null is `i64::MIN`.
    Wide,
    /// 4 bytes: a dictionary number for any type (what distinct, entropy and latest text read).
    /// Null is 0.
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
    /// A field.
    Field(usize),
    /// Several fields as one value, which is null only if all of them are; for symbols only.
    Tuple(Vec<usize>),
}

/// What a sequence derives of an event from the events of its entity before it, in the order of the
/// log. Only events with the mask count, as the event itself and before it; those before it only
/// when `ts > own ts - horizon`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SequencePlan {
    /// Only events with all of these bits; none of them is the bit of a [`Sequence::Changed`].
    pub mask: Mask,
    /// The attribute that is compared or carried, one that comes with the event or is looked up. A
    /// symbol, except for [`Sequence::Previous`].
    pub attribute: usize,
    /// How far back it looks, in ms.
    pub horizon: Millis,
    /// What is derived.
    pub what: Sequence,
}

/// See [`SequencePlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// A filter bit: the event has the attribute, and it differs from that of the nearest event
    /// before it that has one. Not set when there is none.
    Changed {
        /// The number of the bit, below [`EntityPlan::filters`].
        bit: usize,
    },
    /// A bool (wide): no event before it has this value. Null when the attribute is.
    New {
        /// The derived attribute.
        target: usize,
    },
    /// The attribute of the event before it; null when there is none, or it has none.
    Previous {
        /// The derived attribute, of the same storage; a symbol is of the attribute's dictionary.
        target: usize,
    },
}

/// Sessions: maximal runs of an entity's events with `mask` whose gaps are at most `gap`. Each event
/// is stored with its session as of itself. To be read as last-event state with horizon
/// `gap + 1`, so that a session is open through its last event's ts + gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// The events that make the session; none of the bits is that of a [`Sequence::Changed`].
    pub mask: Mask,
    /// The longest gap inside a session, in ms.
    pub gap: Millis,
    /// The derived attribute (timestamp, wide) that gets the first event's ts, if it is asked for.
    pub start: Option<usize>,
    /// Attributes of the session's first event: which, and the derived attribute (of the same
    /// storage and dictionary) that gets it.
    pub firsts: Vec<(usize, usize)>,
    /// Counts of the session's events that have these bits too, so far: the derived attributes
    /// (int, wide).
    pub counts: Vec<(Mask, usize)>,
    /// Exact sums of the session's events that have these bits too, so far.
    pub sums: Vec<SessionSum>,
}

/// A running sum in a session, kept as `high * 2^62 + low` with `0 <= low < 2^62`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSum {
    /// Only events with all of these bits.
    pub mask: Mask,
    /// What is summed: a wide int or decimal.
    pub attribute: usize,
    /// The derived attribute (wide, of the summed type) that gets the high part.
    pub high: usize,
    /// The derived attribute (wide, of the summed type) that gets the low part.
    pub low: usize,
}

impl SessionSum {
    /// The low part has so many bits.
    const LOW_BITS: u32 = 62;

    /// The sum that is kept as these parts.
    #[inline]
    pub fn total(high: i64, low: i64) -> i128 {
        (i128::from(high) << Self::LOW_BITS) + i128::from(low)
    }

    /// The high and the low part of a sum.
    #[inline]
    pub fn parts(total: i128) -> (i64, i64) {
        ((total >> Self::LOW_BITS) as i64, (total & ((1 << Self::LOW_BITS) - 1)) as i64)
    }
}

/// How one source feeds an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitySource {
    /// The field that is the key. Events without it do not concern this entity.
    pub key: usize,
    /// For each attribute of the entity what it is in this source.
    pub attributes: Vec<Feed>,
    /// For each filter bit of the entity the source's predicate; `None`: never set in this source
    /// (or derived).
    pub bits: Vec<Option<usize>>,
}

/// A set of filter bits (bit `i` = filter `i` of the entity) that must all be set; 0: every event.
pub type Mask = u64;

/// One entity type and its timeline.
#[derive(Clone, Debug)]
pub struct EntityPlan {
    /// Its name: `card`.
    pub name: String,
    /// For each source of the job, how it feeds this entity.
    pub sources: Vec<Option<EntitySource>>,
    /// What the log keeps of an event besides its time and entity.
    pub attributes: Vec<AttributePlan>,
    /// Filter bits in use, at most 64. Bits that say "is an event of view v" come first where a
    /// view has a `where` or not all sources.
    pub filters: usize,
    /// What is looked up in tables, before anything else is derived.
    pub lookups: Vec<LookupPlan>,
    /// Filter bits that depend on it.
    pub late: Vec<LatePredicate>,
    /// What is derived from the events before an event.
    pub sequences: Vec<SequencePlan>,
    /// The sessions that features read.
    pub sessions: Vec<SessionPlan>,
    /// The distinct windows that accumulators are kept for.
    pub windows: Vec<Window>,
    /// What is accumulated; features read these, and equal ones are shared between views.
    pub accumulators: Vec<AccumulatorPlan>,
    /// Last-event state; equal ones are shared.
    pub lasts: Vec<LastPlan>,
    /// The entity's views in job order.
    pub views: Vec<ViewPlan>,
}

impl EntityPlan {
    /// The filter bits that are derived, from the events before an event or from what is looked up.
    pub fn derived_bits(&self) -> Mask {
        let bits = self.sequences.iter().map(|s| match s.what {
            Sequence::Changed { bit } => 1 << bit,
            Sequence::New { .. } | Sequence::Previous { .. } => 0,
        });
        let late = self.late.iter().map(|late| 1 << late.bit);
        bits.chain(late).fold(0, |all, bit| all | bit)
    }

    /// Whether an event that is inside may come to count otherwise (or not to count any more),
    /// because something it is derived from arrives late.
    pub fn is_revisable(&self, accumulator: &AccumulatorPlan) -> bool {
        let attribute = accumulator.attribute.and_then(|a| self.attributes.get(a));
        accumulator.mask & self.derived_bits() != 0 || attribute.is_some_and(|a| a.derived)
    }
}

/// What is kept of the events in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// How many events.
    Count,
    /// How many values and their sum.
    Sum,
    /// As `Sum`, and the sum of squares.
    Moments,
    /// The maximum.
    Max,
    /// The minimum.
    Min,
    /// Distinct values, by reference counts.
    Distinct,
    /// As `Distinct`, and the entropy's integer sum.
    Entropy,
    /// How many events in each hour of the day, in the job's time zone, and the latest of them. No
    /// bit of its mask may be derived or looked up.
    Hours,
}

/// One accumulator over one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccumulatorPlan {
    /// What is kept.
    pub kind: Kind,
    /// The attribute it is kept over; `None` for counts.
    pub attribute: Option<usize>,
    /// Only events with all of these bits.
    pub mask: Mask,
    /// Index into [`EntityPlan::windows`].
    pub window: usize,
}

/// What is kept of an entity's last events: the latest one's time and attributes, and the time of
/// the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastPlan {
    /// Only events with all of these bits.
    pub mask: Mask,
    /// The attributes kept of the latest event.
    pub attributes: Vec<usize>,
    /// The longest horizon any reader has: the state is freed after it.
    pub horizon: Millis,
}

/// One value read from the state of an entity at a clock `t`; a column of [`ViewPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Events in the window: int.
    Count {
        /// Index into [`EntityPlan::accumulators`]; any kind but max and min. For kinds over an
        /// attribute it counts the values that are not null.
        accumulator: usize,
    },
    /// Sum: double.
    Sum {
        /// A `Sum` or `Moments`.
        accumulator: usize,
    },
    /// Average: double, null when there are no values.
    Avg {
        /// A `Sum` or `Moments`.
        accumulator: usize,
    },
    /// Population standard deviation: double, null when there are no values.
    Stddev {
        /// A `Moments`.
        accumulator: usize,
    },
    /// Maximum or minimum, of the attribute's type (decimals as double); null when there are none.
    Extreme {
        /// A `Max` or `Min`.
        accumulator: usize,
    },
    /// Distinct values: int, saturating at [`Plan::distinct_max`].
    Distinct {
        /// A `Distinct` or `Entropy`.
        accumulator: usize,
    },
    /// Shannon's entropy in nats: double, 0 with at most one distinct value.
    Entropy {
        /// An `Entropy`.
        accumulator: usize,
        /// Divided by the logarithm of the number of distinct values.
        normalised: bool,
    },
    /// Events in the hour of the day of the latest event over those in the busiest hour: double;
    /// null when there are none.
    HourShare {
        /// An `Hours`.
        accumulator: usize,
    },
    /// A running sum of a session at the latest event: double; 0 when that is `horizon` old.
    SessionSum {
        /// Index into [`EntityPlan::lasts`].
        last: usize,
        /// The index of [`SessionSum::high`] in that [`LastPlan::attributes`].
        high: usize,
        /// The index of [`SessionSum::low`] there.
        low: usize,
        /// How long it is shown: the session's gap and one ms.
        horizon: Millis,
    },
    /// One count over another: double, 0 when the denominator is.
    Ratio {
        /// A `Count`.
        numerator: usize,
        /// A `Count`.
        denominator: usize,
    },
    /// An attribute of the latest event, of the attribute's type; null when the event has none or
    /// is `horizon` old.
    Latest {
        /// Index into [`EntityPlan::lasts`].
        last: usize,
        /// Index into that [`LastPlan::attributes`].
        attribute: usize,
        /// How long it is shown.
        horizon: Millis,
    },
    /// The time of the latest event: timestamp; null when it is `horizon` old.
    LatestTime {
        /// Index into [`EntityPlan::lasts`].
        last: usize,
        /// How long it is shown.
        horizon: Millis,
    },
    /// Milliseconds between the latest event and the one before it: int; null when the latest is
    /// `horizon` old, or the one before it is not within `horizon` of it.
    Gap {
        /// Index into [`EntityPlan::lasts`].
        last: usize,
        /// How long it is shown, and how far back it looks.
        horizon: Millis,
    },
}

impl Read {
    /// The accumulators it reads; none where it reads last-event state.
    pub fn accumulators(self) -> impl Iterator<Item = usize> {
        let (first, second) = match self {
            Read::Count { accumulator }
            | Read::Sum { accumulator }
            | Read::Avg { accumulator }
            | Read::Stddev { accumulator }
            | Read::Extreme { accumulator }
            | Read::Distinct { accumulator }
            | Read::Entropy { accumulator, .. }
            | Read::HourShare { accumulator } => (Some(accumulator), None),
            Read::Ratio { numerator, denominator } => (Some(numerator), Some(denominator)),
            Read::SessionSum { .. }
            | Read::Latest { .. }
            | Read::LatestTime { .. }
            | Read::Gap { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// One view: a row per entity.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// Its name, unique in the job.
    pub name: String,
    /// Its place among the job's views.
    pub index: usize,
    /// The bits that make an event one of this view's; 0: every event of the entity.
    pub mask: Mask,
    /// How long its rows live in the online store without being refreshed; a dead man's switch.
    pub ttl: Millis,
    /// Values read from state: the first columns.
    pub reads: Vec<Read>,
    /// Expressions over columns before them (inputs are column indices): the columns after the
    /// reads, in this order.
    pub derived: Vec<Expr>,
    /// The features in job order.
    pub features: Vec<FeaturePlan>,
    /// How long an event keeps the row alive: for each mask (the view's bits included), the
    /// greatest `delay + length` or horizon of the features that see such events. Lists only what
    /// is not implied by an entry with fewer bits and at least its extent.
    pub extents: Vec<(Mask, Millis)>,
}

/// One feature of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeaturePlan {
    /// Its name, unique in the view.
    pub name: String,
    /// Its type. Decimals never appear: they are shown as doubles.
    pub ty: Type,
    /// Whether it can be null.
    pub nullable: bool,
    /// The column that holds it.
    pub column: usize,
}

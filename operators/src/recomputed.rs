//! The features of one entity at any time, computed from its rows alone.
//!
//! Nothing is kept from one time to another: at a time the rows that are in a window are put into
//! accumulators in which nothing was, and nothing ever leaves one. What is found so is what all the
//! entering and leaving has to come to, and which rows it is found from can be told.

use crate::aggregate::Accumulators;
use crate::aggregate::last::Last;
use crate::cut::TimelineRows;
use crate::entity_log::{EntityLog, RestoreError, RowMapping};
use crate::event_batch::NULL;
use crate::interner::stable_hash;
use crate::origin::Origin;
use crate::plan::{
    EntityPlan, Mask, Plan, Sequence, SequencePlan, SessionPlan, Storage, ViewPlan, Window,
};
use crate::sealed::state::{fill, inside};
use crate::time::{EventTime, Millis};
use crate::timeline::chunk::{Chunk, symbol_of};
use crate::timeline::lane::Lane;
use crate::timeline::owner::Owner;
use crate::value::Column;
use crate::view::{Source, ViewColumns, ratio};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows whose edges are told at most.
pub const EDGE_ROWS: u64 = 4_096;

/// See the module.
///
/// ```
/// use std::sync::Arc;
/// use tidemark_operators::cut::{AttributeValues, TimelineRows};
/// use tidemark_operators::in_memory::plan;
/// use tidemark_operators::origin::Origin;
/// use tidemark_operators::recomputed::Recomputed;
///
/// let plan = Arc::new(plan());
/// let mut rows = TimelineRows { bits: vec![0; 2], entities: vec![0; 2], ..Default::default() };
/// rows.times = vec![1_000_000, 1_030_000];
/// rows.ids.push(b"a");
/// let origins = vec![Origin::default(); 2];
/// let mut card = Recomputed::new(&plan, 0, b"a", &[(rows, origins)])?;
/// let mut at = |clock| card.row(0, clock)[0].int(0);
/// // A window of a minute.
/// assert_eq!((at(1_030_000), at(1_060_000), at(1_090_000)), (Some(2), Some(1), Some(0)));
/// # Ok::<(), tidemark_operators::entity_log::RestoreError>(())
/// ```
pub struct Recomputed {
    plan: Arc<Plan>,
    entity: usize,
    log: EntityLog,
    origins: Vec<Origin>,
    slot: u32,
    /// From then on events that lie ahead count.
    ahead_from: EventTime,
}

/// The rows of an accumulator at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowRows {
    /// Those that are inside, in the order of the log.
    pub inside: Vec<u64>,
    /// Those that enter later, in a window with a delay.
    pub entering: Vec<u64>,
}

impl Recomputed {
    /// Entity `id` of type `entity` of `plan`, with its rows: each part as it was sealed, in order, and
    /// where each row of it is from, which may be left out for all of them.
    ///
    /// # Errors
    /// When they are not what rows of this plan can be.
    pub fn new(
        plan: &Arc<Plan>,
        entity: usize,
        id: &[u8],
        parts: &[(TimelineRows, Vec<Origin>)],
    ) -> Result<Self, RestoreError> {
        Recomputed::made(plan, (entity, id), parts, false)
    }

    /// The same of those rows whose origin `keeps`, as if there were no others: what they have of the events
    /// before them is derived anew.
    ///
    /// # Errors
    /// When they are not what rows of this plan can be.
    pub fn of_some(
        plan: &Arc<Plan>,
        entity: usize,
        id: &[u8],
        parts: &[(TimelineRows, Vec<Origin>)],
        keeps: impl Fn(Origin) -> bool,
    ) -> Result<Self, RestoreError> {
        let kept = parts.iter().map(|(rows, origins)| {
            let keep: Vec<bool> = origins.iter().map(|origin| keeps(*origin)).collect();
            let mut rows = rows.clone();
            rows.retain(&keep);
            (rows, origins.iter().copied().filter(|origin| keeps(*origin)).collect())
        });
        let kept: Vec<(TimelineRows, Vec<Origin>)> = kept.collect();
        let all = kept.iter().map(|(rows, _)| rows.len()).sum::<usize>();
        let anew = all < parts.iter().map(|(rows, _)| rows.len()).sum();
        Recomputed::made(plan, (entity, id), &kept, anew)
    }

    fn made(
        plan: &Arc<Plan>,
        (entity, id): (usize, &[u8]),
        parts: &[(TimelineRows, Vec<Origin>)],
        anew: bool,
    ) -> Result<Self, RestoreError> {
        let planned = &plan.entities[entity];
        let most = crate::timeline::chunk::CHUNK_ROWS_MAX;
        let mut log = EntityLog::new(planned, most, 0).sealed_only();
        let rows: Vec<&TimelineRows> = parts.iter().map(|(rows, _)| rows).collect();
        let mapping = RowMapping::same(planned);
        match anew {
            true => log.restore_anew(&rows, &mapping)?,
            false => {
                log.restore(&rows, &mapping, 0..EventTime::MAX, Owner::ALL, EventTime::MAX)?;
            }
        }
        let slot = log.names.entities.intern(id, stable_hash(id));
        let origins = parts.iter().flat_map(|(_, origins)| origins.iter().copied()).collect();
        Ok(Recomputed {
            plan: Arc::clone(plan),
            entity,
            log,
            origins,
            slot,
            ahead_from: EventTime::MAX,
        })
    }

    /// The same from the live clock `clock` on as live windows have it: an event whose time lies ahead is
    /// in windows without a delay, and may be the latest.
    #[must_use]
    pub fn live_from(mut self, clock: EventTime) -> Self {
        self.ahead_from = clock;
        self
    }

    /// How many events lie ahead of `clock` and count all the same.
    pub fn ahead(&self, clock: EventTime) -> u64 {
        self.counts_to(clock) - self.known_to(clock)
    }

    /// The first row that has not happened at `clock`.
    fn known_to(&self, clock: EventTime) -> u64 {
        self.log.log.partition(self.log.log.start(), |ts| ts <= clock)
    }

    /// The first row that does not count at `clock`.
    fn counts_to(&self, clock: EventTime) -> u64 {
        if clock >= self.ahead_from { self.log.log.end() } else { self.known_to(clock) }
    }

    /// The rows that are in `window` at `clock`.
    fn inside(&self, window: Window, clock: EventTime) -> (u64, u64) {
        let (left, entered) = inside(window, &self.log.log, clock);
        match window.delay {
            0 => (left, entered.max(self.counts_to(clock))),
            _ => (left, entered),
        }
    }

    /// What its type is.
    pub fn entity(&self) -> &EntityPlan {
        &self.plan.entities[self.entity]
    }

    fn view(&self, view: usize) -> &ViewPlan {
        &self.entity().views[view]
    }

    /// How many rows it has.
    pub fn len(&self) -> u64 {
        self.log.log.end()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns of view `view` of the entity at `clock`, one row: reads first, then what is derived.
    pub fn row(&mut self, view: usize, clock: EventTime) -> Vec<Column> {
        let plan = Arc::clone(&self.plan);
        let entity = &plan.entities[self.entity];
        let view = &entity.views[view];
        let end = self.counts_to(clock);
        let slots = self.log.names.entities.end();
        let mut which: Vec<usize> =
            view.reads.iter().flat_map(|read| read.accumulators()).collect();
        which.sort_unstable();
        which.dedup();
        let mut accumulators = Accumulators::some(&plan, entity, |at| which.contains(&at));
        accumulators.grow(slots);
        let edges = |window| self.inside(window, clock);
        fill(&mut accumulators, entity, &which, &self.log.log, edges);
        let log = &mut self.log;
        let mut lasts: Vec<Option<Last>> = (0..entity.lasts.len()).map(|_| None).collect();
        for at in view.reads.iter().filter_map(|read| read.last()) {
            if lasts[at].is_none() {
                lasts[at] = Some(last(entity, at, log, end));
            }
        }
        let mut columns = ViewColumns::new(view, &plan.zone);
        for (read, out) in view.reads.iter().zip(&mut columns.columns) {
            let slot = self.slot;
            let count = |at, out: &mut Column| {
                accumulators.read(at, crate::aggregate::Reading::Count, &[slot], out);
            };
            match Source::from(read) {
                Source::Accumulator(at, reading) => accumulators.read(at, reading, &[slot], out),
                Source::Ratio(numerator, denominator) => {
                    let (mut n, mut d) = (Column::default(), Column::default());
                    count(numerator, &mut n);
                    count(denominator, &mut d);
                    ratio(&n, &d, out);
                }
                Source::Last(at, reading, horizon) => match &lasts[at] {
                    Some(last) => last.read(slot, clock, (reading, horizon), &log.names, out),
                    None => out.push_null(),
                },
            }
        }
        columns.derive(1);
        columns.columns
    }

    fn at<T>(&self, row: u64, of: impl FnOnce(&Chunk, u32) -> T) -> Option<T> {
        let chunk = self.log.log.cover(row, row + 1).next()?;
        Some(of(chunk, (row - chunk.base()) as u32))
    }

    /// The time of row `row`; 0 where there is no such row.
    pub fn time(&self, row: u64) -> EventTime {
        self.log.log.time(row).unwrap_or(0)
    }

    /// Where row `row` is from, where that was told.
    pub fn origin(&self, row: u64) -> Option<Origin> {
        usize::try_from(row).ok().and_then(|row| self.origins.get(row)).copied()
    }

    /// The filter bits of row `row`.
    pub fn bits(&self, row: u64) -> Mask {
        self.at(row, Chunk::bits).unwrap_or(0)
    }

    /// The word or symbol of attribute `attribute` in row `row`, to compare with that of another row;
    /// [`NULL`] for null.
    pub fn word(&self, row: u64, attribute: usize) -> i64 {
        self.at(row, |chunk, at| chunk.value(attribute, at)).unwrap_or(NULL)
    }

    /// Attribute `attribute` of row `row`, as a column of one value.
    pub fn value(&self, row: u64, attribute: usize) -> Column {
        let mut out = Column::default();
        let word = self.word(row, attribute);
        match self.entity().attributes.get(attribute).map(|attribute| attribute.storage) {
            None => out.push_null(),
            Some(_) if word == NULL => out.push_null(),
            Some(Storage::Wide) => out.push_int(word),
            Some(Storage::Symbol) => {
                self.log.names.push_symbol(attribute, symbol_of(word), &mut out);
            }
        }
        out
    }

    /// The rows that accumulator `at` is over at `clock`.
    pub fn window_rows(&self, at: usize, clock: EventTime) -> WindowRows {
        let plan = &self.entity().accumulators[at];
        let window = self.entity().windows[plan.window];
        let counts = |row: &u64| {
            let value = plan.attribute.is_none_or(|attribute| self.word(*row, attribute) != NULL);
            self.bits(*row) & plan.mask == plan.mask && value
        };
        let (left, entered) = self.inside(window, clock);
        let known = self.counts_to(clock).max(entered);
        WindowRows {
            inside: (left..entered).filter(counts).collect(),
            entering: (entered..known).filter(counts).collect(),
        }
    }

    /// The newest row at `clock` that has the bits `mask`, and before row `before` where one is named.
    pub fn newest(&self, mask: Mask, clock: EventTime, before: Option<u64>) -> Option<u64> {
        let log = &self.log.log;
        let end = before.unwrap_or_else(|| self.counts_to(clock));
        (log.start()..end).rev().find(|row| self.bits(*row) & mask == mask)
    }

    /// The rows of the session that row `latest` is of, up to it.
    pub fn session(&self, session: &SessionPlan, latest: u64) -> Vec<u64> {
        let mut rows = vec![latest];
        let mut first = latest;
        while let Some(before) = self.newest(session.mask, 0, Some(first)) {
            if self.time(first) - self.time(before) > session.gap {
                break;
            }
            rows.push(before);
            first = before;
        }
        rows.reverse();
        rows
    }

    /// The row before `row` that decided what `sequence` derived of it; `None`: there was none.
    pub fn compared(&self, sequence: &SequencePlan, row: u64) -> Option<u64> {
        let (time, of) = (self.time(row), sequence.attribute);
        let own = self.word(row, of);
        let mut before = Some(row);
        while let Some(at) = before {
            before = self.newest(sequence.mask, 0, Some(at));
            let found = before.filter(|found| self.time(*found) + sequence.horizon > time)?;
            let decides = match sequence.what {
                Sequence::Changed { .. } => self.word(found, of) != NULL,
                Sequence::New { .. } => self.word(found, of) == own,
                Sequence::Previous { .. } => true,
            };
            if decides {
                return Some(found);
            }
        }
        None
    }

    /// The times up to `until` at which a feature of view `view` may become another, of the newest
    /// [`EDGE_ROWS`] rows.
    pub fn edges(&self, view: usize, until: EventTime) -> BTreeSet<EventTime> {
        let (entity, view) = (self.entity(), self.view(view));
        let windows: BTreeSet<usize> = view
            .reads
            .iter()
            .flat_map(|read| read.accumulators())
            .map(|at| entity.accumulators[at].window)
            .collect();
        let horizons = view.reads.iter().filter_map(|read| match Source::from(read) {
            Source::Last(_, _, horizon) => Some(horizon),
            Source::Accumulator(..) | Source::Ratio(..) => None,
        });
        let horizons: BTreeSet<Millis> = horizons.collect();
        let mut edges = BTreeSet::new();
        for row in self.len().saturating_sub(EDGE_ROWS)..self.len() {
            let ts = self.time(row);
            edges.insert(ts);
            edges.extend(horizons.iter().map(|horizon| ts.saturating_add(*horizon)));
            for window in windows.iter().map(|at| entity.windows[*at]) {
                edges.extend([window.enters(ts), window.leaves(ts)]);
            }
        }
        edges.split_off(&until.saturating_add(1));
        edges
    }
}

/// Last-event state `at` after the rows before `end`.
fn last(entity: &EntityPlan, at: usize, log: &mut EntityLog, end: u64) -> Last {
    let plan = &entity.lasts[at];
    let mut last = Last::new(plan, &entity.attributes, Vec::new());
    last.grow(log.names.entities.end());
    let mut wanted = vec![false; entity.attributes.len()];
    plan.attributes.iter().for_each(|attribute| wanted[*attribute] = true);
    let mut rows = Lane::new(&wanted);
    log.log.copy(log.log.start(), end, &mut rows);
    for row in 0..rows.len() {
        // In the order of the log, which is that of their origins.
        last.observe(&rows, Origin::default(), row, &mut log.names);
    }
    last
}

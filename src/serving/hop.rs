//! What goes from one process of a job to another one, and back, when the other's rows are asked for.
//!
//! A question is ids with what is read of each, by the places that views and features have in the job: those
//! who speak are of one run, and a run has one job. An answer has for each id and each view of its group
//! `null` where there is no row, or `[clock of its last change, [value, ..]]`, the values as JSON; before
//! them as of when they are, and where that was asked behind them which events they show. Both are JSON.
//!
//! # Bounds
//! A question has [`QUESTION_BYTES_MAX`] bytes and asks for [`VALUES_MAX`] values, an answer has
//! [`ANSWER_BYTES_MAX`] bytes: what would be longer is refused.

use crate::online::{HeldRow, Incomplete};
use crate::serving::ask::AskedFeatures;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::source::SourceQuestion;
use crate::serving::values::{AnsweredValues, ValueStatus};
use crate::serving::{ENTITIES_MAX, FEATURES_MAX};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidemark_operators::json::push_int;
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::{EventTime, Millis};

/// Where a process answers the others.
pub(super) const PATH: &str = "/rows";
/// Bytes of a question: four times what a request has that is asked of all of its entity types.
pub(super) const QUESTION_BYTES_MAX: usize = 4 << 20;
/// Bytes of an answer.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Values of a question. Beside each feature that a request names a view may read one more, which says whether
/// there is a row, and rows without any count as one value.
pub(super) const VALUES_MAX: usize = ENTITIES_MAX * FEATURES_MAX * 3;

/// A question to the process of some entities.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HopQuestion<'a> {
    pub groups: Vec<HopGroup<'a>>,
    /// Whether it is to be told which events the rows show.
    pub positions: bool,
    pub stale_after: Millis,
    pub behind_max: Millis,
}

/// What is asked of the entities of one type.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HopGroup<'a> {
    pub entity: usize,
    pub views: Cow<'a, [usize]>,
    /// By view.
    pub features: Vec<Cow<'a, [usize]>>,
    pub ids: Vec<Cow<'a, str>>,
}

/// A row: the live clock of its last change, and its values; `None`: there is none.
type HopRow<'a> = Option<(EventTime, Vec<&'a RawValue>)>;

/// Which events the rows of an entity show: their live clock, and source, partition and offset of each.
type HopEvents = (EventTime, Vec<(u16, u32, u64)>);

/// What a process says of its entities.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HopAnswer<'a> {
    as_of: Option<EventTime>,
    stale: Option<String>,
    incomplete: Option<String>,
    #[serde(borrow)]
    groups: Vec<Vec<HopRow<'a>>>,
    #[serde(default)]
    shown: Option<Vec<Vec<HopEvents>>>,
}

/// Why a process does not answer a question, as it says itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HopRefusal {
    pub error: String,
}

/// Of a question what one process has to answer: for each group the places of its entities.
pub(super) type PartRows = Vec<Vec<usize>>;

impl<'a> HopQuestion<'a> {
    /// The part `rows` of a question.
    pub fn of(
        SourceQuestion { ask, ids, bounds, .. }: SourceQuestion<'a>,
        rows: &PartRows,
        positions: bool,
    ) -> Self {
        let groups = ask.groups.iter().zip(&ids.groups).zip(rows);
        let group = groups.map(|((group, ids), rows)| HopGroup {
            entity: group.entity,
            views: Cow::Borrowed(&group.views),
            features: group.reads.iter().map(|reads| Cow::Borrowed(&*reads.features)).collect(),
            ids: rows.iter().filter_map(|row| ids.get(*row)).map(|id| Cow::from(&**id)).collect(),
        });
        let (groups, AgeBounds { stale_after, behind_max }) = (group.collect(), bounds);
        HopQuestion { groups, positions, stale_after, behind_max }
    }

    pub fn bounds(&self) -> AgeBounds {
        AgeBounds { stale_after: self.stale_after, behind_max: self.behind_max }
    }

    /// How many values it asks for: a row of none counts as one, and an id as one.
    pub fn values(&self) -> usize {
        let of = |group: &HopGroup<'_>| {
            let row: usize = group.features.iter().map(|features| features.len().max(1)).sum();
            group.ids.len().saturating_mul(row.max(1))
        };
        self.groups.iter().map(of).fold(0, usize::saturating_add)
    }

    /// Whether each view has its features.
    pub fn is_whole(&self) -> bool {
        self.groups.iter().all(|group| group.views.len() == group.features.len())
    }
}

/// An answer that is being written.
pub(super) struct HopWriter {
    out: Vec<u8>,
}

impl HopWriter {
    /// One whose rows are as of `freshness`.
    pub fn new(freshness: &Freshness) -> HopWriter {
        let incomplete = &freshness.incomplete;
        let head = serde_json::json!({
            "as_of": freshness.as_of,
            "stale": freshness.stale,
            "incomplete": (!incomplete.is_empty()).then(|| incomplete.to_string()),
        });
        let mut out = head.to_string().into_bytes();
        out.pop();
        out.extend_from_slice(b",\"groups\":[");
        HopWriter { out }
    }

    /// The rows of the next group follow.
    pub fn group(&mut self) {
        self.comma();
        self.out.push(b'[');
    }

    /// There are no more of them.
    pub fn group_ends(&mut self) {
        self.out.push(b']');
    }

    /// The next row: these features of `held`.
    pub fn row(&mut self, features: &[usize], held: Option<&HeldRow<'_>>) {
        self.comma();
        let Some(held) = held else { return self.out.extend_from_slice(b"null") };
        self.out.push(b'[');
        push_int(held.as_of(), &mut self.out);
        self.out.extend_from_slice(b",[");
        for feature in features {
            self.comma();
            if !held.json(*feature, &mut self.out) {
                self.out.extend_from_slice(b"null");
            }
        }
        self.out.extend_from_slice(b"]]");
    }

    fn comma(&mut self) {
        if self.out.last().is_some_and(|last| *last != b'[') {
            self.out.push(b',');
        }
    }

    /// Whether it is longer than it may be.
    pub fn is_too_long(&self) -> bool {
        self.out.len() > ANSWER_BYTES_MAX
    }

    /// The whole of it, with which events the rows show, by group and entity.
    pub fn end(mut self, shown: Option<&[Vec<AppliedEvents>]>) -> Vec<u8> {
        self.out.push(b']');
        if let Some(shown) = shown {
            let events = |events: &AppliedEvents| -> HopEvents {
                let offsets = events.offsets.iter();
                (events.clock, offsets.map(|(id, at)| (id.source, id.partition, *at)).collect())
            };
            let shown: Vec<Vec<HopEvents>> =
                shown.iter().map(|group| group.iter().map(events).collect()).collect();
            self.out.extend_from_slice(b",\"shown\":");
            self.out.extend_from_slice(serde_json::json!(shown).to_string().as_bytes());
        }
        self.out.push(b'}');
        self.out
    }
}

/// What of an answer is to be filled by those of all processes.
pub(super) struct AnswerParts<'a> {
    pub ask: &'a AskedFeatures,
    pub cells: &'a mut AnsweredValues,
    /// Where it was asked.
    pub shown: Option<&'a mut Vec<Vec<AppliedEvents>>>,
}

/// What is said of rows that are not those that were asked for.
const OTHERS: &str = "it answers with other rows than it was asked for";

impl AnswerParts<'_> {
    /// Puts what a process has answered to the part `rows` of the question, and says as of when that is.
    ///
    /// # Errors
    /// When it is no answer to that.
    pub fn put(&mut self, rows: &PartRows, told: &[u8]) -> Result<Freshness, String> {
        let answer: HopAnswer<'_> = serde_json::from_slice(told)
            .map_err(|error| format!("its answer cannot be read: {error}"))?;
        let incomplete = answer.incomplete.as_deref().map(str::parse::<Incomplete>).transpose();
        let incomplete = incomplete.map_err(|_| OTHERS)?.unwrap_or_default();
        let HopAnswer { as_of, stale, .. } = &answer;
        let freshness = Freshness { as_of: *as_of, stale: stale.clone(), silent: 0, incomplete };
        if freshness.stale.is_some() {
            return Ok(freshness);
        }
        if as_of.is_none() || answer.groups.len() != rows.len() {
            return Err(OTHERS.to_owned());
        }
        self.put_rows(rows, &answer.groups)?;
        if self.shown.is_some() {
            self.put_shown(rows, &answer.shown.unwrap_or_default())?;
        }
        Ok(freshness)
    }

    fn put_rows(&mut self, rows: &PartRows, told: &[Vec<HopRow<'_>>]) -> Result<(), &'static str> {
        for ((group, rows), told) in self.ask.groups.iter().zip(rows).zip(told) {
            if told.len() != rows.len().saturating_mul(group.reads.len()) {
                return Err(OTHERS);
            }
            let places = rows.iter().flat_map(|row| group.reads.iter().map(move |it| (row, it)));
            for ((row, reads), told) in places.zip(told) {
                for (column, feature) in &reads.columns {
                    let Some((as_of, values)) = told else {
                        self.cells.put(*column, *row, 0, |_| ValueStatus::NotFound);
                        continue;
                    };
                    let value = values.get(*feature).ok_or(OTHERS)?.get();
                    self.cells.put(*column, *row, *as_of, |out| match value {
                        "null" => ValueStatus::Null,
                        value => {
                            out.extend_from_slice(value.as_bytes());
                            ValueStatus::Present
                        }
                    });
                }
            }
        }
        Ok(())
    }

    fn put_shown(&mut self, rows: &PartRows, told: &[Vec<HopEvents>]) -> Result<(), &'static str> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        if told.len() != rows.len() {
            return Err(OTHERS);
        }
        for (((group, rows), told), into) in
            self.ask.groups.iter().zip(rows).zip(told).zip(shown.iter_mut())
        {
            if told.len() != rows.len() {
                return Err(OTHERS);
            }
            for (row, (clock, offsets)) in rows.iter().zip(told) {
                let offset = |(source, partition, at): &(u16, u32, u64)| {
                    (PartitionId { source: *source, partition: *partition }, *at)
                };
                let offsets = offsets.iter().map(offset).collect();
                if let Some(place) = into.get_mut(*row) {
                    *place = AppliedEvents { entity: group.entity, clock: *clock, offsets };
                }
            }
        }
        Ok(())
    }
}

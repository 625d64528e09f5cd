//! Which process of a job an entity belongs to, and a question in parts: one for each process whose entities it
//! asks for.

use crate::peer_tls::IdentitySource;
use crate::serving::engine::ShownEvents;
use crate::serving::freshness::Freshness;
use crate::serving::hop::{AnswerParts, HopQuestion, PartRows, QUESTION_BYTES_MAX};
use crate::serving::owner::{Manner, Owner};
use crate::serving::source::{AskedIds, NotRead, SourceQuestion};
use crate::serving::values::AnsweredValues;
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::shape::Shape;
use tokio::task::JoinSet;

/// The processes of a job, for rows of each other's entities. To be asked inside of a runtime.
pub struct Owners {
    shape: Shape,
    run: String,
    /// By process; of this one nothing is asked.
    all: Vec<Arc<Owner>>,
}

/// The parts of a question, by process.
type QuestionParts = BTreeMap<usize, PartRows>;

/// What each of the processes has answered to its part, or why it has not.
type Answered = JoinSet<(usize, Result<Bytes, NotRead>)>;

impl Owners {
    /// The processes of the run `run`, of which this one is one, each by where it answers over HTTP (host and
    /// port); asked over TLS by those who have an `identity`, and waited for `within` so long.
    pub fn new(
        (shape, run): (Shape, String),
        addresses: Vec<String>,
        identity: Option<Arc<IdentitySource>>,
        within: Duration,
    ) -> Self {
        let manner = Manner { run: run.clone(), identity, within };
        let processes = addresses.len();
        let owner = |(process, address)| {
            Arc::new(Owner::new((process, processes), address, manner.clone()))
        };
        Owners { shape, run, all: addresses.into_iter().enumerate().map(owner).collect() }
    }

    /// Which run of the job this is.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Whether the entity is one of this process.
    pub(super) fn is_own(&self, id: &str) -> bool {
        self.shape.place(self.shape.owner(id.as_bytes())).is_some()
    }

    /// Questions that wait for other processes.
    pub(super) fn waiting(&self) -> usize {
        self.all.iter().map(|owner| owner.waiting()).sum()
    }

    /// Asks those that do not answer whether they do again.
    pub(super) fn probe(&self, question: &Bytes) {
        self.all.iter().for_each(|owner| owner.probe(question));
    }

    /// The parts of a question; one without entities is a part of all processes.
    pub(super) fn parts(&self, ids: &AskedIds<'_>) -> QuestionParts {
        let none = || vec![Vec::new(); ids.groups.len()];
        if ids.rows == 0 {
            return (0..self.shape.processes()).map(|process| (process, none())).collect();
        }
        let mut parts = QuestionParts::new();
        for (at, group) in ids.groups.iter().enumerate() {
            for (row, id) in group.iter().enumerate() {
                let process = self.shape.process_of(self.shape.owner(id.as_bytes()));
                let part = parts.entry(process).or_insert_with(none);
                if let Some(rows) = part.get_mut(at) {
                    rows.push(row);
                }
            }
        }
        parts
    }

    /// Whether a part is that of this process.
    pub(super) fn is_here(&self, process: usize) -> bool {
        process == self.shape.process()
    }

    /// Asks each of the other processes for its part of the question: one request each, all at once.
    ///
    /// # Errors
    /// When one is known not to answer, or its part is too long.
    pub(super) fn ask(
        &self,
        asking: SourceQuestion<'_>,
        parts: &QuestionParts,
        positions: bool,
    ) -> Result<Answered, NotRead> {
        let others = || {
            let others = parts.iter().filter(|(process, _)| !self.is_here(**process));
            others.filter_map(|(process, rows)| Some((*process, self.all.get(*process)?, rows)))
        };
        // Before anybody is asked: what the others would answer is of no use.
        if let Some(silent) = others().find_map(|(_, owner, _)| owner.known_silent()) {
            return Err(silent);
        }
        let mut answered = Answered::new();
        for (process, owner, rows) in others() {
            let question = serde_json::to_vec(&HopQuestion::of(asking, rows, positions));
            let question = question.map_err(|error| NotRead::Refused(error.to_string()))?;
            if question.len() > QUESTION_BYTES_MAX {
                let why = format!(
                    "the ids of its entities have more than {QUESTION_BYTES_MAX} bytes; ask for fewer at once"
                );
                return Err(NotRead::Refused(owner.says(&why)));
            }
            let owner = Arc::clone(owner);
            answered.spawn(async move { (process, owner.ask(question.into()).await) });
        }
        Ok(answered)
    }

    /// Puts the answers together; as of when the oldest of them is, where `own` says the same of this
    /// process's part.
    ///
    /// # Errors
    /// When a process has not answered, or says nothing of its rows.
    pub(super) async fn gather(
        &self,
        parts: &QuestionParts,
        mut answered: Answered,
        own: Option<Freshness>,
        into: &mut AnswerParts<'_>,
    ) -> Result<Freshness, NotRead> {
        let mut told = BTreeMap::new();
        while let Some(one) = answered.join_next().await {
            let (process, one) = one.map_err(|error| NotRead::Down(error.to_string()))?;
            told.insert(process, one);
        }
        let mut all = own;
        for (process, one) in told {
            let (Some(owner), Some(rows)) = (self.all.get(process), parts.get(&process)) else {
                continue;
            };
            let down = |why: String| NotRead::Down(owner.says(&why));
            let mut freshness = into.put(rows, &one?).map_err(down)?;
            freshness.stale = match freshness.stale {
                Some(why) if freshness.as_of.is_none() => return Err(down(why)),
                stale => stale.map(|why| owner.says(&why)),
            };
            all = Some(match all {
                None => freshness,
                Some(all) => all.and(freshness),
            });
        }
        all.ok_or_else(|| NotRead::Down("no process was asked".to_owned()))
    }
}

/// Places for what all processes say of a question.
pub(super) fn places(
    SourceQuestion { ask, ids, .. }: SourceQuestion<'_>,
) -> (AnsweredValues, ShownEvents) {
    let shown = ids.groups.iter().map(|ids| vec![Default::default(); ids.len()]).collect();
    (AnsweredValues::new(ask.columns.len(), ids.rows), shown)
}

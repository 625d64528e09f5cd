//! Rows of entities that belong to other processes: one hop to the owner, who is the process of the
//! entity's worker.
//!
//! The question says of which run of the job it is: a process of another one does not answer, so that
//! nobody mixes rows of two runs or of two shapes.

use super::Service;
use crate::entity_id;
use crate::http::overview::ProcessOverview;
use crate::http::{FeatureRow, RUN_HEADER, RowAnswer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;
use tidemark_jobs::document::nearest;
use tidemark_operators::shape::Shape;
use ureq::Agent;

/// How long the owner may take.
const WITHIN: Duration = Duration::from_secs(1);
/// The longest answer that is passed on, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The processes of a job, by what they are asked at.
pub struct Peers {
    shape: Shape,
    urls: Vec<String>,
    run: String,
    agent: Agent,
}

impl Service {
    /// The newest row of an entity, as `/features` gives it.
    pub fn feature_row(&self, view: &str, id: &str, run: Option<&str>) -> RowAnswer {
        let names = (0..self.plan.views.len()).filter_map(|at| Some((at, self.plan.view(at)?)));
        let Some((index, found)) = names.clone().find(|(_, plan)| plan.name == view) else {
            let near = nearest(view, names.map(|(_, plan)| plan.name.as_str()));
            return RowAnswer::UnknownView { nearest: near.map(str::to_owned) };
        };
        let id = entity_id::known_as(&self.plan, index, id);
        if let Some(peers) = &self.peers {
            let owner = peers.owner(id.as_bytes());
            match (run, owner) {
                (None, Some(owner)) => return peers.ask(owner, view, &id),
                (Some(run), owner) if owner.is_some() || !peers.is_own(run) => {
                    let why = "another run of the job asks, or one of another shape";
                    return RowAnswer::Unavailable(why.to_owned());
                }
                _ => {}
            }
        }
        let Some(row) = self.store.get(index, id.as_bytes()) else {
            return RowAnswer::NoRow { as_of: self.live_clock() };
        };
        let entity = self.plan.views.get(index).and_then(|at| self.plan.entities.get(at.entity));
        let names = found.features.iter().map(|feature| feature.name.clone());
        RowAnswer::Row(FeatureRow {
            view: found.name.clone(),
            entity_type: entity.map(|entity| entity.name.clone()).unwrap_or_default(),
            entity_id: id.into_owned(),
            as_of: row.as_of,
            complete_from: self.complete_from(index),
            features: names.zip(row.values).collect(),
        })
    }

    /// Adds the processes of the job, where there are several.
    #[must_use]
    pub fn with_peers(mut self, peers: Option<Peers>) -> Self {
        self.peers = peers;
        self
    }
}

impl Peers {
    /// Those of the run `run`, with the URL of each; this process is one of them.
    pub fn new(shape: Shape, urls: Vec<String>, run: String) -> Self {
        let agent: Agent = Agent::config_builder()
            .proxy(None)
            .timeout_global(Some(WITHIN))
            .http_status_as_error(false)
            .build()
            .new_agent();
        Peers { shape, urls, run, agent }
    }

    /// All processes, for people.
    pub(super) fn processes(&self) -> Vec<ProcessOverview> {
        let process = |(process, url): (usize, &String)| ProcessOverview {
            process,
            url: url.clone(),
            own: process == self.shape.process(),
        };
        self.urls.iter().enumerate().map(process).collect()
    }

    /// Whether a question is of this run.
    pub(super) fn is_own(&self, run: &str) -> bool {
        self.run == run
    }

    /// The process of the entity `id`, when it is another one.
    pub(super) fn owner(&self, id: &[u8]) -> Option<usize> {
        let worker = self.shape.owner(id);
        self.shape.place(worker).is_none().then(|| self.shape.process_of(worker))
    }

    /// Asks `process` for the row of `id` in `view`.
    pub(super) fn ask(&self, process: usize, view: &str, id: &str) -> RowAnswer {
        let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let base = self.urls.get(process).map_or("", String::as_str);
        let url = format!("{base}/features/{}?id={}", segment(view), segment(id));
        let asked = self.agent.get(url).header(RUN_HEADER, &self.run).call();
        let answered = asked.and_then(|mut answer| {
            let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok((answer.status().as_u16(), body))
        });
        match answered {
            Ok((code @ (200 | 404), body)) => RowAnswer::Elsewhere { code, body },
            Ok((code, _)) => RowAnswer::Unavailable(format!(
                "process {process} at {base}, whose entity it is, answers with {code}"
            )),
            Err(error) => RowAnswer::Unavailable(format!(
                "process {process} at {base}, whose entity it is, does not answer: {error}"
            )),
        }
    }
}

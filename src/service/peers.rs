//! Rows of entities that belong to other processes: one hop to the owner, who is the process of the
//! entity's worker.
//!
//! The question says of which run of the job it is: a process of another one does not answer, so that
//! nobody mixes rows of two runs or of two shapes. Where processes speak over TLS, so do these questions.

use super::Service;
use crate::ask::segment;
use crate::entity_id;
use crate::http::overview::ProcessOverview;
use crate::http::{
    ExplainAnswer, ExplainQuestion, FeatureRow, ForgetAnswer, ForgetQuestion, RUN_HEADER,
    RowAnswer, RowQuestion,
};
use crate::online::Row;
use crate::peer_tls::{IdentitySource, PeerIdentity};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::EventTime;
use ureq::Agent;
use ureq::tls::TlsConfig;

/// What a process answers.
type PeerAnswer = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// How long the owner may take for a row, and to explain one.
const WITHIN: Duration = Duration::from_secs(1);
const EXPLAINED_WITHIN: Duration = Duration::from_secs(8);
/// The longest answer that is passed on, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The processes of a job, by what they are asked at.
pub struct Peers {
    shape: Shape,
    urls: Vec<String>,
    run: String,
    asking: HopAgent,
}

/// What questions go out by.
enum HopAgent {
    Plain(Agent),
    /// Over TLS: as of the identity beside it, which may have been renewed since.
    Secured(Arc<IdentitySource>, Mutex<Option<(Arc<PeerIdentity>, Agent)>>),
}

impl HopAgent {
    fn agent(&self) -> Result<Agent, String> {
        match self {
            HopAgent::Plain(agent) => Ok(agent.clone()),
            HopAgent::Secured(source, held) => {
                let identity = source.current();
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                match &*held {
                    Some((of, agent)) if Arc::ptr_eq(of, &identity) => Ok(agent.clone()),
                    _ => {
                        let tls = identity.of_requests().map_err(|error| error.to_string())?;
                        let agent = agent(Some(tls));
                        *held = Some((identity, agent.clone()));
                        Ok(agent)
                    }
                }
            }
        }
    }
}

fn agent(tls: Option<TlsConfig>) -> Agent {
    let config = Agent::config_builder().proxy(None).http_status_as_error(false);
    match tls {
        None => config.build().new_agent(),
        Some(tls) => config.https_only(true).tls_config(tls).build().new_agent(),
    }
}

impl Service {
    /// The newest row of an entity, as `/features` gives it.
    pub fn feature_row(&self, asked: &RowQuestion) -> RowAnswer {
        let (index, found) = match self.view_named(&asked.view) {
            Ok(found) => found,
            Err(nearest) => return RowAnswer::UnknownView { nearest },
        };
        let id = entity_id::known_as(&self.plan, index, &asked.id);
        match self.elsewhere(&id, asked.run.as_deref()) {
            Ok(None) => {}
            Ok(Some((peers, owner))) => {
                return peers.ask(owner, (&asked.view, &id), asked.positions);
            }
            Err(why) => return RowAnswer::Unavailable(why),
        }
        if asked.positions {
            return self.positioned_row((index, found), id.into_owned());
        }
        match self.own_row((index, found), id.into_owned()) {
            Some(row) => RowAnswer::Row(row),
            None => RowAnswer::NoRow { as_of: self.live_clock(), positions: None },
        }
    }

    /// The view of this name, with its place; otherwise the nearest name.
    pub(super) fn view_named(&self, view: &str) -> Result<(usize, &ViewPlan), Option<String>> {
        let names = (0..self.plan.views.len()).filter_map(|at| Some((at, self.plan.view(at)?)));
        names.clone().find(|(_, plan)| plan.name == view).ok_or_else(|| {
            nearest(view, names.map(|(_, plan)| plan.name.as_str())).map(str::to_owned)
        })
    }

    /// The process that is to be asked of the entity `id`, where it is another one; `run`: another
    /// process asks, of that run.
    pub(super) fn elsewhere(
        &self,
        id: &str,
        run: Option<&str>,
    ) -> Result<Option<(&Peers, usize)>, String> {
        let Some(peers) = &self.peers else { return Ok(None) };
        let owner = peers.owner(id.as_bytes());
        match run {
            Some(run) if owner.is_some() || !peers.is_own(run) => {
                Err("another run of the job asks, or one of another shape".to_owned())
            }
            _ => Ok(owner.map(|owner| (peers, owner))),
        }
    }

    /// The newest row of an entity of this process.
    pub(super) fn own_row(
        &self,
        (index, found): (usize, &ViewPlan),
        id: String,
    ) -> Option<FeatureRow> {
        let row = self.store.get(index, id.as_bytes())?;
        Some(self.row_of((index, found), id, row))
    }

    /// The row with its names.
    pub(super) fn row_of(
        &self,
        (index, found): (usize, &ViewPlan),
        id: String,
        row: Row,
    ) -> FeatureRow {
        let entity = self.plan.views.get(index).and_then(|at| self.plan.entities.get(at.entity));
        let names = found.features.iter().map(|feature| feature.name.clone());
        FeatureRow {
            view: found.name.clone(),
            entity_type: entity.map(|entity| entity.name.clone()).unwrap_or_default(),
            entity_id: id,
            as_of: row.as_of,
            complete_from: self.complete_from(index),
            positions: None,
            features: names.zip(row.values).collect(),
        }
    }

    /// Adds the processes of the job, where there are several.
    #[must_use]
    pub fn with_peers(mut self, peers: Option<Peers>) -> Self {
        self.peers = peers;
        self
    }
}

impl Peers {
    /// Those of the run `run`, with the URL of each; this process is one of them, and shows the others
    /// `identity`, where they speak over TLS.
    pub fn new(
        (shape, run): (Shape, String),
        urls: Vec<String>,
        identity: Option<Arc<IdentitySource>>,
    ) -> Self {
        let asking = match identity {
            None => HopAgent::Plain(agent(None)),
            Some(identity) => HopAgent::Secured(identity, Mutex::default()),
        };
        Peers { shape, urls, run, asking }
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

    /// Until when the certificate of this process is valid, in ms since 1970, where it has one.
    pub(super) fn certificate_ends(&self) -> Option<EventTime> {
        match &self.asking {
            HopAgent::Plain(_) => None,
            HopAgent::Secured(identity, _) => Some(identity.current().ends()),
        }
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
    pub(super) fn ask(
        &self,
        process: usize,
        (view, id): (&str, &str),
        positions: bool,
    ) -> RowAnswer {
        let more = if positions { "&positions=true" } else { "" };
        let path = format!("/features/{}?id={}{more}", segment(view), segment(id));
        match self.fetch(process, &path, WITHIN) {
            Ok((code @ (200 | 404), body)) => RowAnswer::Elsewhere { code, body },
            Ok((code, _)) => {
                RowAnswer::Unavailable(format!("{} answers with {code}", self.owner_at(process)))
            }
            Err(why) => RowAnswer::Unavailable(why),
        }
    }

    /// Asks `process`, whose entity it is, why a feature is what it is.
    pub(super) fn explain(&self, process: usize, asked: &ExplainQuestion) -> ExplainAnswer {
        let ExplainQuestion { view, id, feature, .. } = asked;
        let [view, id, feature] = [view, id, feature].map(|text| segment(text));
        let path = format!("/explain/{view}?id={id}&feature={feature}");
        match self.fetch(process, &path, EXPLAINED_WITHIN) {
            Ok((code, body)) => ExplainAnswer::Elsewhere { code, body },
            Err(why) => {
                let hint = "see that it runs and can be reached".to_owned();
                ExplainAnswer::Unavailable { why, hint }
            }
        }
    }

    /// Asks `process`, whose entity it is, to forget it, or whether that is for good.
    pub(super) fn forget(&self, process: usize, asked: &ForgetQuestion) -> ForgetAnswer {
        let path = format!("/forget/{}?id={}", segment(&asked.entity), segment(&asked.id));
        let asked = match asked.looks {
            true => self.fetch(process, &path, EXPLAINED_WITHIN),
            false => self.post(process, &path, EXPLAINED_WITHIN),
        };
        match asked {
            Ok((code, body)) => ForgetAnswer::Elsewhere { code, body },
            Err(why) => {
                let hint = "see that it runs and can be reached".to_owned();
                ForgetAnswer::Unavailable { why, hint }
            }
        }
    }

    fn owner_at(&self, process: usize) -> String {
        let base = self.urls.get(process).map_or("", String::as_str);
        format!("process {process} at {base}, whose entity it is,")
    }

    /// What `process` answers within so long, with its code.
    fn fetch(&self, process: usize, path: &str, within: Duration) -> Result<(u16, String), String> {
        let asked = self.asking.agent()?.get(self.url(process, path)).header(RUN_HEADER, &self.run);
        self.answered(process, asked.config().timeout_global(Some(within)).build().call())
    }

    /// The same of what changes something there.
    fn post(&self, process: usize, path: &str, within: Duration) -> Result<(u16, String), String> {
        let asked =
            self.asking.agent()?.post(self.url(process, path)).header(RUN_HEADER, &self.run);
        self.answered(process, asked.config().timeout_global(Some(within)).build().send_empty())
    }

    /// Where `process` answers: over TLS at the same port, where they speak so.
    fn url(&self, process: usize, path: &str) -> String {
        let base = self.urls.get(process).map_or("", String::as_str);
        match (&self.asking, base.strip_prefix("http://")) {
            (HopAgent::Secured(..), Some(address)) => format!("https://{address}{path}"),
            _ => format!("{base}{path}"),
        }
    }

    fn answered(&self, process: usize, asked: PeerAnswer) -> Result<(u16, String), String> {
        let answered = asked.and_then(|mut answer| {
            let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
            Ok((answer.status().as_u16(), body))
        });
        answered.map_err(|error| format!("{} does not answer: {error}", self.owner_at(process)))
    }
}

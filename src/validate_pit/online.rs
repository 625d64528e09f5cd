//! Rows as they are online, and when they are as of.

use crate::ask;
use crate::config::{OnlineKind, Settings};
use crate::connect;
use crate::failure::Failure;
use crate::get::{self, OnlineRow, PositionedRow, redis_row};
use crate::http::ShownPositions;
use crate::online::redis::{heartbeats, survey};
use crate::online::{Heartbeat, Life};
use crate::reread::AskedHistory;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemark_jobs::Job;
use tidemark_operators::time::EventTime;

/// Where rows are read.
pub(super) struct OnlineRows<'a> {
    job: &'a Job,
    settings: &'a Settings,
    /// The process that is asked; `None`: Redis.
    url: Option<String>,
}

/// When rows were looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookedSpan {
    /// They are as of this time or a later one.
    pub from: EventTime,
    /// And show every event before that.
    pub frontier: EventTime,
    /// And are not as of a later time than this.
    pub until: EventTime,
}

/// A row that was looked at.
pub(super) struct LookedRow {
    /// `None`: there is no row, which reads as the empty values.
    pub row: Option<OnlineRow>,
    /// The clock that it is as of and the events that it shows, where that is told.
    pub shows: Option<(EventTime, ShownPositions)>,
}

/// The rows of some entities.
pub(super) struct OnlineLook {
    pub span: LookedSpan,
    /// For each entity its rows by view in the job.
    pub rows: Vec<BTreeMap<usize, LookedRow>>,
}

impl<'a> OnlineRows<'a> {
    pub fn new(job: &'a Job, settings: &'a Settings, http: Option<&str>) -> Self {
        let embedded = settings.online.kind == OnlineKind::Embedded;
        let here = || ask::url(settings.http.address());
        let url = http.map(str::to_owned).or_else(|| embedded.then(here));
        OnlineRows { job, settings, url }
    }

    /// Where that is, for people; `None` where it is not `looked` at.
    pub fn name(&self, unlooked: bool) -> Option<String> {
        let redis = || format!("redis {}", connect::redis(self.settings).address());
        (!unlooked).then(|| self.url.clone().unwrap_or_else(redis))
    }

    /// Some entities of each type that have rows, `count` of each type at most.
    ///
    /// # Errors
    /// When rows are not in Redis, or it cannot be asked.
    pub fn sample(&self, count: usize) -> Result<Vec<AskedHistory>, Failure> {
        if self.settings.online.kind == OnlineKind::Embedded {
            return Err(Failure::usage("rows that are only in a process cannot be sampled")
                .hint("name an entity: --entity-type TYPE --entity-id ID"));
        }
        let reached = connect::redis(self.settings);
        let found = survey(&reached, &self.job.plan, None).map_err(Failure::failed)?;
        let mut asked: Vec<AskedHistory> = Vec::new();
        for (index, ids) in self.job.plan.views.iter().zip(&found.rows) {
            for id in ids {
                let one = AskedHistory { entity: index.entity, id: id.clone() };
                let of_type = asked.iter().filter(|asked| asked.entity == index.entity).count();
                if of_type < count && !asked.contains(&one) {
                    asked.push(one);
                }
            }
        }
        Ok(asked)
    }

    /// Reads the rows of `asked`. A row in Redis may be newer than the clocks that were told beside it:
    /// those that are told `wait` later are what it is not beyond.
    ///
    /// # Errors
    /// When they cannot be read, or nothing says when they are as of.
    pub fn look(&self, asked: &[AskedHistory], wait: Duration) -> Result<OnlineLook, Failure> {
        let span = match &self.url {
            Some(_) => LookedSpan { from: EventTime::MAX, frontier: 0, until: 0 },
            None => self.clocks()?,
        };
        let mut look = OnlineLook { span, rows: Vec::new() };
        let span = &mut look.span;
        let plan = &*self.job.plan;
        for asked in asked {
            let mut rows = BTreeMap::new();
            let views = plan.views.iter().enumerate();
            for (at, _) in views.filter(|(_, index)| index.entity == asked.entity) {
                let Some(view) = plan.view(at) else { continue };
                let row = match &self.url {
                    Some(url) => {
                        let PositionedRow { row, as_of, positions } =
                            get::positioned_row(url, &view.name, &asked.id)?;
                        (span.from, span.until) = (span.from.min(as_of), span.until.max(as_of));
                        LookedRow { row, shows: Some((as_of, positions)) }
                    }
                    None => {
                        let id = asked.id.as_bytes();
                        let row = redis_row(self.settings, (plan, at, view), id)?;
                        LookedRow { row, shows: None }
                    }
                };
                rows.insert(at, row);
            }
            look.rows.push(rows);
        }
        if self.url.is_none() {
            std::thread::sleep(wait);
            span.until = self.clocks()?.until.max(span.from);
        }
        Ok(look)
    }

    /// What the workers tell of all rows: between which clocks they are now.
    fn clocks(&self) -> Result<LookedSpan, Failure> {
        let reached = connect::redis(self.settings);
        let beats = heartbeats(&reached, &self.job.plan.name).map_err(Failure::failed)?;
        let untold = |beat: &Heartbeat| beat.life == Life::Rewriting || beat.clock == 0;
        if beats.workers().iter().any(untold) {
            let why = "the rows in Redis are those of no one time: the job catches up, or writes them again";
            return Err(Failure::failed(why)
                .hint("wait until `tidemark validate JOB` is well, or name a time by --at TIME"));
        }
        let workers = beats.workers();
        let clocks = || workers.iter().map(|beat| beat.clock);
        let frontier = workers.iter().map(|beat| beat.frontier).min().unwrap_or(0);
        let span = clocks().min().zip(clocks().max());
        span.map(|(from, until)| LookedSpan { from, frontier, until }).ok_or_else(|| {
            let why = beats.unknown().unwrap_or("no worker has written a heartbeat");
            let address = reached.address();
            Failure::failed(format!("cannot tell as of when the rows in {address} are: {why}"))
                .hint("start the job, or ask a process by --http URL, or name a time by --at TIME")
        })
    }
}

//! Rows as they are online, and when they are as of.

use crate::ask;
use crate::config::{OnlineKind, Settings};
use crate::connect;
use crate::failure::Failure;
use crate::get::{self, OnlineRow, redis_row};
use crate::online::redis::survey;
use crate::reread::AskedHistory;
use std::collections::BTreeMap;
use tidemark_jobs::Job;
use tidemark_operators::time::EventTime;

/// Where rows are read.
pub(super) struct OnlineRows<'a> {
    job: &'a Job,
    settings: &'a Settings,
    /// The process that is asked; `None`: Redis.
    url: Option<String>,
}

/// The rows of an entity.
pub(super) struct OnlineLook {
    /// They are as of this time or a later one.
    pub from: EventTime,
    /// And not later than that.
    pub until: EventTime,
    /// By view in the job; `None`: there is no row, which reads as the empty values.
    pub rows: BTreeMap<usize, Option<OnlineRow>>,
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
        if self.url.is_some() {
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

    /// Reads the rows of an entity.
    ///
    /// # Errors
    /// When they cannot be read, or nothing says when they are as of.
    pub fn look(&self, asked: &AskedHistory) -> Result<OnlineLook, Failure> {
        let views = self.job.plan.views.iter().enumerate();
        let views: Vec<usize> =
            views.filter(|(_, index)| index.entity == asked.entity).map(|(at, _)| at).collect();
        match &self.url {
            Some(url) => self.of_process(url, &views, asked),
            None => self.of_redis(&views, asked),
        }
    }

    fn of_process(
        &self,
        url: &str,
        views: &[usize],
        asked: &AskedHistory,
    ) -> Result<OnlineLook, Failure> {
        let mut look = OnlineLook { from: EventTime::MAX, until: 0, rows: BTreeMap::new() };
        for at in views {
            let name = self.job.plan.view(*at).map_or("", |view| view.name.as_str());
            let (row, as_of) = get::row_and_time(url, name, &asked.id)?;
            look.from = look.from.min(as_of);
            look.until = look.until.max(as_of);
            look.rows.insert(*at, row);
        }
        Ok(look)
    }

    fn of_redis(&self, views: &[usize], asked: &AskedHistory) -> Result<OnlineLook, Failure> {
        let from = self.clock(asked)?.0;
        let mut rows = BTreeMap::new();
        for at in views {
            let Some(view) = self.job.plan.view(*at) else { continue };
            let of = (&*self.job.plan, *at, view);
            rows.insert(*at, redis_row(self.settings, of, asked.id.as_bytes())?);
        }
        Ok(OnlineLook { from, until: self.clock(asked)?.1.max(from), rows })
    }

    /// The least and the greatest of the workers' clocks now.
    fn clock(&self, asked: &AskedHistory) -> Result<(EventTime, EventTime), Failure> {
        let reached = connect::redis(self.settings);
        let of = Some((asked.entity, asked.id.as_str()));
        let found = survey(&reached, &self.job.plan, of).map_err(Failure::failed)?;
        let beats = &found.beats.1;
        let clocks = || beats.workers().iter().map(|beat| beat.clock);
        clocks().min().zip(clocks().max()).ok_or_else(|| {
            let why = beats.unknown().unwrap_or("no worker has written a heartbeat");
            Failure::failed(format!(
                "cannot tell as of when the rows in {} are: {why}",
                found.address
            ))
            .hint("start the job, or ask a process by --http URL, or name a time by --at TIME")
        })
    }
}

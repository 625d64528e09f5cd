//! What `tidemark validate-pit` found.

use super::judged::{JudgedView, WhyDifferent};
use crate::explain::of_feature;
use crate::explained::Explained;
use crate::reread::AskedHistory;
use crate::text::{columns, count_text, printable, time_text};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt::Write as _;
use tidemark_jobs::Job;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::time::EventTime;

/// The most differences that are listed for people.
const LISTED: usize = 20;

/// See the module.
pub(super) struct Report {
    job: String,
    /// Whether it is of one entity that was named: all of its rows are listed.
    pub named: bool,
    online: Option<String>,
    at: EventTime,
    entities: usize,
    rows: Vec<ComparedRow>,
    why: Option<WhyDifferent>,
    explained: Option<Explained>,
}

/// One value, as each says it: JSON.
#[derive(Clone, Debug)]
struct ComparedRow {
    entity: String,
    id: String,
    view: String,
    feature: String,
    agrees: bool,
    /// Whether it could not be told what the row online had to be.
    unjudged: bool,
    online: Option<String>,
    windows: String,
    events: String,
}

impl ComparedRow {
    fn is_open(&self) -> bool {
        !self.agrees || self.unjudged
    }
}

impl Report {
    /// Of so many entities, as of `at`.
    pub fn new(job: &Job, online: Option<String>, (entities, at): (usize, EventTime)) -> Self {
        Report {
            job: job.plan.name.clone(),
            named: false,
            online,
            at,
            entities,
            rows: Vec::new(),
            why: None,
            explained: None,
        }
    }

    /// Takes what was judged of a view of an entity.
    pub fn take(
        &mut self,
        asked: &AskedHistory,
        entity: &str,
        view: &ViewPlan,
        judged: &JudgedView,
    ) {
        for (at, feature) in view.features.iter().enumerate() {
            let value = |values: &[String]| values.get(at).cloned().unwrap_or_default();
            let agrees = judged.agrees(at);
            self.rows.push(ComparedRow {
                entity: entity.to_owned(),
                id: asked.id.clone(),
                view: view.name.clone(),
                feature: feature.name.clone(),
                agrees,
                unjudged: judged.unjudged && agrees,
                online: judged.online.as_deref().map(value),
                windows: value(&judged.windows),
                events: value(&judged.events),
            });
        }
    }

    /// Whether all values are equal.
    pub fn ok(&self) -> bool {
        self.differences().next().is_none()
    }

    /// Whether anything differs, or could not be judged.
    pub fn is_open(&self) -> bool {
        self.rows.iter().any(ComparedRow::is_open)
    }

    /// Whether there are values, and none of them could be judged.
    pub fn is_unjudged(&self) -> bool {
        !self.rows.is_empty() && self.unjudged() == self.rows.len()
    }

    fn unjudged(&self) -> usize {
        self.rows.iter().filter(|row| row.unjudged).count()
    }

    /// Whether a difference is explained already.
    pub fn is_explained(&self) -> bool {
        self.explained.is_some()
    }

    /// Explains the first difference.
    pub fn explain(&mut self, explained: Explained, why: Option<WhyDifferent>) {
        (self.explained, self.why) = (Some(explained), why);
    }

    /// Whether anything of an entity differs, or could not be judged.
    pub fn is_open_of(&self, job: &Job, asked: &AskedHistory) -> bool {
        let name = job.plan.entities.get(asked.entity).map(|entity| entity.name.as_str());
        let mut open = self.rows.iter().filter(|row| row.is_open());
        open.any(|row| row.id == asked.id && Some(row.entity.as_str()) == name)
    }

    fn differences(&self) -> impl Iterator<Item = &ComparedRow> {
        self.rows.iter().filter(|row| !row.agrees)
    }

    /// This, when those that differed were looked at again and `again` was found of them.
    pub fn after(self, again: Report) -> Report {
        let (entities, at) = (self.entities, again.at);
        let of = |row: &ComparedRow| (row.entity.clone(), row.id.clone());
        let anew: HashSet<_> = again.rows.iter().map(of).collect();
        let mut rows = self.rows;
        rows.retain(|row| !anew.contains(&of(row)));
        rows.extend(again.rows.iter().cloned());
        Report { entities, at, rows, ..again }
    }

    fn why(&self) -> Option<String> {
        Some(match self.why? {
            WhyDifferent::RightAt(from, until) => format!(
                "the row online is what it had to be from {} until before {}: it has not been brought up \
                 to date since",
                time_text(from),
                time_text(until)
            ),
            WhyDifferent::Never => {
                "the row online is what it had to be at none of the times before: it was made from \
                 other events (the topic has lost some, the job began later, or it refused as late what is \
                 accepted now), by another job, or somebody else wrote it"
                    .to_owned()
            }
        })
    }

    pub fn document(&self) -> ReportDocument<'_> {
        let listed = self.rows.iter().filter(|_| self.named);
        ReportDocument {
            job: &self.job,
            ok: self.ok(),
            online: self.online.as_deref(),
            at: self.at,
            entities: self.entities,
            values: self.rows.len(),
            unjudged: self.unjudged(),
            differences: self.differences().map(ComparedDocument::of).collect(),
            rows: listed.map(ComparedDocument::of).collect(),
            why: self.why(),
            explained: self.explained.as_ref(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a text does not fail.
        let shown: Vec<&ComparedRow> = match self.named {
            true => self.rows.iter().collect(),
            false => self.differences().take(LISTED).collect(),
        };
        self.table(&shown, &mut out);
        let differences = self.differences().count();
        if differences > shown.len() {
            let more = count_text((differences - shown.len()) as u64);
            let _ = writeln!(out, "and {more} more differences");
        }
        if let Some(why) = self.why() {
            let _ = writeln!(out, "\n{why}");
        }
        for feature in self.explained.iter().flat_map(|explained| &explained.features) {
            let at = self.explained.as_ref().map_or(self.at, |explained| explained.at);
            let _ = write!(out, "\nby its events, at {}:", time_text(at));
            of_feature(feature, at, &mut out);
        }
        let compared = match &self.online {
            Some(online) => format!("{online}, the job's windows and the log"),
            None => "the job's windows and the log".to_owned(),
        };
        let entities = match self.entities {
            1 => "1 entity".to_owned(),
            entities => format!("{} entities", count_text(entities as u64)),
        };
        let verdict = match differences {
            0 if self.is_unjudged() => "none was judged".to_owned(),
            0 if self.unjudged() > 0 => "those that were judged are equal".to_owned(),
            0 => "all are equal".to_owned(),
            1 => "1 differs".to_owned(),
            count => format!("{} differ", count_text(count as u64)),
        };
        if self.unjudged() > 0 {
            let unjudged = count_text(self.unjudged() as u64);
            let _ = writeln!(
                out,
                "\n{unjudged} values could not be judged: too many events were on their way while their rows \
                 were looked at; --http URL asks the process, which tells what its rows show"
            );
        }
        let values = count_text(self.rows.len() as u64);
        let gap = if out.is_empty() { "" } else { "\n" };
        let at = time_text(self.at);
        let _ =
            writeln!(out, "{gap}{values} values of {entities} at {at} in {compared}: {verdict}");
        out
    }

    fn table(&self, rows: &[&ComparedRow], out: &mut String) {
        let heads = ["id", "view", "feature", "online", "windows", "events", ""];
        let cells = rows.iter().map(|row| {
            let shown = |text: &str| printable(text).into_owned();
            let online = row.online.as_deref().unwrap_or("-");
            let verdict = match (row.agrees, row.unjudged) {
                (false, _) => "differs",
                (true, true) => "not judged",
                (true, false) => "",
            };
            let cells =
                [&row.id, &row.view, &row.feature, online, &row.windows, &row.events, verdict];
            cells.map(shown).to_vec()
        });
        let heads = heads.map(str::to_owned).to_vec();
        let lines: Vec<Vec<String>> = std::iter::once(heads).chain(cells).collect();
        if lines.len() > 1 {
            columns(&lines, &[]).iter().for_each(|line| out.push_str(&format!("{line}\n")));
        }
    }
}

/// The report as JSON.
#[derive(Serialize)]
pub(super) struct ReportDocument<'a> {
    job: &'a str,
    ok: bool,
    online: Option<&'a str>,
    at: EventTime,
    entities: usize,
    values: usize,
    unjudged: usize,
    differences: Vec<ComparedDocument<'a>>,
    rows: Vec<ComparedDocument<'a>>,
    why: Option<String>,
    explained: Option<&'a Explained>,
}

/// A value as JSON.
#[derive(Serialize)]
struct ComparedDocument<'a> {
    entity: &'a str,
    id: &'a str,
    view: &'a str,
    feature: &'a str,
    online: Option<Box<RawValue>>,
    windows: Option<Box<RawValue>>,
    events: Option<Box<RawValue>>,
}

impl<'a> ComparedDocument<'a> {
    fn of(row: &'a ComparedRow) -> Self {
        let value = |text: &String| RawValue::from_string(text.clone()).ok();
        ComparedDocument {
            entity: &row.entity,
            id: &row.id,
            view: &row.view,
            feature: &row.feature,
            online: row.online.as_ref().and_then(value),
            windows: value(&row.windows),
            events: value(&row.events),
        }
    }
}

//! What needs attention although every part works: one check a file.
//!
//! ```text
//!  Moment ──> pending ─┐
//!         ──> refused ─┼──> findings ──> components of /health: degraded, with the texts
//!         ──> ..      ─┘                 tidemark_degraded of /metrics
//!                                        one WARN when it begins, one INFO when it is over
//! ```
//!
//! To add one: a file with a type that is a [`HealthCheck`], a field of [`Checks`], and its place
//! in [`Checks::look`], whose order is that of `/health`. A check says nothing that catching up
//! explains ([`Moment::caught_up`]); it is given the time, and never asks for it.
//!
//! Bound: a check holds a few numbers a source or sink of the job.

mod certificate;
pub(super) mod clock_behind;
pub(super) mod clocks;
mod cold;
mod invalid;
mod machine_clock;
pub(super) mod pending;
mod recent;
pub(super) mod refused;
mod state_bytes;
mod unkept_ids;

use crate::config::HealthSettings;
use crate::engine::StateBound;
use crate::http::{Component, Part, State};
use crate::metrics::snapshot::{DegradedSnapshot, OnlineSnapshot, RefusedSnapshot};
use certificate::CertificateEnds;
use clock_behind::ClockBehind;
use clocks::Clocks;
use cold::KeptInMemory;
use invalid::InvalidValues;
use machine_clock::SlowMachineClock;
use pending::Pending;
use refused::Refused;
use state_bytes::StateBytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;
use unkept_ids::UnkeptIds;

/// What checks look at, as of one moment.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    /// The job.
    pub plan: &'a Plan,
    /// Its workers in this process.
    pub workers: &'a [Arc<WorkerMetrics>],
    /// The online store.
    pub online: &'a OnlineSnapshot,
    /// What the state may take in memory; `None`: it is not bounded.
    pub state: Option<&'a StateBound>,
    /// Whether the job has caught up; once true it stays so.
    pub caught_up: bool,
    /// Until when the certificate that other processes are shown is valid; `None`: there is none.
    pub certificate: Option<EventTime>,
    /// For durations.
    pub now: Instant,
    /// The machine's clock, in ms since the Unix epoch.
    pub wall: EventTime,
}

/// One thing that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The kind of the component it is found in.
    pub part: Part,
    /// That component's name, as in `/health`.
    pub component: String,
    /// Its name in metrics and logs: a setting of `[health]` or a word of that kind.
    pub reason: &'static str,
    /// What is found, and what to do. Free of secrets.
    pub text: String,
}

/// Looks for one kind of thing.
pub(super) trait HealthCheck {
    /// What is found now. Called once a second and for each request, from several threads.
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding>;
}

/// All checks.
#[derive(Debug)]
pub(super) struct Checks {
    clocks: Clocks,
    pending: Pending,
    refused: Refused,
    invalid: InvalidValues,
    unkept: UnkeptIds,
    clock_behind: ClockBehind,
    machine_clock: SlowMachineClock,
    state_bytes: StateBytes,
    cold: KeptInMemory,
    /// The texts of what was found when the job last observed itself.
    known: Mutex<BTreeMap<(String, &'static str), String>>,
}

impl Checks {
    pub fn new(settings: &HealthSettings) -> Self {
        Checks {
            clocks: Clocks::default(),
            pending: Pending::new(settings.pending_after),
            refused: Refused::new(settings.refused_share, settings.refused_over),
            invalid: InvalidValues::new(settings.refused_share, settings.refused_over),
            unkept: UnkeptIds::default(),
            clock_behind: ClockBehind::new(settings.clock_behind),
            machine_clock: SlowMachineClock::new(settings.clock_behind),
            state_bytes: StateBytes::default(),
            cold: KeptInMemory::default(),
            known: Mutex::default(),
        }
    }

    /// What needs attention, in the order of `/health`.
    pub fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let checks: [&dyn HealthCheck; 10] = [
            &self.refused,
            &self.invalid,
            &self.unkept,
            &self.clocks,
            &self.clock_behind,
            &self.machine_clock,
            &self.pending,
            &self.state_bytes,
            &CertificateEnds,
            &self.cold,
        ];
        checks.iter().flat_map(|check| check.look(moment)).collect()
    }

    /// Logs what has begun and what is over since the last call. To be called from one place.
    pub fn report(&self, findings: &[Finding]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |finding: &Finding| (finding.component.clone(), finding.reason);
        let found: BTreeMap<_, _> = findings.iter().map(|f| (key(f), f.text.clone())).collect();
        for ((component, reason), text) in &found {
            if !known.contains_key(&(component.clone(), *reason)) {
                tracing::warn!(component, reason, "{text}");
            }
        }
        for (component, reason) in known.keys() {
            if !found.contains_key(&(component.clone(), *reason)) {
                tracing::info!(component, reason, "this is over");
            }
        }
        *known = found;
    }

    /// The shares of refused records, as of the last look.
    pub fn refused(&self, plan: &Plan) -> Vec<RefusedSnapshot> {
        self.refused.shares(plan)
    }
}

/// Findings as metrics show them.
pub(super) fn degraded(findings: &[Finding]) -> Vec<DegradedSnapshot> {
    let one = |finding: &Finding| DegradedSnapshot {
        component: finding.component.clone(),
        reason: finding.reason,
    };
    findings.iter().map(one).collect()
}

/// Tells the components what was found in them: one that is ok becomes degraded, and the text takes
/// the place of its own; one that is not has the text behind its own.
pub(super) fn apply(findings: Vec<Finding>, components: &mut Vec<Component>) {
    for finding in findings {
        let Finding { part, component: name, text, .. } = finding;
        match components.iter_mut().find(|c| c.kind == part && c.name == name) {
            Some(component) if component.state == State::Ok => {
                (component.state, component.reason) = (State::Degraded, text);
            }
            Some(component) => component.reason = format!("{}; {text}", component.reason),
            None => {
                components.push(Component {
                    name,
                    kind: part,
                    state: State::Degraded,
                    reason: text,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! What `/health` finds although every part works, and the numbers behind it.

use crate::metrics::exposition::{Exposition, seconds};
use crate::metrics::snapshot::{DegradedSnapshot, RefusedSnapshot};

/// What is found. A series is there while it is.
pub(super) fn degraded(out: &mut Exposition, findings: &[DegradedSnapshot]) {
    let mut degraded = out.gauge(
        "tidemark_degraded",
        "Always 1: /health finds this reason in this component, which is otherwise well.",
    );
    for finding in findings {
        degraded.count(&[("component", &finding.component), ("reason", finding.reason)], 1);
    }
    out.add(degraded);
}

/// Shares of dead letters.
pub(super) fn refused(out: &mut Exposition, shares: &[RefusedSnapshot]) {
    let mut by_source = out.gauge(
        "tidemark_source_refused_ratio",
        "The share of a source's records in the last refused_over that became dead letters, 0 to 1.",
    );
    let mut all = out.gauge(
        "tidemark_refused_ratio",
        "The share of all records in the last refused_over that became dead letters, 0 to 1.",
    );
    for refused in shares {
        match &refused.source {
            Some(source) => by_source.sample(&[("source", source)], refused.share),
            None => all.sample(&[], refused.share),
        };
    }
    out.add(by_source);
    out.add(all);
}

/// The live clock against arrivals.
pub(super) fn clock_behind(out: &mut Exposition, behind: Option<u64>) {
    let mut gauge = out.gauge(
        "tidemark_live_clock_behind_seconds",
        "How far the live clock is behind the arrival of the newest record, in seconds.",
    );
    if let Some(ms) = behind {
        gauge.sample(&[], seconds(ms));
    }
    out.add(gauge);
}

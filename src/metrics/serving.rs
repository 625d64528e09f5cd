//! `/metrics` of the feature server. Names that begin with `feast_` are those of Feast's own server.

use crate::metrics::exposition::{Exposition, float, seconds};
use crate::metrics::snapshot::ServingSnapshot;

/// The text of what it counts.
///
/// # Errors
/// When a name is not one that Prometheus allows, which is a defect of this module.
pub fn render_serving(serving: &ServingSnapshot) -> Result<String, prometheus::Error> {
    let mut out = Exposition::default();
    requests(&mut out, serving);
    let mut statuses = out.counter(
        "feast_online_features_status_total",
        "Values told, by view and status: PRESENT, NULL_VALUE, NOT_FOUND, OUTSIDE_MAX_AGE or INVALID.",
    );
    for (view, status, count) in &serving.statuses {
        let status = status.to_ascii_lowercase();
        statuses.count(&[("feature_view", view), ("status", &status)], *count);
    }
    out.add(statuses);
    let mut freshness = out.gauge(
        "feast_feature_freshness_seconds",
        "How old values are, in seconds: by how much the clock that they are as of is behind.",
    );
    if let Some(age) = serving.age {
        freshness.sample(&[("project", &serving.project)], seconds(age));
    }
    out.add(freshness);
    let mut fresh = out.gauge(
        "tidemark_serving_fresh",
        "Whether values are told (1), or are too old or of unknown age (0).",
    );
    fresh.count(&[], u64::from(serving.fresh));
    out.add(fresh);
    bounds(&mut out, serving);
    out.text()
}

fn requests(out: &mut Exposition, serving: &ServingSnapshot) {
    let mut requests = out.counter(
        "feast_feature_server_request_total",
        "Requests to the feature server, by endpoint and whether they were answered: success or error.",
    );
    for counted in &serving.requests {
        let of = |status| [("endpoint", counted.endpoint), ("status", status)];
        requests.count(&of("success"), counted.answered);
        requests.count(&of("error"), counted.refused);
    }
    out.add(requests);
    let mut latency = out.histogram(
        "feast_feature_server_request_latency_seconds",
        "How long requests for features took in the feature server, in seconds.",
    );
    latency.buckets(&[], &serving.latency_us, 1_000_000.0);
    out.add(latency);
    let mut entities =
        out.counter("feast_online_features_entity_count", "Entities that features were told of.");
    entities.count(&[], serving.entities);
    out.add(entities);
}

fn bounds(out: &mut Exposition, serving: &ServingSnapshot) {
    let mut questions = out.counter(
        "tidemark_serving_questions_total",
        "Questions for features, by whether they were compiled before: hit or miss.",
    );
    questions.count(&[("compiled", "hit")], serving.compiled_hits);
    questions.count(&[("compiled", "miss")], serving.compiled_misses);
    out.add(questions);
    let mut kept =
        out.gauge("tidemark_serving_compiled_questions", "Compiled questions that are kept.");
    kept.sample(&[], float(serving.compiled));
    out.add(kept);
    let mut values = out.gauge(
        "tidemark_serving_values_in_flight",
        "Values of the answers that are on their way, at most values_in_flight in [serve].",
    );
    values.sample(&[], float(serving.values_in_flight));
    out.add(values);
    let mut waiting = out.gauge(
        "tidemark_serving_redis_waiting",
        "Requests for features that wait for a connection to Redis.",
    );
    if let Some(count) = serving.redis_waiting {
        waiting.sample(&[], float(count));
    }
    out.add(waiting);
}

//! `/metrics` of the feature server. Names that begin with `feast_` are those of Feast's own server.

use crate::metrics::exposition::{Exposition, float, seconds};
use crate::metrics::snapshot::{ServedSource, ServingSnapshot};

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
        "How old the values of a view are, in seconds: by how much the clock that they are as of is behind.",
    );
    let views = serving.statuses.chunk_by(|(view, ..), (next, ..)| view == next);
    for view in views.filter_map(|statuses| statuses.first()).map(|(view, ..)| view) {
        if let Some(age) = serving.age {
            let of = [("feature_view", view.as_str()), ("project", &serving.project)];
            freshness.sample(&of, seconds(age));
        }
    }
    out.add(freshness);
    let mut fresh = out.gauge(
        "tidemark_serving_fresh",
        "Whether values are told (1), or are too old or of unknown age (0).",
    );
    fresh.count(&[], u64::from(serving.fresh));
    out.add(fresh);
    bounds(&mut out, serving);
    sources(&mut out, &serving.sources);
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
        "How long requests for features took in the feature server, in seconds, by endpoint.",
    );
    for counted in &serving.requests {
        latency.buckets(&[("endpoint", counted.endpoint)], &counted.latency_us, 1_000_000.0);
    }
    out.add(latency);
    let mut reads = out.histogram(
        "feast_feature_server_online_store_read_duration_seconds",
        "How long reading the rows of a question took, over all sources that were asked, in seconds.",
    );
    reads.buckets(&[], &serving.reads_us, 1_000_000.0);
    out.add(reads);
    let mut told = out.counter(
        "feast_online_features_request_total",
        "Questions for features that values were told of.",
    );
    told.count(&[], serving.entities.count());
    out.add(told);
    let mut entities = out.histogram(
        "feast_online_features_entity_count",
        "Entities of each question that features were told of.",
    );
    entities.buckets(&[], &serving.entities, 1.0);
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
}

fn sources(out: &mut Exposition, sources: &[ServedSource]) {
    let mut answers = out.counter(
        "tidemark_serving_answers_total",
        "Questions for features that were answered from the rows of a source.",
    );
    let mut passed_over = out.counter(
        "tidemark_serving_passed_over_total",
        "Questions for which a source was passed over: down, busy, stale, or (open) known to be so.",
    );
    let mut breaker = out.gauge(
        "tidemark_serving_breaker_status",
        "The circuit breaker of a source of the feature server: closed 0, half-open 1, open 2.",
    );
    let mut waiting = out.gauge(
        "tidemark_serving_redis_waiting",
        "Requests for features that wait for a connection to a source.",
    );
    for source in sources {
        let of = [("source", source.name.as_str())];
        answers.count(&of, source.answers);
        for (reason, count) in &source.passed_over {
            passed_over.count(&[("source", &source.name), ("reason", reason)], *count);
        }
        breaker.count(&of, source.breaker.number());
        if let Some(count) = source.waiting {
            waiting.sample(&of, float(count));
        }
    }
    out.add(answers);
    out.add(passed_over);
    out.add(breaker);
    out.add(waiting);
}

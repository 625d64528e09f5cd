//! Every feature of the catalogue against a recomputation written in another style: the whole
//! history of the entity, scanned anew for each row, with nothing kept in between (`oracle`).
//!
//! Histories (`histories`) have ties on one partition and across partitions, disorder, partitions
//! that lag, silences longer than a month, bursts, missing attributes, late and malformed records,
//! and times at the edges of windows and sessions and one ms to either side.
//!
//! # Which test holds which feature
//!
//! Each feature of a job is held by all tests of the job's row here, to the bit:
//!
//! | features | sealed | live, with decay and deletion | after a long run | 1, 2, 3 workers |
//! |---|---|---|---|---|
//! | `fraud`: all 15 of `transaction_stats_5m` and all 4 of `card_fraud_indicators`, and the same of users; all 5 of `merchant_stats`, `device_stats`, `ip_stats` | [`sealed::fraud_rows_are_the_oracles`] | [`online::fraud_rows_are_the_oracles_after_every_step`] | [`long_run::fraud_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside`] | [`workers::fraud_gives_the_same_bytes`] |
//! | `personalization`: all 9 of `user_engagement_5m`, all 5 of `session_stats` | [`sealed::personalization_rows_are_the_oracles`] | [`online::personalization_rows_are_the_oracles_after_every_step`] | [`long_run::personalization_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside`] | [`workers::personalization_gives_the_same_bytes`] |
//! | `behavior`: all 11 of `behavior_temporal`, all 8 of `behavior_categorical`, all 8 of `behavior_access` | [`sealed::behavior_rows_are_the_oracles`] | [`online::behavior_rows_are_the_oracles_after_every_step`] | [`long_run::behavior_after_sixty_days_equals_a_fresh_run_over_what_is_still_inside`] | [`workers::behavior_gives_the_same_bytes`] |
//!
//! Besides, feature by feature, what is told apart by a claim of its own:
//!
//! | features | claim |
//! |---|---|
//! | `is_weekend` (of cards, users and behaviour), `hour_of_day`, `day_of_week`, `is_business_hours`, `time_pattern_anomaly`, `behavioral_consistency_score` | [`calendar`]: the same comparison in five time zones, across changes of the clock |
//! | `txn_count_5m`, `txn_count_30m`, `txn_count_24h`, `txn_count_1h`, `fail_60s`, `events_5m`, `events_24h`, `login_frequency_1h`, `resource_access_rate`, `admin_action_count` | counts at `ts + W - 1` and `ts + W`: the live clock of [`online`] stands at both, for every window |
//! | `amount_sum_5m`, `amount_avg_5m`, `amount_max_5m`, `amount_stddev_24h`, `amount_zscore`, `data_transfer_volume`, `avg_dwell_time_sec`, `avg_scroll_depth` | exact decimals, half to even, by their text: `record`, `arithmetic`; amounts up to 1e10 beside 1e-6 in all histories |
//! | `unique_countries_5m`, `uniq_ip_60s`, `merchant_count`, `device_fingerprint_count`, `cards_1h`, `unique_resources_count`, `distinct_sources_24h`, `device_diversity_score` | exact distinct counts; values of one entity are ids of another in all histories |
//! | `geo_diversity_score`, `location_entropy`, `api_call_diversity` | entropy to the last bit, also after [`long_run`] |
//! | `high_risk_txn_ratio`, `decline_ratio_1h`, `failure_rate`, `click_rate_5m`, `conversion_rate_session` | [`sealed`]: ratios with and without anything to divide by |
//! | `time_since_last_txn_min`, `time_since_last_event_sec` | gaps of 0 (ties) and around a month: [`histories_hold_what_they_are_meant_to`] says that there are some |
//! | `velocity_score`, `is_high_velocity`, `engagement_score`, `is_likely_purchaser`, `activity_burst_score` | [`sealed`], which also claims that each takes more than one value |
//! | `session_duration_min`, `pages_per_session`, `cart_adds_session`, `session_duration`, `events`, `pages`, `cart_adds`, `purchases`, `duration_min` | sessions with gaps of 30 min and of 1 ms more, empty 1 ms after they close: [`online`], [`histories_hold_what_they_are_meant_to`] |
//! | `device_change_score`, `location_change_score`, `user_agent_change_score`, `is_new_device`, `is_new_location` | changes and news within and beyond a month: [`sealed`], [`long_run`] |
//! | `ip_reputation_score` | [`sealed::behavior_rows_are_the_oracles`], against a scan of the table that ships (`reputation`) |
//!
//! That a missing row reads as the empty values: [`a_row_that_holds_nothing_is_the_empty_values`].

mod arithmetic;
mod behavior;
mod calendar;
mod comparison;
mod fraud;
mod histories;
mod live;
mod long_run;
mod online;
mod oracle;
mod personalization;
mod record;
mod reputation;
mod sealed;
mod workers;

use histories::{History, Shape, Write};
use oracle::{AsOf, DAY, Job, MINUTE, MONTH, Surroundings, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// 2026-01-01, a Thursday.
const START: u64 = 1_767_225_600_000;

/// A job of the catalogue with all that a claim about it needs.
struct Subject {
    job: &'static Job,
    write: Write,
    plan: Arc<Plan>,
    around: Surroundings,
}

impl Subject {
    /// The shipped job, in another time zone than its own if need be.
    fn new(job: &'static Job, write: Write, zone: &str) -> Subject {
        let (file, text) = tidemark_jobs::shipped(job.name)
            .unwrap_or_else(|| panic!("there is no shipped job \"{}\"", job.name));
        let own = "timezone = \"UTC\"";
        assert_eq!(text.matches(own).count(), 1, "where {file} says its zone");
        let text = text.replace(own, &format!("timezone = \"{zone}\""));
        let loaded = tidemark_jobs::load(file, &text).unwrap_or_else(|e| panic!("{e}"));
        let plan = tidemark::job_file::with_shipped_tables(loaded).plan;
        Subject { job, write, plan, around: Surroundings::new(job, zone) }
    }

    fn fraud() -> Subject {
        Subject::new(&fraud::FRAUD, histories::fraud::write, "UTC")
    }

    fn personalization() -> Subject {
        Subject::new(&personalization::PERSONALIZATION, histories::clicks::write, "UTC")
    }

    fn behavior() -> Subject {
        Subject::new(&behavior::BEHAVIOR, histories::behavior::write, "UTC")
    }

    fn out_of_orderness(&self) -> u64 {
        self.plan.sources[0].out_of_orderness
    }

    fn shape(&self, seed: u64, events: usize) -> Shape {
        let out_of_orderness = self.out_of_orderness();
        Shape { seed, start: START, events, out_of_orderness, ticks: false }
    }

    fn judge(&self, history: &History) -> oracle::Judged {
        oracle::judge(self.job, &history.log, self.out_of_orderness())
    }
}

#[test]
fn a_row_that_holds_nothing_is_the_empty_values() {
    let jobs = [&fraud::FRAUD, &personalization::PERSONALIZATION, &behavior::BEHAVIOR];
    let writes: [Write; 3] =
        [histories::fraud::write, histories::clicks::write, histories::behavior::write];
    for (job, write) in jobs.into_iter().zip(writes) {
        let around = Surroundings {
            zone: jiff::tz::TimeZone::UTC,
            reputation: reputation::Reputation::default(),
        };
        let shape =
            Shape { seed: 1, start: START, events: 200, out_of_orderness: 5_000, ticks: false };
        let history = histories::random(shape, write);
        let judged = oracle::judge(job, &history.log, 5_000);
        for view in job.views {
            let events = judged.accepted.iter().filter(|e| e.text(view.key).is_some());
            let events: Vec<_> = events.collect();
            let last = events.last().unwrap().ts;
            let row = |t, events| (view.row)(&AsOf { t, events, around: &around });
            let empty = row(last, &[]);
            for (name, value) in &empty {
                let expected = match (*name, value) {
                    ("ip_reputation_score", _) => Value::Double(0.5),
                    (_, Value::Int(_)) => Value::Int(0),
                    (_, Value::Double(_)) => Value::Double(0.0),
                    (_, Value::Bool(_)) => Value::Bool(false),
                    (_, Value::Null) => Value::Null,
                };
                assert_eq!(*value, expected, "{name}");
            }
            assert_eq!(row(last + view.keeps, &events), empty, "{}", view.name);
            assert_ne!(row(last + view.keeps - 1, &events), empty, "{}", view.name);
        }
    }
}

#[test]
fn histories_hold_what_they_are_meant_to() {
    let mut seen = BTreeSet::new();
    for seed in 0..sealed::SEEDS {
        let shape = Shape {
            seed,
            start: START,
            events: sealed::EVENTS,
            out_of_orderness: 5_000,
            ticks: false,
        };
        let history = histories::random(shape, histories::clicks::write);
        let judged = oracle::judge(&personalization::PERSONALIZATION, &history.log, 5_000);
        let users: BTreeSet<_> = judged.accepted.iter().filter_map(|e| e.text("user_id")).collect();
        for user in users {
            let mine = judged.accepted.iter().filter(|e| e.is("user_id", user));
            let mine: Vec<_> = mine.collect();
            for pair in mine.windows(2) {
                seen.insert(
                    match (pair[1].ts - pair[0].ts, pair[0].partition == pair[1].partition) {
                        (0, true) => "a tie on one partition",
                        (0, false) => "a tie across partitions",
                        (gap, _) if gap == 30 * MINUTE => "the longest gap inside a session",
                        (gap, _) if gap == 30 * MINUTE + 1 => "the shortest gap between sessions",
                        (gap, _) if gap > MONTH => "a silence of a month",
                        _ => "a gap",
                    },
                );
                let ahead = |e: &&&record::Event| {
                    e.partition == pair[1].partition && e.offset > pair[1].offset
                };
                if mine.iter().filter(ahead).any(|e| e.ts < pair[1].ts) {
                    seen.insert("disorder on one partition");
                }
            }
            for (edge, what) in [
                (5 * MINUTE, "just out of 5 min"),
                (5 * MINUTE - 1, "just in 5 min"),
                (DAY, "just out of a day"),
                (DAY - 1, "just in a day"),
                (MONTH, "just out of a month"),
                (MONTH - 1, "just in a month"),
            ] {
                let at = |ts: u64| mine.binary_search_by_key(&ts, |e| e.ts).is_ok();
                if mine.iter().any(|e| at(e.ts + edge)) {
                    seen.insert(what);
                }
            }
        }
        seen.extend((!judged.late.is_empty()).then_some("a late record"));
        seen.extend((!judged.malformed.is_empty()).then_some("a malformed record"));
    }
    assert_eq!(seen.len(), 15, "{seen:#?}");
}

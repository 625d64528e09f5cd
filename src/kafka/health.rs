//! Whether the brokers can be heard: only then is the end of a log really its end.
//!
//! librdkafka reports once a second. When no report came for a while, this process stood still (it was
//! suspended, or starved), and what it believed of the brokers before says nothing.

use crate::kafka::lock;
use crate::kafka::status::KafkaStatus;
use rdkafka::statistics::Statistics;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Good reports in a row that withdraw an error. The first may have been written before the error
/// happened.
const GOOD_REPORTS: u32 = 2;
/// How long reports, which come once a second, may stay out before nothing is known any more.
const REPORTS_GAP_MAX: Duration = Duration::from_secs(5);

/// A consumer's view of the brokers that lead its partitions.
#[derive(Debug)]
pub(super) struct Health {
    who: String,
    status: Arc<KafkaStatus>,
    healthy: AtomicBool,
    changed: AtomicBool,
    started: Instant,
    /// When the newest report came, in ms after `started`; 0 before the first.
    reported_ms: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    good_reports: u32,
    leaders: BTreeSet<i32>,
}

/// What a report of librdkafka says about the partitions we read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The brokers that lead them.
    leaders: BTreeSet<i32>,
    /// What is wrong with one of them.
    error: Option<String>,
}

impl Health {
    pub(super) fn new(who: String, status: Arc<KafkaStatus>) -> Health {
        Health {
            who,
            status,
            healthy: AtomicBool::new(true),
            changed: AtomicBool::new(false),
            started: Instant::now(),
            reported_ms: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire) && self.gap(self.now_ms()).is_none()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// For how long no report has come, if that is too long.
    fn gap(&self, now_ms: u64) -> Option<Duration> {
        let reported = self.reported_ms.load(Ordering::Acquire);
        let gap = Duration::from_millis(now_ms.saturating_sub(reported));
        Some(gap).filter(|gap| reported > 0 && *gap > REPORTS_GAP_MAX)
    }

    /// Whether it changed since the last call.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// An error that means the log cannot be heard at the moment.
    pub(super) fn failed(&self, error: String) {
        lock(&self.state).good_reports = 0;
        if self.healthy.swap(false, Ordering::AcqRel) {
            tracing::warn!(consumer = %self.who, %error, "kafka: the brokers cannot be heard");
            self.changed.store(true, Ordering::Release);
        }
        self.status.report(&self.who, Some(error));
    }

    /// Whether what happens to this broker concerns us; when no report came yet, any does.
    pub(super) fn concerns(&self, broker: Option<i32>) -> bool {
        let state = lock(&self.state);
        broker.is_none_or(|broker| state.leaders.is_empty() || state.leaders.contains(&broker))
    }

    /// A report of librdkafka, once a second.
    pub(super) fn reported(&self, verdict: Verdict) {
        self.reported_at(verdict, self.now_ms());
    }

    fn reported_at(&self, verdict: Verdict, now_ms: u64) {
        if let Some(gap) = self.gap(now_ms) {
            self.failed(format!("nothing was heard of the brokers for {gap:.1?}"));
        }
        self.reported_ms.store(now_ms, Ordering::Release);
        let good_reports = {
            let mut state = lock(&self.state);
            state.leaders = verdict.leaders;
            state.good_reports = state.good_reports.saturating_add(1);
            state.good_reports
        };
        match verdict.error {
            Some(error) => self.failed(error),
            None if good_reports >= GOOD_REPORTS && !self.healthy.swap(true, Ordering::AcqRel) => {
                tracing::info!(consumer = %self.who, "kafka: the brokers are heard again");
                self.status.report(&self.who, None);
                self.changed.store(true, Ordering::Release);
            }
            None => {}
        }
    }
}

/// Judges a report: every partition has a leader, that broker is connected, and it is not silent
/// for longer than `silence_max` while a reply is due.
pub(super) fn judge<'a>(
    report: &Statistics,
    partitions: impl Iterator<Item = (&'a str, i32)>,
    silence_max: Duration,
) -> Verdict {
    let mut verdict = Verdict { leaders: BTreeSet::new(), error: None };
    for (topic, partition) in partitions {
        let known = report.topics.get(topic).and_then(|topic| topic.partitions.get(&partition));
        let error = match known.map(|known| known.leader) {
            None | Some(-1) => Some(format!("{topic}[{partition}] has no leader")),
            Some(leader) => {
                verdict.leaders.insert(leader);
                broker_error(report, leader, silence_max)
            }
        };
        verdict.error = verdict.error.or(error);
    }
    verdict
}

fn broker_error(report: &Statistics, leader: i32, silence_max: Duration) -> Option<String> {
    let Some(broker) = report.brokers.values().find(|broker| broker.nodeid == leader) else {
        return Some(format!("broker {leader} is not known yet"));
    };
    if broker.state != "UP" && broker.state != "UPDATE" {
        return Some(format!("broker {} is in state {}", broker.name, broker.state));
    }
    let silent = Duration::from_micros(u64::try_from(broker.rxidle).unwrap_or(0));
    if broker.waitresp_cnt > 0 && silent > silence_max {
        return Some(format!("broker {} has not answered for {silent:.1?}", broker.name));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::statistics::{Broker, Partition, Topic};

    fn report(leader: i32, state: &str, rxidle_s: i64) -> Statistics {
        let mut report = Statistics::default();
        let partition = Partition { leader, ..Partition::default() };
        let topic = Topic { partitions: [(0, partition)].into(), ..Topic::default() };
        report.topics.insert("t".into(), topic);
        let broker = Broker {
            name: "h:1/7".into(),
            nodeid: 7,
            state: state.into(),
            rxidle: rxidle_s * 1_000_000,
            waitresp_cnt: 1,
            ..Broker::default()
        };
        report.brokers.insert("h:1/7".into(), broker);
        report
    }

    fn error(report: &Statistics) -> Option<String> {
        judge(report, [("t", 0)].into_iter(), Duration::from_secs(5)).error
    }

    #[test]
    fn a_leader_that_is_down_missing_or_silent_is_an_error() {
        assert_eq!(error(&report(7, "UP", 1)), None);
        assert!(error(&report(7, "DOWN", 1)).unwrap().contains("h:1/7"));
        assert!(error(&report(7, "UP", 6)).unwrap().contains("has not answered"));
        assert!(error(&report(-1, "UP", 1)).unwrap().contains("t[0]"));
        assert!(error(&report(8, "UP", 1)).unwrap().contains("broker 8"));
    }

    #[test]
    fn an_error_stands_until_two_good_reports_in_a_row() {
        let status = KafkaStatus::new();
        let health = Health::new("w".into(), Arc::clone(&status));
        let verdict = |error: Option<&str>| Verdict {
            leaders: BTreeSet::from([7]),
            error: error.map(str::to_owned),
        };
        health.failed("down".into());
        assert!(health.take_changed() && !health.is_healthy());
        health.reported(verdict(None));
        health.reported(verdict(Some("still down")));
        assert_eq!(status.error().as_deref(), Some("still down"));
        health.reported(verdict(None));
        assert!(!health.is_healthy());
        health.reported(verdict(None));
        assert!(health.is_healthy() && health.take_changed());
        assert_eq!(status.error(), None);
    }

    #[test]
    fn a_process_that_stood_still_has_not_heard_the_brokers() {
        let status = KafkaStatus::new();
        let health = Health::new("w".into(), Arc::clone(&status));
        let report = |ms| {
            let verdict = Verdict { leaders: BTreeSet::from([7]), error: None };
            health.reported_at(verdict, ms);
            status.error()
        };
        for second in 1..=5 {
            assert_eq!(report(second * 1_000), None);
        }
        assert_eq!(report(10_000), None, "five seconds without a report may be");
        assert!(health.gap(15_000).is_none());
        assert!(health.gap(15_001).is_some(), "it is noticed before the next report");
        let error = report(75_000).unwrap();
        assert!(error.contains("for 65.0s"), "{error}");
        assert!(!health.healthy.load(Ordering::Acquire), "and by who looks after it");
        assert!(report(76_000).is_none() && health.healthy.load(Ordering::Acquire));
    }

    #[test]
    fn a_broker_that_leads_none_of_our_partitions_does_not_concern_us() {
        let health = Health::new("w".into(), KafkaStatus::new());
        assert!(health.concerns(Some(8)), "before the first report any broker does");
        health.reported(Verdict { leaders: BTreeSet::from([7]), error: None });
        assert!(!health.concerns(Some(8)));
        assert!(health.concerns(Some(7)));
        assert!(health.concerns(None));
    }
}

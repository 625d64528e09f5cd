use super::*;
use crate::engine::{Online, Settings};
use crate::http::{Part, RowQuestion, State, Status};
use crate::online::Embedded;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::reader::Standing;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

fn service() -> Service {
    let plan = crate::job_file::load("fraud").unwrap().plan;
    let settings = Settings {
        plan: Arc::clone(&plan),
        shape: Shape::default(),
        limits: Limits::default(),
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let store = Arc::new(Embedded::new(&plan, 1));
    Service::new(plan, Observer::new(&settings), store, Duration::from_secs(30))
}

/// A partition that stands at an offset.
pub(super) fn at(next_offset: u64, caught_up: bool) -> PartitionProgress {
    PartitionProgress {
        id: PartitionId { source: 0, partition: 0 },
        watermark: 1_700_000_000_000,
        clock: 1_700_000_005_000,
        newest: 1_700_000_005_000,
        ahead: tidemark_operators::metrics::Ahead::default(),
        first: 1_700_000_000_000,
        next_offset,
        idle: false,
        caught_up,
        paused: false,
        standing: Standing::Behind,
        overdue: false,
        still: 0,
    }
}

#[test]
fn a_job_that_has_not_started_is_healthy_and_not_ready() {
    let service = service();
    assert_eq!(service.health().status(), Status::Ok);
    let ready = service.readiness();
    assert!(!ready.ready);
    assert_eq!(ready.reason.as_deref(), Some("no partition has been opened yet"));
    assert!(service.metrics().contains("tidemark_ready 0"));
}

#[test]
fn a_topic_is_not_caught_up_before_it_was_opened() {
    let service = service().with_kafka(KafkaStatus::new(), 0);
    service.observer.metrics[0].set_progress([at(10, true)]);
    assert!(!service.readiness().ready);
    let health = service.health();
    let source = health.components.iter().find(|c| c.kind == Part::Source).unwrap();
    assert_eq!((source.name.as_str(), source.state), ("transactions", State::Ok));
}

#[test]
fn an_unknown_view_has_a_nearest_one_and_an_unknown_id_no_row() {
    let service = service();
    let near = Some("transaction_stats_5m".to_owned());
    let asked = |view: &str| RowQuestion {
        view: view.to_owned(),
        id: "card_1".to_owned(),
        ..RowQuestion::default()
    };
    let answer = service.row(&asked("transaction_stats_5n"));
    assert_eq!(answer, RowAnswer::UnknownView { nearest: near });
    let answer = service.row(&asked("transaction_stats_5m"));
    assert_eq!(answer, RowAnswer::NoRow { as_of: 0, positions: None });
}

/// The sum of a metric's samples that hold all of `labels`.
fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    };
    let values = text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' '));
    values.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

#[test]
fn an_overview_has_the_figures_of_metrics() {
    let service = service();
    let worker = &service.observer.metrics[0];
    worker.set_progress([at(10, true)]);
    worker.verdicts[0].accepted.add(7);
    worker.verdicts[0].late.add(2);
    worker.verdicts[0].malformed.add(3);
    worker.verdicts[0].keyless.add(1);
    worker.clocks[0].corrected.add(4);
    worker.entities[0].entities.set(5);
    worker.entities[0].set_hottest([("card_1".to_owned(), 250)]);
    worker.entities[0].timeline_bytes.set(4_096);
    worker.entities[0].windows[0].events.set(6);
    worker.live_clock.set(1_700_000_005_000);
    worker.frontier.set(1_700_000_000_001);
    worker.unsealed_bytes.set(64);
    worker.in_flight_bytes.set(32);
    service.tick();
    let (text, seen) = (service.metrics(), service.overview());
    let same = |name: &str, labels: &[&str], figure: f64| {
        let exposed = metric(&text, name, labels);
        assert!((exposed - figure).abs() < 1e-9, "{name}: {exposed}, and {figure} in the overview");
    };
    let source = &seen.sources[0];
    let float = crate::metrics::float;
    same("transactions_processed_total", &[], float(source.accepted));
    same("tidemark_keyless_records_total", &[], float(source.left_out));
    same("tidemark_events_corrected_total", &[], float(source.corrected));
    assert_eq!(source.dead_letters.len(), 2);
    for (reason, count) in &source.dead_letters {
        let reason = format!("reason=\"{reason}\"");
        same("tidemark_dead_letters_total", &[&reason], float(*count));
    }
    let entity = &seen.entities[0];
    let label = format!("entity=\"{}\"", entity.entity);
    same("tidemark_entities", &[&label], float(entity.count));
    same("tidemark_state_bytes", &[&label], float(entity.held));
    same("sliding_window_size", &[&label], float(entity.events));
    same("tidemark_hottest_entity_ratio", &[&label], float(entity.busiest[0].1.into()) / 1e3);
    same("tidemark_live_clock_timestamp_seconds", &[], float(seen.live_clock.unwrap()) / 1e3);
    same("tidemark_frontier_timestamp_seconds", &[], float(seen.frontier.unwrap()) / 1e3);
    same("tidemark_unsealed_bytes", &[], float(seen.workers[0].unsealed));
    same("tidemark_in_flight_bytes", &[], float(seen.workers[0].in_flight));
    let behind = service.distance().behind.unwrap();
    same("tidemark_frontier_lag_seconds", &[], float(behind) / 1e3);
    same("tidemark_ready", &[], float(seen.condition.ready.into()));
    same("redis_writes_total", &[], float(seen.sinks[0].written));
}

#[test]
fn rows_are_missing_in_a_store_once_they_wait_longer_than_one_that_answers_takes() {
    let lacks = |rows_pending, oldest_pending_ms, down: Option<&str>| {
        let down = down.map(str::to_owned);
        let snapshot =
            OnlineSnapshot { rows_pending, oldest_pending_ms, down, ..Default::default() };
        overview::online(&snapshot).lacks
    };
    assert!(!lacks(7, 2_499, None));
    assert!(lacks(7, 2_500, None));
    assert!(lacks(7, 0, Some("refused")));
    assert!(!lacks(0, 9_000, Some("refused")));
}

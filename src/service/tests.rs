use super::*;
use crate::engine::{Online, Settings};
use crate::http::Status;
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
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let store = Arc::new(Embedded::new(&plan, 1));
    Service::new(plan, Observer::new(&settings), store, Duration::from_secs(30))
}

fn at(next_offset: u64, caught_up: bool) -> PartitionProgress {
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
    let service = service().with_kafka(KafkaStatus::new());
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
    let answer = service.row("transaction_stats_5n", "card_1", None);
    assert_eq!(answer, RowAnswer::UnknownView { nearest: near });
    let answer = service.row("transaction_stats_5m", "card_1", None);
    assert_eq!(answer, RowAnswer::NoRow { as_of: 0 });
}

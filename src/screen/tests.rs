use super::*;
use crate::screen::model::{Look, Model};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::atomic::AtomicBool;
use tidemark_operators::metrics::{Histogram, LATENCY_BOUNDS_NS};

/// A state `ms` after the start, with 2,000 events a second.
fn state(ms: u64, count: i64, sum: f64) -> ScreenState {
    let latency = Histogram::new(LATENCY_BOUNDS_NS);
    latency.record_many(800_000, ms * 2);
    ScreenState {
        job: "fraud".to_owned(),
        uptime: Duration::from_millis(ms),
        http: Some("127.0.0.1:8088".to_owned()),
        workers: 1,
        accepted: ms * 2,
        dead: [ms / 100, 3, ms / 1_000, 0, 0],
        newest_dead: Some("late by 7.2 s".to_owned()),
        live_clock: Some(1_700_000_000_000 + ms),
        frontier: Some(1_699_999_995_001 + ms),
        latency_ns: latency.snapshot(),
        rows: ms * 4,
        entities: 1_234,
        timeline_rows: 10_000,
        timeline_bytes: 5 << 20,
        rss_bytes: 90 << 20,
        entity: "card".to_owned(),
        features: ["txn_count_5m", "amount_sum_5m", "velocity_score", "is_high_velocity"]
            .iter()
            .chain(&["fail_60s", "uniq_ip_60s", "unique_countries_5m", "txn_count_24h"])
            .map(|name| (*name).to_owned())
            .collect(),
        hottest: (0..6)
            .map(|card| HotEntity {
                id: format!("card_{card:06}"),
                values: vec![
                    Value::Int(count + card),
                    Value::Double(sum),
                    Value::Double(0.5),
                    Value::Bool(card == 0),
                    Value::Int(0),
                    Value::Int(2),
                    Value::Null,
                    Value::Int(1_204),
                ],
            })
            .collect(),
        ..ScreenState::default()
    }
}

fn picture(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, model)).unwrap();
    terminal.backend().to_string()
}

fn after_seconds() -> Model {
    let mut model = Model::default();
    for ms in (0..=10_000).step_by(250) {
        model.observe(state(ms, 7, 120.5));
    }
    model
}

#[test]
fn the_screen_shows_what_the_demo_promises() {
    let text = picture(&after_seconds(), 80, 24);
    for part in [
        "tidemark  job fraud  1 worker  up 10.0 s",
        "http://127.0.0.1:8088",
        "2,0",
        "watermark lag",
        "5.0 s",
        "late",
        "malformed",
        "Hottest cards",
        "card_000005",
        "txn_count",
        "120.50",
        "1,234 entities  10,000 events (5 MiB)  40,000 rows out  process 90 MiB",
        "q quit",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn a_wider_screen_shows_more_features_and_a_tiny_one_does_not_panic() {
    let model = after_seconds();
    assert!(!picture(&model, 80, 24).contains("1,204"));
    assert!(picture(&model, 140, 40).contains("1,204"));
    let mut model = model;
    assert!(picture(&model, 80, 24).contains("features 1 to 6 of 8"));
    for _ in 0..20 {
        model.scroll(true);
    }
    let last = picture(&model, 80, 24);
    assert!(last.contains("1,204") && last.contains("features 8 to 8 of 8"), "{last}");
    for _ in 0..20 {
        model.scroll(false);
    }
    assert!(picture(&model, 80, 24).contains("features 1 to 6 of 8"));
    for (width, height) in [(1, 1), (10, 3), (30, 8), (79, 9), (300, 100)] {
        picture(&model, width, height);
    }
    picture(&Model::default(), 80, 24);
}

#[test]
fn a_value_that_rose_stands_out_for_a_moment_and_one_that_fell_fades() {
    let mut model = Model::default();
    model.observe(state(0, 7, 120.5));
    assert_eq!(model.look("card_000000", 0), Look::Still);
    model.observe(state(250, 8, 100.0));
    assert_eq!(model.look("card_000000", 0), Look::Rose);
    assert_eq!(model.look("card_000000", 1), Look::Fell);
    assert_eq!(model.look("card_000000", 2), Look::Still);
    model.observe(state(2_000, 8, 100.0));
    assert_eq!(model.look("card_000000", 0), Look::Still);
    assert_eq!(model.look("card_000000", 1), Look::Fell);
    model.observe(state(5_000, 8, 100.0));
    assert_eq!(model.look("card_000000", 1), Look::Still);
}

#[test]
fn rates_and_latencies_are_those_of_the_last_seconds() {
    let model = after_seconds();
    assert_eq!(model.rate(), 2_011);
    let p99 = model.latency(990).unwrap();
    assert!((500_000..=1_000_000).contains(&p99), "{p99}");
    assert_eq!(model.history(4).len(), 4);
    assert!(model.history(4).iter().all(|rate| (2_000..2_100).contains(rate)));
}

#[test]
fn without_a_terminal_there_is_one_line_a_second() {
    let mut ms = 0;
    let next = || {
        ms += 500;
        state(ms, 7, 120.5)
    };
    let stop = AtomicBool::new(false);
    let mut out = Vec::new();
    let until = Until { uptime: Some(Duration::from_millis(2_500)), stop: &stop };
    assert_eq!(plain(next, until, &mut out).unwrap(), Ended::ByItself);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let last = text.lines().last().unwrap();
    for part in ["2.5 s", "late 25", "malformed 2", "watermark lag 5.0 s", "p99", "txn_count_5m=7"]
    {
        assert!(last.contains(part), "no {part} in {last}");
    }
}

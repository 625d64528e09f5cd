use super::*;
use crate::screen::keys::{Pressed, press};
use crate::screen::model::{Look, Model};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
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
        dead: [ms / 100, 3, ms / 1_000, 0, 0, 0],
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
        title: "Cards being tested".to_owned(),
        nobody: "no card is being tested".to_owned(),
        shown_of: 6,
        shown: (0..6)
            .map(|card| ShownEntity {
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
                grounds: Some(Grounds {
                    brief: "11 declines/min, 3 IPs".to_owned(),
                    full: "11 declines in 60 s".to_owned(),
                }),
                arrivals: 0,
                command: format!("curl http://127.0.0.1:8088/features/v/card_{card:06}"),
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
        "tidemark  job fraud  1 worker  live 10.0 s",
        "http://127.0.0.1:8088",
        "2,0",
        "watermark lag",
        "5.0 s",
        "late",
        "malformed",
        "Cards being tested: 6, by txn_count_5m \u{25bc}",
        "card_000005",
        "txn_count",
        "120.50",
        "1,234 entities  10,000 events (5 MiB)  40,000 rows  90 MiB",
        "curl http://127.0.0.1:8088/features/v/card_000005",
        "11 declines/min, 3 IPs",
        "q quit",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn a_wider_screen_shows_more_features_and_the_rest_can_be_scrolled_to() {
    let mut model = after_seconds();
    assert!(!picture(&model, 80, 24).contains("1,204"));
    assert!(picture(&model, 160, 40).contains("1,204"));
    assert!(picture(&model, 80, 24).contains("features 1 to 4 of 8"));
    for _ in 0..20 {
        model.scroll(true);
    }
    let last = picture(&model, 80, 24);
    assert!(last.contains("1,204") && last.contains("features 8 to 8 of 8"), "{last}");
    for _ in 0..20 {
        model.scroll(false);
    }
    assert!(picture(&model, 80, 24).contains("features 1 to 4 of 8"));
}

#[test]
fn a_terminal_that_is_too_small_says_how_large_it_has_to_be() {
    let model = after_seconds();
    for (width, height) in [(71, 24), (80, 17), (60, 8)] {
        let text = picture(&model, width, height);
        let words = text.replace(['"', '\n'], " ");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("needs 72 columns and 18 lines"), "{text}");
        assert!(words.contains(&format!("has {width} and {height}")), "{text}");
    }
    for (width, height) in [(1, 1), (10, 3), (72, 18), (300, 100)] {
        picture(&model, width, height);
        picture(&Model::default(), width, height);
    }
}

/// A card whose count and average become these, with so many events until then.
fn moved_to(arrivals: u64, count: i64, average: f64, ms: u64) -> ScreenState {
    let mut state = state(ms, count, average);
    for entity in &mut state.shown {
        entity.arrivals = arrivals;
    }
    state
}

#[test]
fn a_value_falls_by_time_alone_only_when_no_event_changed_it() {
    let mut model = Model::default();
    model.observe(moved_to(0, 7, 120.5, 0));
    assert_eq!(model.look("card_000000", 0), Look::Still);
    // An event raises the count and lowers the average.
    model.observe(moved_to(1, 8, 100.0, 250));
    assert_eq!(model.look("card_000000", 0), Look::Rose);
    assert_eq!(model.look("card_000000", 1), Look::Fell);
    assert_eq!(model.look("card_000000", 2), Look::Still);
    // Then one leaves the window, which lowers the count and raises the average.
    model.observe(moved_to(1, 7, 110.0, 500));
    assert_eq!(model.look("card_000000", 0), Look::Decayed);
    assert_eq!(model.look("card_000000", 1), Look::Decayed);
    model.observe(moved_to(1, 7, 110.0, 4_400));
    assert_eq!(model.look("card_000000", 0), Look::Decayed);
    model.observe(moved_to(1, 7, 110.0, 4_500));
    assert_eq!(model.look("card_000000", 0), Look::Still);
    model.observe(moved_to(2, 6, 110.0, 5_000));
    assert_eq!(model.look("card_000000", 0), Look::Fell, "an event came, whatever else left");
    model.observe(moved_to(2, 6, 110.0, 6_300));
    assert_eq!(model.look("card_000000", 0), Look::Still);
}

fn type_keys(model: &mut Model, keys: &[KeyCode]) -> Pressed {
    let mut pressed = Pressed::Ignored;
    for key in keys {
        pressed = press(model, KeyEvent::new(*key, KeyModifiers::NONE));
    }
    pressed
}

fn ids(model: &Model) -> Vec<&str> {
    model.rows().map(|row| row.id.as_str()).collect()
}

#[test]
fn the_table_is_sorted_by_the_named_column_the_greatest_first_or_the_other_way_round() {
    let mut model = after_seconds();
    assert_eq!(ids(&model)[..2], ["card_000005", "card_000004"]);
    type_keys(&mut model, &[KeyCode::Char('r')]);
    assert_eq!(ids(&model)[..2], ["card_000000", "card_000001"]);
    assert!(picture(&model, 80, 24).contains("by txn_count_5m \u{25b2}"));
    type_keys(&mut model, &[KeyCode::Char('r')]);
    type_keys(&mut model, &[KeyCode::Char('s'); 3]);
    assert!(picture(&model, 80, 24).contains("by is_high_velocity \u{25bc}"));
    assert_eq!(ids(&model)[..2], ["card_000000", "card_000001"], "yes goes before no");
    type_keys(&mut model, &[KeyCode::Char('s'); 5]);
    assert!(picture(&model, 80, 24).contains("by txn_count_5m \u{25bc}"), "around");
}

#[test]
fn the_chosen_row_stays_chosen_when_the_order_changes() {
    let mut model = after_seconds();
    type_keys(&mut model, &[KeyCode::Down, KeyCode::Down]);
    assert_eq!(model.chosen().unwrap().id, "card_000003");
    type_keys(&mut model, &[KeyCode::Char('r')]);
    assert_eq!(model.chosen().unwrap().id, "card_000003");
    assert!(picture(&model, 80, 24).contains("features/v/card_000003"));
}

#[test]
fn a_search_narrows_the_table_and_finds_those_who_are_not_in_it() {
    let mut model = after_seconds();
    type_keys(&mut model, &[KeyCode::Char('/'), KeyCode::Char('4')]);
    assert_eq!(ids(&model), ["card_000004"]);
    assert_eq!(type_keys(&mut model, &[KeyCode::Enter]), Pressed::Asked);
    assert_eq!(model.wishes.ask().page.as_deref(), Some("card_000004"));
    assert_eq!(type_keys(&mut model, &[KeyCode::Esc]), Pressed::Asked);
    assert_eq!(ids(&model).len(), 6);
    type_keys(&mut model, &[KeyCode::Char('/'), KeyCode::Char('1'), KeyCode::Char('7')]);
    assert!(
        picture(&model, 80, 24).contains("no card here has \\\"17\\\" in its id")
            || picture(&model, 80, 24).contains("no card here has \"17\" in its id")
    );
    type_keys(&mut model, &[KeyCode::Enter]);
    assert_eq!(model.wishes.ask().page.as_deref(), Some("card_0000017"));
    type_keys(&mut model, &[KeyCode::Esc, KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Esc]);
    assert_eq!(ids(&model).len(), 6, "q is a letter in a search, and Escape ends that");
}

#[test]
fn keys_open_the_legend_show_everybody_and_quit() {
    let mut model = after_seconds();
    type_keys(&mut model, &[KeyCode::Char('?')]);
    let text = picture(&model, 80, 24);
    for part in
        ["search an id", "no event did it", "curl http://127.0.0.1:8088/features/v/card_000005"]
    {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    type_keys(&mut model, &[KeyCode::Esc]);
    assert_eq!(type_keys(&mut model, &[KeyCode::Char('a')]), Pressed::Asked);
    assert!(model.wishes.ask().everybody);
    assert_eq!(type_keys(&mut model, &[KeyCode::Char('q')]), Pressed::Quit);
}

#[test]
fn until_it_is_live_the_screen_says_how_much_of_the_past_was_played() {
    let mut model = Model::default();
    let past =
        |percent, ms| ScreenState { past_percent: percent, shown: Vec::new(), ..state(ms, 7, 1.0) };
    model.observe(past(Some(45), 250));
    let text = picture(&model, 80, 24);
    assert!(text.contains("playing the past, 45 %"), "{text}");
    assert!(plain::line(&model).ends_with("playing the past, 45 %"));
    model.observe(past(None, 500));
    let text = picture(&model, 80, 24);
    assert!(
        text.contains("1 worker  live 0 ms") && text.contains("no card is being tested"),
        "{text}"
    );
}

#[test]
fn a_picture_holds_the_text_and_the_colours_of_the_screen() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let model = after_seconds();
    terminal.draw(|frame| draw::draw(frame, &model)).unwrap();
    let svg = picture::svg(terminal.backend().buffer());
    for part in ["<svg xmlns", "Cards being tested: 6", "card_000005", "#2f6fd0", "</svg>"] {
        assert!(svg.contains(part), "no {part} in {svg}");
    }
    assert!(svg.len() < 100_000, "{}", svg.len());
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
    let next = |_: &Ask| {
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
    for part in
        ["2.5 s", "late 25", "malformed 2", "watermark lag 5.0 s", "p99", "txn_count_5m=12 "]
    {
        assert!(last.contains(part), "no {part} in {last}");
    }
}

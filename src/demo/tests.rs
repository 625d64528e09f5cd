//! Claims about what the demo shows: a real engine over the past of a fixed seed around a fixed
//! present, and the screens as text.

use super::watch::DemoWatch;
use super::*;
use crate::cli::{Cli, Command, DemoArgs};
use crate::generator::live::Retelling;
use crate::screen::ScreenState;
use clap::Parser as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use tidemark_operators::time::MINUTE;

/// 2026-01-06T08:00:00Z, a Tuesday; America is asleep.
const PRESENT: EventTime = 1_767_686_400_000;

/// The demo of `job` when its past has been played.
struct Played {
    watch: DemoWatch,
    traffic: Traffic,
    plan: Arc<Plan>,
}

static FRAUD: LazyLock<Mutex<Played>> = LazyLock::new(|| Mutex::new(played("fraud")));
static BEHAVIOR: LazyLock<Mutex<Played>> = LazyLock::new(|| Mutex::new(played("behavior")));
static PERSONALIZATION: LazyLock<Mutex<Played>> =
    LazyLock::new(|| Mutex::new(played("personalization")));

/// The demo of `job`: its past is played once for all tests.
fn of(job: &str) -> MutexGuard<'static, Played> {
    let demo = match job {
        "fraud" => &FRAUD,
        "behavior" => &BEHAVIOR,
        _ => &PERSONALIZATION,
    };
    demo.lock().unwrap_or_else(PoisonError::into_inner)
}

fn arguments(line: &str) -> DemoArgs {
    match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Demo(args) => args,
        other => panic!("{other:?}"),
    }
}

fn played(job: &str) -> Played {
    let args = arguments(&format!("tidemark demo {job} --rate 100 --seed 7"));
    let plan = job_file::load(job).unwrap().plan;
    let traffic = Traffic::new(&args, &plan, 1, RecentRecords::default()).unwrap();
    let traffic = traffic.at(PRESENT, Some(0));
    let settings = Settings::load(&ClusterFile::None, Flags::default()).unwrap();
    let settings = Settings { workers: 1, ..settings };
    let run = engine::Settings { live_idle: None, ..engine_settings(&settings, &plan) };
    let observer = Observer::new(&run);
    let store: Arc<dyn OnlineStore> = Arc::new(Embedded::new(&plan, 1));
    let letters = DemoLetters::default();
    let (seen, kept) = (Arc::clone(&store), letters.clone());
    let mut watch = DemoWatch::new(&run, observer.clone(), seen, kept, traffic.clone());
    watch.http = Some("127.0.0.1:8088".to_owned());
    let sinks = DemoSinks { letters, store, flagged: watch.flagged() };
    let config = TablesConfig::default();
    let tables = OpenTables::open(&plan, &config, &|| true).unwrap().unwrap_or_default();
    let engine = start(&run, &observer, &traffic, sinks, tables).unwrap();
    engine.join().unwrap().unwrap();
    Played { watch, traffic, plan }
}

impl Played {
    /// What the screen is told, but for what depends on the machine.
    fn look(&mut self, ask: &Ask) -> ScreenState {
        ScreenState {
            uptime: Duration::from_secs(65),
            latency_ns: tidemark_operators::metrics::HistogramSnapshot::default(),
            rss_bytes: 256 << 20,
            timeline_bytes: 20 << 20,
            rows: 400_000,
            entities: 200_000,
            timeline_rows: 900_000,
            frontier: Some(PRESENT - 5_000),
            newest_dead: Some("card_0000001 late".to_owned()),
            ..self.watch.look(ask)
        }
    }

    /// Of all members, what is planted in the last `minutes` before the clock: how often.
    fn planted(&self, clock: EventTime, minutes: u64) -> BTreeMap<String, usize> {
        let mut planted = BTreeMap::new();
        self.traffic.each(|record| {
            let is_new = record.time + minutes * MINUTE > clock && record.time <= clock;
            if record.planted && is_new && record.kind == crate::generator::Kind::OnTime {
                let key = String::from_utf8(record.key.to_vec()).unwrap();
                *planted.entry(key).or_insert(0) += 1;
            }
        });
        planted
    }
}

fn shown(state: &ScreenState) -> BTreeSet<&str> {
    state.shown.iter().map(|entity| entity.id.as_str()).collect()
}

#[test]
fn the_cards_that_are_shown_are_those_being_tested_and_no_other() {
    let mut demo = of("fraud");
    let state = demo.look(&Ask::default());
    let clock = state.live_clock.unwrap();
    let (shown, planted) = (shown(&state), demo.planted(clock, 1));
    assert!(shown.len() >= 5, "{shown:?}");
    for id in &shown {
        assert!(planted.contains_key(*id), "{id} is nobody's victim");
    }
    // Of eight attempts five at least are refused, but for a chance of one in a hundred.
    let tested: Vec<_> = planted.iter().filter(|(_, attempts)| **attempts >= 8).collect();
    assert!(tested.len() >= 4, "{planted:?}");
    for (id, attempts) in tested {
        assert!(shown.contains(id.as_str()), "{id} is tried {attempts} times a minute");
    }
    let everybody = demo.look(&Ask { everybody: true, page: None });
    assert!(everybody.shown.iter().all(|e| e.grounds.is_none() || shown.contains(e.id.as_str())));
}

#[test]
fn the_windows_of_a_card_that_is_tested_differ() {
    let mut demo = of("fraud");
    let state = demo.look(&Ask::default());
    let at = |name: &str| state.features.iter().position(|f| f == name).unwrap();
    let number =
        |e: &crate::screen::ShownEntity, name| screen::number(&e.values[at(name)]).unwrap();
    let differ = state.shown.iter().filter(|e| {
        let of = ["txn_count_5m", "txn_count_30m", "txn_count_24h"].map(|name| number(e, name));
        of[0] < of[1] && of[1] < of[2]
    });
    assert!(differ.count() * 2 > state.shown.len(), "{:?}", state.shown);
}

#[test]
fn the_accounts_that_are_shown_are_those_taken_over_and_no_other() {
    let mut demo = of("behavior");
    let state = demo.look(&Ask::default());
    let clock = state.live_clock.unwrap();
    let (shown, planted) = (shown(&state), demo.planted(clock, 5));
    assert!(shown.len() >= 4, "{shown:?} {planted:?}");
    assert!(shown.iter().all(|id| planted.contains_key(*id)), "{shown:?} {planted:?}");
    let taken: Vec<_> = planted.iter().filter(|(_, events)| **events >= 20).collect();
    assert!(!taken.is_empty());
    assert!(taken.iter().all(|(id, _)| shown.contains(id.as_str())), "{shown:?} {taken:?}");
}

#[test]
fn the_users_about_to_buy_have_something_in_the_cart_and_have_bought_nothing() {
    let mut demo = of("personalization");
    let state = demo.look(&Ask::default());
    let clock = state.live_clock.unwrap();
    assert!(state.shown.len() >= 20, "{}", state.shown.len());
    for entity in &state.shown {
        let mut told = Vec::new();
        let mut past: Retelling = demo.traffic.retell(&entity.id).unwrap();
        past.tell(clock, |_, line| {
            let click: serde_json::Value = serde_json::from_slice(line).unwrap();
            told.push(click["event_type"].as_str().unwrap().to_owned());
        });
        let id = &entity.id;
        assert!(told.iter().any(|what| what == "cart_add"), "{id}: {told:?}");
        // The whole past of ten minutes is one session.
        assert!(told.iter().all(|what| what != "purchase"), "{id}: {told:?}");
    }
}

#[test]
fn the_card_and_user_that_the_help_names_have_a_row_and_a_past() {
    for (job, id) in [
        ("fraud", "card_0000017"),
        ("behavior", "user_0000017"),
        ("personalization", "user_0000017"),
    ] {
        let mut demo = of(job);
        let page = demo.look(&Ask { everybody: false, page: Some(id.to_owned()) }).page.unwrap();
        assert!(page.known && !page.events.is_empty(), "{job}: {page:?}");
        assert!(page.entity.command.ends_with(id));
        let nobody = Ask { everybody: false, page: Some("card_x".to_owned()) };
        let page = demo.look(&nobody).page.unwrap();
        assert!(!page.known && page.events.is_empty());
    }
}

#[test]
fn a_page_tells_the_events_that_its_row_counts() {
    let mut demo = of("fraud");
    let state = demo.look(&Ask::default());
    let clock = state.live_clock.unwrap();
    let lengths = [("txn_count_5m", 5), ("txn_count_30m", 30), ("txn_count_24h", 24 * 60)];
    for id in state.shown.iter().map(|entity| entity.id.clone()) {
        let page = demo.look(&Ask { everybody: false, page: Some(id.clone()) }).page.unwrap();
        for (name, minutes) in lengths {
            let at = state.features.iter().position(|f| f == name).unwrap();
            let length = minutes * MINUTE;
            let inside = page.events.iter().filter(|e| e.time + length > clock).count();
            let counted = screen::number(&page.entity.values[at]).unwrap();
            assert_eq!(counted, inside as f64, "{id} {name}");
        }
    }
    assert_eq!(demo.plan.name, "fraud");
}

#[test]
fn the_screens_look_as_they_are_kept() {
    for job in ["fraud", "behavior", "personalization"] {
        let mut demo = of(job);
        let table = demo.look(&Ask::default());
        let first = table.shown.first().map(|entity| entity.id.clone());
        let page = demo.look(&Ask { everybody: false, page: first });
        for (width, height) in [(80, 24), (120, 36)] {
            for (name, state) in [("table", &table), ("page", &page)] {
                let text = screen::text(state.clone(), width, height);
                let path = format!("src/demo/tests/{job}-{name}-{width}x{height}.txt");
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
                if std::env::var_os("KEEP_SCREENS").is_some() {
                    std::fs::write(&path, &text).unwrap();
                }
                let kept = std::fs::read_to_string(&path).unwrap_or_default();
                assert!(
                    text == kept,
                    "{} is different now; with KEEP_SCREENS=1 it is kept:\n{text}",
                    path.display()
                );
            }
        }
    }
}

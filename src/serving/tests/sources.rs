//! Which source answers.

use super::*;
use crate::online::redis::{RedisServers, RedisSettings};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A Redis that nobody listens at.
pub(super) fn down(plan: &Plan) -> RowSource {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings =
        RedisSettings { servers: RedisServers::on_loopback(port), ..RedisSettings::default() };
    let rows = RedisRows::start("redis".to_owned(), plan, settings, 1, Duration::from_secs(20));
    RowSource::Redis(rows.unwrap())
}

/// A Redis that takes connections and says nothing on them.
fn mute(plan: &Plan, listener: &TcpListener) -> RowSource {
    let servers = RedisServers::on_loopback(listener.local_addr().unwrap().port());
    let settings = RedisSettings { servers, ..RedisSettings::default() };
    let rows = RedisRows::start("mute".to_owned(), plan, settings, 1, Duration::from_millis(20));
    RowSource::Redis(rows.unwrap())
}

fn question() -> Json {
    json!({"features": ["card_5m:n"], "entities": {"card_id": ["c1", "nobody"]}})
}

fn metrics(server: &Server) -> String {
    server.request("GET", "/metrics", "", "").1.as_str().unwrap().to_owned()
}

/// The breaker of each source, as `/health` says.
fn breakers(server: &Server) -> Vec<String> {
    let health = server.request("GET", "/health", "", "").1;
    let each = health["sources"].as_array().unwrap().iter();
    each.map(|source| source["breaker"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_source_that_is_down_or_mute_is_passed_over_and_the_answer_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::of(ServeSettings::default(), |plan, engine| {
        vec![down(plan), mute(plan, &listener), RowSource::engine(engine)]
    });
    for _ in 0..5 {
        let (code, answer) = server.ask(&question());
        assert_eq!(code, 200, "{answer}");
        assert_eq!(answer["results"][1]["values"], json!([2, 0]));
        assert_eq!(answer["results"][1]["statuses"], json!(["PRESENT", "NOT_FOUND"]));
        let metadata = &answer["metadata"];
        assert_eq!(metadata["source"], json!("engine"));
        let why = |source: &str| metadata["passed_over"][source].as_str().unwrap().to_owned();
        assert!(why("redis").contains("refused"), "{metadata}");
        assert!(why("mute").contains("within 20 ms") || why("mute").contains("time"), "{metadata}");
    }
    // After three each is known to be so, and questions go by it.
    assert_eq!(breakers(&server), ["open", "open", "closed"]);
    let metrics = metrics(&server);
    for line in [
        "tidemark_serving_answers_total{source=\"engine\"} 5",
        "tidemark_serving_answers_total{source=\"redis\"} 0",
        "tidemark_serving_passed_over_total{source=\"redis\",reason=\"down\"} 3",
        "tidemark_serving_passed_over_total{source=\"redis\",reason=\"open\"} 2",
        "tidemark_serving_passed_over_total{source=\"mute\",reason=\"down\"} 3",
        "tidemark_serving_breaker_status{source=\"redis\"} 2",
        "tidemark_serving_breaker_status{source=\"engine\"} 0",
        "tidemark_serving_redis_waiting{source=\"redis\"} 0",
        "tidemark_serving_fresh 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "no {line} in\n{metrics}");
    }
    assert_eq!(server.request("GET", "/ready", "", "").1["source"], json!("engine"));
}

/// The servers of a cluster, of which none listens.
fn scattered(plan: &Plan) -> RowSource {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let RedisServers::Single(address) = RedisServers::on_loopback(port) else { unreachable!() };
    let servers = RedisServers::Cluster(vec![address]);
    let settings = RedisSettings { servers, ..RedisSettings::default() };
    let rows = RedisRows::start("cluster".to_owned(), plan, settings, 1, Duration::from_secs(20));
    RowSource::Redis(rows.unwrap())
}

#[test]
fn a_cluster_is_asked_each_question_for_one_server_says_nothing_of_the_others() {
    let server = Server::of(ServeSettings::default(), |plan, engine| {
        vec![scattered(plan), RowSource::engine(engine)]
    });
    for _ in 0..5 {
        assert_eq!(server.ask(&question()).1["metadata"]["source"], json!("engine"));
    }
    assert_eq!(breakers(&server), ["closed", "closed"]);
    let line = "tidemark_serving_passed_over_total{source=\"cluster\",reason=\"down\"} 5";
    let metrics = metrics(&server);
    assert!(metrics.lines().any(|it| it == line), "no {line} in\n{metrics}");
}

#[test]
fn a_stale_source_is_passed_over_until_it_is_current_again() {
    let (second, workers) = table(&tidemark_jobs::load("payments.toml", JOB).unwrap());
    for _ in 0..2 {
        step(&workers, wall_ms().unwrap());
        second.look();
    }
    let first = Server::of(ServeSettings::default(), |_, engine| {
        vec![RowSource::engine(engine), RowSource::engine(second)]
    });
    let source = |server: &Server| server.ask(&question()).1["metadata"].clone();
    assert_eq!(source(&first)["passed_over"], Json::Null);
    first.live(wall_ms().unwrap() - 70_000);
    for _ in 0..5 {
        let metadata = source(&first);
        assert!(
            metadata["passed_over"]["engine"].as_str().unwrap().contains("behind"),
            "{metadata}"
        );
        assert_eq!(first.told(&question())["n"], json!([[2, 0], ["PRESENT", "NOT_FOUND"]]));
    }
    assert_eq!(breakers(&first), ["open", "closed"]);
    first.live(wall_ms().unwrap());
    let begun = Instant::now();
    while breakers(&first) != ["closed", "closed"] {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never probed");
        std::thread::sleep(Duration::from_millis(10));
        first.look();
    }
    assert_eq!(source(&first)["passed_over"], Json::Null);
}

#[test]
fn when_no_source_is_current_nothing_is_told_and_when_none_answers_nobody_is_answered() {
    let stale = Server::of(ServeSettings::default(), |plan, engine| {
        vec![down(plan), RowSource::engine(engine)]
    });
    let clock = wall_ms().unwrap() - 70_000;
    stale.live(clock);
    // Also once both are known to be so.
    for _ in 0..5 {
        let (code, answer) = stale.ask(&question());
        assert_eq!(code, 200, "{answer}");
        assert_eq!(answer["results"][1]["values"], json!([null, null]));
        let outside = json!(["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]);
        assert_eq!(answer["results"][1]["statuses"], outside);
        let metadata = &answer["metadata"];
        assert_eq!((&metadata["source"], &metadata["as_of"]), (&json!("engine"), &json!(clock)));
        assert!(metadata["stale"].as_str().unwrap().contains("behind"), "{metadata}");
        assert!(metadata["passed_over"]["redis"].as_str().unwrap().contains("refused"));
    }
    assert_eq!(stale.request("GET", "/ready", "", "").0, 503);
    let none = Server::of(ServeSettings::default(), |plan, _| vec![down(plan)]);
    for _ in 0..5 {
        let (code, why) = none.ask(&question());
        assert!(code == 503 && why.as_str().unwrap().contains("refused"), "{code} {why}");
    }
    let (code, ready) = none.request("GET", "/ready", "", "");
    assert_eq!((code, &ready["ready"], &ready["source"]), (503, &Json::Bool(false), &Json::Null));
    // It answers, so nothing would be won by starting it again.
    let (code, health) = none.request("GET", "/health", "", "");
    assert_eq!(
        (code, &health["status"], &health["source"]),
        (200, &json!("degraded"), &Json::Null)
    );
}

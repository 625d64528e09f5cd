//! Which events the rows of an answer show.

use super::sources::down;
use super::*;
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::origin::PartitionId;

/// A table with two rows of one worker, whose job has caught up or not.
struct Job {
    store: Arc<Embedded>,
    server: Server,
}

impl Job {
    fn new(caught_up: bool) -> Job {
        let plan = tidemark_jobs::load("payments.toml", JOB).unwrap().plan;
        let store = Arc::new(Embedded::new(&plan, 1));
        let metrics = Arc::new(WorkerMetrics::new(0, &plan));
        let held: Arc<dyn OnlineStore> = Arc::clone(&store) as _;
        let rows = EngineRows::new(held, vec![Arc::clone(&metrics)], move || caught_up);
        let server = Server::of(ServeSettings::default(), |_, _| vec![RowSource::engine(rows)]);
        for _ in 0..2 {
            step(std::slice::from_ref(&metrics), wall_ms().unwrap());
            server.look();
        }
        write(&*store, 1, 1, "c1", &[Value::Int(3)]);
        write(&*store, 1, 2, "17", &[Value::Int(4)]);
        Job { store, server }
    }

    /// The rows of the entity type at job index `entity` show these.
    fn shows(&self, entity: usize, clock: u64, offsets: &[(u32, u64)]) {
        let partition = |partition| PartitionId { source: 0, partition };
        let offsets = offsets.iter().map(|(at, offset)| (partition(*at), *offset)).collect();
        self.store.writer(0).applied(&AppliedEvents { entity, clock, offsets });
    }

    fn ask(&self, positions: &Json) -> (u16, Json) {
        self.server.ask(&json!({
            "features": ["card_1h:n", "shop_5m:shop_n"],
            "entities": {"card_id": ["c1", "nobody"], "shop": [17, 18]},
            "positions": positions,
        }))
    }
}

#[test]
fn an_answer_says_for_each_entity_which_events_its_rows_show_where_it_is_asked() {
    let job = Job::new(true);
    job.shows(0, 1_767_484_800_250, &[(0, 812), (3, 790)]);
    job.shows(1, 1_767_484_800_251, &[]);
    let (code, answer) = job.ask(&json!(true));
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["results"][2]["values"], json!([3, 0]));
    assert_eq!(answer["results"][3]["values"], json!([4, 0]));
    let card = json!({"as_of": 1_767_484_800_250_u64, "positions": {"t": {"0": 812, "3": 790}}});
    let shop = json!({"as_of": 1_767_484_800_251_u64, "positions": {}});
    let told = json!({"card": [card, card], "shop": [shop, shop]});
    assert_eq!(answer["metadata"]["positions"], told);
    assert_eq!(answer["metadata"]["source"], json!("engine"));
    for unasked in [json!(false), Json::Null] {
        let (code, without) = job.ask(&unasked);
        assert_eq!((code, &without["results"]), (200, &answer["results"]));
        assert_eq!(without["metadata"].get("positions"), None);
    }
    assert_eq!(job.ask(&json!("yes")).0, 422);
}

#[test]
fn positions_are_not_told_of_rows_that_are_on_their_way_nor_before_the_job_has_caught_up() {
    let job = Job::new(true);
    job.shows(0, 7, &[(0, 1)]);
    let (code, why) = job.ask(&json!(true));
    assert!(code == 503 && why.as_str().unwrap().contains("given none yet"), "{code} {why}");
    job.shows(1, 7, &[(0, 1)]);
    assert_eq!(job.ask(&json!(true)).0, 200);
    write(&*job.store, 1, 1, "c2", &[Value::Int(1)]);
    let (code, why) = job.ask(&json!(true));
    assert!(code == 503 && why.as_str().unwrap().contains("being written"), "{code} {why}");
    assert_eq!(job.ask(&json!(false)).0, 200, "the rows themselves are told");
    let behind = Job::new(false);
    behind.shows(0, 7, &[(0, 1)]);
    behind.shows(1, 7, &[(0, 1)]);
    let (code, why) = behind.ask(&json!(true));
    assert!(code == 503 && why.as_str().unwrap().contains("not caught up"), "{code} {why}");
}

#[test]
fn a_server_that_reads_redis_alone_refuses_to_tell_positions_and_says_who_knows_them() {
    let server = Server::of(ServeSettings::default(), |plan, _| vec![down(plan)]);
    let (code, why) = server.ask(&json!({
        "features": ["card_1h:n"], "entities": {"card_id": ["c1"]}, "positions": true,
    }));
    assert_eq!((code, &why["detail"][0]["loc"]), (422, &json!(["body", "positions"])), "{why}");
    assert!(why.to_string().contains("the process that runs the job"), "{why}");
}

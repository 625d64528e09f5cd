//! Stock Feast, our server and `tidemark validate` on rows in Feast's layout, in a Redis Cluster and behind a
//! Sentinel.

use super::*;
use crate::online::cluster::Servers;
use crate::serving::{FromRedis, request};

const CURRENT: &str = "[serve]\nstale_after = \"1h\"\nbehind_max = \"36500d\"\n";

/// Runs `fraud` into the Redis that these settings name, and sees that all who read it read its rows.
pub fn all_read_what_the_job_writes(redis: &str, feast_variables: &[(&str, &str)]) {
    let records = traffic(Profile::Fraud, 4_000);
    let world = World::of("fraud", &records, redis, CURRENT);
    let rows = rows(&world.plan, &records);
    let repo = world.repo();
    Feast::new(&repo).run(&["apply"]);
    let mut reader = Reader::with(&repo, feast_variables);
    reader.told(&json!({}));
    let mut process = world.start(&[]);
    let compared = until_read(&world, &mut reader, &rows, false);
    assert!(compared > 5_000, "{compared}");
    let settings = world.folder.path().join("cluster.toml");
    let served = FromRedis::start(world.folder.path(), "redis://nobody");
    until("our server", || request(served.port, "GET /ready", "").is_some_and(|it| it.0 == 200));
    let view = world.plan.view(0).unwrap();
    let refs: Vec<_> =
        view.features.iter().map(|it| format!("{}:{}", view.name, it.name)).collect();
    let mut told = 0;
    for ((_, id), row) in rows.iter().filter(|((name, _), _)| *name == view.name).take(200) {
        let question = json!({ "features": refs, "entities": { "card_id": [id] } }).to_string();
        let (code, answer) =
            request(served.port, "POST /get-online-features", &question).expect("an answer");
        assert_eq!(code, 200, "{answer}");
        for (feature, column) in
            view.features.iter().zip(answer["results"].as_array().unwrap().iter().skip(1))
        {
            assert_eq!(column["values"][0], row[&feature.name], "{} of {id}", feature.name);
            told += 1;
        }
    }
    assert!(told > 1_000, "{told}");
    let validated = crate::run::command()
        .args(["validate", "fraud", "--cluster"])
        .arg(&settings)
        .envs(world.variables())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&validated.stdout);
    assert!(validated.status.success(), "{said}{}", String::from_utf8_lossy(&validated.stderr));
    process.stop("TERM");
}

#[test]
fn stock_feast_and_our_server_read_rows_in_feast_s_layout_on_a_cluster() {
    let servers = Servers::start();
    let redis = format!("mode = \"cluster\"\naddresses = \"{}\"\n", servers.seed());
    all_read_what_the_job_writes(&redis, &[]);
}

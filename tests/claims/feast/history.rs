//! Rows over time: they decay, one of two views goes, keys expire.

use super::*;

/// Two views of a card, one of them short, and an entity whose key is a number.
const JOB: &str = r#"
[job]
name = "pair"
[sources.t]
topic = "t"
time = "ts"
out_of_orderness = "1s"
[sources.t.fields]
card_id = "string"
customer_id = "int"
amount = "decimal"
[entities.card]
key = "card_id"
[entities.customer]
key = "customer_id"
[views.short]
entity = "card"
[views.short.features]
payments = { aggregate = "count", window = "1m" }
[views.long]
entity = "card"
[views.long.features]
payments_30m = { aggregate = "count", window = "30m" }
payments_1h = { aggregate = "count", window = "1h" }
paid = { aggregate = "sum", of = "amount", window = "1h" }
[views.of_customer]
entity = "customer"
[views.of_customer.features]
payments = { aggregate = "count", window = "1h" }
paid = { aggregate = "sum", of = "amount", window = "1h" }
"#;

const START: u64 = 1_767_484_800_000;
const MINUTE: u64 = 60_000;

fn payment(ms: u64, card: &str, customer: i64, amount: &str) -> (Record, Record) {
    let line =
        format!(r#"{{"ts":{ms},"card_id":"{card}","customer_id":{customer},"amount":{amount}}}"#);
    (card.as_bytes().to_vec(), line.into_bytes())
}

/// In both partitions, so that no clock waits for the other.
fn part(records: Vec<(Record, Record)>) -> Records {
    vec![records.clone(), records]
}

#[test]
fn stock_feast_reads_rows_that_decay_go_and_expire() {
    let first = part(vec![
        payment(START, "c1", 17, "1.25"),
        payment(START + 1, "c1", -3, "0.10"),
        payment(START + 2, "kärd-漢", 17, "99.99"),
    ]);
    let file = Folder::new("feast-pair");
    let job = file.file("pair.toml");
    std::fs::write(&job, JOB).unwrap();
    let world = World::new(&job, &first, "");
    let repo = world.repo();
    Feast::new(&repo).run(&["apply"]);
    let mut reader = Reader::start(&repo);
    reader.told(&json!({}));
    let mut process = world.start(&[("REDIS_FEATURE_TTL", "20")]);
    let mut all = first;
    for minutes in [0, 2, 31, 62] {
        let more = part(vec![payment(START + minutes * MINUTE + 10, "other", 1, "5")]);
        write(&world.topic, &more);
        all.iter_mut().zip(more).for_each(|(all, more)| all.extend(more));
        let rows = rows(&world.plan, &all);
        let has = |view: &str| rows.contains_key(&(view.to_owned(), "c1".to_owned()));
        assert_eq!((has("short"), has("long")), (minutes < 2, minutes < 62), "{minutes}");
        assert!(rows.contains_key(&("of_customer".to_owned(), "1".to_owned())));
        for asynchronous in [false, true] {
            until_read(&world, &mut reader, &rows, asynchronous);
        }
    }
    // Nobody refreshes the TTL any more.
    process.kill();
    process.wait();
    let mut client = world.client();
    until("the keys to expire", || {
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("\u{1}*").query(&mut client).unwrap();
        keys.is_empty()
    });
    until_read(&world, &mut reader, &BTreeMap::new(), false);
}

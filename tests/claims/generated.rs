//! Generated records in topics: the same as in files, and those of now.

use crate::folder::Folder;
use crate::run::{Process, command, settings, until};
use crate::servers::{Server, shared_kafka};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Message, Timestamp};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far behind their partition's newest event the shipped jobs let records be, in ms.
const OUT_OF_ORDER: u64 = 5_000;

fn output(arguments: &str, variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = command();
    command.args(arguments.split(' ').filter(|argument| !argument.is_empty()));
    let Output { status, stdout, stderr } =
        command.envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn brokers() -> &'static str {
    shared_kafka().value("BOOTSTRAP")
}

fn lines(path: impl AsRef<Path>) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

/// What is in a topic, by partition: key, value and the time the producer gave.
fn held(topic: &str, partitions: i32) -> BTreeMap<i32, Vec<(String, serde_json::Value, u64)>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers())
        .set("group.id", "claims")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut from = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..partitions {
        from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        let (low, high) =
            consumer.fetch_watermarks(topic, partition, Duration::from_secs(30)).unwrap();
        left += high - low;
    }
    consumer.assign(&from).unwrap();
    let mut held: BTreeMap<i32, Vec<_>> = BTreeMap::new();
    until("the topic to be read", || {
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            let message = message.unwrap();
            let Timestamp::CreateTime(at) = message.timestamp() else { panic!("no CreateTime") };
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            let value = json(std::str::from_utf8(message.payload().unwrap()).unwrap());
            held.entry(message.partition()).or_default().push((key, value, at.try_into().unwrap()));
            left -= 1;
        }
        left == 0
    });
    held
}

#[test]
fn a_filled_topic_gives_through_run_the_rows_that_files_of_the_generator_give_through_replay() {
    let folder = Folder::new("generated-topic");
    let (topic, kafka) = ("generated-twin", ("KAFKA_BOOTSTRAP_SERVERS", brokers()));
    let same = "--profile fraud --events 20_000 --seed 7 --cards 500 --hours 3 --late 0.01 \
                --malformed 0.01 --partitions 3";
    let (code, in_files, _) =
        output(&format!("generate {same} --out {}", folder.file("f.jsonl")), &[]);
    assert_eq!(code, 0);
    let (code, in_topic, told) = output(&format!("generate {same} --topic {topic}"), &[kafka]);
    assert!(code == 0 && told.contains("(3 partitions, created now)"), "{code} {told}");
    let what = |said: &str| said.rsplit_once(": ").unwrap().0.to_owned();
    assert_eq!(what(&in_files), what(&in_topic));
    assert!(in_topic.ends_with(&format!(": topic {topic} on {}\n", brokers())), "{in_topic}");

    let files: Vec<_> = (0..3).map(|p| folder.file(&format!("f-{p}.jsonl"))).collect();
    let (code, _, errors) = output(
        &format!(
            "replay fraud --source transactions={} --sealed {} --dlq {}",
            files.join(","),
            folder.file("replayed.jsonl"),
            folder.file("replayed_dead.jsonl")
        ),
        &[],
    );
    assert_eq!(code, 0, "{errors}");
    let replayed = lines(folder.file("replayed.jsonl"));
    // Where the watermark of the topic stands; rows behind it are sealed.
    let mut newest = BTreeMap::new();
    for row in replayed.iter().map(|line| json(line)) {
        let time = newest.entry(row["partition"].as_u64().unwrap()).or_insert(0);
        *time = row["as_of"].as_u64().unwrap().max(*time);
    }
    assert_eq!(newest.len(), 3);
    let frontier = newest.values().min().unwrap() - OUT_OF_ORDER;
    let behind = |line: &&String| json(line)["as_of"].as_u64().unwrap() < frontier;
    let sealed: BTreeSet<String> = replayed.iter().filter(behind).cloned().collect();
    assert!(sealed.len() > 10_000, "{}", sealed.len());

    let rows = folder.file("run.jsonl");
    let more = format!("[online]\nkind = \"embedded\"\n[sealed]\npath = {rows:?}\n");
    settings(folder.path(), &more);
    let mut job = Process::start(folder.path(), "fraud", &[kafka, ("KAFKA_TOPIC", topic)]);
    job.until_ready();
    until("the rows to be sealed", || {
        std::fs::read_to_string(&rows).is_ok_and(|text| text.lines().count() >= sealed.len())
    });
    job.signal("TERM");
    assert!(job.wait().success(), "{}", job.log());
    let ran = lines(&rows);
    assert!(sealed.is_subset(&ran), "{:?}", sealed.difference(&ran).next());
    assert!(ran.is_subset(&replayed), "{:?}", ran.difference(&replayed).next());
    let letters = |name: &str| -> BTreeSet<(u64, u64, String)> {
        let letter = |line: String| {
            let letter = json(&line);
            let number = |key: &str| letter[key].as_u64().unwrap();
            (number("partition"), number("offset"), letter["reason"].to_string())
        };
        lines(folder.file(name)).into_iter().map(letter).collect()
    };
    let dead = letters("dead.jsonl");
    assert!(dead.len() > 200, "{}", dead.len());
    assert_eq!(dead, letters("replayed_dead.jsonl"));
}

#[test]
fn records_at_a_rate_are_of_now_keyed_by_card_and_a_signal_ends_them_whole() {
    let topic = "generated-live";
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut command = command();
    command.args(["generate", "--topic", topic, "--rate", "2_000", "--partitions", "2"]);
    command.args(["--bootstrap", brokers()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let end = |partition| {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap();
        consumer
            .fetch_watermarks(topic, partition, Duration::from_secs(30))
            .map_or(0, |ends| ends.1)
    };
    until("records in both partitions", || (0..2).all(|partition| end(partition) > 500));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (said, told) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(0), "{told}");
    assert!(told.contains("2,000 a second, until Ctrl-C"), "{told}");

    let held = held(topic, 2);
    let count: usize = held.values().map(Vec::len).sum();
    assert_eq!(said.split(' ').next().unwrap().replace(',', ""), count.to_string(), "{said}");
    let mut homes = BTreeMap::new();
    for (partition, records) in &held {
        for (key, value, created) in records {
            assert_eq!(value["card_id"], **key);
            assert_eq!(homes.entry(key).or_insert(partition), &partition, "{key}");
            let happened = value["timestamp"].as_u64().unwrap();
            assert!(happened <= *created, "{happened} is ahead of {created}");
            assert!(happened + OUT_OF_ORDER >= before, "{happened} is before {before}");
        }
    }
    assert_eq!(held.len(), 2);
}

#[test]
fn a_topic_that_is_there_keeps_its_partitions_and_what_it_holds_is_said() {
    // What jobs read is no place for made-up records unless it is named.
    let kafka = [("KAFKA_BOOTSTRAP_SERVERS", brokers()), ("KAFKA_TOPIC", "generated-again")];
    let (code, _, errors) = output("generate --events 1_000 --partitions 2", &kafka);
    assert!(code == 2 && errors.contains("it is not said where to"), "{errors}");
    let again = "generate --topic generated-again";
    let (code, _, told) = output(&format!("{again} --events 1_000 --partitions 2"), &kafka);
    assert!(code == 0 && told.contains("(2 partitions, created now)"), "{told}");
    let (code, _, told) = output(&format!("{again} --events 500 --seed 2"), &kafka);
    assert!(code == 0 && told.contains("(2 partitions)"), "{told}");
    assert!(told.contains("holds 1,000 records already"), "{told}");
    let (code, _, errors) = output(&format!("{again} --events 1 --partitions 3"), &kafka);
    assert!(code == 2 && errors.contains("has 2 partitions, and 3 are asked for"), "{errors}");
    let count: usize = held("generated-again", 2).values().map(Vec::len).sum();
    assert_eq!(count, 1_500);
}

#[test]
fn a_topic_of_a_shipped_job_gets_its_records() {
    let line = format!("generate --topic clicks --events 100 --bootstrap {}", brokers());
    let (code, _, errors) = output(&line, &[]);
    assert_eq!(code, 0, "{errors}");
    for (key, click, _) in &held("clicks", 1)[&0] {
        assert!(click["user_id"] == **key && click["card_id"].is_null(), "{click}");
    }
}

#[test]
fn brokers_with_tls_and_sasl_are_reached_as_cluster_toml_says_and_a_wrong_password_is_named() {
    let server = Server::start("kafka", &["--secure", "ann:hunter2"]);
    let folder = Folder::new("generated-secure");
    let fill = |password: &str| {
        let settings = format!(
            "[kafka]\nbootstrap_servers = {:?}\n[kafka.settings]\n\
             security.protocol = \"SASL_SSL\"\nsasl.mechanism = \"PLAIN\"\n\
             sasl.username = \"ann\"\nsasl.password = \"{password}\"\nssl.ca.location = {:?}\n",
            server.value("BOOTSTRAP"),
            server.value("CA")
        );
        let cluster = folder.write("cluster.toml", settings).display().to_string();
        output(&format!("generate --topic secured --events 1_000 --cluster {cluster}"), &[])
    };
    let (code, said, errors) = fill("hunter2");
    assert!(code == 0 && said.starts_with("1,000 records ("), "{said}{errors}");
    let (code, _, errors) = fill("hunter3");
    assert!(code == 1 && errors.contains("uthentication failed"), "{code} {errors}");
    assert!(!errors.contains("hunter"), "{errors}");
}

#[test]
fn what_cannot_be_filled_is_refused_with_the_next_step() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::new("generated-wrong");
    let cluster = folder.file("cluster.toml");
    std::fs::write(&cluster, "[kafka.settings]\n\"sasl.mechanismus\" = \"PLAIN\"\n").unwrap();
    let nowhere = format!("--bootstrap {free}");
    for (arguments, code, words) in [
        (format!("--topic t --events 1 {nowhere}"), 1, "could not ask the brokers"),
        (format!("--topic t --events 1 {nowhere}"), 1, "KAFKA_BOOTSTRAP_SERVERS"),
        (format!("--topic t --events 1 --cluster {cluster}"), 2, "'sasl.mechanismus'"),
        ("--topic t --out x.jsonl --events 1".to_owned(), 2, "cannot be used with"),
        ("--out x.jsonl --events 1 --rate 5".to_owned(), 2, "cannot be used with"),
        ("--events 1".to_owned(), 2, "--topic NAME"),
        ("--out x.jsonl".to_owned(), 2, "--events 100_000"),
        (format!("--topic t --rate 2_000_000 {nowhere}"), 2, "up to 1,000,000"),
        (format!("--topic t --cards 9_000_000 {nowhere}"), 2, "`cards` must be from 1 to"),
    ] {
        let (ended, _, errors) = output(&format!("generate {arguments}"), &[]);
        assert!(ended == code && errors.contains(words), "{arguments}: {ended} {errors}");
    }
    assert!(!Path::new("x.jsonl").exists());
}

//! Dead letters that go back into their topic: each once, as its record was.

use crate::folder::Folder;
use crate::run::{Process, command, kafka, until};
use crate::servers::shared_kafka;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemark::checkpoint::NotLeading;
use tidemark::dead_letters::encode;
use tidemark::kafka::{
    CommittedLetters, CommittedTo, DeadLetterSettings, REPLAYED_FROM, REPLAYED_REASON,
    create_topic, produce,
};
use tidemark::publishing::Unpublished;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

const PARTITIONS: u32 = 3;

/// A topic of this name, and no letters of it that were replayed.
fn topic(name: &str) -> String {
    assert!(create_topic(&kafka(), name, PARTITIONS, &[]).unwrap(), "{name} is new");
    name.to_owned()
}

fn letter(topic: &str, partition: u32, offset: u64, reason: Reason) -> DeadLetter {
    DeadLetter {
        source: "transactions".to_owned(),
        topic: Some(topic.to_owned()),
        partition: PartitionId { source: 0, partition },
        offset,
        key: Some(b"card \xff\x00".to_vec()),
        value: Some(format!("{{\"n\":{offset}").into_bytes()),
        reason,
        event_time: None,
        field_time: None,
        arrival: Some(1_700_000_000_000 + offset),
        watermark: 0,
        late_by: None,
        idle_floor: false,
        error: Some("it is cut off".to_owned()),
    }
}

fn file(folder: &Folder, name: &str, letters: &[DeadLetter]) -> String {
    let mut lines = Vec::new();
    letters.iter().for_each(|letter| encode(letter, &mut lines));
    folder.write(name, lines);
    folder.file(name)
}

fn replay(arguments: &str) -> std::process::Command {
    let mut command = command();
    command.args(["dlq", "replay"]).args(arguments.split(' '));
    command.env("KAFKA_BOOTSTRAP_SERVERS", shared_kafka().value("BOOTSTRAP"));
    command
}

/// Exit code, and what it said on both outputs.
fn said(arguments: &str) -> (i32, String) {
    let Output { status, stdout, stderr } = replay(arguments).output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[derive(Debug, PartialEq, Eq)]
struct Copy {
    partition: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: BTreeMap<String, String>,
}

fn copy(message: &BorrowedMessage<'_>) -> Copy {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    Copy {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
        headers: headers.map(|h| (h.key.to_owned(), text(h.value))).collect(),
    }
}

/// What is committed in a topic.
fn committed(topic: &str) -> Vec<Copy> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", shared_kafka().value("BOOTSTRAP"))
        .set("group.id", "claims-letter-replay")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut copies, mut ends) = (Vec::new(), BTreeSet::new());
    until("the end of the topic", || {
        while let Some(polled) = consumer.poll(Duration::from_millis(100)) {
            match polled {
                Ok(message) => copies.push(copy(&message)),
                Err(KafkaError::PartitionEOF(partition)) => {
                    ends.insert(partition);
                }
                // The client tries again by itself.
                Err(_) => {}
            }
        }
        ends.len() == PARTITIONS as usize
    });
    copies
}

#[test]
fn letters_of_a_state_are_in_their_topic_once_also_of_an_older_one_that_was_put_back() {
    let topic = topic("published-once");
    let to = |begun| {
        let letters = DeadLetterSettings { topic: topic.clone(), ..DeadLetterSettings::default() };
        let progress = format!("{topic}.progress");
        CommittedTo { kafka: kafka(), letters, progress, state: "one".to_owned(), begun }
    };
    let of = |begun| {
        let mut published = CommittedLetters::new(to(begun), Box::new(|| Ok(())));
        published.take_over(&|| true).unwrap();
        published
    };
    let letter = |offset| letter(&topic, 1, offset, Reason::Malformed);
    let offsets =
        || committed(&topic).iter().map(|it| it.headers["offset"].clone()).collect::<Vec<_>>();
    of(1).publish(7, &[letter(70)], &|| true).unwrap();
    // The next run does not know that they are, and goes on.
    let mut next = of(8);
    next.publish(7, &[letter(70)], &|| true).unwrap();
    next.publish(9, &[letter(90)], &|| true).unwrap();
    assert_eq!(offsets(), ["70", "90"]);
    // A state of before all this is put back: what it has to say is new.
    let mut older = of(5);
    older.publish(6, &[letter(60)], &|| true).unwrap();
    older.publish(6, &[letter(60)], &|| true).unwrap();
    assert_eq!(offsets(), ["70", "90", "60"]);
    let mut leading = of(6);
    leading.publish(6, &[letter(60)], &|| true).unwrap();
    // One that was taken over from comes late, and changes nothing: the one that leads goes on.
    let mut stale = CommittedLetters::new(to(2), Box::new(|| Err(NotLeading::TakenOver)));
    assert!(matches!(stale.take_over(&|| true), Err(Unpublished::TakenOver)));
    leading.publish(8, &[letter(80)], &|| true).unwrap();
    assert_eq!(offsets(), ["70", "90", "60", "80"]);
}

#[test]
fn a_letter_is_replayed_once_with_the_key_value_partition_and_time_of_its_record() {
    let (topic, other) = (topic("replayed-a"), "replayed-of-others");
    let folder = Folder::new("letter-replay");
    let malformed = letter(&topic, 2, 41, Reason::Malformed);
    let tombstone = DeadLetter {
        key: None,
        value: None,
        arrival: None,
        ..letter(&topic, 0, 7, Reason::Malformed)
    };
    let letters = [
        malformed.clone(),
        tombstone,
        letter(&topic, 2, 42, Reason::Late),
        letter(other, 2, 43, Reason::Malformed),
        // As a sink that promises "at least once" may have written it.
        malformed,
        DeadLetter { topic: None, ..letter(&topic, 1, 44, Reason::Malformed) },
    ];
    let letters = file(&folder, "dead.jsonl", &letters);
    let asked = format!("{letters} --topic {topic} --reason malformed,schema");

    let (code, dry) = said(&format!("{asked} --dry-run"));
    let counts = "2 letters (2 malformed) to be replayed into topic replayed-a; 1 replayed before, \
                  3 passed over\n";
    assert_eq!((code, dry.as_str()), (0, counts));
    assert_eq!(committed(&topic), []);

    let (code, done) = said(&asked);
    assert_eq!((code, done), (0, counts.replace("to be replayed", "replayed")));
    let headers = |place: &str| {
        let texts =
            [(REPLAYED_FROM, format!("{topic}/{place}")), (REPLAYED_REASON, "malformed".into())];
        texts.map(|(name, text)| (name.to_owned(), text)).into()
    };
    let copies = || {
        let mut copies = committed(&topic);
        copies.sort_by_key(|copy| copy.partition);
        copies
    };
    let found = copies();
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.partition, &first.key, &first.value), (0, &None, &None));
    assert_eq!(first.headers, headers("0/7"));
    let expected = Copy {
        partition: 2,
        key: Some(b"card \xff\x00".to_vec()),
        value: Some(b"{\"n\":41".to_vec()),
        timestamp: Some(1_700_000_000_041),
        headers: headers("2/41"),
    };
    assert_eq!(*second, expected);

    let (code, again) = said(&asked);
    assert!(code == 0 && again.starts_with("0 letters replayed"), "{again}");
    assert_eq!(copies(), found);
    // Another reason is another choice.
    let (code, late) = said(&format!("{letters} --topic {topic} --reason late"));
    assert!(code == 0 && late.starts_with("1 letter (1 late) replayed"), "{late}");
    assert_eq!(copies().len(), 3);
}

#[test]
fn what_cannot_be_replayed_is_said_and_nothing_is_written() {
    let topic = topic("replayed-b");
    let folder = Folder::new("letter-replay-wrong");
    let far = file(&folder, "far.jsonl", &[letter(&topic, 3, 1, Reason::Malformed)]);
    let (code, error) = said(&format!("{far} --topic {topic} --reason malformed"));
    assert!(
        code == 1 && error.contains("a letter is of partition 3, and the topic has 3"),
        "{error}"
    );
    let (code, error) = said(&format!("{far} --topic {topic} --reason late"));
    assert!(code == 1 && error.contains("no letter is one of those asked for"), "{error}");
    let (code, error) = said(&format!("{far} --topic replayed-nowhere --reason malformed"));
    assert!(code == 1 && error.contains("topic 'replayed-nowhere' does not exist"), "{error}");
    let (code, error) = said(&format!("--topic {topic} --reason malformed"));
    assert!(code == 1 && error.contains("there is no topic 'replayed-b.dlq'"), "{error}");
    let (code, error) = said(&format!("{far} --topic {topic}"));
    assert!(code == 2 && error.contains("--reason"), "{error}");
    let (code, error) = said("/no/such.jsonl --topic replayed-b --reason malformed");
    assert!(code == 2 && error.contains("/no/such.jsonl"), "{error}");
    assert_eq!(committed(&topic), []);

    let key = Some(b"what is this".to_vec());
    produce(&kafka(), &format!("{topic}.replayed"), [(0, key, Some(b"".to_vec()))]).unwrap();
    let fits = file(&folder, "fits.jsonl", &[letter(&topic, 1, 1, Reason::Malformed)]);
    let (code, error) = said(&format!("{fits} --topic {topic} --reason malformed"));
    assert!(code == 1 && error.contains("has the key \"what is this\""), "{error}");
    assert_eq!(committed(&topic), []);
}

#[test]
fn a_replay_that_is_killed_again_and_again_writes_each_letter_once() {
    const LETTERS: u64 = 30_000;
    let topic = topic("replayed-c");
    let folder = Folder::new("letter-replay-killed");
    let of = |offset: u64| letter(&topic, (offset % 3) as u32, offset, Reason::Schema);
    let letters = file(&folder, "dead.jsonl", &(0..LETTERS).map(of).collect::<Vec<_>>());
    let asked = format!("{letters} --topic {topic} --reason schema");
    let (mut rng, mut killed) = (SmallRng::seed_from_u64(1), 0);
    for _ in 0..8 {
        let mut child = replay(&asked).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Wherever it is: before it begins, between transactions, in one.
        std::thread::sleep(Duration::from_millis(rng.random_range(50..1_500)));
        killed += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(killed > 2, "only {killed} were killed before their end");
    let (code, done) = said(&asked);
    assert!(code == 0 && done.contains(&format!("into topic {topic}; ")), "{done}");
    let copies = committed(&topic);
    let places: BTreeSet<_> =
        copies.iter().map(|copy| copy.headers[REPLAYED_FROM].clone()).collect();
    assert_eq!((copies.len() as u64, places.len() as u64), (LETTERS, LETTERS));
}

/// Counts a card's payments; `status` may be missing or not.
fn job(topic: &str, status: &str) -> String {
    format!(
        "[job]\nname = \"mended\"\n[sources.payments]\ntopic = \"{topic}\"\ntime = \"at\"\n\
         out_of_orderness = \"1h\"\n[sources.payments.fields]\ncard = \"string\"\n\
         status = \"{status}\"\n[entities.card]\nkey = \"card\"\n[views.payments]\n\
         entity = \"card\"\n[views.payments.features]\n\
         payments_1d = {{ aggregate = \"count\", window = \"1d\" }}\n\
         declined_1d = {{ aggregate = \"count\", where = 'status = \"declined\"', window = \"1d\" }}\n"
    )
}

fn started(folder: &Path, job: &str) -> Process {
    let brokers = kafka().bootstrap_servers;
    let mut process = Process::start(folder, job, &[("KAFKA_BOOTSTRAP_SERVERS", &brokers)]);
    process.until_ready();
    process
}

#[test]
fn letters_of_a_topic_count_in_the_job_that_was_mended_for_them() {
    let topic = topic("replayed-d");
    let folder = Folder::new("letter-replay-mended");
    let state = folder.file("state");
    folder.write(
        "cluster.toml",
        format!(
            "[online]\nkind = \"embedded\"\n[dead_letters]\nkind = \"kafka\"\n\
             [state]\nurl = {state:?}\ncheckpoint_interval = \"200ms\"\n"
        ),
    );
    let strict = folder.write("strict.toml", job(&topic, "string"));
    let mended = folder.write("mended.toml", job(&topic, "string?"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let payment = |n: u64| match n % 4 {
        0 => format!("{{\"card\":\"c\",\"at\":{}}}", now - u128::from(n)),
        _ => format!("{{\"card\":\"c\",\"at\":{},\"status\":\"declined\"}}", now - u128::from(n)),
    };
    let record = |n: u64| ((n % 3) as u32, Some("c"), Some(payment(n)));
    produce(&kafka(), &topic, (0..40).map(record)).unwrap();
    let counts = |process: &Process| {
        let (_, row) = process.json("/features/payments/c");
        let count = |name: &str| row["features"][name].as_u64().unwrap_or(0);
        (count("payments_1d"), count("declined_1d"))
    };

    let mut process = started(folder.path(), strict.to_str().unwrap());
    until("what is right to count", || counts(&process) == (30, 30));
    process.stop("TERM");
    let mut process = started(folder.path(), mended.to_str().unwrap());
    assert_eq!(counts(&process), (30, 30), "what was refused stays refused");
    let (code, done) = said(&format!("--topic {topic} --reason malformed"));
    assert!(code == 0 && done.starts_with("10 letters (10 malformed) replayed"), "{done}");
    until("the letters to count", || counts(&process) == (40, 30));
    let (code, again) = said(&format!("--topic {topic} --reason malformed"));
    assert!(code == 0 && again.starts_with("0 letters replayed"), "{again}");
    process.stop("TERM");
}

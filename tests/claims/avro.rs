//! Claims about Avro, on bytes that another implementation wrote (see `tests/data/avro/make.py`):
//! they are the same events as their JSON, whatever the codec and the schema; a record waits for
//! its schema, and becomes a dead letter with the reason when there is none.

mod change_log;
mod differential;
mod invalid;

use crate::folder::Folder;
use crate::memory::{Letters, Lines};
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark::memory_partition::GivenPartitions;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch, RawRecord};
use tidemark_operators::ingest::schemas::{Schema, Schemas};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;
use tidemark_operators::verdict::Reason;

const CODECS: [&str; 4] = ["null", "deflate", "snappy", "zstandard"];
/// Records of each of the files.
const EVENTS: u64 = 36;

const JOB: &str = r#"
[job]
name = "payments"
[sources.payments]
topic = "payments"
FORMAT
time = { field = "at", unit = "us" }
out_of_orderness = "0ms"
idle_after = "1ms"
[sources.payments.fields]
card_id = { type = "string", aliases = ["card"] }
amount = "decimal"
country = "string?"
ip = { type = "ip", path = "net.ip", aliases = ["ip"], optional = true }
status = "string"
score = "double?"
quantity = "int"
chip = { type = "bool", default = false }
channel = { type = "string", path = "tags.channel", default = "shop", optional = true }
seen = "timestamp?"
request = "string?"
[entities.card]
key = "card_id"
[views.cards]
entity = "card"
[views.cards.features]
n = { aggregate = "count", window = "2m" }
chips = { aggregate = "count", where = 'chip', window = "2m" }
amount = { aggregate = "sum", of = "amount", window = "2m" }
quantity = { aggregate = "max", of = "quantity", window = "2m" }
countries = { aggregate = "distinct", of = "country", window = "2m" }
ips = { aggregate = "distinct", of = "ip", window = "2m" }
status = { aggregate = "latest", of = "status" }
score = { aggregate = "latest", of = "score" }
channel = { aggregate = "latest", of = "channel" }
seen = { aggregate = "latest", of = "seen" }
request = { aggregate = "latest", of = "request" }
"#;

fn job(format: &str) -> String {
    JOB.replace("FORMAT", format)
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/avro").join(name)
}

/// `tidemark replay` over `files`, one a partition: its exit code, its errors, its summary and the
/// sealed rows.
fn replay(folder: &Folder, format: &str, files: &[PathBuf]) -> (i32, String, String, String) {
    let job = folder.write("job.toml", job(format));
    let sealed = folder.write("sealed.jsonl", "");
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .arg("replay")
        .arg(job)
        .args(["--source", &format!("payments={}", files.join(","))])
        .arg("--sealed")
        .arg(&sealed)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let sealed = std::fs::read_to_string(sealed).unwrap();
    (output.status.code().unwrap(), text(output.stderr), text(output.stdout), sealed)
}

fn rows(folder: &Folder, format: &str, files: &[PathBuf]) -> String {
    let (code, errors, summary, sealed) = replay(folder, format, files);
    // Floats have more digits than the job keeps of an amount.
    let others: Vec<&str> = errors.lines().filter(|line| !line.starts_with("rounded: ")).collect();
    assert_eq!((code, others), (0, Vec::new()), "{summary}");
    let accepted = EVENTS * files.len() as u64;
    assert!(summary.contains(&format!("\"accepted\":{accepted},")), "{summary}");
    sealed
}

#[test]
fn avro_files_give_the_rows_of_the_same_events_as_json_byte_for_byte() {
    let folder = Folder::new("files");
    let json = rows(&folder, "", &[data("first.jsonl")]);
    assert!(json.lines().count() > 30 && json.contains("\"channel\":\"shop\""), "{json}");
    for codec in CODECS {
        let avro = rows(&folder, "format = \"avro\"", &[data(&format!("first-{codec}.avro"))]);
        assert!(avro == json, "{codec}:\n{avro}\n{json}");
    }
    let packed = zstd::encode_all(&*std::fs::read(data("first-null.avro")).unwrap(), 1).unwrap();
    let packed = folder.write("packed", packed);
    assert!(rows(&folder, "format = \"avro\"", &[packed]) == json);
}

#[test]
fn another_schema_of_the_same_events_needs_no_other_job() {
    let folder = Folder::new("evolved");
    let json = rows(&folder, "", &[data("first.jsonl"), data("second.jsonl")]);
    let avro = [data("first-snappy.avro"), data("second.avro")];
    assert!(rows(&folder, "format = \"avro\"", &avro) == json);
}

#[test]
fn a_file_that_is_damaged_says_where_and_what_to_do() {
    let folder = Folder::new("damaged");
    let whole = |codec: &str| std::fs::read(data(&format!("first-{codec}.avro"))).unwrap();
    let says = |bytes: &[u8], format: &str, parts: &[&str]| {
        let file = folder.write("bad.avro", bytes);
        let (code, errors, ..) = replay(&folder, format, std::slice::from_ref(&file));
        assert_eq!(code, 1, "{errors}");
        for part in parts.iter().chain(&["bad.avro"]) {
            assert!(errors.contains(part), "no {part:?} in {errors}");
        }
        // What is whole and of another form needs no repair.
        let ways_out = ["repair or replace the file", "name another file", "add it to the source"];
        assert!(ways_out.iter().any(|way| errors.contains(way)), "no way out in {errors}");
    };
    let avro = "format = \"avro\"";
    for codec in CODECS {
        let mut bytes = whole(codec);
        let cut = bytes.len() - 20;
        says(&bytes[..cut], avro, &["after record ", "in the middle of a block"]);
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        says(&bytes, avro, &["does not end with the mark of the file"]);
        // In the middle of the last block's data; without a checksum some damage goes unnoticed.
        if codec != "null" {
            let mut bytes = whole(codec);
            let middle = bytes.len() - 16 - 40;
            bytes[middle..middle + 8].fill(0xff);
            says(&bytes, avro, &["record ", "in the block at byte"]);
        }
    }
    says(&std::fs::read(data("first.jsonl")).unwrap(), avro, &["no Avro object container"]);
    says(&whole("null"), "", &["it is an Avro object container", "has no `format = \"avro\"`"]);
    let other = whole("deflate").windows(7).position(|part| part == b"deflate").unwrap();
    let mut bytes = whole("deflate");
    bytes[other..other + 7].copy_from_slice(b"deflatf");
    says(&bytes, avro, &["compressed with \"deflatf\"", "null, deflate, snappy and zstandard"]);
    says(&whole("null")[..100], avro, &["its beginning"]);
    says(b"", avro, &["no Avro object container"]);
}

/// Gives the batches one after the other, and ends.
struct Reader(u32, VecDeque<RawBatch>);

impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: self.0 }
    }

    fn poll(&mut self) -> Poll {
        self.1.pop_front().map_or(Poll::Ended, Poll::Records)
    }

    fn describe(&self) -> String {
        format!("memory[{}]", self.0)
    }
}

fn batch(values: &[Option<Vec<u8>>]) -> RawBatch {
    let mut batch = RawBatch::default();
    for (offset, value) in (0..).zip(values) {
        let start = batch.bytes.len();
        batch.bytes.extend(value.iter().flatten());
        let value = value.as_ref().map(|_| start..batch.bytes.len());
        batch.records.push(RawRecord { offset, value, ..RawRecord::default() });
    }
    batch
}

/// Runs `plan` on one worker over partitions of one batch each.
fn run<S: Schemas + 'static>(
    plan: &Arc<Plan>,
    partitions: Vec<RawBatch>,
    schemas: impl Fn(Observer) -> S + Send + Sync + 'static,
) -> (Vec<DeadLetter>, String, Observer) {
    crate::memory::fail_fast();
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::default(),
        limits: Limits::default(),
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::Lines,
        online: Online::Off,
    };
    let observer = Observer::new(&settings);
    let (dead, sealed): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<u8>>>) = Default::default();
    let (letters, lines, watched) = (Arc::clone(&dead), Arc::clone(&sealed), observer.clone());
    let partitions = Mutex::new(partitions);
    let make: engine::MakeParts = Arc::new(move |_, _| {
        let batches = std::mem::take(&mut *partitions.lock().unwrap());
        let readers = (0..).zip(batches).map(|(partition, batch)| {
            Box::new(Reader(partition, VecDeque::from([batch]))) as Box<dyn PartitionReader>
        });
        Ok(Parts {
            tables: Vec::new(),
            partitions: Box::new(GivenPartitions(readers.collect())),
            schemas: Some(Box::new(schemas(watched.clone()))),
            dead_letters: Box::new(Letters(Arc::clone(&letters))),
            online: None,
            lines: Some(Box::new(Lines(Arc::clone(&lines)))),
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    engine::run(&settings, &observer, &make).unwrap();
    let dead = std::mem::take(&mut *dead.lock().unwrap());
    let sealed = String::from_utf8(sealed.lock().unwrap().clone()).unwrap();
    (dead, sealed, observer)
}

/// Records in the wire format, of schema 1 and then of schema 2, oldest first.
fn wire() -> Vec<Option<Vec<u8>>> {
    let text = std::fs::read_to_string(data("wire.hex")).unwrap();
    let byte = |at: &[u8]| u8::from_str_radix(std::str::from_utf8(at).unwrap(), 16).unwrap();
    text.lines().map(|line| Some(line.as_bytes().chunks(2).map(byte).collect())).collect()
}

fn schema(number: u32) -> Schema {
    let name = if number == 1 { "first.avsc" } else { "second.avsc" };
    Schema::Known(std::fs::read_to_string(data(name)).unwrap().into())
}

fn plan(format: &str) -> Arc<Plan> {
    tidemark_jobs::load("job.toml", &job(format)).unwrap_or_else(|e| panic!("{e}")).plan
}

/// Knows all schemas, but the first one only once the other partition has been read and some time
/// has passed in which the waiting one could be taken for idle.
struct Slow(Observer, Cell<u32>);

impl Schemas for Slow {
    fn schema(&mut self, id: u32) -> Schema {
        let metrics = &self.0.metrics[0];
        if id != 1 || self.1.get() > 3 {
            return schema(id);
        }
        if metrics.verdicts[0].accepted.get() == 4 && self.0.now_ns() > 200_000_000 {
            assert!(!self.0.caught_up(), "a partition that waits has not caught up");
            for partition in metrics.progress() {
                if partition.id.partition == 0 {
                    assert!(!partition.idle && !partition.caught_up && partition.watermark == 0);
                    assert_eq!(partition.next_offset, 0);
                }
            }
            self.1.set(self.1.get() + 1);
        }
        Schema::Pending
    }
}

#[test]
fn a_partition_waits_for_a_schema_and_holds_its_watermark_while_others_go_on() {
    let plan = plan("format = \"avro\"");
    let (first, second): (Vec<_>, Vec<_>) =
        wire().into_iter().enumerate().partition(|(i, _)| *i < 4);
    let values = |of: Vec<(usize, Option<Vec<u8>>)>| of.into_iter().map(|(_, value)| value);
    // The ones that wait are older: were their partition taken for idle, they would be late.
    let partitions =
        vec![batch(&values(first).collect::<Vec<_>>()), batch(&values(second).collect::<Vec<_>>())];
    let (dead, sealed, observer) =
        run(&plan, partitions.clone(), |observer| Slow(observer, Cell::new(0)));
    assert_eq!(dead, []);
    assert_eq!(observer.metrics[0].verdicts[0].accepted.get(), 8);
    struct Known;
    impl Schemas for Known {
        fn schema(&mut self, id: u32) -> Schema {
            schema(id)
        }
    }
    let (_, at_once, _) = run(&plan, partitions, |_| Known);
    assert!(sealed == at_once && sealed.lines().count() >= 8);
}

/// Knows the schemas 1 and 2, knows that there is no 3, and has one that does not fit.
struct Strict;

impl Schemas for Strict {
    fn schema(&mut self, id: u32) -> Schema {
        match id {
            1 | 2 => schema(id),
            3 => Schema::Unknown("the registry knows no schema 3".into()),
            _ => Schema::Known(
                r#"{"type":"record","name":"P","fields":[
                    {"name":"at","type":"long"},{"name":"card","type":"bytes"},
                    {"name":"amount","type":{"type":"array","items":"long"}}]}"#
                    .into(),
            ),
        }
    }
}

#[test]
fn what_cannot_be_read_becomes_a_dead_letter_that_says_why() {
    let mut values = wire();
    let numbered = |number: u8| Some([&[0, 0, 0, 0, number][..], b"datum"].concat());
    let bad = [
        (numbered(3), Reason::Schema, Some("schema 3: the registry knows no schema 3")),
        (numbered(4), Reason::Schema, Some("schema 4 does not fit the job: field \"amount\"")),
        (numbered(2), Reason::Malformed, Some("no Avro datum of its schema")),
        (Some(b"{}".to_vec()), Reason::Malformed, Some("its first byte is not 0")),
        (Some(Vec::new()), Reason::Malformed, Some("it is empty")),
        (None, Reason::Tombstone, None),
    ];
    let good = values.len();
    values.extend(bad.iter().map(|(value, ..)| value.clone()));
    let (dead, _, observer) = run(&plan("format = \"avro\""), vec![batch(&values)], |_| Strict);
    let verdicts = &observer.metrics[0].verdicts[0];
    assert_eq!((verdicts.accepted.get(), verdicts.total()), (good as u64, values.len() as u64));
    for reason in [Reason::Schema, Reason::Malformed, Reason::Tombstone] {
        let count = bad.iter().filter(|(_, wanted, _)| *wanted == reason).count() as u64;
        assert_eq!(verdicts.dead(reason).get(), count, "{reason}");
    }
    assert_eq!(dead.len(), bad.len());
    for (at, (letter, (value, reason, error))) in dead.iter().zip(&bad).enumerate() {
        assert_eq!((&letter.value, letter.reason), (value, *reason));
        assert_eq!(letter.offset, (good + at) as u64);
        let said = letter.error.as_deref();
        let fits = match (said, error) {
            (Some(said), Some(error)) => said.contains(error),
            (said, error) => said == *error,
        };
        assert!(fits, "{said:?}, not {error:?}");
    }
}

#[test]
fn a_json_record_without_a_value_is_a_tombstone_and_an_empty_one_is_malformed() {
    let event = br#"{"card":"c","amount":1,"status":"a","quantity":1,"at":1767225600000000}"#;
    let values = [Some(event.to_vec()), None, Some(Vec::new()), Some(b"null".to_vec())];
    let (dead, ..) = run(&plan(""), vec![batch(&values)], |_| Strict);
    let reasons: Vec<_> = dead.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(reasons, [(1, Reason::Tombstone), (2, Reason::Malformed), (3, Reason::Malformed)]);
    assert_eq!((&dead[0].value, &dead[0].error), (&None, &None));
}

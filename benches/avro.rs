//! What reading Avro costs, against reading the same events as JSON: workload W1 of the job file
//! beside this one, the fields it needs out of all that its records have.
//!
//! `cargo bench --bench avro`. Every figure is CPU time of the process (user + system) per event,
//! the median of [`ROUNDS`] runs taken in turn, and given as a ratio to JSON. The bar is the
//! project's own: 1.0.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "measure/machine.rs"]
mod machine;

use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemark::file_source::{FilePartitions, Progress, share};
use tidemark::generator::{Generator, Options, Profile};
use tidemark_operators::ingest::decode::avro::AvroDecoder;
use tidemark_operators::ingest::decode::{Decoded, Decoder, RECORD_BYTES_MAX};
use tidemark_operators::ingest::reader::{Partitions as _, Poll, RawBatch, RawRecord};
use tidemark_operators::plan::{Format, SourcePlan};

const ROUNDS: usize = 9;
const EVENTS: u64 = 500_000;
/// Records decoded together, as the engine does.
const BATCH_RECORDS: usize = 1024;
/// Bytes of a container's block before compression: what writers take by default.
const BLOCK_BYTES: usize = 16_000;
const SYNC: [u8; 16] = *b"sixteen bytes ok";

/// How the amount is written.
#[derive(Clone, Copy, PartialEq)]
enum Amount {
    Decimal,
    Double,
}

fn main() {
    println!("machine: {}", machine::machine());
    let lines = lines();
    let plan = tidemark_jobs::load("w1.toml", include_str!("w1.toml")).unwrap().plan;
    let source = &plan.sources[0];
    let bytes = lines.bytes.len() as u64 / EVENTS;
    println!("events: {EVENTS}, {bytes} bytes each as JSON");
    let kinds = [
        ("amounts are decimals", Amount::Decimal, false),
        ("amounts are doubles", Amount::Double, false),
        ("amounts are decimals, all may be null", Amount::Decimal, true),
    ];
    for (name, amount, nullable) in kinds {
        let datums = datums(&lines, amount, nullable);
        same(source, &lines, &datums);
        let bytes = datums.bytes.len() as u64 / EVENTS;
        println!("avro, {name}: {bytes} bytes each");
        compare("  decoding alone", || decode(source, &lines), || decode(source, &datums));
        if amount == Amount::Decimal && !nullable {
            files(source, &lines, &datums);
        }
    }
}

/// Reading and decoding: from files of lines and from containers.
fn files(source: &SourcePlan, lines: &RawBatch, datums: &RawBatch) {
    let folder = std::env::temp_dir().join(format!("tidemark-avro-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let json = folder.join("w1.jsonl");
    let text: Vec<u8> =
        lines.records.iter().flat_map(|record| [lines.value(record), b"\n"].concat()).collect();
    std::fs::write(&json, text).unwrap();
    let avro = folder.join("w1.avro");
    std::fs::write(&avro, container(datums)).unwrap();
    compare(
        "  from files, codec null",
        || read(source, Format::Json, &json),
        || read(source, Format::Avro, &avro),
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs both in turn and prints the medians.
fn compare(what: &str, mut json: impl FnMut() -> f64, mut avro: impl FnMut() -> f64) {
    let (mut of_json, mut of_avro): (Vec<f64>, Vec<f64>) =
        (0..ROUNDS).map(|_| (json(), avro())).unzip();
    of_json.sort_by(f64::total_cmp);
    of_avro.sort_by(f64::total_cmp);
    let (json, avro) = (of_json[ROUNDS / 2], of_avro[ROUNDS / 2]);
    println!(
        "{what}: avro {avro:.0} ns, json {json:.0} ns CPU per event; {:.2} times (bar 1.0)",
        avro / json
    );
}

/// The events as JSON.
fn lines() -> RawBatch {
    let options = Options { profile: Profile::W1, events: EVENTS, seed: 7, ..Options::default() };
    let mut generator = Generator::new(options).unwrap();
    let mut batch = RawBatch::default();
    while let Some(record) = generator.next() {
        push(&mut batch, record.line);
    }
    batch
}

fn push(batch: &mut RawBatch, value: &[u8]) {
    let start = batch.bytes.len();
    batch.bytes.extend_from_slice(value);
    let (offset, value) = (batch.records.len() as u64, Some(start..batch.bytes.len()));
    batch.records.push(RawRecord { offset, value, ..RawRecord::default() });
}

/// The same events as Avro, with all their fields in the same order.
fn datums(lines: &RawBatch, amount: Amount, nullable: bool) -> RawBatch {
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2});
    let names = [
        "transaction_id",
        "card_id",
        "user_id",
        "amount",
        "currency",
        "merchant_id",
        "mcc",
        "country",
        "device_id",
        "ip_address",
        "status",
        "timestamp",
    ];
    let fields = names.map(|name| {
        let ty = match name {
            "amount" if amount == Amount::Decimal => decimal.clone(),
            "amount" => json!("double"),
            "timestamp" => json!({"type": "long", "logicalType": "timestamp-millis"}),
            _ => json!("string"),
        };
        json!({"name": name, "type": if nullable { json!(["null", ty]) } else { ty }})
    });
    let schema = json!({"type": "record", "name": "Transaction", "fields": fields}).to_string();
    let mut batch = RawBatch { schema: Some(schema.into()), ..RawBatch::default() };
    let mut datum = Vec::new();
    for record in &lines.records {
        let event: Json = serde_json::from_slice(lines.value(record)).unwrap();
        datum.clear();
        for name in names {
            if nullable {
                long(1, &mut datum);
            }
            match (name, amount) {
                ("amount", Amount::Decimal) => {
                    let cents = (event[name].as_f64().unwrap() * 100.0).round() as i64;
                    let whole = cents.to_be_bytes();
                    let zeros = whole.iter().take_while(|byte| **byte == 0).count().min(7);
                    let sign = usize::from(whole[zeros] >= 0x80);
                    bytes(&whole[zeros - sign..], &mut datum);
                }
                ("amount", Amount::Double) => {
                    datum.extend(event[name].as_f64().unwrap().to_le_bytes());
                }
                ("timestamp", _) => long(event[name].as_i64().unwrap(), &mut datum),
                _ => bytes(event[name].as_str().unwrap().as_bytes(), &mut datum),
            }
        }
        push(&mut batch, &datum);
    }
    batch
}

fn long(value: i64, into: &mut Vec<u8>) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while raw >= 0x80 {
        into.push((raw & 0x7f) as u8 | 0x80);
        raw >>= 7;
    }
    into.push(raw as u8);
}

fn bytes(value: &[u8], into: &mut Vec<u8>) {
    long(value.len() as i64, into);
    into.extend_from_slice(value);
}

/// An object container of `datums`, not compressed.
fn container(datums: &RawBatch) -> Vec<u8> {
    let mut file = b"Obj\x01".to_vec();
    long(1, &mut file);
    bytes(b"avro.schema", &mut file);
    bytes(datums.schema.as_deref().unwrap().as_bytes(), &mut file);
    long(0, &mut file);
    file.extend(SYNC);
    let (mut block, mut count) = (Vec::new(), 0);
    for (at, record) in datums.records.iter().enumerate() {
        block.extend_from_slice(datums.value(record));
        count += 1;
        if block.len() >= BLOCK_BYTES || at + 1 == datums.records.len() {
            long(count, &mut file);
            bytes(&block, &mut file);
            file.extend(SYNC);
            (block, count) = (Vec::new(), 0);
        }
    }
    file
}

/// One of the two decoders.
enum Any {
    Json(Box<Decoder>),
    Avro(Box<AvroDecoder>),
}

impl Any {
    fn new(source: &SourcePlan, format: Format) -> Any {
        match format {
            Format::Json => Any::Json(Box::new(Decoder::new(source))),
            Format::Avro => Any::Avro(Box::new(AvroDecoder::new(source))),
            Format::Csv { .. } => panic!("there is no benchmark of CSV"),
        }
    }

    /// Decodes all of `batch`; returns how many rows that were.
    fn decode(&mut self, batch: &RawBatch, into: &mut Decoded) -> u64 {
        let mut rows = 0;
        for records in batch.records.chunks(BATCH_RECORDS) {
            into.clear();
            for record in records {
                let value = batch.value(record);
                match (&mut *self, &batch.schema) {
                    (Any::Json(decoder), _) => decoder.decode(value, into).unwrap(),
                    (Any::Avro(decoder), Some(schema)) => {
                        decoder.decode_datum(schema, value, None, into).unwrap();
                    }
                    (Any::Avro(_), None) => panic!("a datum without a schema"),
                }
            }
            rows += std::hint::black_box(&*into).rows() as u64;
        }
        rows
    }
}

fn format(batch: &RawBatch) -> Format {
    if batch.schema.is_some() { Format::Avro } else { Format::Json }
}

/// Both give the same columns.
fn same(source: &SourcePlan, lines: &RawBatch, datums: &RawBatch) {
    let head = |batch: &RawBatch| {
        let records = batch.records[..BATCH_RECORDS].to_vec();
        let batch = RawBatch { records, ..batch.clone() };
        let mut into = Decoded::default();
        Any::new(source, format(&batch)).decode(&batch, &mut into);
        into
    };
    assert!(head(lines) == head(datums), "the same events decode to other columns");
}

/// CPU per event of decoding what is in memory.
fn decode(source: &SourcePlan, batch: &RawBatch) -> f64 {
    let (mut decoder, mut into) = (Any::new(source, format(batch)), Decoded::default());
    let before = tidemark::process::cpu_time();
    assert_eq!(decoder.decode(batch, &mut into), EVENTS);
    (tidemark::process::cpu_time() - before).as_nanos() as f64 / EVENTS as f64
}

/// CPU per event of reading a file and decoding it.
fn read(source: &SourcePlan, format: Format, file: &Path) -> f64 {
    let (mut decoder, mut into) = (Any::new(source, format), Decoded::default());
    let before = tidemark::process::cpu_time();
    let list = share(&[(0, vec![PathBuf::from(file)])], 0, 1).unwrap();
    let thread = std::thread::current();
    let waker: tidemark::source::Waker = Arc::new(move || thread.unpark());
    let progress = Arc::new(Progress::default());
    let mut files =
        FilePartitions::open_formats(list, &[format], RECORD_BYTES_MAX, &waker, &progress).unwrap();
    let mut reader = files.appeared().remove(0);
    let mut rows = 0;
    loop {
        match reader.poll() {
            Poll::Records(batch) => rows += decoder.decode(&batch, &mut into),
            Poll::Pending { .. } => std::thread::park_timeout(std::time::Duration::from_millis(1)),
            Poll::Ended => break,
            Poll::Failed(failure) => panic!("{failure}"),
        }
    }
    assert_eq!(rows, EVENTS);
    (tidemark::process::cpu_time() - before).as_nanos() as f64 / EVENTS as f64
}

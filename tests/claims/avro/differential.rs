//! Random schemas and events in containers that another implementation wrote (see
//! `tests/data/avro/random_schemas.py`) against the same events as JSON: nested records, unions,
//! maps, decimals, logical types, names and namespaces, types within themselves, fields that moved,
//! were added or are of another type.

use super::data;
use serde::Deserialize;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tidemark::file_source::{FilePartitions, Progress};
use tidemark::source::Waker;
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::ingest::decode::avro::{AvroDecoder, Refused};
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::reader::{Partitions, Poll, RawBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{FieldPlan, Format, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

/// A line of the file.
#[derive(Deserialize)]
struct Case {
    fields: Vec<Field>,
    refused: bool,
    container: String,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Field {
    path: Vec<String>,
    aliases: Vec<Vec<String>>,
    #[serde(rename = "type")]
    ty: String,
    required: bool,
}

fn ty(name: &str) -> Type {
    let all =
        [Type::Text, Type::Int, Type::DECIMAL, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];
    all.into_iter().find(|ty| ty.to_string() == name).unwrap()
}

fn source(fields: &[Field], format: Format) -> SourcePlan {
    let field = |field: &Field| FieldPlan {
        path: field.path.clone(),
        aliases: field.aliases.clone(),
        required: field.required,
        ..FieldPlan::new(&field.path.join("_"), ty(&field.ty))
    };
    SourcePlan {
        format,
        ..SourcePlan::new(
            "events",
            TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms),
            fields.iter().map(field).collect(),
        )
    }
}

/// All batches of a file.
fn batches(path: &Path) -> Vec<RawBatch> {
    let (wake, woken) = mpsc::channel();
    let wake = std::sync::Mutex::new(wake);
    let waker: Waker = Arc::new(move || {
        let _ = wake.lock().unwrap().send(());
    });
    let list = vec![(PartitionId { source: 0, partition: 0 }, path.to_owned())];
    let progress = Arc::new(Progress::default());
    let opened =
        FilePartitions::open_formats(list, &[Format::Avro], RECORD_BYTES_MAX, &waker, &progress);
    let mut reader = opened.unwrap().appeared().remove(0);
    let mut batches = Vec::new();
    loop {
        match reader.poll() {
            Poll::Records(batch) => batches.push(batch),
            Poll::Pending { .. } => woken.recv_timeout(Duration::from_secs(20)).unwrap(),
            Poll::Ended => return batches,
            Poll::Failed(why) => panic!("{why}"),
        }
    }
}

/// What there is in each cell of the last row.
fn row(decoded: &Decoded) -> (u64, Vec<Option<Vec<u8>>>) {
    let at = decoded.rows() - 1;
    let cell = |column: &tidemark_operators::value::Column| {
        let bytes = || column.bytes(at).filter(|_| !column.bytes.is_empty()).map(<[u8]>::to_vec);
        let word = || column.words[at].to_be_bytes().to_vec();
        column.valid[at].then(|| bytes().unwrap_or_else(word))
    };
    (decoded.time[at], decoded.columns.iter().map(cell).collect())
}

#[test]
fn random_events_of_another_implementation_are_what_they_are_as_json() {
    let folder = crate::folder::Folder::new("differential");
    let (mut rows, mut malformed, mut refused, mut coerced) = (0, 0, 0, 0);
    let text = std::fs::read_to_string(data("random.jsonl")).unwrap();
    for (number, line) in (1..).zip(text.lines()) {
        let case: Case = serde_json::from_str(line).unwrap();
        let byte = |at: &[u8]| u8::from_str_radix(std::str::from_utf8(at).unwrap(), 16).unwrap();
        let container: Vec<u8> = case.container.as_bytes().chunks(2).map(byte).collect();
        let batches = batches(&folder.write("events.avro", container));
        let mut avro = AvroDecoder::new(&source(&case.fields, Format::Avro));
        let mut json = Decoder::new(&source(&case.fields, Format::Json));
        let (mut read, mut expected) = (Decoded::default(), Decoded::default());
        let records =
            batches.iter().flat_map(|batch| batch.records.iter().map(move |r| (batch, r)));
        let mut events = case.events.iter();
        for (offset, (batch, record)) in (0..).zip(records) {
            assert_eq!(record.offset, offset);
            let event = events.next().unwrap();
            let schema = batch.schema.as_ref().unwrap();
            let mut decode = || avro.decode_datum(schema, batch.value(record), None, &mut read);
            let said = || format!("line {number}, event {offset}: {event} of {schema}");
            match (decode(), json.decode(event.as_bytes(), &mut expected)) {
                // What was refused when the file was written may be read by now.
                (Ok(()), Ok(())) => {
                    let ((time, mut cells), expected) = (row(&read), row(&expected));
                    cells.truncate(expected.1.len());
                    assert_eq!((time, cells), expected, "{}", said());
                    rows += 1;
                }
                (Err(Refused::Malformed(_)), Err(_)) => malformed += 1,
                // The file says `[]` for values of another form, some of which say the same.
                (Ok(()), Err(_)) if event.contains("[]") => coerced += 1,
                (Err(Refused::Schema(why)), _) if case.refused => {
                    assert!(why.starts_with("the schema of the file does not fit the job: "));
                    refused += 1;
                }
                (read, twin) => panic!("{}: {read:?}, but as JSON {twin:?}", said()),
            }
        }
        assert_eq!(events.next(), None, "line {number}");
    }
    assert!(
        rows > 100 && malformed > 5 && refused > 5 && coerced > 0,
        "{rows} {malformed} {refused} {coerced}"
    );
}

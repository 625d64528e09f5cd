//! Files that are damaged on purpose.

use super::*;
use parquet::basic::{Encoding, Repetition};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type as SchemaType;
use std::path::PathBuf;

const GROUPS: usize = 3;
const ROWS: usize = 700;

struct DamagedFile(PathBuf);

impl Drop for DamagedFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn kept(name: &str, bytes: &[u8]) -> DamagedFile {
    let name = format!("tidemark-parquet-{}-{name}", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).unwrap();
    DamagedFile(path)
}

/// Numbers, of which every seventh is missing, beside texts.
fn file(properties: WriterProperties) -> Vec<u8> {
    let field = |name, kind| {
        let field = SchemaType::primitive_type_builder(name, kind);
        let text = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let field = field.with_repetition(Repetition::OPTIONAL).with_logical_type(text);
        Arc::new(field.build().unwrap())
    };
    let fields = vec![field("n", Physical::INT64), field("text", Physical::BYTE_ARRAY)];
    let schema = SchemaType::group_type_builder("rows").with_fields(fields).build().unwrap();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties)).unwrap();
    let there: Vec<i16> = (0..ROWS).map(|row| i16::from(row % 7 != 0)).collect();
    let values = there.iter().filter(|there| **there == 1).count();
    for group in 0..GROUPS {
        let mut out = writer.next_row_group().unwrap();
        let mut column = out.next_column().unwrap().unwrap();
        let numbers: Vec<i64> = (0..).map(|row| row * 3).take(values).collect();
        column.typed::<Int64Type>().write_batch(&numbers, Some(&there), None).unwrap();
        column.close().unwrap();
        let mut column = out.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> =
            (0..values).map(|row| format!("text {}", row % 50 + group).as_str().into()).collect();
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None).unwrap();
        column.close().unwrap();
        out.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn open(path: &Path, most: usize) -> io::Result<ParquetRows> {
    ParquetRows::open(path, |_| WrittenUnit::Auto, most, Arc::default())
}

/// How many rows are in the file, if they can all be read.
fn rows(path: &Path) -> io::Result<usize> {
    let (mut file, mut rows) = (open(path, 1 << 20)?, 0);
    while let Some(batch) = file.read_on()? {
        rows += batch.records.len();
    }
    Ok(rows)
}

#[test]
fn a_file_with_any_byte_changed_or_cut_off_anywhere_is_read_or_refused() {
    for (name, compression) in [("plain", Compression::UNCOMPRESSED), ("snap", Compression::SNAPPY)]
    {
        let properties = WriterProperties::builder().set_compression(compression).build();
        let whole = file(properties);
        let mut changed = kept(name, &whole);
        assert_eq!(rows(&changed.0).unwrap(), GROUPS * ROWS);
        let mut refused = 0;
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff, whole[at] ^ 1, whole[at] ^ 0x10] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                changed = kept(name, &bytes);
                refused += usize::from(rows(&changed.0).is_err());
            }
        }
        assert!(refused > whole.len(), "{refused} of {} bytes", whole.len());
        for length in 0..whole.len() {
            changed = kept(name, &whole[..length]);
            assert!(rows(&changed.0).is_err(), "{length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn an_encoding_that_makes_much_of_few_bytes_is_refused_by_column() {
    let delta = |encoding| {
        let properties = WriterProperties::builder().set_dictionary_enabled(false);
        let column = parquet::schema::types::ColumnPath::from("text");
        file(properties.set_column_encoding(column, encoding).build())
    };
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        let file = kept("delta", &delta(encoding));
        let error = rows(&file.0).unwrap_err().to_string();
        assert!(error.contains("column \"text\" of row group 0 does not fit"), "{error}");
    }
    let file = kept("delta", &delta(Encoding::PLAIN));
    assert_eq!(rows(&file.0).unwrap(), GROUPS * ROWS);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_refused_as_that() {
    let whole = file(WriterProperties::builder().build());
    let file = kept("written", &whole);
    let mut rows = open(&file.0, 1 << 20).unwrap();
    assert_eq!(rows.read_on().unwrap().unwrap().records.len(), BATCH_ROWS);
    std::fs::write(&file.0, &whole[..whole.len() / 2]).unwrap();
    let mut last = Ok(());
    while last.is_ok() {
        last = rows.read_on().map(|batch| assert!(batch.is_some(), "read to its end"));
    }
    let error = last.unwrap_err().to_string();
    assert!(error.contains("it has been written to while it was read"), "{error}");
    // One that takes its place is another file.
    let mut rows = open(&kept("written", &whole).0, 1 << 20).unwrap();
    assert_eq!(rows.read_on().unwrap().unwrap().records.len(), BATCH_ROWS);
}

#[test]
fn of_a_row_that_is_longer_than_a_record_no_more_is_kept() {
    let file = kept("long", &file(WriterProperties::builder().build()));
    let batch = open(&file.0, 17).unwrap().read_on().unwrap().unwrap();
    let (short, long) = (&batch.records[0], &batch.records[1]);
    assert_eq!((batch.value(short), short.left_out), (&b"{\"n\":null,\"text\":"[..], 5));
    assert_eq!((batch.value(long), long.left_out), (&b"{\"n\":0,\"text\":\"te"[..], 6));
}

#[test]
fn what_other_programs_write_is_read_or_refused_by_its_compression() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet");
    for compression in ["gzip", "brotli", "lz4"] {
        let error = open(&data.join(format!("{compression}.parquet")), 1 << 20).map(|_| ());
        let error = error.unwrap_err().to_string();
        let said = format!(
            "column \"id\" of row group 0 does not fit: it is compressed by {compression};"
        );
        assert!(error.contains(&said), "{error}");
    }
    // With a column that has nothing but nulls.
    let mut file = open(&data.join("zstd.parquet"), 1 << 20).unwrap();
    let batch = file.read_on().unwrap().unwrap();
    let lines: Vec<_> = batch.records.iter().map(|record| batch.value(record)).collect();
    assert_eq!(lines, [&br#"{"id":"a","nothing":null}"#[..], br#"{"id":"b","nothing":null}"#]);
    let empty = open(&data.join("no_rows.parquet"), 1 << 20).unwrap();
    assert_eq!(empty.names(), ["id", "nothing"]);
}

//! CSV against the `csv-core` of one whole file, and by hand.

use super::*;
use crate::ingest::decode::avro::Refused;
use crate::ingest::decode::csv::{CsvDecoder, Splitter, is_quoted, names};
use std::sync::Arc;

fn csv_source(delimiter: u8) -> SourcePlan {
    let mut source = card(true);
    source.format = Format::Csv { delimiter };
    source
}

fn read(source: &SourcePlan, header: &str, records: &[&str]) -> Vec<Result<Decoded, String>> {
    let mut decoder = CsvDecoder::new(source);
    let header: Arc<str> = header.into();
    let one = |record: &&str| {
        let mut into = Decoded::default();
        match decoder.decode(Some(&header), record.as_bytes(), None, &mut into) {
            Ok(()) => Ok(into),
            Err(Refused::Malformed(error)) => {
                assert_eq!(into.rows(), 0);
                Err(error.to_string())
            }
            Err(Refused::Schema(why)) => Err(format!("schema: {why}")),
            Err(Refused::Pending(_)) => Err("pending".to_owned()),
        }
    };
    records.iter().map(one).collect()
}

/// Card, amount in micro-units, and country of a row.
fn row(decoded: &Decoded) -> (&str, Option<i64>, Option<&str>) {
    fn text(column: &Column) -> Option<&str> {
        column.bytes(0).map(|bytes| std::str::from_utf8(bytes).unwrap())
    }
    let [card, amount, country] = &decoded.columns[..] else { panic!() };
    (text(card).unwrap(), amount.int(0), text(country))
}

#[test]
fn cells_are_texts_under_the_names_of_the_header() {
    let header = "country,card_id,x,amount,timestamp";
    let rows = read(
        &csv_source(b','),
        header,
        &[
            "DE,c1,,12.5,1700000000000",
            "\"D,\"\"E\"\"\n\",\"c1\",a b,1e2,1700000000000",
            ",c1,\"\", 7 ,1700000000000.0",
        ],
    );
    let rows: Vec<_> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!(row(&rows[0]), ("c1", Some(12_500_000), Some("DE")));
    assert_eq!(row(&rows[1]), ("c1", Some(100_000_000), Some("D,\"E\"\n")));
    assert_eq!(row(&rows[2]), ("c1", Some(7_000_000), None), "an empty cell is null");
    assert!(rows.iter().all(|row| row.time == [T]));
    let rows = read(&csv_source(b'\t'), "timestamp\tcard_id\tamount", &["1700000000000\tc,1\t1"]);
    assert_eq!(row(rows[0].as_ref().unwrap()), ("c,1", Some(1_000_000), None));
}

#[test]
fn a_bad_record_says_what_is_wrong_and_the_next_one_is_read() {
    let header = "timestamp,card_id,amount";
    let good = "1700000000000,c,1";
    for (record, why) in [
        ("1700000000000,c", "it has 2 cells, and the header has 3 columns"),
        ("", "it has 0 cells, and the header has 3 columns"),
        ("1700000000000,c,1,2", "it has more cells than the 3 columns of the header"),
        ("1700000000000,c,1,", "it has more cells than the 3 columns of the header"),
        ("1700000000000,c\0,1", "it has a zero byte"),
        ("1700000000000,c,1\n1700000000000,c,1", "it has a line end that is not in quotes"),
        ("1700000000000,c,one", "expected a decimal number"),
        ("1700000000000,,1", "required, but missing or null"),
        (",c,1", "event time (at \"timestamp\"): required, but missing or null"),
    ] {
        let read = read(&csv_source(b','), header, &[good, record, good]);
        assert!(read[0].is_ok() && read[0] == read[2], "{record}");
        let error = read[1].as_ref().expect_err(record);
        assert!(error.contains(why), "{why}: {error}");
    }
    let mut decoder = CsvDecoder::new(&csv_source(b',')).with_record_bytes_max(20);
    let (header, mut into): (Arc<str>, _) = (header.into(), Decoded::default());
    let mut decode = |record: &[u8]| decoder.decode(Some(&header), record, None, &mut into);
    assert!(matches!(
        decode(b"1700000000000,\xff,1"),
        Err(Refused::Malformed(DecodeError::NotUtf8 { .. }))
    ));
    assert!(matches!(
        decode(b"1700000000000,cccccccc,1"),
        Err(Refused::Malformed(DecodeError::TooLong { length: 24, limit: 20 }))
    ));
    let error = decoder.decode(None, good.as_bytes(), None, &mut into).unwrap_err();
    assert!(matches!(error, Refused::Malformed(DecodeError::Csv(why)) if why.contains("header")));
}

#[test]
fn a_header_that_lacks_what_the_job_needs_refuses_every_record_by_name() {
    for (header, why) in [
        ("timestamp;card_id;amount", "it has no \"timestamp\", which is the event time"),
        ("timestamp,card_id", "it has no \"amount\", and field \"amount\" is required"),
        (" timestamp,card_id,amount", "it has no \"timestamp\""),
        ("timestamp,card_id,amount,card_id", "has the column \"card_id\" twice"),
    ] {
        let read = read(&csv_source(b','), header, &["1700000000000,c,1"]);
        let error = read[0].as_ref().expect_err(header);
        assert!(error.starts_with("schema: ") && error.contains(why), "{error}");
    }
    // Unnamed columns may be several.
    assert_eq!(names(",a,", b','), Ok(["", "a", ""].map(str::to_owned).to_vec()));
    let many = vec!["a,"; 5_000].concat();
    assert!(names(&many, b',').unwrap_err().contains("more than 4096 columns"));
}

#[test]
fn each_file_has_a_header_of_its_own() {
    let source = csv_source(b',');
    let mut decoder = CsvDecoder::new(&source);
    let mut into = Decoded::default();
    for n in 0..200 {
        let names = ["timestamp", "amount", "card_id"];
        let header: Arc<str> =
            format!("x{n},{},{},{}", names[n % 3], names[(n + 1) % 3], names[(n + 2) % 3]).into();
        let cells = ["1700000000000", "1", "c"];
        let record = format!(",{},{},{}", cells[n % 3], cells[(n + 1) % 3], cells[(n + 2) % 3]);
        decoder.decode(Some(&header), record.as_bytes(), None, &mut into).unwrap();
    }
    assert_eq!(into.rows(), 200);
    assert!((0..200).all(|row| into.columns[0].bytes(row) == Some(b"c")));
}

#[test]
fn an_open_quote_is_told_from_a_closed_one() {
    for (begun, open) in [
        ("a,b", false),
        ("a,\"b", true),
        ("\"a\nb\",\"c\n", true),
        ("\"a\nb\"", false),
        ("\"a\"\"", true),
        ("a\"b", false),
        ("\"", true),
    ] {
        assert_eq!(is_quoted(begun.as_bytes(), b','), open, "{begun}");
        let mut splitter = Splitter::new(b',');
        assert_eq!((splitter.end(begun.as_bytes()), splitter.finish()), (None, !open), "{begun}");
    }
}

/// The records of a file by `csv-core` alone: their cells.
fn whole(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv_core::Reader::new();
    let (mut cells, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 2]);
    let (mut rest, mut records) = (text.as_bytes(), Vec::new());
    let (mut written, mut ended) = (0, 0);
    loop {
        let (result, read, out, more) =
            reader.read_record(rest, &mut cells[written..], &mut ends[ended..]);
        rest = &rest[read..];
        (written, ended) = (written + out, ended + more);
        match result {
            csv_core::ReadRecordResult::Record => {
                let starts = [0].into_iter().chain(ends[..ended].iter().copied());
                let cells = starts
                    .zip(&ends[..ended])
                    .map(|(start, end)| String::from_utf8(cells[start..*end].to_vec()).unwrap());
                records.push(cells.collect());
                (written, ended) = (0, 0);
            }
            csv_core::ReadRecordResult::End => return records,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn records_that_are_cut_anywhere_have_the_cells_of_the_whole_file(
        text in "([ab,\"\r\n]|,b\r\n|\"a\"\"b\"){0,40}",
        piece in 1_usize..9,
    ) {
        let mut splitter = Splitter::new(b',');
        let (mut records, mut begun) = (Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            let mut at = 0;
            while let Some(length) = splitter.end(&piece[at..]) {
                begun.extend_from_slice(&piece[at..at + length - 1]);
                records.push(std::mem::take(&mut begun));
                at += length;
            }
            begun.extend_from_slice(&piece[at..]);
        }
        let blank = |record: &[u8]| record.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if !blank(&begun) {
            // Where a quote is open the rest of the file is no record.
            prop_assume!(splitter.finish());
            records.push(begun);
        }
        let cells: Vec<_> = records.iter().map(|record| {
            let record = std::str::from_utf8(record).unwrap();
            let record = record.trim_start_matches(['\r', '\n']);
            whole(record).concat()
        }).collect();
        prop_assert_eq!(cells, whole(&text));
    }
}

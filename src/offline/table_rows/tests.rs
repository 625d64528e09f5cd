use super::*;
use crate::job_file;

/// A row of the first view of the job `fraud`, whose features are null.
fn line(id: &str, as_of: EventTime, offset: u64, more: &str) -> Vec<u8> {
    format!(
        "{{\"view\":\"transaction_stats_5m\",\"entity_type\":\"card\",\"entity_id\":\"{id}\",\"as_of\":{as_of},\
         \"source\":\"transactions\",\"partition\":0,\"offset\":{offset}{more},\"features\":{{}}}}\n"
    )
    .into_bytes()
}

fn rows() -> TableRows {
    TableRows::new(&job_file::load("fraud").unwrap().plan).unwrap()
}

/// Gathers lines from `place` on; says where they end.
fn take(rows: &mut TableRows, lines: &[Vec<u8>], mut place: u64) -> u64 {
    for line in lines {
        rows.take(line, place).unwrap();
        place += line.len() as u64;
    }
    place
}

/// Of each row of a batch's only view its key, its time and `created`, both in microseconds since 1970.
fn read(batch: &RowBatch) -> Vec<(String, i64, i64)> {
    let [view] = batch.views.as_slice() else { panic!("{} views", batch.views.len()) };
    let mut rest = view.copy.strip_prefix(HEAD).unwrap();
    let mut read = Vec::new();
    let mut next = |bytes: usize| {
        let (taken, left) = rest.split_at(bytes);
        rest = left;
        taken.to_vec()
    };
    loop {
        let columns = i16::from_be_bytes(next(2).try_into().unwrap());
        if columns < 0 {
            break;
        }
        let mut value = || {
            let length = i32::from_be_bytes(next(4).try_into().unwrap());
            next(usize::try_from(length).unwrap_or(0))
        };
        let values: Vec<_> = (0..columns).map(|_| value()).collect();
        let time = |at: usize| i64::from_be_bytes(values[at].clone().try_into().unwrap()) + EPOCH;
        read.push((String::from_utf8(values[0].clone()).unwrap(), time(1), time(2)));
    }
    assert!(rest.is_empty());
    assert_eq!(read.len() as u64, batch.rows);
    read
}

#[test]
fn a_batch_ends_where_a_time_does_and_rows_are_in_the_order_of_their_keys() {
    let mut rows = rows();
    let lines = [
        line("b", 7, 0, ",\"first\":true"),
        line("a", 7, 1, ",\"first\":true"),
        line("b", 8, 2, ""),
        line("b", 9, 3, ""),
        line("c", 9, 4, ",\"first\":true"),
    ];
    let places: Vec<_> = (0..=5).map(|n| lines[..n].concat().len() as u64).collect();
    take(&mut rows, &lines[..1], 0);
    assert_eq!(rows.before_newest(), None, "more rows of its time may follow");
    take(&mut rows, &lines[1..], places[1]);
    let batch = rows.before_newest().unwrap();
    assert_eq!((batch.to, batch.last), (places[3], Some(8)));
    let row = |id: &str, ms: i64| (id.to_owned(), ms * 1_000, ms * 1_000);
    assert_eq!(read(&batch), [row("a", 7), row("b", 7), row("b", 8)]);
    let born = |ids: &[&str]| BornEntities::Texts(ids.iter().map(|id| (*id).to_owned()).collect());
    assert_eq!(batch.views[0].born, born(&["b", "a"]));
    // What was not in it is given again.
    let end = take(&mut rows, &lines[3..], places[3]);
    let batch = rows.all(end);
    assert_eq!((batch.to, batch.last), (places[5], Some(9)));
    assert_eq!(read(&batch), [row("b", 9), row("c", 9)]);
    assert_eq!(batch.views[0].born, born(&["c"]));
    assert_eq!(rows.all(end).rows, 0);
}

#[test]
fn rows_of_one_entity_and_time_are_told_apart_by_when_they_were_created() {
    let mut rows = rows();
    let lines: Vec<_> = [("a", 7), ("b", 7), ("a", 7), ("a", 7), ("a", 8)]
        .map(|(id, at)| line(id, at, 0, ""))
        .into();
    let end = take(&mut rows, &lines, 0);
    let created: Vec<_> = read(&rows.all(end)).into_iter().map(|(_, _, created)| created).collect();
    assert_eq!(created, [7_000, 7_001, 7_002, 8_000, 7_000]);
}

#[test]
fn older_rows_and_lines_of_others_are_passed_over_and_counted() {
    let mut rows = rows();
    rows.least = 8;
    let lines = [line("a", 7, 0, ""), b"{\"view\":\"another\"}\n".to_vec(), line("a", 8, 1, "")];
    let end = take(&mut rows, &lines, 0);
    assert_eq!(read(&rows.all(end)).len(), 1);
    assert_eq!(rows.passed, (1, 1));
}

#[test]
fn a_character_0_becomes_the_one_that_stands_for_what_cannot_be_told() {
    let mut rows = rows();
    let end = take(&mut rows, &[line("a\\u0000b", 7, 0, "")], 0);
    assert_eq!(read(&rows.all(end))[0].0, "a\u{fffd}b");
}

#[test]
fn months_are_those_of_the_calendar_in_utc() {
    let mut rows = rows();
    // The last millisecond of 2025, and the first of 2026.
    let lines = [line("a", 1_767_225_599_999, 0, ""), line("a", 1_767_225_600_000, 1, "")];
    let end = take(&mut rows, &lines, 0);
    let months: Vec<_> = rows.all(end).views[0].months.iter().copied().collect();
    let december = Month { year: 2025, month: 12 };
    assert_eq!(months, [december, december.next()]);
    assert_eq!(december.next(), Month { year: 2026, month: 1 });
    assert!(rows.take(&line("a", 1 << 60, 2, ""), end).is_err());
}

//! Claims about dead letters in a file.

use super::*;
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn letter(offset: u64) -> DeadLetter {
    DeadLetter {
        source: "transactions".into(),
        topic: None,
        partition: PartitionId { source: 0, partition: 2 },
        offset,
        key: Some(b"card_1".to_vec()),
        value: Some(b"{\"amount\":1}".to_vec()),
        reason: Reason::Late,
        event_time: Some(1_700_000_000_000),
        field_time: Some(1_700_000_000_000),
        arrival: Some(1_700_000_000_040),
        watermark: 1_700_000_060_000,
        late_by: Some(60_000),
        idle_floor: false,
        error: None,
    }
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        ".{0,20}".prop_map(|text| Some(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Some),
    ]
}

fn any_letter() -> impl Strategy<Value = DeadLetter> {
    let reason = proptest::sample::select(Reason::ALL.to_vec());
    let times = (any::<[Option<u64>; 4]>(), any::<u64>());
    let place = (".{0,9}", any::<Option<String>>(), any::<u16>(), any::<u32>(), any::<u64>());
    (place, times, reason, any::<bool>(), any::<Option<String>>(), bytes(), bytes()).prop_map(
        |(
            (source, topic, index, partition, offset),
            times,
            reason,
            idle_floor,
            error,
            key,
            value,
        )| {
            let ([event_time, field_time, arrival, late_by], watermark) = times;
            let partition = PartitionId { source: index, partition };
            DeadLetter {
                source,
                topic,
                partition,
                offset,
                key,
                value,
                reason,
                event_time,
                field_time,
                arrival,
                watermark,
                late_by,
                idle_floor,
                error,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_letter_comes_back_from_its_line(letter in any_letter()) {
        let mut line = Vec::new();
        encode(&letter, &mut line);
        prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        prop_assert_eq!(parse(&line).unwrap(), letter);
    }
}

#[test]
fn bytes_that_are_not_text_are_base64() {
    let mut line = Vec::new();
    encode(&DeadLetter { key: None, value: Some(vec![0xff]), ..letter(7) }, &mut line);
    let line = String::from_utf8(line).unwrap();
    assert_eq!(
        line,
        "{\"source\":\"transactions\",\"source_index\":0,\"topic\":null,\"partition\":2,\
         \"offset\":7,\"event_time\":1700000000000,\"field_time\":1700000000000,\
         \"arrival\":1700000000040,\"watermark\":1700000060000,\
         \"late_by_ms\":60000,\"reason\":\"late\",\"idle_floor\":false,\
         \"error\":null,\"key\":null,\"value_base64\":\"/w==\"}\n"
    );
}

#[test]
fn a_line_without_the_times_that_letters_now_have_is_read_all_the_same() {
    let mut line = Vec::new();
    encode(&letter(7), &mut line);
    let line = String::from_utf8(line).unwrap();
    let old = line.replace("\"field_time\":1700000000000,\"arrival\":", "\"arrived_at\":");
    let read = parse(old.as_bytes()).unwrap();
    assert_eq!((read.field_time, read.arrival), (None, Some(1_700_000_000_040)));
    let older = line.replace("\"field_time\":1700000000000,\"arrival\":1700000000040,", "");
    assert_eq!(parse(older.as_bytes()).unwrap().arrival, None);
}

struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let file = format!("tidemark-dlq-{name}-{}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(file))
    }

    fn letters(&self) -> Vec<u64> {
        let text = std::fs::read(&self.0).unwrap();
        let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.filter_map(|l| parse(l).ok()).map(|l| l.offset).collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn letters_of_all_workers_are_written_by_the_end() {
    let path = Temporary::new("workers");
    let file = DeadLetterFile::open(&path.0, FileLimits::default()).unwrap();
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let mut sink = file.sink();
            std::thread::spawn(move || (0..500).for_each(|n| sink.push(letter(worker * 500 + n))))
        })
        .collect();
    workers.into_iter().for_each(|w| w.join().unwrap());
    let status = file.status();
    assert_eq!(file.finish(PATIENCE).unwrap(), 1_500);
    let all = DeadLetterStatus { written: 1_500, waiting: 0, failures: 0, error: None };
    assert_eq!(status(), all);
    let mut letters = path.letters();
    letters.sort_unstable();
    assert_eq!(letters, (0..1_500).collect::<Vec<_>>());
}

#[test]
fn appending_keeps_old_letters_and_ends_a_line_that_was_cut_off() {
    let path = Temporary::new("append");
    let write = |offset| {
        let file = DeadLetterFile::open(&path.0, FileLimits::default()).unwrap();
        file.sink().push(letter(offset));
        file.finish(PATIENCE).unwrap();
    };
    write(1);
    std::fs::OpenOptions::new().append(true).open(&path.0).unwrap().write_all(b"{\"sou").unwrap();
    write(2);
    assert_eq!(path.letters(), [1, 2]);
    assert!(ls(&path.0, &Selection::default()).unwrap().contains("1 lines are not dead letters"));
    // Taken away, it is made anew.
    std::fs::remove_file(&path.0).unwrap();
    write(3);
    assert_eq!(path.letters(), [3]);
}

/// A disk that is full until someone makes room, and takes only a few bytes at a time.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        if !disk.0 && disk.1.len() > 100 {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(64);
        disk.1.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_holds_up_the_sources_and_loses_nothing() {
    let disk = Disk::default();
    let limits = FileLimits { letters_max: 10, bytes_max: 1 << 20 };
    let file = DeadLetterFile::start(Path::new("full"), limits, disk.clone()).unwrap();
    let (mut sink, status) = (file.sink(), file.status());
    for offset in 0..10 {
        sink.push(letter(offset));
    }
    while status().error.is_none() {
        std::thread::yield_now();
    }
    sink.push(letter(10));
    assert!(!sink.has_room());
    disk.0.lock().unwrap().0 = true;
    while status().waiting > 0 {
        std::thread::yield_now();
    }
    assert!(sink.has_room());
    drop(sink);
    assert_eq!(file.finish(PATIENCE).unwrap(), 11);
    assert_eq!(status().error, None);
    let disk = disk.0.lock().unwrap();
    let lines = disk.1.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    assert_eq!(
        lines.map(|l| parse(l).unwrap().offset).collect::<Vec<_>>(),
        (0..11).collect::<Vec<_>>()
    );
}

#[test]
fn letters_that_cannot_be_written_by_the_end_are_reported() {
    let file =
        DeadLetterFile::start(Path::new("full"), FileLimits::default(), Disk::default()).unwrap();
    let mut sink = file.sink();
    (0..3).for_each(|offset| sink.push(letter(offset)));
    drop(sink);
    let error = file.finish(Duration::from_millis(1)).expect_err("no room").to_string();
    assert!(error.contains("dead letters to full"), "{error}");
}

#[test]
fn the_bound_counts_bytes_too() {
    let disk = Disk::default();
    disk.0.lock().unwrap().1 = vec![b' '; 200];
    let limits = FileLimits { letters_max: 10, bytes_max: 5_000 };
    let file = DeadLetterFile::start(Path::new("full"), limits, disk.clone()).unwrap();
    let mut sink = file.sink();
    assert!(sink.has_room());
    sink.push(DeadLetter { value: Some(vec![b'x'; 6_000]), ..letter(0) });
    assert!(!sink.has_room());
    disk.0.lock().unwrap().0 = true;
    drop(sink);
    assert_eq!(file.finish(PATIENCE).unwrap(), 1);
}

fn listed() -> Temporary {
    let path = Temporary::new(&format!("listed-{:?}", std::thread::current().id()));
    let file = DeadLetterFile::open(&path.0, FileLimits::default()).unwrap();
    let mut sink = file.sink();
    for (offset, late_by) in
        [999, 1_000, 9_999, 59_999, 60_000, 3_599_999, 3_600_000].into_iter().enumerate()
    {
        let idle_floor = late_by == 999;
        sink.push(DeadLetter { late_by: Some(late_by), idle_floor, ..letter(offset as u64) });
    }
    sink.push(DeadLetter {
        reason: Reason::Malformed,
        value: Some(b"\x1b[31m\xff".to_vec()),
        event_time: None,
        field_time: None,
        arrival: None,
        late_by: None,
        error: Some("field \"amount\": missing".into()),
        partition: PartitionId { source: 0, partition: 10 },
        ..letter(7)
    });
    drop(sink);
    file.finish(PATIENCE).unwrap();
    path
}

#[test]
fn ls_counts_by_source_partition_and_reason() {
    let path = listed();
    assert_eq!(
        ls(&path.0, &Selection { skip: 6, limit: Some(1), ..Selection::default() }).unwrap(),
        "\
late       transactions[2] offset 6  2023-11-14T22:13:20.000Z  card_1  late by 1 h
.. and 1 more

source       partition       late     future  malformed      total  event times
transactions         2          7          0          0          7  2023-11-14T22:13:20.000Z .. 2023-11-14T22:13:20.000Z
transactions        10          0          0          1          1  -
all                             7          0          1          8  2023-11-14T22:13:20.000Z .. 2023-11-14T22:13:20.000Z

late by
  < 1 s              1  ####################
  < 10 s             2  ########################################
  < 1 min            1  ####################
  < 10 min           1  ####################
  < 1 h              1  ####################
  more               1  ####################

1 of the late ones only because their partition had been idle
"
    );
}

#[test]
fn show_filters_and_lets_no_control_character_through() {
    let path = listed();
    let malformed = Selection { reason: Some(Reason::Malformed), ..Selection::default() };
    assert_eq!(
        show(&path.0, &malformed).unwrap(),
        "\
malformed  transactions[10] offset 7
  error       field \"amount\": missing
  watermark   2023-11-14T22:14:20.000Z
  key         card_1
  value       \\u{1b}[31m\\xff
"
    );
    let count = |options: &Selection| show(&path.0, options).unwrap().matches(" offset ").count();
    assert_eq!(count(&Selection::default()), 8);
    assert_eq!(count(&Selection { limit: Some(3), ..Selection::default() }), 3);
    assert_eq!(count(&Selection { limit: Some(0), ..Selection::default() }), 0);
    assert_eq!(count(&Selection { offset: Some(2), ..Selection::default() }), 1);
    assert_eq!(count(&Selection { partition: Some(2), skip: 5, ..Selection::default() }), 2);
    let brief = ls(&path.0, &malformed).unwrap();
    assert!(brief.starts_with("malformed  transactions[10] offset 7  card_1  field"), "{brief}");
    assert!(brief.contains("all                             0          0          1"), "{brief}");
    assert!(matches!(
        ls(Path::new("/nonexistent/x"), &Selection::default()),
        Err(DeadLetterError::Open { .. })
    ));
}

#[test]
fn a_full_disk_is_counted_at_each_attempt_and_nothing_is_dropped() {
    let path = std::path::Path::new("/dev/full");
    let file = DeadLetterFile::open(path, FileLimits::default()).unwrap();
    let mut sink = file.sink();
    sink.push(letter(1));
    drop(sink);
    let status = file.status();
    let started = std::time::Instant::now();
    while status().failures < 3 {
        assert!(started.elapsed() < PATIENCE, "{:?}", status());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((status().written, status().waiting), (0, 1));
    assert!(status().error.is_some_and(|error| error.contains("No space left")));
    assert!(file.finish(Duration::ZERO).unwrap_err().to_string().contains("/dev/full"));
}

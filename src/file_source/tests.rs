//! Claims about files as sources.

use super::csv::CsvReader;
use super::*;
use crate::generator::{Generator, Options, write_files};
use container::{BATCH_RECORDS_MAX, Container, MAGIC};
use lines::{Blocks, LineReader};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::io::{self, Cursor, Write};
use std::sync::mpsc;
use std::time::Duration;
use tidemark_operators::ingest::reader::{Poll, Standing};

/// A folder of its own for a test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tidemark-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Read = Vec<(u64, Vec<u8>)>;

/// Reads all partitions to the end: what each gave, or how it failed.
fn read(paths: &[PathBuf]) -> (Vec<Result<Read, String>>, Arc<Progress>) {
    let (wake, woken) = mpsc::channel();
    let wake = std::sync::Mutex::new(wake);
    let waker: Waker = Arc::new(move || {
        let _ = wake.lock().unwrap().send(());
    });
    let progress = Arc::new(Progress::default());
    let list = share(&[(0, paths.to_vec())], 0, 1).unwrap();
    let mut partitions = FilePartitions::open(list, &waker, &progress).unwrap();
    let mut readers: Vec<_> = partitions.appeared().into_iter().map(|r| (r, Vec::new())).collect();
    let mut done: Vec<Option<Result<Read, String>>> = paths.iter().map(|_| None).collect();
    while done.iter().any(Option::is_none) {
        let mut idle = true;
        for ((reader, lines), done) in readers.iter_mut().zip(&mut done) {
            match reader.poll() {
                Poll::Records(batch) => {
                    idle = false;
                    let values = batch.records.iter().map(|r| (r.offset, batch.value(r).to_vec()));
                    lines.extend(values);
                }
                Poll::Pending(at) => assert_eq!(at, Standing::Behind, "files are never idle"),
                Poll::Ended => {
                    done.get_or_insert_with(|| Ok(std::mem::take(lines)));
                }
                Poll::Failed(text) => *done = Some(Err(text)),
            }
        }
        if idle && done.iter().any(Option::is_none) {
            woken.recv_timeout(Duration::from_secs(20)).expect("woken after Pending");
        }
    }
    (done.into_iter().flatten().collect(), progress)
}

/// Lines by the book.
fn naive(contents: &[u8]) -> Read {
    let mut lines: Vec<&[u8]> = contents.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|l| l.is_empty()) {
        lines.pop();
    }
    (0..)
        .zip(lines)
        .map(|(n, line)| (n, line.strip_suffix(b"\r").unwrap_or(line).to_vec()))
        .filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
        .collect()
}

fn split(contents: &[u8], block: usize, line_max: usize) -> io::Result<Read> {
    let mut lines = LineReader::of_blocks(Blocks::of(Cursor::new(contents), block), line_max);
    let mut all = Vec::new();
    while let Some(batch) = lines.next_batch()? {
        assert!(!batch.records.is_empty());
        all.extend(batch.records.iter().map(|r| (r.offset, batch.value(r).to_vec())));
    }
    Ok(all)
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_blocks(
        pieces in proptest::collection::vec("[a \\r\\n]{0,3}|[\\n]|b{0,40}", 0..40),
        block in 1_usize..64,
    ) {
        let contents = pieces.concat().into_bytes();
        prop_assert_eq!(split(&contents, block, 1 << 20).unwrap(), naive(&contents));
    }
}

#[test]
fn offsets_are_line_numbers_with_blank_lines_counted() {
    let lines = split(b"\n{1}\r\n \t\r\n\n{2}\n{3}", 4, 100).unwrap();
    let lines: Vec<_> = lines.iter().map(|(n, l)| (*n, l.as_slice())).collect();
    assert_eq!(lines, [(1, &b"{1}"[..]), (4, b"{2}"), (5, b"{3}")]);
}

/// The lines by their number, what is kept of them, and how long they are.
fn measured(from: impl io::Read, block: usize, record_max: usize) -> Vec<(u64, usize, usize)> {
    let mut lines = LineReader::of_blocks(Blocks::of(from, block), record_max);
    let mut all = Vec::new();
    while let Some(batch) = lines.next_batch().unwrap() {
        assert!(batch.bytes.len() <= 2 * (record_max + 1 + block), "{}", batch.bytes.len());
        all.extend(batch.records.iter().map(|record| {
            let kept = batch.value(record).len();
            (record.offset, kept, kept + record.left_out)
        }));
    }
    all
}

#[test]
fn of_a_line_that_no_record_may_be_as_long_as_only_its_length_is_kept_wherever_blocks_end() {
    let long = |length: usize, end: &str| format!("{}{end}", "x".repeat(length));
    for end in ["\n", "\r\n"] {
        for length in [1_000, 1_001, 1_002, 5_000] {
            let contents = ["a".to_owned() + end, long(length, end), "b\n\nc".to_owned()].concat();
            for block in [1, 7, 64, 1_000, 1_001, 1_002, 9_000] {
                let lines = measured(Cursor::new(&contents), block, 1_000);
                let expected = [(0, 1, 1), (1, 1_000, length), (2, 1, 1), (4, 1, 1)];
                assert_eq!(lines, expected, "{length} {block}");
            }
            let last = measured(Cursor::new(long(length, end.trim_end_matches('\n'))), 64, 1_000);
            assert_eq!(last, [(0, 1_000, length)]);
        }
    }
}

#[test]
fn a_line_of_a_gigabyte_is_not_held() {
    let line = io::Read::take(io::repeat(b' '), 1 << 30);
    let contents = io::Read::chain(line, &b"\n{}\n"[..]);
    let lines = measured(contents, lines::BLOCK_BYTES, 1 << 20);
    assert_eq!(lines, [(0, 1 << 20, 1 << 30), (1, 2, 2)]);
}

#[test]
fn plain_and_compressed_files_give_the_same_records() {
    let folder = Folder::new("plain-and-compressed");
    let options = Options { events: 5_000, partitions: 2, ..Options::default() };
    let mut told = 0;
    let plain = write_files(&options, &folder.0.join("t.jsonl"), &mut |n| told = n).unwrap();
    let zstd = write_files(&options, &folder.0.join("t.jsonl.zst"), &mut |_| {}).unwrap();
    assert_eq!((told, plain.files.len()), (5_000, 2));
    assert_eq!(plain.files[1], folder.0.join("t-1.jsonl"));
    // By its bytes, not its name.
    let renamed = folder.0.join("renamed.jsonl");
    std::fs::rename(&zstd.files[1], &renamed).unwrap();
    let gzip: Vec<_> = (plain.files.iter().zip(["t.jsonl.gz", "gzip.jsonl"]))
        .map(|(file, name)| folder.file(name, &gzip(&std::fs::read(file).unwrap())))
        .collect();
    let files = [plain.files.clone(), vec![zstd.files[0].clone(), renamed], gzip].concat();
    let (read, progress) = read(&files);
    let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!((&read[0], &read[1]), (&read[2], &read[3]));
    assert_eq!((&read[0], &read[1]), (&read[4], &read[5]));
    let mut expected = vec![Vec::new(), Vec::new()];
    let mut generator = Generator::new(options).unwrap();
    while let Some(record) = generator.next() {
        let partition = &mut expected[record.partition as usize];
        partition.push((partition.len() as u64, record.line.to_vec()));
    }
    assert_eq!(read[..2], expected);
    assert_eq!(progress.read(), progress.total());
    let on_disk: u64 = files.iter().map(|f| std::fs::metadata(f).unwrap().len()).sum();
    assert_eq!(progress.total(), on_disk);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// With a checksum, as the program `zstd` writes.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A way to compress, by its name.
type Codec = (&'static str, fn(&[u8]) -> Vec<u8>);
const CODECS: [Codec; 2] = [("gzip", gzip), ("zstd", zstd)];

#[test]
fn concatenated_members_are_one_file_and_one_that_is_cut_or_damaged_fails_where_it_is() {
    let folder = Folder::new("members");
    let many: Vec<u8> = (0..100_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    for (name, compress) in CODECS {
        let whole = [compress(b"a\nb"), compress(b""), compress(b"c\n")].concat();
        let cut = compress(&many);
        let half = [compress(b"a\nb"), compress(b"c\n")[..5].to_vec()].concat();
        let mut damaged = cut.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xa5);
        let files = [
            folder.file("whole", &whole),
            folder.file("cut", &cut[..cut.len() - 9]),
            folder.file("half", &half),
            folder.file("damaged", &damaged),
        ];
        let (read, _) = read(&files);
        assert_eq!(read[0], Ok(vec![(0, b"a".to_vec()), (1, b"bc".to_vec())]));
        for (read, file, place, why) in [
            (&read[1], &files[1], "line ", "data ends in the middle, so the file has been cut off"),
            (
                &read[2],
                &files[2],
                "its beg",
                "data ends in the middle, so the file has been cut off",
            ),
            (&read[3], &files[3], "line ", "data is damaged ("),
        ] {
            let error = read.as_ref().expect_err(why);
            let says = format!("cannot read file {} on after {place}", file.display());
            assert!(error.starts_with(&says), "{error}");
            assert!(error.contains(&format!("its {name} {why}")), "{error}");
        }
    }
    let (read, _) = read(&[folder.file("empty", b""), folder.file("short", b"{}")]);
    assert_eq!(read, [Ok(Vec::new()), Ok(vec![(0, b"{}".to_vec())])]);
}

#[test]
fn a_file_that_expands_without_end_is_refused_and_not_one_of_equal_records() {
    let zeros = vec![0; 80 << 20];
    let records = b"{\"card_id\":\"c\",\"amount\":10,\"timestamp\":1767484955000}\n";
    let records = records.repeat((1 << 20) / records.len());
    let folder = Folder::new("bomb");
    for (name, compress) in CODECS {
        let (read, _) = read(&[
            folder.file("bomb", &compress(&zeros)),
            folder.file("equal", &compress(&records)),
        ]);
        let error = read[0].as_ref().expect_err("a bomb");
        let says = format!("its {name} data expands to more than 500 times its size");
        assert!(error.contains(&says) && error.contains(&format!("`{name} -dc`")), "{error}");
        assert!(read[1].as_ref().is_ok_and(|records| records.len() > 10_000));
    }
}

#[test]
fn a_missing_file_or_a_folder_is_an_error_that_names_it() {
    let folder = Folder::new("missing");
    for path in [folder.0.join("nothing.jsonl"), folder.0.clone()] {
        let list = vec![(PartitionId { source: 0, partition: 0 }, path.clone())];
        let waker: Waker = Arc::new(|| {});
        let error = FilePartitions::open(list, &waker, &Arc::default()).map(|_| ());
        let error = error.expect_err("no such file").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_reader_that_is_dropped_ends_its_thread() {
    let folder = Folder::new("dropped");
    let path = folder.file("many", "{}\n".repeat(4 << 20).as_bytes());
    let waker: Waker = Arc::new(|| {});
    let list = vec![(PartitionId { source: 0, partition: 0 }, path)];
    let mut partitions = FilePartitions::open(list, &waker, &Arc::default()).unwrap();
    let readers = partitions.appeared();
    drop((readers, partitions));
    // The thread holds the only other clone of the waker.
    while Arc::strong_count(&waker) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn every_worker_gets_its_share_by_sorted_index() {
    let files = |n: usize| (0..n).map(|i| PathBuf::from(i.to_string())).collect::<Vec<_>>();
    let sources = [(1, files(3)), (0, files(2))];
    let of = |worker, workers| {
        let share = share(&sources, worker, workers).unwrap();
        share.into_iter().map(|(id, _)| (id.source, id.partition)).collect::<Vec<_>>()
    };
    assert_eq!(of(0, 1), [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]);
    assert_eq!((of(0, 2), of(1, 2)), (vec![(0, 0), (1, 0), (1, 2)], vec![(0, 1), (1, 1)]));
    assert_eq!(of(6, 7), []);
}

/// The number and length of the records of each batch, to the end or what is wrong.
fn batches(contents: &[u8]) -> (Vec<(usize, usize)>, Option<String>) {
    let mut batches = Vec::new();
    let mut container = match Container::new(Cursor::new(contents.get(4..).unwrap_or_default())) {
        Ok(container) => container,
        Err(error) => return (batches, Some(error.to_string())),
    };
    let mut offset = 0;
    loop {
        match container.next_batch() {
            Ok(Some(batch)) => {
                let mut at = 0;
                for record in &batch.records {
                    assert_eq!((record.offset, record.value.as_ref().unwrap().start), (offset, at));
                    assert!(!batch.value(record).is_empty());
                    (offset, at) = (offset + 1, record.value.as_ref().unwrap().end);
                }
                assert_eq!(at, batch.bytes.len());
                batches.push((batch.records.len(), batch.bytes.len()));
            }
            Ok(None) => return (batches, None),
            Err(error) => return (batches, Some(error.to_string())),
        }
    }
}

fn avro_long(value: i64) -> Vec<u8> {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    bytes.push(raw.to_le_bytes()[0]);
    bytes
}

fn avro_bytes(value: &[u8]) -> Vec<u8> {
    [avro_long(value.len() as i64), value.to_vec()].concat()
}

/// The header of a container of longs.
fn avro_header(codec: &str) -> Vec<u8> {
    let schema = br#"{"type":"record","name":"R","fields":[{"name":"ts","type":"long"}]}"#;
    let entries = [&b"avro.schema"[..], schema, b"avro.codec", codec.as_bytes()].map(avro_bytes);
    [MAGIC.to_vec(), avro_long(2), entries.concat(), avro_long(0), vec![7; 16]].concat()
}

fn avro_block(count: i64, data: &[u8]) -> Vec<u8> {
    [avro_long(count), avro_bytes(data), vec![7; 16]].concat()
}

#[test]
fn a_block_that_is_much_longer_than_it_looks_comes_in_batches_of_bounded_size() {
    const MANY: usize = 1_000_000;
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&vec![2; MANY]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < MANY / 50);
    let count = i64::try_from(MANY).unwrap();
    let file = [avro_header("deflate"), avro_block(count, &packed), avro_block(0, &[3, 0])];
    let (read, error) = batches(&file.concat());
    assert_eq!(error, None);
    assert_eq!(read.iter().map(|(records, _)| records).sum::<usize>(), MANY);
    assert!(read.iter().all(|(records, _)| *records <= BATCH_RECORDS_MAX), "{read:?}");
    // One record more than there are, and one less.
    for (count, wrong) in [(count + 1, "ends too early"), (count - 1, "1 bytes are left behind")] {
        let (_, error) = batches(&[avro_header("deflate"), avro_block(count, &packed)].concat());
        assert!(error.as_ref().is_some_and(|error| error.contains(wrong)), "{error:?}");
    }
}

#[test]
fn a_container_may_be_empty_and_what_it_says_of_itself_is_not_believed() {
    let header = avro_header("null");
    assert_eq!(batches(&header), (vec![], None));
    let empty = [header.clone(), avro_block(0, &[]).repeat(3)].concat();
    assert_eq!(batches(&empty), (vec![], None));
    assert_eq!(batches(&[empty, avro_block(2, &[2, 4])].concat()), (vec![(2, 2)], None));
    let eleven = [&[0xff; 9][..], &[2]].concat();
    for (block, wrong) in [
        (avro_block(-1, &[2]), "less than no records"),
        (avro_block(i64::MAX, &[2, 4]), "ends too early"),
        (avro_block(0, &[2]), "1 bytes are left behind"),
        ([avro_long(1), avro_long(i64::MAX)].concat(), "where 0 to 67108864 may be"),
        ([avro_long(1), avro_long(-1)].concat(), "where 0 to 67108864 may be"),
        ([avro_long(1), avro_long(60 << 20)].concat(), "in the middle of a block"),
        (eleven, "more than 64 bits"),
        (vec![0xff; 11], "more than 64 bits"),
    ] {
        let (_, error) = batches(&[header.clone(), block].concat());
        assert!(error.as_ref().is_some_and(|error| error.contains(wrong)), "{wrong}: {error:?}");
    }
    // More entries or longer ones than a header has.
    let many = [MAGIC.to_vec(), avro_long(i64::MAX), [0, 0].repeat(2_000)].concat();
    assert!(batches(&many).1.unwrap().contains("more than 1024 header entries"));
    let long = [MAGIC.to_vec(), avro_long(-1), avro_long(9), avro_long(1 << 40)].concat();
    assert!(batches(&long).1.unwrap().contains("where 0 to 2097152 may be"));
}

/// How many damaged containers are read.
const DAMAGED: usize = 4_000;

#[test]
fn a_damaged_container_gives_records_or_says_what_is_wrong() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/avro");
    let files: Vec<_> = ["null", "deflate", "snappy", "zstandard"]
        .map(|codec| std::fs::read(folder.join(format!("first-{codec}.avro"))).unwrap())
        .into();
    let mut rng = SmallRng::seed_from_u64(3);
    let (mut whole, mut bad) = (0, 0);
    for _ in 0..DAMAGED {
        let mut bytes = files[rng.random_range(0..files.len())].clone();
        // The header, which has the schema, is as interesting as all the rest.
        let most = if rng.random() { bytes.len() } else { 1_500 };
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(4..most.min(bytes.len()));
            let end = rng.random_range(at..=bytes.len().min(at + 30));
            match rng.random_range(0..5) {
                0 => drop(bytes.splice(at..at, [rng.random()])),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                3 => bytes.truncate(at.max(10)),
                _ => bytes[at] ^= 1 << rng.random_range(0..8),
            }
        }
        match batches(&bytes).1 {
            None => whole += 1,
            Some(error) => {
                bad += 1;
                assert!(!error.is_empty() && error.len() < 500, "{error}");
            }
        }
    }
    assert!(whole > DAMAGED / 50 && bad > DAMAGED / 2, "{whole} {bad}");
}

/// The records of a file: offset, text and length of each; and where and why reading ended early.
type CsvRead = (Vec<(u64, String, usize)>, Option<(String, String)>);

/// What a CSV file gives that is read in blocks of so many bytes.
fn csv(contents: &[u8], block: usize, record_max: usize) -> CsvRead {
    let mut records = Vec::new();
    let from = Cursor::new(contents);
    let mut csv = match CsvReader::of_blocks(Blocks::of(from, block), b',', record_max) {
        Ok(csv) => csv,
        Err(error) => return (records, Some((String::new(), error.to_string()))),
    };
    loop {
        match csv.next_batch() {
            Ok(Some(batch)) => {
                assert_eq!(batch.schema.as_deref(), Some("a,b"));
                assert!(batch.bytes.len() <= 2 * record_max + 2 * block);
                records.extend(batch.records.iter().map(|record| {
                    let kept = batch.value(record);
                    let text = String::from_utf8(kept.to_vec()).unwrap();
                    (record.offset, text, kept.len() + record.left_out)
                }));
            }
            Ok(None) => return (records, None),
            Err(error) => return (records, Some((csv.place(), error.to_string()))),
        }
    }
}

#[test]
fn csv_is_cut_into_records_wherever_blocks_end() {
    let contents = "\r\na,b\r\n1,2\n\n\r\n\"x\n\"\"y\",\"\"\r\n,\n\"3\",4";
    let records = ["1,2", "\"x\n\"\"y\",\"\"", ",", "\"3\",4"];
    let expected: Vec<_> =
        (0..).zip(records).map(|(at, text)| (at, text.to_owned(), text.len())).collect();
    for block in 1..=contents.len() + 1 {
        assert_eq!(csv(contents.as_bytes(), block, 100), (expected.clone(), None), "{block}");
    }
    for only_header in ["a,b", "a,b\n", "a,b\r\n\r\n"] {
        assert_eq!(csv(only_header.as_bytes(), 4, 100), (vec![], None));
    }
}

#[test]
fn bad_csv_says_where_and_why_and_nothing_of_it_is_held() {
    for block in [1, 5, 64, 9_000] {
        let long = format!("a,b\n1,2\n{},4\n5,6\n", "3".repeat(5_000));
        let (records, error) = csv(long.as_bytes(), block, 100);
        let expected = [("1,2".to_owned(), 3), ("3".repeat(100), 5_002), ("5,6".to_owned(), 3)];
        let read: Vec<_> = records.into_iter().map(|(_, text, length)| (text, length)).collect();
        assert_eq!((read, error), (expected.to_vec(), None), "{block}");

        let (records, error) = csv(b"a,b\n1,2\n\n\"x\n\",\"y\n5,6\n7,8\n", block, 100);
        assert!(records.len() <= 1, "{block} {records:?} {error:?}");
        let (place, error) = error.unwrap();
        assert_eq!((place.as_str(), records.len()), ("line 4 (record 1)", records.len()));
        assert!(error.contains("the record that begins on line 4 is not closed"), "{error}");

        let endless = format!("a,b\n1,2\n\"{}", "3\n".repeat(9_000));
        let (place, error) = csv(endless.as_bytes(), block, 100).1.unwrap();
        assert_eq!(place, "line 3 (record 1)");
        let either = error
            .contains("begins on line 3 has over 100 bytes and stands inside of quotes")
            || (block == 9_000 && error.contains("is not closed before the file ends"));
        assert!(either, "{error}");
    }
    for (contents, why) in [
        (&b""[..], "it is empty, and CSV begins with a line of names"),
        (b"\n\r\n", "it is empty, and CSV begins with a line of names"),
        (b"a,a\n1,2\n", "has the column \"a\" twice"),
        (b"a,\xff\n1,2\n", "its header is not UTF-8"),
        (b"a,\"b\n1,2\n", "the record that begins on line 1 is not closed"),
        (b"a,b\0\n1,2\n", "the header has a zero byte"),
    ] {
        let (place, error) = csv(contents, 3, 100).1.expect("refused");
        assert!(place.is_empty() && error.contains(why), "{why}: {error}");
    }
    let wide = vec![b'a'; 5_000];
    assert!(csv(&wide, 64, 100).1.unwrap().1.contains("the header, has over 100 bytes"));
}

/// What `reader` gives next, however long that takes.
fn next(reader: &mut dyn PartitionReader) -> Poll {
    loop {
        match reader.poll() {
            Poll::Pending(_) => std::thread::sleep(Duration::from_millis(1)),
            other => return other,
        }
    }
}

#[test]
fn a_file_rests_behind_its_first_records_and_goes_on_unless_it_is_another_by_then() {
    let folder = Folder::new("rests");
    let lines = (0..100).map(|at| format!("{{\"n\":{at}}}\n")).collect::<String>();
    let paths =
        ["whole", "replaced", "grown", "cut"].map(|name| folder.file(name, lines.as_bytes()));
    let list = share(&[(0, paths.to_vec())], 0, 1).unwrap();
    let mut readers = FilePartitions::open(list, &(Arc::new(|| {}) as Waker), &Arc::default())
        .unwrap()
        .appeared();
    for reader in &mut readers {
        assert!(reader.rests());
        let Poll::Records(first) = next(&mut **reader) else { panic!("it has records") };
        assert!(first.records.len() == 16 && first.bytes.len() < 200 && reader.rests());
    }
    std::fs::rename(folder.file("other", lines.as_bytes()), &paths[1]).unwrap();
    std::fs::write(&paths[2], format!("{lines}{{}}\n")).unwrap();
    std::fs::write(&paths[3], "{}\n").unwrap();
    let rest = readers.iter_mut().map(|reader| {
        let polled = next(&mut **reader);
        assert!(!reader.rests());
        match polled {
            Poll::Records(batch) => Ok(batch.records.iter().map(|record| record.offset).collect()),
            Poll::Failed(why) => Err(why),
            other => panic!("{other:?}"),
        }
    });
    let rest: Vec<Result<Vec<u64>, String>> = rest.collect();
    assert_eq!(rest[0], Ok((16..100).collect()));
    assert_eq!(rest[2], Ok((16..101).collect()));
    for (at, path) in [(1, &paths[1]), (3, &paths[3])] {
        let why = rest[at].as_ref().unwrap_err();
        assert!(why.contains(path.to_str().unwrap()) && why.contains("not the file that it was"));
    }
}

//! Parquet: what is written is read by others as it is, what others write is read as lines are.

use crate::feast::stock::environment;
use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use std::process::Command;

fn run(folder: &Folder, line: &str) -> Ended {
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.errors);
    ended
}

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}

/// Runs a program of Python where pyarrow is.
fn python(folder: &Folder, program: &str) -> String {
    let python = environment().join("bin/python");
    let ended = Command::new(python).args(["-c", program]).current_dir(folder.path()).output();
    let ended = ended.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

const VIEWS: &str = "transaction_stats_5m,merchant_stats";

#[test]
fn pyarrow_reads_the_values_that_lines_of_json_have() {
    let folder = Folder::new("parquet");
    run(&folder, "generate --profile fraud --events 3000 --seed 4 --cards 200 --out in.jsonl");
    let spine = "card_id,merchant_id,event_timestamp,label,weight\n\
                 card_0000001,mer_00003,2026-01-04T21:50:00.123456Z,1,0.5\n\
                 card_0000002,,2026-01-04 12:00:00,0,\n\
                 \"caf\u{e9}, \"\"x\"\"\",mer_00003,1767528000,,-1\n";
    folder.write("spine.csv", spine);
    for out in ["jsonl", "parquet"] {
        let line = format!(
            "historical fraud --source transactions=in.jsonl --entities spine.csv \
             --features {VIEWS} --full-feature-names --out out.{out}"
        );
        run(&folder, &line);
    }
    let compared = python(
        &folder,
        "import json, pyarrow as pa, pyarrow.parquet as pq\n\
         table = pq.read_table('out.parquet')\n\
         rows = [json.loads(line) for line in open('out.jsonl')]\n\
         time = table.column('event_timestamp')\n\
         assert time.type == pa.timestamp('us', tz='UTC'), time.type\n\
         assert time[0].value == 1767563400123456, time[0].value\n\
         assert time[1].value == time[2].value == 1767528000000000\n\
         for row, own in zip(rows, table.drop(['event_timestamp']).to_pylist(), strict=True):\n\
         \x20   for key, value in own.items():\n\
         \x20       expected = row[key]\n\
         \x20       assert value == expected, (key, value, expected)\n\
         \x20       assert type(value) in (type(expected), float), (key, value, expected)\n\
         import duckdb\n\
         duck = duckdb.sql(\"set timezone = 'UTC'; select * from 'out.parquet'\").fetchall()\n\
         for one, other in zip(duck, table.to_pylist(), strict=True):\n\
         \x20   for a, b in zip(one, other.values(), strict=True):\n\
         \x20       assert a == b, (a, b)\n\
         print(table.num_rows, table.num_columns)\n",
    );
    assert!(compared.starts_with("3 "), "{compared}");
}

#[test]
fn a_source_and_a_spine_in_parquet_give_the_bytes_that_lines_give() {
    let folder = Folder::new("parquet");
    run(&folder, "generate --profile fraud --events 4000 --seed 9 --cards 200 --out in.jsonl");
    // Types as people have them: a dictionary, a decimal, times of three units, a date beside.
    python(
        &folder,
        "import json, datetime, decimal, pyarrow as pa, pyarrow.parquet as pq\n\
         rows = [json.loads(line) for line in open('in.jsonl')]\n\
         keys = list({key: 0 for row in rows for key in row})\n\
         columns = {key: [row.get(key) for row in rows] for key in keys}\n\
         for unit, ns in [('ms', 10**6), ('us', 10**3), ('ns', 1)]:\n\
         \x20   arrays = {key: pa.array(values) for key, values in columns.items()}\n\
         \x20   times = [time * 10**6 // ns for time in columns['timestamp']]\n\
         \x20   arrays['timestamp'] = pa.array(times, pa.timestamp(unit, tz='UTC'))\n\
         \x20   amounts = [None if a is None else decimal.Decimal(str(a)) for a in columns['amount']]\n\
         \x20   arrays['amount'] = pa.array(amounts, pa.decimal128(18, 6))\n\
         \x20   arrays['country'] = arrays['country'].dictionary_encode()\n\
         \x20   arrays['day'] = pa.array([datetime.date(2026, 1, 4)] * len(rows))\n\
         \x20   pq.write_table(pa.table(arrays), unit + '.parquet', row_group_size=1500, compression={'ms': 'zstd', 'us': 'snappy', 'ns': 'none'}[unit])\n",
    );
    python(&folder, "import duckdb; duckdb.sql(\"copy (from 'us.parquet') to 'duck.parquet'\")");
    run(&folder, "replay fraud --source transactions=in.jsonl --sealed lines.jsonl");
    for unit in ["ms", "us", "ns", "duck"] {
        let line =
            format!("replay fraud --source transactions={unit}.parquet --sealed {unit}.jsonl");
        run(&folder, &line);
        assert!(read(&folder, &format!("{unit}.jsonl")) == read(&folder, "lines.jsonl"), "{unit}");
    }
    let ask = |spine: &str, out: &str| {
        let line = format!(
            "historical fraud --source transactions=us.parquet --entities {spine} \
             --time timestamp --features {VIEWS} --full-feature-names --out {out}"
        );
        run(&folder, &line);
    };
    ask("in.jsonl", "of_lines.jsonl");
    ask("ms.parquet", "of_columns.jsonl");
    let features = |name: &str| -> Vec<String> {
        let rows = read(&folder, name);
        rows.lines()
            .map(|row| row[row.find("\"transaction_stats_5m__").unwrap()..].to_owned())
            .collect()
    };
    let (lines, columns) = (features("of_lines.jsonl"), features("of_columns.jsonl"));
    assert!(lines.len() == 4_000 && lines == columns);
}

#[test]
fn a_type_that_does_not_fit_is_named_by_its_column() {
    let folder = Folder::new("parquet");
    python(
        &folder,
        "import decimal, pyarrow as pa, pyarrow.parquet as pq\n\
         time = pa.array([1767528000000], pa.timestamp('ms', tz='UTC'))\n\
         wide = pa.array([decimal.Decimal(1)], pa.decimal128(30, 2))\n\
         pq.write_table(pa.table({'timestamp': time, 'wide': wide}), 'wide.parquet')\n\
         pq.write_table(pa.table({'timestamp': time, 'list': pa.array([[1]])}), 'list.parquet')\n\
         pq.write_table(pa.table({'timestamp': time}), 'int96.parquet', use_deprecated_int96_timestamps=True)\n\
         pq.write_table(pa.table({'timestamp': time, 'raw': pa.array([b'\\xff'])}), 'raw.parquet')\n\
         open('cut.parquet', 'wb').write(open('raw.parquet', 'rb').read()[:-9])\n",
    );
    for (name, says) in [
        (
            "wide",
            "column \"wide\" of row group 0 does not fit: it is a decimal of more than 18 digits",
        ),
        ("list", "column \"list\" of row group 0 does not fit: it is nested"),
        ("int96", "column \"timestamp\" of row group 0 does not fit: it is INT96"),
        ("raw", "column \"raw\" of row group 0: its bytes are no text in UTF-8"),
        ("cut", "cut.parquet"),
    ] {
        let line = format!("replay fraud --source transactions={name}.parquet");
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!(ended.code, 1, "{name}: {}", ended.errors);
        assert!(ended.errors.contains(says), "{name}: {}", ended.errors);
    }
}

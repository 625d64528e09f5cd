//! Sealed rows as columns, a file a view: the values of the lines, as others read them.

use crate::feast::stock::environment;
use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use std::process::Command;

fn run(folder: &Folder, line: &str) -> Ended {
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.errors);
    ended
}

/// Compares the columns in files, by pyarrow and by DuckDB, with lines: `rows.jsonl`, and of view V the
/// files V/*.parquet in a folder.
pub const COMPARE: &str = "\
import collections, duckdb, glob, json, sys, pyarrow as pa, pyarrow.parquet as pq
folder = sys.argv[1]
views, kinds, total = collections.defaultdict(list), {}, 0
for line in open('rows.jsonl'):
    row = json.loads(line)
    views[row['view']].append(row)
ORIGIN = ['source', 'source_partition', 'source_offset']
duckdb.sql(\"set timezone = 'UTC'\")
for view, rows in views.items():
    paths = sorted(glob.glob(f'{folder}/{view}/*.parquet') or glob.glob(f'{folder}/{view}.parquet'))
    parts = [pq.read_table(path) for path in paths]
    table = pa.concat_tables(parts)
    names = table.column_names
    key, features = names[0], names[3:-3]
    assert names[1:3] + names[-3:] == ['event_timestamp', 'created'] + ORIGIN, names
    assert features == list(rows[0]['features']), features
    for time in ['event_timestamp', 'created']:
        assert table.schema.field(time).type == pa.timestamp('us', tz='UTC')
    for path, part in zip(paths, parts):
        meta = pq.ParquetFile(path).metadata
        for group in range(meta.num_row_groups):
            columns = [meta.row_group(group).column(at) for at in range(meta.num_columns)]
            assert all(c.statistics is not None for c in columns), path
            assert meta.row_group(group).sorting_columns[0].column_index == 0
        start = 0
        for group in range(meta.num_row_groups):
            length = meta.row_group(group).num_rows
            piece = part.slice(start, length)
            start += length
            keys = piece.column(key).to_pylist()
            keys = [k if isinstance(k, int) else k.encode() for k in keys]
            order = list(zip(keys, piece.column('created').cast(pa.int64()).to_pylist()))
            assert order == sorted(order) and len(set(order)) == len(order), (path, group)
    def place(source, partition, offset, entity):
        return (source, partition, offset, str(entity))
    expected = {place(r['source'], r['partition'], r['offset'], r['entity_id']): r for r in rows}
    assert len(expected) == len(rows) == table.num_rows, (view, len(rows), table.num_rows)
    by_arrow = zip(*[table.column(n).cast(pa.int64()).to_pylist() if n in names[1:3]
                     else table.column(n).to_pylist() for n in names])
    times = ', '.join(f'epoch_us({n}) as {n}' for n in names[1:3])
    by_duck = duckdb.sql(f'select * replace ({times}) from read_parquet({paths!r})').fetchall()
    for reader in [by_arrow, by_duck]:
        seen = set()
        for row in reader:
            own = dict(zip(names, row))
            at = place(*[own[n] for n in ORIGIN], own[key])
            assert at not in seen, at
            seen.add(at)
            line = expected[at]
            assert own['event_timestamp'] == line['as_of'] * 1000, (own, line)
            assert 0 <= own['created'] - own['event_timestamp'] < 1000, (own, line)
            for name in features:
                value, there = own[name], line['features'][name]
                assert value == there and (value is None) == (there is None), (view, name, own, line)
                assert isinstance(value, bool) == isinstance(there, bool), (view, name, value)
        assert len(seen) == len(expected)
    total += table.num_rows
others = [p for p in glob.glob(f'{folder}/*/*.parquet') if p.split('/')[-2] not in views]
assert sum(pq.ParquetFile(p).metadata.num_rows for p in others) == 0, others
print(total)
";

/// Runs a program of Python where pyarrow and DuckDB are.
pub fn python(folder: &Folder, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(environment().join("bin/python"));
    let ended = command.args(["-c", program]).args(arguments).current_dir(folder.path()).output();
    let ended = ended.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn sources(profile: &str) -> &'static str {
    match profile {
        "fraud" => "transactions",
        "personalization" => "clicks",
        _ => "behavior_events",
    }
}

#[test]
fn files_of_columns_have_the_values_of_the_lines_for_every_job_and_any_number_of_workers() {
    for profile in ["fraud", "personalization", "behavior"] {
        let folder = Folder::new("row-files");
        let line = format!("generate --profile {profile} --events 4000 --seed 7 --out in.jsonl");
        run(&folder, &line);
        let replay = |more: &str| {
            let source = sources(profile);
            run(&folder, &format!("replay {profile} --source {source}=in.jsonl {more}"));
        };
        replay("--sealed rows.jsonl");
        replay("--sealed one/{view}/all.parquet");
        replay("--workers 3 --sealed three/{view}/all.parquet");
        let lines = std::fs::read_to_string(folder.path().join("rows.jsonl")).unwrap();
        let rows: usize = python(&folder, COMPARE, &["one"]).trim().parse().unwrap();
        assert!(rows == lines.lines().count() && rows > 4_000, "{profile}: {rows}");
        for view in std::fs::read_dir(folder.path().join("one")).unwrap() {
            let view = view.unwrap().file_name();
            let of = |workers: &str| {
                std::fs::read(folder.path().join(workers).join(&view).join("all.parquet")).unwrap()
            };
            assert!(of("one") == of("three"), "{profile}: {}", view.display());
        }
    }
}

#[test]
fn one_file_for_several_views_is_refused_and_one_view_may_have_any_name() {
    let folder = Folder::new("row-files-names");
    run(&folder, "generate --profile fraud --events 10 --seed 7 --out in.jsonl");
    let line = "replay fraud --source transactions=in.jsonl --sealed rows.parquet";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 2, "{}", ended.errors);
    assert!(ended.errors.contains("\"rows/{view}.parquet\""), "{}", ended.errors);
    let line = "replay fraud --source transactions=in.jsonl --sealed {view}.parquet --dlq \
                transaction_stats_5m.parquet";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 2, "{}", ended.errors);
    assert!(ended.errors.contains("is the same file as"), "{}", ended.errors);
    let job = "[job]\nname = \"cards\"\n\
               [sources.tx]\ntopic = \"tx\"\ntime = \"at\"\nout_of_orderness = \"1s\"\n\
               fields = { card = \"int\", at = \"timestamp\", amount = \"decimal(2)\" }\n\
               [entities.card]\nkey = \"card\"\n\
               [views.spend]\nentity = \"card\"\nttl = \"1d\"\n\
               [views.spend.features]\n";
    let feature = |name: &str| {
        format!("{job}{name} = {{ aggregate = \"sum\", of = \"amount\", window = \"1h\" }}\n")
    };
    folder.write("good.toml", feature("total"));
    folder.write("clash.toml", feature("created"));
    let events = "{\"card\":17,\"at\":1767528000000,\"amount\":1.5}\n\
                  {\"card\":-3,\"at\":1767528000000,\"amount\":0.25}\n\
                  {\"card\":17,\"at\":1767528000000,\"amount\":2}\n";
    folder.write("tx.jsonl", events);
    run(&folder, "replay good.toml --source tx=tx.jsonl --sealed spend.parquet");
    let told = python(
        &folder,
        "import pyarrow.parquet as pq\n\
         for row in pq.read_table('spend.parquet').to_pylist():\n\
         \x20   print(row['card'], row['created'].microsecond, row['total'])\n",
        &[],
    );
    // The order of numbers; of two rows of one time the later one is created later.
    assert_eq!(told, "-3 0 0.25\n17 0 3.5\n17 1 3.5\n");
    let ended = tidemark(
        folder.path(),
        "replay clash.toml --source tx=tx.jsonl --sealed spend.parquet",
        b"",
    );
    assert_eq!(ended.code, 2, "{}", ended.errors);
    assert!(ended.errors.contains("two columns \"created\""), "{}", ended.errors);
}

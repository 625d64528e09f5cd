//! Features of examples: at any time what brute force finds there, whoever asks.

use crate::files::{Ended, tidemark};
use crate::folder::Folder;
use crate::twin::{Event, World};
use clap::Parser as _;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::process::Command;
use tidemark::cli::{self, Cli, HistoricalArgs};

/// Histories that are asked about through the command.
const SEEDS: u64 = 100;
/// Histories that are asked about in this process; with those of `by_arrival` they are 10,000.
const IN_PROCESS: u64 = 7_500;
/// The most records of a partition of these.
const RECORDS_MAX: usize = 24;

/// A world whose history lies in files.
pub struct Told {
    pub world: World,
    pub accepted: Vec<Event>,
    late: u64,
    pub folder: Folder,
    pub sources: String,
}

impl Told {
    pub fn new(seed: u64) -> Told {
        Told::of(World::of_sources(seed, 1 + seed as usize % 2))
    }

    fn of(world: World) -> Told {
        let (accepted, late) = world.judge();
        let folder = Folder::new("historical");
        folder.write("job.toml", world.job());
        world.write_table(&folder);
        let sources = world.write_log(&folder);
        Told { world, accepted, late: late.len() as u64, folder, sources }
    }

    fn historical(&self, more: &str) -> Ended {
        let line = format!(
            "historical job.toml --time-unit ms --full-feature-names{}{more}",
            self.sources
        );
        tidemark(self.folder.path(), &line, b"")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}

/// Which events count at a time.
#[derive(Clone, Copy, Debug)]
enum CountedEvents {
    UpToIt,
    Before,
    /// Those that are known so long after their time.
    Lagging(u64),
}

impl CountedEvents {
    fn holds(self, ts: u64, at: u64) -> bool {
        match self {
            CountedEvents::UpToIt => ts <= at,
            CountedEvents::Before => ts < at,
            CountedEvents::Lagging(lag) => ts + lag <= at,
        }
    }

    fn flag(self) -> String {
        match self {
            CountedEvents::UpToIt => String::new(),
            CountedEvents::Before => " --before".to_owned(),
            CountedEvents::Lagging(lag) => format!(" --known lag={lag}ms"),
        }
    }
}

/// An example: whom it is about, and when.
struct Example {
    card: Option<String>,
    user: Option<String>,
    at: u64,
}

impl Example {
    fn random(told: &Told, rng: &mut SmallRng) -> Example {
        // Some are of nobody, some of somebody of whom there is nothing.
        let card = rng.random_range(0..7_u32);
        let user = rng.random_range(0..9_u32);
        Example {
            card: (card < 6).then(|| format!("c{card}")),
            user: (user < 8).then(|| format!("u{user}")),
            at: told.world.telling_time(&told.accepted, rng),
        }
    }

    /// The same where what was known so much earlier may tell more.
    fn lagging(mut self, counts: CountedEvents, rng: &mut SmallRng) -> Example {
        if let CountedEvents::Lagging(lag) = counts {
            self.at += [0, lag, lag - 1][rng.random_range(0..3)];
        }
        self
    }

    /// The values of all features of all views.
    fn values(&self, told: &Told, counts: CountedEvents) -> Vec<String> {
        let mut values = Vec::new();
        for (at, view) in told.world.views.iter().enumerate() {
            let id = if view.entity == "card" { &self.card } else { &self.user };
            match id {
                Some(id) => {
                    let known = told.accepted.partition_point(|e| counts.holds(e.ts, self.at));
                    let known = &told.accepted[..known];
                    values.extend(told.world.values_of(at, known, id, self.at));
                }
                None => values.extend(view.features.iter().map(|_| "null".to_owned())),
            }
        }
        values
    }
}

fn names(world: &World) -> Vec<String> {
    let views = world.views.iter().enumerate();
    let of = |(at, n): (usize, usize)| format!("v{at}__f{n}");
    views.flat_map(|(at, view)| (0..view.features.len()).map(move |n| of((at, n)))).collect()
}

/// A spine of lines of JSON, and what it is to become.
fn of_json(told: &Told, examples: &[Example], counts: CountedEvents) -> (String, String) {
    let (mut spine, mut expected) = (String::new(), String::new());
    let quoted =
        |id: &Option<String>| id.as_ref().map_or("null".to_owned(), |id| format!("{id:?}"));
    for (row, example) in examples.iter().enumerate() {
        let line = format!(
            "{{\"label\": {}.50,  \"card\":{},\"event_timestamp\":{},\"user\":{},\"x\":[{row}]",
            row % 3,
            quoted(&example.card),
            example.at,
            quoted(&example.user),
        );
        let _ = writeln!(spine, "{line}}}");
        let values = names(&told.world).into_iter().zip(example.values(told, counts));
        let values: String = values.map(|(name, value)| format!(",\"{name}\":{value}")).collect();
        let _ = writeln!(expected, "{line}{values}}}");
    }
    (spine, expected)
}

/// The same of CSV.
fn of_csv(told: &Told, examples: &[Example], counts: CountedEvents) -> (String, String) {
    let head = "\"the label\";user;event_timestamp;card";
    let mut spine = format!("{head}\n");
    let mut expected = format!("{head};{}\n", names(&told.world).join(";"));
    for (row, example) in examples.iter().enumerate() {
        let line = format!(
            "\"{row}; \"\"x\"\"\n\";{};{};{}",
            example.user.as_deref().unwrap_or_default(),
            example.at,
            example.card.as_deref().unwrap_or_default(),
        );
        let _ = writeln!(spine, "{line}");
        let cell = |value: String| match value.as_str() {
            "null" => String::new(),
            text => text.trim_matches('"').to_owned(),
        };
        let values: Vec<String> = example.values(told, counts).into_iter().map(cell).collect();
        let _ = writeln!(expected, "{line};{}", values.join(";"));
    }
    (spine, expected)
}

#[test]
fn features_at_random_times_equal_brute_force_whatever_the_workers() {
    equal_brute_force(
        |_, rng| if rng.random() { CountedEvents::Before } else { CountedEvents::UpToIt },
    );
}

#[test]
fn what_is_known_so_much_later_equals_brute_force_too() {
    equal_brute_force(|world, rng| match world.lag_max() {
        0 => CountedEvents::UpToIt,
        most => CountedEvents::Lagging(rng.random_range(1..=most)),
    });
}

/// What `tidemark historical` is asked by these words, in a folder.
pub fn arguments(folder: &Folder, words: &str) -> HistoricalArgs {
    let of_file = |word: &str| match word.split_once('=') {
        Some((source, files)) => {
            let files = files.split(',').map(|file| folder.file(file));
            format!("{source}={}", files.collect::<Vec<_>>().join(","))
        }
        None => folder.file(word),
    };
    let mut whole = vec!["tidemark".to_owned()];
    for word in words.split(' ') {
        let last = whole.last().map_or("", String::as_str);
        let is_file = ["historical", "--source", "--entities", "--out"].contains(&last);
        whole.push(if is_file { of_file(word) } else { word.to_owned() });
    }
    match Cli::try_parse_from(&whole).unwrap_or_else(|e| panic!("{words}: {e}")).command {
        cli::Command::Historical(args) => args,
        _ => panic!("{words}"),
    }
}

/// The numbers of workers that a history is read by: one of three by turns, of every tenth history all three.
pub fn workers_of(seed: u64) -> RangeInclusive<usize> {
    let turn = 1 + (seed / 2 % 3) as usize;
    if (seed / 2).is_multiple_of(10) { 1..=3 } else { turn..=turn }
}

#[test]
fn ten_thousand_random_histories_have_what_brute_force_finds_in_them() {
    let (mut histories, mut asked, mut looked_up, mut late) = (0, 0, 0, 0);
    for seed in 0..IN_PROCESS {
        let world = World::looking_up(seed, 1 + seed as usize % 2, RECORDS_MAX);
        looked_up += usize::from(world.shows_what_is_looked_up());
        let (told, mut rng) = (Told::of(world), SmallRng::seed_from_u64(seed));
        let counts = match (rng.random_range(0..3), told.world.lag_max()) {
            (0, most) if most > 0 => CountedEvents::Lagging(rng.random_range(1..=most)),
            (1, _) => CountedEvents::Before,
            _ => CountedEvents::UpToIt,
        };
        let rows = rng.random_range(0..24);
        let examples: Vec<Example> =
            (0..rows).map(|_| Example::random(&told, &mut rng).lagging(counts, &mut rng)).collect();
        let (spine, expected) = of_json(&told, &examples, counts);
        told.folder.write("spine.jsonl", spine);
        let views: Vec<String> = (0..told.world.views.len()).map(|at| format!("v{at}")).collect();
        let words = format!(
            "historical job.toml --time-unit ms --full-feature-names --entities spine.jsonl --features {} \
             --out out.jsonl{}{}",
            views.join(","),
            told.sources,
            counts.flag()
        );
        let mut args = arguments(&told.folder, &words);
        for workers in workers_of(seed) {
            args.workers = Some(workers);
            match tidemark::historical::make(&args) {
                Ok(said) => {
                    let said = serde_json::to_value(said).unwrap();
                    let said =
                        ["accepted", "late", "rows"].map(|name| said[name].as_u64().unwrap());
                    let events = told.accepted.len() as u64;
                    assert_eq!(said, [events, told.late, examples.len() as u64], "seed {seed}");
                }
                Err(why) => panic!("seed {seed}: {why}{}", told.world.job()),
            }
            let found = told.read("out.jsonl");
            let differs = found.lines().zip(expected.lines()).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed} on {workers}: {}", told.world.job());
            assert!(found == expected, "seed {seed} on {workers}");
        }
        histories += 1;
        asked += examples.len();
        late += told.late;
    }
    assert_eq!(histories, 10_000 - crate::by_arrival::IN_PROCESS);
    let counts = [asked, looked_up, late as usize];
    assert!(counts.iter().zip([80_000, 5_000, 2_000]).all(|(is, least)| *is > least), "{counts:?}");
}

fn equal_brute_force(which: impl Fn(&World, &mut SmallRng) -> CountedEvents) {
    let mut asked = 0;
    for seed in 0..SEEDS {
        let (told, mut rng) = (Told::new(seed), SmallRng::seed_from_u64(seed));
        let counts = which(&told.world, &mut rng);
        let examples = (0..rng.random_range(0..300))
            .map(|_| Example::random(&told, &mut rng).lagging(counts, &mut rng));
        let examples: Vec<Example> = examples.collect();
        let csv = rng.random::<bool>();
        let form = if csv { of_csv } else { of_json };
        let (spine, expected) = form(&told, &examples, counts);
        let (name, out) = if csv { ("spine.csv", "out.csv") } else { ("spine.jsonl", "out.jsonl") };
        told.folder.write(name, spine);
        let views: Vec<String> = (0..told.world.views.len()).map(|at| format!("v{at}")).collect();
        let flag = counts.flag();
        for workers in 1..=3 {
            let ended = told.historical(&format!(
                " --entities {name} --features {} --out {out} --workers {workers}{flag}",
                views.join(",")
            ));
            assert_eq!(ended.code, 0, "seed {seed}: {}", ended.errors);
            let said: Value = serde_json::from_str(&ended.out).unwrap();
            let counts = ["accepted", "late", "rows"].map(|name| said[name].as_u64().unwrap());
            let events = told.accepted.len() as u64;
            assert_eq!(counts, [events, told.late, examples.len() as u64], "seed {seed}");
            let found = told.read(out);
            let differs = found.lines().zip(expected.lines()).find(|(one, other)| one != other);
            assert_eq!(differs, None, "seed {seed}: {}", told.world.job());
            assert!(found == expected, "seed {seed}");
        }
        asked += examples.len();
    }
    assert!(asked > 10_000, "{asked}");
}

/// The sealed features by view and offset.
fn sealed(rows: &str) -> HashMap<(String, u64), String> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let at = line.find("\"features\":").unwrap() + "\"features\":".len();
        let key = (row["view"].as_str().unwrap().to_owned(), row["offset"].as_u64().unwrap());
        (key, line[at..line.len() - 1].to_owned())
    };
    rows.lines().map(row).collect()
}

/// The views of an entity type of a shipped job.
pub fn names_of_views(job: &str, entity: &str) -> Vec<String> {
    let loaded = tidemark_jobs::shipped(job).unwrap();
    let plan = tidemark_jobs::load(loaded.0, loaded.1).unwrap().plan;
    let entity = plan.entities.iter().find(|known| known.name == entity).unwrap();
    entity.views.iter().map(|view| view.name.clone()).collect()
}

/// At the times of its own events a job has its own sealed rows.
fn own_events_have_their_rows(job: &str, source: &str, time: &str) {
    let folder = Folder::new("historical");
    let run = |line: &str| {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
    };
    run(&format!("generate --profile {job} --events 6000 --seed 5 --out in.jsonl"));
    run(&format!("replay {job} --source {source}=in.jsonl --sealed rows.jsonl"));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let rows = sealed(&read("rows.jsonl"));
    let loaded = tidemark_jobs::shipped(job).unwrap();
    let plan = tidemark_jobs::load(loaded.0, loaded.1).unwrap().plan;
    let views: Vec<_> = (0..plan.views.len()).map(|at| plan.view(at).unwrap()).collect();
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    run(&format!(
        "historical {job} --source {source}=in.jsonl --entities in.jsonl --time {time} \
         --features {} --out out.jsonl --workers 2 --full-feature-names",
        names.join(",")
    ));
    let mut compared = 0;
    for (offset, (line, event)) in
        read("out.jsonl").lines().zip(read("in.jsonl").lines()).enumerate()
    {
        let mut rest = line.strip_prefix(&event[..event.len() - 1]).unwrap();
        for view in &views {
            let row = rows.get(&(view.name.clone(), offset as u64));
            compared += usize::from(row.is_some());
            let mut features = row.map(|row| &row[1..]);
            for feature in &view.features {
                let name = format!(",\"{}__{}\":", view.name, feature.name);
                rest = rest.strip_prefix(&name).unwrap_or_else(|| panic!("{name} in {rest}"));
                let end = rest.find(",\"").unwrap_or(rest.len() - 1);
                let value = &rest[..end];
                rest = &rest[end..];
                if let Some(known) = &mut features {
                    let expected = format!("\"{}\":{value}", feature.name);
                    let after = known.strip_prefix(&expected);
                    let why = format!("{job}, line {offset}: {expected} in {known}");
                    *known = &after.unwrap_or_else(|| panic!("{why}"))[1..];
                }
            }
        }
        assert_eq!(rest, "}");
    }
    assert!(compared == rows.len() && compared > 6_000, "{compared} of {}", rows.len());
}

#[test]
fn cards_at_the_times_of_their_own_events_have_their_sealed_rows() {
    own_events_have_their_rows("fraud", "transactions", "timestamp");
}

#[test]
fn shoppers_at_the_times_of_their_own_events_have_their_sealed_rows() {
    own_events_have_their_rows("personalization", "clicks", "timestamp");
}

#[test]
fn users_at_the_times_of_their_own_events_have_their_sealed_rows() {
    own_events_have_their_rows("behavior", "behavior_events", "timestamp");
}

const PAYMENTS: &str = "--time-unit ms --source t=in.jsonl --features v";

/// A job of counts of cards with two events of one.
fn counting(folder: &Folder) {
    folder.write(
        "job.toml",
        "[job]\nname = \"counting\"\n[sources.t]\nfiles = [\"in.jsonl\"]\ntime = \"ts\"\n\
         out_of_orderness = \"1s\"\nevent_time_min = \"1970-01-01T00:00:00Z\"\n\
         [sources.t.fields]\ncard = \"string\"\nother = \"string?\"\n[entities.payer]\nkey = \"card\"\n[views.v]\n\
         entity = \"payer\"\n[views.v.features]\nn = { aggregate = \"count\", window = \"1m\" }\n\
         twice = { expression = 'n * 2' }\n[services.all]\nviews = [\"v\"]\n",
    );
    folder.write("in.jsonl", "{\"ts\":1000,\"card\":\"a\"}\n{\"ts\":2000,\"card\":\"a\"}\n");
}

/// Rows of a spine that are more than sorting holds in memory.
const MANY_ROWS: usize = 1_000_000;
/// Bytes of each of their ids.
const ID_BYTES: usize = 110;
/// What sorting holds in memory of what is asked, and as much again of what was found.
const SORT_BYTES: u64 = 64 << 20;
/// What else more rows may cost: blocks of runs that are merged.
const OTHER_BYTES: u64 = 40 << 20;

/// A spine of numbered rows, by time where `sorted`, else in no order.
fn long_spine(sorted: bool, rows: usize) -> String {
    let mut rng = SmallRng::seed_from_u64(10);
    let mut all: Vec<(u64, usize, u32)> =
        (0..rows).map(|n| (rng.random_range(0..400_000), n, rng.random_range(0..1_100))).collect();
    if sorted {
        all.sort_unstable();
    }
    let mut spine = "row,payer,event_timestamp\n".to_owned();
    for (at, n, id) in all {
        let _ = writeln!(spine, "{n},{id:0>ID_BYTES$},{at}");
    }
    spine
}

/// What came out, by the numbers of the rows.
fn by_number(folder: &Folder, name: &str) -> Vec<String> {
    let out = std::fs::read_to_string(folder.path().join(name)).unwrap();
    let mut rows: Vec<(usize, String)> = out
        .lines()
        .skip(1)
        .map(|line| {
            let (n, rest) = line.split_once(',').unwrap();
            // The id is longer than what is to be compared.
            (n.parse().unwrap(), rest[ID_BYTES - 5..].to_owned())
        })
        .collect();
    rows.sort_unstable();
    rows.into_iter().map(|(_, rest)| rest).collect()
}

#[test]
fn a_spine_that_is_larger_than_memory_may_be_gives_what_it_gives_sorted_and_shows_how_far_it_is() {
    let folder = Folder::new("long-spine");
    counting(&folder);
    let mut events = String::new();
    for at in 0..5_000_u32 {
        let _ = writeln!(events, "{{\"ts\":{},\"card\":\"{:0>ID_BYTES$}\"}}", at * 60, at % 1_000);
    }
    folder.write("in.jsonl", events);
    let line = |spine: &str, out: &str| {
        format!(
            "historical job.toml --time-unit ms --source t=in.jsonl --features v --entities {spine} --out {out}"
        )
    };
    let run = |spine: &str, out: &str, temporary: &str| {
        let mut command = crate::run::command();
        command.args(line(spine, out).split(' ')).current_dir(folder.path());
        Ended::from(command.env("TMPDIR", temporary).output().unwrap())
    };
    let peak = |said: &str| {
        // A terminal was told other things before it.
        let said = &said[said.rfind("{\"features\"").unwrap()..];
        serde_json::from_str::<Value>(said.trim()).unwrap()["peak_rss_bytes"].as_u64().unwrap()
    };
    folder.write("few.csv", long_spine(false, 1_000));
    let few = run("few.csv", "few_out.csv", "/nowhere/at/all");
    assert_eq!(few.code, 0, "{}", few.errors);
    folder.write("sorted.csv", long_spine(true, MANY_ROWS));
    folder.write("spine.csv", long_spine(false, MANY_ROWS));
    // More than that needs room elsewhere.
    let refused = run("spine.csv", "out.csv", "/nowhere/at/all");
    assert_eq!(refused.code, 1, "{}", refused.errors);
    let says = "cannot keep what does not fit into memory in a temporary file in /nowhere/at/all";
    assert!(refused.errors.contains(says), "{}", refused.errors);
    let sorted = run("sorted.csv", "sorted_out.csv", &folder.file(""));
    assert_eq!(sorted.code, 0, "{}", sorted.errors);
    // On a terminal.
    let mut terminal = Command::new("script");
    let program = crate::run::command().get_program().to_str().unwrap().to_owned();
    let shown = terminal
        .args(["-qec", &format!("{program} {}", line("spine.csv", "out.csv")), "/dev/null"])
        .current_dir(folder.path())
        .env("TERM", "xterm")
        .env("TMPDIR", folder.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let shown = Ended::from(shown);
    assert_eq!(shown.code, 0, "{}{}", shown.out, shown.errors);
    for says in ["examples read  ", "examples written  ", " M examples/s  "] {
        assert!(shown.out.contains(says), "{says}: {}", shown.out);
    }
    let (found, expected) = (by_number(&folder, "out.csv"), by_number(&folder, "sorted_out.csv"));
    assert_eq!(found.len(), MANY_ROWS);
    assert!(found == expected);
    assert!(found.iter().filter(|row| row.ends_with(",1,2")).count() > MANY_ROWS / 100);
    for said in [&sorted.out, &shown.out] {
        let (peak, few) = (peak(said), peak(&few.out));
        let most = few + 2 * SORT_BYTES + OTHER_BYTES;
        assert!(peak < most, "{peak} bytes, with a thousand rows {few}");
    }
}

#[test]
fn what_is_wrong_with_examples_is_told_by_file_row_and_column() {
    let folder = Folder::new("historical");
    counting(&folder);
    for (name, spine, says) in [
        (
            "s.csv",
            "card,event_timestamp\na,1000\na,soon\n",
            "s.csv: row 2 behind the header: column \"event_timestamp\": `soon`",
        ),
        ("s.csv", "card,at\na,1000\n", "s.csv: it has no column \"event_timestamp\" of times"),
        (
            "s.csv",
            "crad,event_timestamp\na,1000\n",
            "no column \"card\" of the keys of entity \"payer\"; \"crad\" is near it",
        ),
        (
            "s.csv",
            "card,event_timestamp,n\na,1000,7\n",
            "a column \"n\" already, which is a feature",
        ),
        (
            "s.csv",
            "card,event_timestamp\na,1000,7\n",
            "s.csv: row 1 behind the header: the record is no line of its CSV file: it has more cells",
        ),
        (
            "s.csv",
            "card,event_timestamp,label\na,1000\n",
            "s.csv: row 1 behind the header: the record is no line of its CSV file: it has ",
        ),
        ("s.csv", "card,event_timestamp\n\"a,1000\n", "line 2 is not closed"),
        (
            "s.jsonl",
            "{\"card\":\"a\",\"event_timestamp\":1}\n\n{\"card\":\"a\"}\n",
            "s.jsonl: line 3: column \"event_timestamp\": it has no time",
        ),
        (
            "s.jsonl",
            "{\"card\":[1],\"event_timestamp\":1}\n",
            "line 1: column \"card\": `[1]` is no key",
        ),
        ("s.jsonl", "{\"card\":\"a\",\"event_timestamp\":-1}\n", "lies before 1970"),
    ] {
        folder.write(name, spine);
        let line = format!("historical job.toml --entities {name} --out out.csv {PAYMENTS}");
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{says}: {}", ended.errors);
        assert!(ended.errors.contains(says), "{says}: {}", ended.errors);
        assert!(!folder.path().join("out.csv").exists(), "{says}");
    }
    folder.write("s.csv", "payer,event_timestamp\na,1767484799724\n");
    let line = "historical job.toml --entities s.csv --out out.csv --time-unit s --source t=in.jsonl --features v";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.errors.contains("see whether --time-unit is theirs"), "{}", ended.errors);
    std::fs::remove_file(folder.path().join("out.csv")).unwrap();
    folder.write("s.csv", "payer,event_timestamp\na,1000\n");
    for (more, says) in [
        ("--features v:m", "did you mean \"n\"?"),
        ("--features v --known lag=2m", "feature \"n\" sees events for 1m"),
        ("--features v:twice --known lag=1m", "ask for other features, or say a shorter lag"),
        ("--features v --known arrived", "nothing says when the records of source \"t\" arrived"),
        ("--features v --known lag=1s --before", "cannot be used with"),
        ("--features w", "job \"counting\" has no view \"w\""),
        ("--service some", "has no service \"some\""),
        ("--features v,v:n", "two features are called \"n\""),
        ("--features v --out s.csv", "the same file as"),
        ("--features v --entities -", "they are read twice"),
        ("--features v --out out.xls", "name a file .csv"),
        ("--features v --entities nowhere.csv", "cannot open file nowhere.csv"),
    ] {
        let mut line = format!("historical job.toml --time-unit ms --source t=in.jsonl {more}");
        for (flag, value) in [("--out", "out.csv"), ("--entities", "s.csv")] {
            if !more.contains(flag) {
                let _ = write!(line, " {flag} {value}");
            }
        }
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!(ended.code, 2, "{more}: {}", ended.errors);
        assert!(ended.errors.contains(says), "{more}: {}", ended.errors);
    }
}

#[test]
fn a_spec_says_what_a_training_set_is() {
    let folder = Folder::new("historical");
    counting(&folder);
    // The column has the name of the entity.
    folder.write("s.csv", "payer,event_timestamp\na,2000\n,61000\nb,61000\n");
    let spec = |job: &str| {
        let line = format!(
            "historical {job} --time-unit ms --source t=in.jsonl --service all --entities s.csv \
             --out out.csv --spec spec.json"
        );
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!(ended.code, 0, "{}", ended.errors);
        let text = std::fs::read_to_string(folder.path().join("spec.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let first = spec("job.toml");
    assert_eq!(first["service"], "all");
    assert_eq!(first["examples"]["rows"], 3);
    assert_eq!(first["examples"]["to"], "1970-01-01T00:01:01Z");
    assert_eq!(first["examples"]["keys"][0]["rows_without"], 1);
    assert_eq!(first["sources"][0]["files"][0]["bytes"], 46);
    // Of whoever asks: `sha256sum in.jsonl`.
    let sum = |name: &str| {
        let sum = Command::new("sha256sum").arg(folder.file(name)).output().unwrap();
        String::from_utf8(sum.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(first["sources"][0]["files"][0]["sha256"], sum("in.jsonl"));
    assert_eq!(first["examples"]["file"]["sha256"], sum("s.csv"));
    assert_eq!(first["out"]["sha256"], sum("out.csv"));
    assert_eq!(first["features"][0]["nulls"], 1);
    assert_eq!(first["run"]["accepted"], 2);
    let out = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
    assert_eq!(out, "payer,event_timestamp,n,twice\na,2000,2,4\n,61000,,\nb,61000,0,0\n");
    assert_eq!(first["out"]["bytes"], out.len());
    // The definition of one has changed, and with it that of what is made of it.
    let job = std::fs::read_to_string(folder.path().join("job.toml")).unwrap();
    folder.write("other.toml", job.replace("1m", "2m"));
    folder.write(
        "told.toml",
        job.replace("name = \"counting\"", "name = \"told\"\ndescription = \"x\""),
    );
    let hashes = |spec: &Value| {
        let features = spec["features"].as_array().unwrap().iter();
        features.map(|it| it["sha256"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (was, told, is) = (hashes(&first), hashes(&spec("told.toml")), hashes(&spec("other.toml")));
    assert_eq!((was.len(), &told), (2, &was), "a description defines nothing");
    assert!(was[0] != is[0] && was[1] != is[1], "{was:?} {is:?}");
    // So it does where other records, or events of others, make it.
    folder.write("in.jsonl", "{\"ts\":1000,\"card\":\"a\",\"other\":\"b\"}\n");
    for (from, to) in [
        ("time = \"ts\"\n", "time = \"ts\"\nid = \"card\"\nunique_within = \"1s\"\n"),
        ("time = \"ts\"\n", "time = \"ts\"\njson = \"strict\"\n"),
        ("key = \"card\"", "key = \"other\""),
        ("event_time_min = \"1970-01-01T00:00:00Z\"", "event_time_min = \"1970-01-01T00:00:01Z\""),
        ("[job]\n", "[job]\ndistinct_max = 3\n"),
    ] {
        folder.write("changed.toml", job.replacen(from, to, 1));
        assert_ne!(was, hashes(&spec("changed.toml")), "{to}");
    }
}

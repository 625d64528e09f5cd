//! Jobs that are killed and go on: nothing is lost, and nothing is counted twice.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{self, Process, command, hashes, settings, topic, traffic, until_stored, write};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A job, its source, and what generates its records.
const JOBS: [(&str, &str, &str); 3] = [
    ("fraud", "transactions", "fraud"),
    ("personalization", "clicks", "personalization"),
    ("behavior", "behavior_events", "behavior"),
];

/// `tidemark` with these arguments in `folder`; it must end well.
fn done(folder: &Path, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = command().args(&arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{said}");
}

/// The job `name` with its source read from the file `records.jsonl`.
fn on_a_file(name: &str, source: &str) -> String {
    let text = std::fs::read_to_string(format!("jobs/{name}.toml")).unwrap();
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        let of_source = section == format!("[sources.{source}]");
        match line.split(" = ").next() {
            Some("topic") if of_source => lines.push("files = [\"records.jsonl\"]".to_owned()),
            Some("start") if of_source => {}
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

fn sorted(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{} ends in a line", path.display());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// What everything is written to, and checkpoints often. Events leave memory soon, where that is asked.
fn settings_on_files(folder: &Folder, cold: bool) {
    let cold = if cold { "hot_window = \"1m\"\n[limits]\nchunk_rows = 256\n" } else { "" };
    folder.write(
        "cluster.toml",
        format!(
            "[online]\nkind = \"embedded\"\n[http]\nport = 0\n[sealed]\npath = \"sealed.jsonl\"\n\
             [dead_letters]\npath = \"dead.jsonl\"\n\
             [state]\nurl = \"state\"\ncheckpoint_interval = \"100ms\"\nsnapshot_interval = \"1s\"\n{cold}"
        ),
    );
}

/// How often a run is ended before it may come to its end.
const ENDS: usize = 6;

/// How many checkpoints the folder has had.
fn newest(folder: &Path) -> u64 {
    let manifests = std::fs::read_dir(folder.join("state/manifests")).into_iter().flatten();
    let numbers = manifests.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.max().unwrap_or(0)
}

/// Runs the job in `folder` until it ends by itself; before that it is killed or asked to stop a few
/// times, at once or after some checkpoints. Says how often it was killed.
fn run_to_the_end(folder: &Path, rng: &mut SmallRng) -> usize {
    let mut killed = 0;
    for attempt in 0.. {
        let workers = rng.random_range(1..4_usize).to_string();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        let before = newest(folder);
        let mut child = command()
            .args(["run", "job.toml", "--cluster", "cluster.toml", "--workers", &workers])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let checkpoints = rng.random_range(0..5);
        let pause = Duration::from_millis(rng.random_range(0..80));
        while attempt < ENDS
            && newest(folder) < before + checkpoints
            && child.try_wait().unwrap().is_none()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        if attempt < ENDS {
            std::thread::sleep(pause);
            let signal = if rng.random_bool(0.8) { "KILL" } else { "TERM" };
            let pid = child.id().to_string();
            // It may have ended just now.
            let _ = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
        }
        let ended = child.wait().unwrap();
        if ended.code().is_none() {
            killed += 1;
            continue;
        }
        let said = std::fs::read_to_string(folder.join("log")).unwrap();
        // Asked to stop before it could hear that.
        if ended.code() != Some(143) {
            assert_eq!(ended.code(), Some(0), "{said}");
        }
        if said.lines().any(|line| line.contains("ended, all is read")) {
            return killed;
        }
    }
    unreachable!("the last attempt comes to its end")
}

#[test]
fn a_job_that_is_killed_again_and_again_ends_with_the_bytes_of_one_that_never_was() {
    let mut killed = 0;
    for (seed, (job, source, profile)) in (0..).zip(JOBS) {
        let folder = Folder::new("recovery");
        let path = folder.path();
        folder.write("job.toml", on_a_file(job, source));
        // What `behavior` looks addresses up in.
        folder.write("ip_reputation.csv", std::fs::read("jobs/ip_reputation.csv").unwrap());
        settings_on_files(&folder, seed > 0);
        done(
            path,
            &format!(
                "generate --profile {profile} --events 40000 --seed {seed} --late 0.02 --malformed 0.02 \
             --out records.jsonl"
            ),
        );
        done(
            path,
            &format!(
                "replay job.toml --source {source}=records.jsonl --sealed sealed.ref --dlq dead.ref"
            ),
        );
        let mut rng = SmallRng::seed_from_u64(seed);
        // The file grows after its end was reached, as if it had never been.
        let records = path.join("records.jsonl");
        let whole = std::fs::read(&records).unwrap();
        let half = whole.len() / 2;
        let half = half + whole[half..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
        std::fs::write(&records, &whole[..half]).unwrap();
        killed += run_to_the_end(path, &mut rng);
        std::fs::remove_file(path.join("log")).unwrap();
        std::fs::write(&records, &whole).unwrap();
        killed += run_to_the_end(path, &mut rng);
        let (sealed, expected) = ("sealed.jsonl", "sealed.ref");
        let same = std::fs::read(path.join(sealed)).unwrap()
            == std::fs::read(path.join(expected)).unwrap();
        assert!(same, "{job}: the sealed rows are others");
        assert_eq!(sorted(&path.join("dead.jsonl")), sorted(&path.join("dead.ref")), "{job}");
        assert!(!sorted(&path.join("dead.ref")).is_empty());
        // Once more, with nothing left to do.
        done(path, "run job.toml --cluster cluster.toml");
        let same = std::fs::read(path.join(sealed)).unwrap()
            == std::fs::read(path.join(expected)).unwrap();
        assert!(same, "{job}: the sealed rows are others after a start at the end");
        assert_eq!(sorted(&path.join("dead.jsonl")), sorted(&path.join("dead.ref")), "{job}");
    }
    assert!(killed >= 6, "it was killed {killed} times");
}

/// The lines of `log`, some of them again behind up to 3,000 others, by a generator of `seed`.
fn with_copies(log: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut due: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
    let mut copied = Vec::new();
    for (at, line) in log.split_inclusive(|byte| *byte == b'\n').enumerate() {
        copied.extend_from_slice(line);
        if rng.random_bool(0.2) {
            due.entry(at + rng.random_range(1..3_000)).or_default().push(line);
        }
        due.remove(&at).into_iter().flatten().for_each(|copy| copied.extend_from_slice(copy));
    }
    copied
}

#[test]
fn copies_of_records_from_before_a_kill_are_still_known_as_copies() {
    let mut killed = 0;
    for seed in 0..2 {
        let folder = Folder::new("recovery-copies");
        let path = folder.path();
        let source = "[sources.transactions]\n";
        let unique = "id = \"transaction_id\"\nunique_within = \"20h\"\nduplicates = \"dead\"\n\
                      out_of_orderness = \"6h\"\n";
        let job = on_a_file("fraud", "transactions");
        let job = job.lines().filter(|line| !line.starts_with("out_of_orderness"));
        let job = job.collect::<Vec<_>>().join("\n").replace(source, &format!("{source}{unique}"));
        folder.write("job.toml", job);
        settings_on_files(&folder, true);
        done(
            path,
            &format!("generate --events 20000 --seed {seed} --malformed 0.01 --out log.jsonl"),
        );
        let log = std::fs::read(path.join("log.jsonl")).unwrap();
        folder.write("records.jsonl", with_copies(&log, seed));
        done(
            path,
            "replay job.toml --source transactions=records.jsonl --sealed sealed.ref --dlq dead.ref",
        );
        let copies = sorted(&path.join("dead.ref"));
        let copies = copies.iter().filter(|line| line.contains("\"reason\":\"duplicate\""));
        assert!(copies.count() > 2_000, "there are copies");
        killed += run_to_the_end(path, &mut SmallRng::seed_from_u64(seed));
        let bytes = |name: &str| std::fs::read(path.join(name)).unwrap();
        assert!(bytes("sealed.jsonl") == bytes("sealed.ref"), "{seed}: the sealed rows are others");
        assert_eq!(sorted(&path.join("dead.jsonl")), sorted(&path.join("dead.ref")), "{seed}");
    }
    assert!(killed >= 4, "it was killed {killed} times");
}

#[test]
fn a_job_on_a_topic_that_is_killed_again_and_again_leaves_in_redis_what_a_replay_computes() {
    let mut rng = SmallRng::seed_from_u64(5);
    let log = traffic(17, 24_000);
    let output = run::expected(&log);
    let redis = Redis::start(&[]);
    let folder = Folder::new("recovery");
    let state = folder.file("state");
    settings(
        folder.path(),
        &format!(
            "[state]\nurl = {state:?}\ncheckpoint_interval = \"100ms\"\nsnapshot_interval = \"1s\"\n"
        ),
    );
    // The topic grows while the job is killed: each start finds some of it read, and some not.
    let parts = 8;
    let part = |at: usize| -> Vec<Vec<_>> {
        let of = |records: &Vec<_>| {
            let (from, to) = (records.len() * at / parts, records.len() * (at + 1) / parts);
            records[from..to].to_vec()
        };
        log.iter().map(of).collect()
    };
    let topic = topic(&part(0));
    let (brokers, port) = (run::kafka().bootstrap_servers, redis.port.to_string());
    let workers: Vec<String> = (1..4).map(|workers: usize| workers.to_string()).collect();
    let start = |rng: &mut SmallRng| {
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()),
            ("KAFKA_TOPIC", &topic),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
            ("PARALLELISM", &workers[rng.random_range(0..workers.len())]),
        ];
        Process::start(folder.path(), "fraud", &variables)
    };
    for at in 1..parts {
        let mut job = start(&mut rng);
        if rng.random_bool(0.5) {
            job.until_ready();
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(0..1_500)));
        write(&topic, &part(at));
        std::thread::sleep(Duration::from_millis(rng.random_range(0..1_500)));
        if rng.random_bool(0.7) {
            job.kill();
        } else {
            job.stop("TERM");
        }
    }
    let mut job = start(&mut rng);
    job.until_ready();
    until_stored(&redis, &hashes(&output));
    job.stop("TERM");
    until_stored(&redis, &hashes(&output));
    let dead = std::fs::read_to_string(folder.file("dead.jsonl")).unwrap();
    let mut found: Vec<(u64, u64)> = dead
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["partition"].as_u64().unwrap(), line["offset"].as_u64().unwrap())
        })
        .collect();
    found.sort_unstable();
    let mut expected: Vec<(u64, u64)> = output
        .dead
        .iter()
        .map(|letter| (u64::from(letter.partition.partition), letter.offset))
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "each record is an event or a dead letter, once");
}

#[test]
fn dead_letters_of_a_job_with_checkpoints_reach_their_topic() {
    let log = traffic(19, 4_000);
    let output = run::expected(&log);
    let topic = topic(&log);
    let folder = Folder::new("recovery");
    let state = folder.file("state");
    settings(
        folder.path(),
        &format!("kind = \"kafka\"\n[online]\nkind = \"embedded\"\n[state]\nurl = {state:?}\n"),
    );
    let brokers = run::kafka().bootstrap_servers;
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", &topic)];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    // Those that no checkpoint has had yet are published when it stops.
    job.stop("TERM");
    let found = run::dead_letters(&format!("{topic}.dlq"), output.dead.len());
    let found: Vec<(u32, u64)> = found.into_iter().map(|letter| (letter.0, letter.1)).collect();
    let expected = output.dead.iter().map(|letter| (letter.partition.partition, letter.offset));
    assert!(!found.is_empty());
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// The files in `folder` and its folders, with what they hold.
fn files_in(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_in(&path)),
            false => files.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    files
}

#[test]
fn with_keys_no_part_of_a_refused_record_is_in_any_file_of_the_state() {
    const REFUSED: &[u8] = b"refused-card";
    for encrypted in [false, true] {
        let folder = Folder::new("recovery-refused");
        let path = folder.path();
        folder.write("job.toml", on_a_file("fraud", "transactions"));
        done(path, "generate --events 2000 --seed 3 --out records.jsonl");
        let mut records = std::fs::read(path.join("records.jsonl")).unwrap();
        for at in 0..20 {
            records.extend(format!("{{\"card_id\":\"refused-card-{at}\",\"amount\":\n").bytes());
        }
        folder.write("records.jsonl", records);
        folder.write("keys.txt", format!("one {}\n", "a1".repeat(32)));
        let keys = if encrypted { "[state.encrypt]\nkeys = \"keys.txt\"\n" } else { "" };
        folder.write(
            "cluster.toml",
            format!(
                "[online]\nkind = \"embedded\"\n[http]\nport = 0\n[dead_letters]\npath = \"dead.jsonl\"\n\
                 [state]\nurl = \"state\"\ncheckpoint_interval = \"1h\"\n{keys}"
            ),
        );
        done(path, "run job.toml --cluster cluster.toml");
        let holds = |bytes: &[u8]| bytes.windows(REFUSED.len()).any(|part| part == REFUSED);
        assert!(holds(&std::fs::read(path.join("dead.jsonl")).unwrap()), "they are published");
        let files = files_in(&path.join("state"));
        let letters: Vec<_> =
            files.iter().filter(|(path, _)| path.to_string_lossy().contains("letters/")).collect();
        assert!(!letters.is_empty(), "the state has had them");
        let told: Vec<_> = files.iter().filter(|(_, bytes)| holds(bytes)).collect();
        assert_eq!(told.is_empty(), encrypted, "{encrypted}: {} files", told.len());
        let verify = "checkpoint verify state --keys keys.txt";
        done(path, verify);
        for (path, bytes) in letters {
            let mut damaged = bytes.clone();
            damaged[0] ^= 1;
            std::fs::write(path, damaged).unwrap();
        }
        let verified = command().args(verify.split(' ')).current_dir(path).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stdout);
        assert_eq!(verified.status.code(), Some(1), "{said}");
        assert!(said.contains("could not use letters/"), "{said}");
    }
}

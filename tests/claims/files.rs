//! Files that commands read and write, through the binary: none destroys another, what is written is
//! whole or not there, and `-` stands for the standard streams.

use crate::folder::Folder;
use crate::run::{command, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// What a command printed and how it ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub errors: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().expect("it is no signal that ends it");
        Ended { code, out: text(output.stdout), errors: text(output.stderr) }
    }
}

/// Runs a command in a folder, with `input` as its standard input.
pub fn tidemark(folder: &Path, arguments: &str, input: &[u8]) -> Ended {
    let mut child = start(folder, arguments);
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().into()
}

fn start(folder: &Path, arguments: &str) -> Child {
    let mut command = command();
    command.args(arguments.split(' ')).current_dir(folder).env("HEALTH_CHECK_PORT", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
}

/// Some transactions in `tx.jsonl`.
pub fn traffic(folder: &Folder, more: &str) -> Vec<u8> {
    let line = format!("generate --profile fraud --events 300 --seed 3 --out tx.jsonl{more}");
    let ended = tidemark(folder.path(), &line, b"");
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
    std::fs::read(folder.path().join("tx.jsonl")).unwrap()
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_output_that_is_an_input_or_another_output_is_refused_and_nothing_changes() {
    let folder = Folder::new("same");
    let records = traffic(&folder, "");
    let job = tidemark_jobs::FRAUD;
    folder.write("job.toml", job);
    folder.write("table.csv", "ip,score\n");
    symlink("tx.jsonl", folder.path().join("link.jsonl")).unwrap();
    std::fs::hard_link(folder.path().join("tx.jsonl"), folder.path().join("hard.jsonl")).unwrap();
    symlink(".", folder.path().join("here")).unwrap();
    let before = names(&folder);
    let replay = "replay job.toml --source transactions=tx.jsonl";
    for (line, what) in [
        (format!("{replay} --sealed tx.jsonl"), "source \"transactions\""),
        (format!("{replay} --dlq ./tx.jsonl"), "source \"transactions\""),
        (format!("{replay} --online here/tx.jsonl"), "source \"transactions\""),
        (format!("{replay} --sealed link.jsonl"), "source \"transactions\""),
        (format!("{replay} --sealed hard.jsonl"), "source \"transactions\""),
        ("replay job.toml --source transactions=link.jsonl --dlq tx.jsonl".into(), "source"),
        (format!("{replay} --sealed job.toml"), "the job"),
        (format!("{replay} --sealed new.jsonl --dlq new.jsonl"), "--sealed"),
        (format!("{replay} --dlq new.jsonl --online here/new.jsonl"), "--dlq"),
        (
            format!("{replay} --sealed new.jsonl --online ../{}/new.jsonl", base(&folder)),
            "--sealed",
        ),
        (format!("{replay} --sealed - --dlq -"), "standard output"),
        ("replay job.toml --source transactions=-,-".into(), "standard input"),
        ("docs job.toml --output job.toml".into(), "the job"),
        ("docs job.toml --output here/job.toml".into(), "the job"),
        ("generate --profile w1 --events 9 --seed 1 --partitions 2 --out -".into(), "2 partitions"),
    ] {
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{line}: {}", ended.errors);
        assert!(ended.errors.contains(what), "{line}: {}", ended.errors);
        assert!(ended.errors.contains("\nhint: "), "{line}: {}", ended.errors);
        assert_eq!(names(&folder), before, "{line}");
        let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
        assert!(read("tx.jsonl") == records && read("job.toml") == job.as_bytes(), "{line}");
    }
}

fn base(folder: &Folder) -> String {
    folder.path().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_table_is_not_written_over() {
    let folder = Folder::new("same");
    let (job, records) = table_job(&folder);
    let scores = std::fs::read(folder.path().join("scores.csv")).unwrap();
    for line in [
        format!("replay {job} --source t={records} --sealed scores.csv"),
        format!("replay {job} --source t={records} --table scores={records} --dlq {records}"),
        format!("docs {job} --output scores.csv"),
    ] {
        let ended = tidemark(folder.path(), &line, b"");
        assert_eq!(ended.code, 2, "{line}: {}", ended.errors);
        assert_eq!(std::fs::read(folder.path().join("scores.csv")).unwrap(), scores);
    }
}

/// A job that looks scores up in `scores.csv`, and a record for it.
pub fn table_job(folder: &Folder) -> (String, String) {
    let job = "[job]\nname = \"scored\"\n[sources.t]\nfiles = [\"in.jsonl\"]\n\
         time = { field = \"ts\", unit = \"ms\" }\nout_of_orderness = \"1s\"\n\
         [sources.t.fields]\ncard = \"string\"\n\
         [sources.t.lookup]\nscore = { table = \"scores\", key = \"card\", column = \"score\" }\n\
         [tables.scores]\nfile = \"scores.csv\"\nkey = \"card\"\n\
         columns = { score = \"decimal\" }\n[entities.card]\nkey = \"card\"\n\
         [views.cards]\nentity = \"card\"\n[views.cards.features]\n\
         n = { aggregate = \"max\", of = \"score\", window = \"1m\" }\n";
    folder.write("scored.toml", job);
    folder.write("scores.csv", "card,score\nc,7\n");
    folder.write("in.jsonl", "{\"ts\":1700000000000,\"card\":\"c\"}\n");
    ("scored.toml".to_owned(), "in.jsonl".to_owned())
}

/// A shipped job over a file, as `job.toml`, with rows in the process.
pub fn job_over(folder: &Folder, job: &str, file: &str) {
    let line = |line: &str| match line {
        line if line.starts_with("topic = ") => format!("files = [{file:?}]\n"),
        line if line.starts_with("start = ") => String::new(),
        line => format!("{line}\n"),
    };
    folder.write("job.toml", job.lines().map(line).collect::<String>());
    folder.write("cluster.toml", "[online]\nkind = \"embedded\"\n");
}

#[test]
fn a_run_whose_outputs_are_its_inputs_is_refused_before_it_starts() {
    let folder = Folder::new("same");
    let (job, records) = table_job(&folder);
    let before = std::fs::read(folder.path().join(&records)).unwrap();
    for (settings, what) in [
        ("[sealed]\npath = \"in.jsonl\"\n", "source \"t\""),
        ("[dead_letters]\npath = \"in.jsonl\"\n", "source \"t\""),
        ("[dead_letters]\npath = \"scores.csv\"\n", "table \"scores\""),
        ("[sealed]\npath = \"scored.toml\"\n", "the job"),
        ("[sealed]\npath = \"cluster.toml\"\n", "the settings"),
        ("[sealed]\npath = \"x\"\n[dead_letters]\npath = \"./x\"\n", "[sealed]"),
        ("[sealed]\npath = \"-\"\n[dead_letters]\npath = \"-\"\n", "standard output"),
    ] {
        let text = format!("[online]\nkind = \"embedded\"\n{settings}");
        folder.write("cluster.toml", &text);
        let ended = tidemark(folder.path(), &format!("run {job}"), b"");
        assert_eq!(ended.code, 2, "{settings}: {}", ended.errors);
        assert!(ended.errors.contains(what), "{settings}: {}", ended.errors);
        assert_eq!(std::fs::read(folder.path().join(&records)).unwrap(), before);
        assert_eq!(std::fs::read_to_string(folder.path().join("cluster.toml")).unwrap(), text);
        assert!(!folder.path().join("x").exists(), "{settings}");
    }
}

/// A pipe in the folder that nobody has opened.
pub fn pipe(folder: &Folder, name: &str) -> PathBuf {
    let pipe = folder.path().join(name);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    pipe
}

#[test]
fn an_interrupted_replay_leaves_what_was_there_and_says_so() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new("interrupted");
        let records = traffic(&folder, "");
        folder.write("old.jsonl", "old\n");
        let before = names(&folder);
        let line = "replay fraud --source transactions=- --sealed old.jsonl --dlq new.jsonl \
                    --online rows.jsonl";
        let mut child = start(folder.path(), line);
        // Its end does not come: it reads on.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&records).unwrap();
        until("the unfinished files", || names(&folder).len() == before.len() + 3);
        signal(&child, name);
        let mut ended = child.wait_with_output().unwrap();
        drop(input);
        let errors = String::from_utf8(std::mem::take(&mut ended.stderr)).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{errors}");
        assert!(errors.contains(&format!("interrupted by SIG{name} before the end")), "{errors}");
        for file in ["old.jsonl", "new.jsonl", "rows.jsonl"] {
            assert!(errors.contains(file), "{errors}");
        }
        assert!(errors.contains("were not written"), "{errors}");
        assert_eq!(names(&folder), before);
        assert_eq!(std::fs::read_to_string(folder.path().join("old.jsonl")).unwrap(), "old\n");
    }
}

#[test]
fn an_interrupted_generator_leaves_no_file() {
    let folder = Folder::new("interrupted");
    let line =
        "generate --profile fraud --events 500_000_000 --seed 1 --partitions 3 --out a.jsonl";
    let child = start(folder.path(), line);
    until("the unfinished files", || names(&folder).len() == 3);
    assert!(
        names(&folder).iter().all(|name| name.ends_with(".unfinished")),
        "{:?}",
        names(&folder)
    );
    signal(&child, "INT");
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{}", ended.errors);
    assert!(ended.errors.contains("a-2.jsonl were not written"), "{}", ended.errors);
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_replay_that_fails_leaves_no_file() {
    let folder = Folder::new("failed");
    traffic(&folder, "");
    folder.write("other.jsonl", "PAR1 and what follows");
    let before = names(&folder);
    let line =
        "replay fraud --source transactions=tx.jsonl,other.jsonl --sealed a --dlq b --online c";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 1, "{}", ended.errors);
    assert!(ended.errors.contains("note: a, b and c were not written"), "{}", ended.errors);
    assert_eq!(names(&folder), before);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_a_link_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("whole");
    traffic(&folder, "");
    let replay = "replay fraud --source transactions=tx.jsonl --sealed";
    let path = folder.write("rows.jsonl", "old\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(tidemark(folder.path(), &format!("{replay} rows.jsonl"), b"").code, 0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o640);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("{\"view\""));
    assert_eq!(tidemark(folder.path(), &format!("{replay} new.jsonl"), b"").code, 0);
    assert_eq!(mode(&folder.path().join("new.jsonl")), 0o600);
    symlink("new.jsonl", folder.path().join("link")).unwrap();
    let ended = tidemark(folder.path(), &format!("{replay} link"), b"");
    assert!(ended.code == 1 && ended.errors.contains("symbolic link"), "{}", ended.errors);
    assert!(folder.path().join("link").is_symlink());
}

#[test]
fn standard_streams_stand_for_files_wherever_one_is_named() {
    let folder = Folder::new("dash");
    let records = traffic(&folder, " --late 0.05");
    let by_name =
        "replay fraud --source transactions=tx.jsonl --sealed rows --dlq dead --online live";
    let ended = tidemark(folder.path(), by_name, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let statistics = |text: &str| text.contains("{\"events\":300,");
    assert!(statistics(&ended.out) && !statistics(&ended.errors));
    for (flag, file) in [("--sealed", "rows"), ("--dlq", "dead"), ("--online", "live")] {
        let line = format!("replay fraud --source transactions=- {flag} -");
        let ended = tidemark(folder.path(), &line, &records);
        assert_eq!(ended.code, 0, "{}", ended.errors);
        let named = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(ended.out == named && !named.is_empty(), "{flag}");
        assert!(statistics(&ended.errors), "rows only on standard output: {}", ended.errors);
    }
    let line = "generate --profile fraud --events 300 --seed 3 --late 0.05 --out -";
    let ended = tidemark(folder.path(), line, b"");
    assert!(ended.out.as_bytes() == records && ended.errors.starts_with("300 records"));

    let checked = tidemark(folder.path(), "check -", tidemark_jobs::FRAUD.as_bytes());
    assert!(checked.code == 0 && checked.out.contains("job fraud"), "{}", checked.errors);
    let line = "replay - --source transactions=tx.jsonl --sealed again";
    let ended = tidemark(folder.path(), line, tidemark_jobs::FRAUD.as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("again") == read("rows"));
    let listed = tidemark(folder.path(), "dlq ls -", &read("dead"));
    assert!(listed.code == 0 && listed.out.contains("late"), "{}", listed.errors);
    let page = tidemark(folder.path(), "docs fraud --output -", b"");
    assert!(page.code == 0 && page.out.starts_with('#'), "{}", page.out);

    let (job, records) = table_job(&folder);
    let line = format!("replay {job} --source t={records} --table scores=-");
    let ended = tidemark(folder.path(), &line, b"card,score\nc,seven\n");
    assert_eq!(ended.code, 1);
    assert!(ended.errors.contains("line 2, column \"score\""), "{}", ended.errors);
    assert_eq!(tidemark(folder.path(), &line, b"card,score\nc,7\n").code, 0);
}

#[test]
fn what_is_no_plain_file_is_written_as_it_is() {
    let folder = Folder::new("plain");
    traffic(&folder, "");
    let line = "replay fraud --source transactions=tx.jsonl --sealed /dev/null --online /dev/null";
    assert_eq!(tidemark(folder.path(), line, b"").code, 0);
    let pipe = pipe(&folder, "pipe");
    let reader = std::thread::spawn(move || std::fs::read(pipe).unwrap());
    let line = "replay fraud --source transactions=tx.jsonl --sealed pipe --online rows";
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(reader.join().unwrap().starts_with(b"{\"view\""));
    assert_eq!(names(&folder), ["pipe", "rows", "tx.jsonl"]);
}

#[test]
fn a_reader_that_goes_away_ends_a_command_in_silence() {
    let folder = Folder::new("head");
    for line in [
        "generate --profile fraud --events 500_000_000 --seed 1 --out -",
        "generate --profile fraud --events 500_000_000 --seed 1 --out /dev/stdout",
    ] {
        let mut child = start(folder.path(), line);
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with('{'), "{first}");
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.errors.as_str()), (0, ""), "{line}");
    }
    let line = "generate --profile fraud --events 20_000 --seed 3 --out many.jsonl";
    assert_eq!(tidemark(folder.path(), line, b"").code, 0);
    let mut child =
        start(folder.path(), "replay fraud --source transactions=many.jsonl --sealed -");
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.errors.as_str()), (0, ""));
}

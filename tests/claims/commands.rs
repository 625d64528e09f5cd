//! Commands as people run them: through the binary, by what it prints and how it exits.

use crate::folder::Folder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tidemark::dead_letters::{self, encode};
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::verdict::Reason;

/// A test that waits longer than this hangs.
const HANG: Duration = Duration::from_secs(60);

fn tidemark(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    command.args(arguments.split(' ').filter(|argument| !argument.is_empty()));
    command.env_remove("HEALTH_CHECK_PORT").env_remove("PARALLELISM").env_remove("LOG_LEVEL");
    command
}

fn output(arguments: &str) -> (i32, String, String) {
    let Output { status, stdout, stderr } = tidemark(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn every_command_teaches_by_examples_in_its_help() {
    let (code, help, _) = output("--help");
    assert_eq!(code, 0);
    let commands = [
        "demo",
        "generate",
        "init",
        "check",
        "test",
        "replay",
        "run",
        "serve",
        "get",
        "dlq",
        "checkpoint",
        "docs",
        "completions",
    ];
    // In the order of what one does first.
    let places = commands.map(|command| help.find(&format!("\n  {command} ")).unwrap());
    assert!(places.is_sorted(), "{help}");
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in\n{help}");
        let (code, help, _) = output(&format!("{command} --help"));
        assert_eq!(code, 0, "{command}");
        let example = help.split_once("Example").map_or("", |(_, after)| after);
        assert!(example.contains(&format!("tidemark {command}")), "{help}");
    }
}

#[test]
fn the_version_names_a_commit_where_the_sources_have_a_repository() {
    let (code, said, _) = output("--version");
    let said = said.strip_prefix("tidemark ").unwrap().trim_end();
    assert!(code == 0 && said.starts_with(env!("CARGO_PKG_VERSION")), "{said}");
    let commit = said.split_once(" (").map(|(_, rest)| rest.trim_end_matches(')'));
    let commit = commit.map(|commit| commit.trim_end_matches(", modified"));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(commit.is_some(), sources.join(".git").exists(), "{said}");
    if let Some(commit) = commit {
        let mut git = Command::new("git");
        let known =
            git.current_dir(sources).args(["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        assert!(known.status().unwrap().success(), "git knows no {commit}");
    }
}

#[test]
fn a_shell_completes_commands_and_flags() {
    let folder = Folder::new("completions");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, _) = output(&format!("completions {shell}"));
        assert!(code == 0 && script.contains("generate"), "{shell}");
        std::fs::write(folder.file(shell), script).unwrap();
    }
    let completed = |words: &str| {
        let count = words.split(' ').count() - 1;
        let last = words.rsplit(' ').next().unwrap();
        let script = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={count}; _tidemark tidemark {last} x; \
             echo \"${{COMPREPLY[@]}}\"",
            folder.file("bash")
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("tidemark rep"), "replay");
    assert_eq!(completed("tidemark generate --to"), "--topic");
    let (code, _, errors) = output("completions tcsh");
    assert!(code == 2 && errors.contains("bash, elvish, fish, powershell, zsh"), "{errors}");
}

#[test]
fn the_same_arguments_generate_the_same_bytes() {
    let folder = Folder::new("generate");
    let generate = |seed: u32, out: &str| {
        let (code, said, errors) = output(&format!(
            "generate --profile fraud --events 2_000 --seed {seed} --late 0.01 --malformed 0.02 \
             --partitions 2 --out {}",
            folder.file(out)
        ));
        assert_eq!((code, errors.as_str()), (0, ""));
        said
    };
    let said = generate(7, "a.jsonl");
    assert!(said.starts_with("2,000 records (") && said.ends_with("a-1.jsonl\n"), "{said}");
    generate(7, "b.jsonl");
    generate(8, "c.jsonl");
    let bytes = |name: &str| std::fs::read(folder.file(name)).unwrap();
    assert_eq!(bytes("a-0.jsonl"), bytes("b-0.jsonl"));
    assert_eq!(bytes("a-1.jsonl"), bytes("b-1.jsonl"));
    assert_ne!(bytes("a-0.jsonl"), bytes("c-0.jsonl"));
    let lines = |name: &str| bytes(name).iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines("a-0.jsonl") + lines("a-1.jsonl"), 2_000);
}

#[test]
fn generating_nonsense_is_refused_before_a_file_is_written() {
    let folder = Folder::new("nonsense");
    let out = folder.file("x.jsonl");
    for (wrong, why) in [
        ("--events 0", "at least 1"),
        ("--events 10 --late 2", "from 0 to 1"),
        ("--events 10 --late 0.6 --malformed 0.6", "`late + malformed` must be"),
        ("--events 10 --cards 9_000_000_000", "`cards` must be from 1 to"),
        ("--events 10 --hours 1_000_000", "`hours` must be from 1 to"),
        ("--events 10 --partitions 0", "1..=1024"),
    ] {
        let line = format!("generate --profile w1 --seed 1 --out {out} {wrong}");
        let (code, _, errors) = output(&line);
        assert!(code == 2 && errors.contains(why), "{wrong}: {code} {errors}");
        assert!(!Path::new(&out).exists(), "{wrong}");
    }
    let (code, _, errors) =
        output("generate --profile w1 --events 10 --seed 1 --out /no/such/folder/x.jsonl");
    assert!(code == 1 && errors.contains("/no/such/folder/x.jsonl"), "{code} {errors}");
}

#[test]
fn a_job_of_ones_own_can_begin_with_a_shipped_one() {
    let folder = Folder::new("begun");
    for job in ["fraud", "personalization"] {
        let (code, text, _) = output(&format!("docs {job} --format toml"));
        let file = folder.write("my_job.toml", text).display().to_string();
        let (checked, report, errors) = output(&format!("check {file}"));
        assert_eq!((code, checked, errors.as_str()), (0, 0, ""));
        assert!(report.starts_with(&format!("job {job}")), "{report}");
    }
    let (code, _, errors) = output("docs semantics --format toml");
    assert!(code == 2 && errors.contains("fraud, personalization, behavior"), "{errors}");
}

#[test]
fn check_prints_what_was_understood() {
    let (code, report, errors) = output("check fraud");
    assert_eq!((code, errors.as_str()), (0, ""));
    for part in ["job fraud", "view transaction_stats_5m", "fail_60s", "service fraud_detection"] {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
}

#[test]
fn check_shows_every_mistake_with_its_line_and_exits_with_2() {
    let folder = Folder::new("check");
    let file = folder.file("bad.toml");
    let shipped = include_str!("../../jobs/fraud.toml");
    let bad = shipped.replacen("window = \"5m\"", "window = \"5 minutes\"", 1).replacen(
        "field = \"timestamp\"",
        "feld = \"timestamp\"",
        1,
    );
    std::fs::write(&file, &bad).unwrap();
    let line = |part: &str| bad.lines().position(|line| line.contains(part)).unwrap() + 1;
    let (code, report, errors) = output(&format!("check {file}"));
    assert_eq!((code, report.as_str()), (2, ""));
    for at in [line("5 minutes"), line("feld")] {
        assert!(errors.contains(&format!("{file}:{at}:")), "no line {at} in\n{errors}");
    }
    let (code, _, errors) = output("check frad");
    assert!(code == 2 && errors.contains("did you mean \"fraud\"?"), "{errors}");
}

#[test]
fn check_refuses_settings_that_the_kafka_client_does_not_know_by_name_and_without_their_values() {
    let folder = Folder::new("check-client");
    let file = folder.file("cluster.toml");
    let check = |setting: &str| {
        std::fs::write(&file, format!("[kafka.settings]\n{setting}\n")).unwrap();
        output(&format!("check fraud --cluster {file}"))
    };
    for (setting, name) in [
        ("\"sasl.pasword\" = \"hunter2\"", "'sasl.pasword'"),
        ("\"enable.auto.commit\" = \"true\"", "'enable.auto.commit'"),
    ] {
        let (code, report, errors) = check(setting);
        assert_eq!((code, report.as_str()), (2, ""), "{errors}");
        assert!(errors.contains(name) && !errors.contains("hunter2"), "{errors}");
    }
    assert_eq!(check("\"socket.timeout.ms\" = \"1000\"").0, 0);
}

fn letter(offset: u64, reason: Reason) -> DeadLetter {
    let late = reason == Reason::Late;
    DeadLetter {
        source: "transactions".to_owned(),
        topic: None,
        partition: PartitionId { source: 0, partition: 3 },
        offset,
        key: Some(b"card_1".to_vec()),
        value: Some(b"{\"card_id\":\"card_1\"}".to_vec()),
        reason,
        event_time: late.then_some(1_700_000_000_000),
        field_time: late.then_some(1_700_000_540_000),
        arrival: late.then_some(1_699_999_995_000),
        watermark: 1_700_000_007_200,
        late_by: late.then_some(7_200),
        idle_floor: false,
        error: (!late).then(|| "field \"timestamp\": missing".to_owned()),
    }
}

#[test]
fn dead_letters_are_listed_counted_and_shown_whole() {
    let folder = Folder::new("dlq");
    let file = folder.file("dead.jsonl");
    let mut bytes = Vec::new();
    for offset in 0..30 {
        encode(&letter(offset, Reason::Late), &mut bytes);
    }
    encode(&letter(30, Reason::Malformed), &mut bytes);
    std::fs::write(&file, &bytes).unwrap();
    assert!(dead_letters::parse(bytes.split(|b| *b == b'\n').next().unwrap()).is_ok());

    let (code, listed, _) = output(&format!("dlq ls {file}"));
    assert_eq!(code, 0);
    assert_eq!(listed.matches("transactions[3] offset ").count(), 20);
    assert!(listed.contains("late by 7.2 s\n.. and 11 more\n"), "{listed}");
    let all = listed.lines().find(|line| line.starts_with("all ")).unwrap();
    let counts: Vec<&str> = all.split_whitespace().skip(1).take(4).collect();
    assert_eq!(counts, ["30", "0", "1", "31"]);

    let (code, shown, _) = output(&format!("dlq show {file} --offset 30"));
    assert_eq!(code, 0);
    assert!(shown.starts_with("malformed  transactions[3] offset 30\n"), "{shown}");
    assert!(shown.contains("field \"timestamp\": missing"), "{shown}");
    assert!(shown.contains("{\"card_id\":\"card_1\"}"), "{shown}");

    let (_, shown, _) = output(&format!("dlq show {file} --offset 7"));
    for line in [
        "  event time  2023-11-14T22:13:20.000Z\n",
        "  field says  2023-11-14T22:22:20.000Z\n",
        "  arrival     2023-11-14T22:13:15.000Z\n",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let (code, shown, errors) = output(&format!("dlq show {file} --reason future"));
    assert!(code == 1 && shown.is_empty() && errors.contains("hint: `tidemark dlq ls"), "{errors}");
    let (code, _, errors) = output("dlq ls /no/such/dead.jsonl");
    assert!(code == 2 && errors.contains("/no/such/dead.jsonl"), "{errors}");
}

/// A demo under way whose lines are read as they come.
struct Demo {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    /// Host and port of its HTTP server.
    http: String,
    /// The command that it names.
    command: String,
}

impl Demo {
    fn start(arguments: &str) -> Self {
        let mut command = tidemark(&format!("demo --port 0 --rate 100 {arguments}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        let (_, http) = greeting.split_once("http://").unwrap();
        let http = http.to_owned();
        let command = lines.next().unwrap().unwrap();
        Demo { http, command, child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// The status and body of a path.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Ends it as Ctrl-C does.
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// The code it exits with, and what else it printed.
    fn end(mut self) -> (i32, Vec<String>, String) {
        let lines: Vec<String> = self.lines.map(Result::unwrap).collect();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code().unwrap(), lines, errors)
    }
}

/// The first card on a line, once there is one.
fn first_card(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with("card_")).map(str::to_owned)
}

/// Records a second, as a line says.
fn rate(line: &str) -> u64 {
    let (before, _) = line.split_once(" events/s").unwrap();
    before.split_whitespace().last().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn a_demo_in_a_pipe_prints_lines_answers_over_http_and_ends_cleanly_by_ctrl_c() {
    for workers in [1, 2] {
        let mut demo = Demo::start(&format!("--workers {workers}"));
        let (line, card) = loop {
            let line = demo.line();
            // While the past is played a minute of event time may take less than a moment.
            if let Some(card) = first_card(&line).filter(|_| rate(&line) < 1_000) {
                break (line, card);
            }
        };
        assert!(line.contains(" events/s") && line.contains("txn_count_5m="), "{line}");
        let (code, row) = demo.get(&format!("/features/transaction_stats_5m/{card}"));
        assert!(code == 200 && row.contains(&format!("\"entity_id\":\"{card}\"")), "{row}");
        assert!(!row.contains("\"txn_count_5m\":0,"), "a card that is tested pays: {row}");
        for job in ["", "fraud "] {
            let line = format!("get {job}transaction_stats_5m {card} --http {}", demo.http);
            let (code, shown, errors) = output(&line);
            assert!(code == 0 && shown.starts_with("txn_count_5m "), "{line}: {shown}{errors}");
        }
        let line = format!("get transaction_stats_6m {card} --http http://{}/", demo.http);
        let (code, _, errors) = output(&line);
        assert!(code == 1 && errors.contains("did you mean \"transaction_stats_5m\"?"), "{errors}");
        let (code, metrics) = demo.get("/metrics");
        assert_eq!(code, 200);
        assert!(metrics.contains("\ntransactions_processed_total{worker=\"0\"} "), "{metrics}");
        assert!(!metrics.contains(&card), "an id is no label");
        assert_eq!(demo.get("/health").0, 200);
        demo.interrupt();
        let (code, lines, errors) = demo.end();
        assert_eq!((code, errors.as_str()), (0, ""));
        let last = lines.last().unwrap();
        assert!(last.starts_with("demo over after ") && last.contains(" late"), "{last}");
    }
}

/// The paths that a text asks for on the usual port.
fn asked_paths(text: &str) -> impl Iterator<Item = String> {
    let asked = text.split_whitespace().filter_map(|w| w.strip_prefix("localhost:8088"));
    asked.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[test]
fn the_commands_that_a_demo_and_its_help_name_answer_while_it_runs() {
    let help = [output("demo --help").1, output("--help").1].concat();
    let mut left: std::collections::BTreeSet<String> = asked_paths(&help).collect();
    assert!(left.len() >= 4, "{help}");
    for (job, title) in [
        ("fraud", "Cards being tested"),
        ("behavior", "Accounts being taken over"),
        ("personalization", "Users about to buy"),
    ] {
        let mut demo = Demo::start(job);
        while demo.line().contains("playing the past") {}
        let line = demo.line();
        assert!(line.contains(title), "{line}");
        let (_, path) = demo.command.split_once(&format!("curl http://{}", demo.http)).unwrap();
        let (code, row) = demo.get(path);
        assert!(code == 200 && row.contains("_0000017\""), "{}: {row}", demo.command);
        left.retain(|path| demo.get(path).0 != 200);
        if job == "fraud" {
            let get = "get transaction_stats_5m card_0000017";
            assert!(help.contains(get), "{help}");
            let (code, shown, errors) = output(&format!("{get} --http {}", demo.http));
            assert!(code == 0 && shown.starts_with("txn_count_5m "), "{shown}{errors}");
        }
        demo.interrupt();
        assert_eq!(demo.end().0, 0);
    }
    assert!(left.is_empty(), "none of the demos knows {left:?}");
}

#[test]
fn a_demo_writes_its_screen_as_a_picture_and_ends() {
    let folder = Folder::new("screenshot");
    let file = folder.file("demo.svg");
    let (code, _, errors) = output(&format!("demo --port 0 --rate 100 --screenshot {file}"));
    assert!(code == 0 && errors.is_empty(), "{errors}");
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("Cards being tested"), "{svg}");
    assert!(svg.contains("declines") && svg.len() < 100_000, "{} bytes", svg.len());
}

#[test]
fn a_row_that_nobody_can_be_asked_for_is_refused_with_the_next_step() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for line in [
        format!("get transaction_stats_5m card_1 --http http://{free}"),
        format!("get fraud transaction_stats_5m card_1 --http {free}"),
    ] {
        let (code, shown, errors) = output(&line);
        assert!(code == 1 && shown.is_empty(), "{line}: {code} {shown}");
        assert!(errors.contains(&format!("cannot ask the job at http://{free}")), "{errors}");
        assert!(errors.contains("hint: start `tidemark demo`"), "{errors}");
    }
    let mut command = tidemark("get fraud transaction_stats_5m card_1");
    let redis = command.env("REDIS_URL", format!("redis://{free}/0")).output().unwrap();
    let errors = String::from_utf8(redis.stderr).unwrap();
    let hint =
        "`tidemark get transaction_stats_5m card_1` asks the process at http://127.0.0.1:8088";
    assert!(redis.status.code() == Some(1) && errors.contains(hint), "{errors}");
    // What answers, and is no job.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>").unwrap();
    });
    let (code, _, errors) = output(&format!("get v x --http {address}"));
    assert!(code == 1 && errors.contains("is no tidemark process (status 200)"), "{errors}");
    answers.join().unwrap();
}

#[test]
fn a_demo_in_a_pipe_ends_by_itself_when_its_time_is_over() {
    let demo = Demo::start("--for 2s");
    let (code, lines, errors) = demo.end();
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(lines.len() > 2 && lines.iter().rev().skip(1).all(|l| l.contains(" events/s")));
    assert!(lines.last().unwrap().starts_with("demo over after "), "{lines:?}");
}

#[test]
fn a_demo_whose_port_is_in_use_says_which_flag_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, _, errors) = output(&format!("demo --for 1s --port {port}"));
    assert_eq!(code, 1);
    assert!(errors.contains(&format!("port {port} is in use")), "{errors}");
    assert!(errors.contains("--port"), "{errors}");
}

#[test]
fn a_demo_of_a_job_that_reads_something_else_is_refused() {
    let folder = Folder::new("demo");
    let file = folder.file("orders.toml");
    let job = include_str!("../../jobs/fraud.toml")
        .replace("[sources.transactions", "[sources.orders")
        .replace("source = \"transactions\"", "source = \"orders\"");
    std::fs::write(&file, job).unwrap();
    let (code, _, errors) = output(&format!("demo {file} --for 1s --port 0"));
    assert!(code == 2 && errors.contains("reads orders"), "{errors}");
    assert!(errors.contains("transactions, clicks, behavior_events"), "{errors}");
}

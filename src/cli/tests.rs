use super::*;
use clap::CommandFactory;
use std::path::PathBuf;
use std::time::Duration;

fn parse(line: &str) -> Result<Command, String> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|e| e.to_string())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

/// Every command with the words it is called by.
fn every(
    command: &mut clap::Command,
    called: &str,
    each: &mut dyn FnMut(&str, &mut clap::Command),
) {
    each(called, command);
    for below in command.get_subcommands_mut().filter(|c| c.get_name() != "help") {
        let called = format!("{called} {}", below.get_name());
        every(below, &called, each);
    }
}

#[test]
fn every_command_teaches_by_examples_that_are_right() {
    let mut cli = Cli::command();
    cli.build();
    let mut seen = 0;
    every(&mut cli, "tidemark", &mut |called, command| {
        let help = command.render_long_help().to_string();
        let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(examples.contains(called), "{called} has no example:\n{help}");
        // A command that goes on in the next line is one.
        let examples: String = examples.split("\\\n").map(str::trim_start).collect();
        for line in examples.lines().filter(|line| line.starts_with("  tidemark ")) {
            // What stands behind two spaces is said of it; what a shell does is not parsed.
            let line = line.trim_start().split("  ").next().unwrap();
            let line = line.split([';', '|', '>', '&']).next().unwrap();
            let words = line.split_whitespace().map(|word| word.trim_matches('"'));
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{called}: {line}: {}", parsed.unwrap_err());
            seen += 1;
        }
    });
    assert!(seen > 40, "{seen}");
}

#[test]
fn help_fits_a_terminal_of_a_hundred_columns() {
    let mut cli = Cli::command();
    cli.build();
    every(&mut cli, "tidemark", &mut |called, command| {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let wide = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{called}");
    });
}

#[test]
fn a_demo_can_be_bounded_and_has_defaults() {
    let Ok(Command::Demo(args)) = parse("tidemark demo --for 10s") else { panic!() };
    assert_eq!(args.duration, Some(Duration::from_secs(10)));
    assert_eq!((args.job.as_str(), args.port, args.workers), ("fraud", None, None));
}

#[test]
fn replay_takes_several_files_a_source() {
    let line = "tidemark replay fraud --source transactions=a.jsonl,b.jsonl --source clicks=c \
                --workers 2";
    let Ok(Command::Replay(args)) = parse(line) else { panic!() };
    assert_eq!(args.workers, Some(2));
    let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(args.sources[0].name, "transactions");
    assert_eq!(args.sources[0].files, files(&["a.jsonl", "b.jsonl"]));
    assert_eq!(args.sources[1].files, files(&["c"]));
}

#[test]
fn wrong_values_say_what_to_write() {
    for (line, words) in [
        ("tidemark demo --for 10", "is no duration"),
        ("tidemark demo --for 0s", "longer than nothing"),
        ("tidemark demo --workers 0", "a number from 1 to 256"),
        ("tidemark demo --port 99999", "99999"),
        ("tidemark demo --rate 0", "at least 1"),
        ("tidemark replay fraud", "--source"),
        ("tidemark docs fraud --expressions", "cannot be used with"),
        ("tidemark docs fraud --format pdf", "possible values: markdown, html"),
        ("tidemark replay fraud --source a.jsonl", "NAME=FILE"),
        ("tidemark replay fraud --source t=a,,b", "a file has no name"),
        (
            "tidemark generate --profile w2 --events 1 --seed 1 --out x",
            "possible values: fraud, w1, personalization, behavior",
        ),
        ("tidemark generate --profile w1 --events 1 --seed 1 --out x --late 2", "from 0 to 1"),
        ("tidemark dlq ls x --reason lat", "late"),
        ("tidemark reply", "replay"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn a_row_is_asked_for_with_a_job_or_without_one() {
    let parsed = |line: &str| {
        let Ok(Command::Get(args)) = parse(line) else { panic!("{line}") };
        (args.job().map(str::to_owned), args.view().to_owned(), args.id().to_owned(), args.http)
    };
    let words = |job: Option<&str>, http: Option<&str>| {
        (job.map(str::to_owned), "v".to_owned(), "-1".to_owned(), http.map(str::to_owned))
    };
    assert_eq!(parsed("tidemark get v -1"), words(None, None));
    assert_eq!(parsed("tidemark get fraud v -1"), words(Some("fraud"), None));
    let url = "http://h:1";
    assert_eq!(parsed("tidemark get v -1 --http h:1/"), words(None, Some(url)));
    assert_eq!(
        parsed("tidemark get --http http://h:1 fraud v -1"),
        words(Some("fraud"), Some(url))
    );
    assert!(
        parse("tidemark get v x --http ftp://h").unwrap_err().contains("http://localhost:8088")
    );
    assert!(parse("tidemark get v").unwrap_err().contains("[JOB] <VIEW> <ID>"));
}

use super::ask::ProcessAsked;
use super::lines::{LineKind, of_all};
use crate::dead_letters::LetterInShort;
use crate::http::State;
use crate::http::overview::{
    EntityOverview, JobCondition, JobTrouble, OperatorOverview, Overview, PartitionOverview,
    RateSample, SinkOverview, SourceOverview, WorkerOverview,
};
use crate::text::is_harmful;
use tidemark_operators::verdict::Reason;

fn asked(overview: Overview) -> ProcessAsked {
    ProcessAsked { url: "http://127.0.0.1:8088".to_owned(), told: Ok(overview) }
}

fn overview() -> Overview {
    Overview {
        job: "fraud".to_owned(),
        wall: 1_700_000_010_000,
        uptime_ms: 200_000,
        condition: JobCondition {
            ready: true,
            sentence: "All is well.".to_owned(),
            ..JobCondition::default()
        },
        workers: vec![WorkerOverview {
            records: 1_234.4,
            busy: 0.25,
            waits: Some(("state".into(), 0.5)),
            p99: Some(2.5),
            held: 2_048,
            ..WorkerOverview::default()
        }],
        operators: [("Source", 0.25), ("EntityWindows(card)", 0.5), ("Idle", 0.0)]
            .map(|(name, busy)| OperatorOverview {
                operator: name.to_owned(),
                busy,
                busiest: Some((1, busy / 2.0)).filter(|_| busy > 0.0),
                received: 1_500.0,
                ..OperatorOverview::default()
            })
            .into(),
        partitions: vec![PartitionOverview {
            source: "tx".to_owned(),
            partition: 3,
            lag: Some(17),
            clock: Some(1_700_000_009_000),
            holds: true,
            ..PartitionOverview::default()
        }],
        partitions_in_all: 40,
        newest: Some(RateSample { events: 12.5, behind: Some(5_000), ..RateSample::default() }),
        ..Overview::default()
    }
}

#[test]
fn a_process_is_a_sentence_and_its_figures_in_columns() {
    let lines = of_all(&[asked(overview())]);
    assert_eq!((lines[1].kind, lines[1].text.as_str()), (LineKind::Well, "All is well."));
    let text = lines.into_iter().map(|line| line.text + "\n").collect::<String>();
    for part in [
        "fraud  http://127.0.0.1:8088  up 3 m 20 s\n",
        "events 12.5/s",
        "frontier 5.0 s behind the live clock, held by partition 3 of tx\n",
        "WORKER  BUSY  RECORDS/S",
        "0       25 %      1,234",
        "state 50 %\n",
        "OPERATOR             CORES  BUSIEST WORKER  ITS SHARE  RECEIVED/S",
        "EntityWindows(card)  0.500               1       25 %       1,500",
        "tx 3",
        "holds the frontier\n",
        "and 39 more\n",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("Idle"), "{text}");
}

#[test]
fn a_process_that_does_not_answer_has_a_line_and_hides_no_other() {
    let away = ProcessAsked { url: "http://a:1".to_owned(), told: Err("refused".to_owned()) };
    let lines = of_all(&[asked(overview()), away]);
    let last = lines.last().unwrap();
    assert_eq!(last.kind, LineKind::Wrong);
    assert_eq!(last.text, "http://a:1: does not answer: refused");
    assert!(lines.iter().any(|line| line.text == "All is well."));
}

#[test]
fn what_comes_from_records_does_nothing_to_a_terminal_and_is_cut() {
    let harm = || format!("\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}{}", "a".repeat(10_000));
    let trouble = JobTrouble {
        state: State::Down,
        what: harm(),
        lasts: 0,
        why: harm(),
        remedy: harm().into(),
        section: "sinks".into(),
    };
    let hostile = Overview {
        job: harm(),
        condition: JobCondition {
            sentence: harm(),
            troubles: vec![trouble],
            notes: vec![harm()],
            ..JobCondition::default()
        },
        sources: vec![SourceOverview { source: harm(), ..SourceOverview::default() }],
        sinks: vec![SinkOverview { sink: harm(), down: Some(harm()), ..SinkOverview::default() }],
        entities: vec![EntityOverview {
            entity: harm(),
            busiest: vec![(harm(), 250); 10],
            ..EntityOverview::default()
        }],
        letters: vec![LetterInShort {
            number: 0,
            at: 0,
            source: harm(),
            partition: 0,
            offset: 0,
            reason: Reason::Malformed,
            late_by: None,
            error: Some(harm()),
            key: Some(harm()),
            value: Some(harm()),
        }],
        ..overview()
    };
    for line in of_all(&[asked(hostile)]) {
        assert!(!line.text.chars().any(is_harmful), "{line:?}");
        assert!(line.text.chars().count() < 1_300, "{line:?}");
    }
}

#[test]
fn rows_that_wait_for_a_store_that_does_not_answer_are_not_told_as_rows_that_are_there() {
    let newest =
        RateSample { p50: Some(1.0), p99: Some(4.0), stored: Some(9.5), ..RateSample::default() };
    let told = |lacks| {
        let (waiting, behind) = (1_234, Some(7_000));
        let sink = SinkOverview { waiting, lacks, behind, ..SinkOverview::default() };
        let asked_of = Overview { newest: Some(newest), sinks: vec![sink], ..overview() };
        let lines = of_all(&[asked(asked_of)]);
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    };
    let there = "arrival to row p50 1.00 ms p99 4.00 ms  to store p99 9.50 ms";
    let text = told(false);
    assert!(text.contains(there) && !text.contains("lacks"), "{text}");
    let text = told(true);
    assert!(text.contains("the store lacks 1,234 rows, the oldest for 7.0 s"), "{text}");
    assert!(text.contains("rows are missing there") && !text.contains("p99 4.00"), "{text}");
}

//! What is wrong with a job, in words for somebody who has never seen it: from the parts that are not
//! ok and from what was found.

use super::checks::Finding;
use crate::http::components::{STORE_EVICTS, STORE_FILLS, STORE_FULL};
use crate::http::overview::{JobCondition, JobTrouble};
use crate::http::{Component, Part, Readiness, State, Status};
use crate::kafka::AWAITED;
use std::borrow::Cow;

/// What follows from a trouble, and what to do; with the section of the page that tells more.
type Remedy = (&'static str, &'static str);

/// The condition of a job with `parts`, before what was found was told to them.
pub(super) fn condition(
    parts: &[Component],
    findings: &[Finding],
    (status, readiness): (Status, &Readiness),
    notes: Vec<String>,
) -> JobCondition {
    let worst = |part: &&Component| match part.state {
        State::Stalled => 0,
        // The cause of others.
        _ if is_full(part) => 1,
        State::Down => 2,
        State::Degraded | State::Ok => 3,
    };
    let mut bad: Vec<_> = parts.iter().filter(|part| part.state != State::Ok).collect();
    bad.sort_by_key(worst);
    let mut troubles: Vec<_> = bad.into_iter().map(of_part).collect();
    // What is told of a source is not told of the job again, and of what does not work at all only that.
    let again = |finding: &Finding| {
        let mut others = findings.iter().filter(|other| other.part == Part::Source);
        let is_down = |part: &&Component| {
            part.state == State::Down
                && (part.kind, &part.name) == (finding.part, &finding.component)
        };
        parts.iter().any(|part| is_down(&part))
            || (finding.part == Part::Job && others.any(|other| other.reason == finding.reason))
    };
    let once = findings.iter().filter(|finding| !again(finding));
    troubles.extend(once.map(of_finding));
    // What all sources wait for is told of the first.
    troubles.dedup_by(|one, before| one.what == before.what);
    JobCondition {
        status,
        ready: readiness.ready,
        sentence: sentence(&troubles, readiness, &notes),
        troubles,
        notes,
    }
}

fn sentence(troubles: &[JobTrouble], readiness: &Readiness, notes: &[String]) -> String {
    match (troubles, &readiness.reason, notes) {
        ([first], _, _) => format!("{}.", first.what),
        ([first, more @ ..], _, _) => {
            let count = more.len();
            let things = if count == 1 { "thing needs" } else { "things need" };
            format!("{}; and {count} more {things} attention.", first.what)
        }
        ([], Some(reason), _) => format!("Catching up: {reason}."),
        ([], None, []) => "All is well.".to_owned(),
        ([], None, [note, ..]) => format!("Nothing is wrong, but {note}."),
    }
}

fn of_part(part: &Component) -> JobTrouble {
    let name = &part.name;
    let (what, (remedy, section)): (String, Remedy) = match (part.kind, part.state) {
        (Part::Worker, _) => (format!("Worker {name} stands still"), STALLED),
        (Part::Source, State::Down) if part.reason.contains(AWAITED) => {
            let topic = part.reason.split(AWAITED).next().unwrap_or(name);
            (format!("The {topic} does not exist"), TOPIC)
        }
        (Part::Source, State::Down) => {
            (format!("The brokers of {name} cannot be reached"), BROKERS)
        }
        (Part::Source, _) => (format!("A partition of {name} holds the others back"), HOLDING),
        (Part::Registry, State::Down) => ("The schema registry does not answer".into(), REGISTRY),
        (Part::Registry, _) => ("The schema registry lacks a schema".to_owned(), REGISTRY),
        (Part::Table, State::Down) => (format!("The table {name} cannot be read"), TABLE),
        (Part::Table, _) => (format!("A version of the table {name} was refused"), TABLE),
        (Part::Sink, State::Down) => match name.as_str() {
            "dead_letters" => ("Dead letters cannot be written".to_owned(), LETTERS),
            "checkpoints" => ("No checkpoint can be written".to_owned(), CHECKPOINTS),
            "sealed" => ("Sealed rows do not reach their topics".to_owned(), SEALED),
            "offline_parquet" => {
                ("Sealed rows do not reach their files of Parquet".to_owned(), FILES)
            }
            "offline_postgres" => {
                ("Sealed rows do not reach their tables of PostgreSQL".to_owned(), TABLES)
            }
            _ if part.reason.starts_with(STORE_FULL) => {
                (format!("Redis is full and takes no rows: {name}"), ONLINE_FULL)
            }
            _ => (format!("The online store takes no rows: {name}"), ONLINE),
        },
        (Part::Sink, _) if part.reason.contains(STORE_EVICTS) => {
            (format!("Redis has evicted rows for want of memory: {name}"), ONLINE_FULL)
        }
        (Part::Sink, _) if part.reason.starts_with(STORE_FILLS) => {
            (format!("The memory of Redis is nearly full: {name}"), ONLINE_FILLS)
        }
        (Part::Sink, _) => (format!("The online store needs attention: {name}"), ONLINE_BAD),
        (Part::Memory, _) => ("The process has nearly all of its memory".to_owned(), MEMORY),
        (Part::Disk, State::Down) => (format!("The disk of {name} cannot be read"), DISK),
        (Part::Disk, _) if is_full(part) => (format!("The disk of {name} is full"), FULL),
        (Part::Disk, _) => (format!("The disk of {name} is nearly full"), DISK),
        (Part::Job, _) => (format!("The job {name} needs attention"), ("", "hour")),
    };
    let why = part.reason.clone();
    let mut remedy = Cow::Borrowed(remedy);
    if remedy == ONLINE.0 {
        remedy.to_mut().push_str(&asks_redis(&why));
    }
    JobTrouble { state: part.state, what, lasts: 0, why, remedy, section: section.into() }
}

/// Whether it is a disk without any room.
fn is_full(part: &Component) -> bool {
    part.kind == Part::Disk && part.reason.starts_with("0 B ")
}

/// How to ask the Redis that `why` names, which need not be where `redis-cli` looks for one.
fn asks_redis(why: &str) -> String {
    let named = why.split('\'').nth(1).and_then(|address| address.rsplit_once(':'));
    match named.filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
        Some((host, port)) => format!(" redis-cli -h {host} -p {port} ping."),
        None => " redis-cli ping.".to_owned(),
    }
}

const STALLED: Remedy = (
    "Nothing is computed while it does. Read the log, then restart the process: `tidemark up` does that by \
     itself once it lasts, as Kubernetes does by its probes; a process that was started by `tidemark run` alone \
     nobody starts again.",
    "workers",
);
const BROKERS: Remedy = (
    "Nothing new is read, and features are as of the last record. See whether the brokers run and \
     whether this machine reaches them; reading goes on by itself where it stopped.",
    "partitions",
);
const TOPIC: Remedy = (
    "Nothing is read before it is there; then the job goes on by itself, from its first record. See whether who writes \
     it runs, or create it; or correct its name.",
    "partitions",
);
const HOLDING: Remedy = (
    "Sealed rows wait for it; live rows do not. See who writes that partition, or lower hold_max of the \
     source.",
    "partitions",
);
const REGISTRY: Remedy =
    ("Partitions whose records need a schema stand still until it is there.", "partitions");
const TABLE: Remedy = ("The version before stays in use. Mend its file or topic.", "parts");
const LETTERS: Remedy = (
    "They are kept in memory, and when there is no room for more, reading stops; none is lost. Make room \
     on the disk or mend the topic, and it goes on by itself.",
    "letters",
);
const CHECKPOINTS: Remedy = (
    "The job goes on, but a start goes back to the newest checkpoint and reads all since then again; dead letters and \
     sealed rows for topics wait for the next one. See whether the place in [state] is there, has room and may \
     be written to; it goes on by itself.",
    "sinks",
);
const SEALED: Remedy = (
    "They wait in their file, and reading goes on; none is lost. See whether the brokers run and may be \
     written to; publishing goes on by itself.",
    "sinks",
);
const FILES: Remedy = (
    "They wait in the file of sealed rows, and reading goes on; none is lost. See whether the store is there, \
     has room and may be written to; writing goes on by itself.",
    "sinks",
);
const TABLES: Remedy = (
    "They wait in the file of sealed rows, and reading goes on; none is lost. See whether PostgreSQL runs, and \
     whether its tables are what `tidemark offline init` makes; writing goes on by itself.",
    "sinks",
);
const ONLINE: Remedy = (
    "Rows wait here and are written as soon as it answers; until then whoever reads the store sees old \
     values. See whether Redis runs and answers:",
    "sinks",
);
const ONLINE_FULL: Remedy = (
    "Whoever reads the store sees old values, or zeros. Give it more memory (CONFIG SET maxmemory, or limit in \
     [online.memory]) and what it lacks is written by itself; tidemark check JOB --entities N says what rows \
     take.",
    "sinks",
);
const ONLINE_FILLS: Remedy = (
    "Once it is full it takes no rows, or evicts some. Give it more memory; tidemark check JOB --entities N says \
     what rows take.",
    "sinks",
);
const ONLINE_BAD: Remedy = ("Whoever reads the store may see old or missing values.", "sinks");
const MEMORY: Remedy = (
    "At its limit the system ends it. Give it more memory, lower limits.state_bytes, or run the job in \
     more processes.",
    "memory",
);
const FULL: Remedy =
    ("Nothing can be written there. Make room; what waits is written then by itself.", "parts");
const DISK: Remedy = ("Once it is full nothing can be written there. Make room.", "parts");

/// What a finding is called; its text has what to do.
fn of_finding(finding: &Finding) -> JobTrouble {
    let of = &finding.component;
    let (what, section) = match finding.reason {
        "state_full" => ("The state is at its bound, and reading has stopped".into(), "memory"),
        "state_bytes" => ("The state is near its bound, and reading is slow".into(), "memory"),
        "cold" => ("Events that were to leave memory stay".into(), "memory"),
        "clock_behind" => ("What is served is as of a time long gone".into(), "hour"),
        "machine_clock" => ("This machine's clock is wrong".into(), "hour"),
        "certificate" => ("The certificate of this process ends soon".into(), "parts"),
        "pending_after" => ("Rows wait too long for the online store".into(), "sinks"),
        "corrected" => (format!("Clocks of who writes {of} are ahead"), "partitions"),
        "slow_timestamps" => (format!("Timestamps of {of} are slow"), "partitions"),
        "frontier_held" => (format!("A partition of {of} holds the frontier back"), "partitions"),
        "invalid_field" => (format!("Values of a field of {of} cannot be read"), "letters"),
        "refused_share" => (format!("Many records are refused: {of}"), "letters"),
        "unkept_ids" => (format!("Copies of records of {of} may count twice"), "letters"),
        other => (format!("{of}: {other}"), "parts"),
    };
    JobTrouble {
        state: State::Degraded,
        what,
        lasts: 0,
        why: finding.text.clone(),
        remedy: Cow::Borrowed(""),
        section: Cow::Borrowed(section),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: Part, name: &str, state: State) -> Component {
        Component { name: name.to_owned(), kind, state, reason: "as it is".to_owned() }
    }

    fn finding(part: Part, component: &str, reason: &'static str) -> Finding {
        Finding { part, component: component.to_owned(), reason, text: "what to do".to_owned() }
    }

    fn of(parts: &[Component], findings: &[Finding], notes: &[&str]) -> JobCondition {
        let readiness = Readiness { ready: true, ..Readiness::default() };
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        condition(parts, findings, (Status::Ok, &readiness), notes)
    }

    #[test]
    fn a_job_of_which_every_part_works_is_well_and_a_note_is_no_trouble() {
        let parts = [part(Part::Worker, "0", State::Ok)];
        assert_eq!(of(&parts, &[], &[]).sentence, "All is well.");
        let noted = of(&parts, &[], &["partition 2 is silent"]);
        assert_eq!(noted.sentence, "Nothing is wrong, but partition 2 is silent.");
        assert_eq!(noted.troubles, []);
        let readiness = Readiness { reason: Some("1 of 4".to_owned()), ..Readiness::default() };
        let waits = condition(&parts, &[], (Status::Ok, &readiness), Vec::new());
        assert_eq!(waits.sentence, "Catching up: 1 of 4.");
    }

    #[test]
    fn the_worst_is_named_first_and_the_others_are_counted() {
        let parts = [
            part(Part::Disk, "/var", State::Degraded),
            part(Part::Sink, "online (redis)", State::Down),
            part(Part::Worker, "3", State::Stalled),
        ];
        let found = [finding(Part::Source, "clicks", "corrected")];
        let all = of(&parts, &found, &[]);
        assert_eq!(all.sentence, "Worker 3 stands still; and 3 more things need attention.");
        let what: Vec<_> = all.troubles.iter().map(|trouble| trouble.what.as_str()).collect();
        assert_eq!(what[1], "The online store takes no rows: online (redis)");
        assert_eq!(what[3], "Clocks of who writes clicks are ahead");
    }

    #[test]
    fn a_disk_without_room_is_named_before_what_finds_none() {
        let full = Component {
            reason: "0 B of 4.09 GB free".to_owned(),
            ..part(Part::Disk, "/var", State::Degraded)
        };
        let all = of(&[part(Part::Sink, "dead_letters", State::Down), full], &[], &[]);
        assert_eq!(all.sentence, "The disk of /var is full; and 1 more thing needs attention.");
    }

    #[test]
    fn the_redis_that_is_meant_is_asked_and_not_the_one_next_to_it() {
        let remedy = |reason: &str| {
            let sink = Component {
                reason: reason.to_owned(),
                ..part(Part::Sink, "online (redis)", State::Down)
            };
            of(&[sink], &[], &[]).troubles.remove(0).remedy.into_owned()
        };
        let asked = remedy("cannot connect to Redis at '10.0.0.7:6380': no reply; 2 rows wait");
        assert!(asked.ends_with("answers: redis-cli -h 10.0.0.7 -p 6380 ping."), "{asked}");
        let asked = remedy("circuit breaker open; 2 rows wait");
        assert!(asked.ends_with("answers: redis-cli ping."), "{asked}");
        let asked = remedy("Redis at 'x; rm:-rf' is gone");
        assert!(asked.ends_with("answers: redis-cli ping."), "{asked}");
    }

    #[test]
    fn a_store_without_memory_is_not_told_as_one_that_does_not_answer() {
        let told = |state, reason: &str| {
            let reason = reason.to_owned();
            let sink = Component { reason, ..part(Part::Sink, "online (redis)", state) };
            let trouble = of(&[sink], &[], &[]).troubles.remove(0);
            (trouble.what, trouble.remedy.into_owned())
        };
        let (what, remedy) = told(State::Down, "it is full, 9 B of 9 B in use: OOM; 2 rows wait");
        assert_eq!(what, "Redis is full and takes no rows: online (redis)");
        assert!(remedy.contains("maxmemory") && !remedy.contains("ping"), "{remedy}");
        let (what, _) = told(State::Degraded, "7 keys were evicted, which now read as zeros");
        assert_eq!(what, "Redis has evicted rows for want of memory: online (redis)");
        let (what, _) = told(State::Degraded, "it fills, 8 B of 9 B in use");
        assert_eq!(what, "The memory of Redis is nearly full: online (redis)");
        let (what, _) = told(State::Degraded, "it lost its rows");
        assert_eq!(what, "The online store needs attention: online (redis)");
    }

    #[test]
    fn a_topic_that_is_waited_for_is_named_once_and_not_told_as_brokers_that_are_gone() {
        let source = |name| Component {
            reason: format!("topic 'tx'{AWAITED}: create it"),
            ..part(Part::Source, name, State::Down)
        };
        let told = of(&[source("a"), source("b")], &[], &[]);
        assert_eq!(told.sentence, "The topic 'tx' does not exist.");
        assert!(told.troubles[0].remedy.contains("from its first record"));
    }

    #[test]
    fn one_thing_is_told_once() {
        let parts = [part(Part::Sink, "online (redis)", State::Down)];
        let found = [
            finding(Part::Sink, "online (redis)", "pending_after"),
            finding(Part::Source, "clicks", "refused_share"),
            finding(Part::Job, "fraud", "refused_share"),
        ];
        let told = of(&parts, &found, &[]).troubles;
        let what: Vec<_> = told.iter().map(|trouble| trouble.what.as_str()).collect();
        let expected =
            ["The online store takes no rows: online (redis)", "Many records are refused: clicks"];
        assert_eq!(what, expected);
    }

    #[test]
    fn every_section_that_is_named_is_there() {
        let page = include_str!("../http/page/page.html");
        let own = include_str!("condition.rs");
        let own = own.split("#[cfg(test)]").next().unwrap_or_default();
        let names = own.split('"').filter(|text| page.contains(&format!("<section id=\"{text}\"")));
        let sections = page.matches("<section id=").count();
        let named: std::collections::BTreeSet<_> = names.collect();
        assert!(named.len() >= 7 && named.len() < sections, "{named:?}");
    }
}

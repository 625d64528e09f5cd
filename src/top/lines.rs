//! What processes said, as lines.

use super::ask::ProcessAsked;
use super::table::{safe, table};
use crate::http::State;
use crate::http::overview::{JobTrouble, Overview, PartitionOverview, RateSample};
use crate::text::{bytes_short, count_text, duration_short};

/// Busiest operators, busiest entities of a type, and dead letters, at most.
const NEWEST_MAX: usize = 5;
/// Characters of what is told in a line.
const TOLD_MAX: usize = 200;
/// Characters of a reason: what to do may stand at its end.
const REASON_MAX: usize = 1_200;

/// What a line is, for who has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Well,
    Wrong,
    Noted,
    Head,
    Plain,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopLine {
    pub kind: LineKind,
    pub text: String,
}

/// All processes, one below the other.
pub(super) fn of_all(asked: &[ProcessAsked]) -> Vec<TopLine> {
    let mut lines = Vec::new();
    for (at, asked) in asked.iter().enumerate() {
        if at > 0 {
            lines.push(plain(String::new()));
        }
        match &asked.told {
            Ok(overview) => lines.extend(of(&asked.url, overview)),
            Err(why) => {
                let text = format!("{}: does not answer: {}", asked.url, safe(why, TOLD_MAX));
                lines.push(TopLine { kind: LineKind::Wrong, text });
            }
        }
    }
    lines
}

fn plain(text: String) -> TopLine {
    TopLine { kind: LineKind::Plain, text }
}

fn of(url: &str, o: &Overview) -> Vec<TopLine> {
    let process = match o.processes.iter().find(|process| process.own) {
        Some(own) => format!(", process {} of {}", own.process, o.processes.len()),
        None => String::new(),
    };
    let up = duration_short(o.uptime_ms);
    let head = format!("{}  {url}  up {up}{process}", safe(&o.job, TOLD_MAX));
    let mut lines = vec![TopLine { kind: LineKind::Head, text: head }];
    lines.extend(condition(o));
    lines.extend(figures(o).into_iter().map(plain));
    let busiest_operators = Some(operators(o)).filter(|(_, rows)| !rows.is_empty());
    let tables = [workers(o)].into_iter().chain(busiest_operators);
    for (heads, rows) in tables.chain([sources(o), partitions(o), sinks(o)]) {
        lines.push(plain(String::new()));
        let mut rows = table(heads, &rows).into_iter();
        lines.extend(rows.next().map(|text| TopLine { kind: LineKind::Head, text }));
        lines.extend(rows.map(plain));
    }
    lines.push(plain(String::new()));
    lines.extend(busiest(o).into_iter().map(plain));
    lines.extend(letters(o).into_iter().map(plain));
    lines
}

fn condition(o: &Overview) -> Vec<TopLine> {
    let condition = &o.condition;
    let kind = match (condition.troubles.as_slice(), condition.notes.as_slice(), condition.ready) {
        ([], [], true) => LineKind::Well,
        ([], ..) => LineKind::Noted,
        _ => LineKind::Wrong,
    };
    let mut lines = vec![TopLine { kind, text: safe(&condition.sentence, TOLD_MAX) }];
    for trouble in &condition.troubles {
        let JobTrouble { what, why, remedy, state, lasts, .. } = trouble;
        let kind = if *state == State::Degraded { LineKind::Noted } else { LineKind::Wrong };
        let since = duration_short(*lasts);
        lines.push(TopLine { kind, text: format!("- {}, for {since}", safe(what, TOLD_MAX)) });
        for told in [why.as_str(), remedy].into_iter().filter(|told| !told.is_empty()) {
            lines.push(plain(format!("  {}", safe(told, REASON_MAX))));
        }
    }
    for note in condition.notes.iter().filter(|_| kind == LineKind::Wrong) {
        lines.push(TopLine { kind: LineKind::Noted, text: format!("- {}", safe(note, TOLD_MAX)) });
    }
    lines
}

/// How long rows take, or how many are missing in the online store: those that were made in time are not
/// there for who reads it.
fn rows_there(o: &Overview, now: &RateSample) -> String {
    if let Some(store) = o.sinks.first().filter(|store| store.lacks) {
        let behind = store
            .behind
            .map_or(String::new(), |behind| format!(", the oldest for {}", duration_short(behind)));
        return format!("  the store lacks {} rows{behind}", count_text(store.waiting));
    }
    let (Some(p50), Some(p99)) = (now.p50, now.p99) else { return String::new() };
    let stored = now.stored.map_or(String::new(), |ms| format!("  to store p99 {}", latency(ms)));
    format!("  arrival to row p50 {} p99 {}{stored}", latency(p50), latency(p99))
}

fn figures(o: &Overview) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(now) = &o.newest {
        let RateSample { events, rows, dead_letters, lag, busy, .. } = now;
        let mut line = format!(
            "events {}/s  rows {}/s  dead letters {}/s  cores {busy:.2}",
            rate(*events),
            rate(*rows),
            rate(*dead_letters)
        );
        line += &rows_there(o, now);
        if let Some(lag) = lag {
            line += &format!("  lag {}", count_text(*lag));
        }
        lines.push(line);
        if let Some(behind) = now.behind {
            lines.push(format!(
                "frontier {} behind the live clock{}",
                duration_short(behind),
                holder(o)
            ));
        }
    }
    let memory = &o.memory;
    let of = |limit: u64| match limit {
        0 => String::new(),
        limit => format!(" of {}", bytes_short(limit)),
    };
    lines.push(format!(
        "memory {}{}  state {}{}",
        bytes_short(memory.resident),
        of(memory.limit),
        bytes_short(memory.state),
        of(memory.state_limit.unwrap_or(0))
    ));
    if let Some(checkpoint) = &o.checkpoint {
        let age = checkpoint
            .age
            .map_or("not there yet".to_owned(), |age| format!("{} old", duration_short(age)));
        lines.push(format!(
            "newest checkpoint {age}, {} segments, {} written",
            count_text(checkpoint.segments),
            bytes_short(checkpoint.written)
        ));
    }
    lines
}

fn holder(o: &Overview) -> String {
    if o.partitions_in_all < 2 {
        return String::new();
    }
    let mut holds = o.partitions.iter().filter(|partition| partition.holds);
    holds.next().map_or_else(String::new, |p| {
        let more = match holds.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!(", held by partition {} of {}{more}", p.partition, safe(&p.source, TOLD_MAX))
    })
}

type TopTable = (&'static [&'static str], Vec<Vec<String>>);

fn workers(o: &Overview) -> TopTable {
    let row = |w: &crate::http::overview::WorkerOverview| {
        let busy = match (&w.stalled, w.busy) {
            (Some(why), _) => format!("stalled: {why}"),
            (None, busy) => format!("{:.0} %", busy * 100.0),
        };
        let waits = w.waits.as_ref().map(|(what, share)| format!("{what} {:.0} %", share * 100.0));
        let p99 = w.p99.map_or("-".to_owned(), latency);
        let (records, rows) = (rate(w.records), rate(w.rows));
        let bytes = [w.held, w.unsealed, w.in_flight].map(bytes_short);
        let first = [w.worker.to_string(), busy, records, rows, p99].into_iter();
        first.chain(bytes).chain([waits.unwrap_or_default()]).collect()
    };
    let heads = &[
        "worker",
        ">busy",
        ">records/s",
        ">rows/s",
        ">p99",
        ">state",
        ">unsealed",
        ">in flight",
        "waits for",
    ];
    (heads, o.workers.iter().map(row).collect())
}

/// Those that take the most time.
fn operators(o: &Overview) -> TopTable {
    let mut busiest: Vec<_> = o.operators.iter().filter(|of| of.busy > 0.0).collect();
    busiest.sort_by(|a, b| b.busy.total_cmp(&a.busy));
    busiest.truncate(NEWEST_MAX);
    let row = |of: &&crate::http::overview::OperatorOverview| {
        let most = of.busiest.map(|(worker, share)| (worker.to_string(), share));
        let (worker, share) = most.unwrap_or(("-".to_owned(), 0.0));
        let numbers = [rate(of.received), rate(of.sent)];
        let first = [of.operator.clone(), format!("{:.3}", of.busy), worker];
        first.into_iter().chain([format!("{:.0} %", share * 100.0)]).chain(numbers).collect()
    };
    let heads = &["operator", ">cores", ">busiest worker", ">its share", ">received/s", ">sent/s"];
    (heads, busiest.iter().map(row).collect())
}

fn sources(o: &Overview) -> TopTable {
    let row = |s: &crate::http::overview::SourceOverview| {
        let dead = s.dead_letters.iter();
        let dead = dead.map(|(reason, count)| format!("{reason} {}", count_text(*count)));
        let lag = s.lag.map_or("-".to_owned(), count_text);
        let grows = match (&s.down, s.lag) {
            (Some(_), _) => "brokers down".to_owned(),
            (None, Some(lag)) if lag > 100 => format!("{:+.0}/s", s.lag_growth),
            _ => "-".to_owned(),
        };
        let numbers = [s.accepted, s.left_out].map(count_text);
        let [accepted, left_out] = numbers;
        let dead = dead.collect::<Vec<_>>().join(", ");
        vec![s.source.clone(), rate(s.records), lag, grows, accepted, left_out, dead]
    };
    let heads = &["source", ">records/s", ">lag", ">grows", ">events", ">left out", "dead letters"];
    (heads, o.sources.iter().map(row).collect())
}

fn partitions(o: &Overview) -> TopTable {
    let row = |p: &PartitionOverview| {
        let clock = p.clock.map_or("-".to_owned(), |clock| match clock > o.wall {
            true => format!("{} ahead", duration_short(clock - o.wall)),
            false => format!("{} ago", duration_short(o.wall - clock)),
        });
        let quiet = if p.quiet < 1_500 { "-".to_owned() } else { duration_short(p.quiet) };
        let state = if p.overdue {
            "held the others for too long"
        } else if p.paused {
            "waits: too far ahead"
        } else if p.idle {
            "silent: the others go on"
        } else if p.holds {
            "holds the frontier"
        } else {
            ""
        };
        let lag = p.lag.map_or("-".to_owned(), count_text);
        let name = format!("{} {}", p.source, p.partition);
        vec![name, lag, quiet, clock, state.to_owned()]
    };
    let mut rows: Vec<_> = o.partitions.iter().map(row).collect();
    if o.partitions.len() < o.partitions_in_all {
        let more = o.partitions_in_all - o.partitions.len();
        rows.push(vec![format!("and {more} more")]);
    }
    (&["partition", ">lag", ">silent for", ">its clock", "state"], rows)
}

fn sinks(o: &Overview) -> TopTable {
    let row = |s: &crate::http::overview::SinkOverview| {
        let behind = s.behind.map_or("-".to_owned(), duration_short);
        let lacks = if s.lacks { "rows are missing there" } else { "ok" };
        let state = s.down.clone().unwrap_or_else(|| lacks.to_owned());
        let waiting = s.waiting_bytes.map_or_else(|| count_text(s.waiting), bytes_short);
        let merged = s.merged.map_or("-".to_owned(), count_text);
        vec![s.sink.clone(), waiting, behind, count_text(s.written), merged, state]
    };
    let heads = &["sink", ">waiting", ">behind", ">written", ">merged", "state"];
    (heads, o.sinks.iter().map(row).collect())
}

fn busiest(o: &Overview) -> Vec<String> {
    let mut lines = Vec::new();
    for entity in o.entities.iter().filter(|entity| !entity.busiest.is_empty()) {
        let each = entity.busiest.iter().take(NEWEST_MAX).map(|(id, per_mille)| {
            format!("{} {}.{} %", safe(id, 40), per_mille / 10, per_mille % 10)
        });
        let each = each.collect::<Vec<_>>().join(", ");
        lines.push(format!("busiest {}: {each}", safe(&entity.entity, 40)));
    }
    lines
}

fn letters(o: &Overview) -> Vec<String> {
    let newest = o.letters.iter().take(NEWEST_MAX).map(|letter| {
        let why = match (&letter.error, letter.late_by) {
            (Some(error), _) => error.clone(),
            (None, Some(late_by)) => format!("{} behind the watermark", duration_short(late_by)),
            (None, None) => String::new(),
        };
        let ago = duration_short(o.wall.saturating_sub(letter.at));
        let (source, reason) = (safe(&letter.source, 40), letter.reason.name());
        let place = format!("{source} {} @ {}", letter.partition, letter.offset);
        safe(&format!("dead letter, {ago} ago: {reason}, {place}: {why}"), TOLD_MAX)
    });
    newest.collect()
}

/// A rate with a figure behind the point where it is small.
fn rate(rate: f64) -> String {
    match rate {
        small if small < 100.0 && small.fract() != 0.0 => format!("{small:.1}"),
        rate => count_text(format!("{rate:.0}").parse().unwrap_or(0)),
    }
}

/// A latency in ms.
fn latency(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

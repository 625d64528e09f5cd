//! A job's rows by brute force: the whole history of an entity, filtered and summed up anew for
//! every row. No state, no order of arrival, nothing shared with the engine but the rules.

use crate::memory::{Log, Record};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One transaction of the twin's world.
#[derive(Clone, Debug)]
pub struct Event {
    pub ts: u64,
    pub partition: usize,
    pub offset: usize,
    pub card: Option<String>,
    pub user: Option<String>,
    /// Micro-units.
    pub amount: Option<i64>,
    pub points: Option<i64>,
    pub country: Option<String>,
    pub good: Option<bool>,
}

/// A filter, in the job's words and as a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filter {
    All,
    Large,
    Good,
    Abroad,
}

impl Filter {
    fn text(self) -> &'static str {
        match self {
            Filter::All => "true",
            Filter::Large => "amount >= 50",
            Filter::Good => "good",
            Filter::Abroad => "country in {\"se\", \"no\"}",
        }
    }

    fn holds(self, e: &Event) -> bool {
        match self {
            Filter::All => true,
            Filter::Large => e.amount.is_some_and(|a| a >= 50_000_000),
            Filter::Good => e.good == Some(true),
            Filter::Abroad => e.country.as_deref().is_some_and(|c| c == "se" || c == "no"),
        }
    }
}

/// A feature of the twin's world.
#[derive(Clone, Debug)]
pub struct Feature {
    pub aggregate: &'static str,
    pub of: &'static str,
    pub window: u64,
    pub delay: u64,
    pub filter: Filter,
}

/// A view of the twin's world.
#[derive(Clone, Debug)]
pub struct View {
    pub entity: &'static str,
    pub filter: Filter,
    pub features: Vec<Feature>,
}

/// A job and its history.
#[derive(Clone, Debug)]
pub struct World {
    pub out_of_orderness: u64,
    pub views: Vec<View>,
    pub log: Log,
}

const AGGREGATES: [(&str, &str); 13] = [
    ("count", ""),
    ("sum", "amount"),
    ("sum", "points"),
    ("avg", "amount"),
    ("max", "amount"),
    ("min", "points"),
    ("stddev", "amount"),
    ("distinct", "country"),
    ("entropy", "country"),
    ("normalised", "country"),
    ("ratio", ""),
    ("latest", "amount"),
    ("previous_gap", ""),
];

fn filter(rng: &mut SmallRng) -> Filter {
    [Filter::All, Filter::All, Filter::Large, Filter::Good, Filter::Abroad][rng.random_range(0..5)]
}

impl World {
    /// A random job over a random history: ties, disorder, late records, silence, missing fields.
    pub fn random(seed: u64) -> World {
        let mut rng = SmallRng::seed_from_u64(seed);
        let windows = [1, 2, 5, 20, 60, 200, 1_000];
        let entities = ["card", "user", "card"];
        let views = (0..rng.random_range(2..4)).map(|at: usize| {
            let features = (0..rng.random_range(1..9)).map(|_| {
                let (aggregate, of) = AGGREGATES[rng.random_range(0..AGGREGATES.len())];
                let horizon = matches!(aggregate, "latest" | "previous_gap");
                let delay =
                    if horizon || rng.random_bool(0.7) { 0 } else { rng.random_range(1..80) };
                let window = windows[rng.random_range(0..windows.len())];
                Feature { aggregate, of, window, delay, filter: filter(&mut rng) }
            });
            let features = features.collect();
            View { entity: entities[at], filter: filter(&mut rng), features }
        });
        let views = views.collect();
        let out_of_orderness = [0, 3, 30, 300][rng.random_range(0..4)];
        let log = history(&mut rng, out_of_orderness);
        World { out_of_orderness, views, log }
    }

    /// The job file.
    pub fn job(&self) -> String {
        let mut text = format!(
            "[job]\nname = \"twin\"\n[sources.t]\nfiles = [\"memory\"]\n\
             time = {{ field = \"ts\", unit = \"ms\" }}\nout_of_orderness = \"{}ms\"\n\
             event_time_min = \"1970-01-01T00:00:00Z\"\n\
             [sources.t.fields]\ncard = \"string?\"\nuser = \"string?\"\namount = \"decimal?\"\n\
             points = \"int?\"\ncountry = \"string?\"\ngood = \"bool?\"\n\
             [entities.card]\nkey = \"card\"\n[entities.user]\nkey = \"user\"\n",
            self.out_of_orderness
        );
        for (at, view) in self.views.iter().enumerate() {
            let _ = write!(
                text,
                "[views.v{at}]\nentity = \"{}\"\nsource = \"t\"\nwhere = '{}'\n[views.v{at}.features]\n",
                view.entity,
                view.filter.text()
            );
            for (at, f) in view.features.iter().enumerate() {
                let _ = writeln!(text, "f{at} = {{ {} }}", f.toml());
            }
        }
        text
    }

    /// Accepted events in log order, and (partition, offset, late_by) of the late ones.
    pub fn judge(&self) -> (Vec<Event>, Vec<(usize, usize, u64)>) {
        let (mut accepted, mut late) = (Vec::new(), Vec::new());
        for (partition, records) in self.log.iter().enumerate() {
            let mut newest = None;
            for (offset, record) in records.iter().enumerate() {
                let event = parse(record, partition, offset);
                let watermark = newest.map_or(0, |n: u64| n.saturating_sub(self.out_of_orderness));
                if event.ts < watermark {
                    late.push((partition, offset, watermark - event.ts));
                } else {
                    newest = newest.max(Some(event.ts));
                    accepted.push(event);
                }
            }
        }
        accepted.sort_by_key(|e| (e.ts, e.partition, e.offset));
        (accepted, late)
    }

    /// The sealed lines.
    pub fn sealed(&self, accepted: &[Event]) -> String {
        let mut lines = String::new();
        for event in accepted {
            for (at, view) in self.views.iter().enumerate() {
                let Some(id) = view.key(event) else { continue };
                if !view.filter.holds(event) {
                    continue;
                }
                let history = view.history(accepted, id);
                let _ = writeln!(
                    lines,
                    "{{\"view\":\"v{at}\",\"entity_type\":\"{}\",\"entity_id\":\"{id}\",\"as_of\":{},\
                     \"source\":\"t\",\"partition\":{},\"offset\":{},\"features\":{}}}",
                    view.entity,
                    event.ts,
                    event.partition,
                    event.offset,
                    view.row(&history, event.ts)
                );
            }
        }
        lines
    }

    /// The live rows at `clock` over `accepted`.
    pub fn live(&self, accepted: &[Event], clock: u64) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for (at, view) in self.views.iter().enumerate() {
            let ids: BTreeSet<_> = accepted.iter().filter_map(|e| view.key(e)).collect();
            for id in ids {
                let history = view.history(accepted, id);
                if view.alive(&history, clock) {
                    rows.insert(format!("v{at}/{id}"), view.row(&history, clock));
                }
            }
        }
        rows
    }
}

impl View {
    fn key<'a>(&self, e: &'a Event) -> Option<&'a str> {
        if self.entity == "card" { e.card.as_deref() } else { e.user.as_deref() }
    }

    fn history<'a>(&self, accepted: &'a [Event], id: &str) -> Vec<&'a Event> {
        let mine = |e: &&Event| self.key(e) == Some(id) && self.filter.holds(e);
        accepted.iter().filter(mine).collect()
    }

    fn row(&self, history: &[&Event], t: u64) -> String {
        let values = self.features.iter().enumerate();
        let values: Vec<_> =
            values.map(|(at, f)| format!("\"f{at}\":{}", f.value(history, t))).collect();
        format!("{{{}}}", values.join(","))
    }

    fn alive(&self, history: &[&Event], t: u64) -> bool {
        self.features.iter().any(|f| {
            let inside = |e: &&&Event| f.applies(e) && e.ts + f.delay + f.window > t;
            // Only the latest matters to a horizon, and it is the last to pass it.
            history.iter().any(|e| inside(&e))
        })
    }
}

impl Feature {
    fn toml(&self) -> String {
        let (mut text, filter) = (String::new(), self.filter.text());
        let (aggregate, normalised) = match self.aggregate {
            "normalised" => ("entropy", ", normalised = true"),
            other => (other, ""),
        };
        let length = if self.horizon() { "horizon" } else { "window" };
        let _ = write!(
            text,
            "aggregate = \"{aggregate}\"{normalised}, {length} = \"{}ms\"",
            self.window
        );
        if !self.of.is_empty() {
            let _ = write!(text, ", of = \"{}\"", self.of);
        }
        if self.delay > 0 {
            let _ = write!(text, ", delay = \"{}ms\"", self.delay);
        }
        if self.aggregate == "previous_gap" {
            text.push_str(", unit = \"ms\"");
        }
        if self.filter != Filter::All || self.aggregate == "ratio" {
            let _ = write!(text, ", where = '{filter}'");
        }
        text
    }

    fn horizon(&self) -> bool {
        matches!(self.aggregate, "latest" | "previous_gap")
    }

    /// Whether the event counts for whether the row is there.
    fn applies(&self, e: &Event) -> bool {
        // A ratio's window holds every event, the ones of its numerator among them.
        self.aggregate == "ratio" || self.filter.holds(e)
    }

    fn value(&self, history: &[&Event], t: u64) -> String {
        if self.horizon() {
            return self.last(history, t);
        }
        let inside = |e: &&&Event| e.ts + self.delay <= t && t < e.ts + self.delay + self.window;
        let all: Vec<&Event> = history.iter().filter(inside).copied().collect();
        let events: Vec<&Event> = all.iter().copied().filter(|e| self.filter.holds(e)).collect();
        let numbers = events.iter().filter_map(|e| match self.of {
            "amount" => e.amount,
            _ => e.points,
        });
        let numbers: Vec<i64> = numbers.collect();
        let unit = if self.of == "amount" { 1e6 } else { 1.0 };
        let n = numbers.len();
        let sum: i128 = numbers.iter().map(|v| i128::from(*v)).sum();
        let mut counts = BTreeMap::<&str, u32>::new();
        for country in events.iter().filter_map(|e| e.country.as_deref()) {
            *counts.entry(country).or_default() += 1;
        }
        let double = |x: Option<f64>| x.map_or("null".to_owned(), |x| format!("{:?}", x + 0.0));
        match self.aggregate {
            "count" => events.len().to_string(),
            "sum" => double(Some(sum as f64 / unit)),
            "avg" => double((n > 0).then(|| sum as f64 / unit / n as f64)),
            "max" => double(numbers.iter().max().map(|v| *v as f64 / 1e6)),
            "min" => numbers.iter().min().map_or("null".to_owned(), i64::to_string),
            "stddev" => double((n > 0).then(|| {
                let squares: i128 = numbers.iter().map(|v| i128::from(*v) * i128::from(*v)).sum();
                ((n as i128 * squares - sum * sum) as f64).sqrt() / n as f64 / unit
            })),
            "distinct" => counts.len().to_string(),
            "entropy" => double(Some(entropy(&counts, false))),
            "normalised" => double(Some(entropy(&counts, true))),
            "ratio" if all.is_empty() => double(Some(0.0)),
            _ => double(Some(events.len() as f64 / all.len() as f64)),
        }
    }

    fn last(&self, history: &[&Event], t: u64) -> String {
        let null = "null".to_owned();
        let seen = history.iter().filter(|e| e.ts <= t && self.filter.holds(e));
        let mut newest = seen.rev();
        let Some(latest) = newest.next().filter(|e| t < e.ts + self.window) else { return null };
        match (self.aggregate, newest.next()) {
            ("latest", _) => latest.amount.map_or(null, |a| format!("{:?}", a as f64 / 1e6)),
            (_, Some(previous)) if latest.ts - previous.ts < self.window => {
                (latest.ts - previous.ts).to_string()
            }
            _ => null,
        }
    }
}

fn entropy(counts: &BTreeMap<&str, u32>, normalised: bool) -> f64 {
    if counts.len() <= 1 {
        return 0.0;
    }
    let total: u32 = counts.values().sum();
    let scale = (1u64 << 40) as f64;
    let term = |n: &u32| libm::round(f64::from(*n) * libm::log(f64::from(*n)) * scale) as i128;
    let terms: i128 = counts.values().map(term).sum();
    let n = f64::from(total);
    let h = libm::log(n) - terms as f64 / scale / n;
    if normalised { h / libm::log(counts.len() as f64) } else { h }
}

/// Partitions of records whose times wander: mostly forward, in bursts of equal times, with jumps
/// and with steps back, some of them too far.
fn history(rng: &mut SmallRng, out_of_orderness: u64) -> Log {
    let partitions = rng.random_range(1..5);
    let busy = rng.random_range(1..200);
    (0..partitions)
        .map(|_| {
            let records = if rng.random_bool(0.1) { 0 } else { rng.random_range(1..=busy) };
            let mut now = 10_000u64 + rng.random_range(0..100);
            (0..records)
                .map(|_| {
                    now += match rng.random_range(0..20) {
                        0..8 => 0,
                        8..18 => rng.random_range(0..10),
                        18 => rng.random_range(0..100),
                        _ => rng.random_range(0..1_500),
                    };
                    let back = rng.random_range(0..=out_of_orderness + out_of_orderness / 4 + 1);
                    let ts = if rng.random_bool(0.5) { now } else { now - back };
                    record(rng, ts)
                })
                .collect()
        })
        .collect()
}

fn record(rng: &mut SmallRng, ts: u64) -> Record {
    let mut json = format!("{{\"ts\":{ts}");
    let named = rng.random_range(0..4);
    let mut put = |key: &str, value: String| {
        let _ = write!(json, ",\"{key}\":{value}");
    };
    if named != 0 {
        put("card", format!("\"c{}\"", rng.random_range(0..4)));
    }
    if named != 1 {
        put("user", format!("\"u{}\"", rng.random_range(0..6)));
    }
    if rng.random_bool(0.8) {
        let amount = [33_330_000, 99_990_001, 50_000_000, 1, -7_000_000][rng.random_range(0..5)];
        put("amount", format!("{}", amount as f64 / 1e6));
    }
    if rng.random_bool(0.8) {
        put("points", format!("{}", rng.random_range(-5..20)));
    }
    if rng.random_bool(0.8) {
        put("country", format!("\"{}\"", ["se", "no", "dk", "fi"][rng.random_range(0..4)]));
    }
    if rng.random_bool(0.7) {
        put("good", rng.random_bool(0.5).to_string());
    }
    json.push('}');
    json.into_bytes()
}

fn parse(record: &[u8], partition: usize, offset: usize) -> Event {
    let json: serde_json::Value = serde_json::from_slice(record).unwrap();
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    Event {
        ts: json["ts"].as_u64().unwrap(),
        partition,
        offset,
        card: text("card"),
        user: text("user"),
        amount: json["amount"].as_f64().map(|a| (a * 1e6).round() as i64),
        points: json["points"].as_i64(),
        country: text("country"),
        good: json["good"].as_bool(),
    }
}

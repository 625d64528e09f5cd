//! A job's rows by brute force: the whole history of an entity, filtered and summed up anew for
//! every row. No state, no order of arrival, nothing shared with the engine but the rules.

pub mod events;
mod looking_up;
mod sequences;

use crate::folder::Folder;
use crate::memory::{Log, Record};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One transaction of the twin's world.
#[derive(Clone, Debug)]
pub struct Event {
    /// The time of the event: what its record says, or less.
    pub ts: u64,
    /// What time its record says it is.
    pub clock: u64,
    pub source: usize,
    /// Its place in the world's log.
    pub partition: usize,
    pub offset: usize,
    pub card: Option<String>,
    pub user: Option<String>,
    /// Micro-units.
    pub amount: Option<i64>,
    pub points: Option<i64>,
    pub country: Option<String>,
    pub good: Option<bool>,
    /// What the country is as of the time of the event, where the world looks it up.
    pub level: Option<i64>,
    pub zone: Option<String>,
}

impl Event {
    /// What the order of events is by.
    pub fn place(&self) -> impl Ord + use<> {
        (self.ts, self.source, self.partition, self.offset)
    }
}

/// A filter, in the job's words and as a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filter {
    All,
    Large,
    Good,
    Abroad,
    /// Of what is looked up.
    High,
}

impl Filter {
    fn text(self) -> &'static str {
        match self {
            Filter::All => "true",
            Filter::Large => "amount >= 50",
            Filter::Good => "good",
            Filter::Abroad => "country in {\"se\", \"no\"}",
            Filter::High => "level >= 5",
        }
    }

    fn holds(self, e: &Event) -> bool {
        match self {
            Filter::All => true,
            Filter::Large => e.amount.is_some_and(|a| a >= 50_000_000),
            Filter::Good => e.good == Some(true),
            Filter::Abroad => e.country.as_deref().is_some_and(|c| c == "se" || c == "no"),
            Filter::High => e.level.is_some_and(|level| level >= 5),
        }
    }
}

/// A feature of the twin's world.
#[derive(Clone, Debug)]
pub struct Feature {
    pub aggregate: &'static str,
    pub of: &'static str,
    /// Its window, horizon or session.
    pub window: u64,
    pub delay: u64,
    pub filter: Filter,
    /// How far apart the events of a change may be.
    pub apart: u64,
    /// It is this feature of another view, and the rest is of no interest.
    pub named: Option<(usize, usize)>,
}

/// A view of the twin's world.
#[derive(Clone, Debug)]
pub struct View {
    pub entity: &'static str,
    pub filter: Filter,
    pub features: Vec<Feature>,
}

/// What the job says of events ahead of their arrival.
#[derive(Clone, Copy, Debug)]
pub enum MaxAhead {
    /// Nothing: as far as they may be out of order.
    Unsaid,
    Anything,
    Most(u64),
}

/// A job and its history.
#[derive(Clone, Debug)]
pub struct World {
    pub out_of_orderness: u64,
    /// `None`: the records do not say when they arrived.
    pub max_ahead: Option<MaxAhead>,
    pub views: Vec<View>,
    /// Partitions belong to the sources in turn. Of the second one only cards are told, under
    /// another name, and no points.
    pub sources: usize,
    pub log: Log,
    /// What countries are looked up in; `None`: nothing is.
    pub table: Option<looking_up::Table>,
}

const AGGREGATES: [(&str, &str); 28] = [
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
    ("session count", ""),
    ("session sum", "amount"),
    ("session sum", "points"),
    ("session ratio", ""),
    ("duration", ""),
    ("first", ""),
    ("first", "country"),
    ("first", "points"),
    ("last", "country"),
    ("changes", "country"),
    ("changes", "country, good"),
    ("change_ratio", "country"),
    ("is_new", "country"),
    ("is_new", "country, good"),
    ("previous", "country"),
];

fn filter(rng: &mut SmallRng) -> Filter {
    [Filter::All, Filter::All, Filter::Large, Filter::Good, Filter::Abroad][rng.random_range(0..5)]
}

impl World {
    /// A random job over a random history: ties, disorder, late records, silence, missing fields.
    pub fn random(seed: u64) -> World {
        World::of_sources(seed, 1)
    }

    /// Writes its log into `folder`, a file a partition; gives the flags that name the files of its sources.
    pub fn write_log(&self, folder: &Folder) -> String {
        let mut files = vec![Vec::new(); self.sources];
        for (partition, records) in self.log.iter().enumerate() {
            let name = format!("p{partition}.jsonl");
            folder.write(&name, [records.join(&b'\n'), b"\n".to_vec()].concat());
            files[partition % self.sources].push(name);
        }
        let mut sources = String::new();
        for (files, name) in files.iter_mut().zip(["t", "u"]) {
            if files.is_empty() {
                folder.write("none.jsonl", "");
                files.push("none.jsonl".to_owned());
            }
            let _ = write!(sources, " --source {name}={}", files.join(","));
        }
        sources
    }

    /// The same over one or two sources. In half of them records say when they arrived: most of them
    /// a little later than they happened, but some have fast clocks, some slow stamps.
    pub fn of_sources(seed: u64, sources: usize) -> World {
        let mut rng = SmallRng::seed_from_u64(seed);
        let entities = ["card", "user", "card"];
        let views = (0..rng.random_range(2..4)).map(|at: usize| {
            let features = (0..rng.random_range(1..9)).map(|_| Feature::random(&mut rng));
            let features = features.collect();
            View { entity: entities[at], filter: filter(&mut rng), features }
        });
        let mut views: Vec<View> = views.collect();
        if views.len() > 2 && rng.random() {
            let features = views[0].features.len();
            for _ in 0..rng.random_range(1..3) {
                let named = Some((0, rng.random_range(0..features)));
                let feature = Feature { named, ..Feature::random(&mut rng) };
                views[2].features.push(feature);
            }
        }
        let out_of_orderness = [0, 3, 30, 300][rng.random_range(0..4)];
        let mut log = history(&mut rng, out_of_orderness, sources);
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xa4ead);
        let max_ahead = match rng.random_range(0..6) {
            0 => Some(MaxAhead::Unsaid),
            1 => Some(MaxAhead::Anything),
            2 => Some(MaxAhead::Most([0, 7, 100][rng.random_range(0..3)])),
            _ => None,
        };
        if max_ahead.is_some() {
            log.iter_mut().flatten().for_each(|record| arrive(&mut rng, record));
        }
        World { out_of_orderness, max_ahead, views, sources, log, table: None }
    }

    /// What the job says of arrivals.
    fn arrival(&self) -> String {
        let Some(most) = self.max_ahead else { return String::new() };
        let most = match most {
            MaxAhead::Unsaid => String::new(),
            MaxAhead::Anything => "max_ahead = \"none\"\n".to_owned(),
            MaxAhead::Most(most) => format!("max_ahead = \"{most}ms\"\n"),
        };
        format!("arrival_field = \"seen\"\n{most}")
    }

    /// The job file.
    pub fn job(&self) -> String {
        let mut text = format!(
            "[job]\nname = \"twin\"\n[sources.t]\nfiles = [\"memory\"]\n\
             time = {{ field = \"ts\", unit = \"ms\" }}\nout_of_orderness = \"{}ms\"\n\
             event_time_min = \"1970-01-01T00:00:00Z\"\n{}\
             [sources.t.fields]\ncard = \"string?\"\nuser = \"string?\"\namount = \"decimal?\"\n\
             points = \"int?\"\ncountry = \"string?\"\ngood = \"bool?\"\n\
             [entities.user]\nkey = \"user\"\n",
            self.out_of_orderness,
            self.arrival()
        );
        if self.sources == 1 {
            text.push_str("[entities.card]\nkey = \"card\"\n");
        } else {
            let _ = write!(
                text,
                "[entities.card]\nkeys = {{ t = \"card\", u = \"holder\" }}\n\
                 [sources.u]\nfiles = [\"memory\"]\ntime = {{ field = \"ts\", unit = \"ms\" }}\n\
                 out_of_orderness = \"{}ms\"\nevent_time_min = \"1970-01-01T00:00:00Z\"\n{}\
                 [sources.u.fields]\nholder = {{ type = \"string\", path = \"card\" }}\n\
                 amount = \"decimal?\"\ncountry = \"string?\"\ngood = \"bool?\"\n",
                self.out_of_orderness,
                self.arrival()
            );
        }
        text.push_str(&self.lookups());
        for (at, view) in self.views.iter().enumerate() {
            let _ = write!(
                text,
                "[views.v{at}]\nentity = \"{}\"\nsources = [{}]\nwhere = '{}'\n[views.v{at}.features]\n",
                view.entity,
                if self.sources == 2 && view.entity == "card" { "\"t\", \"u\"" } else { "\"t\"" },
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
            let mut clock = None;
            for (offset, record) in records.iter().enumerate() {
                let event = self.parse(record, partition, offset);
                let watermark = clock.map_or(0, |c: u64| c.saturating_sub(self.out_of_orderness));
                if event.ts < watermark {
                    late.push((partition, offset, watermark - event.ts));
                } else {
                    clock = clock.max(Some(event.clock));
                    accepted.push(event);
                }
            }
        }
        accepted.sort_by_key(Event::place);
        (accepted, late)
    }

    /// The sealed lines.
    pub fn sealed(&self, accepted: &[Event]) -> String {
        let mut lines = String::new();
        for event in accepted {
            // A sealed row knows what lies up to it.
            let known = &accepted[..accepted.partition_point(|e| e.ts <= event.ts)];
            for (at, view) in self.views.iter().enumerate() {
                let Some(id) = view.key(event) else { continue };
                if !view.filter.holds(event) {
                    continue;
                }
                let _ = writeln!(
                    lines,
                    "{{\"view\":\"v{at}\",\"entity_type\":\"{}\",\"entity_id\":\"{id}\",\"as_of\":{},\
                     \"source\":\"{}\",\"partition\":{},\"offset\":{},\"features\":{}}}",
                    view.entity,
                    event.ts,
                    ["t", "u"][event.source],
                    event.partition / self.sources,
                    event.offset,
                    self.row(at, &self.histories(at, known, id), event.ts)
                );
            }
        }
        lines
    }

    /// The live rows at `clock` over `accepted`: what lies ahead of the clock counts already, but in
    /// windows with a delay.
    pub fn live(&self, accepted: &[Event], clock: u64) -> BTreeMap<String, String> {
        let mut rows = BTreeMap::new();
        for (at, view) in self.views.iter().enumerate() {
            let ids: BTreeSet<_> = accepted.iter().filter_map(|e| view.key(e)).collect();
            for id in ids {
                let histories = self.histories(at, accepted, id);
                if self.alive(at, &histories, clock) {
                    rows.insert(format!("v{at}/{id}"), self.row(at, &histories, clock));
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
}

impl World {
    /// By view the events of the entity `id` of view `at`; none where the view is of another entity.
    fn histories<'a>(&self, at: usize, accepted: &'a [Event], id: &str) -> Vec<Vec<&'a Event>> {
        let same = |view: &View| view.entity == self.views[at].entity;
        let of = |view: &View| if same(view) { view.history(accepted, id) } else { Vec::new() };
        self.views.iter().map(of).collect()
    }

    fn row(&self, at: usize, histories: &[Vec<&Event>], t: u64) -> String {
        let values = self.values(at, histories, t);
        let named = values.enumerate().map(|(n, value)| format!("\"f{n}\":{value}"));
        format!("{{{}}}", named.collect::<Vec<_>>().join(","))
    }

    fn values(&self, at: usize, histories: &[Vec<&Event>], t: u64) -> impl Iterator<Item = String> {
        self.views[at].features.iter().enumerate().map(move |(n, f)| {
            let (view, feature) = f.named.unwrap_or((at, n));
            self.views[view].features[feature].value(&histories[view], t)
        })
    }

    /// What the features of view `at` are of the entity `id` at `t`, over the events up to then, or else
    /// `before` it.
    pub fn values_at(
        &self,
        at: usize,
        accepted: &[Event],
        id: &str,
        (t, before): (u64, bool),
    ) -> Vec<String> {
        let known = accepted.partition_point(|e| if before { e.ts < t } else { e.ts <= t });
        self.values_of(at, &accepted[..known], id, t)
    }

    /// The same over the events that are `known`.
    pub fn values_of(&self, at: usize, known: &[Event], id: &str, t: u64) -> Vec<String> {
        self.values(at, &self.histories(at, known, id), t).collect()
    }

    /// How long after their time events may be known for all features to see any.
    pub fn lag_max(&self) -> u64 {
        let all = self.views.iter().flat_map(|view| &view.features);
        all.map(|feature| (feature.delay + feature.window).saturating_sub(1)).min().unwrap_or(0)
    }

    /// Times at which something may change, and others.
    pub fn telling_time(&self, accepted: &[Event], rng: &mut SmallRng) -> u64 {
        let at = rng.random_range(0..accepted.len().max(1));
        let ts = accepted.get(at).map_or(10_000, |event| event.ts);
        let view = &self.views[rng.random_range(0..self.views.len())];
        let feature = &view.features[rng.random_range(0..view.features.len())];
        let edge = [0, feature.delay, feature.extent(), feature.window][rng.random_range(0..4)];
        match rng.random_range(0..12) {
            0 => rng.random_range(0..10_000),
            1 => 4_000_000_000_000 + ts,
            2 => ts + rng.random_range(0..3_000),
            3 => ts + edge - 1,
            4 => ts + edge + 1,
            5..8 => ts,
            _ => ts + edge,
        }
    }

    /// Whether anything that a feature of the view looks at is inside.
    fn alive(&self, at: usize, histories: &[Vec<&Event>], t: u64) -> bool {
        self.views[at].features.iter().enumerate().any(|(n, f)| {
            let (view, feature) = f.named.unwrap_or((at, n));
            let f = &self.views[view].features[feature];
            let inside = |e: &&&Event| f.applies(e) && e.ts + f.extent() > t;
            // Only the latest matters to a horizon, and it is the last to pass it.
            histories[view].iter().any(|e| inside(&e))
        })
    }

    /// Whether some feature looks further back than a window.
    pub fn looks_far_back(&self) -> bool {
        let mut features = self.views.iter().flat_map(|view| &view.features);
        features.any(Feature::is_of_sequence)
    }
}

impl Feature {
    fn random(rng: &mut SmallRng) -> Feature {
        let (aggregate, of) = AGGREGATES[rng.random_range(0..AGGREGATES.len())];
        let windows = [1, 2, 5, 20, 60, 200, 1_000];
        let mut length = || windows[rng.random_range(0..windows.len())];
        let (window, apart) = (length(), length());
        let delayed = !Feature::is_of_latest(aggregate) && rng.random_bool(0.3);
        let delay = if delayed { rng.random_range(1..80) } else { 0 };
        let unfiltered = ["duration", "first", "last"].contains(&aggregate);
        let filter = if unfiltered { Filter::All } else { filter(rng) };
        Feature { aggregate, of, window, delay, filter, apart, named: None }
    }

    fn toml(&self) -> String {
        if let Some((view, feature)) = self.named {
            return format!("expression = \"v{view}.f{feature}\"");
        }
        let (mut text, filter) = (String::new(), self.filter.text());
        let (aggregate, normalised) = match self.aggregate {
            "normalised" => ("entropy", ", normalised = true"),
            other => (other.strip_prefix("session ").unwrap_or(other), ""),
        };
        let length = match self.aggregate {
            _ if self.is_of_session() => "session",
            other if Feature::is_of_latest(other) => "horizon",
            _ => "window",
        };
        let _ = write!(
            text,
            "aggregate = \"{aggregate}\"{normalised}, {length} = \"{}ms\"",
            self.window
        );
        if self.of.contains(',') {
            let _ = write!(text, ", of = [\"{}\"]", self.of.replace(", ", "\", \""));
        } else if !self.of.is_empty() {
            let _ = write!(text, ", of = \"{}\"", self.of);
        }
        if self.aggregate.starts_with("change") {
            let _ = write!(text, ", horizon = \"{}ms\"", self.apart);
        }
        if self.delay > 0 {
            let _ = write!(text, ", delay = \"{}ms\"", self.delay);
        }
        if ["previous_gap", "duration"].contains(&self.aggregate) {
            text.push_str(", unit = \"ms\"");
        }
        if self.filter != Filter::All || self.aggregate.ends_with("ratio") {
            let _ = write!(text, ", where = '{filter}'");
        }
        text
    }

    /// Without a window, so without a delay.
    fn is_of_latest(aggregate: &str) -> bool {
        let single = ["latest", "previous_gap", "is_new", "previous", "duration", "first", "last"];
        single.contains(&aggregate) || aggregate.starts_with("session ")
    }

    fn is_of_session(&self) -> bool {
        let single = ["duration", "first", "last"];
        single.contains(&self.aggregate) || self.aggregate.starts_with("session ")
    }

    fn is_of_sequence(&self) -> bool {
        let others = ["is_new", "previous", "changes", "change_ratio"];
        self.is_of_session() || others.contains(&self.aggregate)
    }

    /// Whether an event that is known at `t` is in the window then.
    fn inside(&self, e: &Event, t: u64) -> bool {
        let entered = self.delay == 0 || e.ts + self.delay <= t;
        entered && t < e.ts + self.delay + self.window
    }

    /// How long an event is seen.
    fn extent(&self) -> u64 {
        self.delay + self.window + u64::from(self.is_of_session())
    }

    /// Whether the event counts for whether the row is there.
    fn applies(&self, e: &Event) -> bool {
        // A ratio's window holds every event, the ones of its numerator among them.
        self.aggregate == "ratio" || self.is_of_session() || self.filter.holds(e)
    }

    fn value(&self, history: &[&Event], t: u64) -> String {
        if self.is_of_sequence() {
            return self.of_sequence(history, t);
        }
        if Feature::is_of_latest(self.aggregate) {
            return self.last(history, t);
        }
        let inside = |e: &&&Event| self.inside(e, t);
        let all: Vec<&Event> = history.iter().filter(inside).copied().collect();
        let events: Vec<&Event> = all.iter().copied().filter(|e| self.filter.holds(e)).collect();
        let numbers = events.iter().filter_map(|e| match self.of {
            "amount" => e.amount,
            "level" => e.level,
            _ => e.points,
        });
        let numbers: Vec<i64> = numbers.collect();
        let unit = if self.of == "amount" { 1e6 } else { 1.0 };
        let n = numbers.len();
        let sum: i128 = numbers.iter().map(|v| i128::from(*v)).sum();
        let mut counts = BTreeMap::<&str, u32>::new();
        for country in events.iter().filter_map(|e| self.text(e)) {
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
        let seen = history.iter().filter(|e| self.filter.holds(e));
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
    if !normalised {
        return h;
    }
    let even = counts.values().all(|n| Some(n) == counts.values().next());
    if even { 1.0 } else { (h / libm::log(counts.len() as f64)).clamp(0.0, 1.0) }
}

/// Partitions of records whose times wander: mostly forward, in bursts of equal times, with jumps
/// and with steps back, some of them too far.
fn history(rng: &mut SmallRng, out_of_orderness: u64, sources: usize) -> Log {
    let partitions = rng.random_range(1..5);
    let busy = rng.random_range(1..200);
    (0..partitions)
        .map(|partition: usize| {
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
                    record(rng, ts, partition % sources == 1)
                })
                .collect()
        })
        .collect()
}

fn record(rng: &mut SmallRng, ts: u64, of_card: bool) -> Record {
    let mut json = format!("{{\"ts\":{ts}");
    let named = rng.random_range(0..4);
    let mut put = |key: &str, value: String| {
        let _ = write!(json, ",\"{key}\":{value}");
    };
    if named != 0 || of_card {
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

/// Lets a record say when it arrived.
fn arrive(rng: &mut SmallRng, record: &mut Record) {
    let text = String::from_utf8(std::mem::take(record)).unwrap();
    let (ts, rest) = text["{\"ts\":".len()..].split_once([',', '}']).unwrap();
    let rest = if rest.is_empty() { "}".to_owned() } else { format!(",{rest}") };
    let ts: u64 = ts.parse().unwrap();
    let far = [5, 100, 2_000][rng.random_range(0..3)];
    let (ts, seen) = match rng.random_range(0..20) {
        0..13 => (ts, Some(ts + rng.random_range(0..20))),
        // A fast clock.
        13..17 => (ts + rng.random_range(1..far), Some(ts)),
        // A slow stamp.
        17 => (ts, Some(ts - rng.random_range(0..far))),
        _ => (ts, None),
    };
    let seen = seen.map_or(String::new(), |seen| format!(",\"seen\":{seen}"));
    *record = format!("{{\"ts\":{ts}{seen}{rest}").into_bytes();
}

impl World {
    fn parse(&self, record: &[u8], partition: usize, offset: usize) -> Event {
        let json: serde_json::Value = serde_json::from_slice(record).unwrap();
        let ts = json["ts"].as_u64().unwrap();
        let seen = json["seen"].as_u64().filter(|_| self.max_ahead.is_some());
        let latest = match (seen, self.max_ahead) {
            (Some(seen), Some(MaxAhead::Unsaid)) => seen + self.out_of_orderness,
            (Some(seen), Some(MaxAhead::Most(most))) => seen + most,
            _ => u64::MAX,
        };
        let event = event(&json, partition, offset, self.sources);
        let event = Event { ts: ts.min(latest), clock: ts.min(seen.unwrap_or(ts)), ..event };
        self.look_up(event)
    }
}

fn event(json: &serde_json::Value, partition: usize, offset: usize, sources: usize) -> Event {
    let source = partition % sources;
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    Event {
        ts: 0,
        clock: 0,
        source,
        partition,
        offset,
        card: text("card"),
        user: text("user").filter(|_| source == 0),
        amount: json["amount"].as_f64().map(|a| (a * 1e6).round() as i64),
        points: json["points"].as_i64().filter(|_| source == 0),
        country: text("country"),
        good: json["good"].as_bool(),
        level: None,
        zone: None,
    }
}

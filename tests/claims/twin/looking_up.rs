//! What is looked up, by brute force: the row of a country that is valid at the time of the event.

use super::{Event, Feature, Filter, World};
use crate::folder::Folder;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

/// What `level` is where the table has no row.
const LEVEL: i64 = 3;

/// Rows of a table, each valid from its time on.
#[derive(Clone, Debug)]
pub struct Table(Vec<Row>);

#[derive(Clone, Debug)]
struct Row {
    country: &'static str,
    level: i64,
    zone: Option<&'static str>,
    since: u64,
}

impl Table {
    /// Some countries have several rows, some have none; some rows begin at the very time of an event.
    fn random(rng: &mut SmallRng, times: &[u64]) -> Table {
        let mut rows = Vec::<Row>::new();
        for country in ["se", "no", "dk", "fi", "xx"] {
            for _ in 0..rng.random_range(0..5) {
                let ts = times.get(rng.random_range(0..times.len().max(1))).copied();
                let since = match rng.random_range(0..4) {
                    0 => 0,
                    1 => ts.unwrap_or(10_000) + 1,
                    _ => ts.unwrap_or(10_000),
                };
                if rows.iter().any(|row| (row.country, row.since) == (country, since)) {
                    continue;
                }
                let zone = [None, Some("north"), Some("south")][rng.random_range(0..3)];
                rows.push(Row { country, level: rng.random_range(-2..9), zone, since });
            }
        }
        Table(rows)
    }

    fn at(&self, country: Option<&str>, ts: u64) -> Option<&Row> {
        let own = self.0.iter().filter(|row| Some(row.country) == country && row.since <= ts);
        own.max_by_key(|row| row.since)
    }
}

impl World {
    /// The same as [`of_sources`](World::of_sources), of which features are of what is looked up in a table,
    /// over at most so many records of a partition.
    pub fn looking_up(seed: u64, sources: usize, records_max: usize) -> World {
        let mut world = World::of_sources(seed, sources);
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x7ab1e);
        world.log.iter_mut().for_each(|records| records.truncate(records_max));
        let time = |record: &Vec<u8>| {
            let json: serde_json::Value = serde_json::from_slice(record).unwrap();
            json["ts"].as_u64().unwrap()
        };
        let times: Vec<u64> = world.log.iter().flatten().map(time).collect();
        world.table = Some(Table::random(&mut rng, &times));
        for feature in world.views.iter_mut().flat_map(|view| &mut view.features) {
            feature.look_up(&mut rng);
        }
        world
    }

    /// Whether any feature is made of what is looked up.
    pub fn shows_what_is_looked_up(&self) -> bool {
        let mut features = self.views.iter().flat_map(|view| &view.features);
        features.any(|f| ["level", "zone"].contains(&f.of) || f.filter == Filter::High)
    }

    /// What the job says of its table.
    pub(super) fn lookups(&self) -> String {
        // A table that nothing is looked up in is a mistake.
        if self.table.is_none() {
            return String::new();
        }
        let mut text = String::new();
        for name in ["t", "u"].iter().take(self.sources) {
            let _ = write!(
                text,
                "[sources.{name}.lookup]\n\
                 level = {{ table = \"countries\", key = \"country\", column = \"level\", default = {LEVEL} }}\n\
                 zone = {{ table = \"countries\", key = \"country\", column = \"zone\" }}\n"
            );
        }
        text + "[tables.countries]\nfile = \"countries.csv\"\nkey = \"country\"\n\
                columns = { level = \"int\", zone = \"string?\" }\nvalid_from = \"since\"\n"
    }

    /// Writes its table into `folder`.
    pub fn write_table(&self, folder: &Folder) {
        let Some(table) = &self.table else { return };
        let mut lines = "country,level,zone,since\n".to_owned();
        for Row { country, level, zone, since } in &table.0 {
            let _ = writeln!(lines, "{country},{level},{},{since}", zone.unwrap_or_default());
        }
        folder.write("countries.csv", lines);
    }

    /// The event with what its country is.
    pub(super) fn look_up(&self, event: Event) -> Event {
        let Some(table) = &self.table else { return event };
        let row = table.at(event.country.as_deref(), event.ts);
        let level = row.map_or(LEVEL, |row| row.level);
        let zone = row.and_then(|row| row.zone).map(str::to_owned);
        Event { level: Some(level), zone, ..event }
    }
}

impl Feature {
    /// The text that it is of.
    pub(super) fn text<'a>(&self, e: &'a Event) -> Option<&'a str> {
        if self.of == "zone" { e.zone.as_deref() } else { e.country.as_deref() }
    }

    /// Makes it one of what is looked up, mostly.
    fn look_up(&mut self, rng: &mut SmallRng) {
        self.of = match self.of {
            _ if rng.random_bool(0.3) => self.of,
            "country" => "zone",
            "points" => "level",
            "amount" if ["sum", "avg", "stddev", "session sum"].contains(&self.aggregate) => {
                "level"
            }
            of => of,
        };
        // What decides which event is the latest is known before anything is looked up.
        let unfiltered = ["duration", "first", "last"];
        let of_latest = ["latest", "previous_gap", "is_new", "previous"];
        let may = !unfiltered.contains(&self.aggregate) && !of_latest.contains(&self.aggregate);
        if may && rng.random_bool(0.4) {
            self.filter = Filter::High;
        }
    }
}

//! Where in a record a value is.

use super::Plan;
use super::path;
use super::source::{Format, SourcePlan};

/// Where in a record a field or a time is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// In its value, at the path.
    #[default]
    Value,
    /// In its key, a JSON object, at the path; where that is empty it is the key itself, as text.
    Key,
    /// In the last of its headers that has this name, as text.
    Header(String),
    /// What the log knows of it.
    Record(RecordPart),
}

/// What a log knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPart {
    /// Its timestamp in the topic, in ms since the epoch.
    Timestamp,
    /// The number of its partition: the topic's, or the file's place in the list.
    Partition,
    /// Its offset: the topic's, or the number of its line, from 0.
    Offset,
    /// The topic that the job names; none where it names files.
    Topic,
}

impl RecordPart {
    /// The name a job file uses.
    pub const fn name(self) -> &'static str {
        match self {
            RecordPart::Timestamp => "timestamp",
            RecordPart::Partition => "partition",
            RecordPart::Offset => "offset",
            RecordPart::Topic => "topic",
        }
    }
}

impl Place {
    /// As people read it: the `path` of what is in the value, and words for anything else.
    pub fn shown(&self, path: &[String]) -> String {
        match self {
            Place::Value => path::shown(path),
            Place::Key if path.is_empty() => "the record's key".to_owned(),
            Place::Key => format!("{} of the record's key", path::shown(path)),
            Place::Header(name) => format!("the header {name}"),
            Place::Record(part) => format!("the record's {}", part.name()),
        }
    }

    /// The path at which a record that is a value alone has it: what is beside the value is there
    /// under the words for it.
    pub fn path_alone(&self, path: &[String]) -> Vec<String> {
        match self {
            Place::Value => path.to_vec(),
            Place::Key | Place::Header(_) | Place::Record(_) => vec![self.shown(path)],
        }
    }
}

impl SourcePlan {
    /// The names of the headers that are read, each once, in order.
    pub fn headers(&self) -> Vec<String> {
        let times = [Some(&self.time), self.arrival.field()].into_iter().flatten();
        let places = self.fields.iter().map(|field| &field.place);
        let named = places.chain(times.map(|time| &time.place)).filter_map(|place| match place {
            Place::Header(name) => Some(name.clone()),
            Place::Value | Place::Key | Place::Record(_) => None,
        });
        let mut names: Vec<String> = named.collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Lets records be JSON with everything in the value, whatever the source's are: for records that
    /// are made by hand.
    fn read_json_alone(&mut self) {
        self.format = Format::Json;
        self.strict_json = false;
        let mut times = vec![&mut self.time];
        times.extend(self.arrival.field_mut());
        for time in times {
            time.path = std::mem::take(&mut time.place).path_alone(&time.path);
        }
        for field in &mut self.fields {
            // Nobody writes a number in base64 by hand.
            field.reading.encoding = None;
            field.path = std::mem::take(&mut field.place).path_alone(&field.path);
        }
    }
}

impl Plan {
    /// The same for records that are JSON and nothing beside it.
    #[must_use]
    pub fn of_json_alone(mut self) -> Self {
        self.sources.iter_mut().for_each(SourcePlan::read_json_alone);
        self
    }
}

//! Where in a record a value is.

use super::path;
use super::source::SourcePlan;

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

    /// Lets everything be in the value, whatever else a record has: for records that are made of
    /// values alone.
    pub fn read_value_alone(&mut self) {
        let mut times = vec![&mut self.time];
        times.extend(self.arrival.field_mut());
        for time in times.into_iter().filter(|time| time.place != Place::Value) {
            time.path = vec![time.place.shown(&time.path)];
            time.place = Place::Value;
        }
        for field in self.fields.iter_mut().filter(|field| field.place != Place::Value) {
            field.path = vec![field.place.shown(&field.path)];
            field.place = Place::Value;
        }
    }
}

//! What jobs have entered of what they write, in two kinds of hashes:
//!
//! | hash | field | value |
//! |---|---|---|
//! | `tidemark:views`, under each `key_prefix` | `{entity type}:{view}` | the job |
//! | `tidemark:feast:{project}:views`, whatever the `key_prefix` is | `{join key}:{view}` | `{ttl in ms} {job} {key_prefix}` |
//!
//! The second one is there in Feast's layout: keys of rows are made of the project there, and have no
//! prefix. Two jobs may share it with other views, whose fields are others. Where they have the hashes of
//! one entity type in common they have to keep them for equally long: each sets the time to live of the
//! whole hash, and the shorter one would end the rows of the other job.

use crate::online::redis::settings::RedisSettings;
use crate::online::schema::Schema;
use crate::text::duration_exact;
use std::collections::BTreeMap;
use tidemark_operators::time::Millis;

/// A job as others see it: jobs of one name under two prefixes are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ViewWriter {
    pub(crate) job: String,
    pub(crate) key_prefix: String,
}

/// A hash in which jobs enter what they write.
#[derive(Debug)]
pub(crate) struct ViewLedger {
    pub(crate) key: String,
    own: ViewWriter,
    /// Fields, and what this job enters there.
    pub(crate) entries: BTreeMap<String, String>,
    /// In Feast's layout.
    project: Option<String>,
}

/// Something that another job has entered and that this one must not write beside.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) writer: ViewWriter,
    field: String,
    /// For how long both keep what they share, where that is what is wrong: this job and the other one.
    ttls: Option<(Millis, Millis)>,
}

impl ViewLedger {
    /// Those of a job.
    pub(crate) fn of(schema: &Schema, settings: &RedisSettings) -> Vec<ViewLedger> {
        let own = ViewWriter { job: schema.job.clone(), key_prefix: settings.key_prefix.clone() };
        let views = schema.views.iter().map(|view| {
            let field = format!("{}:{}", view.entity_name, view.name);
            (field, own.job.clone())
        });
        let views = ViewLedger {
            key: format!("{}views", settings.bookkeeping()),
            own: own.clone(),
            entries: views.collect(),
            project: None,
        };
        let project = settings.project_in(&schema.job).map(|project| {
            let placing = settings.placing();
            let entry = |view| {
                let ttl = placing.feast_ttl(schema, view);
                let field = format!("{}:{}", view.key.name, view.name);
                (field, format!("{ttl} {} {}", own.job, own.key_prefix))
            };
            ViewLedger {
                key: settings.project_key(&project),
                own: own.clone(),
                entries: schema.views.iter().map(entry).collect(),
                project: Some(project),
            }
        });
        [views].into_iter().chain(project).collect()
    }

    /// Whether it is a project's.
    pub(crate) fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// Who has entered this, and for how long it keeps what it writes. A value that is none of ours counts
    /// as a job that nobody has heard of.
    fn entered(&self, value: &str) -> (ViewWriter, Option<Millis>) {
        let words: Vec<&str> = value.splitn(3, ' ').collect();
        match (self.project.is_some(), words.as_slice()) {
            (true, [ttl, job, key_prefix]) => {
                let (job, key_prefix) = ((*job).to_owned(), (*key_prefix).to_owned());
                (ViewWriter { job, key_prefix }, ttl.parse().ok())
            }
            _ => (ViewWriter { job: value.to_owned(), ..self.own.clone() }, None),
        }
    }

    /// What others have entered that this job cannot write beside. `granted`: it does already, and whoever
    /// keeps hashes for another time and is entered all the same did not live.
    pub(crate) fn conflicts(
        &self,
        held: &BTreeMap<String, String>,
        granted: bool,
    ) -> Vec<Conflict> {
        let conflict = |(field, value): (&String, &String)| {
            let (writer, ttl) = self.entered(value);
            let conflict =
                |ttls| Some(Conflict { writer: writer.clone(), field: field.clone(), ttls });
            if writer == self.own {
                None
            } else if self.entries.contains_key(field) {
                conflict(None)
            } else {
                let ttls = self.ttl_of(field).zip(ttl);
                let ttls = ttls.filter(|(own, other)| own != other && !granted)?;
                conflict(Some(ttls))
            }
        };
        held.iter().filter_map(conflict).collect()
    }

    /// For how long this job keeps the hashes that a field's view of another job lies in.
    fn ttl_of(&self, field: &str) -> Option<Millis> {
        let (join_key, _) = field.split_once(':').filter(|_| self.project.is_some())?;
        let of = |own: &&String| own.split_once(':').is_some_and(|(key, _)| key == join_key);
        let own = self.entries.keys().find(of)?;
        self.entered(self.entries.get(own)?).1
    }

    /// What is to be entered.
    pub(crate) fn missing(&self, held: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        let missing = self.entries.iter().filter(|(field, value)| held.get(*field) != Some(value));
        missing.map(|(field, value)| (field.as_str(), value.as_str())).collect()
    }

    /// What is to be removed: views that this job no longer has.
    pub(crate) fn left<'a>(&self, held: &'a BTreeMap<String, String>) -> Vec<&'a str> {
        let left = held.iter().filter(|(field, value)| {
            let own = field.contains(':') && self.entered(value).0 == self.own;
            own && !self.entries.contains_key(*field)
        });
        left.map(|(field, _)| field.as_str()).collect()
    }

    /// Why this job does not write beside another one. `granted`: it has until now.
    pub(crate) fn refusal(&self, conflict: &Conflict, granted: bool) -> String {
        let (whose, view) = conflict.field.split_once(':').unwrap_or_default();
        let (job, key_prefix) = (&self.own.job, &self.own.key_prefix);
        let ViewWriter { job: owner, key_prefix: theirs } = &conflict.writer;
        let how = if granted { "was taken over by" } else { "is written by" };
        match (&self.project, conflict.ttls) {
            (None, _) => format!(
                "cannot write view '{view}' of entity type '{whose}' to Redis for job '{job}': under \
                 the key prefix '{key_prefix}' it {how} job '{owner}', which is alive; stop that job, \
                 rename the view, or give this job another key_prefix (in Feast's layout: another \
                 project, too) or db in [online.redis] of cluster.toml"
            ),
            (Some(project), None) => format!(
                "cannot write view '{view}' of entities by '{whose}' to Redis for job '{job}': in the \
                 Feast project '{project}' it {how} job '{owner}' (key_prefix '{theirs}'), which is \
                 alive, and the rows of a project have no prefix; stop that job, rename the view, or \
                 give this job another project or db in [online.redis] of cluster.toml"
            ),
            (Some(project), Some((own, other))) => format!(
                "cannot write entities by '{whose}' to Redis for job '{job}': in the Feast project \
                 '{project}' it would share their hashes with view '{view}' of job '{owner}' \
                 (key_prefix '{theirs}'), which keeps them for {} and this job for {}, and the shorter \
                 time would end the rows of both; set the same \"ttl\" in [online.redis] of both, or \
                 give this job another project there",
                duration_exact(other),
                duration_exact(own),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file;
    use crate::online::Layout;

    fn ledgers(key_prefix: &str, ttl: Option<Millis>) -> Vec<ViewLedger> {
        let settings = RedisSettings {
            key_prefix: key_prefix.to_owned(),
            layout: Layout::Feast,
            project: Some("shop".to_owned()),
            ttl,
            ..RedisSettings::default()
        };
        let fraud = job_file::load("fraud").unwrap();
        ViewLedger::of(&Schema::new(&fraud.plan), &settings)
    }

    /// What a job has entered once it is granted.
    fn held(ledger: &ViewLedger) -> BTreeMap<String, String> {
        let entered = ledger.missing(&BTreeMap::new()).into_iter();
        entered.map(|(field, value)| (field.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn views_are_apart_by_prefix_and_those_of_a_project_are_not() {
        let (first, second) = (ledgers("a b", None), ledgers("c", None));
        assert_ne!(first[0].key, second[0].key);
        assert_eq!(
            (first[1].key.as_str(), first[1].project()),
            ("tidemark:feast:shop:views", Some("shop"))
        );
        assert_eq!(first[1].key, second[1].key);
        let entered = held(&first[1]);
        assert!(first[1].conflicts(&entered, false).is_empty(), "its own");
        assert!(first[1].missing(&entered).is_empty() && first[1].left(&entered).is_empty());
        let conflicts = second[1].conflicts(&entered, false);
        assert!(conflicts.len() > 3 && conflicts.len() == entered.len(), "{conflicts:?}");
        assert_eq!(conflicts[0].writer.key_prefix, "a b");
        let why = second[1].refusal(&conflicts[0], false);
        assert!(why.contains("(key_prefix 'a b')") && why.contains("project 'shop'"), "{why}");
        assert!(second[1].left(&entered).is_empty(), "another job's");
    }

    #[test]
    fn other_views_of_the_same_entities_are_no_conflict_but_another_time_to_live_is() {
        let first = ledgers("a", Some(60_000));
        let renamed = |ledger: &ViewLedger| -> BTreeMap<String, String> {
            held(ledger).into_iter().map(|(field, value)| (format!("{field}_b"), value)).collect()
        };
        let (same, other) = (ledgers("b", Some(60_000)), ledgers("b", Some(60_001)));
        assert!(first[1].conflicts(&renamed(&same[1]), false).is_empty());
        let conflicts = first[1].conflicts(&renamed(&other[1]), false);
        assert!(!conflicts.is_empty());
        let why = first[1].refusal(&conflicts[0], false);
        assert!(why.contains("for 1 m 0.001 s") && why.contains("for 1 m,"), "{why}");
        assert!(first[1].conflicts(&renamed(&other[1]), true).is_empty(), "it did not live");
        let left = held(&other[1]).into_iter().map(|(f, value)| (f.replace(':', ":x"), value));
        let left: BTreeMap<_, _> = left.collect();
        assert_eq!(other[1].left(&left).len(), left.len(), "views it no longer has");
    }
}

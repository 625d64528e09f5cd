//! Keys that the records of a sample have and no field of the job reads.

use crate::sample_file::{MemberReader, SampleFile};
use std::collections::{BTreeSet, HashSet};
use tidemark_jobs::SourceText;
use tidemark_jobs::document::nearest;
use tidemark_operators::ingest::decode::MemberValue;
use tidemark_operators::plan::SourcePlan;
use tidemark_operators::plan::envelope::{PAYLOAD, SCHEMA};
use tidemark_operators::plan::path::element;

/// Of how many records the keys are looked at.
const RECORDS_MAX: usize = 1_000;
/// How many different keys are remembered.
const KEYS_MAX: usize = 2_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct UnreadKeys {
    /// Their paths.
    pub paths: BTreeSet<Vec<String>>,
}

impl UnreadKeys {
    /// Those of the first records of `sample`, by what a source reads.
    pub fn new(sample: &SampleFile, plan: &SourcePlan, text: &SourceText) -> Self {
        let fields = text.declared.iter();
        let mut known: HashSet<&[String]> = fields
            .flat_map(|field| [&field.path].into_iter().chain(&field.aliases))
            .map(Vec::as_slice)
            .collect();
        known.insert(&plan.time.path);
        // Of an array that elements are read of.
        let arrays = known.iter().filter_map(|path| {
            let at = path.iter().position(|part| element(part).is_some())?;
            path.get(..at)
        });
        let arrays: Vec<&[String]> = arrays.collect();
        known.extend(arrays);
        // Of an envelope with a schema beside it the payload is read, and the schema by nobody.
        let read = |path: &[String]| match (path, plan.envelope.is_some()) {
            ([first, ..], true) if first == SCHEMA => true,
            ([first, below @ ..], true) if first == PAYLOAD => known.contains(below),
            _ => known.contains(path),
        };
        let mut paths = BTreeSet::new();
        let mut members = MemberReader::new(sample.format);
        for record in sample.each().take(RECORDS_MAX) {
            // What is no record has no keys.
            let _ = members.each(record, &mut |path, found| {
                let value = !matches!(found, MemberValue::Null | MemberValue::Object);
                if value && paths.len() < KEYS_MAX && !read(path) {
                    paths.insert(path.to_vec());
                }
            });
        }
        UnreadKeys { paths }
    }

    /// The one that may be meant by `path`, which no record has: how a job would say it.
    pub fn near(&self, path: &[String]) -> Option<String> {
        let wanted = path.join(".");
        let dotted = self.paths.iter().find(|it| it.len() < path.len() && it.join(".") == wanted);
        if dotted.is_some() {
            return Some(format!(
                "the records have the key \"{wanted}\", with dots in it: write path = [\"{wanted}\"]"
            ));
        }
        let last = path.last()?;
        let joined: Vec<String> = self.paths.iter().map(|path| path.join(".")).collect();
        let same_end = || self.paths.iter().find(|it| it.last() == Some(last));
        let near = nearest(&wanted, joined.iter().map(String::as_str)).map(str::to_owned);
        let near = near.or_else(|| same_end().map(|path| path.join(".")))?;
        Some(format!("did you mean path = \"{near}\"?"))
    }
}

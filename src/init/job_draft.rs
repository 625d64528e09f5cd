//! What a job for the records of a sample is to have: decided from what they have.

use super::features::{self, ViewDraft};
use super::names::Names;
use super::path_survey::{PathSurvey, RecordSurvey, TYPES};
use super::time_draft::{self, TimeDraft};
use super::time_form::{FORMS, WrittenTime};
use super::{keys, names};
use std::collections::HashSet;
use tidemark_operators::plan::{Format, TEXT_BYTES_MAX};
use tidemark_operators::value::Type;

/// How many fields are written; more are only counted.
pub(super) const FIELDS_MAX: usize = 200;

/// A job, before it is written.
#[derive(Debug)]
pub(super) struct JobDraft {
    pub source: SourceNames,
    pub time: TimeDraft,
    pub fields: Vec<FieldDraft>,
    /// Paths that no field reads, and why.
    pub left_out: Vec<(Vec<String>, String)>,
    /// What the features are of.
    pub entities: Vec<EntityDraft>,
    pub views: Vec<ViewDraft>,
}

/// What the job is called, and what it reads.
#[derive(Debug)]
pub(super) struct SourceNames {
    /// The job's name, and that of its source and topic.
    pub job: String,
    /// The file that the sample is of, unless it is standard input.
    pub file: Option<String>,
    /// How its records are encoded.
    pub format: Format,
    /// Whether they are rows in Debezium's envelopes.
    pub in_envelopes: bool,
}

/// A field.
#[derive(Debug)]
pub(super) struct FieldDraft {
    pub name: String,
    pub path: Vec<String>,
    pub ty: Type,
    /// How it is written, of a timestamp.
    pub time: Option<WrittenTime>,
    pub optional: bool,
    /// In how many records it is missing, null or empty.
    pub missing: u64,
    /// In how many it is something else.
    pub invalid: u64,
    /// Whether it has more digits after the point than it keeps.
    pub rounded: bool,
    /// How long texts may be, where that is more than usual.
    pub text_bytes_max: Option<usize>,
    /// How many different values there are, at least.
    pub distinct: u64,
    /// Texts it has, where there are few.
    pub categories: Vec<(String, u64)>,
}

/// Something that has features.
#[derive(Debug)]
pub(super) struct EntityDraft {
    pub name: String,
    /// The field that is its id: index into [`JobDraft::fields`].
    pub key: usize,
}

/// Why there is no job for some records.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoJob {
    /// Nothing in them is a time.
    NoTime,
    /// Nothing in them could be an id.
    NoKey,
}

impl JobDraft {
    /// The job that reads `source`, for the records of `survey`, of whose times `time` is to be the event's.
    ///
    /// # Errors
    /// When they have nothing that a job must have.
    pub fn new(survey: &RecordSurvey, source: SourceNames, time: TimeDraft) -> Result<Self, NoJob> {
        let (chosen, mut left_out) = readable(survey, &time);
        let mut names = Names::default();
        names.reserve(&time.name());
        let mut fields: Vec<FieldDraft> = Vec::new();
        for path in chosen {
            match field(survey, path, &mut names) {
                Ok(field) => fields.push(field),
                Err(why) => left_out.push((path.path.clone(), why)),
            }
        }
        let entities = keys::entities(&mut fields, survey.records);
        if entities.is_empty() {
            return Err(NoJob::NoKey);
        }
        let views = features::views(&fields, &entities, &names);
        let features = || views.iter().flat_map(|view| &view.features);
        for (at, field) in fields.iter_mut().enumerate() {
            // A name that is a part of another is taken for needed, too.
            let needed = entities.iter().any(|entity| entity.key == at)
                || features().any(|feature| feature.toml.contains(&field.name));
            // What changes there must not cost an event.
            field.optional |= !needed;
        }
        Ok(JobDraft { source, time, fields, left_out, entities, views })
    }
}

/// The paths that fields can be read at, in the order of the records, and the others.
fn readable<'s>(
    survey: &'s RecordSurvey,
    time: &TimeDraft,
) -> (Vec<&'s PathSurvey>, Vec<(Vec<String>, String)>) {
    let mut values: HashSet<&[String]> = HashSet::from([time.path.as_slice()]);
    let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
    for path in &survey.paths {
        let mut leave = |why: &str| left_out.push((path.path.clone(), why.to_owned()));
        let above = (1..path.path.len()).filter_map(|parts| path.path.get(..parts));
        if path.path == time.path {
            continue;
        } else if above.clone().any(|above| values.contains(above)) {
            leave("below a value");
        } else if path.objects > 0 && path.objects >= path.scalars {
            if path.scalars > 0 {
                leave("mostly an object");
            }
        } else if path.scalars == 0 {
            leave(if path.unread > 0 { "an array, or too deep" } else { "null in every record" });
        } else if time.path.starts_with(&path.path) {
            leave("has the event time below it");
        } else if !time_draft::is_path(&path.path) {
            leave("a key that no path can name");
        } else {
            values.insert(&path.path);
            chosen.push(path);
        }
    }
    if chosen.len() > FIELDS_MAX {
        let mut by_count: Vec<u64> = chosen.iter().map(|path| path.scalars).collect();
        by_count.sort_unstable_by(|a, b| b.cmp(a));
        let least = by_count.get(FIELDS_MAX - 1).copied().unwrap_or(0);
        let more = by_count.iter().filter(|count| **count > least).count();
        let mut room = FIELDS_MAX - more;
        chosen.retain(|path| {
            let stays = path.scalars > least || (path.scalars == least && room > 0);
            room -= usize::from(stays && path.scalars == least);
            if !stays {
                left_out.push((path.path.clone(), format!("beyond {FIELDS_MAX} fields")));
            }
            stays
        });
    }
    (chosen, left_out)
}

/// The field at a path.
fn field(
    survey: &RecordSurvey,
    path: &PathSurvey,
    names: &mut Names,
) -> Result<FieldDraft, String> {
    if path.empty == path.scalars {
        return Err("empty in every record".to_owned());
    }
    let (ty, time) = type_of(path);
    let (values, invalid) = match time {
        Some((_, times)) => (times, path.scalars - path.empty - times),
        None => (path.values_of(ty), path.invalid_of(ty)),
    };
    let values = if ty == Type::Text { values - path.empty.min(values) } else { values };
    let invalid = invalid + path.objects + path.unread;
    let missing = survey.records.saturating_sub(values + invalid);
    let long = ty == Type::Text && path.text_bytes > TEXT_BYTES_MAX;
    Ok(FieldDraft {
        name: names.of_path(&path.path),
        path: path.path.clone(),
        ty,
        time: time.map(|(form, _)| form),
        optional: missing + invalid > 0,
        missing,
        invalid,
        rounded: matches!(ty, Type::Decimal(scale) if path.fraction_digits > usize::from(scale)),
        text_bytes_max: long.then(|| path.text_bytes.next_power_of_two()),
        distinct: path.distinct(),
        categories: path.categories.clone(),
    })
}

/// The type that reads most of what is there, of several the narrowest, and of times how they are
/// written and how many.
fn type_of(path: &PathSurvey) -> (Type, Option<(WrittenTime, u64)>) {
    let there = path.scalars - path.empty;
    let words = names::words(&path.path);
    let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    // An empty text is one, but says nothing.
    let empty = |ty: Type| if ty == Type::Text { path.empty } else { 0 };
    let reads = |ty: Type| path.values_of(ty) == there + empty(ty);
    let best = path.times.iter().enumerate().rev().max_by_key(|(_, times)| **times);
    let time = best.and_then(|(at, times)| Some((*FORMS.get(at)?, *times)));
    let time = time.filter(|(form, times)| {
        let counted = form.unit.is_number() && !form.unit.is_text() && path.told_times == 0;
        !is(&["version"]) && *times == there && (!counted || is(&time_draft::WORDS))
    });
    if let Some(time) = time {
        return (Type::Timestamp, Some(time));
    }
    let is_id =
        is(&["id", "mcc", "code", "zip", "postal", "phone", "pan", "iban", "number", "no", "key"]);
    let text_numbers = path.texts > path.empty && (path.leading_zeros || is_id);
    let words_of_bool = path.bools > 0 || path.values_of(Type::Int) == 0;
    let decimal = path.scale().map_or(Type::DECIMAL, Type::Decimal);
    let ty = match () {
        () if reads(Type::Bool) && words_of_bool => Type::Bool,
        () if reads(Type::Ip) => Type::Ip,
        () if text_numbers && reads(Type::Text) => Type::Text,
        () if reads(Type::Int) && !is(&features::MONEY) => Type::Int,
        () if path.scale().is_some() && reads(decimal) => decimal,
        () if path.large_whole && reads(Type::Text) => Type::Text,
        () if reads(Type::Double) => Type::Double,
        () if reads(Type::Text) => Type::Text,
        () => {
            let most = TYPES.iter().rev().max_by_key(|ty| path.values_of(**ty));
            match most.copied().unwrap_or(Type::Text) {
                Type::Decimal(_) => decimal,
                ty => ty,
            }
        }
    };
    (ty, None)
}

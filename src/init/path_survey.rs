//! What the records of a sample have at each path: counted as the fields of a job would read it.
//!
//! Bound: [`PATHS_MAX`] paths, each with at most [`DISTINCT_MAX`] hashes and [`CATEGORIES_MAX`] texts.

use super::time_form::{self, FORMS};
use crate::sample_file::members::{self, Found};
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::plan::ReadOptions;
use tidemark_operators::value::Type;

/// How many different paths are looked at; of a record with more keys the first ones.
const PATHS_MAX: usize = 4_096;
/// How many different values of a path are told apart.
pub(super) const DISTINCT_MAX: usize = 10_000;
/// How many different values of all paths are.
const HASHES_MAX: usize = 4_000_000;
/// How many values a path may have that says of what kind an event is.
pub(super) const CATEGORIES_MAX: usize = 20;
/// The longest of these, in bytes.
const CATEGORY_BYTES_MAX: usize = 40;

/// The types a field may get.
pub(super) const TYPES: [Type; 6] =
    [Type::Bool, Type::Ip, Type::Int, Type::DECIMAL, Type::Double, Type::Text];

/// What all records have.
#[derive(Debug, Default)]
pub(super) struct RecordSurvey {
    /// Records that are JSON objects.
    pub records: u64,
    /// Others.
    pub unreadable: u64,
    /// The first of these: its offset, and what is wrong with it.
    pub first_unreadable: Option<(u64, String)>,
    /// By path, in the order in which they were seen.
    pub paths: Vec<PathSurvey>,
    /// Values at paths beyond the bound.
    pub beyond: u64,
    places: HashMap<Vec<String>, usize>,
    hashes: usize,
}

/// What they have at one path.
#[derive(Debug, Default)]
pub(super) struct PathSurvey {
    pub path: Vec<String>,
    /// Texts, numbers, true and false.
    pub scalars: u64,
    pub texts: u64,
    pub bools: u64,
    pub objects: u64,
    /// Arrays, and what is too deep.
    pub unread: u64,
    /// By the place in [`TYPES`]: how many are a value of the type.
    pub values: [u64; TYPES.len()],
    /// How many are nothing that the type could be.
    pub invalid: [u64; TYPES.len()],
    /// By the place in [`FORMS`]: how many are a time of the form.
    pub times: [u64; FORMS.len()],
    /// Empty texts.
    pub empty: u64,
    /// The longest text, in bytes.
    pub text_bytes: usize,
    /// The most digits after the point of a number.
    pub fraction_digits: usize,
    /// Whether some text has a number with zeros before it, which an int would lose.
    pub leading_zeros: bool,
    /// Texts that are there, and how often; no more are taken once there are too many.
    pub categories: Vec<(String, u64)>,
    distinct: HashSet<u64>,
}

impl RecordSurvey {
    /// Adds a record.
    pub fn add(&mut self, offset: u64, record: &[u8], readings: &Readings) {
        let RecordSurvey { paths, places, beyond, hashes, .. } = self;
        let mut visit = |path: &[String], found: Found<'_>| {
            let place = match places.get(path) {
                Some(place) => *place,
                None if paths.len() < PATHS_MAX => {
                    places.insert(path.to_vec(), paths.len());
                    paths.push(PathSurvey { path: path.to_vec(), ..PathSurvey::default() });
                    paths.len() - 1
                }
                None => {
                    *beyond += 1;
                    return;
                }
            };
            if let Some(path) = paths.get_mut(place) {
                path.add(found, readings, hashes);
            }
        };
        match members::each(record, &mut visit) {
            Ok(()) => self.records += 1,
            Err(why) => {
                self.unreadable += 1;
                self.first_unreadable.get_or_insert((offset, why));
            }
        }
    }
}

/// How values are read when it is tried what they are.
pub(super) struct Readings {
    plain: ReadOptions,
    times: Vec<ReadOptions>,
}

impl Readings {
    pub fn new() -> Self {
        let plain = ReadOptions { text_bytes_max: usize::MAX, ..ReadOptions::default() };
        Readings { plain, times: FORMS.iter().map(|form| form.reading()).collect() }
    }

    /// How a time of this form is read.
    pub fn time(&self, form: usize) -> Option<&ReadOptions> {
        self.times.get(form)
    }
}

impl PathSurvey {
    fn add(&mut self, found: Found<'_>, readings: &Readings, hashes: &mut usize) {
        let scalar = match found {
            Found::Null => return,
            Found::Object => return self.objects += 1,
            Found::Unread => return self.unread += 1,
            Found::Scalar(scalar) => scalar,
        };
        self.scalars += 1;
        let text = match scalar {
            Scalar::Text(text) => {
                self.texts += 1;
                self.text_bytes = self.text_bytes.max(text.len());
                self.empty += u64::from(text.trim().is_empty());
                text
            }
            Scalar::Number(text) => text,
            Scalar::Bool(value) => {
                self.bools += 1;
                if value { "true" } else { "false" }
            }
        };
        for (at, ty) in TYPES.into_iter().enumerate() {
            let counted = match conversion(ty, scalar, &readings.plain) {
                Conversion::Null => None,
                Conversion::Value(_) => self.values.get_mut(at),
                Conversion::Invalid => self.invalid.get_mut(at),
            };
            counted.into_iter().for_each(|count| *count += 1);
        }
        for (at, count) in self.times.iter_mut().enumerate() {
            let time = readings.time(at).and_then(|reading| time_form::of(scalar, reading));
            *count += u64::from(time.is_some());
        }
        self.add_number(text);
        self.add_distinct(scalar, text, hashes);
    }

    fn add_number(&mut self, text: &str) {
        let digits = text.trim().trim_start_matches(['-', '+']);
        let mut bytes = digits.bytes();
        self.leading_zeros |= digits.len() > 1
            && bytes.next() == Some(b'0')
            && bytes.next().is_some_and(|second| second.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        let fraction = digits.split_once('.').map_or("", |(_, fraction)| fraction);
        let fraction = fraction.split(['e', 'E']).next().unwrap_or_default();
        self.fraction_digits = self.fraction_digits.max(fraction.trim_end_matches('0').len());
    }

    fn add_distinct(&mut self, scalar: Scalar<'_>, text: &str, hashes: &mut usize) {
        if self.distinct.len() < DISTINCT_MAX && *hashes < HASHES_MAX {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            *hashes += usize::from(self.distinct.insert(hasher.finish()));
        }
        let Scalar::Text(text) = scalar else { return };
        if self.categories.len() > CATEGORIES_MAX || text.len() > CATEGORY_BYTES_MAX {
            return;
        }
        match self.categories.iter_mut().find(|(known, _)| known == text) {
            Some((_, count)) => *count += 1,
            None => self.categories.push((text.to_owned(), 1)),
        }
    }

    /// How many different values there are; of many, at least so many.
    pub fn distinct(&self) -> u64 {
        self.distinct.len() as u64
    }

    /// How many are a value of `ty`.
    pub fn values_of(&self, ty: Type) -> u64 {
        let at = TYPES.iter().position(|known| *known == ty);
        at.and_then(|at| self.values.get(at)).copied().unwrap_or(0)
    }

    /// How many are nothing that `ty` could be.
    pub fn invalid_of(&self, ty: Type) -> u64 {
        let at = TYPES.iter().position(|known| *known == ty);
        at.and_then(|at| self.invalid.get(at)).copied().unwrap_or(0)
    }
}

//! What the records of a sample have at each path: counted as the fields of a job would read it.
//!
//! Bound: [`PATHS_MAX`] paths, each with at most [`DISTINCT_MAX`] hashes and [`CATEGORIES_MAX`] texts.

use super::time_form::{self, FORMS};
use crate::sample_file::{MemberReader, SampleFile, SampleRecord};
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use tidemark_operators::ingest::decode::{Conversion, MemberValue, Scalar, conversion};
use tidemark_operators::plan::ReadOptions;
use tidemark_operators::value::{SCALE_MAX, Type};

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

/// The digits after the point that a decimal may get.
const SCALES: std::ops::RangeInclusive<u8> = 0..=SCALE_MAX;
const SCALES_LEN: usize = SCALE_MAX as usize + 1;
/// Those that it gets where nothing speaks against it.
const SCALE_PLAIN: u8 = 6;

/// What all records have.
#[derive(Debug, Default)]
pub(super) struct RecordSurvey {
    /// Records that could be read.
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
    /// Numbers that are times, as their schema says.
    pub told_times: u64,
    /// Texts that are nothing else, as their schema says.
    pub labels: u64,
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
    /// By the place in [`SCALES`]: how many are within the range of such a decimal.
    pub fits: [u64; SCALES_LEN],
    /// Whether some text has a number with zeros before it, which an int would lose.
    pub leading_zeros: bool,
    /// Whether some whole number is none that an int holds, and none that a double is exact for.
    pub large_whole: bool,
    /// Texts that are there, and how often; no more are taken once there are too many.
    pub categories: Vec<(String, u64)>,
    distinct: HashSet<u64>,
}

impl RecordSurvey {
    /// Of all records of a sample.
    pub fn of(sample: &SampleFile, members: &mut MemberReader, readings: &Readings) -> Self {
        let mut survey = RecordSurvey::default();
        sample.each().for_each(|record| survey.add(record, members, readings));
        survey
    }

    /// Adds a record.
    pub fn add(
        &mut self,
        record: SampleRecord<'_>,
        members: &mut MemberReader,
        readings: &Readings,
    ) {
        let RecordSurvey { paths, places, beyond, hashes, .. } = self;
        let mut visit = |path: &[String], found: MemberValue<'_>| {
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
        match members.each(record, &mut visit) {
            Ok(()) => self.records += 1,
            Err(why) => {
                self.unreadable += 1;
                self.first_unreadable.get_or_insert((record.offset, why));
            }
        }
    }
}

/// The digits after the point of a number without a sign, those of its exponent taken into account.
fn fraction_digits(number: &str) -> usize {
    let (number, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let ending = || whole.len() - whole.trim_end_matches('0').len();
    let digits = match fraction.len() {
        // `1500e-3` is 1.5.
        0 => i64::try_from(ending()).map_or(0, |zeros| -zeros),
        digits => i64::try_from(digits).unwrap_or(i64::MAX),
    };
    let exponent: i64 = exponent.parse().unwrap_or(0);
    usize::try_from(digits.saturating_sub(exponent)).unwrap_or(0)
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
    fn add(&mut self, found: MemberValue<'_>, readings: &Readings, hashes: &mut usize) {
        let label = matches!(found, MemberValue::Label(_));
        let scalar = match found {
            MemberValue::Null => return,
            MemberValue::Object => return self.objects += 1,
            MemberValue::Unread => return self.unread += 1,
            MemberValue::Scalar(scalar) => scalar,
            MemberValue::Time(text) => {
                self.told_times += 1;
                Scalar::Number(text)
            }
            MemberValue::Label(text) => {
                self.labels += 1;
                Scalar::Text(text)
            }
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
        let types = TYPES.into_iter().enumerate();
        for (at, ty) in types.filter(|(_, ty)| !label || *ty == Type::Text) {
            let counted = match conversion(ty, scalar, &readings.plain) {
                Conversion::Null => None,
                Conversion::Value(_) => self.values.get_mut(at),
                Conversion::Invalid => self.invalid.get_mut(at),
            };
            counted.into_iter().for_each(|count| *count += 1);
        }
        for (at, count) in self.times.iter_mut().enumerate().filter(|_| !label) {
            let time = readings.time(at).and_then(|reading| time_form::of(scalar, reading));
            *count += u64::from(time.is_some());
        }
        self.add_number(scalar, text, readings);
        self.add_distinct(scalar, text, hashes);
    }

    fn add_number(&mut self, scalar: Scalar<'_>, text: &str, readings: &Readings) {
        let digits = text.trim().trim_start_matches(['-', '+']);
        let mut bytes = digits.bytes();
        self.leading_zeros |= digits.len() > 1
            && bytes.next() == Some(b'0')
            && bytes.next().is_some_and(|second| second.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        self.large_whole |=
            whole && matches!(conversion(Type::Int, scalar, &readings.plain), Conversion::Invalid);
        for (scale, fits) in SCALES.zip(&mut self.fits) {
            let read = conversion(Type::Decimal(scale), scalar, &readings.plain);
            if !matches!(read, Conversion::Value(_)) {
                break;
            }
            self.fraction_digits = self.fraction_digits.max(fraction_digits(digits));
            *fits += 1;
        }
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
        if let Type::Decimal(scale) = ty {
            return self.fits.get(usize::from(scale)).copied().unwrap_or(0);
        }
        let at = TYPES.iter().position(|known| *known == ty);
        at.and_then(|at| self.values.get(at)).copied().unwrap_or(0)
    }

    /// How many digits after the point a decimal is to keep: no fewer than there are, where the largest
    /// number leaves room for them. `None` where there are more than it may have.
    pub fn scale(&self) -> Option<u8> {
        let wanted =
            u8::try_from(self.fraction_digits).ok().filter(|digits| SCALES.contains(digits));
        let wanted = wanted?.max(SCALE_PLAIN);
        let fits = SCALES
            .zip(self.fits)
            .take_while(|(scale, count)| *scale <= wanted && Some(count) == self.fits.first());
        fits.map(|(scale, _)| scale).last()
    }

    /// How many are nothing that `ty` could be.
    pub fn invalid_of(&self, ty: Type) -> u64 {
        let at = TYPES.iter().position(|known| known.is_like(ty));
        let of =
            |counts: &[u64; TYPES.len()]| at.and_then(|at| counts.get(at).copied()).unwrap_or(0);
        match ty {
            // What is one of any scale is a number.
            Type::Decimal(_) => (of(&self.values) + of(&self.invalid)) - self.values_of(ty),
            _ => of(&self.invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_behind_the_point_are_those_of_the_number_and_not_of_its_text() {
        for (number, digits) in [
            ("1", 0),
            ("1.50", 1),
            ("0.1234567", 7),
            ("1e-9", 9),
            ("1.5e-9", 10),
            ("1.5E3", 0),
            ("1500e-3", 1),
            ("12.5e1", 0),
            ("1e999999999999999999999", 0),
        ] {
            assert_eq!(fraction_digits(number), digits, "{number}");
        }
    }
}

//! Times as fields have them, to milliseconds since the epoch, floored.

use super::iso;
use super::number::{self, Rounding, Whole};
use super::rfc3339;
use crate::plan::{TimeForm, TimeUnit};
use crate::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};

/// The units a number may be in, the coarsest first, and how many of each are a second.
const COUNTED: [(TimeUnit, i128); 4] = [
    (TimeUnit::S, 1),
    (TimeUnit::Ms, 1_000),
    (TimeUnit::Us, 1_000_000),
    (TimeUnit::Ns, 1_000_000_000),
];

/// The time that a number is; `None` when it is none, or beyond all times.
pub(super) fn of_number(text: &str, form: &TimeForm) -> Option<i64> {
    match form.unit {
        TimeUnit::Days => match number::whole(text) {
            Whole::Is(days) => iso::midnight(days, form.zone.as_deref()),
            Whole::Fraction | Whole::Beyond => None,
        },
        TimeUnit::Auto => COUNTED.iter().find_map(|(unit, _)| {
            let ms = counted(text, *unit)?;
            plausible(ms).then_some(ms)
        }),
        unit => counted(text, unit),
    }
}

fn counted(text: &str, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Ms => number::scaled(text, 0, Rounding::Floor),
        TimeUnit::S => number::scaled(text, 3, Rounding::Floor),
        TimeUnit::Us => number::scaled_down(text, 3),
        TimeUnit::Ns => number::scaled_down(text, 6),
        _ => None,
    }
}

/// The time that a text is.
pub(super) fn of_text(text: &str, form: &TimeForm) -> Option<i64> {
    let trimmed = || text.trim_matches(|c: char| c.is_ascii_whitespace());
    let zone = form.zone.as_deref();
    match form.unit {
        TimeUnit::Rfc3339 => rfc3339::parse(text),
        TimeUnit::Iso => iso::time(trimmed(), zone),
        TimeUnit::Date => iso::date(trimmed(), zone),
        TimeUnit::Auto => match number::in_text(trimmed()) {
            Some(number) => of_number(number, form),
            None => iso::time(trimmed(), zone),
        },
        _ if form.coerce => of_number(number::in_text(trimmed())?, form),
        _ => None,
    }
}

/// The time that an integer is.
#[inline]
pub(super) fn of_integer(value: i64, form: &TimeForm) -> Option<i64> {
    match form.unit {
        TimeUnit::Ms => Some(value),
        TimeUnit::S => value.checked_mul(1_000),
        TimeUnit::Us => Some(value.div_euclid(1_000)),
        TimeUnit::Ns => Some(value.div_euclid(1_000_000)),
        TimeUnit::Days => iso::midnight(value, form.zone.as_deref()),
        TimeUnit::Auto => of_number(itoa::Buffer::new().format(value), form),
        TimeUnit::Rfc3339 | TimeUnit::Iso | TimeUnit::Date => None,
    }
}

/// Whether it is in the years in which a number in one unit is none in another.
fn plausible(ms: i64) -> bool {
    u64::try_from(ms).is_ok_and(|ms| (EARLIEST_DEFAULT..LATEST_DEFAULT).contains(&ms))
}

/// The unit that a number must have been in which was read in `unit` as `ms`, where another one gives
/// a time people use: what errors add.
pub(super) fn hint(ms: i64, unit: TimeUnit) -> String {
    let Some((_, per_second)) = COUNTED.iter().find(|(counted, _)| *counted == unit) else {
        return String::new();
    };
    let number = i128::from(ms) * per_second / 1_000;
    let fitting = COUNTED.iter().find_map(|(other, per_second)| {
        let ms = i64::try_from(number * 1_000 / per_second).ok().filter(|ms| plausible(*ms))?;
        (*other != unit)
            .then(|| format!("; with unit = \"{}\" it is {}", other.name(), rfc3339::show(ms)))
    });
    fitting.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_unit_where_only_one_fits() {
        let auto = TimeForm::new(TimeUnit::Auto);
        for number in ["1767484955", "1767484955000", "1767484955000000", "1767484955000000000"] {
            assert_eq!(of_number(number, &auto), Some(1_767_484_955_000), "{number}");
            assert_eq!(of_text(number, &auto), Some(1_767_484_955_000), "{number}");
            let integer = number.parse().unwrap();
            assert_eq!(of_integer(integer, &auto), Some(1_767_484_955_000), "{number}");
        }
        assert_eq!(of_number("1767484955.25", &auto), Some(1_767_484_955_250));
        assert_eq!(of_text("2026-01-04T00:02:35Z", &auto), Some(1_767_484_955_000));
        for number in ["0", "5", "20260104", "-1767484955", "1e300"] {
            assert_eq!(of_number(number, &auto), None, "{number}");
        }
    }

    #[test]
    fn an_error_names_the_unit_that_would_fit() {
        let s = "; with unit = \"s\" it is 2026-01-03T23:59:56Z";
        assert_eq!(hint(1_767_484_796, TimeUnit::Ms), s);
        let ns = "; with unit = \"ns\" it is 2026-01-04T00:02:35Z";
        assert_eq!(hint(1_767_484_955_000_000_000, TimeUnit::Ms), ns);
        // Read in us: the number was 1767484955000000000.
        assert_eq!(hint(1_767_484_955_000_000, TimeUnit::Us), ns);
        assert_eq!(hint(5, TimeUnit::Ms), "");
        assert_eq!(hint(5, TimeUnit::Iso), "");
    }
}

//! How values are read: what a source says for all of its fields, and a field of itself.

use super::Root;
use crate::document::{At, Table};
use crate::{times, zone};
use std::net::IpAddr;
use std::sync::Arc;
use tidemark_operators::plan::{
    Arrival, Encoding, Format, Invalid, Pick, ReadOptions, TimeField, TimeForm, TimeUnit,
};
use tidemark_operators::reference::address::Prefix;
use tidemark_operators::time::{EARLIEST_DEFAULT, EventTime, LATEST_DEFAULT};
use tidemark_operators::value::{Type, address};
use tidemark_operators::zone::Zone;

/// How many texts may mean null.
const NULL_VALUES_MAX: usize = 64;
/// How many networks may be trusted.
const TRUSTED_MAX: usize = 256;
/// The bounds on how long a string may be.
const TEXT_BYTES: std::ops::RangeInclusive<u64> = 1..=1 << 24;
/// The most decimals that the bytes of a number may have: as many digits as 16 bytes hold, and some.
const UNSCALED_MAX: i64 = 64;
/// How an event time may be written.
pub(super) const EVENT_UNITS: [&str; 7] = ["ms", "s", "us", "ns", "rfc3339", "iso", "auto"];
/// How a timestamp may be written.
const FIELD_UNITS: [&str; 9] = ["ms", "s", "us", "ns", "rfc3339", "iso", "auto", "date", "days"];
/// What is trusted unless the job says so: private, loopback, link-local and unique local networks.
const TRUSTED_DEFAULT: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fe80::/10",
    "fc00::/7",
];

/// What a source says for all of its fields.
pub(super) struct Base {
    format: Format,
    reading: ReadOptions,
    /// What becomes of optional values that cannot be read.
    invalid: Invalid,
    /// The job's.
    zone: Arc<Zone>,
    /// Where the fields are.
    root: Root,
}

impl Base {
    /// How the source's records are encoded.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Where the source's fields are.
    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// See [`root`](Self::root).
    pub(super) fn into_root(self) -> Root {
        self.root
    }

    /// What holds for the source's own times.
    pub(super) fn settle(&self, time: &mut TimeField, arrival: &mut Arrival, table: &Table<'_>) {
        time.form.coerce = self.reading.coerce;
        if let Arrival::Field(field) = arrival {
            field.form.coerce = self.reading.coerce;
        }
        check_auto(&time.form, self.reading.times, "time", table);
    }
}

/// Reads what `table`, a source whose event times are within `range`, says of all fields.
pub(super) fn of_source(
    table: &mut Table<'_>,
    format: Format,
    range: (EventTime, EventTime),
    zone: &Arc<Zone>,
    root: Root,
) -> Base {
    let ms = |time: EventTime| i64::try_from(time).unwrap_or(i64::MAX);
    let times = (ms(range.0), ms(range.1) - 1);
    let mut reading = ReadOptions { times, invalid: Invalid::Null, ..ReadOptions::default() };
    other_forms(table, format, &mut reading);
    text_bytes_max(table, &mut reading);
    let invalid = invalid(table).unwrap_or(Invalid::Null);
    Base { format, reading, invalid, zone: Arc::clone(zone), root }
}

/// What a field is read as that says nothing of it.
pub(super) fn plain(base: &Base, required: bool) -> ReadOptions {
    let invalid = if required { Invalid::Reject } else { base.invalid };
    ReadOptions { invalid, ..base.reading.clone() }
}

/// Reads what `table`, a field of type `ty`, says of itself.
pub(super) fn of_field(
    table: &mut Table<'_>,
    base: &Base,
    ty: Option<Type>,
    required: bool,
) -> ReadOptions {
    let mut reading = plain(base, required);
    other_forms(table, base.format, &mut reading);
    match invalid(table) {
        Some(Invalid::Null) if required => table.refuse(
            "invalid",
            "cannot be \"null\": the field is required, and a record that lacks it is a dead letter",
        ),
        Some(said) => reading.invalid = said,
        None => {}
    }
    // Of a type that is unknown everything may be said.
    let is = |wanted: Type| ty.is_none_or(|ty| ty == wanted);
    let number = ty.is_none_or(|ty| ty.is_numeric() || ty == Type::Text);
    reading.encoding = encoding(table, base.format, number);
    if is(Type::Text) {
        text_bytes_max(table, &mut reading);
    } else {
        table.refuse("text_bytes_max", "is for fields of type string");
    }
    if is(Type::Timestamp) {
        reading.time = time_form(table, &FIELD_UNITS, &reading.time, &base.zone);
        reading.times = range(table, reading.times);
        check_auto(&reading.time, reading.times, "unit", table);
    } else {
        for key in ["unit", "zone", "min", "max"] {
            table.refuse(key, "is for fields of type timestamp");
        }
    }
    reading.time.coerce = reading.coerce;
    if is(Type::Ip) {
        reading.pick = pick(table);
    } else {
        for key in ["pick", "trusted"] {
            table.refuse(key, "is for fields of type ip");
        }
    }
    reading
}

/// `encoding` and `unscaled`, of a field that is a `number` or the text of one.
fn encoding(table: &mut Table<'_>, format: Format, number: bool) -> Option<Encoding> {
    let kept = match format {
        Format::Json if number => None,
        Format::Json => Some("is for fields of type decimal, int, double or string"),
        Format::Avro => Some("is for JSON: Avro's decimals are read as what they are"),
        Format::Csv { .. } => Some("is for JSON"),
    };
    if let Some(why) = kept {
        table.refuse("encoding", why);
        table.refuse("unscaled", why);
        return None;
    }
    if ["key", "header", "record"].into_iter().any(|place| table.has(place)) {
        table.refuse("encoding", "is for fields in the value of a record");
    }
    if table.choice("encoding", &["base64"]).is_none() {
        table.refuse("unscaled", "is for encoding = \"base64\"");
        return None;
    }
    let decimals = table.integer("unscaled", 0..=UNSCALED_MAX);
    let decimals = decimals.and_then(|at| u32::try_from(at.value).ok());
    Some(decimals.map_or(Encoding::Scaled, Encoding::Unscaled))
}

/// `coerce` and `null_values`.
fn other_forms(table: &mut Table<'_>, format: Format, reading: &mut ReadOptions) {
    if matches!(format, Format::Csv { .. }) {
        table.refuse("coerce", "is not for CSV, where all values are texts");
    }
    if let Some(coerce) = table.choice("coerce", &["exact", "none"]) {
        reading.coerce = coerce.value == "exact";
        reading.time.coerce = reading.coerce;
    }
    let Some(texts) = table.texts("null_values") else { return };
    if let Some(first_too_many) = texts.get(NULL_VALUES_MAX) {
        let message =
            format!("\"null_values\" in {} has more than {NULL_VALUES_MAX} texts", table.label());
        table.problems().wrong(first_too_many, message, None);
    }
    reading.null_values = texts.into_iter().map(|text| text.value).collect();
}

fn invalid(table: &mut Table<'_>) -> Option<Invalid> {
    let choice = table.choice("invalid", &["null", "reject"])?;
    Some(if choice.value == "null" { Invalid::Null } else { Invalid::Reject })
}

fn text_bytes_max(table: &mut Table<'_>, reading: &mut ReadOptions) {
    if let Some(bytes) = table.size("text_bytes_max", TEXT_BYTES) {
        reading.text_bytes_max = usize::try_from(bytes.value).unwrap_or(usize::MAX);
    }
}

/// `unit` and `zone`.
pub(super) fn time_form(
    table: &mut Table<'_>,
    units: &[&'static str],
    default: &TimeForm,
    job_zone: &Arc<Zone>,
) -> TimeForm {
    let unit = match table.choice("unit", units).map(|unit| unit.value) {
        Some("ms") => TimeUnit::Ms,
        Some("s") => TimeUnit::S,
        Some("us") => TimeUnit::Us,
        Some("ns") => TimeUnit::Ns,
        Some("rfc3339") => TimeUnit::Rfc3339,
        Some("iso") => TimeUnit::Iso,
        Some("auto") => TimeUnit::Auto,
        Some("date") => TimeUnit::Date,
        Some("days") => TimeUnit::Days,
        _ => default.unit,
    };
    let mut form = TimeForm { unit, zone: None, coerce: default.coerce };
    if !unit.may_be_local() {
        table.refuse("zone", "is for times that may have no offset: unit \"iso\" or \"auto\"");
        return form;
    }
    form.zone = match table.text("zone") {
        Some(name) if name.value == "job" => Some(Arc::clone(job_zone)),
        Some(name) => zone_named(&name, "zone", table).map(Arc::new),
        None if matches!(unit, TimeUnit::Date | TimeUnit::Days) => Some(Arc::clone(job_zone)),
        None if unit == default.unit => default.zone.clone(),
        None => None,
    };
    form
}

/// The zone of this name; that there is none is recorded of `key` of `table`.
pub(in super::super) fn zone_named(
    name: &At<String>,
    key: &str,
    table: &Table<'_>,
) -> Option<Zone> {
    let zone = zone::named(&name.value);
    if zone.is_none() {
        let names = zone::names();
        let message =
            format!("\"{key}\" in {} names no time zone: \"{}\"", table.label(), name.value);
        let near = crate::document::nearest(&name.value, names.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "use an IANA name such as \"UTC\" or \"Europe/Berlin\"".into(),
        };
        table.problems().wrong(name, message, Some(hint));
    }
    zone
}

/// A number tells its unit only in the years in which no other unit fits.
fn check_auto(form: &TimeForm, times: (i64, i64), key: &str, table: &Table<'_>) {
    let within = |ms: i64| {
        EventTime::try_from(ms).is_ok_and(|ms| (EARLIEST_DEFAULT..LATEST_DEFAULT).contains(&ms))
    };
    if form.unit == TimeUnit::Auto && !(within(times.0) && within(times.1)) {
        let message = format!(
            "\"{key}\" in {} cannot have the unit \"auto\": a number tells its unit only between \
             1990 and 2100",
            table.label()
        );
        let hint = "name the unit, or leave the range as it is".to_owned();
        table.problems().push(table.at(), Some(key), message, Some(hint));
    }
}

/// `min` and `max`: the first time that may be, and the first that may no longer be.
fn range(table: &mut Table<'_>, default: (i64, i64)) -> (i64, i64) {
    let mut read = |key: &str| {
        let text = table.text(key)?;
        let time = times::instant(&text.value);
        if time.is_none() {
            let message = format!("\"{key}\" in {} is no time: \"{}\"", table.label(), text.value);
            let hint = "write a date such as \"1900-01-01\", or a time as RFC 3339".to_owned();
            table.problems().push(text.span.start, Some(key), message, Some(hint));
        }
        time
    };
    let (min, max) = (read("min"), read("max"));
    let times = (min.unwrap_or(default.0), max.map_or(default.1, |max| max - 1));
    if times.0 > times.1 {
        let message = format!("\"min\" in {} is not before \"max\"", table.label());
        table.problems().push(table.at(), Some("min"), message, None);
    }
    times
}

/// `pick` and `trusted`.
fn pick(table: &mut Table<'_>) -> Option<Pick> {
    let choice = table.choice("pick", &["first", "last", "last_untrusted"]).map(|at| at.value);
    if choice != Some("last_untrusted") {
        table.refuse("trusted", "is for pick = \"last_untrusted\"");
    }
    match choice? {
        "first" => Some(Pick::First),
        "last" => Some(Pick::Last),
        _ => Some(Pick::LastUntrusted(trusted(table))),
    }
}

fn trusted(table: &mut Table<'_>) -> Vec<(IpAddr, u8)> {
    let Some(texts) = table.texts("trusted") else {
        let networks = TRUSTED_DEFAULT.iter().filter_map(|net| Prefix::parse(net).ok());
        return networks.filter_map(network).collect();
    };
    if let Some(first_too_many) = texts.get(TRUSTED_MAX) {
        let message =
            format!("\"trusted\" in {} has more than {TRUSTED_MAX} networks", table.label());
        table.problems().wrong(first_too_many, message, None);
    }
    let read = |text: &At<String>| match Prefix::parse(&text.value) {
        Ok(prefix) => network(prefix),
        Err(error) => {
            let message = format!("\"trusted\" in {}: {error}", table.label());
            table.problems().wrong(text, message, None);
            None
        }
    };
    texts.iter().take(TRUSTED_MAX).filter_map(read).collect()
}

/// The address a network begins with, and its length in bits.
fn network(prefix: Prefix) -> Option<(IpAddr, u8)> {
    Some((address(&prefix.address)?, prefix.length))
}

//! Values of flags that are more than text or a number.

use crate::text::{self, duration_text};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tidemark_operators::time::EventTime;

/// Files that stand for one source of a job: the place of a file is its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFiles {
    /// The source's name in the job.
    pub name: String,
    /// Its files, at least one.
    pub files: Vec<PathBuf>,
}

/// Reads `NAME=FILE[,FILE..]`.
pub(super) fn source_files(text: &str) -> Result<SourceFiles, String> {
    let form = "write NAME=FILE or NAME=FILE,FILE, such as transactions=day1.jsonl,day2.jsonl";
    let (name, files) = text.split_once('=').ok_or_else(|| format!("no `=` in it; {form}"))?;
    if name.is_empty() {
        return Err(format!("the source has no name; {form}"));
    }
    let files: Vec<PathBuf> = files.split(',').map(PathBuf::from).collect();
    if files.iter().any(|file| file.as_os_str().is_empty()) {
        return Err(format!("a file has no name; {form}"));
    }
    Ok(SourceFiles { name: name.to_owned(), files })
}

/// A file with records of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleOf {
    /// The source's name in the job; `None`: its only one.
    pub source: Option<String>,
    /// The file.
    pub file: PathBuf,
}

/// Reads `[NAME=]FILE`.
pub(super) fn sample_of(text: &str) -> Result<SampleOf, String> {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty() && is_name(name));
    let (source, file) = named.map_or((None, text), |(name, file)| (Some(name.to_owned()), file));
    match file {
        "" => Err("write FILE or NAME=FILE, such as transactions=day1.jsonl".to_owned()),
        file => Ok(SampleOf { source, file: PathBuf::from(file) }),
    }
}

/// A file that stands for a reference table of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFile {
    /// The table's name in the job.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
}

/// Reads `NAME=FILE`.
pub(super) fn table_file(text: &str) -> Result<TableFile, String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok(TableFile { name: name.to_owned(), file: PathBuf::from(file) })
        }
        _ => Err("write NAME=FILE, such as ip_reputation=scores.csv".to_owned()),
    }
}

/// Reads the address of a process, `http://` added where it says nothing; no `/` at its end.
pub(super) fn http(text: &str) -> Result<String, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri = url.parse::<ureq::http::Uri>().ok();
    let right = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|h| !h.is_empty())
    });
    match right {
        true => Ok(url.trim_end_matches('/').to_owned()),
        false => Err("write an address such as http://localhost:8088".to_owned()),
    }
}

/// Reads a duration that is not zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match text::parse_duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// The least and the most that events may lie behind the newest ones before they leave memory.
pub(crate) const HOT_WINDOW: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(366 * 86_400));

/// Reads how far behind the newest ones events leave memory.
pub(super) fn hot_window(text: &str) -> Result<Duration, String> {
    let (least, most) = HOT_WINDOW;
    match text::parse_duration(text)? {
        duration if (least..=most).contains(&duration) => Ok(duration),
        _ => Err("it must be 1s to 366d".to_owned()),
    }
}

/// When an event counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KnownWhen {
    /// Once its time has come.
    #[default]
    Final,
    /// So many ms after that.
    Lag(u64),
    /// Once it has arrived, in the windows that are served.
    Arrived,
}

impl fmt::Display for KnownWhen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnownWhen::Final => out.write_str("final"),
            KnownWhen::Lag(ms) => write!(out, "lag={}", duration_text(*ms)),
            KnownWhen::Arrived => out.write_str("arrived"),
        }
    }
}

/// Reads when an event counts.
pub(super) fn known(text: &str) -> Result<KnownWhen, String> {
    match (text, text.split_once('=')) {
        ("final", _) => Ok(KnownWhen::Final),
        ("arrived", _) => Ok(KnownWhen::Arrived),
        (_, Some(("lag", lag))) => {
            let lag =
                u64::try_from(duration(lag)?.as_millis()).map_err(|error| error.to_string())?;
            Ok(KnownWhen::Lag(lag))
        }
        _ => Err("write final, arrived, or lag=DURATION such as lag=300ms".to_owned()),
    }
}

/// Reads `HOST:PORT`.
pub(super) fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.contains('/'));
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write HOST:PORT, such as 127.0.0.1:8088".to_owned()),
    }
}

/// Reads a time: in RFC 3339, or in ms since 1970, as rows have theirs.
pub(super) fn time(text: &str) -> Result<EventTime, String> {
    let time = text.parse::<jiff::Timestamp>().ok();
    let ms = time.and_then(|time| EventTime::try_from(time.as_millisecond()).ok());
    let number = || text.parse().ok().filter(|ms| *ms <= TIME_MAX);
    ms.or_else(number).ok_or_else(|| {
        "write a time such as 2026-01-04T12:30:00Z, or ms since 1970 such as 1767529800000"
            .to_owned()
    })
}

/// The last ms of the year 9999.
const TIME_MAX: EventTime = 253_402_300_799_999;

/// Reads a number of workers.
pub(super) fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=crate::cli::run::WORKERS_MAX) => Ok(workers),
        _ => Err(format!("write a number from 1 to {}", crate::cli::run::WORKERS_MAX)),
    }
}

/// Reads how many things of a kind are shown at most.
pub(super) fn shown(text: &str) -> Result<usize, String> {
    let number = within(text, 1_000_000)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

/// Reads how many entities of each type are looked at: no more are found in Redis.
pub(super) fn sampled(text: &str) -> Result<usize, String> {
    shown(text)
        .ok()
        .filter(|count| *count <= 100)
        .ok_or_else(|| "write a number from 1 to 100".to_owned())
}

/// Reads a share.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("write a share from 0 to 1, such as 0.01 for one in a hundred".to_owned()),
    }
}

/// Reads a number of entities or texts that memory is said for.
pub(super) fn entities(text: &str) -> Result<u64, String> {
    within(text, 1_000_000_000)
}

/// Reads how many events, values or bytes each of them has.
pub(super) fn each(text: &str) -> Result<u64, String> {
    within(text, 1_000_000)
}

fn within(text: &str, most: u64) -> Result<u64, String> {
    some(text)
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| format!("write a whole number from 1 to {most}; _ may group its digits"))
}

/// Reads a number of records, of which there must be some; `_` may group its digits.
pub(super) fn some(text: &str) -> Result<u64, String> {
    match text.replace('_', "").parse() {
        Ok(0) | Err(_) => Err("write a whole number, at least 1, such as 1_000_000".to_owned()),
        Ok(count) => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_or_ms_since_1970() {
        for text in ["2026-01-04T12:30:00.250Z", "2026-01-04T13:30:00.250+01:00", "1767529800250"] {
            assert_eq!(time(text), Ok(1_767_529_800_250), "{text}");
        }
        for text in ["", "2026-01-04", "-1", "253402300800000", "1767529800.25"] {
            assert!(time(text).is_err_and(|why| why.contains("ms since 1970")), "{text}");
        }
    }
}

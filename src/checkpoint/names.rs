//! The names of a checkpoint's objects.

/// Where manifests are.
pub(super) const MANIFESTS: &str = "manifests/";
/// Where everything else is that a manifest may list.
pub(super) const LISTED: [&str; 4] = ["segments/", "states/", "indexes/", "ids/"];

/// Where the records of versions of tables are, each table in a folder of its own.
pub(super) const TABLES: &str = "tables/";
/// Where their rows are.
pub(super) const VERSIONS: &str = "versions/";

/// What an object is that a manifest lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Rows.
    Segment,
    /// A part of a snapshot.
    States,
    /// A list of segments.
    Index,
    /// Ids.
    Ids,
    /// Rows of a version of a table, which a record lists.
    Version,
}

/// Which object it is among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenBy {
    /// The generation of the process that writes it.
    pub generation: u64,
    /// The sequence number of the manifest that is to be next when its writing begins.
    pub sequence: u64,
    /// The worker.
    pub worker: usize,
    /// Its number among those of the worker.
    pub number: usize,
}

/// The name of an object that is to be listed.
///
/// ```
/// use tidemark::checkpoint::{ListedKind, WrittenBy, object_name};
///
/// let written = WrittenBy { generation: 2, sequence: 17, worker: 0, number: 3 };
/// assert_eq!(
///     object_name(ListedKind::Segment, written),
///     "segments/0000000002-00000000000000000017-0-3",
/// );
/// ```
pub fn object_name(kind: ListedKind, written: WrittenBy) -> String {
    let [segments, states, indexes, ids] = LISTED;
    let folder = match kind {
        ListedKind::Segment => segments,
        ListedKind::States => states,
        ListedKind::Index => indexes,
        ListedKind::Ids => ids,
        ListedKind::Version => VERSIONS,
    };
    let WrittenBy { generation, sequence, worker, number } = written;
    format!("{folder}{generation:010}-{sequence:020}-{worker}-{number}")
}

/// The generation and the sequence number in the name of a listed object.
pub(super) fn written_in(name: &str) -> Option<(u64, u64)> {
    let (_, name) = name.split_once('/')?;
    let mut parts = name.split('-');
    let mut number = || parts.next()?.parse().ok();
    Some((number()?, number()?))
}

pub(super) fn manifest_name(sequence: u64) -> String {
    format!("{MANIFESTS}{sequence:020}")
}

/// The sequence number in a manifest's name.
pub(super) fn manifest_sequence(name: &str) -> Option<u64> {
    let sequence = name.strip_prefix(MANIFESTS)?.parse().ok()?;
    (manifest_name(sequence) == name).then_some(sequence)
}

pub(super) fn table_record_name(table: &str, number: u64) -> String {
    format!("{TABLES}{table}/{number:020}")
}

/// The table and the number in a record's name.
pub(super) fn table_record_number(name: &str) -> Option<(String, u64)> {
    let (table, number) = name.strip_prefix(TABLES)?.split_once('/')?;
    let number = number.parse().ok()?;
    (table_record_name(table, number) == name).then(|| (table.to_owned(), number))
}

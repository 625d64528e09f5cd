//! How the records of a source are encoded, and what files have around them.

use crate::document::Table;
use tidemark_operators::plan::{Format, Framing};
use tidemark_operators::time::{DAY, MINUTE, Millis};

const FORMATS: [&str; 3] = ["json", "avro", "csv"];
const SCHEMA_WAIT_DEFAULT: Millis = MINUTE;

/// See the module.
pub(super) struct Encoding {
    pub(super) format: Format,
    pub(super) strict_json: bool,
    pub(super) framing: Framing,
    pub(super) schema_wait: Millis,
}

impl Encoding {
    /// What `table` says, a source that is a topic or files.
    pub(super) fn read(table: &mut Table<'_>, is_topic: bool) -> Self {
        let format = format(table, is_topic);
        if format != Format::Json {
            table.refuse("framing", "is for records in JSON");
        }
        let framing = match table.choice("framing", &["none", "kcat"]).map(|choice| choice.value) {
            Some("kcat") => Framing::Kcat,
            _ => Framing::None,
        };
        let strict_json = strict_json(table, format);
        if (format, is_topic) != (Format::Avro, true) {
            table.refuse("schema_wait", "is for topics of Avro records only");
        }
        let schema_wait = table.duration("schema_wait", 0..=DAY);
        let schema_wait = schema_wait.map_or(SCHEMA_WAIT_DEFAULT, |wait| wait.value);
        Encoding { format, strict_json, framing, schema_wait }
    }
}

/// `format`, and of CSV `delimiter`.
fn format(table: &mut Table<'_>, is_topic: bool) -> Format {
    let format = table.choice("format", &FORMATS).map(|format| format.value);
    if format != Some("csv") {
        table.refuse("delimiter", "is for format = \"csv\"");
        return if format == Some("avro") { Format::Avro } else { Format::Json };
    }
    if is_topic && let Some(at) = table.place("format") {
        let message = format!(
            "{} reads CSV from files only: records of a topic have no line that names their columns",
            table.label()
        );
        let hint =
            "`tidemark replay JOB --source NAME=FILE` reads it; to run on it, name \"files\"";
        table.problems().note(at, Some("format"), message, Some(hint.to_owned()));
    }
    let Some(text) = table.text("delimiter") else { return Format::Csv { delimiter: b',' } };
    match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => {
            Format::Csv { delimiter: *byte }
        }
        _ => {
            let message = format!(
                "\"delimiter\" in {} is no byte that can lie between cells: {:?}",
                table.label(),
                text.value
            );
            let hint = "write \",\", \";\", \"|\" or \"\\t\"".to_owned();
            table.problems().push(text.span.start, Some("delimiter"), message, Some(hint));
            Format::Csv { delimiter: b',' }
        }
    }
}

/// `json`: whether nothing but JSON is taken.
fn strict_json(table: &mut Table<'_>, format: Format) -> bool {
    if format != Format::Json {
        table.refuse("json", "is for format = \"json\"");
        return false;
    }
    table.choice("json", &["lenient", "strict"]).is_some_and(|choice| choice.value == "strict")
}

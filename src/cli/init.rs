//! `tidemark init`

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `tidemark init`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark init tx.jsonl                          the job, on standard output
  tidemark init tx.jsonl --output my_job.toml     and then:
  tidemark check my_job.toml --sample tx.jsonl    what it makes of each field
  tidemark replay my_job.toml --source tx=tx.jsonl --sealed rows.jsonl
  tidemark init payments.csv.gz                   CSV is told by what the file begins with
  tidemark init payments.txt --format csv --delimiter '|'

The first 10,000 records are looked at: JSON lines, CSV behind a line that names the columns, or an
Avro object container; plain or compressed, as `replay` reads them; `-` is standard input. Each key
or column becomes a field of the type that reads all of its values, with a ? where it is missing in
some. The event time, how it is written and how far out of order it
is, who the events are about and a few features to start with are guessed: read the job before it
runs. What was seen is told on standard error. No values of the sample are in the job, but for those
that a filter compares with.
Exit codes: 0 done, 1 the job cannot be written, 2 there is no job in these records, or --output is
there already: nothing is written over.")]
pub struct InitArgs {
    /// A file of records
    pub file: PathBuf,
    /// Write the job here: a file that is not there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What the records are [default: what the file begins with tells]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatArg>,
    /// What lies between the cells of CSV: one character, or \t [default: the one of `,` `;` `\t` `|`
    /// that splits the first lines alike]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub delimiter: Option<u8>,
}

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// A JSON object a line
    Json,
    /// An Avro object container
    Avro,
    /// Lines of cells, behind one that names the columns
    Csv,
}

/// Reads what lies between two cells.
fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err("write one character of ASCII, such as ; or | or \\t".to_owned()),
    }
}

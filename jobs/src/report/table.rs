//! A reference table.

use super::{shown_time, thousands, write_list};
use crate::document::quantity::show_duration;
use std::fmt::{self, Write};
use tidemark_operators::plan::{Matching, TableFrom, TablePlan};

/// What is known of a table.
pub(super) fn write(out: &mut String, table: &TablePlan) -> fmt::Result {
    let from_column = |valid_from: &Option<String>| match valid_from {
        Some(column) => format!(", rows valid from {column}"),
        None => String::new(),
    };
    match &table.from {
        TableFrom::File { path, valid_from, reload } => {
            let from = from_column(valid_from);
            writeln!(out, "  file    {path}, looked at every {}{from}", show_duration(*reload))?;
        }
        TableFrom::Shipped { name, valid_from, .. } => {
            writeln!(
                out,
                "  file    {name}, which comes with the program{}",
                from_column(valid_from)
            )?;
        }
        TableFrom::Topic { source, .. } => {
            writeln!(out, "  topic   {}, json", source.topic.as_deref().unwrap_or_default())?;
            write!(out, "  time    {}", shown_time(&source.time))?;
            write!(out, ", up to {} out of order", show_duration(source.out_of_orderness))?;
            writeln!(out, ", idle after {}", show_duration(source.idle_after))?;
        }
    }
    let matching = match table.matching {
        Matching::Exact(ty) => format!("{ty}, exact"),
        Matching::Prefix => "longest IP prefix".to_owned(),
    };
    let from = match &table.from {
        TableFrom::Topic { key_path, .. } if !key_path.is_empty() => {
            format!(" at {} of the record's key", key_path.join("."))
        }
        _ => String::new(),
    };
    writeln!(out, "  key     {}{from} ({matching})", table.key)?;
    let columns = table.columns.iter().map(|column| {
        format!("{} {}{}", column.name, column.ty, if column.required { "" } else { "?" })
    });
    write_list(out, "columns", columns)?;
    let most = thousands(u64::try_from(table.rows_max).unwrap_or(u64::MAX));
    writeln!(out, "  rows    at most {most}")
}

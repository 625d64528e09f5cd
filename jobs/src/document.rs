//! Reading TOML files against a schema that code spells out: typed getters that say what is wrong,
//! where, and which name was probably meant.
//!
//! A [`Document`] is parsed once; its [`Table`]s are then asked for the keys they may have. Every
//! getter takes the key it is asked for; what is left when a table is [finished](Table::finish) is
//! an unknown key. Nothing stops at the first mistake: all of them are collected in [`Problems`]
//! and come out together, sorted by line, as [`JobErrors`].
//!
//! ```
//! use tidemark_jobs::document::Document;
//!
//! let document = Document::parse("cluster.toml", "[http]\nprot = 8088\n")?;
//! let mut root = document.root();
//! if let Some(mut http) = root.table("http", "[http]") {
//!     http.integer("port", 1..=65_535);
//!     http.finish();
//! }
//! root.finish();
//! let errors = document.finish().unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "cluster.toml:2:1: unknown key \"prot\" in [http]\n  did you mean \"port\"?"
//! );
//! # Ok::<(), tidemark_jobs::document::JobErrors>(())
//! ```

mod error;
mod nearest;
mod problems;
pub mod quantity;
mod table;

pub use error::{JobErrors, Problem};
pub use nearest::{mistyped, nearest};
pub use problems::Problems;
pub(crate) use problems::suggestion;
pub use table::{Literal, Named, Table};

use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;

/// The longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// A value and where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// The bytes of the file it was read from, quotes included.
    pub span: Range<usize>,
}

impl<T> At<T> {
    /// Another value from the same place.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> At<U> {
        At { value: to(self.value), span: self.span }
    }
}

/// One parsed TOML file and what was found wrong with it so far.
#[derive(Debug)]
pub struct Document<'i> {
    root: Spanned<DeTable<'i>>,
    problems: Problems<'i>,
}

impl<'i> Document<'i> {
    /// Parses `text`; `file` is the name that errors show.
    ///
    /// # Errors
    ///
    /// When the text is longer than [`FILE_BYTES_MAX`] or is not TOML. A key that is given twice
    /// is not such an error: it is collected, and the first one is read.
    pub fn parse(file: &str, text: &'i str) -> Result<Self, JobErrors> {
        let problems = Problems::new(file, text);
        if text.len() > FILE_BYTES_MAX {
            let message =
                format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
            problems.push(0, None, message, None);
            return Err(problems.into_errors());
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut readable = true;
        for error in errors {
            let span = error.span().unwrap_or(text.len()..text.len());
            if error.message().contains("duplicate key") {
                let key = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
                let message = format!("duplicate key \"{key}\"");
                let hint = Some("every name is given once; rename or remove one of them".into());
                problems.push(span.start, Some(key), message, hint);
            } else {
                readable = false;
                let message = format!("this is not TOML: {}", one_line(error.message()));
                problems.push(span.start, None, message, None);
            }
        }
        if readable { Ok(Document { root, problems }) } else { Err(problems.into_errors()) }
    }

    /// The table at the top of the file.
    pub fn root(&self) -> Table<'_> {
        Table::new("the file".into(), 0, self.root.get_ref(), &self.problems)
    }

    /// Where to record what is wrong beyond the types of single keys.
    pub fn problems(&self) -> &Problems<'i> {
        &self.problems
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// When anything was wrong: all of it.
    pub fn finish(self) -> Result<(), JobErrors> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems.into_errors()) }
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

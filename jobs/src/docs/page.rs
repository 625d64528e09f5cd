//! A page: Markdown in sections.

use super::markdown::{code, prose};

/// A documentation page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its title, plain text.
    pub title: String,
    /// What stands before the sections, in Markdown.
    pub lead: String,
    /// Its sections, in order.
    pub sections: Vec<Section>,
}

/// A section of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The depth of its heading: 2, or 3 for one that belongs to the last of depth 2.
    pub level: u8,
    /// What its heading says, plain text: `View`, or all of it where there is no name.
    pub label: String,
    /// The name that the heading ends with, as code.
    pub name: Option<String>,
    /// What stands in it, in Markdown.
    pub body: String,
}

impl Section {
    pub(super) fn new(level: u8, label: &str, name: Option<&str>, body: String) -> Section {
        Section { level, label: label.to_owned(), name: name.map(str::to_owned), body }
    }

    /// The heading as plain text.
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name}", self.label),
            None => self.label.clone(),
        }
    }

    /// Where links to it lead, without `#`.
    pub fn anchor(&self) -> String {
        anchor(&self.title())
    }

    fn heading(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {}", prose(&self.label), code(name)),
            None => prose(&self.label),
        }
    }
}

impl Page {
    /// The page as one Markdown file, with a list of its contents.
    pub fn markdown(&self) -> String {
        let mut out =
            format!("# {}\n\n{}\n\n## Contents\n\n", prose(&self.title), self.lead.trim());
        for section in &self.sections {
            let indent = if section.level > 2 { "  " } else { "" };
            out.push_str(&format!("{indent}- [{}](#{})\n", section.heading(), section.anchor()));
        }
        out.push_str(&self.sections_markdown());
        out
    }

    /// The Markdown of all sections, headings included.
    pub fn sections_markdown(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            let marks = if section.level > 2 { "###" } else { "##" };
            let (heading, body) = (section.heading(), section.body.trim());
            out.push_str(&format!("\n{marks} {heading}\n\n{body}\n"));
        }
        out
    }
}

/// The anchor of a heading, by the rule that GitHub and its like follow: in lower case, spaces as
/// dashes, without other punctuation than dashes and underscores.
///
/// ```
/// assert_eq!(tidemark_jobs::docs::anchor("View stats_5m"), "view-stats_5m");
/// ```
pub fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

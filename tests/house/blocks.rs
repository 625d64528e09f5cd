//! The blocks of code of a page of Markdown.

/// A block between two lines of three backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The number of its first line in the page, from 1.
    pub line: usize,
    /// Its language; empty where the page names none.
    pub language: String,
    /// What follows the language: the name of the file that the block is.
    pub file: Option<String>,
    /// Its lines, each with its end.
    pub text: String,
}

/// All blocks of a page, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in markdown.lines().enumerate() {
        match (open.take(), line.strip_prefix("```")) {
            (None, Some(words)) => {
                let mut words = words.split_whitespace().map(str::to_owned);
                open = Some(Block {
                    line: at + 2,
                    language: words.next().unwrap_or_default(),
                    file: words.next(),
                    text: String::new(),
                });
            }
            (Some(block), Some(_)) => found.push(block),
            (Some(mut block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of code does not end: {open:?}");
    found
}

#[test]
fn blocks_have_their_language_their_file_and_their_place() {
    let found = blocks("# t\n\n```toml a.toml\nx = 1\n```\ntext\n```\nplain\n```\n");
    let found: Vec<_> =
        found.iter().map(|it| (it.line, it.language.as_str(), it.file.as_deref())).collect();
    assert_eq!(found, [(4, "toml", Some("a.toml")), (8, "", None)]);
}

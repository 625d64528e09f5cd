//! One Rust file as token trees: enough to see its items, its functions and what it names.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The fields of a struct: of each its name, and all names in its type.
pub type Fields = Vec<(String, Vec<String>)>;

pub struct Source {
    /// From the root of the repository.
    pub path: String,
    /// Without those of tests inside the file: examples are tests too.
    pub lines: usize,
    /// The names of modules that are there only for tests.
    test_modules: Vec<String>,
    /// Without tests.
    pub tokens: Vec<TokenTree>,
}

/// How many lines are examples that run, fences included.
fn of_examples(lines: &[&str]) -> usize {
    let (mut count, mut inside) = (0, None);
    for line in lines {
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            continue;
        };
        let fence = doc.trim_start().strip_prefix("```");
        inside = match (inside, fence) {
            (None, Some(language)) => Some(language.is_empty()),
            (Some(runs), Some(_)) => {
                count += usize::from(runs);
                None
            }
            (inside, None) => inside,
        };
        count += usize::from(inside == Some(true));
    }
    count
}

/// A `fn` with a body.
pub struct Function {
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// From `fn` to the closing brace.
    pub lines: usize,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Self {
        let tokens = text.parse::<TokenStream>().unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut of_tests = 0;
        let tokens = without_tests(tokens, &mut of_tests);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let marked = lines.windows(2).filter(|two| two[0] == "#[cfg(test)]");
        let test_modules = marked.filter_map(|two| two[1].strip_prefix("mod ")?.strip_suffix(';'));
        Self {
            path: path.to_owned(),
            lines: lines.len() - of_tests - of_examples(&lines),
            test_modules: test_modules.map(str::to_owned).collect(),
            tokens,
        }
    }

    /// The files that it takes in only for tests.
    pub fn test_modules(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "lib" | "main")) => folder,
            _ => stem,
        };
        self.test_modules.iter().map(|name| format!("{folder}/{name}.rs")).collect()
    }

    /// Whether the whole file is tests.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The crate it belongs to, by the name it has in paths.
    pub fn package(&self) -> &'static str {
        match self.path.split('/').next() {
            Some("operators") => "tidemark_operators",
            Some("jobs") => "tidemark_jobs",
            _ => "tidemark",
        }
    }

    /// The modules that lead to it, from the crate's root; none for the root itself.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
        inside.split('/').filter(|part| !["lib", "main"].contains(part)).collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        functions(&self.tokens, &mut found);
        found
    }

    /// Names of the types, traits and aliases among its items, with their lines.
    pub fn types(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        types(&self.tokens, &mut found);
        found
    }

    /// Its structs with named fields: of each field its name, and all names in its type.
    pub fn structs(&self) -> Vec<(String, Fields)> {
        let mut found = Vec::new();
        structs(&self.tokens, &mut found);
        found
    }

    /// Every path of at least two names, such as `std::fs::File`, with its line; braces in `use`
    /// are multiplied out.
    pub fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let mut found = Vec::new();
        paths(&self.tokens, &mut found);
        found
    }
}

fn without_tests(stream: TokenStream, lines: &mut usize) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#') && tokens.peek().is_some_and(marks_test) {
            let first = token.span().start().line;
            // To the end of the item: its body, or the semicolon where it has none.
            let end = tokens.find(|token| is_punct(token, ';') || is_body(token));
            let last = end.map_or(first, |end| end.span().end().line);
            *lines += last - first + 1;
        } else if let TokenTree::Group(group) = token {
            let inner = without_tests(group.stream(), lines).into_iter().collect();
            let mut pruned = Group::new(group.delimiter(), inner);
            pruned.set_span(group.span());
            kept.push(pruned.into());
        } else {
            kept.push(token);
        }
    }
    kept
}

fn marks_test(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    let attribute = group.stream().to_string().replace(' ', "");
    group.delimiter() == Delimiter::Bracket
        && (attribute == "test" || attribute.starts_with("cfg(test"))
}

pub fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

pub fn is_body(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

pub fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn functions(tokens: &[TokenTree], found: &mut Vec<Function>) {
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            functions(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
        if ident(Some(token)).as_deref() != Some("fn") {
            continue;
        }
        let Some(name) = ident(tokens.get(at + 1)) else { continue };
        let end = tokens[at..].iter().find(|token| is_punct(token, ';') || is_body(token));
        if let Some(body) = end.filter(|token| is_body(token)) {
            let line = token.span().start().line;
            found.push(Function { name, line, lines: body.span().end().line - line + 1 });
        }
    }
}

fn types(tokens: &[TokenTree], found: &mut Vec<(String, usize)>) {
    const KINDS: [&str; 4] = ["struct", "enum", "trait", "type"];
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = ident(Some(token)) else { continue };
        let Some(name) = ident(tokens.get(at + 1)) else { continue };
        if KINDS.contains(&word.as_str()) {
            found.push((name, token.span().start().line));
        } else if word == "mod"
            && let Some(TokenTree::Group(group)) = tokens.get(at + 2)
        {
            types(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
    }
}

fn structs(tokens: &[TokenTree], found: &mut Vec<(String, Fields)>) {
    for (at, token) in tokens.iter().enumerate() {
        let (word, name) = (ident(Some(token)), ident(tokens.get(at + 1)));
        let (Some(word), Some(name)) = (word, name) else { continue };
        let ends = |token: &&TokenTree| is_punct(token, ';') || is_body(token);
        let Some(TokenTree::Group(body)) = tokens.iter().skip(at + 2).find(ends) else { continue };
        let inside: Vec<_> = body.stream().into_iter().collect();
        match word.as_str() {
            "struct" => found.push((name, fields(&inside))),
            "mod" => structs(&inside, found),
            _ => {}
        }
    }
}

/// Fields with their names: what stands before a single colon, and the names in what follows.
fn fields(tokens: &[TokenTree]) -> Fields {
    let (mut found, mut depth) = (Fields::new(), 0_i32);
    let mut in_type = false;
    for (at, token) in tokens.iter().enumerate() {
        let colon = |at: usize| tokens.get(at).is_some_and(|token| is_punct(token, ':'));
        let arrow = is_punct(token, '>') && at > 0 && is_punct(&tokens[at - 1], '-');
        if is_punct(token, '<') {
            depth += 1;
        } else if is_punct(token, '>') && !arrow {
            depth -= 1;
        } else if is_punct(token, ',') && depth == 0 {
            in_type = false;
        } else if let Some(name) = ident(Some(token)) {
            if !in_type && colon(at + 1) && !colon(at + 2) {
                in_type = true;
                found.push((name, Vec::new()));
            } else if in_type && let Some((_, named)) = found.last_mut() {
                named.push(name);
            }
        } else if in_type
            && let (TokenTree::Group(group), Some((_, named))) = (token, found.last_mut())
        {
            named_in(group, named);
        }
    }
    found
}

fn named_in(group: &Group, named: &mut Vec<String>) {
    for token in group.stream() {
        match &token {
            TokenTree::Group(group) => named_in(group, named),
            token => named.extend(ident(Some(token))),
        }
    }
}

fn paths(tokens: &[TokenTree], found: &mut Vec<(Vec<String>, usize)>) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let TokenTree::Group(group) = token {
            paths(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
        at = match ident(Some(token)) {
            Some(_) => path(tokens, at, &mut Vec::new(), found),
            None => at + 1,
        };
    }
}

/// Follows one path from the name at `at`; returns where it ends.
fn path(
    tokens: &[TokenTree],
    mut at: usize,
    names: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let line = tokens[at].span().start().line;
    while let Some(name) = ident(tokens.get(at)) {
        names.push(name);
        at += 1;
        let colons = tokens.get(at..at + 2).is_some_and(|two| two.iter().all(|t| is_punct(t, ':')));
        if !colons {
            break;
        }
        at += 2;
        match tokens.get(at) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                for branch in branches(group) {
                    let mut names = names.clone();
                    if ident(branch.first()).is_some() {
                        path(&branch, 0, &mut names, found);
                    }
                }
                return at + 1;
            }
            Some(TokenTree::Ident(_)) => {}
            // A turbofish or a star.
            _ => break,
        }
    }
    if names.len() > 1 {
        found.push((names.clone(), line));
    }
    at
}

/// What stands between the commas.
fn branches(group: &Group) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<_> = group.stream().into_iter().collect();
    tokens.split(|token| is_punct(token, ',')).map(<[TokenTree]>::to_vec).collect()
}

#[test]
fn tests_are_not_counted() {
    let source = Source::parse(
        "src/a.rs",
        "struct A;\n#[cfg(test)]\nmod tests {\n    struct B;\n}\nmod c {\n    struct D;\n    #[test]\n    fn e() {\n    }\n}\n",
    );
    assert_eq!(source.lines, 11 - 4 - 3);
    assert_eq!(source.types(), [("A".to_owned(), 1), ("D".to_owned(), 7)]);
    assert!(source.functions().is_empty());
}

#[test]
fn a_function_counts_from_its_name_to_its_brace() {
    let source = Source::parse(
        "src/a.rs",
        "impl A {\n    /// Said.\n    pub fn b(f: fn(u8) -> u8)\n    where\n        A: B,\n    {\n        f(1);\n    }\n}\ntrait T {\n    fn c();\n}\n",
    );
    let found: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("b".to_owned(), 3, 6)]);
}

#[test]
fn the_braces_of_a_use_are_multiplied_out() {
    let source =
        Source::parse("src/a/b.rs", "use std::{fs::{self, File}, io};\nlet a: b::C = 1;\n");
    let found: Vec<_> = source.paths().into_iter().map(|(p, line)| (p.join("::"), line)).collect();
    let expected = [("std::fs::self", 1), ("std::fs::File", 1), ("std::io", 1), ("b::C", 2)];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    assert_eq!(source.module(), ["a", "b"]);
}

#[test]
fn an_example_counts_as_a_test_and_a_drawing_does_not() {
    let example = "/// Adds.\n///\n/// ```\n/// assert!(true);\n/// ```\npub fn a() {}\n";
    assert_eq!(Source::parse("a.rs", example).lines, 3);
    let drawing = "/// ```text\n/// a --> b\n/// ```\npub fn a() {}\n";
    assert_eq!(Source::parse("a.rs", drawing).lines, 4);
}

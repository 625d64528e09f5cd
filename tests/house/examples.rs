//! Whoever writes a dataflow of their own starts from an example that runs: every public function that
//! makes an operator shows one. An operator is a function of `operators` that takes or gives a stream,
//! a collection or a scope. So do the types that are used by themselves, by name.

use crate::exceptions::settle;
use crate::source::{Source, ident, is_body, is_punct};
use crate::tree;
use proc_macro2::{Delimiter, TokenTree};

const OF_THE_DATAFLOW: [&str; 6] =
    ["Scope", "Stream", "StreamVec", "StreamCore", "Collection", "VecCollection"];

/// Types that whoever uses the crate calls by themselves, apart from any dataflow.
const FIRST_CALLED: [&str; 10] = [
    "Attachments",
    "Coordination",
    "FlatTable",
    "HotEntities",
    "Interner",
    "Judge",
    "Last",
    "Log",
    "Program",
    "Stash",
];

const WITHOUT: [(&str, &str); 0] = [];

/// The public operators among the tokens, with the text of their documentation.
fn operators(tokens: &[TokenTree], found: &mut Vec<(String, String)>) {
    let mut from = 0;
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            operators(&group.stream().into_iter().collect::<Vec<_>>(), found);
        }
        if is_punct(token, ';') || is_body(token) {
            let item = &tokens[from..=at];
            from = at + 1;
            let operator = public_function(item).filter(|_| item.iter().any(of_the_dataflow));
            let called = || public(item, "struct").filter(|n| FIRST_CALLED.contains(&&**n));
            if let Some(name) = operator.or_else(called) {
                found.push((name, documentation(item)));
            }
        }
    }
}

/// The name, when the item is a `pub fn` with no limit to its `pub`.
fn public_function(item: &[TokenTree]) -> Option<String> {
    public(item, "fn")
}

/// The name, when the item is a `pub` of this kind with no limit to its `pub`.
fn public(item: &[TokenTree], kind: &str) -> Option<String> {
    let public = item.iter().position(|token| ident(Some(token)).as_deref() == Some("pub"))?;
    let word = ident(item.get(public + 1))?;
    let name = if word == "const" { public + 3 } else { public + 2 };
    let is_kind = ident(item.get(name - 1)).as_deref() == Some(kind);
    is_kind.then(|| ident(item.get(name))).flatten()
}

fn of_the_dataflow(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(name) => OF_THE_DATAFLOW.iter().any(|word| name == word),
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
            group.stream().into_iter().any(|token| of_the_dataflow(&token))
        }
        _ => false,
    }
}

fn documentation(item: &[TokenTree]) -> String {
    let attributes = item.windows(2).filter(|two| is_punct(&two[0], '#'));
    let texts = attributes.filter_map(|two| {
        let attribute = two[1].to_string();
        let text = attribute.strip_prefix('[')?.trim_start().strip_prefix("doc")?;
        Some(
            text.trim_start()
                .strip_prefix('=')?
                .trim()
                .trim_matches('"')
                .trim_end_matches(['"', ']'])
                .to_owned(),
        )
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether the documentation has a block that is compiled and run.
fn runs(documentation: &str) -> bool {
    let mut fences = documentation.lines().filter_map(|line| line.trim().strip_prefix("```"));
    fences.next().is_some_and(|language| ["", "rust"].contains(&language.trim()))
}

#[test]
fn every_public_operator_has_an_example_that_runs() {
    let mut seen = 0;
    let mut found = Vec::new();
    for source in tree::sources(&["operators/src"]) {
        let mut operators_of_file = Vec::new();
        operators(&source.tokens, &mut operators_of_file);
        seen += operators_of_file.len();
        let without =
            operators_of_file.into_iter().filter(|(_, documentation)| !runs(documentation));
        found.extend(without.map(|(name, _)| {
            (format!("{}: {name}", source.path), "has no example that runs".to_owned())
        }));
    }
    assert!(seen >= 3 + FIRST_CALLED.len(), "{seen}: a name of the list is no public type");
    settle("a public operator has an example", found, &WITHOUT);
}

#[test]
fn an_operator_is_known_by_its_streams_and_its_example_by_its_fence() {
    let text = "impl A {\n/// Counts.\n///\n/// ```\n/// assert!(true);\n/// ```\npub fn a(s: Stream<G, u8>) {}\n\
                /// ```text\n/// a drawing\n/// ```\npub fn b(scope: Scope<'_, T>) -> u8 {}\n\
                pub(crate) fn c(s: Stream<G, u8>) {}\npub fn d(e: u8) {}\n}\n";
    let mut found = Vec::new();
    operators(&Source::parse("operators/src/a.rs", text).tokens, &mut found);
    let found: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), runs(text))).collect();
    assert_eq!(found, [("a", true), ("b", false)]);
}

//! A name means one thing.

use crate::exceptions::settle;
use crate::source::Source;
use crate::tree;
use std::collections::BTreeMap;

/// By crate and name: what is older than the rule. Nothing is added here.
const SHARED: [&str; 30] = [
    "tidemark: Breaker",
    "tidemark: Command",
    "tidemark: DeadLetterSettings",
    "tidemark: DeadLetterStatus",
    "tidemark: Expected",
    "tidemark: Health",
    "tidemark: MemorySettings",
    "tidemark: Options",
    "tidemark: Outcome",
    "tidemark: Record",
    "tidemark: RedisSettings",
    "tidemark: Row",
    "tidemark: Secret",
    "tidemark: Seen",
    "tidemark: Settings",
    "tidemark: State",
    "tidemark: Stop",
    "tidemark: TlsSettings",
    "tidemark_operators: Compiler",
    "tidemark_operators: Key",
    "tidemark_operators: Kind",
    "tidemark_operators: Node",
    "tidemark_operators: Program",
    "tidemark_operators: Read",
    "tidemark_operators: Row",
    "tidemark_operators: Schema",
    "tidemark_operators: Step",
    "tidemark_operators: Target",
    "tidemark_operators: Unsealed",
    "tidemark_operators: View",
];

/// Words that say nothing, wherever they stand in a name.
const EMPTY_WORDS: [&str; 6] = ["manager", "handler", "helper", "util", "utils", "misc"];
/// Words that say nothing when they are the whole name.
const BARE_WORDS: [&str; 6] = ["common", "context", "data", "info", "item", "handle"];

/// Names that are another's term, by file and name.
const TERMS: [(&str, &str); 2] = [
    ("src/kafka/context.rs: context", "librdkafka's name for what its clients call back"),
    ("src/online/redis/link.rs: info", "the command of Redis"),
];

#[test]
fn no_type_name_is_used_for_two_things_in_a_crate() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in tree::shipped() {
        for (name, line) in source.types() {
            let key = format!("{}: {name}", source.package());
            places.entry(key).or_default().push(format!("{}:{line}", source.path));
        }
    }
    let twice = places.into_iter().filter(|(_, places)| places.len() > 1);
    let found = twice.map(|(name, places)| (name, places.join(", ")));
    let older = SHARED.map(|name| (name, "older than the rule"));
    settle("a type's name means one thing in its crate", found, &older);
}

/// `SourceName` and `source_name` as `["source", "name"]`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn says_nothing(name: &str) -> bool {
    let words = words(name);
    let numbered = words.len() > 1 && words.last().is_some_and(|last| is_version(last));
    let bare = words.len() == 1 && BARE_WORDS.contains(&words[0].as_str());
    bare || numbered || words.iter().any(|word| EMPTY_WORDS.contains(&word.as_str()))
}

/// As the `v2` of a twin that lives beside what it was to replace.
fn is_version(word: &str) -> bool {
    word.strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

#[test]
fn names_of_modules_types_and_functions_say_something() {
    let found = tree::shipped().into_iter().flat_map(|source: Source| {
        let names = source.types().into_iter().map(|(name, _)| name);
        let names = names.chain(source.functions().into_iter().map(|function| function.name));
        let modules = source.module().into_iter().map(str::to_owned);
        let names: Vec<_> = names.chain(modules).filter(|name| says_nothing(name)).collect();
        names
            .into_iter()
            .map(move |name| (format!("{}: {name}", source.path), "says nothing".to_owned()))
    });
    settle("a name says something", found, &TERMS);
}

#[test]
fn empty_words_and_numbered_twins_are_found() {
    for name in ["EventHandler", "join_helper", "util", "read_v2", "common"] {
        assert!(says_nothing(name), "{name}");
    }
    for name in ["EventTime", "common_type", "available", "version", "ipv4", "v4"] {
        assert!(!says_nothing(name), "{name}");
    }
}

#[test]
fn tests_are_named_as_claims() {
    let folders = ["src", "operators", "jobs", "tests"];
    let mut claims = 0;
    for path in folders.into_iter().flat_map(tree::files).filter(|path| path.ends_with(".rs")) {
        let text = tree::text(&path);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next())
            else {
                continue;
            };
            let marked = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
            if !marked.into_iter().any(|line| *line == "#[test]") {
                continue;
            }
            claims += 1;
            assert!(
                !name.starts_with("test_"),
                "{path}: {name} is a claim, not a test of something"
            );
            assert!(words(name).len() > 2, "{path}: {name} is no sentence");
        }
    }
    assert!(claims > 500, "{claims}");
}

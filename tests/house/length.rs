//! A file is one concept, a function one thought: both have a length that can be held in mind.

use crate::exceptions::settle;
use crate::tree;

/// Of a file, without its tests and examples.
const FILE_LINES: usize = 400;
/// Of a function, from its name to its closing brace.
const FUNCTION_LINES: usize = 60;

const LONG_FILES: [(&str, &str); 2] = [
    ("operators/src/ingest/source.rs", "the operator, with the documentation of all it is given"),
    (
        "operators/src/ingest/decode/avro/compile.rs",
        "one pass over a schema: each type beside the others",
    ),
];

/// By file and name.
const LONG_FUNCTIONS: [(&str, &str); 3] = [
    (
        "jobs/src/compile/columns.rs: build_view",
        "one step a line, in the order a row's columns come",
    ),
    ("jobs/src/compile/finish.rs: finish", "puts the parts of a plan together, each named once"),
    ("jobs/src/docs/terms.rs: words", "a table of terms and their explanations"),
];

#[test]
fn files_are_short_enough() {
    let long = tree::shipped()
        .into_iter()
        .filter(|source| source.lines > FILE_LINES)
        .map(|source| (source.path, format!("{} lines, at most {FILE_LINES}", source.lines)));
    settle("a file is one concept", long, &LONG_FILES);
}

#[test]
fn functions_are_short_enough() {
    let long = tree::shipped().into_iter().flat_map(|source| {
        let functions = source.functions().into_iter();
        let long: Vec<_> = functions
            .filter(|function| function.lines > FUNCTION_LINES)
            .map(|function| {
                let what = format!("{} lines, at most {FUNCTION_LINES}", function.lines);
                (format!("{}: {}", source.path, function.name), what)
            })
            .collect();
        long
    });
    settle("a function is one thought", long, &LONG_FUNCTIONS);
}

//! What a rule lets pass, by name and with the reason. Whoever breaks the rule anew has to add a line
//! here in sight of a reviewer, and whoever mends something has to take its line away.

use std::collections::BTreeMap;

/// Compares what a rule found with what is excepted from it; both are by the name of the thing.
pub fn settle<'a>(
    rule: &str,
    found: impl IntoIterator<Item = (String, String)>,
    excepted: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
) {
    let verdict = verdict(found, excepted);
    assert!(verdict.is_empty(), "{rule}:\n  {}", verdict.join("\n  "));
}

fn verdict<'a>(
    found: impl IntoIterator<Item = (String, String)>,
    excepted: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
) -> Vec<String> {
    let mut needless: BTreeMap<&str, &str> = BTreeMap::new();
    let mut verdict = Vec::new();
    for (name, reason) in excepted {
        assert!(reason.len() > 10, "{name}: an exception has a reason");
        assert_eq!(needless.insert(name, reason), None, "{name} is excepted twice");
    }
    let excepted = needless.clone();
    for (name, what) in found {
        needless.remove(name.as_str());
        if !excepted.contains_key(name.as_str()) {
            verdict.push(format!("{name}: {what}"));
        }
    }
    verdict.extend(needless.keys().map(|name| format!("{name}: no longer needs its exception")));
    verdict
}

#[test]
fn an_exception_lets_its_own_thing_pass_and_fails_when_it_is_not_needed() {
    let found = || [("a".to_owned(), "61 lines".to_owned())];
    assert_eq!(verdict(found(), &[("a", "one long table")]), Vec::<String>::new());
    assert_eq!(verdict(found(), &[]), ["a: 61 lines"]);
    let verdict = verdict(found(), &[("b", "one long table")]);
    assert_eq!(verdict, ["a: 61 lines", "b: no longer needs its exception"]);
}

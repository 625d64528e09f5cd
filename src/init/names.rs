//! Names for what a record has under keys of any kind.

use std::collections::HashSet;

/// How long a name is at most, in characters, so that what is added to it fits a job.
const NAME_CHARS_MAX: usize = 40;
/// Words that are no names in a job.
const WORDS: [&str; 11] =
    ["and", "or", "not", "in", "if", "then", "else", "true", "false", "null", "event_time"];
/// Last parts of a path that say nothing without what stands before them.
const GENERIC: [&str; 14] = [
    "id", "uid", "uuid", "guid", "key", "name", "number", "no", "type", "value", "code", "ip",
    "email", "address",
];

/// A key as the words of a name: `sourceIPAddress` is `source_ip_address`.
pub(super) fn identifier(key: &str) -> String {
    let chars: Vec<char> = key.chars().take(4 * NAME_CHARS_MAX).collect();
    let mut name = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1).is_some_and(|c| c.is_ascii_lowercase());
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after)
            });
        if (begins || !c.is_ascii_alphanumeric()) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        }
    }
    name.truncate(NAME_CHARS_MAX);
    let name = name.trim_matches('_');
    match name.chars().next() {
        None => "field".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("field_{name}"),
        Some(_) => name.to_owned(),
    }
}

/// The words of a path's last part, and of the one before it where the last says nothing alone.
pub(super) fn words(path: &[String]) -> Vec<String> {
    meaning(path).split('_').map(str::to_owned).collect()
}

fn meaning(path: &[String]) -> String {
    let last = path.last().map_or("", String::as_str);
    let name = identifier(last);
    let parent = path.len().checked_sub(2).and_then(|at| path.get(at));
    match parent {
        Some(parent) if GENERIC.contains(&name.as_str()) => {
            format!("{}_{name}", identifier(parent))
        }
        _ => name,
    }
}

/// Names that are given once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// Nothing gets this name.
    pub fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// A name for what is at `path`: its last part, with those before it where that is taken.
    pub fn of_path(&mut self, path: &[String]) -> String {
        let whole = path.iter().map(|part| identifier(part)).collect::<Vec<_>>().join("_");
        let last_two = path.get(path.len().saturating_sub(2)..).unwrap_or_default();
        let last_two = last_two.iter().map(|part| identifier(part)).collect::<Vec<_>>().join("_");
        let free = [meaning(path), last_two, whole.clone()].into_iter().map(cut);
        let free = free.into_iter().find(|name| self.is_free(name));
        match free {
            Some(name) => self.take(name),
            None => self.numbered(&cut(whole)),
        }
    }

    /// `name`, or with a number where it is taken.
    pub fn numbered(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        let mut number = 2_u64;
        while !self.is_free(&free) {
            free = format!("{name}_{number}");
            number += 1;
        }
        self.take(free)
    }

    fn is_free(&self, name: &str) -> bool {
        !WORDS.contains(&name) && !self.0.contains(name)
    }

    fn take(&mut self, name: String) -> String {
        self.0.insert(name.clone());
        name
    }
}

fn cut(mut name: String) -> String {
    // Made of ASCII alone.
    name.truncate(NAME_CHARS_MAX);
    name.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_kind_become_names() {
        for (key, name) in [
            ("card_id", "card_id"),
            ("sourceIPAddress", "source_ip_address"),
            ("userId", "user_id"),
            ("@timestamp", "timestamp"),
            ("a\"b.c\n", "a_b_c"),
            ("3ds", "field_3ds"),
            ("Größe", "gr_e"),
            ("金額", "field"),
            ("", "field"),
            ("__x__", "x"),
            ("HTTPStatus2Code", "http_status2_code"),
        ] {
            assert_eq!(identifier(key), name, "{key}");
        }
        assert!(identifier(&"x".repeat(10_000)).len() <= NAME_CHARS_MAX);
    }

    #[test]
    fn no_name_is_given_twice() {
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let mut names = Names::default();
        names.reserve("time");
        for (parts, name) in [
            (&["user", "id"][..], "user_id"),
            (&["a", "b"], "b"),
            (&["c", "b"], "c_b"),
            (&["d", "c", "b"], "d_c_b"),
            (&["d", "c.b"], "d_c_b_2"),
            (&["time"], "time_2"),
            (&["and"], "and_2"),
            (&["金額"], "field"),
            (&["数"], "field_2"),
        ] {
            assert_eq!(names.of_path(&path(parts)), name);
        }
    }
}

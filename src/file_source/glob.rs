//! Patterns of names, as shells have them, of one name between two `/`.
//!
//! `*` is any characters, also none, `?` is one, `[a-z]` one of these and `[!a-z]` one that is none of
//! them; `[*]` is a `*` itself. A `[` that is not closed stands for itself. Large and small letters
//! differ.
//!
//! Why this way: it is sixty lines, held against a twin; a crate has more forms than names of files
//! need, and each of them would be ours to explain.

/// A pattern of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Piece>);

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(char),
    One,
    Many,
    Of { ranges: Vec<(char, char)>, others: bool },
}

/// Whether a text is more than a name.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

impl Glob {
    /// The pattern that `text` is.
    pub fn new(text: &str) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(first) = rest.chars().next() {
            let behind = rest.get(first.len_utf8()..).unwrap_or_default();
            let (piece, behind) = match first {
                '*' => (Piece::Many, behind),
                '?' => (Piece::One, behind),
                '[' => set(behind).unwrap_or((Piece::Literal('['), behind)),
                other => (Piece::Literal(other), behind),
            };
            // Two stars say no more than one.
            if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                pieces.push(piece);
            }
            rest = behind;
        }
        Glob(pieces)
    }

    /// Whether `name` is one of its names: in time of the two lengths multiplied at most.
    pub fn fits(&self, name: &str) -> bool {
        let (mut pieces, mut left) = (self.0.as_slice(), name.chars());
        // Where the last star was, and what of the name it has not taken yet.
        let mut star = None;
        loop {
            if let [Piece::Many, behind @ ..] = pieces {
                star = Some((behind, left.clone()));
                pieces = behind;
                continue;
            }
            let next = left.next();
            match (pieces, next) {
                ([], None) => return true,
                ([piece, behind @ ..], Some(next)) if piece.takes(next) => pieces = behind,
                _ => {
                    // The last star takes one more; those before it need not.
                    let Some((behind, mut rest)) = star.take() else { return false };
                    if rest.next().is_none() {
                        return false;
                    }
                    (pieces, left) = (behind, rest.clone());
                    star = Some((behind, rest));
                }
            }
        }
    }

    /// Whether all its names begin with `first`.
    pub fn begins_with(&self, first: char) -> bool {
        self.0.first() == Some(&Piece::Literal(first))
    }
}

impl Piece {
    fn takes(&self, next: char) -> bool {
        match self {
            Piece::Literal(literal) => *literal == next,
            Piece::One | Piece::Many => true,
            Piece::Of { ranges, others } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&next)) != *others
            }
        }
    }
}

/// What is between brackets, and what follows them; `None` where they are not closed.
fn set(text: &str) -> Option<(Piece, &str)> {
    let rest = text.strip_prefix(['!', '^']);
    let (mut rest, others) = rest.map_or((text, false), |rest| (rest, true));
    let mut ranges = Vec::new();
    loop {
        let mut chars = rest.chars();
        let from = chars.next()?;
        // One at the beginning is meant itself.
        if from == ']' && !ranges.is_empty() {
            return Some((Piece::Of { ranges, others }, chars.as_str()));
        }
        let mut ahead = chars.clone();
        let to = (ahead.next() == Some('-')).then(|| ahead.next()).flatten();
        match to.filter(|to| *to != ']') {
            Some(to) => {
                ranges.push((from, to));
                rest = ahead.as_str();
            }
            None => {
                ranges.push((from, from));
                rest = chars.as_str();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same each time.
    struct Draws(u64);

    impl Draws {
        fn below(&mut self, most: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % most
        }

        fn text(&mut self, of: &[&str], most: u64) -> String {
            let length = self.below(most + 1);
            (0..length).map(|_| of[self.below(of.len() as u64) as usize]).collect()
        }
    }

    /// Every way to part the name is tried.
    fn twin(pattern: &[Piece], name: &[char]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            ([Piece::Many, rest @ ..], name) => {
                (0..=name.len()).any(|taken| twin(rest, &name[taken..]))
            }
            ([piece, rest @ ..], [next, behind @ ..]) => piece.takes(*next) && twin(rest, behind),
            (_, []) => false,
        }
    }

    #[test]
    fn random_patterns_take_the_names_that_a_naive_twin_takes() {
        let mut draws = Draws(7);
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..50_000 {
            let text = draws.text(&["a", "b", "ü", "*", "?", "[a]", "[!ab]", "[b-ü]", "**"], 8);
            let name = draws.text(&["a", "b", "ü", "c"], 10);
            let (glob, chars) = (Glob::new(&text), name.chars().collect::<Vec<_>>());
            let fits = twin(&glob.0, &chars);
            assert_eq!(glob.fits(&name), fits, "{text} and {name}");
            if fits { taken += 1 } else { refused += 1 }
        }
        assert!(taken > 5_000 && refused > 5_000, "{taken} and {refused}");
    }

    #[test]
    fn what_a_pattern_takes_and_what_it_does_not() {
        for (pattern, name, fits) in [
            ("2026-*.parquet", "2026-01-04.parquet", true),
            ("2026-*.parquet", "2026-01-04.parquet.open", false),
            ("*", "", true),
            ("?", "", false),
            ("?.csv", "ü.csv", true),
            ("p[0-3].jsonl", "p3.jsonl", true),
            ("p[0-3].jsonl", "p4.jsonl", false),
            ("p[!0-3]", "p4", true),
            ("p[^0-3]", "p3", false),
            ("[*]", "*", true),
            ("[*]", "a", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("a[b", "a[b", true),
            ("A", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).fits(name), fits, "{pattern} and {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_and_a_long_name_takes_no_time() {
        let pattern = Glob::new(&"a*".repeat(100));
        assert!(!pattern.fits(&format!("{}b", "a".repeat(99))));
        assert!(pattern.fits(&"a".repeat(10_000)));
    }
}

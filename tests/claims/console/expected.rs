//! Comparing what a page shows with what was printed.

/// What stands for any text in a line, and for any lines where it is one.
const ANY: &str = "...";

/// Where what was printed is not what is expected; `None` when it is.
pub fn difference(expected: &[String], printed: &[&str]) -> Option<String> {
    // A page may leave an empty line between what a command prints and the next command.
    let end = expected.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
    let expected: Vec<&str> = expected.iter().take(end).map(String::as_str).collect();
    let end = printed.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let printed: Vec<&str> = printed.iter().take(end).map(|line| line.trim_end()).collect();
    farthest(&expected, &printed).map(|at| match expected.get(at) {
        Some(line) => format!("which is not what line {} expects: {line}", at + 1),
        None => "which goes on where the page ends".to_owned(),
    })
}

/// The first expected line that nothing fits, by the way that gets farthest; `None` when all fits.
fn farthest(expected: &[&str], printed: &[&str]) -> Option<usize> {
    let Some((first, rest)) = expected.split_first() else {
        return if printed.is_empty() { None } else { Some(0) };
    };
    let after = |skipped: usize| {
        let printed = printed.get(skipped..).unwrap_or_default();
        farthest(rest, printed).map(|at| at + 1)
    };
    if *first == ANY {
        let mut farthest_of_all = 0;
        for skipped in 0..=printed.len() {
            farthest_of_all = farthest_of_all.max(after(skipped)?);
        }
        return Some(farthest_of_all);
    }
    match printed.first() {
        Some(line) if fits(first, line) => after(1),
        _ => Some(0),
    }
}

/// Whether `line` is `pattern`, in which `...` stands for any text.
fn fits(pattern: &str, line: &str) -> bool {
    let Some((first, rest)) = pattern.split_once(ANY) else { return pattern == line };
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split(ANY).collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(expected: &str, printed: &str) -> bool {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        difference(&expected, &printed.lines().collect::<Vec<_>>()).is_some()
    }

    #[test]
    fn what_is_shown_must_be_printed_and_nothing_else() {
        assert!(!differs("a\nb", "a\nb"));
        assert!(differs("a\nb", "a"));
        assert!(differs("a", "a\nb"));
        assert!(differs("", "a"));
        assert!(differs("a", "A"));
        assert!(!differs("a\n\n", "a"));
    }

    #[test]
    fn three_dots_stand_for_text_in_a_line_and_for_lines_alone() {
        assert!(!differs("took ... ms, ... rows", "took 12 ms, 3 rows"));
        assert!(differs("took ... ms, ... rows", "took 12 s, 3 rows"));
        assert!(differs("... rows", "3 rows, and more"));
        assert!(!differs("a\n...\nz", "a\nb\nc\nz"));
        assert!(!differs("a\n...", "a"));
        assert!(differs("a\n...\nz", "a\nb\nc"));
        assert!(differs("a..b", "a, b"));
    }

    #[test]
    fn the_line_that_nothing_fits_is_named() {
        let expected = ["a", "...", "y", "z"].map(str::to_owned);
        let said = difference(&expected, &["a", "b", "y", "x"]).unwrap();
        assert_eq!(said, "which is not what line 4 expects: z");
    }
}

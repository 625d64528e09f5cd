//! Paths into a record: the names of what lies in each other, and elements of arrays.

/// The most parts of a path.
pub const PARTS_MAX: usize = 16;
/// The furthest element of an array that a path may name, from its beginning or from its end.
pub const ELEMENT_MAX: i16 = 999;

/// The element of an array that a part of a path names: `[0]` is the first, `[-1]` the last. `None`
/// for all other parts, which are names of objects.
pub fn element(part: &str) -> Option<i16> {
    let number = part.strip_prefix('[')?.strip_suffix(']')?;
    let at: i16 = number.parse().ok()?;
    // One way to write each.
    (at.unsigned_abs() <= ELEMENT_MAX.unsigned_abs() && at.to_string() == number).then_some(at)
}

/// A path as it is written: with dots between names, and elements in their brackets.
pub fn shown(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && element(part).is_none() {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

/// An array that has all of `elements`, each of them at a place of its own: its length, and where
/// they are.
pub fn places(elements: &[i16]) -> (usize, Vec<usize>) {
    let last = elements.iter().filter_map(|at| usize::try_from(*at).ok()).max();
    let front = last.map_or(0, |last| last + 1);
    let from_end = |at: &i16| usize::from(at.unsigned_abs());
    let back = elements.iter().filter(|at| **at < 0).map(from_end).max().unwrap_or(0);
    let place = |at: &i16| usize::try_from(*at).unwrap_or(front + back - from_end(at));
    (front + back, elements.iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_told_from_names() {
        for (part, at) in [("[0]", 0), ("[999]", 999), ("[-1]", -1), ("[-999]", -999)] {
            assert_eq!(element(part), Some(at));
        }
        let names = ["", "a", "0", "[]", "[1000]", "[-0]", "[00]", "[+1]", "[a]", "a[0]", "[0]a"];
        for name in names {
            assert_eq!(element(name), None, "{name}");
        }
    }

    #[test]
    fn a_path_is_shown_as_it_is_written() {
        for (path, text) in [
            (&["a"][..], "a"),
            (&["a", "b"], "a.b"),
            (&["items", "[0]", "price"], "items[0].price"),
            (&["a", "[0]", "[-1]"], "a[0][-1]"),
        ] {
            let path: Vec<_> = path.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(shown(&path), text);
        }
    }

    #[test]
    fn an_array_has_a_place_for_each_element() {
        assert_eq!(places(&[0]), (1, vec![0]));
        assert_eq!(places(&[-1]), (1, vec![0]));
        assert_eq!(places(&[2, -1, 0, -2]), (5, vec![2, 4, 0, 3]));
    }
}

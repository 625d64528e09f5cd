//! What a misspelt name may have meant.

use super::super::quoted;

/// Names longer than this are compared with nothing: the comparison costs their product.
const COMPARED_MAX: usize = 64;

/// How many names a hint shows when some are near; when none is it shows all.
const NEAR_MAX: usize = 3;

/// Says which of `names` are nearest to `name`, or what there is when none is near.
pub(super) fn hint(name: &str, names: &[&str]) -> Option<String> {
    let near = near(name, names);
    if !near.is_empty() {
        return Some(format!("did you mean {}?", listed(&near)));
    }
    if names.is_empty() { None } else { Some(format!("there are {}", listed(names))) }
}

/// The names within a third of the letters of the longer, nearest first; behind them names that end in `.name`.
fn near<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    if name.len() > COMPARED_MAX {
        return Vec::new();
    }
    let wanted = name.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = Vec::new();
    for candidate in names.iter().filter(|candidate| candidate.len() <= COMPARED_MAX) {
        let lower = candidate.to_ascii_lowercase();
        let distance_max = (wanted.len().max(lower.len()) / 3).max(1);
        let distance = strsim::damerau_levenshtein(&wanted, &lower);
        let qualified = lower.strip_suffix(&wanted).is_some_and(|view| view.ends_with('.'));
        if distance <= distance_max {
            near.push((distance, candidate));
        } else if qualified {
            near.push((COMPARED_MAX, candidate));
        }
    }
    near.sort_by_key(|(distance, _)| *distance);
    near.dedup();
    near.into_iter().take(NEAR_MAX).map(|(_, candidate)| candidate).collect()
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

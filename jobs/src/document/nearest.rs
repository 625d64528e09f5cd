//! Which name was probably meant.

/// Names longer than this are compared with nothing.
const NAME_CHARS_MAX: usize = 100;

/// The candidate nearest to `name`, if one is near enough to be worth suggesting: at most a third
/// of the longer name's characters (but at least one) inserted, removed, replaced or swapped, upper
/// and lower case taken as equal. Of equally near ones the first that begins with `name`, else the
/// first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        return None;
    }
    let mut best: Option<((usize, bool), &str)> = None;
    for candidate in candidates {
        let chars = candidate.chars().count();
        if chars > NAME_CHARS_MAX {
            continue;
        }
        let distance = strsim::osa_distance(&wanted, &candidate.to_lowercase());
        let near = distance <= (length.max(chars) / 3).max(1);
        let rank = (distance, !candidate.starts_with(name));
        if near && best.is_none_or(|(least, _)| rank < least) {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The candidate that `name` was probably meant to be, by a slip of the hand: at most one character
/// for each dozen (and one more) inserted, removed, replaced or swapped. Far stricter than
/// [`nearest`], for names that may well be somebody else's.
pub fn mistyped<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = |near: &str| strsim::osa_distance(name, near) <= 1 + near.chars().count() / 12;
    nearest(name, candidates).filter(|near| slips(near))
}

#[cfg(test)]
mod tests {
    use super::{mistyped, nearest};

    #[test]
    fn a_slip_of_the_hand_is_less_than_nearness() {
        assert_eq!(mistyped("LOGLEVEL", ["LOG_LEVEL"]), Some("LOG_LEVEL"));
        assert_eq!(nearest("REDIS_USER", ["REDIS_URL"]), Some("REDIS_URL"));
        assert_eq!(mistyped("REDIS_USER", ["REDIS_URL"]), None);
    }

    #[test]
    fn a_swapped_letter_finds_the_name() {
        assert_eq!(nearest("widnow", ["where", "window"]), Some("window"));
        assert_eq!(nearest("WINDOW", ["where", "window"]), Some("window"));
    }

    #[test]
    fn nothing_is_suggested_for_a_name_far_from_all() {
        assert_eq!(nearest("colour", ["where", "window"]), None);
        assert_eq!(nearest("", ["where", "window"]), None);
        assert_eq!(nearest(&"w".repeat(101), ["where", "window"]), None);
    }

    #[test]
    fn a_name_that_goes_on_wins_over_others_as_near() {
        assert_eq!(nearest("mi", ["ms", "min"]), Some("min"));
    }

    #[test]
    fn the_first_of_equally_near_names_wins() {
        assert_eq!(nearest("card_c", ["card_a", "card_b"]), Some("card_a"));
    }
}

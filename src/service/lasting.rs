//! Since when what is wrong has been so.
//!
//! Bound: as many troubles as there are now.

use crate::connect::millis;
use crate::http::overview::JobTrouble;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// When each trouble there is now was first seen.
#[derive(Debug, Default)]
pub(super) struct Lasting(Mutex<HashMap<String, Instant>>);

impl Lasting {
    /// Tells each of `troubles`, which are all there are at `now`, how long it has been there.
    pub(super) fn tell(&self, troubles: &mut [JobTrouble], now: Instant) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.retain(|what, _| troubles.iter().any(|trouble| trouble.what == *what));
        for trouble in troubles {
            let since = *first.entry(trouble.what.clone()).or_insert(now);
            trouble.lasts = millis(now.saturating_duration_since(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_wrong_lasts_from_when_it_was_first_seen_until_it_is_over() {
        let (lasting, start) = (Lasting::default(), Instant::now());
        let told = |after: u64, what: &[&str]| -> Vec<u64> {
            let of = |what: &&str| JobTrouble { what: (*what).to_owned(), ..JobTrouble::default() };
            let mut troubles: Vec<_> = what.iter().map(of).collect();
            lasting.tell(&mut troubles, start + Duration::from_millis(after));
            troubles.iter().map(|trouble| trouble.lasts).collect()
        };
        assert_eq!(told(0, &["disk"]), [0]);
        assert_eq!(told(1_500, &["store", "disk"]), [0, 1_500]);
        assert_eq!(told(2_000, &["store"]), [500]);
        assert_eq!(told(3_000, &["disk", "store"]), [0, 1_500], "it was over in between");
    }
}

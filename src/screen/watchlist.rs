//! Which entities the table shows: the hottest, without hopping about.

/// The entities in the table. One keeps its line while it is hot, and for a while after, so that
/// its values can be seen decaying; then the hottest entity that is not shown takes the line.
#[derive(Clone, Debug, Default)]
pub struct Watchlist {
    shown: Vec<WatchLine>,
}

#[derive(Clone, Debug)]
struct WatchLine {
    id: String,
    /// Looks since it was last hot.
    cool: u32,
}

impl Watchlist {
    /// The entities to show, at most `lines`, given the hottest ones now (the hottest first). One
    /// that was not hot in the last `linger` calls is replaced.
    pub fn choose(&mut self, hottest: &[String], lines: usize, linger: u32) -> Vec<String> {
        for line in &mut self.shown {
            let hot = hottest.iter().take(lines).any(|id| *id == line.id);
            line.cool = if hot { 0 } else { line.cool.saturating_add(1) };
        }
        self.shown.truncate(lines);
        for id in hottest.iter().take(lines) {
            if self.shown.iter().any(|line| line.id == *id) {
                continue;
            }
            let fresh = WatchLine { id: id.clone(), cool: 0 };
            if self.shown.len() < lines {
                self.shown.push(fresh);
            } else if let Some(coolest) = self.shown.iter_mut().max_by_key(|line| line.cool)
                && coolest.cool > linger
            {
                *coolest = fresh;
            }
        }
        self.shown.iter().map(|line| line.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_line_keeps_its_entity_until_it_has_been_cool_for_long_enough() {
        let mut list = Watchlist::default();
        assert_eq!(list.choose(&ids("a b c"), 2, 2), ids("a b"));
        assert_eq!(list.choose(&ids("b a"), 2, 2), ids("a b"));
        assert_eq!(list.choose(&ids("c b"), 2, 2), ids("a b"));
        assert_eq!(list.choose(&ids("c b"), 2, 2), ids("a b"));
        assert_eq!(list.choose(&ids("c b"), 2, 2), ids("c b"));
        assert_eq!(list.choose(&ids("b"), 2, 2), ids("c b"));
    }
}

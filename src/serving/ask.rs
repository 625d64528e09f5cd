//! A compiled question: which values of which rows stand where in the answer.

/// A question, without the entities.
#[derive(Debug, Default)]
pub(super) struct AskedFeatures {
    /// View and feature of each column of the answer.
    pub columns: Vec<(usize, usize)>,
    /// Their names as JSON.
    pub names: Vec<String>,
    /// The views, in the order in which they first appear.
    pub views: Vec<usize>,
    /// What is read of each entity type.
    pub groups: Vec<Group>,
}

/// What is read of one entity type.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub entity: usize,
    /// The views, by job index.
    pub views: Vec<usize>,
    /// By view what is read of it.
    pub reads: Vec<Reads>,
}

/// What is read of a row.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Features, by job index. The first is one that every row has a value of, where there is one: a
    /// row without it is none.
    pub features: Vec<usize>,
    /// Whether the first is that one.
    pub witnessed: bool,
    /// Column of the answer, and which of `features` stands there.
    pub columns: Vec<(usize, usize)>,
}

impl Group {
    /// Adds a column.
    pub fn add(&mut self, view: usize, witness: Option<usize>, column: usize, feature: usize) {
        let place = match self.views.iter().position(|known| *known == view) {
            Some(place) => place,
            None => {
                self.views.push(view);
                let features = witness.into_iter().collect();
                let witnessed = witness.is_some();
                self.reads.push(Reads { features, witnessed, ..Reads::default() });
                self.views.len() - 1
            }
        };
        let Some(reads) = self.reads.get_mut(place) else { return };
        let at = match reads.features.iter().position(|known| *known == feature) {
            Some(at) => at,
            None => {
                reads.features.push(feature);
                reads.features.len() - 1
            }
        };
        reads.columns.push((column, at));
    }
}

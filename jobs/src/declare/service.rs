//! `[services.NAME]`: the features that one model asks for.

use crate::document::{At, Table};

/// A feature service as it was written.
#[derive(Debug)]
pub(crate) struct ServiceDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    /// Views of which it has all features.
    pub(crate) views: Vec<At<String>>,
    /// Single features, `view.feature`.
    pub(crate) features: Vec<At<String>>,
}

impl ServiceDeclared {
    pub(super) fn read(name: At<String>, mut table: Table<'_>) -> Self {
        let description = table.text("description").map(|text| text.value).unwrap_or_default();
        if !table.has("views") && !table.has("features") {
            table.need("views");
        }
        let views = table.texts("views").unwrap_or_default();
        let features = table.texts("features").unwrap_or_default();
        table.finish();
        ServiceDeclared { name, description, views, features }
    }
}

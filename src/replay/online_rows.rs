//! The final live rows as lines of JSON, sorted by view in job order and entity id.

use crate::failure::Failure;
use crate::online::{OnlineStore, Row, text};
use crate::whole_file::WholeFile;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use tidemark_operators::json::push_json_text;
use tidemark_operators::plan::{EntityPlan, Plan, ViewPlan};

/// Writes the rows of `store` to `file`, which is to be called `path`.
pub(super) fn write(
    path: &Path,
    file: &WholeFile,
    plan: &Plan,
    store: &dyn OnlineStore,
) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::failed(format!("writing live rows to {}: {error}", path.display()))
    };
    let mut file = BufWriter::with_capacity(1 << 20, file.writer());
    let mut line = Vec::new();
    for (at, index) in plan.views.iter().enumerate() {
        let Some(view) = plan.view(at) else { continue };
        for (id, row) in store.rows(at) {
            line.clear();
            push_row(view, &plan.entities[index.entity], &id, &row, &mut line);
            file.write_all(&line).map_err(failed)?;
        }
    }
    file.flush().map_err(failed)
}

fn push_row(view: &ViewPlan, entity: &EntityPlan, id: &[u8], row: &Row, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"view\":");
    push_json_text(view.name.as_bytes(), line);
    line.extend_from_slice(b",\"entity_type\":");
    push_json_text(entity.name.as_bytes(), line);
    line.extend_from_slice(b",\"entity_id\":");
    push_json_text(id, line);
    line.extend_from_slice(format!(",\"as_of\":{},\"features\":{{", row.as_of).as_bytes());
    for (at, (feature, value)) in view.features.iter().zip(&row.values).enumerate() {
        if at > 0 {
            line.push(b',');
        }
        push_json_text(feature.name.as_bytes(), line);
        line.push(b':');
        text::json(value, line);
    }
    line.extend_from_slice(b"}}\n");
}

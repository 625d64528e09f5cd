//! What checkpoints cost, and how far one is read that a job goes on from.

use super::exposition::Exposition;
use super::snapshot::CheckpointSnapshot;

/// Segments that are listed and merged, and bytes by what was written.
pub(super) fn written(out: &mut Exposition, checkpoints: &CheckpointSnapshot) {
    let mut whole = out.counter(
        "tidemark_checkpoints_total",
        "Checkpoints of this run that are whole, those in which nothing had changed included.",
    );
    let mut age = out.gauge(
        "tidemark_checkpoint_age_seconds",
        "How long ago the newest checkpoint was whole, in seconds: a restart reads again what came since.",
    );
    if let Some(since) = checkpoints.age {
        whole.count(&[], checkpoints.committed);
        age.sample(&[], since.as_secs_f64());
    }
    let mut segments = out.gauge(
        "tidemark_checkpoint_segments",
        "Segments of rows that the newest checkpoint of this run lists.",
    );
    segments.count(&[], checkpoints.segments);
    let mut forgotten = out.gauge(
        "tidemark_forgotten_entities",
        "Entities that were forgotten and of which the state may still have rows on disk.",
    );
    forgotten.count(&[], checkpoints.forgotten);
    let mut bytes = out.counter(
        "tidemark_checkpoint_bytes_total",
        "Bytes of checkpoints: of new rows, of segments that small ones were merged into, of snapshots, of \
         versions of reference tables.",
    );
    bytes.count(&[("kind", "rows")], checkpoints.row_bytes);
    bytes.count(&[("kind", "merged")], checkpoints.merged_bytes);
    bytes.count(&[("kind", "snapshot")], checkpoints.snapshot_bytes);
    bytes.count(&[("kind", "tables")], checkpoints.table_bytes);
    let mut versions = out.gauge(
        "tidemark_table_versions_kept",
        "Versions of a reference table in the state, which events may still be looked up in.",
    );
    for (table, held) in &checkpoints.table_versions {
        versions.count(&[("table", table)], *held);
    }
    let mut merged = out.counter(
        "tidemark_checkpoint_merged_segments_total",
        "Segments of checkpoints that were merged into larger ones.",
    );
    merged.count(&[], checkpoints.merged_segments);
    let mut restore = out.gauge(
        "tidemark_restore_bytes",
        "Bytes of the checkpoint that the job goes on from: all, and those that are read.",
    );
    restore.count(&[("part", "all")], checkpoints.restore_bytes);
    restore.count(&[("part", "read")], checkpoints.restored_bytes);
    for family in [whole, age, segments, bytes, versions, merged, restore] {
        out.add(family);
    }
}

//! What a running job reads and what it writes.

use crate::config::{CLUSTER_FILE, DeadLetterKind, Settings};
use crate::file_roles::FileRoles;
use crate::job_file;
use std::path::Path;
use tidemark_operators::plan::Plan;

/// The files of a run.
pub(super) fn of(
    (job, cluster): (&str, Option<&Path>),
    plan: &Plan,
    settings: &Settings,
) -> FileRoles {
    let mut roles = FileRoles::default();
    job_file::is_read(job, &mut roles);
    roles.reads("the settings", cluster.unwrap_or(Path::new(CLUSTER_FILE)));
    for source in &plan.sources {
        source
            .files
            .iter()
            .for_each(|file| roles.reads(format!("source \"{}\"", source.name), file));
    }
    job_file::tables_are_read(plan, |_| true, &mut roles);
    let (registry, redis) = (&settings.registry.tls, &settings.online.redis.tls);
    let secrets = [&registry.ca_file, &redis.ca_file, &redis.cert_file, &redis.key_file];
    for file in secrets.into_iter().flatten() {
        roles.reads("the file for TLS", file);
    }
    if let Some(path) = &settings.sealed.path {
        roles.writes("\"path\" in [sealed]", path);
    }
    if settings.dead_letters.kind == DeadLetterKind::File {
        roles.writes("\"path\" in [dead_letters]", &settings.dead_letters.path);
    }
    roles
}

//! Tables of PostgreSQL that sealed rows go to.

use crate::cli::RowTimes;
use crate::config::keys::{Keys, choose, not_empty};
use crate::config::secret::Secret;

/// Tables of PostgreSQL that sealed rows are written to from their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Where it is, with the user and the password: `postgres://user:password@host:5432/database`. By default
    /// there is none.
    pub url: Option<Secret>,
    /// A file of certificates to trust beside those of the system.
    pub tls_ca_file: Option<String>,
    /// The schema that the tables are in; default `tidemark`.
    pub schema: String,
    /// At which times sealed rows are written; default at those of events.
    pub rows: RowTimes,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        let schema = "tidemark".to_owned();
        PostgresSettings { url: None, tls_ca_file: None, schema, rows: RowTimes::Events }
    }
}

/// Bytes of a name that PostgreSQL keeps.
const NAME_BYTES_MAX: usize = 63;

impl PostgresSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        // A password may be in it.
        keys.secret("url", &is_url, &mut self.url);
        keys.optional_text("tls_ca_file", &not_empty, &mut self.tls_ca_file);
        keys.text("schema", &is_name, &mut self.schema);
        choose(keys, "rows", &mut self.rows);
    }
}

/// Whether `text` is a URL of PostgreSQL.
///
/// # Errors
/// What it must be. The message does not quote it, as it may hold a password.
pub(crate) fn is_url(text: &str) -> Result<(), String> {
    let form = "must be postgres://user:password@host:5432/database, with ?sslmode=require or ?sslmode=disable \
                where that is to be so; an @ in the name of the user or in the password is written %40";
    let is_scheme = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    #[cfg(feature = "postgres")]
    let is_scheme = is_scheme
        && text
            .parse::<tokio_postgres::Config>()
            .is_ok_and(|config| !config.get_hosts().is_empty());
    // What stands behind the first would be taken for the host, and shown.
    let is_scheme = is_scheme && text.matches('@').count() <= 1;
    if is_scheme { Ok(()) } else { Err(form.to_owned()) }
}

fn is_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.starts_with("pg_") {
        return Err(format!("must have 1 to {NAME_BYTES_MAX} bytes, and not begin with pg_"));
    }
    Ok(())
}

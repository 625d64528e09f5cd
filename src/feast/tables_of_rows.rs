//! History in tables of PostgreSQL: what Feast's own store of them is told.

use crate::cli::RowTimes;
use crate::config::PostgresSettings;

/// Where the tables are.
#[derive(Debug)]
pub(super) struct TablesOfRows {
    schema: String,
    /// At which times they have rows.
    pub rows: RowTimes,
    /// `offline_store` of feature_store.yaml, without its first line.
    store: String,
}

impl TablesOfRows {
    /// Those of `settings`.
    ///
    /// # Errors
    /// When Feast cannot be told where they are.
    pub(super) fn of(settings: &PostgresSettings) -> Result<Self, String> {
        let (schema, rows) = (settings.schema.clone(), settings.rows);
        Ok(TablesOfRows { schema, rows, store: store(settings)? })
    }

    pub(super) fn store(&self) -> String {
        self.store.clone()
    }

    /// The table of `view`, as SQL has it.
    pub(super) fn table(&self, view: &str) -> String {
        format!("{}.{}", sql_name(&self.schema), sql_name(view))
    }
}

/// A name as SQL has it.
fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(not(feature = "postgres"))]
fn store(_: &PostgresSettings) -> Result<String, String> {
    Err("\"url\" in [offline.postgres] needs a program that is built with its feature \"postgres\""
        .to_owned())
}

#[cfg(feature = "postgres")]
fn store(settings: &PostgresSettings) -> Result<String, String> {
    use crate::config::Secret;
    use std::fmt::Write as _;
    use tidemark_operators::json::quoted;
    use tokio_postgres::Config;
    use tokio_postgres::config::SslMode;

    let url = settings.url.as_ref().map_or("", Secret::reveal);
    // The error may quote a part of it.
    let config = url.parse::<Config>().map_err(|_| {
        "the URL of PostgreSQL must be postgres://user:password@host:5432/database".to_owned()
    })?;
    let Some(user) = config.get_user() else {
        return Err(
            "Feast has to be told the user: name one in \"url\" in [offline.postgres]".to_owned()
        );
    };
    let (host, port) = server(&config)?;
    let mut out = "  type: postgres\n".to_owned();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  host: {}\n  port: {port}", quoted(&host));
    let _ = writeln!(out, "  database: {}", quoted(config.get_dbname().unwrap_or(user)));
    let _ = writeln!(out, "  db_schema: {}", quoted(&search_path(&settings.schema)));
    let _ = writeln!(out, "  user: {}", quoted(user));
    // Feast puts variables in.
    out += match config.get_password() {
        Some(_) => "  password: '${POSTGRES_PASSWORD}'\n",
        None => "  password: ''\n",
    };
    let ca_file = settings.tls_ca_file.as_deref().map(std::path::absolute).transpose();
    let ca_file = ca_file.map_err(|error| {
        format!("cannot tell where \"tls_ca_file\" in [offline.postgres] is: {error}")
    })?;
    let ca_file = ca_file.map(|file| file.display().to_string());
    match config.get_ssl_mode() {
        SslMode::Disable => out += "  sslmode: disable\n",
        // What Tidemark checks by itself.
        SslMode::Require => {
            let ca_file = ca_file.as_deref().unwrap_or("system");
            let _ =
                writeln!(out, "  sslmode: verify-full\n  sslrootcert_path: {}", quoted(ca_file));
        }
        _ => out += "  sslmode: prefer\n",
    }
    Ok(out)
}

/// The servers and their port.
///
/// # Errors
/// When there are several ports: Feast has one.
#[cfg(feature = "postgres")]
fn server(config: &tokio_postgres::Config) -> Result<(String, u16), String> {
    use tokio_postgres::config::Host;

    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(host) => host.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports();
    let port = ports.first().copied().unwrap_or(5432);
    if ports.iter().any(|other| *other != port) {
        return Err(
            "Feast's PostgreSQL store has one port for all servers, and \"url\" in [offline.postgres] has \
             several: name one server there for `tidemark feast`"
                .to_owned(),
        );
    }
    Ok((hosts.collect::<Vec<_>>().join(","), port))
}

/// A schema as Feast puts it into the options of a connection, where blanks part options, and commas
/// schemas.
#[cfg(feature = "postgres")]
fn search_path(schema: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if schema.chars().all(is_plain) && !schema.starts_with(|c: char| c.is_ascii_digit()) {
        return schema.to_owned();
    }
    let mut out = String::new();
    for c in sql_name(schema).chars() {
        if c == '\\' || c.is_ascii_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn written(url: &str, schema: &str) -> Result<String, String> {
        let settings = PostgresSettings {
            url: Some(Secret::new(url)),
            schema: schema.to_owned(),
            ..PostgresSettings::default()
        };
        TablesOfRows::of(&settings).map(|tables| tables.store())
    }

    #[test]
    fn feast_is_told_where_the_tables_are_and_never_the_password() {
        let store = written("postgres://me:hunter2@db:5433/f?sslmode=require", "tidemark").unwrap();
        let told = "  type: postgres\n  host: \"db\"\n  port: 5433\n  database: \"f\"\n  \
                    db_schema: \"tidemark\"\n  user: \"me\"\n  password: '${POSTGRES_PASSWORD}'\n  \
                    sslmode: verify-full\n  sslrootcert_path: \"system\"\n";
        assert_eq!(store, told);
        let store = written("postgres://me@a,b/f?sslmode=disable", "of mine").unwrap();
        assert!(store.contains("  host: \"a,b\"\n  port: 5432\n"), "{store}");
        assert!(store.contains("  password: ''\n  sslmode: disable\n"), "{store}");
        assert!(store.contains(r#"  db_schema: "\"of\\ mine\"""#), "{store}");
        assert!(written("postgres://me@a:1,b:2/f", "t").unwrap_err().contains("one port"));
        assert!(written("postgres://db/f", "t").unwrap_err().contains("the user"));
    }
}

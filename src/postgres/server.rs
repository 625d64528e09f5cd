//! Where PostgreSQL is, and a connection to it.

use crate::config::Secret;
use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a transaction, or any other answer, may take; then the connection is given up, and a new one is
/// made.
pub(super) const ANSWER: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody waits for an answer.
const LOOK: Duration = Duration::from_millis(20);

/// What every connection is set to, whatever the server's own settings are. A transaction whose client has
/// gone without a word holds others up for a minute.
const SETTINGS: &str = "set synchronous_commit = on; set timezone = 'UTC'; set client_min_messages = warning; \
     set statement_timeout = '60s'; set lock_timeout = '30s'; \
     set idle_in_transaction_session_timeout = '60s'; set standard_conforming_strings = on";

/// Where PostgreSQL is.
#[derive(Clone, Debug)]
pub struct PostgresAddress {
    /// Its URL, with the user and the password: `postgres://user:password@host:5432/database`.
    pub url: Secret,
    /// A file of certificates to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What the server's log knows the connections by.
    pub application: String,
}

/// Reaches PostgreSQL. See the module.
pub struct PostgresServer {
    config: Config,
    tls: MakeTlsConnector,
    runtime: Runtime,
}

/// A connection.
pub(super) struct PostgresSession {
    pub client: Client,
    driver: JoinHandle<()>,
}

impl Drop for PostgresSession {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum PostgresTrouble {
    /// The server, or the way to it.
    Server(tokio_postgres::Error),
    /// What is there is not what has to be; says what to do.
    Unfit(String),
    /// Nobody answers, or nobody waits for the answer.
    NoAnswer(String),
    /// Another run of the job writes.
    TakenOver,
}

impl From<tokio_postgres::Error> for PostgresTrouble {
    fn from(why: tokio_postgres::Error) -> Self {
        PostgresTrouble::Server(why)
    }
}

impl PostgresServer {
    /// Reaches for nothing yet.
    ///
    /// # Errors
    /// When the URL or the file of certificates is none.
    pub fn new(address: &PostgresAddress) -> Result<Self, String> {
        let parsed: Result<Config, _> = address.url.reveal().parse();
        // The error may quote a part of it.
        let mut config = parsed.map_err(|_| {
            "the URL of PostgreSQL must be postgres://user:password@host:5432/database".to_owned()
        })?;
        config.connect_timeout(CONNECT).tcp_user_timeout(ANSWER).keepalives_idle(LOOK * 500);
        config.application_name(&address.application);
        let mut tls = TlsConnector::builder();
        if let Some(file) = &address.ca_file {
            let shown = file.display();
            let pem = std::fs::read(file)
                .map_err(|why| format!("cannot read the certificates '{shown}': {why}"))?;
            let ca = Certificate::from_pem(&pem)
                .map_err(|why| format!("the file '{shown}' has no certificate (PEM): {why}"))?;
            tls.add_root_certificate(ca);
        }
        let tls = tls.build().map_err(|why| format!("cannot prepare TLS for PostgreSQL: {why}"))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| format!("cannot wait for PostgreSQL: {why}"))?;
        Ok(PostgresServer { config, tls: MakeTlsConnector::new(tls), runtime })
    }

    /// Where it is, for people: without the user and the password.
    pub fn shown(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<_> = hosts.collect();
        let ports: Vec<_> = self.config.get_ports().iter().map(u16::to_string).collect();
        let port = if ports.is_empty() { "5432".to_owned() } else { ports.join(",") };
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}:{port}/{database}", hosts.join(","))
    }

    pub(super) async fn connect(&self) -> Result<PostgresSession, PostgresTrouble> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(async move {
            // The client is told what its connection ended with.
            let _ = connection.await;
        });
        let session = PostgresSession { client, driver };
        session.client.batch_execute(SETTINGS).await?;
        Ok(session)
    }

    /// Waits for `work`, while `go_on` says so.
    pub(super) fn wait<T>(
        &self,
        go_on: &dyn Fn() -> bool,
        work: impl Future<Output = Result<T, PostgresTrouble>>,
    ) -> Result<T, PostgresTrouble> {
        let gives_up = async {
            while go_on() {
                tokio::time::sleep(LOOK).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                () = gives_up => Err(PostgresTrouble::NoAnswer("it was given up while it lasted".to_owned())),
                () = tokio::time::sleep(ANSWER) => Err(PostgresTrouble::NoAnswer(format!(
                    "no answer within {} s; see whether it runs, and what it waits for \
                     (`select * from pg_stat_activity`)",
                    ANSWER.as_secs()
                ))),
            }
        })
    }

    /// What went wrong while `what`, for people, and what to do.
    pub(super) fn tell(&self, what: &str, trouble: &PostgresTrouble) -> String {
        let why = match trouble {
            PostgresTrouble::Server(why) => told(why),
            PostgresTrouble::Unfit(why) | PostgresTrouble::NoAnswer(why) => why.clone(),
            PostgresTrouble::TakenOver => "another run of the job writes there".to_owned(),
        };
        format!("{what} PostgreSQL at {}: {why}", self.shown())
    }
}

/// An error of the client with its causes; one of the server with its code.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(why) = error.as_db_error() {
        // Its detail may quote a row.
        return format!("{} (SQLSTATE {})", why.message(), why.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(why) = source {
        text = format!("{text}: {why}");
        source = why.source();
    }
    match text.contains("certificate") {
        true => text + "; name its authority by \"tls_ca_file\" in [offline.postgres]",
        false => text,
    }
}

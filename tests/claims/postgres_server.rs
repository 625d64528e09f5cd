//! PostgreSQL servers for tests, and what others read there.

use crate::files::Ended;
use crate::folder::Folder;
use crate::run::command;
use crate::servers::Server;
use std::process::{Command, Stdio};

/// The variable that says where it is.
pub const URL: &str = "POSTGRES_URL";

/// A PostgreSQL server of a test's own.
pub struct Postgres(Server);

impl Postgres {
    /// Starts one; `arguments` as `scripts/postgres start` takes them. It does not wait for its disk: tests end
    /// its processes, and no power.
    pub fn start(arguments: &[&str]) -> Postgres {
        Postgres(Server::start("postgres", &[&["--set", "fsync = off"], arguments].concat()))
    }

    /// Where it is, with the password.
    pub fn url(&self) -> &str {
        self.0.value("URL")
    }

    /// The certificate to trust.
    pub fn ca(&self) -> &str {
        self.0.value("CA")
    }

    /// Stops it as a power cut would.
    pub fn kill(&self) {
        self.0.stop(true);
    }

    /// Starts it again.
    pub fn start_again(&self) {
        self.0.restart(true);
    }

    /// Stops (`STOP`) or goes on (`CONT`) with what answers those who are connected by `application`.
    pub fn signal(&self, application: &str, signal: &str) {
        let who =
            format!("select pid from pg_stat_activity where application_name = '{application}'");
        for pid in self.ask(&who).split_whitespace() {
            let sent = Command::new("kill").args(["-s", signal, pid]).status();
            assert!(sent.unwrap().success());
        }
    }

    /// What psql prints of `sql`: a line a row, columns parted by `|`.
    pub fn ask(&self, sql: &str) -> String {
        self.try_ask(sql).unwrap_or_else(|why| panic!("{sql}: {why}"))
    }

    /// The same, or what psql says that is wrong.
    pub fn try_ask(&self, sql: &str) -> Result<String, String> {
        let mut psql = Command::new("psql");
        psql.args(["-qtAX", "-v", "ON_ERROR_STOP=1", "-d", self.url(), "-c", sql]);
        let output = psql
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|why| panic!("cannot start psql ({why}); run scripts/setup first"));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Makes the tables of `job`.
    pub fn init(&self, folder: &Folder, job: &str) -> Ended {
        let init = ["offline", "init", job];
        command()
            .args(init)
            .current_dir(folder.path())
            .env(URL, self.url())
            .output()
            .unwrap()
            .into()
    }
}

//! Stock Feast, in the environment that `scripts/feast` makes.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The folder of the environment.
pub fn environment() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/feast");
        let output = Command::new(script).arg("path").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script} path` failed\n{said}");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// A repository, and the commands of Feast in it.
pub struct Feast<'a> {
    repo: &'a Path,
}

impl<'a> Feast<'a> {
    pub fn new(repo: &'a Path) -> Feast<'a> {
        Feast { repo }
    }

    /// Runs a command that must succeed; what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "feast {arguments:?}\n{printed}{said}");
        printed
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(environment().join("bin/feast"));
        command.args(arguments).current_dir(self.repo).env("FEAST_USAGE", "False");
        command
    }
}

/// A process that reads through Feast's own library. Killed with the test.
pub struct Reader {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    pub fn start(repo: &Path) -> Reader {
        Reader::with(repo, &[])
    }

    /// With variables.
    pub fn with(repo: &Path, variables: &[(&str, &str)]) -> Reader {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/feast/reader.py");
        let mut child = Command::new(environment().join("bin/python"))
            .arg(script)
            .arg(repo)
            .current_dir(repo)
            .env("FEAST_USAGE", "False")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Reader { child, questions, answers: BufReader::new(answers) }
    }

    /// The answer to a question, which `reader.py` explains.
    pub fn ask(&mut self, question: &Value) -> Value {
        let answer = self.told(question);
        assert_eq!(answer.get("error"), None, "{question}");
        answer
    }

    /// The answer, which may be an error.
    pub fn told(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The image, as a folder: what the Dockerfile copies, in which programs are run as its user.

use crate::folder::Folder;
use crate::run::until;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const DOCKERFILE: &str = include_str!("../../../scripts/docker/Dockerfile");

/// What the Dockerfile says of the image's last stage.
pub fn instruction(name: &str) -> Vec<String> {
    let (_, last) = DOCKERFILE.split_once("FROM scratch\n").expect("a last stage of nothing");
    let joined = last.replace("\\\n", " ");
    let begins = format!("{name} ");
    joined.lines().filter_map(|line| line.strip_prefix(&begins)).map(str::to_owned).collect()
}

/// The words of an instruction in JSON.
pub fn words(text: &str) -> Vec<String> {
    serde_json::from_str(&text[text.find('[').unwrap()..]).unwrap()
}

/// The image.
pub struct Image {
    folder: Folder,
    user: String,
    env: Vec<(String, String)>,
}

impl Image {
    /// Made by what the Dockerfile runs, of the program that is tested.
    pub fn new() -> Image {
        assert!(DOCKERFILE.contains("scripts/docker/rootfs target/release/tidemark /rootfs\n"));
        assert_eq!(instruction("COPY"), ["--from=build /rootfs /"]);
        let folder = Folder::new("image");
        let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/docker/rootfs"))
            .arg(env!("CARGO_BIN_EXE_tidemark"))
            .arg(folder.file("root"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [user] = instruction("USER").try_into().unwrap();
        let env = instruction("ENV").into_iter().map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        let env = env.collect();
        Image { folder, user, env }
    }

    pub fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    /// A file in it, as a volume would put it there.
    pub fn mount(&self, path: &str, text: &str) {
        self.folder.write(&format!("root/{path}"), text);
    }

    /// The program of the image with these words, in a root that has nothing else but `/proc`.
    fn command(&self, words: &[String], env: &[(String, String)]) -> Command {
        let mut command = Command::new("unshare");
        let enter =
            "mount --rbind /proc \"$0/proc\" && exec chroot --userspec=\"$1\" \"$0\" \"${@:2}\"";
        command
            .args(["--map-root-user"].iter().filter(|_| !is_root()))
            .args(["--mount", "--propagation", "private", "bash", "-c", enter])
            .arg(self.root())
            .arg(if is_root() { &self.user } else { "0:0" })
            .args(words)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .envs(self.env.iter().chain(env).map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn output(&self, words: &[String], env: &[(String, String)]) -> Output {
        self.command(words, env).output().unwrap()
    }

    /// Starts it.
    pub fn start(&self, words: &[String], env: &[(String, String)]) -> Container {
        let log = self.folder.path().join(format!("log-{}", words.last().unwrap().len()));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = self.command(words, env).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Container { child, log }
    }
}

/// Whether the tests run as root: only then can a program be run as another user.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A running program of the image.
pub struct Container {
    child: Child,
    log: std::path::PathBuf,
}

impl Container {
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub fn is_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("ended with {status}\n{}", self.log());
        }
    }

    /// Sends a signal to its first process, as who stops a container does.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// The user as whom it runs.
    pub fn user(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    }

    /// Sees that it ends well within so long of now.
    pub fn ends_within(&mut self, grace: Duration) {
        let asked = Instant::now();
        let mut ended = None;
        until("the end", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(0), "{}", self.log());
        assert!(asked.elapsed() < grace, "{:?}: {}", asked.elapsed(), self.log());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All files below a folder, by their paths in it.
pub fn files(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    found.push(entry.path().strip_prefix(folder).unwrap().display().to_string())
                }
            }
        }
    }
    found
}

//! A disk that is full, and is enlarged: no row is lost, and none is there twice.

use crate::deployment::image::is_root;
use crate::folder::Folder;
use crate::half_log::HalfLog;
use crate::row_sink::World;
use crate::run::{self, command, settings, until};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A small disk that only those see who are started on it. It outlasts them, and ends with the test.
struct SmallDisk {
    at: PathBuf,
    holder: Child,
}

impl SmallDisk {
    /// One of this size at the folder `at`.
    fn new(at: PathBuf, size: &str) -> SmallDisk {
        std::fs::create_dir_all(&at).unwrap();
        let mut holder = Command::new("unshare");
        holder
            .args(["--map-root-user"].iter().filter(|_| !is_root()))
            .args(["--mount", "--propagation", "private", "bash", "-c"])
            .arg(format!(
                "mount -t tmpfs -o size={size} tmpfs \"$0\" && echo there && exec sleep infinity"
            ))
            .arg(&at);
        let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = [0; 6];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
        SmallDisk { at, holder }
    }

    /// What runs the program of the arguments that follow where the disk is seen.
    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--preserve-credentials"].iter().filter(|_| !is_root()));
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let ended = self.enter().arg(program).args(arguments).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    }

    /// The job's program on it.
    fn program(&self) -> Command {
        let mut outer = self.enter();
        let inner = command();
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer.arg(inner.get_program());
        outer
    }

    fn resize(&self, size: &str) {
        let at = self.at.to_str().unwrap();
        self.run("mount", &["-o", &format!("remount,size={size}"), at]);
    }

    /// The paths of all files in a folder of it.
    fn files(&self, folder: &str) -> Vec<String> {
        let folder = self.at.join(folder);
        let found = self.run("find", &[folder.to_str().unwrap(), "-type", "f"]);
        found.lines().map(str::to_owned).collect()
    }

    /// Copies what is there to where everybody sees it.
    fn copy(&self, name: &str, to: &Path) {
        self.run("cp", &["-r", self.at.join(name).to_str().unwrap(), to.to_str().unwrap()]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_roll_has_each_row_once_when_it_has_room_again() {
    let world = World::at(75, "disk/rows", "");
    let expected = run::expected(&world.half.log);
    let disk = SmallDisk::new(world.folder.path().join("disk"), "400k");
    let mut process = world.half.start_by(disk.program(), world.folder.path(), &[]);
    process.until_ready();
    until("health to say that the disk is full", || {
        let (_, health) = process.get("/health").unwrap();
        health.contains("offline_parquet") && health.contains("No space left on device")
    });
    // Of the newest roll it is said what its files have, and not all of them are there.
    let files = disk.files("rows");
    let (rolls, rows): (Vec<_>, Vec<_>) = files.iter().partition(|path| path.contains("/_rolls/"));
    let newest = rolls.iter().filter(|path| path.ends_with(".json")).max().unwrap();
    let views = run::fraud().views.len();
    assert!(rolls.len() > 1 && !rows.is_empty(), "{files:?}");
    assert!(rows.len() < rolls.len() * views, "{newest} is whole: {files:?}");
    // Nobody else waits for it.
    world.half.rest(&expected);
    let (_, metrics) = process.get("/metrics").unwrap();
    assert!(metrics.contains("tidemark_sink_up{sink=\"offline_parquet\"} 0"), "{metrics}");
    disk.resize("1g");
    until("the sink to be up again", || {
        let (_, metrics) = process.get("/metrics").unwrap();
        metrics.contains("tidemark_sink_up{sink=\"offline_parquet\"} 1")
    });
    process.stop("TERM");
    disk.copy("rows", &world.folder.path().join("rows"));
    let left = disk.files("rows").into_iter().find(|path| path.contains("unfinished"));
    assert_eq!(left, None);
    let sealed = std::fs::metadata(world.folder.file("sealed.jsonl")).unwrap().len();
    world.compare(&expected, usize::try_from(sealed).unwrap());
}

#[test]
fn a_disk_of_sealed_rows_that_fills_stops_the_job_which_has_each_row_once_when_it_has_room_again() {
    let (folder, half) = (Folder::new("full-disk"), HalfLog::new(76));
    let expected = run::expected(&half.log);
    let disk = SmallDisk::new(folder.path().join("disk"), "2m");
    let [path, state] = ["disk/sealed.jsonl", "state"].map(|name| folder.file(name));
    let more = format!(
        "[sealed]\npath = {path:?}\n[state]\nurl = {state:?}\ncheckpoint_interval = \"100ms\"\n"
    );
    settings(folder.path(), &more);
    // It stops as often as it is started, and says why.
    for _ in 0..2 {
        let mut process = half.start_by(disk.program(), folder.path(), &[]);
        assert_eq!(process.wait().code(), Some(1), "{}", process.log());
        let says = format!("writing sealed rows to {path}: No space left on device");
        assert!(process.log().contains(&says), "{}", process.log());
    }
    disk.resize("1g");
    let mut process = half.start_by(disk.program(), folder.path(), &[]);
    process.until_ready();
    half.rest(&expected);
    process.stop("TERM");
    disk.copy("sealed.jsonl", &folder.path().join("sealed.jsonl"));
    let sealed = std::fs::read_to_string(folder.file("sealed.jsonl")).unwrap();
    let wrong = sealed.lines().zip(expected.sealed.lines()).find(|(is, should)| is != should);
    assert_eq!(wrong, None);
    assert!(expected.sealed.starts_with(&sealed));
    assert!(sealed.len() > 4 << 20, "{} bytes", sealed.len());
}

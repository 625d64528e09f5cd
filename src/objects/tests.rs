//! What every store keeps, and what a local folder keeps besides.

mod suite;

use super::memory::MemoryObjects;
use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

/// An empty folder, removed at the end.
struct Emptied(PathBuf);

impl Emptied {
    fn new(name: &str) -> Self {
        let name = format!("tidemark-objects-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Emptied(path)
    }
}

impl Drop for Emptied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_keeps_what_every_store_keeps() {
    let folder = Emptied::new("suite");
    suite::keeps_what_every_store_keeps(&LocalObjects::create(&folder.0).unwrap());
}

#[test]
fn objects_of_tests_keep_what_every_store_keeps() {
    suite::keeps_what_every_store_keeps(&MemoryObjects::new());
}

#[test]
fn files_and_folders_are_their_users_alone() {
    let folder = Emptied::new("modes");
    let store = LocalObjects::create(&folder.0.join("deep/store")).unwrap();
    assert_eq!(store.put_new("a/b/c", b"x").unwrap(), Creation::Created);
    store.put("a/b/d", b"x").unwrap();
    let mode = |path: &str| {
        fs::metadata(folder.0.join("deep").join(path)).unwrap().permissions().mode() & 0o7777
    };
    for path in ["", "store", "store/a", "store/a/b"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in ["store/a/b/c", "store/a/b/d"] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
}

#[test]
fn what_a_crash_leaves_is_never_listed_or_read_and_goes_after_a_day() {
    let folder = Emptied::new("leftovers");
    let store = LocalObjects::create(&folder.0).unwrap();
    store.put("a/b", b"x").unwrap();
    let (old, new) = (folder.0.join("a/.unfinished-7-0"), folder.0.join(".unfinished-7-1"));
    for path in [&old, &new] {
        fs::write(path, b"half").unwrap();
    }
    // Even with the number of this process.
    let own = folder.0.join(format!("a/.unfinished-{}-999999", std::process::id()));
    fs::write(&own, b"half").unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let before = std::time::SystemTime::now() - 2 * day;
    fs::File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
    assert_eq!(store.list("").unwrap().len(), 1);
    assert!(store.get("a/.unfinished-7-0").is_err());
    assert_eq!(store.remove_leftovers().unwrap(), 1);
    assert!(!old.exists() && new.exists() && own.exists());
    assert_eq!(store.get("a/b").unwrap().unwrap(), b"x");
}

#[test]
fn links_and_folders_are_no_objects_and_nothing_is_written_through_them() {
    let folder = Emptied::new("links");
    let store = LocalObjects::create(&folder.0.join("store")).unwrap();
    let target = folder.0.join("target");
    fs::write(&target, "precious").unwrap();
    symlink(&target, folder.0.join("store/link")).unwrap();
    assert!(store.get("link").unwrap_err().to_string().contains("symbolic link"));
    assert_eq!(store.list("").unwrap(), []);
    assert_eq!(store.put_new("link", b"x").unwrap(), Creation::Exists);
    store.put("link", b"x").unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(store.get("link").unwrap().unwrap(), b"x");
    store.put("folder/a", b"x").unwrap();
    assert_eq!(store.get("folder").unwrap(), None);
}

#[test]
fn an_error_says_what_was_attempted_on_what_why_and_what_to_do() {
    let folder = Emptied::new("errors");
    let store = LocalObjects::create(&folder.0).unwrap();
    store.put("a", b"x").unwrap();
    let error = store.put("a/b", b"x").unwrap_err().to_string();
    let url = format!("file://{}", folder.0.display());
    assert!(error.starts_with(&format!("could not write object a/b in {url}: ")), "{error}");
    assert!(error.ends_with("; look at the disk and the log of the system"), "{error}");
    let error = LocalObjects::create(&folder.0.join("a")).unwrap_err().to_string();
    assert!(error.starts_with(&format!("could not open the store {}/a: ", &url[7..])), "{error}");
}

#[test]
fn a_disk_that_is_full_is_said_and_leaves_nothing() {
    // A file system of 64 KiB, where the user may mount one.
    let folder = Emptied::new("full");
    let store = LocalObjects::create(&folder.0).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "none", folder.0.to_str().unwrap()];
    let mounted = std::process::Command::new("mount").args(mount).status();
    if !mounted.is_ok_and(|status| status.success()) {
        // Elsewhere it is one that refuses every byte.
        let error = fs::write("/dev/full", b"x").unwrap_err();
        let error = ObjectError::system("write", "a", store.url(), &error).to_string();
        assert!(error.ends_with("; make room there, or keep the state elsewhere"), "{error}");
        return;
    }
    let ended = store.put_new("a", &[7; 100_000]);
    let listed: Vec<_> = fs::read_dir(&folder.0).unwrap().collect();
    let small = store.put_new("a", b"x");
    let unmount = std::process::Command::new("umount").arg(&folder.0).status();
    let error = ended.unwrap_err().to_string();
    assert!(error.ends_with("; make room there, or keep the state elsewhere"), "{error}");
    assert!(listed.is_empty(), "{listed:?}");
    assert_eq!(small.unwrap(), Creation::Created);
    assert!(unmount.unwrap().success());
}

#[test]
fn a_store_is_opened_by_its_url() {
    let folder = Emptied::new("url");
    let path = folder.0.display().to_string();
    for url in [format!("{path}/a"), format!("file://{path}/a")] {
        let _ = fs::remove_dir_all(&folder.0);
        let error = open(&url, Absent::Refused).err().unwrap().to_string();
        assert!(error.starts_with(&format!("could not open the store {path}/a: ")), "{error}");
        let store = open(&url, Absent::Made).unwrap();
        assert!(open(&url, Absent::Refused).is_ok());
        assert_eq!(store.url(), format!("file://{path}/a"));
    }
    for url in ["", "ftp://a/b", "file://host/a", "file://"] {
        let error = open(url, Absent::Made).err().unwrap().to_string();
        assert!(error.starts_with(&format!("could not open the store {url}: ")), "{error}");
        assert!(error.ends_with("name a folder, file:///FOLDER or s3://BUCKET/PREFIX"), "{error}");
    }
    for url in
        ["s3://k:hunter2@bucket/a", "s3://hunter2@bucket", "s3://k:hunter2/a", "S3://k:hunter2@b"]
    {
        let error = open(url, Absent::Refused).err().unwrap().to_string();
        assert!(
            error.starts_with("could not open the store ") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

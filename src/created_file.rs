//! Files that this process creates: for its user alone to read, and never through a link.
//!
//! They hold what people did. Whoever else may write to the folder could put a link there, to have
//! another file of ours overwritten; so a link as the last part of the name is refused. What is no
//! regular file (a pipe, a terminal, `/dev/null`) is opened as it is, and links of the system's own
//! folders `/dev` and `/proc` are followed: `/dev/stdout` is one. A file that is there already keeps
//! its mode.

use crate::named_file::{is_standard, standard_output};
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// What becomes of what a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It goes.
    Removed,
    /// It stays; what is written follows it, and it may be read.
    Kept,
    /// It stays; who writes says where, and it may be read.
    Placed,
}

/// Opens the file at `path` for writing, with mode 0600 when it is created; `-` is standard output.
///
/// # Errors
/// When `path` is a symbolic link, or the system refuses.
pub fn create(path: &Path, held: Held) -> io::Result<File> {
    if is_standard(path) {
        return standard_output();
    }
    let held = match held {
        Held::Removed => OFlags::WRONLY | OFlags::TRUNC,
        Held::Kept => OFlags::APPEND | writing_kept(path),
        Held::Placed => writing_kept(path),
    };
    let link = if is_of_the_system(path) { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = held | link | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    match open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(File::from(file)),
        Err(rustix::io::Errno::LOOP) => Err(link_refused()),
        Err(error) => Err(error.into()),
    }
}

/// Opens the file at `path` for lines that follow those it holds; a last one that was cut off by a
/// crash is ended, so that it spoils no other.
///
/// # Errors
/// As [`create`].
pub fn append_lines(path: &Path) -> io::Result<File> {
    let file = create(path, Held::Kept)?;
    end_lines(&file)?;
    Ok(file)
}

/// Ends the last line of a file where it is cut off, unless it is a pipe or a device; how long the file
/// is then.
///
/// # Errors
/// As [`create`].
pub fn end_lines(file: &File) -> io::Result<u64> {
    let (metadata, mut last) = (file.metadata()?, [b'\n']);
    let length = if metadata.is_file() { metadata.len() } else { 0 };
    if let Some(at) = length.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    if last == *b"\n" {
        return Ok(length);
    }
    file.write_all_at(b"\n", length)?;
    Ok(length + 1)
}

/// A device may only be written to. A named pipe is opened for both, so that nobody has to wait for
/// its reader.
fn writing_kept(path: &Path) -> OFlags {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::metadata(path).map(|held| held.file_type()) {
        Ok(held) if !held.is_file() && !held.is_fifo() => OFlags::WRONLY,
        _ => OFlags::RDWR,
    }
}

/// Why a link is not written through.
pub fn link_refused() -> io::Error {
    io::Error::other("it is a symbolic link, which is not followed; name the file itself")
}

/// Whether the name lies in a folder where only the system makes links.
pub fn is_of_the_system(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.starts_with("/dev") || folder.starts_with("/proc"))
        && !path.starts_with("/dev/shm")
        && !path.components().any(|part| part == std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("created-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn a_created_file_is_its_users_alone_and_one_that_is_there_keeps_its_mode() {
        let folder = folder("mode");
        for held in [Held::Removed, Held::Kept] {
            let path = folder.join(format!("{held:?}"));
            drop(create(&path, held).unwrap());
            let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode(), 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            std::fs::write(&path, "before ").unwrap();
            create(&path, held).unwrap().write_all(b"after").unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, if held == Held::Kept { "before after" } else { "after" });
            assert_eq!(mode(), 0o644);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_link_is_refused_whatever_it_leads_to_and_nothing_happens_there() {
        let folder = folder("link");
        let (target, link) = (folder.join("target"), folder.join("link"));
        std::fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        symlink(folder.join("nothing"), folder.join("dangling")).unwrap();
        for name in ["link", "dangling"] {
            for held in [Held::Removed, Held::Kept] {
                let error = create(&folder.join(name), held).unwrap_err().to_string();
                assert!(error.contains("symbolic link"), "{error}");
            }
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        assert!(!folder.join("nothing").exists());
        // A folder on the way may be one.
        symlink(&folder, folder.join("here")).unwrap();
        assert!(create(&folder.join("here/file"), Held::Removed).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_written_to_as_it_is() {
        for held in [Held::Removed, Held::Kept] {
            for path in ["/dev/null", "/dev/stderr"] {
                assert!(create(Path::new(path), held).is_ok(), "{path} {held:?}");
            }
            let mut full = create(Path::new("/dev/full"), held).unwrap();
            let error = full.write_all(b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        assert!(!is_of_the_system(Path::new("/dev/shm/x")));
        assert!(!is_of_the_system(Path::new("/dev/../tmp/x")));
        assert!(!is_of_the_system(Path::new("/device")));
    }
}

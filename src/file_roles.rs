//! What a command reads and what it writes, so that no output destroys an input or another output.
//!
//! Files are told apart by device and inode, links followed; those that do not exist yet by their
//! folder and name. Devices may be named as often as one likes: `/dev/null` takes all.
//!
//! # Why this way
//!
//! All names are looked at before the first file is opened: a command line that is refused has
//! changed nothing, not even the length of a file.

use crate::failure::Failure;
use crate::named_file::{is_standard, standard_input, standard_output};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The files of one command.
#[derive(Clone, Debug, Default)]
pub struct FileRoles {
    inputs: Vec<NamedFile>,
    outputs: Vec<NamedFile>,
}

#[derive(Clone, Debug)]
struct NamedFile {
    /// As in `the job` or `--sealed`.
    what: String,
    path: PathBuf,
}

/// What makes two names the same file.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Node {
        device: u64,
        inode: u64,
    },
    /// Nothing is there yet.
    Name {
        folder: PathBuf,
        name: OsString,
    },
}

/// Whose names are resolved.
#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

impl FileRoles {
    /// The command reads `path` as `what`, such as `the job`.
    pub fn reads(&mut self, what: impl Into<String>, path: impl Into<PathBuf>) {
        self.inputs.push(NamedFile { what: what.into(), path: path.into() });
    }

    /// The command writes `path`, which was given as `what`, such as `--sealed`.
    pub fn writes(&mut self, what: impl Into<String>, path: impl Into<PathBuf>) {
        self.outputs.push(NamedFile { what: what.into(), path: path.into() });
    }

    /// Refuses an output that is an input or another output, an input that is read twice as the same
    /// thing, and standard input or output that is used twice.
    ///
    /// # Errors
    /// The first pair of them, with exit code 2.
    pub fn check(&self) -> Result<(), Failure> {
        twice(&self.inputs, "standard input", "read")?;
        twice(&self.outputs, "standard output", "written")?;
        let mut taken: HashMap<Identity, (&NamedFile, Side)> = HashMap::new();
        for input in &self.inputs {
            let Some(identity) = identity(&input.path, Side::Input) else { continue };
            match taken.entry(identity) {
                Entry::Occupied(held) if held.get().0.what == input.what => {
                    return Err(read_twice(input, held.get().0));
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    free.insert((input, Side::Input));
                }
            }
        }
        for output in &self.outputs {
            let Some(identity) = identity(&output.path, Side::Output) else { continue };
            match taken.get(&identity) {
                Some((other, side)) => return Err(refusal(output, other, *side)),
                None => taken.insert(identity, (output, Side::Output)),
            };
        }
        Ok(())
    }
}

fn refusal(output: &NamedFile, other: &NamedFile, side: Side) -> Failure {
    let why = match side {
        Side::Input => "writing it would destroy what is read",
        Side::Output => "each would destroy what the other writes",
    };
    let (path, other_path) = (output.path.display(), other.path.display());
    Failure::usage(format!(
        "{} \"{path}\" is the same file as {} \"{other_path}\": {why}",
        output.what, other.what
    ))
    .hint(format!("name another file for {}; nothing was changed", output.what))
}

fn read_twice(input: &NamedFile, other: &NamedFile) -> Failure {
    let (path, other_path) = (input.path.display(), other.path.display());
    Failure::usage(format!(
        "{} has the same file twice, \"{other_path}\" and \"{path}\": all in it would count twice",
        input.what
    ))
    .hint("name each file once; nothing was changed")
}

fn twice(roles: &[NamedFile], stream: &str, used: &str) -> Result<(), Failure> {
    let mut standard = roles.iter().filter(|role| is_standard(&role.path));
    let (Some(first), Some(second)) = (standard.next(), standard.next()) else { return Ok(()) };
    let (first, second) = (&first.what, &second.what);
    Err(Failure::usage(format!("{first} and {second} are both \"-\", {stream}"))
        .hint(format!("{stream} can be {used} once: name a file for one of them")))
}

/// `None` where two uses do no harm, or none can be told.
fn identity(path: &Path, side: Side) -> Option<Identity> {
    let found = match (is_standard(path), side) {
        (true, Side::Input) => standard_input().and_then(|file| file.metadata()),
        (true, Side::Output) => standard_output().and_then(|file| file.metadata()),
        (false, _) => std::fs::metadata(path),
    };
    match found {
        Ok(found) => node(&found),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_standard(path) => name(path),
        Err(_) => None,
    }
}

fn node(found: &Metadata) -> Option<Identity> {
    let one_place = found.is_file() || found.file_type().is_fifo();
    one_place.then(|| Identity::Node { device: found.dev(), inode: found.ino() })
}

fn name(path: &Path) -> Option<Identity> {
    let name = path.file_name()?.to_owned();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(parent).or_else(|_| std::path::absolute(parent)).ok()?;
    Some(Identity::Name { folder, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("roles-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    fn refused(inputs: &[&Path], outputs: &[&Path]) -> Option<String> {
        let mut roles = FileRoles::default();
        for (at, path) in inputs.iter().enumerate() {
            roles.reads(format!("input {at}"), *path);
        }
        for (at, path) in outputs.iter().enumerate() {
            roles.writes(format!("output {at}"), *path);
        }
        roles.check().err().map(|failure| failure.to_string())
    }

    #[test]
    fn one_file_is_known_under_all_its_names() {
        let folder = folder("names");
        let file = folder.join("file");
        std::fs::write(&file, "x").unwrap();
        symlink(&file, folder.join("link")).unwrap();
        std::fs::hard_link(&file, folder.join("hard")).unwrap();
        symlink(&folder, folder.join("here")).unwrap();
        for same in ["file", "link", "hard", "here/file", "here/./link"] {
            let same = folder.join(same);
            let why = refused(&[&file], &[&same]).unwrap();
            assert!(
                why.contains("output 0") && why.contains("is the same file as input 0"),
                "{why}"
            );
            let why = refused(&[], &[&file, &same]).unwrap();
            assert!(why.contains("output 1") && why.contains("as output 0"), "{why}");
        }
        // Also where there is none yet.
        let (new, again) = (folder.join("new"), folder.join("here/new"));
        assert!(refused(&[], &[&new, &again]).is_some());
        assert!(refused(&[&new], &[&again]).is_some());
        assert_eq!(refused(&[&file, &file], &[&new, &folder.join("newer")]), None);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn devices_may_be_named_twice_and_standard_streams_may_not() {
        let (null, dash) = (Path::new("/dev/null"), Path::new("-"));
        assert_eq!(refused(&[null], &[null, null]), None);
        assert_eq!(refused(&[dash], &[dash]), None, "one is read, the other written");
        let why = refused(&[dash, dash], &[]).unwrap();
        assert!(why.contains("input 0 and input 1 are both \"-\", standard input"), "{why}");
        let why = refused(&[], &[dash, dash]).unwrap();
        assert!(why.contains("standard output can be written once"), "{why}");
    }
}

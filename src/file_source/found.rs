//! The files that names stand for: a folder, a pattern, or the one of that name.
//!
//! ```text
//!  day1.jsonl              the file (or what is there: a pipe); whatever characters are in its name
//!  data/                   all files of the folder and of its folders
//!  data/2026-*.parquet     those that fit; a folder that fits stands for all of its files
//!  data/**/*.parquet       in the folder and in its folders, however deep
//! ```
//!
//! What is found is in the order of the names, part by part between `/`, by their bytes: `a/b` comes
//! before `a.b`, and `part-10` before `part-2`. What is on its way to become a file, or is none of
//! records, is left out: names that begin with `.` or `_`, unless the pattern does, and those that end
//! as [`UNFINISHED`] says. So are pipes and devices, which are read when they are named.
//!
//! Why this way: a name that exists is never a pattern, so a file with a `*` in its name is read as
//! before. Nothing found is an error and no empty history: a pattern that nothing fits is a mistake
//! of who wrote it, or of who was to bring the files.

use super::FileSourceError;
use super::glob::{Glob, is_pattern};
use crate::named_file::is_standard;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How names end of files that somebody still writes.
pub(crate) const UNFINISHED: [&str; 3] = [".open", ".tmp", ".inprogress"];
/// Files that one name may stand for.
const FOUND_MAX: usize = 100_000;
/// Files and folders that are looked at for one name.
const LOOKED_AT_MAX: usize = 1_000_000;
/// How deep folders are gone into: a link that leads back is found by it.
const DEEP_MAX: usize = 32;

/// The files that `names` stand for, in their order, and of each in the order of what it stands for.
///
/// # Errors
/// When a folder cannot be listed, a folder or a pattern stands for nothing, or for too much.
pub fn found(names: &[PathBuf]) -> Result<Vec<PathBuf>, FileSourceError> {
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        all.append(&mut of_name(name)?);
    }
    Ok(all)
}

fn of_name(name: &Path) -> Result<Vec<PathBuf>, FileSourceError> {
    if is_standard(name) {
        return Ok(vec![name.to_owned()]);
    }
    let mut walk = Walk { name, files: Vec::new(), looked_at: 0, left_out: 0 };
    match fs::metadata(name) {
        Ok(found) if found.is_dir() => walk.gather(name, 0)?,
        Ok(_) => return Ok(vec![name.to_owned()]),
        Err(_) if name.to_str().is_some_and(is_pattern) => {
            let steps: Vec<PathStep> = name.components().map(PathStep::new).collect();
            walk.follow(PathBuf::new(), &steps, 0)?;
        }
        // Why it cannot be opened is said when it is.
        Err(_) => return Ok(vec![name.to_owned()]),
    }
    let Walk { mut files, looked_at, left_out, .. } = walk;
    files.sort();
    files.dedup();
    match files.is_empty() {
        true => Err(FileSourceError::NoneFound { name: name.to_owned(), looked_at, left_out }),
        false => Ok(files),
    }
}

/// A part of a pattern between two `/`.
enum PathStep {
    /// This very name; also `/` and `..`.
    Named(OsString),
    Fitting(Glob),
    /// `**`: any number of folders.
    Folders,
}

impl PathStep {
    fn new(part: Component<'_>) -> Self {
        match part.as_os_str().to_str() {
            Some("**") => PathStep::Folders,
            Some(text) if is_pattern(text) => PathStep::Fitting(Glob::new(text)),
            _ => PathStep::Named(part.as_os_str().to_owned()),
        }
    }
}

/// Something in a folder.
struct FolderEntry {
    path: PathBuf,
    name: String,
    is_folder: bool,
    is_file: bool,
}

/// A search for the files of one name.
struct Walk<'a> {
    name: &'a Path,
    files: Vec<PathBuf>,
    looked_at: usize,
    left_out: usize,
}

impl Walk<'_> {
    /// Takes all files of a folder, and of those in it.
    fn gather(&mut self, folder: &Path, depth: usize) -> Result<(), FileSourceError> {
        for entry in self.entries(folder, depth)? {
            match entry.is_folder {
                _ if self.leaves_out(&entry, false) => {}
                true => self.gather(&entry.path, depth + 1)?,
                false => self.take(entry)?,
            }
        }
        Ok(())
    }

    /// Takes what lies at `steps` from `place`.
    fn follow(
        &mut self,
        place: PathBuf,
        steps: &[PathStep],
        depth: usize,
    ) -> Result<(), FileSourceError> {
        let Some((step, rest)) = steps.split_first() else {
            // A folder that fits: the name of one that is named was at the end.
            return self.gather(&place, depth);
        };
        let entries = match step {
            PathStep::Named(name) => {
                let path = place.join(name);
                let Ok(found) = fs::metadata(&path) else { return Ok(()) };
                let (is_folder, is_file) = (found.is_dir(), found.is_file());
                let name = name.to_string_lossy().into_owned();
                return self.enter(FolderEntry { path, name, is_folder, is_file }, rest, depth);
            }
            PathStep::Folders => {
                self.follow(place.clone(), rest, depth)?;
                self.entries(&place, depth)?
            }
            PathStep::Fitting(_) => self.entries(&place, depth)?,
        };
        for entry in entries {
            match step {
                PathStep::Fitting(glob) if glob.fits(&entry.name) => {
                    let meant = glob.begins_with('.') || glob.begins_with('_');
                    if !self.leaves_out(&entry, meant) {
                        self.enter(entry, rest, depth + 1)?;
                    }
                }
                PathStep::Folders if entry.is_folder && !self.leaves_out(&entry, false) => {
                    self.follow(entry.path, steps, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn enter(
        &mut self,
        entry: FolderEntry,
        rest: &[PathStep],
        depth: usize,
    ) -> Result<(), FileSourceError> {
        match (entry.is_folder, rest) {
            (true, rest) => self.follow(entry.path, rest, depth),
            (false, []) => self.take(entry),
            (false, _) => Ok(()),
        }
    }

    fn take(&mut self, entry: FolderEntry) -> Result<(), FileSourceError> {
        if entry.is_file {
            if self.files.len() >= FOUND_MAX {
                return Err(self.too_much("files", FOUND_MAX));
            }
            self.files.push(entry.path);
        }
        Ok(())
    }

    /// Whether it is hidden, unless names that are `hidden` are meant, or not finished.
    fn leaves_out(&mut self, entry: &FolderEntry, hidden: bool) -> bool {
        let leaves_out = !hidden && entry.name.starts_with(['.', '_'])
            || UNFINISHED.iter().any(|end| entry.name.ends_with(end));
        self.left_out += usize::from(leaves_out);
        leaves_out
    }

    /// What is in a folder.
    fn entries(
        &mut self,
        folder: &Path,
        depth: usize,
    ) -> Result<Vec<FolderEntry>, FileSourceError> {
        if depth > DEEP_MAX {
            return Err(self.too_much("folders in each other", DEEP_MAX));
        }
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let unlisted = |source| FileSourceError::Unlisted { folder: here.to_owned(), source };
        let mut entries = Vec::new();
        for found in fs::read_dir(here).map_err(unlisted)? {
            let name = found.map_err(unlisted)?.file_name();
            self.looked_at += 1;
            if self.looked_at > LOOKED_AT_MAX {
                return Err(self.too_much("names", LOOKED_AT_MAX));
            }
            let path = folder.join(&name);
            // A link is what it leads to; one that leads nowhere, or a file that is gone by now, is none.
            let Ok(found) = fs::metadata(&path) else { continue };
            let (is_folder, is_file) = (found.is_dir(), found.is_file());
            let name = name.to_string_lossy().into_owned();
            entries.push(FolderEntry { path, name, is_folder, is_file });
        }
        Ok(entries)
    }

    fn too_much(&self, what: &'static str, most: usize) -> FileSourceError {
        FileSourceError::TooMuchFound { name: self.name.to_owned(), what, most }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder that is removed at the end, with these files in it.
    struct Lake(PathBuf);

    impl Lake {
        fn new(test: &str, files: &[&str]) -> Self {
            let path = std::env::temp_dir().join(format!("lake-{test}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            for file in files {
                fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
                fs::write(path.join(file), "{}\n").unwrap();
            }
            Lake(path)
        }

        /// What `name` in it stands for, separated by blanks.
        fn found(&self, name: &str) -> String {
            let files = of_name(&self.0.join(name)).unwrap();
            let files = files.iter().map(|file| file.strip_prefix(&self.0).unwrap());
            files.map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ")
        }

        fn refused(&self, name: &str) -> String {
            of_name(&self.0.join(name)).unwrap_err().to_string()
        }
    }

    impl Drop for Lake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_folder_is_its_files_in_the_order_of_names_without_hidden_and_unfinished_ones() {
        let lake = Lake::new(
            "folder",
            &[
                "in/dt=2026-01-02/part-1.jsonl",
                "in/dt=2026-01-02/part-0.jsonl",
                "in/dt=2026-01-01/part-0.jsonl",
                "in/dt=2026-01-01/_SUCCESS",
                "in/dt=2026-01-01/.part-0.jsonl.crc",
                "in/dt=2026-01-03/part-0.jsonl.open",
                "in/dt=2026-01-03/part-1.jsonl.tmp",
                "in/_rolls/1.json",
                "in/.git/x",
                "in/a.jsonl",
                "in/a/b.jsonl",
            ],
        );
        let all = "in/a/b.jsonl in/a.jsonl in/dt=2026-01-01/part-0.jsonl \
                   in/dt=2026-01-02/part-0.jsonl in/dt=2026-01-02/part-1.jsonl";
        for name in ["in", "in/", "in/**", "in/*"] {
            assert_eq!(lake.found(name), all, "{name}");
        }
    }

    #[test]
    fn a_pattern_is_what_fits_it_and_a_folder_that_fits_is_its_files() {
        let lake = Lake::new(
            "pattern",
            &[
                "dt=2026-01-01/a.parquet",
                "dt=2026-01-02/a.parquet",
                "dt=2026-01-02/b.csv",
                "dt=2026-02-01/deep/a.parquet",
                "_kept/a.parquet",
            ],
        );
        for (name, files) in [
            ("dt=2026-01-*", "dt=2026-01-01/a.parquet dt=2026-01-02/a.parquet dt=2026-01-02/b.csv"),
            ("dt=2026-01-*/*.parquet", "dt=2026-01-01/a.parquet dt=2026-01-02/a.parquet"),
            ("*/[ab].csv", "dt=2026-01-02/b.csv"),
            ("dt=2026-0?-01/*", "dt=2026-01-01/a.parquet dt=2026-02-01/deep/a.parquet"),
            (
                "**/a.parquet",
                "dt=2026-01-01/a.parquet dt=2026-01-02/a.parquet dt=2026-02-01/deep/a.parquet",
            ),
            ("**/**/deep/*", "dt=2026-02-01/deep/a.parquet"),
            ("_*/*", "_kept/a.parquet"),
        ] {
            assert_eq!(lake.found(name), files, "{name}");
        }
    }

    #[test]
    fn a_file_whose_name_is_a_pattern_is_itself() {
        let lake = Lake::new("itself", &["a*.jsonl", "ab.jsonl", "[x].jsonl", "x.jsonl"]);
        assert_eq!(lake.found("a*.jsonl"), "a*.jsonl");
        assert_eq!(lake.found("a[*].jsonl"), "a*.jsonl");
        assert_eq!(lake.found("[x].jsonl"), "[x].jsonl");
        assert_eq!(lake.found("gone.jsonl"), "gone.jsonl", "why is said when it is opened");
    }

    #[test]
    fn nothing_found_says_what_was_looked_at() {
        let lake = Lake::new("nothing", &["in/a.csv", "in/_SUCCESS", "empty/_SUCCESS"]);
        let why = lake.refused("in/*.parquet");
        assert!(why.contains("in/*.parquet") && why.contains("2 names were looked at"), "{why}");
        let why = lake.refused("empty");
        assert!(why.contains("1 of them left out") && why.contains(".open"), "{why}");
        assert!(lake.refused("no/*").contains("0 names"), "{}", lake.refused("no/*"));
    }

    #[test]
    fn links_are_followed_and_one_that_leads_back_is_refused() {
        let lake = Lake::new("links", &["real/a.jsonl", "in/b.jsonl"]);
        symlink("../real", lake.0.join("in/linked")).unwrap();
        symlink("nowhere", lake.0.join("in/broken")).unwrap();
        assert_eq!(lake.found("in"), "in/b.jsonl in/linked/a.jsonl");
        symlink(".", lake.0.join("in/again")).unwrap();
        assert!(lake.refused("in").contains("32 folders in each other"), "{}", lake.refused("in"));
    }
}

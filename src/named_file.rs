//! Files as command lines, jobs and settings name them: `-` is standard input where it is read, and
//! standard output where it is written.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Whether the name stands for standard input or standard output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether what is written there comes out of standard output, under one of its names.
pub fn is_standard_output(path: &Path) -> bool {
    let names = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    names.iter().any(|name| path == Path::new(name))
}

/// Opens a file for reading.
///
/// # Errors
/// When the system refuses.
pub fn open(path: &Path) -> io::Result<File> {
    if is_standard(path) { standard_input() } else { File::open(path) }
}

/// Standard input, without a buffer that another reader of it would miss.
///
/// # Errors
/// When it is closed.
pub fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Standard output, without a buffer.
///
/// # Errors
/// When it is closed.
pub fn standard_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

//! The jobs that come with the program.

/// The job `fraud`: features of cards, users, merchants, devices and addresses from transactions.
pub const FRAUD: &str = include_str!("../fraud.toml");

/// The names of all shipped jobs.
pub const SHIPPED: [&str; 1] = ["fraud"];

/// The file name and the text of a shipped job.
pub fn shipped(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "fraud" => Some(("fraud.toml", FRAUD)),
        _ => None,
    }
}

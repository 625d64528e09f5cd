//! The jobs that come with the program.

/// The job `fraud`: features of cards, users, merchants, devices and addresses from transactions.
pub const FRAUD: &str = include_str!("../fraud.toml");

/// The job `personalization`: features of users and their sessions from clicks.
pub const PERSONALIZATION: &str = include_str!("../personalization.toml");

/// The job `behavior`: features of users from events of logins, accesses, calls and transfers.
pub const BEHAVIOR: &str = include_str!("../behavior.toml");

/// The table `ip_reputation` of the job `behavior`: a sample.
pub const IP_REPUTATION: &str = include_str!("../ip_reputation.csv");

/// The names of all shipped jobs.
pub const SHIPPED: [&str; 3] = ["fraud", "personalization", "behavior"];

/// The file name and the text of a shipped job.
pub fn shipped(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "fraud" => Some(("fraud.toml", FRAUD)),
        "personalization" => Some(("personalization.toml", PERSONALIZATION)),
        "behavior" => Some(("behavior.toml", BEHAVIOR)),
        _ => None,
    }
}

/// The text of a table that shipped jobs name as this file.
pub fn shipped_table(file: &str) -> Option<&'static str> {
    (file == "ip_reputation.csv").then_some(IP_REPUTATION)
}

//! What this process uses of the machine: CPU time, memory, disk.
//!
//! Memory and the start time come from `/proc`; where there is none they read as 0, and nothing
//! depends on them.

use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::Duration;

/// What the process uses, as of one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessUsage {
    /// User and system CPU time of all threads since the start.
    pub cpu: Duration,
    /// Memory in RAM, in bytes.
    pub rss_bytes: u64,
    /// The most memory that was ever in RAM, in bytes.
    pub peak_rss_bytes: u64,
    /// Memory the process may use: the control group's limit, else the machine's memory; 0 when
    /// unknown.
    pub limit_bytes: u64,
    /// When the process started, in ms since the Unix epoch.
    pub started_ms: u64,
}

impl ProcessUsage {
    /// Reads all of it. Costs a few small files.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ProcessUsage {
            cpu: cpu_time(),
            rss_bytes: kib_after(&status, "VmRSS:").unwrap_or(0),
            peak_rss_bytes: kib_after(&status, "VmHWM:").unwrap_or(0),
            limit_bytes: memory_limit(),
            started_ms: started_ms().unwrap_or(0),
        }
    }
}

/// User and system CPU time of all threads of this process since its start.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory this process ever had in RAM, in bytes; 0 when unknown.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    kib_after(&status, "VmHWM:").unwrap_or(0)
}

/// Bytes a user may still write on the file system that holds `path`, and its size in bytes.
///
/// # Errors
/// When the file system cannot be asked, for example because `path` does not exist.
pub fn disk_space(path: &Path) -> std::io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}

/// The number of KiB after `label` at the start of a line, in bytes.
fn kib_after(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// The machine's memory, or less where a control group of the process allows less; 0 when unknown.
pub fn memory_limit() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| kib_after(&text, "MemTotal:"))
        .unwrap_or(0);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse().ok();
    match group_limit(&groups, read) {
        Some(limit) if machine == 0 || limit < machine => limit,
        _ => machine,
    }
}

/// The least limit of the control groups in `groups`, which are those of `/proc/self/cgroup`, and of
/// those above them; `read` gives the number in a file. A group without a limit has a word there.
fn group_limit(groups: &str, read: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            // The second version has one tree.
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // In a container the path may be one of the machine outside: its root is then the own group.
        let mut path = path.trim_end_matches('/');
        loop {
            let limit = read(&format!("{root}{path}/{file}"));
            least = least.into_iter().chain(limit).min();
            match path.rfind('/') {
                Some(parent) => path = path.get(..parent).unwrap_or_default(),
                None => break,
            }
        }
    }
    least
}

/// Boot time plus the process's start after boot, in hundredths of a second (the unit Linux uses
/// towards programs, whatever its own tick).
fn started_ms() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command name, in parentheses, may hold spaces; the start time is field 22.
    let after_name = stat.rsplit_once(')')?.1;
    let ticks = after_name.split_whitespace().nth(19)?.parse::<u64>().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>();
    boot.ok()?.checked_mul(1_000)?.checked_add(ticks.checked_mul(10)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_process_uses_memory_and_less_than_its_limit() {
        let usage = ProcessUsage::now();
        assert!(usage.rss_bytes > 0);
        assert!(usage.peak_rss_bytes >= usage.rss_bytes);
        assert!(usage.limit_bytes > usage.rss_bytes);
        assert!(usage.started_ms > 1_500_000_000_000, "{}", usage.started_ms);
    }

    #[test]
    fn the_least_limit_of_the_own_groups_and_of_those_above_holds() {
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", 700),
            ("/sys/fs/cgroup/a/memory.max", 500),
            ("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", 300),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", 9_000),
        ];
        let read = |file: &str| files.iter().find(|(name, _)| *name == file).map(|(_, n)| *n);
        assert_eq!(group_limit("0::/a/b\n", read), Some(500));
        let first = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n";
        assert_eq!(group_limit(first, read), Some(300));
        assert_eq!(group_limit("4:memory:/somewhere/outside\n", read), Some(9_000));
        assert_eq!(group_limit("0::/\n", read), None);
        assert_eq!(group_limit("", read), None);
    }

    #[test]
    fn a_folder_has_space_and_a_missing_one_is_an_error() {
        let (free, total) = disk_space(Path::new("/")).unwrap();
        assert!(total > 0 && free <= total);
        assert!(disk_space(Path::new("/no/such/folder")).is_err());
    }

    #[test]
    fn a_line_of_the_status_file_is_read_as_bytes() {
        assert_eq!(kib_after("VmHWM:\t    12 kB\nVmRSS:\t   7 kB\n", "VmRSS:"), Some(7_168));
        assert_eq!(kib_after("VmHWM: x kB", "VmHWM:"), None);
    }
}

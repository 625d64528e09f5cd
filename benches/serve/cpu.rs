//! CPU time by thread and by process tree.

use crate::servers::cpu_seconds;
use std::fs;

/// User and system time so far, in microseconds, of a process with all that it has started.
pub fn of_tree(pid: u32) -> f64 {
    let children = started().filter(|(_, parent)| *parent == pid).map(|(child, _)| of_tree(child));
    // Threads that have ended count, too.
    cpu_seconds(&pid.to_string()) * 1e6 + children.sum::<f64>()
}

/// The same of the threads of a process that are called `name` and go on.
pub fn of_thread(pid: u32, name: &str) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).ok();
        let ns = read("schedstat")?.split(' ').next()?.parse::<f64>().ok()?;
        (read("comm")?.trim() == name).then_some(ns / 1e3)
    });
    spent.sum()
}

/// All processes, each with who has started it.
fn started() -> impl Iterator<Item = (u32, u32)> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        let (_, after) = stat.rsplit_once(')')?;
        Some((pid, after.split_whitespace().nth(1)?.parse().ok()?))
    })
}

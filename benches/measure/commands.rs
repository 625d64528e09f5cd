//! What a command of the program costs, as it says of itself.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a command said that it cost: CPU seconds (user + system), and bytes of memory at its peak.
#[derive(Clone, Copy)]
pub struct Cost {
    pub cpu_s: f64,
    pub bytes: u64,
}

/// Runs a command in `folder`; gives what it has printed.
pub fn run(folder: &Path, line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemark"));
    let ended = Command::new(program).args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(ended.status.success(), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// Runs each of these commands `rounds` times, in turn; gives the medians.
pub fn costs(folder: &Path, lines: &[String], rounds: usize) -> Vec<Cost> {
    let mut costs = vec![Vec::new(); lines.len()];
    for _ in 0..rounds {
        for (line, costs) in lines.iter().zip(&mut costs) {
            costs.push(cost(&run(folder, line)));
        }
    }
    costs.into_iter().map(median).collect()
}

fn cost(said: &str) -> Cost {
    let said: Value = serde_json::from_str(said).unwrap();
    Cost { cpu_s: said["cpu_s"].as_f64().unwrap(), bytes: said["peak_rss_bytes"].as_u64().unwrap() }
}

fn median(mut costs: Vec<Cost>) -> Cost {
    let middle = costs.len() / 2;
    costs.sort_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
    let cpu_s = costs[middle].cpu_s;
    costs.sort_by_key(|cost| cost.bytes);
    Cost { cpu_s, bytes: costs[middle].bytes }
}

//! What producers write, as it stands in the page on records: drafted, checked and replayed without a
//! change of the data.

use crate::console::blocks::{Block, blocks};
use crate::folder::Folder;
use crate::init::tidemark;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The sample and the jobs of each producer: its name, its file, and the page's job.
fn producers() -> Vec<(String, PathBuf, Block)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("jobs/records.md")).unwrap();
    let jobs = blocks(&page).into_iter().filter(|block| block.language == "toml");
    let producers = jobs.map(|block| {
        let name = block.file.clone().unwrap().trim_end_matches(".toml").to_owned();
        (name.clone(), root.join(format!("jobs/records/{name}.jsonl")), block)
    });
    producers.collect()
}

/// Checks and replays `job` over the sample: what replay counted.
fn reads(folder: &Folder, name: &str, job: &str, sample: &str) -> Value {
    let check = tidemark(folder, &["check", job, "--sample", sample, "--format", "json"]);
    assert_eq!(check.code, 0, "{name}: {}{}", check.out, check.errors);
    let document: Value = serde_json::from_str(&check.out).unwrap();
    let records = std::fs::read_to_string(sample).unwrap().lines().count();
    let sampled = &document["samples"][0];
    assert_eq!(sampled["records"], records, "{name}: {sampled}");
    let from = format!("{name}={sample}");
    let replay = tidemark(folder, &["replay", job, "--source", &from, "--sealed", "rows.jsonl"]);
    assert_eq!(replay.code, 0, "{name}: {}", replay.errors);
    let counted: Value = serde_json::from_str(&replay.out).unwrap();
    for count in ["accepted", "keyless"] {
        assert_eq!(sampled[count], counted[count], "{name}: {sampled}");
    }
    let kept = ["accepted", "keyless", "skipped"].map(|count| counted[count].as_u64().unwrap());
    assert_eq!(kept.iter().sum::<u64>(), records as u64, "{name}: {counted}");
    assert!(counted["rows"].as_u64().unwrap() > 0, "{name}: {counted}");
    counted
}

#[test]
fn the_page_has_a_job_for_each_producer_that_reads_all_of_its_records() {
    let producers = producers();
    let names: Vec<&str> = producers.iter().map(|(name, ..)| name.as_str()).collect();
    // Of the producers that people ask for first, and none of the samples without its job.
    for name in [
        "card_processor",
        "payment_webhook",
        "core_banking",
        "clickstream",
        "clickstream_snowplow",
        "sign_in",
        "sign_in_entra",
        "auth_log",
        "vpn",
        "proxy",
        "cloud_audit",
        "database_audit",
        "database_audit_pgaudit",
        "file_share",
        "endpoint",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/records");
    assert_eq!(std::fs::read_dir(samples).unwrap().count(), producers.len());
    for (name, sample, block) in producers {
        let folder = Folder::new("producer");
        folder.write("job.toml", &block.text);
        let counted = reads(&folder, &name, "job.toml", sample.to_str().unwrap());
        assert_eq!(counted["keyless"], 0, "{name}: {counted}");
        // CloudTrail has the name of a service in the place of an address.
        let invalid = u64::from(name == "cloud_audit");
        assert_eq!(counted["invalid_fields"], invalid, "{name}: {counted}");
    }
}

#[test]
fn what_is_drafted_for_each_of_them_reads_all_of_their_records() {
    for (name, sample, _) in producers() {
        let folder = Folder::new("drafted");
        let sample = sample.to_str().unwrap();
        let init = tidemark(&folder, &["init", sample, "--output", "job.toml"]);
        assert_eq!(init.code, 0, "{name}: {}", init.errors);
        let counted = reads(&folder, &name, "job.toml", sample);
        assert_eq!(counted["invalid_fields"], 0, "{name}: {counted}");
    }
}

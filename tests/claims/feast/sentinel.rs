//! Stock Feast finds the primary through a Sentinel that wants a password.

use super::cluster::all_read_what_the_job_writes;
use super::*;
use crate::redis_server::free_port;
use std::process::{Child, Command, Stdio};

/// A Sentinel that watches a Redis. Killed with the test.
struct Sentinel {
    child: Child,
    port: u16,
}

impl Sentinel {
    fn start(folder: &Folder, primary: u16, password: &str) -> Sentinel {
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass \"{password}\"\n\
             sentinel monitor features 127.0.0.1 {primary} 1\n",
            folder.path().display()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-server");
        let child = command.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
        until("a Sentinel", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Sentinel { child, port }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn stock_feast_finds_the_primary_through_a_sentinel_with_a_password() {
    let (folder, redis) = (Folder::new("feast-sentinel"), Redis::start(&[]));
    let sentinel = Sentinel::start(&folder, redis.port, "an open secret");
    let settings = |more: &str| {
        let at = sentinel.port;
        let text = format!(
            "[online.redis]\nmode = \"sentinel\"\naddresses = \"127.0.0.1:{at}\"\n\
             sentinel_name = \"features\"\nsentinel_password = \"an open secret\"\n{more}"
        );
        let file = folder.path().join("cluster.toml");
        std::fs::write(&file, text).unwrap();
        file
    };
    let repo = folder.path().join("repo");
    let write = |more: &str| {
        let mut command = crate::run::command();
        command.args(["feast", "fraud"]).arg(&repo).arg("--cluster").arg(settings(more));
        command.output().unwrap()
    };
    assert!(write("").status.success());
    Feast::new(&repo).run(&["apply"]);
    let question = json!({
        "features": ["transaction_stats_5m:txn_count_5m"], "entities": [{ "card_id": "nobody" }],
    });
    let told = |password: &str| {
        Reader::with(&repo, &[("REDIS_SENTINEL_PASSWORD", password)]).told(&question)
    };
    let answer = told("an open secret");
    assert_eq!(answer[0]["txn_count_5m"]["value"], Value::Null, "{answer}");
    assert!(told("another").get("error").is_some(), "it asks with the password that it is given");
    let refused = write("sentinel_username = \"me\"\n");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("sentinel_username"), "{said}");
    assert!(!said.contains("an open secret"), "{said}");
}

#[test]
fn a_job_a_server_and_stock_feast_find_the_primary_through_a_sentinel() {
    let (folder, redis) = (Folder::new("feast-sentinel"), Redis::start(&[]));
    let sentinel = Sentinel::start(&folder, redis.port, "an open secret");
    let named = format!(
        "mode = \"sentinel\"\naddresses = \"127.0.0.1:{}\"\nsentinel_name = \"features\"\n\
         sentinel_password = \"an open secret\"\n",
        sentinel.port
    );
    all_read_what_the_job_writes(&named, &[("REDIS_SENTINEL_PASSWORD", "an open secret")]);
}

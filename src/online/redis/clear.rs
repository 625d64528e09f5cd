//! In a cluster, how a run of a job keeps out those that it comes after: it ends their connections.
//!
//! A transaction of a cluster is of one slot, so the round trips of one server cannot be watched for the
//! key that names the run (see `fence`). Instead, on each connection:
//!
//! ```text
//! this run                                    one that comes after it
//! CLIENT SETNAME job/run                      SET generation
//! GET generation is ours                      on every server, before its first row there:
//! rows, rows, ..                              CLIENT LIST, CLIENT KILL job/another run
//! ```
//!
//! A connection that has found its own generation was named before the other one was set, so it is among
//! those that are listed after that; whatever still lies in its socket is gone with it. One that is opened
//! later finds the other generation and writes nothing.
//!
//! # Why this way
//! A script that looks at a key in the slot of each row costs a server twice the time a row, and 16,384
//! keys. This costs a round trip a connection, and the rights for `client|list` and `client|kill`.

use crate::online::StoreError;
use crate::online::redis::fence::Fence;
use crate::online::redis::link::Link;
use redis::Value;
use tidemark_operators::interner::stable_hash;

/// What the connections of a run are called: those of its job, and which of them.
fn name_of(fence: &Fence) -> (String, String) {
    let of = |text: &str| stable_hash(text.as_bytes());
    let job = format!("tidemark/{:016x}/", of(fence.key()));
    let own = format!("{job}{:016x}", of(fence.text()));
    (job, own)
}

/// Gives a connection the name of its run. Who may not name it is not found by the runs to come.
pub(crate) fn name(link: &mut Link, fence: &Fence) -> Result<(), StoreError> {
    let (_, own) = name_of(fence);
    match link.ask("CLIENT", &[b"SETNAME", own.as_bytes()]) {
        Ok(_) | Err(StoreError::Reply { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Ends the connections of other runs at a server.
pub(crate) fn end_others(link: &mut Link, fence: &Fence) -> Result<(), StoreError> {
    let (job, own) = name_of(fence);
    let list = match link.ask("CLIENT", &[b"LIST"])? {
        Value::BulkString(list) => String::from_utf8_lossy(&list).into_owned(),
        Value::VerbatimString { text, .. } => text,
        _ => String::new(),
    };
    for id in others(&list, &job, &own) {
        match link.end_client(id) {
            // It has ended by itself.
            Err(StoreError::Reply { reason, .. }) if reason.contains("No such client") => {}
            other => other?,
        }
    }
    Ok(())
}

/// The numbers of connections whose names begin with `job` and are not `own`.
fn others(list: &str, job: &str, own: &str) -> Vec<i64> {
    let other = |line: &str| {
        let find = |name: &str| line.split(' ').find_map(|pair| pair.strip_prefix(name));
        let named = find("name=").filter(|name| name.starts_with(job) && *name != own);
        named.and_then(|_| find("id=")?.parse().ok())
    };
    list.lines().filter_map(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::redis::fence::Generation;

    fn fence(job: &str, number: u64) -> Fence {
        let (store, writer) = ("s".to_owned(), number.to_string());
        Fence::new("{tidemark}:", job, Generation { number, store, writer }, None)
    }

    #[test]
    fn only_connections_of_other_runs_of_this_job_are_ended() {
        let (job, own) = name_of(&fence("fraud", 2));
        let (_, before) = name_of(&fence("fraud", 1));
        let (_, stranger) = name_of(&fence("other", 1));
        let list = [own.as_str(), &before, &stranger, ""];
        let line = |(id, name): (usize, &&str)| format!("id={id} addr=1.1.1.1:1 name={name} age=9");
        let list: Vec<String> = list.iter().enumerate().map(line).collect();
        assert_eq!(others(&list.join("\n"), &job, &own), [1]);
        assert!(before.bytes().all(|byte| byte.is_ascii_graphic()), "as a name has to be");
    }
}

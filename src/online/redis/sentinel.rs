//! Which server is the primary now: Sentinels say so, and the server itself has to agree.
//!
//! All Sentinels are asked, and of their answers the one of the newest configuration counts (the
//! greatest `config-epoch`): a Sentinel that was cut off still names the primary of before. What it
//! names must call itself a primary, or it is not connected to.
//!
//! Bound: one connection to each Sentinel at a time, one after the other, for as long as half of
//! `connect_timeout` each: a fourth to connect and a fourth for each answer.

use crate::online::StoreError;
use crate::online::redis::link::Link;
use crate::online::redis::servers::{SentinelSettings, ServerAddress};
use crate::online::redis::settings::RedisSettings;
use redis::Value;

/// The part of `connect_timeout` that one Sentinel may take.
const PART: u32 = 4;

/// Opens a connection to the primary.
pub(crate) fn open(
    settings: &RedisSettings,
    watched: &SentinelSettings,
) -> Result<Link, StoreError> {
    let primary = primary(settings, watched)?;
    let mut link = Link::at(settings, &primary)?;
    match link.server()?.replica {
        true => Err(StoreError::Replica { address: primary.to_string() }),
        // Who may not ask finds out by the first write.
        false => Ok(link),
    }
}

/// The primary as the Sentinels know it.
pub(crate) fn primary(
    settings: &RedisSettings,
    watched: &SentinelSettings,
) -> Result<ServerAddress, StoreError> {
    let asking = settings.of_sentinel(watched, PART);
    let mut newest: Option<(u64, ServerAddress)> = None;
    let mut failed = None;
    for address in &watched.addresses {
        match ask(&asking, address, &watched.name) {
            Ok((epoch, primary)) => {
                if newest.as_ref().is_none_or(|(known, _)| epoch > *known) {
                    newest = Some((epoch, primary));
                }
            }
            // What it says else is of the server's own password.
            Err(StoreError::Credentials { address, reason }) => {
                failed =
                    Some(format!("the Sentinel at '{address}' refused the credentials: {reason}"));
            }
            Err(error) => failed = Some(error.to_string()),
        }
    }
    newest.map(|(_, primary)| primary).ok_or_else(|| StoreError::NoPrimary {
        name: watched.name.clone(),
        reason: failed.unwrap_or_default(),
    })
}

fn ask(
    settings: &RedisSettings,
    at: &ServerAddress,
    name: &str,
) -> Result<(u64, ServerAddress), StoreError> {
    let mut link = Link::at(settings, at)?;
    let epoch = told_epoch(&link.ask("SENTINEL", &[b"MASTER", name.as_bytes()])?);
    // Not that of the reply before: who has just led a failover has the new epoch there beside the old
    // address, until all other replicas follow.
    let told = link.ask("SENTINEL", &[b"GET-MASTER-ADDR-BY-NAME", name.as_bytes()])?;
    let primary = told_primary(&told).ok_or_else(|| StoreError::Reply {
        address: at.to_string(),
        command: "SENTINEL",
        reason: "its reply names no address".to_owned(),
    })?;
    Ok((epoch, primary))
}

/// The epoch in a reply to `SENTINEL MASTER`: names and values in turn.
fn told_epoch(reply: &Value) -> u64 {
    let pairs = crate::online::redis::link::text_pairs(reply);
    pairs.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0)
}

/// The address in a reply to `SENTINEL GET-MASTER-ADDR-BY-NAME`: host and port.
fn told_primary(reply: &Value) -> Option<ServerAddress> {
    let Value::Array(parts) = reply else { return None };
    let text = |part: &Value| match part {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let [host, port] = parts.as_slice() else { return None };
    Some(ServerAddress { host: text(host)?, port: text(port)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_and_its_epoch_are_read_among_whatever_else_is_told() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let told = ["name", "m", "ip", "10.0.0.7", "port", "6380", "config-epoch", "12", "x", "y"];
        let reply = |words: &[&str]| Value::Array(words.iter().map(|word| text(word)).collect());
        assert_eq!(told_epoch(&reply(&told)), 12);
        assert_eq!(told_epoch(&reply(&told[..6])), 0);
        let address = ServerAddress { host: "10.0.0.7".to_owned(), port: 6380 };
        assert_eq!(told_primary(&reply(&["10.0.0.7", "6380"])), Some(address));
        for odd in [Value::Nil, reply(&["ip"]), reply(&["a", "b"]), text("OK")] {
            assert_eq!(told_primary(&odd), None);
        }
    }
}

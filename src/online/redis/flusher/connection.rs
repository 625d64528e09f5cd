//! One connection after the other.

use super::Flusher;
use super::upkeep::Upkeep;
use crate::online::StoreError;
use crate::online::redis::link::Link;
use crate::online::redis::settings::RedisSettings;

impl Flusher {
    pub(super) fn connect(&mut self) -> Result<(), StoreError> {
        if self.link.is_some() {
            return Ok(());
        }
        let mut link = Link::open(&self.settings)?;
        let server = link.server()?;
        if server.replica {
            return Err(StoreError::Replica { address: link.address().to_owned() });
        }
        let known = self.server.clone();
        if known.as_ref().is_some_and(|known| known.is_same_start(&server)) {
            end_connection(&mut link, self.client_id)?;
        }
        self.client_id = link.client_id()?;
        // Only now: a connection that fails before this has told nobody that the server is another one.
        self.server = Some(server.clone());
        if known.is_some_and(|known| server.may_lack_writes_since(&known)) {
            tracing::info!("Redis was restarted or replaced: all rows are written again");
            self.write_all_again();
        }
        if self.upkeep.is_some() {
            limit_memory(&self.settings, &mut link)?;
        }
        self.probe_at = 0;
        self.link = Some(link);
        self.record.numbers().connected = true;
        Ok(())
    }

    /// A server is another one, or has lost something.
    pub(super) fn write_all_again(&mut self) {
        self.cell.lock().dirt.lost();
        self.gate.moved();
        self.pulse.reset();
        self.upkeep.iter_mut().for_each(Upkeep::another_server);
    }

    pub(super) fn drop_link(&mut self, error: StoreError) -> StoreError {
        (self.link, self.watching) = (None, false);
        self.record.numbers().connected = false;
        error
    }
}

/// Ends the connection before, at the server: what was sent on it and given up may still lie there or be
/// on its way, and would be executed after what is newer.
pub(super) fn end_connection(link: &mut Link, id: Option<i64>) -> Result<(), StoreError> {
    let Some(id) = id else { return Ok(()) };
    match link.end_client(id) {
        Err(StoreError::Reply { reason, .. }) => tracing::warn!(
            reason,
            "Redis does not let this job end its own earlier connection (CLIENT KILL ID): what \
             that one had still to say may replace newer rows until they change again; allow \
             its user +client|kill"
        ),
        other => other?,
    }
    Ok(())
}

/// Sets `maxmemory` when asked to. A server that does not allow it keeps its own.
pub(super) fn limit_memory(settings: &RedisSettings, link: &mut Link) -> Result<(), StoreError> {
    let memory = &settings.memory;
    let Some(limit) = memory.limit_bytes else { return Ok(()) };
    let limit = limit.to_string();
    let set = [("maxmemory", limit.as_str()), ("maxmemory-policy", memory.policy.as_str())];
    for (name, value) in set {
        match link.ask("CONFIG", &[b"SET", name.as_bytes(), value.as_bytes()]) {
            Err(error @ StoreError::Reply { .. }) => {
                let error = error.to_string();
                tracing::warn!(error, "cannot set '{name}'; set it where Redis is managed");
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

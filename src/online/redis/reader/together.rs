//! What came back of requests that went out together, and to which of them it belongs.

use super::queue::{AskedBy, ReadRequests};
use super::{ReadError, RowsAsked, RowsRead};
use crate::online::heartbeat::Beats;
use crate::online::layout::RowForm;
use crate::online::redis::link;
use crate::online::redis::nodes::{Nodes, Routed};
use crate::online::redis::read::bytes;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::wire;
use crate::online::stored::StoredRows;
use redis::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What came back of requests that went out together.
#[derive(Debug, Default)]
pub(super) struct ReadTogether {
    /// A reply for each row of each request.
    pub(super) rows: Vec<Value>,
    /// By server: what its job said of itself before and after.
    pub(super) bracket: Vec<[Result<Beats, String>; 2]>,
    /// By request the servers that its rows are on.
    pub(super) of_requests: Vec<Vec<usize>>,
}

/// Reads the rows from the servers they are on; whether any was sent on to another one.
pub(super) fn read_from(
    nodes: &mut Nodes,
    requests: &[(RowsAsked, AskedBy)],
    settings: &RedisSettings,
    job: &str,
    now: u64,
) -> (ReadTogether, bool) {
    let owners: Vec<(usize, u16)> = (nodes.all.iter().enumerate())
        .filter_map(|(at, node)| Some((at, node.first_slot?)))
        .collect();
    let of_request = |(asked, _): &(RowsAsked, AskedBy)| {
        let concerned = nodes.of_slots(asked.routed.iter().map(|routed| routed.slot));
        // Who asks for no row asks how all of them are.
        let all = concerned.is_empty();
        let owners = owners.iter().enumerate();
        let places = owners.filter(|(_, (at, _))| all || concerned.contains(at));
        places.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let of_requests: Vec<Vec<usize>> = requests.iter().map(of_request).collect();
    let wanted: BTreeSet<usize> = of_requests.iter().flatten().copied().collect();
    let (mut commands, mut routed) = (Vec::new(), Vec::new());
    let beats_of = |commands: &mut Vec<u8>, routed: &mut Vec<Routed>| {
        for (_, slot) in wanted.iter().filter_map(|place| owners.get(*place)) {
            let key = settings.beats_key(job, Some(*slot));
            wire::hgetall(key.as_bytes(), commands);
            routed.push(Routed { end: commands.len(), slot: *slot, joined: false });
        }
    };
    beats_of(&mut commands, &mut routed);
    for (asked, _) in requests {
        let begin = commands.len();
        commands.extend_from_slice(&asked.commands);
        let moved = asked.routed.iter().map(|one| Routed { end: begin + one.end, ..*one });
        routed.extend(moved);
    }
    beats_of(&mut commands, &mut routed);
    let mut replies = Vec::new();
    let sent_on = nodes.exchange(&commands, &routed, now, &mut replies);
    let after = replies.split_off(replies.len().saturating_sub(wanted.len()));
    let rows = replies.split_off(wanted.len().min(replies.len()));
    let not_asked = || [Err("it was not asked".to_owned()), Err("it was not asked".to_owned())];
    let mut bracket: Vec<_> = owners.iter().map(|_| not_asked()).collect();
    for (place, (before, after)) in wanted.iter().zip(replies.into_iter().zip(after)) {
        if let Some(slot) = bracket.get_mut(*place) {
            *slot = [beats(Some(before)), beats(Some(after))];
        }
    }
    (ReadTogether { rows, bracket, of_requests }, sent_on)
}

pub(super) fn beats(reply: Option<Value>) -> Result<Beats, String> {
    match reply {
        Some(Value::ServerError(error)) => Err(link::reason(&error)),
        reply => Ok(Beats::of(link::text_pairs(&reply.unwrap_or_default()))),
    }
}

pub(super) fn refuse(requests: ReadRequests, why: &str) {
    for (_, reply) in requests {
        // Whoever gave up needs no answer.
        let _ = reply.send(Err(ReadError::Down(why.to_owned())));
    }
}

impl ReadTogether {
    pub(super) fn share_out(self, requests: ReadRequests, forms: &[RowForm]) {
        let mut replies = self.rows.into_iter();
        for ((asked, reply), places) in requests.into_iter().zip(self.of_requests) {
            let views = asked.views.iter().map(|view| forms.get(*view));
            let replies = replies.by_ref().take(asked.views.len());
            let mut rows = StoredRows::with_capacity(asked.views.len(), 0, 0);
            // All of them, also behind one that was refused: the next request's replies follow.
            let each: Vec<_> =
                replies.zip(views).map(|(reply, form)| row(reply, form, &mut rows)).collect();
            let rows = each.into_iter().collect::<Result<(), _>>().map(|()| rows);
            let look = |which: usize| {
                let each = places.iter().filter_map(|place| self.bracket.get(*place)?.get(which));
                each.cloned().collect::<Result<Vec<_>, String>>()
            };
            let (before, after) = (look(0), look(1));
            let of_all = |each: Result<Vec<_>, _>| each.map(|each| Arc::new(Beats::of_all(each)));
            let read = RowsRead::of(rows, [of_all(before), of_all(after)]);
            // Whoever gave up needs no answer.
            let _ = reply.send(read);
        }
    }
}

/// The reply to HMGET.
fn row(reply: Value, form: Option<&RowForm>, rows: &mut StoredRows) -> Result<(), String> {
    match (reply, form) {
        (Value::Array(values), Some(form)) => {
            form.read(values.into_iter().map(bytes), rows);
            Ok(())
        }
        // Somebody else's: it is no other row's fault.
        (Value::ServerError(error), Some(form)) if error.code() == "WRONGTYPE" => {
            form.read_unreadable(rows);
            Ok(())
        }
        (Value::ServerError(error), _) => Err(link::reason(&error)),
        _ => Err("its reply to HMGET is no array".to_owned()),
    }
}

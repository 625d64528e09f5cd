//! Round trips that only the newest run of a job can make.

use super::{Command, Flush};
use crate::online::redis::fence::{self, Fence};
use crate::online::redis::wire::{self, FormWire};
use redis::Value;
use std::sync::Arc;

/// How a round trip is kept from being made by a run that another one has taken over from.
#[derive(Debug, Default)]
pub(crate) enum RoundTrip {
    /// Not at all: runs of this job are not numbered.
    #[default]
    Plain,
    /// As one transaction.
    Fenced,
    /// Each deletion looks by itself, and there is nothing else: Redis has no memory for more.
    Deletions(Arc<Fence>),
}

/// Appends the removal of a row while `own`, the fence's key and text, is entered.
pub(super) fn delete(own: (&[u8], &[u8]), key: &[u8], form: &FormWire, out: &mut Vec<u8>) {
    let mut parts = vec![b"EVAL", fence::DELETE_SCRIPT.as_bytes(), b"2", own.0, key, own.1];
    if form.is_shared() {
        parts.extend(form.every_field());
    }
    wire::command(&parts, out);
}

impl Flush {
    /// Ends the transaction, and watches the fence's key for the next one.
    pub(crate) fn end_fenced(&mut self, fence: &Fence) {
        wire::exec(&mut self.buffer);
        wire::command(&[b"WATCH", fence.key().as_bytes()], &mut self.buffer);
        wire::command(&[b"GET", fence.key().as_bytes()], &mut self.buffer);
    }

    /// Makes the replies to a transaction one for each of its commands; says whether it was executed,
    /// which it is not when a watched key was touched, and what the reply to GET was.
    pub(crate) fn unfold(&mut self, replies: &mut Vec<Value>) -> (bool, Value) {
        let entered = replies.pop().unwrap_or_default();
        // That of WATCH.
        replies.pop();
        match replies.pop().unwrap_or_default() {
            Value::Array(each) => *replies = each,
            aborted @ Value::ServerError(_) => {
                // Behind the reply to MULTI: what was queued, and what made the transaction fail.
                replies.drain(..1.min(replies.len()));
                for (reply, expected) in replies.iter_mut().zip(&self.expected) {
                    let refused = matches!(reply, Value::ServerError(_));
                    self.no_hlen |= refused && expected.command == Command::Hlen;
                    if !refused || expected.command == Command::Hlen {
                        *reply = aborted.clone();
                    }
                }
            }
            _ => return (false, entered),
        }
        (true, entered)
    }
}

//! Rows from Redis, as the job writes them.

use crate::online::redis::{ReadError, RedisReader, RedisSettings, RowsAsked, RowsRead};
use crate::online::{StoreError, StoredRow, StoredText};
use crate::serving::ask::Reads;
use crate::serving::freshness::{AgeBounds, Freshness, Judge};
use crate::serving::source::{NotRead, SourceQuestion};
use crate::serving::values::{AnsweredValues, ValueStatus};
use crate::wall_clock::wall_ms;
use std::time::Duration;
use tidemark_operators::json::push_json_text;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Type;

/// Requests that wait for Redis at most.
const QUEUE_MAX: usize = 1_024;

/// Values after which a long answer lets others through.
const VALUES_AT_ONCE: usize = 4_096;

/// Redis, and what its job said of itself so far.
pub struct RedisRows {
    name: String,
    reader: RedisReader,
    judge: Judge,
    timeout: Duration,
}

impl RedisRows {
    /// The rows of `plan`, read by so many connections; who asks waits for at most `timeout`. Redis
    /// need not be there yet. `name` is what answers call it.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        name: String,
        plan: &Plan,
        settings: RedisSettings,
        connections: usize,
        timeout: Duration,
    ) -> Result<Self, StoreError> {
        // Connecting has a time of its own, which may be longer: who asks meanwhile waits for no more than
        // `timeout` all the same.
        let response_timeout = settings.response_timeout.min(timeout);
        let settings = RedisSettings { response_timeout, ..settings };
        let reader = RedisReader::start(plan, settings, connections, QUEUE_MAX)?;
        Ok(RedisRows { name, reader, judge: Judge::default(), timeout })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.reader.is_clustered()
    }

    /// Requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.reader.waiting()
    }

    fn judge(&self, read: &RowsRead, bounds: AgeBounds) -> Freshness {
        self.judge.judge(&read.before, &read.after, bounds, wall_ms().unwrap_or(0))
    }

    async fn ask(&self, asked: RowsAsked) -> Result<RowsRead, NotRead> {
        let unread = |error: ReadError| match error {
            ReadError::Busy(_) => NotRead::Busy(error.to_string()),
            ReadError::Refused(_) => NotRead::Refused(error.to_string()),
            ReadError::Down(why) => NotRead::Down(why),
        };
        let answer = self.reader.ask(asked).map_err(unread)?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(read)) => read.map_err(unread),
            Ok(Err(_)) => Err(NotRead::Down("the server is ending".to_owned())),
            Err(_) => {
                let ms = self.timeout.as_millis();
                Err(NotRead::Down(format!("Redis has not answered within {ms} ms")))
            }
        }
    }

    pub(super) async fn read(
        &self,
        SourceQuestion { catalogue, ask, ids, bounds }: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness), NotRead> {
        let mut asked = RowsAsked::default();
        for (group, ids) in ask.groups.iter().zip(&ids.groups) {
            let views = group.views.iter().zip(&group.reads);
            let fields = views.map(|(view, reads)| self.reader.fields(*view, &reads.features));
            let fields: Vec<_> = fields.collect();
            for id in ids {
                fields.iter().for_each(|view| self.reader.add(&mut asked, view, id.as_bytes()));
            }
        }
        let read = self.ask(asked).await?;
        let freshness = self.judge(&read, bounds);
        let mut cells = AnsweredValues::new(ask.columns.len(), ids.rows);
        let (None, Some(as_of)) = (&freshness.stale, freshness.as_of) else {
            return Ok((cells, freshness));
        };
        let (mut rows, mut put) = (read.rows.iter(), 0);
        for (group, ids) in ask.groups.iter().zip(&ids.groups) {
            for row in 0..ids.len() {
                for (view, reads) in group.views.iter().zip(&group.reads) {
                    let (Some(read), Some(served)) = (rows.next(), catalogue.views.get(*view))
                    else {
                        continue;
                    };
                    let ttl = self.reader.ttl(*view);
                    // What nobody has looked after for so long counts as too old, as everything does that
                    // is put nowhere.
                    if freshness.silent < ttl {
                        // Keys are refreshed before half of their TTL has passed: then they may be gone.
                        let may_be_gone = freshness.silent >= ttl / 2;
                        let place = AnswerPlace { row, as_of, may_be_gone };
                        place.put(read, reads, &served.types, &mut cells);
                    }
                    put += reads.columns.len();
                }
                if put >= VALUES_AT_ONCE {
                    put = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok((cells, freshness))
    }
}

/// Where a row stands in the answer, and what it means that there is none.
struct AnswerPlace {
    row: usize,
    as_of: EventTime,
    /// Whether there may have been a row that nobody has refreshed.
    may_be_gone: bool,
}

impl AnswerPlace {
    /// Puts what was read of a row where it stands in the answer.
    fn put(&self, read: StoredRow<'_>, reads: &Reads, types: &[Type], cells: &mut AnsweredValues) {
        // A hash without fields is none.
        let there = match reads.witnessed {
            _ if read.changed.is_some() => true,
            true => read.value(0).is_some_and(StoredText::is_there),
            false => read.values().any(StoredText::is_there),
        };
        let as_of = read.changed.unwrap_or(self.as_of);
        for (column, at) in &reads.columns {
            let value = read.value(*at);
            let ty = reads.features.get(*at).and_then(|feature| types.get(*feature));
            let as_of = if there { as_of } else { 0 };
            cells.put(*column, self.row, as_of, |out| match (there, value, ty) {
                (true, Some(StoredText::Text(value)), Some(ty)) => json(value, *ty, out),
                (true, Some(StoredText::Unreadable), _) => ValueStatus::Invalid,
                (true, ..) => ValueStatus::Null,
                (false, ..) if self.may_be_gone => ValueStatus::OutsideMaxAge,
                (false, ..) => ValueStatus::NotFound,
            });
        }
    }
}

/// Appends a value as JSON. What is no value of its type was written by somebody else.
fn json(value: &[u8], ty: Type, out: &mut Vec<u8>) -> ValueStatus {
    let Ok(text) = std::str::from_utf8(value) else { return ValueStatus::Invalid };
    let fits = match ty {
        Type::Text | Type::Ip => {
            push_json_text(value, out);
            return ValueStatus::Present;
        }
        Type::Int | Type::Timestamp => text.parse::<i64>().is_ok() && !text.starts_with('+'),
        Type::Bool => matches!(text, "true" | "false"),
        Type::Double | Type::Decimal(_) => is_number(text),
    };
    if !fits {
        return ValueStatus::Invalid;
    }
    out.extend_from_slice(value);
    ValueStatus::Present
}

/// Whether a text is a number of JSON's that a double holds. Most are known by their signs alone.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|sign| sign.is_ascii_digit());
    let plain = all(whole) && all(part) && (whole.len() == 1 || !whole.starts_with('0'));
    plain && whole.len() < 300 || serde_json::from_str::<f64>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_only_when_it_is_one_of_its_type() {
        let of = |value: &[u8], ty| {
            let mut out = Vec::new();
            let status = json(value, ty, &mut out);
            (status, String::from_utf8(out).unwrap())
        };
        for (value, ty, told) in [
            ("-7", Type::Int, "-7"),
            ("33.33", Type::Double, "33.33"),
            ("1e16", Type::Double, "1e16"),
            ("true", Type::Bool, "true"),
            ("a\"b", Type::Text, "\"a\\\"b\""),
            ("1.2.3.4", Type::Ip, "\"1.2.3.4\""),
        ] {
            assert_eq!(of(value.as_bytes(), ty), (ValueStatus::Present, told.to_owned()));
        }
        for (value, ty) in [
            (&b"x"[..], Type::Int),
            (b"+1", Type::Int),
            (b"01", Type::Double),
            (b"NaN", Type::Double),
            (b"1e999", Type::Double),
            (b"1,\"x\":2", Type::Double),
            (b"TRUE", Type::Bool),
            (b"\xff", Type::Text),
        ] {
            assert_eq!(of(value, ty), (ValueStatus::Invalid, String::new()), "{value:?} {ty}");
        }
    }
}

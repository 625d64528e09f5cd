//! Tidemark's definition language: job files, checked in full before anything starts.
//!
//! In the order a job file goes through them:
//!
//! - [`document`]: TOML against a schema that code spells out; also for other settings files;
//! - `declare`: what a job file says, key by key;
//! - [`expression`]: the expression language: its grammar, its functions and its type checker;
//! - `aggregate`: the aggregates, one a file;
//! - `compile`: names become indices, equal state is shared, views get their columns: a
//!   [`Plan`](tidemark_operators::plan::Plan);
//! - `job`: the result ([`Job`], by [`load`]);
//! - `report`: what `tidemark check` prints ([`Job::report`]);
//! - [`docs`]: documentation pages;
//! - `shipped`: the jobs that come with the program.

//! # A job file
//!
//! ```toml
//! [job]
//! name = "fraud"
//! timezone = "UTC"                 # of `hour` and `weekday`; default UTC
//! distinct_max = 100_000           # where shown distinct counts saturate; default 100,000
//!
//! [sources.transactions]
//! topic = "transactions"           # or files = ["a.jsonl", ..], one a partition
//! format = "json"                  # the default, and the only one
//! time = { field = "timestamp", unit = "ms" } # ms (default), s, us or rfc3339
//! out_of_orderness = "5s"          # how far behind its partition's newest event one may be
//! idle_after = "30s"               # default 30s
//! max_future_skew = "10m"          # how far ahead of its arrival; default: any distance
//! start = "earliest"               # default; or latest, an RFC 3339 time, or "6h ago"
//! # arrival_field = "received_at"  # when a record of a file arrived; written as `time` is
//! # event_time_min = "1990-01-01T00:00:00Z", event_time_max = "2100-01-01T00:00:00Z"
//!
//! [sources.transactions.fields]    # string, int, decimal, double, bool, timestamp (ms) or ip
//! card_id = "string"
//! amount = "decimal"
//! status = "string?"
//! country = "string?"              # may be missing
//! mcc = { type = "string", path = "data.mcc", optional = true }
//!
//! [sources.transactions.define]    # named expressions over the fields
//! declined = 'status = "declined"'
//!
//! [entities.card]
//! key = "card_id"                  # or keys = { transactions = "card_id", .. }, by source
//! # a key that is absent or null is missing; an empty text is an id like any other
//!
//! [views.activity]
//! entity = "card"
//! source = "transactions"          # or sources = [..]; default: the only one
//! ttl = "2d"                       # default 2d
//! where = 'amount > 0'             # only such events are the view's
//!
//! [views.activity.features]        # or like = "another view", for the same features
//! declined_5m = { aggregate = "count", where = 'declined', window = "5m", delay = "1h" }
//! last_country = { aggregate = "latest", of = "country", horizon = "30d" }
//! txn_count_5m = { aggregate = "count", window = "5m", hidden = true }
//! busy = { expression = 'txn_count_5m > 10 and not is_null(last_country)' }
//!
//! [services.scoring]
//! views = ["activity"]             # and features = ["other_view.feature", ..]
//! ```
//!
//! Aggregates over a `window` (and optionally a `delay` and a `where`): `count`; `sum`, `avg`,
//! `stddev` of an int or decimal; `max`, `min` of an int, decimal or timestamp; `distinct`,
//! `entropy` (`normalised = true`) of anything but a double; `ratio` of the events that match
//! `where` to those that match `over`, or to all. At the latest event, until it is `horizon` old
//! (default 30d), optionally the latest that matches `where`: `latest`, and `previous_gap` with a
//! `unit` of ms (default), s, min, h or d.
//!
//! An `expression` may name features of its view, features of other views of the same entity as
//! `view.feature`, definitions and fields (those of the latest event, until it is `horizon` old),
//! and the event time by the last part of its path. Where names clash a feature comes first; in
//! definitions and filters names are fields and definitions only. Durations are whole numbers with
//! units d, h, m, s and ms. The job, its sources,
//! entities, views, features and services may have a `description`.

pub mod docs;
pub mod document;
pub mod expression;

mod aggregate;
mod compile;
mod declare;
mod job;
mod report;
mod shipped;
#[cfg(test)]
mod tests;
mod times;
mod zone;

pub use document::{JobErrors, Problem};
pub use job::{FeatureText, Job, Service, SourceText, ViewText, load, plan_hash};
pub use shipped::{FRAUD, SHIPPED, shipped};

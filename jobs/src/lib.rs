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
//! distinct_max = 100_000           # distinct counts are written up to this; default: no bound. What
//!                                  # expressions see of them is exact
//!
//! [sources.transactions]
//! topic = "transactions"           # or files = ["a.jsonl", ..], one a partition; a folder or a
//!                                  # pattern such as "in/2026-*.jsonl" is its files
//! format = "json"                  # the default; or avro, or csv (see below)
//! # delimiter = ","                # of csv: the byte of ASCII between two cells; default a comma
//! # json = "lenient"               # the default; or strict: no NaN, not even where nothing reads it
//! # framing = "kcat"               # files are what `kcat -J` has written of a topic; default: none
//! time = { field = "timestamp", unit = "ms" } # ms (default), s, us, ns, rfc3339, iso or auto
//! out_of_orderness = "5s"          # how far behind its partition's clock an event may be
//! max_ahead = "5s"                 # how far ahead of its arrival its time may be: what is further
//!                                  # ahead is set back to that; default: out_of_orderness; or "none"
//! arrival = "timestamp"            # the record's timestamp in the topic; or none: nothing is bounded
//! # arrival_field = "received_at"  # instead, also in files: a field, written as `time` is
//! idle_after = "30s"               # when a silent partition is waited for no longer; default 30s
//! hold_max = "1m"                  # nor one whose clock stands; default 1m, or idle_after if longer
//! # max_future_skew = "10m"        # further ahead of its arrival a record is refused, and in no
//!                                  # feature: an evasion; default: none is
//! start = "earliest"               # default; or latest, an RFC 3339 time, or "6h ago"
//! # event_time_min = "1990-01-01T00:00:00Z", event_time_max = "2100-01-01T00:00:00Z"
//!
//! coerce = "exact"                 # default: numbers as texts, ids as numbers (see below); or none
//! # envelope = "debezium"          # records are changes of rows (see below); default: records are events
//! # ops = ["c", "r"]               # of an envelope: the operations that are events; the default
//! # root = "payload"               # or a path that all others begin below; default: the record itself
//! # null_values = ["N/A", "null"]  # texts that mean null; default: none does
//! # invalid = "null"               # what cannot be read in an optional field; or reject: a dead letter
//! # keyless = "skip"               # a record without any of its optional keys; or dead: a dead letter
//! # id = "transaction_id"          # what makes a record itself: a field, or a list of up to 8
//! # unique_within = "10m"          # a copy is no event while the clock is not this far beyond it
//! # unique_ids_max = 4_000_000     # ids kept for each partition at most; default 4,000,000
//! # duplicates = "skip"            # a copy is counted and left out; or dead: a dead letter
//! # text_bytes_max = "1KiB"        # a longer string cannot be read; default 1KiB
//!
//! [sources.transactions.fields]    # string, int, decimal, double, bool, timestamp (ms) or ip
//! card_id = "string"
//! amount = "decimal"                # of 6 decimals; "decimal(2)" and all from 0 to 12 have so many
//! status = "string?"
//! country = "string?"              # may be missing
//! ip_address = "ip?"
//! mcc = { type = "string", path = "data.mcc", optional = true }
//! device = { type = "string", aliases = ["dev.id", "device_id"], default = "none" }
//! # agent = { type = "string?", header = "x-agent" } # or key = true, key = "id", record = "offset"
//!
//! [sources.transactions.define]    # named expressions over the fields
//! declined = 'status = "declined"'
//!
//! [sources.transactions.lookup]    # named values of tables: looked up once for each event
//! ip_score = { table = "ip_reputation", key = "ip_address", column = "score", default = 0.5 }
//! # key: a field; default: where there is no row, no value in it, or no key; else it is null
//!
//! [tables.ip_reputation]
//! file = "ip_reputation.csv"       # relative to this file; its first line names the columns
//! # or topic = "..", with time, out_of_orderness and idle_after as a source has them; a record's
//! # key is the row's, as text, its value a JSON object with the columns; null deletes the row
//! # key_path = "id"                # of a topic: where the row's key is in a key that is an object
//! key = "network"                  # the column that is the key
//! match = "prefix"                 # of an ip the longest prefix; default: exact
//! # key_type = "string"            # of an exact key; string is the default
//! columns = { score = "decimal" }  # their types; ? means that a row may be without it
//! valid_from = "since"             # a column: RFC 3339 or ms since 1970; empty: always
//! reload = "10s"                   # how often to look whether the file has changed; default 10s
//! rows_max = 1_000_000             # more rows are an error; default 1,000,000
//!
//! [entities.card]
//! key = "card_id"                  # or keys = { transactions = "card_id", .. }, by source
//! # a string, an int or an ip; absent, null or an empty text it is no key
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
//! visit_min = { aggregate = "duration", session = "30m", unit = "min" }
//! is_new_place = { aggregate = "is_new", of = ["country", "mcc"], horizon = "30d" }
//! busy = { expression = 'txn_count_5m > 10 and not is_null(last_country)' }
//!
//! [services.scoring]
//! views = ["activity"]             # and features = ["other_view.feature", ..]
//! ```
//!
//! A `path` is a text with dots between the names of objects, `"data.mcc"`; `[0]` behind a name is the
//! first element of an array, `"items[0].price"`, and `[-1]` its last, up to 999 from either end; an
//! element that is not there is absent. A list has its parts as they are, for names with dots in them:
//! `path = ["payment.amount"]`, `path = ["http.request", "[0]", "id"]`. Of Avro no elements are read.
//!
//! A field is read from its `path` (default: its name) or, in a record that lacks it, from the first
//! of its `aliases` that is there; `default`, a value of its type, stands in for a field that a
//! record has nowhere. A null, at the path or on the way to it, is there: it is what `optional`
//! allows, and no default stands in for it. No path may be read twice.
//!
//! A field takes values of other forms that say the same, exactly (`coerce = "exact"`, the default;
//! `"none"`, of a source or a field in its long form, takes only the type's own form):
//!
//! | type | takes besides its own form |
//! |---|---|
//! | `int` | a number or the text of one whose value is whole and within 64 bits: `5.0`, `"5"`, `1e3`, `"+5"`, `"007"` |
//! | `decimal`, `double` | the text of a number as in JSON, or with a `+` or zeros before it; no thousands marks, no decimal comma, no `NaN` |
//! | `string` | a whole number: its digits as they are written, at most 64; below 2^53 also with `.0` behind them, which is left out; `true` and `false` |
//! | `bool` | `0` and `1`, `"true"`, `"false"`, `"0"` and `"1"`, in any case |
//! | `timestamp` | the text of a number, where its unit is one |
//! | `ip` | a port behind it, brackets and a zone (`[::1]:443`, `fe80::1%eth0`), which are left out; `unknown`, `-` and `null` are null |
//!
//! So `12345`, `"12345"` and `12345.0` are one id, whether its field is a string or an int. White
//! space around a text is left out, and an empty or blank one is null, but for a string. The texts
//! of `null_values`, of a source or a field, are null for every type.
//!
//! A time is read by its `unit`: `ms`, `s`, `us` and `ns` count from 1970 and may have a fraction,
//! which is floored to ms; `rfc3339` is a text with an offset; `iso` the same and more loosely: `T` or a
//! space, with or without seconds, a fraction behind a point or a comma, `Z`, `+01:00`, `+0100`, `+01`
//! or nothing: then it takes a `zone` (an IANA name, or `"job"`) to tell it, in which a time that
//! clocks skip goes forward by the gap and one they show twice is the earlier. `auto` is such a text, or
//! a number in the one of the four units in which it lies between 1990 and 2100. Second 60 is the start
//! of the next one. A field of type timestamp may have `unit` (also `date` and `days`: their midnight in
//! `zone`, by default the job's), `zone`, `min` and `max` of its own; by default it is in ms and within
//! `event_time_min` and `event_time_max`: `born = { type = "timestamp?", unit = "date", min = "1900-01-01" }`.
//!
//! A list of addresses (`X-Forwarded-For`) is none, unless `pick` says whom to believe:
//! `"last_untrusted"`, from its end the first one outside of `trusted` (networks; by default private,
//! loopback, link-local and unique local ones); `"last"`; or `"first"`, which is what the client wrote.
//!
//! An optional field whose value is there and cannot be read is null, and counted
//! (`tidemark_invalid_fields_total`), and `invalid(field)` is true of it in filters and expressions. With
//! `invalid = "reject"`, of the source or the field, the record is a dead letter, as it always is where
//! the field is required. Of a key that is there twice the last one decides. `NaN`, `Infinity` and half of
//! a surrogate pair (which becomes U+FFFD) are no reason to refuse a record, unless the source has
//! `json = "strict"`. A record that has none of its keys, all of them optional, is counted and no event.
//! One that is an array is refused: of several events each is a record of its own.
//!
//! What a record has besides its value is a field by the same rules, of any type that fits: with
//! `key = true` the record's key, as text (of a JSON string what it says), with `key = "id"` a path
//! in a key that is a JSON object, with `header = ".."` the last header of that name, and with
//! `record` what the log knows: `"timestamp"`, `"partition"`, `"offset"` or `"topic"`. A header or
//! a key that is not there is absent; one of more than `limits.record_bytes_max` cannot be read.
//! Only headers that a job reads are kept. `time` and `arrival_field` may be there too:
//! `time = { record = "timestamp" }`, `time = { header = "at", unit = "iso" }`. Of a line of a file
//! the partition is the file's place in the list and the offset the line's number from 0; it has no
//! timestamp, no key and no headers.
//!
//! With `framing = "kcat"` a source's files, and those that `tidemark replay` reads in the place of its
//! topic, are dumps: a line is a record as `kcat -J` writes it, with its topic, partition, offset,
//! timestamp, key and headers. Records become the partitions that they were, and arrived at their
//! timestamps, so that the job makes of a dump what it makes of the topic. The files of a source are
//! one dump, in the order of the list, and are read once for each partition: no pipes.
//!
//! A producer that retries, and a topic that is filled again from a copy, write records twice. With `id` a
//! record is a **duplicate** when an event before it in its partition has the same values in those
//! fields, and the partition's clock, as it would stand with the record, is less than `unique_within`
//! beyond the clock time (the event time, or the arrival if that is earlier) of that event. It moves no
//! clock, gives no row and is counted (`tidemark_duplicate_records_total`); with `duplicates = "dead"` it
//! is a dead letter. Malformed, future and late are told first. A record that lacks one of the fields,
//! has null there, what cannot be read, or an empty text, has no id and is never a duplicate. All of it
//! follows from the partition's log alone, so copies in other partitions or files are not told: let the
//! producer key its records. Who writes an id first keeps others with it out: where clients choose ids
//! themselves, name the key as well (`id = ["card_id", "transaction_id"]`). Ids are kept as hashes of 128 bits (BLAKE3), `unique_ids_max` for each
//! partition; where there is no room for a new one it is not kept (`tidemark_unique_ids_unkept_total`), and
//! no other is forgotten for it. Once half of the room is taken one entity gets no more than a 64th.
//!
//! With `envelope = "debezium"` a record is a change of a row as Debezium writes it, in JSON or Avro; of
//! JSON with a schema beside it (`{"schema": .., "payload": ..}`) the payload is read. The paths of
//! fields, aliases and times begin below `after`, and with `outer = true`, of a field, a `time` or an
//! `arrival_field`, at the envelope: `op`, `ts_ms`, `source.lsn`, `before.amount`. Only a record
//! whose operation is one of `ops` is an event: `c` (insert), `r` (snapshot), `u` (update), `d` (delete),
//! `t` (truncate) and `m` (message) can be named; with `u` each update is one more event, and corrects
//! none. All others, and those without a value (of a file: `null`), are skipped: counted by operation
//! (`tidemark_skipped_records_total`), no dead letters, whatever else is in them. They move no clock and give no
//! row. `root = "payload"` alone is for rows that Connect writes with a schema; `outer` then begins at the record.
//!
//! A number whose bytes are in base64 is read with `encoding = "base64"` (decimal, int, double, or a
//! string of a whole number; JSON only), and never guessed, because `"1234"` may be either: with
//! `unscaled = 2` a text, the number without its point of two decimals (Connect's `Decimal`, big-endian,
//! two's complement, at most 16 bytes); without it an object of `scale` and `value`
//! (`VariableScaleDecimal`). Debezium's times are those of `unit`: `Date` is `"days"`, `Timestamp` `"ms"`,
//! `MicroTimestamp` `"us"`, `NanoTimestamp` `"ns"`, `ZonedTimestamp` `"iso"`.
//!
//! JSON that begins with a zero byte has the five bytes of a schema registry's serializer before it,
//! which are skipped. In a table's topic this holds for keys and values; there JSON that Connect has
//! written with its schema (`{"schema": .., "payload": ..}`) is the payload, and a key that is a JSON
//! string is what the string says. A record whose key is an object without `key_path`, or has nothing
//! there, is left out, counted and logged.
//!
//! With `format = "csv"` a source is read from files whose first line names their columns; of a topic
//! only files in its place can be read. A record is a line, or several where line ends are inside of
//! quotes (`"` is written twice there), and its offset its number from 0. A field's `path` is the whole
//! name of its column. An empty cell is null; any other is a text and read as one of JSON is. A record
//! with more cells than columns, or fewer, or with a zero byte, is malformed; a column that is there
//! twice, and a quote that is never closed, end the reading with the file and the line.
//!
//! With `format = "avro"` the fields are the reader's schema: by path and name, whatever else the
//! writer's schema has. Files are Avro object containers. Records of a topic are in the wire format
//! of schema registries, and a number that no schema is known for is asked about for
//! `schema_wait = "60s"` (the default) before its records become dead letters. What fits: int and
//! long an int, decimal, double or timestamp; float and double a decimal (by their shortest decimal
//! text) or double; the logical decimal a decimal or double, and an int when it has no fraction;
//! date and the logical timestamps a timestamp; string, enum, bytes and fixed (in UTF-8) and uuid a
//! string; string an ip; boolean a bool; and by the table above boolean, int and long a string or a
//! bool, float, double and the logical decimal an int, a string or a bool, string all types (but not
//! an int or long that is a time or a date as a string); of a union the value decides. The event time is read as its
//! `unit` says, but a logical timestamp type is what it says itself. A writer's schema that can
//! never fit makes dead letters of its records, with the reason.
//!
//! # Aggregates
//!
//! Every aggregate but `duration`, `first` and `last` may have a `where`: only the view's events that
//! match it count. Lengths (`window`, `delay`, `session`, `horizon`) are 1 ms to 366 days. `?` marks
//! what can be null.
//!
//! | aggregate | keys | value |
//! |---|---|---|
//! | `count` | `window` or `session` | int: events |
//! | `sum` | `of` (int, decimal), `window` or `session` | double: their sum, 0 without values |
//! | `ratio` | `where`, `over`, `window` or `session` | double: the events that match `where` over those that match `over`, or over all; 0 without any |
//! | `avg`, `stddev` | `of` (int, decimal), `window` | double?: mean, population standard deviation |
//! | `max`, `min` | `of` (int, decimal, timestamp), `window` | the field's type?, decimals as double |
//! | `distinct` | `of` (one or several), `window` | int: distinct values, exactly |
//! | `entropy` | `of` (one or several), `window`, `normalised` | double: Shannon's, in nats, or over that of equal shares: 0 to 1 |
//! | `hour_share` | `window` | double?: events in the latest one's hour of the day over those in the busiest hour |
//! | `changes` | `of` (one or several), `window`, `horizon` | int: events that have the field, and another value than the nearest event before them that has it |
//! | `change_ratio` | as `changes` | double: changes over events; 0 without any |
//! | `latest` | `of`, `horizon` | the field's type?: of the latest event |
//! | `previous` | `of`, `horizon` | the field's type?: of the event before the latest one |
//! | `previous_gap` | `horizon`, `unit` | int? in ms, double? in other units: the time between those two |
//! | `is_new` | `of` (one or several), `horizon` | bool?: no event before the latest one has its value; null when it has none |
//! | `first`, `last` | `session`, `of` | the field's type?: of the session's first or last event; without `of`, its time |
//! | `duration` | `session`, `unit` | double: from the session's first event to its last |
//!
//! - A `window` at time t holds the events with `t - window < ts <= t`; with a `delay`, those as of
//!   t - delay.
//! - A `session` is the longest run of the view's events around the latest one in which no gap
//!   exceeds this length; a `where` narrows what is counted in it, not what it is. It is open through
//!   its last event's time plus the gap. A millisecond later its counts, sums, ratios and durations
//!   are 0, and its first and last values null.
//! - Features at the latest event are as of that event, look back `horizon` (default 30d) from it,
//!   and are null once it is `horizon` old. With a `where`, latest and earlier events are matching
//!   ones. In `changes`, the two events must be less than `horizon` apart.
//! - `of` names a field, of any type but double where values are only told apart. There it may also
//!   name 2 to 8 fields, `["country", "city"]`, which are one value: null only when all of them are.
//!   A source has all of them, or none, and then the value is null.
//! - `unit` is ms (default), s, min, h or d.
//! - An entity has at most 64 different filters; each `where` of a view or a feature, each `over` and
//!   each field whose changes are counted is one.
//!
//! # Expressions
//!
//! What is looked up can be used like a field, but not in lists of several fields, in the `where` of
//! a view, and in that of a feature about the latest event. An event is looked up in the version of the table that is effective at its time: of the
//! rows of its key the one with the greatest `valid_from` up to then. A file's first version is
//! effective for all events, a later one from the first whole second of event time above the
//! frontier on.
//!
//! An address is one value however it is written, in records, tables, keys and literals: an IPv4
//! address inside of an IPv6 one (`::ffff:192.0.2.7`) is that IPv4 address.
//!
//! An `expression` may name features of its view, features of other views of the same entity as
//! `view.feature`, definitions and fields (those of the latest event, until it is `horizon` old),
//! and `event_time`, which also goes by the last part of its path where all sources of the view call it
//! so. Where names clash a feature comes first; in definitions and filters names are fields and
//! definitions only. [`expression`] has the grammar.
//!
//! Durations are whole numbers with units d, h, m, s and ms. The job, its sources, entities, views,
//! features and services may have a `description`.

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
pub use job::{FeatureText, Job, LookupText, Service, SourceText, ViewText, load, plan_hash};
pub use shipped::{
    BEHAVIOR, FRAUD, IP_REPUTATION, PERSONALIZATION, SHIPPED, shipped, shipped_table,
};

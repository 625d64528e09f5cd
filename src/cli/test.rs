//! `tidemark test`

use crate::cli::{OutputFormat, values};
use clap::Args;
use std::path::PathBuf;

/// `tidemark test`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark test fraud                              the cases that come with a shipped job
  tidemark test my_job.toml                        my_job.cases.toml beside it
  tidemark test my_job.toml a.toml b.toml --case \"decays\" --workers 1,2,3

A file of cases:
  start = \"2026-03-02T12:00:00Z\"        # what +90s counts from; a case may have its own

  [defaults.transactions]               # fields of every event of the source that has none itself
  amount = 10

  [[case]]
  name = \"a payment leaves the window five minutes later\"
  events = [                            # those of a source in the order they arrive
    { at = \"+0s\", card_id = \"c1\" },     # source = \"NAME\" where the job has several
    { at = \"+2m\", card_id = \"c1\", amount = 30.5 },
    { at = \"-1h\", card_id = \"c1\" },
  ]
  dead = [{ event = 3, reason = \"late\" }] # events count from 1; late, future or malformed

  [[case.expect]]                       # the row as it is read at that time
  at = \"+5m\"                            # also \"+5m-1ms\", or \"2026-03-02T12:05:00Z\"
  view = \"transaction_stats_5m\"
  id = \"c1\"
  features = { txn_count_5m = 1, amount_sum_5m = 30.5, amount_zscore = 1.0 }
  # null = [\"amount_zscore\"]            # features without a value
  # absent = true                       # instead of both: nothing is held, there is no row

Fields have the job's names, or stand where the record has them (data.bytes = 5).
More keys of an event:
  fields = { .. }        fields whose names are keys of an event, such as source
  without = [\"amount\"]   defaults that this event lacks
  arrived = \"+11m\"       when it arrived [default: at]: its time is bounded by that, and clocks
  raw = '{\"amount\":'     the text of the record, instead of fields
and of a dead letter: error = \"amount\", a part of what is wrong with a malformed record.

Time is virtual. Each source is one partition; what is late follows from the order of arrival. A row
at t has seen the accepted events that had arrived by t, and nothing else passed but time. Where an
event of the entity is at t, its sealed row must say the same (unless one up to t arrives later, or
one ahead of t has arrived). All of it on 1 and on 3 workers; doubles may be off by 1e-9 of their
size.

With --format json: {\"job\", \"workers\": [N], \"passed\": N, \"failed\": N, \"cases\": [{\"file\", \"line\",
\"name\", \"passed\": BOOL, \"faults\": [{\"kind\", \"file\", \"line\", \"message\", ..}]}]}; the kind is dead,
not_dead, row (with \"view\", \"id\", \"at_ms\", \"features\": [{\"name\", \"expected\", \"got\"}]) or workers.

Exit codes: 0 all passed, 3 some failed, 2 a job or file of cases is wrong, 1 they could not run.")]
pub struct TestArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Files of cases [default: those of the shipped job, or NAME.cases.toml beside NAME.toml]
    #[arg(value_name = "CASES.toml")]
    pub cases: Vec<PathBuf>,
    /// Only the cases that have this in their name
    #[arg(long, value_name = "NAME")]
    pub case: Option<String>,
    /// Worker threads; everything is run with each of these numbers
    #[arg(long, value_name = "N[,N..]", value_delimiter = ',', default_value = "1,3")]
    #[arg(value_parser = values::workers)]
    pub workers: Vec<usize>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

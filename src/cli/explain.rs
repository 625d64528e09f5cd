//! `tidemark explain`: which events make a value.

use super::reread::RereadArgs;
use super::values;
use clap::Args;
use tidemark_operators::time::EventTime;

/// `tidemark explain`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark explain fraud transaction_stats_5m card_0000017 --source transactions=tx.jsonl
  tidemark explain fraud transaction_stats_5m card_0000017 --at 2026-01-04T21:50:00Z \\
      --features txn_count_5m,amount_sum_5m --source transactions=tx.jsonl
  tidemark explain fraud card_fraud_indicators card_0000017    from the topics, as `run` reads them

For each feature its value, and the events that make it: where each is, its time, what it has of
the attribute, when it leaves and what the value is then if nothing else comes. Of a distinct count
which events stand for which value, of an extreme which event holds it, of what is told by the
events before an event which one decided it; of the latest event and of sessions the events behind.

The log is read once, to the end that it has now: the files that --source names, else what the job
says, topics from their first record. The values are computed twice, by the windows of the whole
job, which `historical` reads too, and from the events of this entity alone; that they differ is a
defect, and exit code 1. With --format json: {\"job\", \"view\", \"entity\", \"id\", \"at\", \"events\",
\"features\": [{\"name\", \"value\", \"definition\", \"changes\": [{\"at\", \"value\"}],
\"more_changes\", \"inputs\": [{\"what\",
\"of\", \"window_ms\", \"delay_ms\", \"horizon_ms\", \"value\", \"count\", \"events\": [EVENT], \"more\",
\"enter_later\", \"values\": [{\"value\", \"events\"}]}]}]}; an EVENT is {\"source\", \"partition\",
\"offset\", \"place\", \"at\", \"value\", \"leaves\", \"then\", \"role\", \"compared\": {\"place\", \"at\",
\"value\"}}.
Exit codes: 0 done, 1 failed, 2 wrong words or files.")]
pub struct ExplainArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The view
    pub view: String,
    /// The id of the entity
    #[arg(allow_hyphen_values = true)]
    pub id: String,
    /// As of when [default: the time of the newest event of all]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub at: Option<EventTime>,
    /// These features alone
    #[arg(long, value_name = "FEATURE,..", value_delimiter = ',')]
    pub features: Vec<String>,
    /// The most events, values and changes that are shown of each feature
    #[arg(long, value_name = "N", default_value = "10", value_parser = values::shown)]
    pub limit: usize,
    /// Where the log is.
    #[command(flatten)]
    pub log: RereadArgs,
}

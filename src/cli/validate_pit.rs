//! `tidemark validate-pit`: whether what is served, what is trained on and the log say the same.

use super::reread::RereadArgs;
use super::values;
use clap::{ArgGroup, Args};
use tidemark_operators::time::EventTime;

/// `tidemark validate-pit`
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["entity_id", "sample"]))]
#[command(after_help = "\
Examples:
  tidemark validate-pit fraud --entity-type card --entity-id card_0000017
  tidemark validate-pit fraud --sample 50
  tidemark validate-pit fraud --entity-type card --entity-id card_0000017 \\
      --at 2026-01-04T21:50:00Z --source transactions=tx.jsonl

Three values of each feature, side by side: the one online (the row in Redis, or, where rows are
only in the process or --http names one, the row that it gives), the one that the windows of the job
hold at that time, as `historical` gives it for training, and the one that the events of this entity
alone make. The log is read to the end that it has now: the files that --source names, else what
the job says, topics from their first record; again for what differs.

A row that a process gives says which events it shows, as of which clock: what these make then is
what it has to be, whatever came later. A row in Redis says neither; it is held against every time
between the clocks that the job told before and after, with and without those events that may not
have come by then. Where these are too many it is not judged, and it is said how many were not:
`--http URL` judges the rows of the process. What differs is looked at a second time, a second
later (in Redis \"decay_flush\" and a second later), so that what was on its way is no difference;
then the first one is explained by the events that make it, and by the time at which the row online
was right, if it was. With --at no row is looked at.

With --format json: {\"job\", \"ok\", \"online\", \"at\", \"entities\", \"values\", \"unjudged\",
\"differences\": [ROW], \"rows\": [ROW], \"why\", \"explained\"}; a ROW is {\"entity\", \"id\", \"view\",
\"feature\", \"online\", \"windows\", \"events\"}, \"rows\" are those of one entity that was named, and
\"explained\" is as `explain` has it. Exit codes: 0 all that were judged are equal, 1 some differ or
it failed, 2 wrong words or files, 3 none could be judged.")]
pub struct ValidatePitArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The type of the entity
    #[arg(long, value_name = "TYPE", requires = "entity_id")]
    pub entity_type: Option<String>,
    /// Its id
    #[arg(long, value_name = "ID", requires = "entity_type")]
    pub entity_id: Option<String>,
    /// So many entities of each type that have rows in Redis, at most 100
    #[arg(long, value_name = "N", value_parser = values::sampled, conflicts_with = "at")]
    pub sample: Option<usize>,
    /// At this time, without what is online [default: the time of the row that is online]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub at: Option<EventTime>,
    /// Ask the process that listens there for rows [default: Redis, unless rows are not in it]
    #[arg(long, value_name = "URL", value_parser = values::http)]
    pub http: Option<String>,
    /// Where the log is.
    #[command(flatten)]
    pub log: RereadArgs,
}

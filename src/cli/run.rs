//! Commands that run a job or read what it made.

use crate::cli::values::{self, SampleOf, SourceFiles, TableFile};
use crate::cli::{OutputFormat, RowTimes};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The most workers a process runs.
pub const WORKERS_MAX: usize = 256;

/// `tidemark demo`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark demo                          which cards are being tested, and why
  tidemark demo behavior                 whose account is being taken over: weeks of history first
  tidemark demo personalization          who is about to buy
  tidemark demo --for 10s | cat          one plain line a second, ten seconds long
  tidemark demo --rate 5000 --workers 2
  tidemark demo --screenshot demo.svg    the screen as a picture, after half a minute or so

In a terminal: ? says what the keys do, q or Ctrl-C ends it. While it runs, http://localhost:8088 in
a browser is its page, and from another terminal:
  curl localhost:8088/features/card_fraud_indicators/card_0000017
  curl localhost:8088/metrics
of behavior and of personalization:
  curl localhost:8088/features/behavior_temporal/user_0000017
  curl localhost:8088/features/user_engagement_5m/user_0000017")]
pub struct DemoArgs {
    /// The job: a shipped one, or a file; its source decides what is generated: `transactions`,
    /// `clicks` or `behavior_events`
    #[arg(default_value = "fraud")]
    pub job: String,
    /// The same as JOB
    #[arg(long = "job", value_name = "JOB", conflicts_with = "job")]
    pub named_job: Option<String>,
    /// End after this long [default: until q or Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Records per second [default: 200; of clicks and behavior_events 100]
    #[arg(long, value_name = "N", value_parser = values::some)]
    pub rate: Option<u64>,
    /// Worker threads [env: PARALLELISM] [default: 1]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Port for HTTP on 127.0.0.1; 0 takes any free one [env: HEALTH_CHECK_PORT] [default: 8088]
    #[arg(long)]
    pub port: Option<u16>,
    /// Serve features on this port of 127.0.0.1, as Feast's server does; 0 takes any free one
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "6566")]
    pub serve: Option<u16>,
    /// Write the screen to this file as SVG once the traffic is live, and end
    #[arg(long, value_name = "FILE", conflicts_with = "duration")]
    pub screenshot: Option<PathBuf>,
    /// Seed of the traffic: the same seed gives the same cards or users and what they do
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

/// `tidemark run`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark run fraud
  tidemark run jobs/my_job.toml --cluster /etc/tidemark/cluster.toml --workers 4
  KAFKA_TOPIC=payments LOG_LEVEL=debug tidemark run fraud

A job whose sources are files ends when all is read: with exit code 0, or 1 when not one record was
accepted. One with topics runs until SIGINT or SIGTERM, and ends with 0. Other codes: 1 it had to
stop (the last lines say why), 2 something is wrong before the start, 70 a panic, which is a defect,
75 another process has taken the job over: it is not to be started again, 76 another process of the
cluster is lost: all are to be started again, as `tidemark up` does.
Records that are refused are warned of, at most once a minute for each reason and source.

Environment (each goes before cluster.toml): KAFKA_BOOTSTRAP_SERVERS, KAFKA_GROUP_ID,
KAFKA_BATCH_SIZE, KAFKA_TOPIC, REDIS_URL, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, REDIS_DB,
REDIS_FEATURE_TTL (seconds), REDIS_MEMORY_LIMIT_BYTES, REDIS_MEMORY_ALERT_THRESHOLD (0 to 1),
SCHEMA_REGISTRY_URL, SCHEMA_REGISTRY_USER, SCHEMA_REGISTRY_PASSWORD, SCHEMA_REGISTRY_TOKEN,
SCHEMAS_DIR, HEALTH_CHECK_PORT, HEALTH_PENDING_AFTER, HEALTH_REFUSED_SHARE (0 to 1),
HEALTH_REFUSED_OVER, HEALTH_CLOCK_BEHIND, LOG_LEVEL, PARALLELISM")]
pub struct RunArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Worker threads [env: PARALLELISM] [default: as cluster.toml says]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Which of the processes that cluster.toml names this is, from 0
    #[arg(long, value_name = "N")]
    pub process: Option<usize>,
    /// Ends with who holds the other end of standard input, and in order at its word
    #[arg(long, hide = true)]
    pub supervised: bool,
    /// Port for HTTP; 0 takes any free one [env: HEALTH_CHECK_PORT] [default: as cluster.toml says]
    #[arg(long)]
    pub port: Option<u16>,
    /// Where the schemas of Avro records in topics are asked for [env: SCHEMA_REGISTRY_URL]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// A folder of such schemas instead: 7.avsc is the schema of id 7 [env: SCHEMAS_DIR]
    #[arg(long, value_name = "FOLDER", conflicts_with = "registry")]
    pub schemas: Option<String>,
    /// Go on although the topic of this source or reference table is not the one that the checkpoint
    /// knows, or has lost records that were to be read; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub accept_changed_topic: Vec<String>,
    /// Go on although past events of this entity type do not have what the changed job needs of
    /// them; may be given more than once
    #[arg(long, value_name = "ENTITY")]
    pub start_empty: Vec<String>,
}

/// `tidemark up`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark up fraud --cluster cluster.toml
  tidemark up fraud --cluster /etc/tidemark/cluster.toml --process 2

It starts the processes in [cluster] of cluster.toml whose addresses are of this host, each as
`tidemark run --process N`. When one ends by itself, the others end with it, and all start again
from the job's state; so a job goes on a few seconds after a process was killed. With other
processes or workers in cluster.toml it goes on the same way. SIGINT and SIGTERM, to it or to any
of its processes, end all in order: with 0. Other codes: 1 a process failed again and again, or is
supervised already, 2 something is wrong before the start, 75 another cluster has taken the job
over.
What --start-empty and --accept-changed-topic accept is accepted by this start alone: by the first
processes that come up. Those that take their places later go on from a checkpoint that says so;
where there is none yet they are refused, and it is to be said again.")]
pub struct UpArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Settings of the processes [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Only this process, from 0 [default: all whose addresses are of this host]
    #[arg(long, value_name = "N")]
    pub process: Option<usize>,
    /// Worker threads of each process [env: PARALLELISM] [default: as cluster.toml says]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Go on although the topic of this source or reference table is not the one that the checkpoint
    /// knows, or has lost records that were to be read; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub accept_changed_topic: Vec<String>,
    /// Go on although past events of this entity type do not have what the changed job needs of
    /// them; may be given more than once
    #[arg(long, value_name = "ENTITY")]
    pub start_empty: Vec<String>,
}

/// `tidemark serve`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark serve fraud                       beside `tidemark run fraud`
  curl localhost:6566/get-online-features -H 'content-type: application/json' \\
      -d '{\"feature_service\": \"fraud_detection\", \"entities\": {\"card_id\": [\"CARD\"]}}'

It reads the rows that the job keeps in Redis, and how fresh they are. Any number of servers may
read the same. A running job serves by itself with \"enabled\" in [serve] of cluster.toml.")]
pub struct ServeArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Port to serve on; 0 takes any free one [default: as cluster.toml says: 6566]
    #[arg(long)]
    pub port: Option<u16>,
}

/// `tidemark replay`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark replay fraud --source transactions=tx.jsonl
  tidemark replay fraud --source transactions=tx.jsonl \\
      --sealed 'rows/{view}.parquet' --rows changes
  tidemark replay fraud --source transactions=p0.jsonl.zst,p1.jsonl.zst --workers 2 \\
      --sealed rows.jsonl --dlq dead.jsonl --online newest.jsonl

  tidemark replay fraud --source 'transactions=in/2026-*.parquet' --sealed rows.jsonl
  bzip2 -dc tx.jsonl.bz2 | tidemark replay fraud --source transactions=- --sealed - | head

Files are JSON lines or Avro, plain, gzip or zstd, or Parquet (by their content); `-` is standard
input or output. A folder is its files and those of its folders, a pattern (* ? [a-z] **) what fits
it, in the order of names: `tidemark docs backfill`. Several files are several partitions, in the
order given; files that follow one another in time are opened as they are needed. Nothing depends on
the clock: the same files give the same bytes of rows, whatever the number of workers, and the same
dead letters, those of a partition in its order. One line of JSON on stdout says what was read and
what it cost (on stderr where rows go to stdout).

What is written gets its name once all of it is whole: a replay that fails or is interrupted leaves
what was there. Records that are refused are told of on stderr, a line for each reason.
Exit codes: 0 done, 1 failed, or not one record was accepted, 2 wrong words or files.")]
pub struct ReplayArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The files of a source, folders or patterns; once for each source of the job
    #[arg(long = "source", value_name = "NAME=FILE[,FILE..]", required = true)]
    #[arg(value_parser = values::source_files)]
    pub sources: Vec<SourceFiles>,
    /// A CSV file to read a reference table from, in the place of what the job says
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = values::table_file)]
    pub tables: Vec<TableFile>,
    /// Worker threads [env: PARALLELISM] [default: 1]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Write sealed rows here: one for each event and view, final, as of the event. In Parquet a view
    /// is a file; {view} stands for it
    #[arg(long, value_name = "OUT.jsonl|{view}.parquet")]
    pub sealed: Option<PathBuf>,
    /// At which times sealed rows are written
    #[arg(long, value_enum, default_value_t, requires = "sealed")]
    pub rows: RowTimes,
    /// Write dead letters here: records that are late or malformed, with the reason
    #[arg(long, value_name = "OUT.jsonl")]
    pub dlq: Option<PathBuf>,
    /// Write the newest row of each entity and view here, as it is at the end
    #[arg(long, value_name = "OUT.jsonl")]
    pub online: Option<PathBuf>,
    /// Let events that lie so far behind the newest ones leave memory, until a window lets go of them: rows
    /// stay the same, and longer windows cost disk [default: all stay in memory]
    #[arg(long, value_name = "DURATION", value_parser = values::hot_window, requires = "cold")]
    pub hot_window: Option<Duration>,
    /// The folder that they are in meanwhile, in files without names
    #[arg(long, value_name = "FOLDER", requires = "hot_window")]
    pub cold: Option<PathBuf>,
}

/// `tidemark get`
#[derive(Clone, Debug, Args)]
#[command(override_usage = "tidemark get [OPTIONS] [JOB] <VIEW> <ID>")]
#[command(help_template = "\
{about-with-newline}
{usage-heading} {usage}

Arguments:
  [JOB]   The job, a file or the name of a shipped one: reads the online store of the settings
          [default: none; the running process is asked over HTTP]
  <VIEW>  The view
  <ID>    The entity's id

{all-args}{after-help}")]
#[command(after_help = "\
Examples:
  tidemark get transaction_stats_5m CARD               beside `tidemark demo` or `tidemark run`
  tidemark get transaction_stats_5m CARD --http http://features-1:8088 --format json
  tidemark get fraud transaction_stats_5m CARD         from Redis, as cluster.toml says

CARD stands for an id, such as one from the screen of the demo. With --format json:
{\"job\": text, or null when none is named, \"view\", \"id\", \"features\": {NAME: number, true, false,
text or null}}.")]
pub struct GetArgs {
    /// The job, or the view when there are only two words
    #[arg(value_name = "VIEW", hide = true)]
    first: String,
    /// The view, or the id
    #[arg(value_name = "ID", allow_hyphen_values = true, hide = true)]
    second: String,
    /// The id
    #[arg(allow_hyphen_values = true, hide = true)]
    third: Option<String>,
    /// Ask the process that listens there [default: port 8088 here, or as cluster.toml says]
    #[arg(long, value_name = "URL", value_parser = values::http)]
    pub http: Option<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

impl GetArgs {
    /// The job, when one is named.
    pub fn job(&self) -> Option<&str> {
        self.third.is_some().then_some(&self.first)
    }

    /// The view.
    pub fn view(&self) -> &str {
        if self.third.is_some() { &self.second } else { &self.first }
    }

    /// The entity's id.
    pub fn id(&self) -> &str {
        self.third.as_ref().unwrap_or(&self.second)
    }
}

/// `tidemark check`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark check fraud
  tidemark check my_job.toml && tidemark run my_job.toml
  tidemark check my_job.toml --sample tx.jsonl     what it makes of the first 10,000 records
  tidemark check my_job.toml --cluster cluster.toml --running   whether that is what runs

With --running: what a running process was started with, by its /settings, against the job, the file
and the environment of this command; a line for each key that differs, and exit code 3. Neither
secrets are compared nor the values of [kafka.settings] and texts with an @. The log level changes
while it runs (POST /log, SIGUSR1), everything else at a start.

With --sample: what becomes of the records, in how many of them each field is present, null (or
missing), invalid or rounded, with an example of each, the unit that would read times that are none
in the job's, and the keys that no field reads. The exit code is that of the job, whatever the
records are.

The memory that is said is that of the process with its online rows; Redis holds rows of its own,
and events that wait to be sealed are bounded by \"stash_bytes\" in cluster.toml.

Every mistake of a job file is shown at once, with its line and the nearest valid name; what is
right and may not mean what its author thinks is noted, with exit code 0.

With --format json: {\"job\", \"file\", \"notes\": [PLACE], \"sources\", \"tables\", \"entities\",
\"views\": [{\"name\", \"entity\", \"features\": [..], ..}], \"services\", \"memory\", \"samples\":
[{\"source\", \"records\", \"accepted\", \"keyless\", \"skipped\": {OP: COUNT},
\"refused\": {REASON: {\"count\", \"first\"}}, \"time\",
\"fields\": [{\"name\", \"present\", \"null\", \"invalid\", \"rounded\", \"example\", ..}],
\"unread_keys\"}]}, or of a job that is wrong
{\"error\": {\"code\": 2, \"message\", \"hint\", \"places\": [PLACE]}}; a PLACE is {\"file\", \"line\",
\"column\", \"key\", \"message\", \"hint\"}.")]
pub struct CheckArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Try the job on the first 10,000 records of a file; of several sources once for each
    #[arg(long = "sample", value_name = "[NAME=]FILE", value_parser = values::sample_of)]
    pub samples: Vec<SampleOf>,
    /// Check these settings too; without --running nothing is connected to
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Compare the job and the settings with those of the process that runs, and nothing else
    /// [default: at the address that the settings say]
    #[arg(long, value_name = "HOST:PORT", value_parser = values::address, num_args = 0..=1)]
    pub running: Option<Option<String>>,
    /// Say what memory is taken by so many live entities of each type [default: 1,000,000]
    #[arg(long, value_name = "N", value_parser = values::entities)]
    pub entities: Option<u64>,
    /// .. with so many events each in its longest window [default: 10]
    #[arg(long, value_name = "N", value_parser = values::each)]
    pub events: Option<u64>,
    /// .. with so many different values of a field each [default: 3]
    #[arg(long, value_name = "N", value_parser = values::each)]
    pub values: Option<u64>,
    /// .. with so many different texts of a field in all [default: as many as entities]
    #[arg(long, value_name = "N", value_parser = values::entities)]
    pub texts: Option<u64>,
    /// .. each of so many bytes, ids too [default: 16]
    #[arg(long, value_name = "B", value_parser = values::each)]
    pub text_bytes: Option<u64>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

//! The histories of a few entities, read again from the log of a job: its files and topics, to the ends
//! that they have now.
//!
//! The job runs as it does for [training](crate::historical): what it says the features were comes from
//! the windows of all entities. Beside that the rows of these few are kept, so that the same can be
//! [computed from them alone](tidemark_operators::recomputed), and it can be said which events made it.

mod ends;
mod kept;

use crate::config::Settings;
use crate::engine::{self, MakeParts, Observer, Online, Parts};
use crate::failure::Failure;
use crate::kafka::KafkaStatus;
use crate::refusals::{CountedLetters, Refusals};
use crate::replay::outputs::{OutputPaths, Outputs};
use crate::replay::{refused, told, watch};
use crate::run::schemas::SchemaSource;
use crate::run::sources::{OpenSources, Sources};
use crate::tables::OpenTables;
use ends::to_their_ends;
pub(crate) use kept::{AskedHistory, KeptHistory};
use kept::{KeptHistories, ROWS_MAX};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::plan::{Plan, Start};
use tidemark_operators::shape::Shape;
use tidemark_operators::time::EventTime;

/// How long the brokers may take to answer before it is given up.
const BROKERS_PATIENCE: Duration = Duration::from_secs(30);

/// What is read, and for whom.
pub(crate) struct Reread<'a> {
    /// The job; sources that name files are read from them, others from their topics.
    pub plan: &'a Arc<Plan>,
    pub settings: &'a Settings,
    pub tables: OpenTables,
    pub workers: usize,
    pub asked: Vec<AskedHistory>,
    /// When is asked for; `None`: the time of the newest event of all.
    pub at: Option<EventTime>,
    /// Whether events after that are kept too: of live rows some may be.
    pub later: bool,
}

/// What was found.
pub(crate) struct ReadAgain {
    /// When that was.
    pub at: EventTime,
    /// In the order in which they were asked for.
    pub histories: Vec<KeptHistory>,
    /// Where events are.
    pub places: Arc<Refusals>,
}

impl Reread<'_> {
    /// Reads.
    ///
    /// # Errors
    /// When a source or a setting is wrong (exit code 2), or something cannot be read (1).
    pub fn read(self) -> Result<ReadAgain, Failure> {
        let plan = &all_of(self.plan);
        let sources = Sources::new(plan, self.settings)?;
        let schemas = SchemaSource::open(plan, self.settings)?;
        let engine = engine::Settings {
            plan: Arc::clone(plan),
            shape: Shape::one_process(self.workers),
            limits: self.settings.limits.engine(),
            live_idle: None,
            live_left: (0, 0),
            machine_clock: None,
            sealing: Sealing::Probes,
            online: Online::Off,
        };
        let observer = Observer::new(&engine);
        let letters = Outputs::create(&OutputPaths::default(), &engine, &observer)?;
        let places = Refusals::new(plan, sources.files());
        let (status, started) = (KafkaStatus::new(), Instant::now());
        let keep_trying = || started.elapsed() < BROKERS_PATIENCE;
        let Some(opened) = sources.open(engine.shape, &status, &keep_trying)? else {
            let why = status.error().unwrap_or_else(|| "no broker answered".to_owned());
            return Err(Failure::failed(format!("cannot read the topics of the job: {why}")).hint(
                "name the brokers by KAFKA_BOOTSTRAP_SERVERS, or files by --source NAME=FILE",
            ));
        };
        let opened = Arc::new(opened);
        let kept = KeptHistories::new(plan, self.asked, (self.at, self.later));
        let part = ReadParts {
            opened: Arc::clone(&opened),
            status,
            tables: self.tables,
            schemas,
            letters,
            places: Arc::clone(&places),
            kept: kept.clone(),
            observer: observer.clone(),
        };
        let make = part.make(self.workers);
        let outcome = watch::watched(&engine, &observer, &make, sources.progress());
        drop(make);
        if let Some(opened) = Arc::into_inner(opened) {
            opened.close(Duration::from_secs(5));
        }
        outcome?;
        told::tell(plan, &observer);
        let judged = observer.metrics.iter().flat_map(|metrics| &metrics.verdicts);
        refused::say(
            &places,
            Err("`tidemark replay --dlq FILE` keeps them"),
            judged.map(|verdicts| verdicts.judged()).sum(),
        );
        let (at, histories) = kept.finish(plan)?;
        Ok(ReadAgain { at, histories, places })
    }
}

/// The plan, with its topics read from what they hold first, wherever `run` begins.
fn all_of(plan: &Arc<Plan>) -> Arc<Plan> {
    let mut all = Plan::clone(plan);
    all.sources.iter_mut().for_each(|source| source.start = Start::Earliest);
    Arc::new(all)
}

/// What the workers share.
struct ReadParts {
    opened: Arc<OpenSources>,
    status: Arc<KafkaStatus>,
    tables: OpenTables,
    schemas: Option<SchemaSource>,
    letters: Outputs,
    places: Arc<Refusals>,
    kept: KeptHistories,
    observer: Observer,
}

impl ReadParts {
    fn make(self, workers: usize) -> MakeParts {
        let letters = (0..workers).map(|_| Some(self.letters.letters())).collect::<Vec<_>>();
        let letters = Mutex::new(letters);
        Arc::new(move |worker, waker| {
            let partitions = self.opened.partitions(worker, &waker)?;
            let sink = letters.lock().map_or(None, |mut sinks| sinks.get_mut(worker)?.take());
            let sink = Box::new(sink.ok_or("a worker was started twice")?);
            Ok(Parts {
                partitions: to_their_ends(partitions, &self.status),
                tables: self.tables.take(worker, &waker)?,
                schemas: self.schemas.as_ref().map(|schemas| schemas.schemas(&waker)),
                dead_letters: Box::new(CountedLetters::new(sink, &self.places)),
                online: None,
                lines: None,
                probes: self.kept.probes((worker, workers), &self.observer),
                checkpoints: None,
            })
        })
    }
}

/// What is said where an entity has more events than are kept.
fn too_many() -> String {
    format!(
        "the entities that are asked for have more than {ROWS_MAX} events; ask for fewer of them, or \
         name files with fewer events by --source NAME=FILE"
    )
}

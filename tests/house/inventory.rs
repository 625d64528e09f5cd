//! What lives across activations, field by field, and what becomes of it when a process is killed and a job
//! goes on from a checkpoint. A field that is not in this inventory fails the test, so that none is
//! forgotten: whoever adds one says whether a checkpoint has it.

use crate::source::Fields;
use crate::tree;
use Fate::{Derived, Fixed, Lost, Parts, Saved};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a field.
#[derive(Clone, Copy)]
enum Fate {
    /// A checkpoint has it, there.
    Saved(&'static str),
    /// It is made again, of that.
    Derived(&'static str),
    /// It is gone, and nothing misses it: the reason.
    Lost(&'static str),
    /// The job's definition, its settings, or a way to somebody: as at any start.
    Fixed,
    /// Its own fields say it.
    Parts(&'static str),
}

/// Of what is read on from an offset.
const READ_AGAIN: Fate = Lost("what is behind the position of the mark is read again");
/// Of room that is kept between two steps.
const SCRATCH: Fate = Lost("holds nothing between two steps");
/// Of numbers for people.
const TOLD: Fate = Lost("metrics and health count from the start of the process");
/// Of what a step has taken in and not finished.
const IN_FLIGHT: Fate = Lost("lies at or above the cut, so its records are read again");

/// A type's name, and its fields.
type Entry = (&'static str, &'static [(&'static str, Fate)]);

/// The dataflow of a worker.
const OPERATORS: [Entry; 18] = [
    (
        "OwnedPartitions",
        &[
            ("config", Fixed),
            ("records", Fixed),
            ("projections", Fixed),
            ("owned", Parts("Owned")),
            ("decoded", SCRATCH),
            ("offsets", SCRATCH),
            ("outbox", IN_FLIGHT),
            ("dead", Saved("letters/: handed over before the marks of their cut are")),
            ("waiting", TOLD),
            ("overflows", TOLD),
            ("told", Lost("the others are told again")),
            ("capabilities", Derived("the cut: nothing older comes")),
            ("done", Derived("a source that has ended ends again")),
        ],
    ),
    (
        "Owned",
        &[
            ("reader", Derived("the mark: it begins at `reread`")),
            ("judge", Parts("Judge")),
            ("unique", Parts("Unique")),
            ("unsealed", Derived("records that are read again")),
            ("raw", READ_AGAIN),
            ("next", READ_AGAIN),
            ("ended", Derived("the reader")),
            ("idle", Lost("it is silent for `idle_after` once more, and the cut is its floor")),
            ("overdue", Lost("it holds the others for `hold_max` once more")),
            ("paused", Derived("the room there is")),
            ("waiting", Derived("the schemas that are known")),
            ("opens", Derived("the reader")),
            ("accepted", Saved("the mark")),
            ("ahead", TOLD),
            ("first", Saved("the mark: `complete_from` rests on it")),
            ("next_offset", Saved("the mark: `read`")),
            ("marks", Parts("Marks")),
            ("rereading", Derived("the cut")),
            ("history", Saved("the mark")),
            ("idleness", Lost("silence is counted from the start")),
            ("found", Lost("a partition that is known appeared before")),
            ("told", Lost("the others are told again")),
        ],
    ),
    (
        "Judge",
        &[
            ("bounds", Fixed),
            ("clock", Saved("the mark")),
            ("newest", Saved("the mark")),
            ("floor", Derived("the cut, below which nothing is accepted")),
        ],
    ),
    ("Unique", &[("ids", Parts("SeenIds")), ("fields", Fixed), ("keys", Fixed), ("id", SCRATCH)]),
    (
        "SeenIds",
        &[
            ("within", Fixed),
            ("width", Fixed),
            ("ids_max", Fixed),
            ("seen", Saved("ids/")),
            ("due", Derived("`seen`")),
            ("held", Derived("`seen`")),
            ("by_entity", Derived("`seen`")),
            ("unkept", TOLD),
        ],
    ),
    (
        "Marks",
        &[
            ("mark", Saved("the manifest")),
            ("rereads", Derived("the mark")),
            (
                "steps",
                Derived("records that are read again, from the least that lies above the cut"),
            ),
            ("refused", Saved("the mark")),
            ("ids", Parts("SeenIds")),
        ],
    ),
    (
        "Coordination",
        &[
            ("partitions", Derived("the marks, and what partitions tell")),
            ("awaited", Lost("every worker tells of its partitions again")),
            ("done", Derived("sources that end again")),
            ("out_of_orderness", Fixed),
            ("newest", Derived("the marks")),
            ("live", Parts("LiveClock")),
            ("cut", Derived("the manifest's cut, which is the first that may be asked for again")),
            ("snapshot", Lost("the next one is asked for an interval after the start")),
        ],
    ),
    (
        "LiveClock",
        &[
            ("idle_after", Fixed),
            ("greatest", Derived("the marks")),
            ("moved", Derived("the manifest: the clock, and when that was")),
            ("silent_before", Derived("the manifest: when it was written")),
            ("machine", Derived("the machine's clock")),
            ("frontier", Derived("the cut")),
            ("clock", Saved("the manifest")),
        ],
    ),
    (
        "Running",
        &[
            ("config", Fixed),
            ("state", Parts("EntityState")),
            ("queue", IN_FLIGHT),
            ("lookups", Derived("tables, which are read again")),
            ("live", Parts("LiveWindows")),
            ("sealing", Parts("SealedWindows")),
            ("writer", IN_FLIGHT),
            ("origins", SCRATCH),
            ("sealed", Derived("the cut")),
            ("due", SCRATCH),
            ("rows", Derived("the state: every row is given out again where it may be another")),
            ("more_rows", SCRATCH),
            ("applied", Derived("the partitions as they stood, and what is read again")),
            ("applied_told", SCRATCH),
            ("reached", SCRATCH),
            ("unretired", SCRATCH),
            ("told", TOLD),
            ("hot", Lost("a sketch of the last minutes, for people")),
            ("over", Derived("sources that end again")),
            ("handed", Saved("segments/ and states/: what is not handed over is read again")),
            ("restoring", Lost("a restore begins anew")),
            ("anew", Lost("a restore begins anew")),
            (
                "forgetting",
                Saved("the manifest: `tombstones`; who is not there yet is asked for again"),
            ),
            ("ahead", Lost("rows behind the cut are given, and wait for those of others, anew")),
            ("arrived", Lost("only a job without checkpoints is asked by arrival")),
            ("probes", Lost("only a job without checkpoints is asked at times of its own")),
            ("watching", Lost("only a job without checkpoints is watched")),
            ("places", SCRATCH),
        ],
    ),
    (
        "EntityState",
        &[
            ("log", Parts("EntityLog")),
            ("windows", Derived("the rows and the cut")),
            ("clock", Derived("the live windows")),
            ("forgetting", Lost("who asked has no answer, and asks again")),
        ],
    ),
    (
        "EntityLog",
        &[
            ("names", Derived("ids and texts of segments and states")),
            ("log", Saved("segments/")),
            ("stash", IN_FLIGHT),
            ("entity", Fixed),
            ("attributes", Fixed),
            ("history", Parts("SealedHistory")),
            ("unsealed", IN_FLIGHT),
            ("revised", SCRATCH),
            ("ready", SCRATCH),
            ("forgotten", Saved("the manifest: `tombstones`")),
        ],
    ),
    (
        "SealedHistory",
        &[
            ("fold", Fixed),
            ("cells", Saved("states/, and rows since")),
            ("latest", Saved("states/, and rows since")),
            ("kept", Derived("`latest`")),
            ("seen", Saved("states/, and rows since")),
        ],
    ),
    (
        "SealedWindows",
        &[
            ("windows", Derived("the rows and the cut")),
            ("accumulators", Saved("states/, and rows since; short windows of rows alone")),
            ("readings", Fixed),
            ("lasts", Saved("states/, and rows since")),
            ("outs", SCRATCH),
            ("views", SCRATCH),
            ("arrivals", SCRATCH),
            ("group_times", SCRATCH),
            ("group_ends", SCRATCH),
            ("origins", IN_FLIGHT),
            ("block_origins", SCRATCH),
            ("next", IN_FLIGHT),
            ("folding", SCRATCH),
            ("probing", SCRATCH),
            ("changing", Derived("timers: the last events and the cut; the rest is scratch")),
            ("lag", Fixed),
            ("clock", Derived("the cut")),
            ("until", SCRATCH),
            ("rows", TOLD),
            ("values", TOLD),
        ],
    ),
    (
        "LiveWindows",
        &[
            ("windows", Derived("the sealed windows")),
            ("accumulators", Derived("the sealed ones, and records that are read again")),
            ("lasts", Derived("the sealed ones, and records that are read again")),
            ("views", Derived("every row that may be another is marked")),
            ("arrivals", SCRATCH),
            ("expired", SCRATCH),
            ("batches", SCRATCH),
            ("clock", Derived("the live clock")),
            ("shown", Derived("the heartbeats in Redis")),
            ("leaving", SCRATCH),
            ("rows", TOLD),
            ("values", TOLD),
        ],
    ),
    (
        "Table",
        &[
            ("matching", Fixed),
            ("trace", Derived("the versions that are kept")),
            ("pending", Derived("see `trace`")),
            ("pending_updates", Derived("see `trace`")),
            ("lengths", Derived("the rows of the table")),
            ("frontier", Derived("the table, once it is read")),
            ("version", TOLD),
            ("news", Derived("the readers")),
        ],
    ),
    (
        "FileVersions",
        &[
            ("feed", Saved("tables/ and versions/")),
            ("version", Saved("versions/")),
            ("coming", Lost("nobody has seen it: it is read from the file again")),
            ("newest", Saved("tables/")),
            ("any", Derived("tables/")),
        ],
    ),
    (
        "TopicTable",
        &[
            ("plan", Fixed),
            ("source", Fixed),
            ("key_path", Fixed),
            ("feed", Derived("the topic, behind what is kept of it")),
            ("decoder", Fixed),
            ("decoded", SCRATCH),
            ("owned", Saved("tables/: how far each partition is read, and its clock")),
            ("history", Saved("versions/")),
            ("begun", Saved("versions/")),
            ("unkept", Parts("Unkept")),
            ("loaded", Derived("the topic, to the end that it has")),
            ("more", SCRATCH),
        ],
    ),
    (
        "Unkept",
        &[
            ("keeper", Saved("tables/ and versions/")),
            ("not_before", Saved("tables/, and the file of sealed rows")),
            ("states", Lost("nobody has seen it: its records are read again")),
            ("whole", Derived("tables/: whether there is a version")),
            ("updates", Lost("nobody has seen it: its records are read again")),
            ("held", Lost("what held the frontier is read again")),
            ("handed_over", Lost("what was not kept is read again")),
            ("marks", Saved("tables/")),
        ],
    ),
];

/// What checkpoints, letters and rows go through.
const PROCESS: [Entry; 18] = [
    (
        "Writer",
        &[
            ("plan", Fixed),
            ("objects", Fixed),
            ("leader", Derived("the newest manifest")),
            ("cipher", Fixed),
            ("merging", Lost("what was merged and is listed nowhere is collected")),
            ("keys", Fixed),
            ("workers", Fixed),
            ("sealed_rows", Fixed),
            ("progress", TOLD),
            ("topics", Derived("the brokers")),
            ("publisher", Parts("PublisherState")),
            ("lacks", Parts("Lacks")),
            ("tables", Parts("TableVersions")),
            ("next", Saved("manifests/")),
            ("files", Lost("slices of a snapshot that is not whole are told again")),
            ("gathering", Lost("the cut is not committed, and its records are read again")),
            ("unreadable_ids", Derived("the files, when they are merged")),
            ("forgotten", Lost("whoever waits for its manifest has no answer, and asks again")),
            ("telling", Lost("a snapshot that is not whole is told again")),
            ("number", Lost("names carry the generation")),
            ("published", Lost("letters are deleted a few manifests later")),
        ],
    ),
    (
        "Lacks",
        &[
            ("plan", Fixed),
            ("components", Fixed),
            ("start_empty", Fixed),
            ("refused", Lost("the job ends, and the next start asks again")),
            ("held", Saved("the manifest: `lacking`")),
            ("rows_from", Saved("the manifest")),
            ("snapshot", Saved("the manifest")),
            ("cut", Saved("the manifest")),
            ("fed", Saved("the manifest: `fingerprint`")),
            ("kept", Saved("the manifest: `fingerprint`")),
            ("fingerprints", Fixed),
        ],
    ),
    ("TableVersions", &[("tables", Parts("KeptTable"))]),
    (
        "KeptTable",
        &[
            ("plan", Fixed),
            ("at", Fixed),
            ("taken", Derived("the newest manifest")),
            ("cipher", Fixed),
            ("chain", Saved("tables/")),
            ("newest", Saved("versions/")),
            ("reached", Saved("tables/, and the file of sealed rows")),
            ("written", Lost("names carry the generation")),
        ],
    ),
    (
        "KeptTopic",
        &[
            ("table", Parts("KeptTable")),
            ("topic", Saved("tables/")),
            ("rows", Saved("tables/")),
            ("changed", Saved("versions/")),
            ("batches", Saved("tables/")),
            ("partitions", Saved("tables/")),
        ],
    ),
    (
        "WorkerPart",
        &[
            ("worker", Fixed),
            ("held", Saved("letters/, or their records are read again")),
            ("ids", Saved("ids/, or their records are read again")),
            ("to", Fixed),
        ],
    ),
    (
        "LetterRoom",
        &[
            ("letters", Derived("the letters that the manifest lists")),
            ("bytes", Derived("the letters that the manifest lists")),
            ("letters_max", Fixed),
            ("bytes_max", Fixed),
            ("published", Lost("cuts are numbered from the start")),
        ],
    ),
    (
        "PublisherState",
        &[
            ("published", Saved("the manifest, and the topic of progress")),
            ("publishing", Parts("Publishing")),
        ],
    ),
    (
        "LetterFile",
        &[
            ("path", Fixed),
            ("file", Fixed),
            ("is_regular", Fixed),
            ("position", Saved("the manifest")),
            ("piped", Lost("a pipe has no places: what it took is published again")),
        ],
    ),
    (
        "LetterSession",
        &[("progress", Parts("WrittenProgress")), ("topics", Derived("the brokers"))],
    ),
    (
        "WrittenProgress",
        &[
            ("inquirer", Fixed),
            ("topic", Fixed),
            ("key", Derived("the id of the state")),
            ("writer", Derived("the id of the state: an open transaction is ended")),
            ("written", Saved("the topic of progress")),
        ],
    ),
    (
        "SealedFile",
        &[
            ("sender", Lost("rows behind the cut are sealed again")),
            ("thread", Lost("the file is cut off where the manifest says, and goes on there")),
        ],
    ),
    ("RowSession", &[("progress", Parts("WrittenProgress")), ("there", Derived("the brokers"))]),
    ("Publishing", &[("what", Fixed), ("status", TOLD), ("give_up", Fixed)]),
    ("RowsProgress", &[("publishing", Parts("Publishing")), ("end", Fixed)]),
    (
        "Shard",
        &[
            ("schema", Fixed),
            ("views", Derived("the state: every row is given out again where it may be another")),
            ("entities", Derived("the state")),
            ("texts", Derived("the state")),
            ("dirt", Derived("heartbeats: rows that they do not vouch for are written")),
            ("applied", Derived("the state: told with the rows")),
        ],
    ),
    (
        "Pulse",
        &[
            ("field", Fixed),
            ("workers", Fixed),
            ("metrics", TOLD),
            ("started", Fixed),
            ("next", Fixed),
            ("renewed", SCRATCH),
            ("asked", SCRATCH),
            ("clocks", Lost("what is not in Redis is not vouched for")),
            ("written", Saved("the heartbeat in Redis")),
            ("inherited", Derived("the heartbeat in Redis")),
            ("numbered", Saved("the manifest, and the generation in Redis")),
            ("known", Lost("it is written again")),
            ("refused", Lost("it is tried again")),
        ],
    ),
    (
        "Fence",
        &[
            ("key", Fixed),
            ("own", Saved("the manifest, and the generation in Redis")),
            ("text", Saved("the manifest, and the generation in Redis")),
            ("leads", Fixed),
        ],
    ),
];

/// By crate and type.
type Inventory = BTreeMap<(&'static str, &'static str), &'static [(&'static str, Fate)]>;

fn inventory() -> Inventory {
    let operators = OPERATORS.into_iter().map(|(name, said)| (("tidemark_operators", name), said));
    operators.chain(PROCESS.into_iter().map(|(name, said)| (("tidemark", name), said))).collect()
}

/// The fields of the structs that the inventory has, as the sources have them, each with the types that
/// it names.
fn fields(known: &Inventory) -> BTreeMap<(&'static str, String), Fields> {
    let mut found = BTreeMap::new();
    for source in tree::shipped() {
        for (name, fields) in source.structs() {
            if known.contains_key(&(source.package(), name.as_str())) {
                found.insert((source.package(), name), fields);
            }
        }
    }
    found
}

#[test]
fn every_field_that_lives_across_activations_is_saved_derived_or_lost_for_a_reason() {
    let inventory = inventory();
    let (fields, mut wrong) = (fields(&inventory), Vec::new());
    for ((package, name), said) in &inventory {
        let Some(fields) = fields.get(&(*package, (*name).to_owned())) else {
            wrong.push(format!("{name} is no struct any more"));
            continue;
        };
        let said: BTreeSet<&str> = said.iter().map(|(field, _)| *field).collect();
        let has: BTreeSet<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
        for field in has.difference(&said) {
            wrong.push(format!(
                "{name}.{field}: does a checkpoint have it? say so in the inventory"
            ));
        }
        for field in said.difference(&has) {
            wrong.push(format!("{name}.{field} is gone"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_field_whose_parts_say_it_is_of_a_type_in_the_inventory_and_every_fate_has_a_reason() {
    let inventory = inventory();
    let fields = fields(&inventory);
    for ((package, name), said) in &inventory {
        for (field, fate) in *said {
            match fate {
                Parts(part) => {
                    assert!(
                        inventory.contains_key(&(*package, *part)),
                        "{name}.{field}: {part} says nothing"
                    );
                    let of = fields[&(*package, (*name).to_owned())]
                        .iter()
                        .find(|(has, _)| has == field);
                    let named = of.is_some_and(|(_, named)| named.iter().any(|is| is == part));
                    // What is shared behind a trait or a handle is named by its user.
                    let behind = ["Marks.ids", "Writer.publisher"];
                    let place = format!("{name}.{field}");
                    assert!(named || behind.contains(&place.as_str()), "{place} is no {part}");
                }
                Saved(reason) | Derived(reason) | Lost(reason) => assert!(!reason.is_empty()),
                Fixed => {}
            }
        }
    }
}

#[test]
fn a_field_is_found_with_all_types_that_it_names_and_one_that_nobody_has_told_of_is_missed() {
    let text = "struct A<'a> { #[doc = \"x\"] pub(super) one: Option<Rc<RefCell<B>>>, two: fn(u8) -> \
                std::time::Duration, three: (C, &'a [u8]) }";
    let found = crate::source::Source::parse("src/a.rs", text).structs();
    let (name, fields) = &found[0];
    let names: Vec<_> = fields.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!((name.as_str(), names), ("A", vec!["one", "two", "three"]));
    assert!(fields[0].1.contains(&"B".to_owned()) && fields[2].1.contains(&"C".to_owned()));
}

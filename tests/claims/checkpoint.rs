//! Checkpoints as people look into them: through the binary.

use crate::folder::Folder;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::{Command, Output};
use tidemark::checkpoint::{
    AttributeSchema, BlockCipher, EntitySchema, ForgottenEntity, Leader, ListedKind, Manifest,
    Manifests, PartitionMark, Position, Snapshot, StateKeys, StatesWriter, WrittenBy,
    encode_segment, object_name, store,
};
use tidemark::objects::{LocalObjects, Objects};
use tidemark_operators::cut::{AttributeValues, EntityStates, StateComponent, Texts, TimelineRows};
use tidemark_operators::event_batch::NULL;

fn tidemark(arguments: &[&str]) -> (i32, String, String) {
    let command = [&["checkpoint"], arguments].concat();
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark")).args(command).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn texts<'a>(all: impl IntoIterator<Item = &'a [u8]>) -> Texts {
    let mut texts = Texts::default();
    for text in all {
        texts.push(text).unwrap();
    }
    texts
}

fn schema() -> EntitySchema {
    let attribute = |name: &str, ty: &str, storage: &str| AttributeSchema {
        name: name.to_owned(),
        ty: ty.to_owned(),
        storage: storage.to_owned(),
        ..AttributeSchema::default()
    };
    EntitySchema {
        entity: "card".to_owned(),
        filters: vec!["amount > 10".to_owned(), "status = \"declined\"".to_owned()],
        attributes: vec![
            attribute("amount", "decimal(2)", "wide"),
            attribute("amount", "decimal(2)", "symbol"),
            attribute("country", "string", "symbol"),
            attribute("ip", "ip", "symbol"),
            attribute("score", "double", "wide"),
        ],
        ..EntitySchema::default()
    }
}

/// One row a time, of the card of that name.
fn rows(of: &[(u64, &str)]) -> TimelineRows {
    let mut rows = TimelineRows {
        ids: texts(of.iter().map(|(_, id)| id.as_bytes())),
        ..TimelineRows::default()
    };
    let count = u32::try_from(of.len()).unwrap();
    rows.times = of.iter().map(|(time, _)| *time).collect();
    rows.entities = (0..count).collect();
    rows.bits = of.iter().map(|(time, _)| time % 4).collect();
    let amounts: Vec<i64> = (0..i64::from(count)).map(|at| 1_050 + at).collect();
    let words: Vec<_> = amounts.iter().map(|amount| amount.to_le_bytes()).collect();
    let places = |values: &[&[u8]]| AttributeValues::Symbols {
        values: texts(values.iter().copied()),
        places: (0..count).map(|at| at % (values.len() as u32 + 1)).collect(),
    };
    let scores = (0..count).map(|at| match at {
        0 => NULL,
        at => (f64::from(at) / 4.0).to_bits().cast_signed(),
    });
    rows.attributes = vec![
        AttributeValues::Words(amounts.clone()),
        AttributeValues::Symbols {
            values: texts(words.iter().map(|word| &word[..])),
            places: (1..=count).collect(),
        },
        places(&[b"FR", b"a \"b\""]),
        places(&[&[192, 0, 2, 7]]),
        AttributeValues::Words(scores.collect()),
    ];
    rows
}

/// A cut of two workers, each with its rows.
fn cut(
    objects: &dyn Objects,
    leader: &mut Leader<'_>,
    range: std::ops::Range<u64>,
    of: [&[(u64, &str)]; 2],
    cipher: Option<&BlockCipher>,
) {
    let mut next = leader.manifest().clone();
    for (worker, of) in of.into_iter().enumerate() {
        let Manifest { generation, sequence, .. } = *leader.manifest();
        let written = WrittenBy { generation, sequence: sequence + 1, worker, number: 0 };
        let name = object_name(ListedKind::Segment, written);
        let (object, listed) =
            encode_segment(name, schema(), range.clone(), &rows(of), cipher).unwrap();
        store(objects, &object).unwrap();
        next.segments.push(listed);
    }
    next.cut = range.end;
    leader.append(next).unwrap();
}

fn snapshot(objects: &dyn Objects, leader: &mut Leader<'_>) {
    let Manifest { generation, sequence, .. } = *leader.manifest();
    let written = WrittenBy { generation, sequence: sequence + 1, worker: 0, number: 0 };
    let name = object_name(ListedKind::States, written);
    let component = "count in 1h".to_owned();
    let mut writer =
        StatesWriter::new(name, "card".to_owned(), 2_000, vec![component.clone()], None);
    let states = texts([&b"\x01"[..]]);
    let components = vec![StateComponent { identity: component, states }];
    let states = EntityStates { as_of: 2_000, ids: texts([&b"card_1"[..]]), components };
    writer.push(&states).unwrap();
    let (object, listed) = writer.finish().unwrap();
    store(objects, &object).unwrap();
    let mut next = leader.manifest().clone();
    next.snapshot = Some(Snapshot { as_of: 2_000, states: vec![listed] });
    leader.append(next).unwrap();
}

fn first() -> Manifest {
    Manifest {
        job: "fraud".to_owned(),
        program: "0.1.0".to_owned(),
        time_zones: "2025b".to_owned(),
        fingerprint: [("card".to_owned(), "..".to_owned()), ("user".to_owned(), "..".to_owned())]
            .into(),
        live_clock: 2_900,
        partitions: vec![PartitionMark {
            source: "transactions".to_owned(),
            partition: 3,
            read: 1_234,
            reread: 1_200,
            refused: vec![(1_201, 1_203)],
            ..PartitionMark::default()
        }],
        outbox: [("letters".to_owned(), Position::Number(17))].into(),
        tombstones: vec![ForgottenEntity {
            entity: "card".to_owned(),
            id: "gone".to_owned(),
            before: 2_000,
            ..ForgottenEntity::default()
        }],
        ..Manifest::default()
    }
}

/// Two cuts of two workers, and a snapshot: manifests 1 to 4.
fn filled(folder: &Folder, cipher: Option<&BlockCipher>) -> LocalObjects {
    let objects = LocalObjects::create(folder.path()).unwrap();
    let mut leader = Manifests::new(&objects).take_over(&first(), "w1", 1_764_000_000_000).unwrap();
    let of: [&[(u64, &str)]; 2] = [&[(1_000, "a"), (1_500, "b")], &[(1_200, "c"), (1_500, "gone")]];
    cut(&objects, &mut leader, 1_000..2_000, of, cipher);
    let of: [&[(u64, &str)]; 2] = [&[(2_000, "gone"), (2_003, "b")], &[]];
    cut(&objects, &mut leader, 2_000..3_000, of, cipher);
    snapshot(&objects, &mut leader);
    objects
}

fn state(folder: &Folder) -> String {
    folder.path().display().to_string()
}

fn last_json(text: &str) -> Json {
    serde_json::from_str(text.trim_end()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn ls_lists_checkpoints_and_names_those_that_are_damaged() {
    let folder = Folder::new("checkpoint-ls");
    filled(&folder, None);
    let (code, out, _) = tidemark(&["ls", &state(&folder)]);
    assert_eq!(code, 0);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    assert!(lines[0].starts_with("SEQUENCE  GENERATION  CUT"), "{out}");
    assert!(lines[4].starts_with("4         1           1970-01-01T00:00:03Z"), "{out}");
    let json = last_json(&tidemark(&["ls", &state(&folder), "--format", "json"]).1);
    assert_eq!(json["checkpoints"][3]["rows"], 6);
    assert_eq!(json["checkpoints"][1]["cut"], 2_000);
    assert_eq!(json["checkpoints"][3]["created_at"], json!(1_764_000_000_000_u64));

    let torn = folder.path().join("manifests/00000000000000000004");
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..100]).unwrap();
    let (code, out, _) = tidemark(&["ls", &format!("file://{}", state(&folder))]);
    assert_eq!(code, 0);
    assert!(
        out.contains("damaged: could not use manifests/00000000000000000004 in file://"),
        "{out}"
    );
}

#[test]
fn show_tells_what_a_checkpoint_holds() {
    let folder = Folder::new("checkpoint-show");
    filled(&folder, None);
    let (code, out, _) = tidemark(&["show", &state(&folder)]);
    assert_eq!(code, 0);
    let words: Vec<Vec<_>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |line: &[&str]| words.iter().any(|words| words.starts_with(line));
    for line in [
        &["checkpoint", "4", "of", "generation", "1"][..],
        &["job", "fraud"],
        &["cut", "1970-01-01T00:00:03Z"],
        &["transactions", "3", "1234", "1200", "2"],
        &["card", "4", "6"],
        &["user", "0", "0"],
        &["card", "1970-01-01T00:00:02Z", "1"],
        &["letters", "17"],
        &["card", "gone", "1970-01-01T00:00:02Z"],
    ] {
        assert!(has(line), "{line:?} in\n{out}");
    }
    let show = ["show", &state(&folder), "--sequence", "2", "--format", "json"];
    let json = last_json(&tidemark(&show).1);
    assert_eq!((&json["sequence"], &json["cut"]), (&json!(2), &json!(2_000)));
    assert_eq!(json["segments"].as_array().unwrap().len(), 2);
    let (code, _, err) = tidemark(&["show", &state(&folder), "--sequence", "9"]);
    assert_eq!(code, 1);
    assert!(err.contains("error: there is no checkpoint 9 in file://"), "{err}");
}

#[test]
fn verify_reads_everything_and_names_each_fault() {
    let folder = Folder::new("checkpoint-verify");
    filled(&folder, None);
    let (code, out, err) = tidemark(&["verify", &state(&folder)]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with("4 checkpoints, 9 objects, ") && out.ends_with(": no fault\n"),
        "{out}"
    );

    // What no checkpoint lists is no fault.
    folder.write("segments/0000000001-00000000000000000009-0-0", "half");
    let (code, out, _) = tidemark(&["verify", &state(&folder)]);
    assert_eq!(code, 0);
    assert!(out.contains("1 are of no checkpoint"), "{out}");

    let name = |sequence: u32, worker: u32| format!("0000000001-{sequence:020}-{worker}-0");
    let segment = folder.path().join("segments").join(name(2, 0));
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::remove_file(folder.path().join("segments").join(name(2, 1))).unwrap();
    let states = folder.path().join("states").join(name(4, 0));
    let bytes = std::fs::read(&states).unwrap();
    std::fs::write(&states, &bytes[1..]).unwrap();
    let manifest = folder.path().join("manifests/00000000000000000001");
    std::fs::write(&manifest, "").unwrap();
    let (code, out, err) = tidemark(&["verify", &state(&folder)]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: 4 of 9 objects in file://"), "{err}");
    for expected in [
        format!(
            "could not use segments/{} in file://{}: in block 0 at byte 0, ",
            name(2, 0),
            state(&folder)
        ),
        format!(
            "could not use segments/{} in file://{}: it is missing; ",
            name(2, 1),
            state(&folder)
        ),
        format!("could not use states/{} in file://{}: it is cut off", name(4, 0), state(&folder)),
        format!("could not use manifests/{:020} in file://", 1),
    ] {
        assert_eq!(out.matches(&expected).count(), 1, "{expected} in\n{out}");
    }
    let (code, out, _) = tidemark(&["verify", &state(&folder), "--format", "json"]);
    assert_eq!((code, last_json(&out)["faults"].as_array().unwrap().len()), (1, 4));
}

#[test]
fn export_writes_the_rows_of_all_workers_in_the_order_of_their_times() {
    let folder = Folder::new("checkpoint-export");
    filled(&folder, None);
    let (code, out, err) = tidemark(&["export", &state(&folder), "card"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<Json> = out.lines().map(last_json).collect();
    let of =
        |line: &Json| (line["time"].as_u64().unwrap(), line["id"].as_str().unwrap().to_owned());
    let ids: Vec<_> = lines.iter().map(of).collect();
    // The row of 1,500 of the card that was removed at 2,000 is left out, a later one is not.
    let expected = [(1_000, "a"), (1_200, "c"), (1_500, "b"), (2_000, "gone"), (2_003, "b")];
    assert_eq!(ids, expected.map(|(time, id)| (time, id.to_owned())));
    let expected = "{\"time\":2003,\"id\":\"b\",\"filters\":[\"amount > 10\",\"status = \\\"declined\\\"\"],\
        \"attributes\":{\"amount\":10.51,\"country\":\"FR\",\"ip\":\"192.0.2.7\",\"score\":0.25}}";
    assert_eq!(out.lines().last(), Some(expected));
    assert_eq!(
        lines[0]["attributes"],
        json!({"amount": 10.5, "country": null, "ip": null, "score": null})
    );

    let file = folder.file("card.jsonl");
    let range = ["--from", "1970-01-01T00:00:01.200Z", "--to", "1970-01-01T00:00:02Z"];
    let state = state(&folder);
    let export = [&["export", &state, "card", "--out", &file][..], &range].concat();
    assert_eq!(tidemark(&export).0, 0);
    let written = std::fs::read_to_string(&file).unwrap();
    let ids: Vec<_> = written.lines().map(|line| last_json(line)["id"].clone()).collect();
    assert_eq!(ids, ["c", "b"]);
    let export = ["export", &state, "card", "--sequence", "1"];
    assert_eq!(tidemark(&export), (0, String::new(), String::new()));

    let (code, out, _) = tidemark(&["export", &state, "user"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let (code, _, err) = tidemark(&["export", &state, "crad"]);
    assert_eq!(code, 2);
    assert!(err.contains("keeps no entity type \"crad\"\nhint: did you mean \"card\"?"), "{err}");
}

#[test]
fn what_is_encrypted_is_verified_by_checksums_and_read_with_its_keys() {
    let (folder, keys) = (Folder::new("checkpoint-keys"), Folder::new("checkpoint-key-files"));
    let line = |id: &str, digits: &str| format!("{id} {}\n", digits.repeat(32));
    let right = keys.write("right", line("new", "b2") + &line("old", "a1"));
    let wrong = keys.write("wrong", line("old", "c3"));
    let other = keys.write("other", line("new", "b2"));
    let old = keys.write("old", line("old", "a1"));
    let cipher = StateKeys::read(&old).unwrap().cipher().unwrap();
    filled(&folder, Some(&cipher));
    let run = |command: &[&str], keys: Option<&Path>| {
        let path = keys.map(|keys| keys.display().to_string());
        let flags = path.iter().flat_map(|path| ["--keys", path]);
        tidemark(&command.iter().copied().chain(flags).collect::<Vec<_>>())
    };
    let state = state(&folder);
    let (code, out, _) = run(&["verify", &state], None);
    assert_eq!(code, 0);
    assert!(out.contains("4 are encrypted: only their checksums were verified"), "{out}");
    let (code, out, _) = run(&["verify", &state], Some(&right));
    assert_eq!(code, 0);
    assert!(!out.contains("encrypted"), "{out}");
    assert_eq!(run(&["export", &state, "card"], Some(&right)).1.lines().count(), 5);

    let (code, _, err) = run(&["export", &state, "card"], None);
    assert_eq!(code, 1);
    assert!(err.contains("it is encrypted with key \"old\", which is not there"), "{err}");
    let (code, _, err) = run(&["export", &state, "card"], Some(&wrong));
    assert_eq!(code, 1);
    assert!(err.contains("key \"old\" does not fit"), "{err}");
    assert_eq!(run(&["export", &state, "card"], Some(&other)).0, 1);
    let (code, _, err) = run(&["export", &state, "card"], Some(&keys.path().join("none")));
    assert_eq!(code, 2);
    assert!(err.contains("error: could not read the keys in "), "{err}");
}

#[test]
fn a_store_that_is_not_there_is_not_made_and_an_empty_one_is_told() {
    let folder = Folder::new("checkpoint-none");
    let absent = folder.file("absent");
    for command in [
        &["ls", &absent][..],
        &["show", &absent],
        &["verify", &absent],
        &["export", &absent, "card"],
    ] {
        let (code, _, err) = tidemark(command);
        assert_eq!(code, 2, "{command:?}");
        assert!(err.starts_with(&format!("error: could not open the store {absent}: ")), "{err}");
        assert!(!Path::new(&absent).exists());
    }
    let state = state(&folder);
    for command in
        [&["ls", &state][..], &["show", &state], &["verify", &state], &["export", &state, "card"]]
    {
        let (code, _, err) = tidemark(command);
        assert_eq!(code, 1, "{command:?}");
        assert!(
            err.starts_with(&format!("error: there is no checkpoint in file://{state}\nhint: ")),
            "{err}"
        );
    }
    let (code, out, _) = tidemark(&["ls", &state, "--format", "json"]);
    assert_eq!((code, out.as_str()), (0, "{\"checkpoints\":[],\"damaged\":[]}\n"));
}

#[test]
fn every_command_of_checkpoint_teaches_by_examples() {
    for command in ["ls", "show", "verify", "export"] {
        let (code, help, _) = tidemark(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains(&format!("Examples:\n  tidemark checkpoint {command} ")), "{help}");
    }
}

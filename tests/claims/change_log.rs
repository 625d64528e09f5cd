//! Records of change logs: rows in the envelopes of Debezium, and below a root as Connect writes them.
//! The records are written as its documentation shows them.

use crate::files::tidemark;
use crate::folder::Folder;
use crate::memory::{Output, Run, watched};
use std::sync::Arc;
use tidemark_operators::plan::{Operation, Plan};
use tidemark_operators::verdict::Reason;

const T: u64 = 1_767_484_955_000;

/// A job file whose source has these keys and fields.
fn text(source: &str, fields: &str, features: &str) -> String {
    format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"shop.public.payment\"\n\
         out_of_orderness = \"5s\"\n{source}\n[sources.tx.fields]\ncard_id = \"string\"\n{fields}\n\
         [entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n[views.v.features]\n\
         c = {{ aggregate = \"count\", window = \"1h\" }}\n{features}\n"
    )
}

fn job(source: &str, fields: &str, features: &str) -> Arc<Plan> {
    let text = text(source, fields, features);
    tidemark_jobs::load("case.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

/// Reads one partition; what was skipped, by operation.
fn read(plan: &Arc<Plan>, records: &[&str]) -> (Output, Vec<(&'static str, u64)>) {
    let log = vec![records.iter().map(|record| record.as_bytes().to_vec()).collect()];
    let (output, observer) = watched(plan, &log, &Run::default());
    let verdicts = || observer.metrics.iter().flat_map(|m| &m.verdicts);
    assert_eq!(verdicts().map(|v| v.total()).sum::<u64>(), records.len() as u64);
    let count = |at: usize| verdicts().map(|v| v.skipped[at].get()).sum::<u64>();
    let skipped = Operation::ALL.iter().enumerate().map(|(at, op)| (op.name(), count(at)));
    (output, skipped.filter(|(_, count)| *count > 0).collect())
}

const DEBEZIUM: &str = "envelope = \"debezium\"\ntime = { field = \"ts_ms\", outer = true }";
const AMOUNT: &str = "amount = \"decimal\"";
const SUM: &str = "s = { aggregate = \"sum\", of = \"amount\", window = \"1h\" }";

#[test]
fn only_inserted_rows_are_events_and_the_rest_is_skipped_by_its_operation() {
    let (output, skipped) = read(
        &job(DEBEZIUM, AMOUNT, SUM),
        &[
            r#"{"op": "c", "ts_ms": 1767484955000, "before": null, "after": {"card_id": "c", "amount": 5}}"#,
            r#"{"op": "u", "ts_ms": 1767484956000, "before": {"card_id": "c", "amount": 5}, "after": {"card_id": "c", "amount": 9}}"#,
            r#"{"op": "d", "ts_ms": 1767484957000, "before": {"card_id": "c", "amount": 9}, "after": null}"#,
        ],
    );
    assert_eq!(output.live["v/c"], r#"{"c":1,"s":5.0}"#);
    assert_eq!(skipped, [("u", 1), ("d", 1)]);
    assert_eq!((output.dead.len(), output.newest), (0, T), "they move nothing");
}

#[test]
fn an_envelope_is_read_with_its_schema_beside_it_and_without() {
    let row = r#"{"before":null,"after":{"card_id":"c","amount":5},"source":{"version":"3.0.5.Final","connector":"postgresql","name":"shop","ts_ms":1767484954900,"snapshot":"false","db":"shop","sequence":"[null,\"24023128\"]","schema":"public","table":"payment","txId":555,"lsn":24023128,"xmin":null},"transaction":null,"op":"c","ts_ms":1767484955000}"#;
    let schema = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"op"}],"optional":false,"name":"shop.public.payment.Envelope"}"#;
    let wrapped = format!(r#"{{"schema":{schema},"payload":{row}}}"#);
    let behind = format!(r#"{{"payload":{row},"schema":{schema}}}"#);
    let snapshot = row.replace(r#""op":"c""#, r#""op":"r""#);
    let records = [row, &wrapped, &behind, &wrapped, row, &snapshot];
    let (output, skipped) = read(&job(DEBEZIUM, AMOUNT, SUM), &records);
    assert_eq!(output.live["v/c"], r#"{"c":6,"s":30.0}"#);
    assert!(skipped.is_empty() && output.dead.is_empty(), "{:?}", output.dead);
}

#[test]
fn what_is_no_row_is_skipped_and_what_is_no_envelope_is_malformed() {
    let (output, skipped) = read(
        &job(DEBEZIUM, AMOUNT, SUM),
        &[
            r#"{"op":"t","ts_ms":1767484955000,"before":null,"after":null,"source":{"lsn":1}}"#,
            r#"{"op":"m","ts_ms":1767484955000,"source":{"lsn":1},"message":{"prefix":"p","content":"YQ=="}}"#,
            r#"{"op":"x","ts_ms":1767484955000,"after":{"card_id":7,"amount":"many"}}"#,
            r#"{"op":"u","ts_ms":"never","after":[]}"#,
            "null",
            r#"{"ts_ms":1767484955000}"#,
            r#"{"op":7,"ts_ms":1767484955000,"after":{"card_id":"c","amount":5}}"#,
            r#"{"op":"c","ts_ms":1767484955000,"after":{"card_id":"c"}}"#,
            r#"{"op":"u","ts_ms":1767484955000"#,
        ],
    );
    assert_eq!(skipped, [("u", 1), ("t", 1), ("m", 1), ("other", 2), ("tombstone", 1)]);
    let dead: Vec<_> = output.dead.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(dead, [5, 7, 8].map(|offset| (offset, Reason::Malformed)));
    let error = |at: usize| output.dead[at].error.as_deref().unwrap_or_default();
    assert!(error(0).contains("it is in no envelope of Debezium"), "{}", error(0));
    assert!(error(1).contains("(at \"after.amount\"): required"), "{}", error(1));
}

#[test]
fn decimals_in_base64_are_exact_and_never_guessed() {
    let amount = "amount = { type = \"decimal\", encoding = \"base64\", unscaled = 2 }";
    let plan = job(DEBEZIUM, amount, SUM);
    let sum = |plan: &Arc<Plan>, amount: &str| {
        let record = format!(
            r#"{{"op":"c","ts_ms":1767484955000,"after":{{"card_id":"c","amount":{amount}}}}}"#
        );
        read(plan, &[&record]).0.live.get("v/c").cloned()
    };
    for (written, value) in [
        (r#""AfQ=""#, "5.0"),
        (r#""AfQ""#, "5.0"),
        (r#""/gw=""#, "-5.0"),
        (r#""AA==""#, "0.0"),
        (r#""AAAAAAAAAAAAAAAAAAAB9A==""#, "5.0"),
        (r#""1234""#, "-26588.24"),
    ] {
        let row = sum(&plan, written);
        assert_eq!(row.as_deref(), Some(&*format!("{{\"c\":1,\"s\":{value}}}")), "{written}");
    }
    for wrong in ["5", r#""5.00""#, r#""!!""#, "true", r#"{"scale":2,"value":"AfQ="}"#, "[]"] {
        assert_eq!(sum(&plan, wrong), None, "{wrong}");
    }
    // Beyond 16 bytes.
    assert_eq!(sum(&plan, r#""AQAAAAAAAAAAAAAAAAAAAAA=""#), None);

    let scaled = job(DEBEZIUM, "amount = { type = \"decimal\", encoding = \"base64\" }", SUM);
    for (written, value) in [
        (r#"{"scale":2,"value":"AfQ="}"#, "5.0"),
        (r#"{"value":"AfQ=","scale":0}"#, "500.0"),
        (r#"{"scale":-2,"value":"BQ=="}"#, "500.0"),
        (r#"{"scale":6,"value":"AQ=="}"#, "1e-6"),
    ] {
        let row = sum(&scaled, written);
        assert_eq!(row.as_deref(), Some(&*format!("{{\"c\":1,\"s\":{value}}}")), "{written}");
    }
    for wrong in [r#""AfQ=""#, r#"{"scale":2}"#, r#"{"scale":"2","value":"AfQ="}"#, "5"] {
        assert_eq!(sum(&scaled, wrong), None, "{wrong}");
    }
}

#[test]
fn a_number_in_base64_is_an_id_too() {
    let fields = "shop = { type = \"string\", encoding = \"base64\", unscaled = 0 }\n\
                  branch = { type = \"int\", encoding = \"base64\", unscaled = 0 }";
    let features = "shop_last = { aggregate = \"latest\", of = \"shop\" }\n\
                    branch_last = { aggregate = \"latest\", of = \"branch\" }";
    let record =
        r#"{"op":"c","ts_ms":1767484955000,"after":{"card_id":"c","shop":"BNI=","branch":"BNI="}}"#;
    let (output, _) = read(&job(DEBEZIUM, fields, features), &[record]);
    assert_eq!(output.live["v/c"], r#"{"c":1,"shop_last":"1234","branch_last":1234}"#);
}

#[test]
fn fields_of_the_envelope_and_updates_can_be_read_where_the_job_asks_for_them() {
    let source = "envelope = \"debezium\"\nops = [\"c\", \"u\"]\n\
                  time = { field = \"created_at\", unit = \"us\" }\n\
                  arrival_field = { field = \"source.ts_ms\", unit = \"ms\", outer = true }";
    let fields = "what = { type = \"string\", path = \"op\", outer = true }\n\
                  op = \"string?\"\n\
                  lsn = { type = \"int\", path = \"source.lsn\", outer = true }\n\
                  was = { type = \"decimal?\", path = \"before.amount\", outer = true }\n\
                  amount = \"decimal\"\nborn = { type = \"timestamp\", unit = \"days\" }";
    let latest = |name: &str| format!("{name}_l = {{ aggregate = \"latest\", of = \"{name}\" }}\n");
    let features: String = ["what", "op", "lsn", "was", "amount", "born"].map(latest).concat();
    let plan = job(source, fields, &features);
    let (output, skipped) = read(
        &plan,
        &[
            r#"{"op":"c","ts_ms":1,"source":{"ts_ms":1767484955100,"lsn":7},"before":null,"after":{"card_id":"c","created_at":1767484955000123,"amount":5,"op":"buy","born":20456}}"#,
            r#"{"op":"u","ts_ms":1,"source":{"ts_ms":1767484956100,"lsn":8},"before":{"amount":5},"after":{"card_id":"c","created_at":1767484956000123,"amount":9,"born":20457}}"#,
            r#"{"op":"d","ts_ms":1,"source":{"ts_ms":1767484956100,"lsn":8},"before":{"amount":5},"after":null}"#,
            r#"{"op":"r","ts_ms":1}"#,
        ],
    );
    assert_eq!(skipped, [("r", 1), ("d", 1)]);
    assert_eq!(output.newest, T + 1_000);
    assert_eq!(
        output.live["v/c"],
        r#"{"c":2,"what_l":"u","op_l":null,"lsn_l":8,"was_l":5.0,"amount_l":9.0,"born_l":1767484800000}"#
    );
}

#[test]
fn a_root_leads_to_the_payload_of_records_with_a_schema() {
    let source = "root = \"payload\"\ntime = \"at\"";
    let fields = "amount = { type = \"decimal\", aliases = [\"sum\"] }\n\
                  version = { type = \"int\", path = \"schema.version\", outer = true }";
    let features = format!("{SUM}\nv = {{ aggregate = \"latest\", of = \"version\" }}");
    let (output, _) = read(
        &job(source, fields, &features),
        &[
            r#"{"schema":{"version":3},"payload":{"at":1767484955000,"card_id":"c","amount":5}}"#,
            r#"{"payload":{"at":1767484955000,"card_id":"c","sum":7},"schema":{"version":3}}"#,
            r#"{"at":1767484955000,"card_id":"c","amount":5}"#,
        ],
    );
    assert_eq!(output.live["v/c"], r#"{"c":2,"s":12.0,"v":3}"#);
    assert_eq!(output.verdicts, [2, 0, 0, 1]);
}

#[test]
fn an_envelope_that_cannot_be_is_refused_before_the_job_runs() {
    let plain = "time = \"ts_ms\"";
    for (source, fields, said) in [
        ("envelope = \"debezum\"\ntime = \"ts\"", AMOUNT, "did you mean \"debezium\""),
        ("ops = [\"c\"]\ntime = \"ts\"", AMOUNT, "which the source has not"),
        (
            "envelope = \"debezium\"\nops = [\"i\"]\ntime = \"ts\"",
            AMOUNT,
            "names no operation: \"i\"",
        ),
        ("envelope = \"debezium\"\nops = []\ntime = \"ts\"", AMOUNT, "nothing is an event"),
        ("envelope = \"debezium\"\nroot = \"a\"\ntime = \"ts\"", AMOUNT, "cannot stand beside"),
        (
            plain,
            "amount = { type = \"decimal\", outer = true }",
            "with an \"envelope\" or a \"root\"",
        ),
        (plain, "amount = { type = \"decimal\", unscaled = 2 }", "is for encoding = \"base64\""),
        (plain, "on = { type = \"bool\", encoding = \"base64\" }", "is for fields of type decimal"),
        (DEBEZIUM, "n = { type = \"int\", path = \"op\", outer = true }", "is the operation"),
        (DEBEZIUM, "n = { type = \"int\", path = \"op.x\", outer = true }", "can never match"),
        (
            "format = \"avro\"\ntime = \"ts\"",
            "amount = { type = \"decimal\", encoding = \"base64\" }",
            "Avro's decimals are read as what they are",
        ),
    ] {
        let error = tidemark_jobs::load("case.toml", &text(source, fields, "")).unwrap_err();
        assert!(error.to_string().contains(said), "{source} {fields}: {error}");
    }
}

#[test]
fn check_says_which_operations_are_events() {
    let job = tidemark_jobs::load("case.toml", &text(DEBEZIUM, AMOUNT, SUM)).unwrap();
    let report = job.report();
    let said = "  events  what an envelope of debezium says of operation c or r; others are skipped, and \
                counted\n";
    assert!(report.contains(said), "{report}");
    assert!(report.contains("amount decimal from after.amount"), "{report}");
}

/// The records and the job of somebody whose table is read by Debezium.
const CHANGED_ROW: [&str; 3] = [
    r#"{"op": "c", "ts_ms": 1767484955000, "before": null, "after": {"card_id": "c", "amount": 5}}"#,
    r#"{"op": "u", "ts_ms": 1767484956000, "before": {"card_id": "c", "amount": 5}, "after": {"card_id": "c", "amount": 9}}"#,
    r#"{"op": "d", "ts_ms": 1767484957000, "before": {"card_id": "c", "amount": 9}, "after": null}"#,
];

#[test]
fn a_replay_of_a_changed_row_has_one_event_and_no_dead_letter_and_says_what_it_skipped() {
    let folder = Folder::new("change-log");
    folder.write("job.toml", text(DEBEZIUM, AMOUNT, SUM));
    folder.write("tx.jsonl", CHANGED_ROW.join("\n"));
    let arguments = "replay job.toml --source tx=tx.jsonl --sealed rows.jsonl --dlq dead.jsonl";
    let ended = tidemark(folder.path(), arguments, b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.errors.contains("skipped: tx, by operation: 1 u, 1 d"), "{}", ended.errors);
    assert!(ended.out.contains("\"skipped\":2"), "{}", ended.out);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("dead.jsonl"), "");
    let rows = read("rows.jsonl");
    assert!(rows.lines().count() == 1 && rows.contains(r#"{"c":1,"s":5.0}"#), "{rows}");
}

#[test]
fn a_replay_in_which_all_is_skipped_succeeds_and_says_what_would_read_it() {
    let folder = Folder::new("all-skipped");
    folder.write("job.toml", text(DEBEZIUM, AMOUNT, SUM));
    folder.write("tx.jsonl", CHANGED_ROW[1..].join("\n"));
    let ended = tidemark(folder.path(), "replay job.toml --source tx=tx.jsonl", b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let said = "every record of source tx was skipped: it reads ops = [\"c\", \"r\"]";
    assert!(ended.errors.contains(said), "{}", ended.errors);
}

#[test]
fn a_sample_shows_what_is_skipped_and_counts_no_field_of_it() {
    let folder = Folder::new("change-log-sample");
    folder.write("job.toml", text(DEBEZIUM, AMOUNT, SUM));
    folder.write("tx.jsonl", CHANGED_ROW.join("\n"));
    let ended = tidemark(folder.path(), "check job.toml --sample tx.jsonl --format json", b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let sample = &document["samples"][0];
    assert_eq!(
        (&sample["accepted"], &sample["skipped"]),
        (&1.into(), &serde_json::json!({"u": 1, "d": 1}))
    );
    let fields = sample["fields"].as_array().unwrap().iter();
    let counts: Vec<_> = fields.map(|it| (&it["name"], &it["present"], &it["null"])).collect();
    assert_eq!(
        counts,
        [(&"card_id".into(), &1.into(), &0.into()), (&"amount".into(), &1.into(), &0.into())]
    );
    assert_eq!((&sample["time"]["read"], &sample["time"]["unread"]), (&1.into(), &0.into()));
}

#[test]
fn a_dump_of_a_topic_with_tombstones_gives_the_rows_of_the_change_log() {
    let folder = Folder::new("change-log-dump");
    folder.write("job.toml", text(&format!("{DEBEZIUM}\nframing = \"kcat\""), AMOUNT, SUM));
    let payloads = CHANGED_ROW.map(|row| serde_json::Value::from(row).to_string());
    let lines = payloads.into_iter().chain(["null".to_owned()]).enumerate();
    let lines = lines.map(|(at, payload)| {
        format!(
            r#"{{"topic":"t","partition":0,"offset":{at},"tstype":"create","ts":1767484955000,"broker":0,"key":"k","payload":{payload}}}"#
        )
    });
    folder.write("tx.jsonl", lines.collect::<Vec<_>>().join("\n"));
    let ended =
        tidemark(folder.path(), "replay job.toml --source tx=tx.jsonl --sealed rows.jsonl", b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.errors.contains("by operation: 1 u, 1 d, 1 tombstone"), "{}", ended.errors);
    assert!(ended.out.contains("\"tombstone\":0"), "{}", ended.out);
    let rows = std::fs::read_to_string(folder.path().join("rows.jsonl")).unwrap();
    assert!(rows.lines().count() == 1 && rows.contains(r#"{"c":1,"s":5.0}"#), "{rows}");
}

#[test]
fn change_logs_give_the_same_bytes_on_any_workers() {
    let plan = job(DEBEZIUM, AMOUNT, SUM);
    let record = |partition: u64, n: u64| {
        let op = ["c", "u", "r", "d", "x"][((n + partition) % 5) as usize];
        format!(
            r#"{{"payload":{{"op":"{op}","ts_ms":{},"after":{{"card_id":"c{}","amount":{n}}}}}}}"#,
            T + n * 700,
            n % 7
        )
    };
    let log: Vec<Vec<Vec<u8>>> =
        (0..3).map(|p| (0..200).map(|n| record(p, n).into_bytes()).collect()).collect();
    let runs = [1, 2, 3]
        .map(|workers| watched(&plan, &log, &Run { workers, seed: 7, ..Run::default() }).0);
    assert_eq!(runs[0].verdicts[0], 240, "two of five are events");
    assert!(runs.iter().all(|run| run.sealed == runs[0].sealed && run.live == runs[0].live));
}

#[test]
fn cases_of_a_job_with_an_envelope_name_fields_and_need_no_operation() {
    let amount = "amount = { type = \"decimal\", encoding = \"base64\", unscaled = 2 }";
    let job = tidemark_jobs::load("case.toml", &text(DEBEZIUM, amount, SUM)).unwrap();
    let cases = "[[case]]\nname = \"two\"\n\
                 events = [{ at = \"+1s\", card_id = \"c\", amount = 5 }, { at = \"+2s\", card_id = \"c\", amount = 7 }]\n\
                 expect = [{ at = \"+2s\", view = \"v\", id = \"c\", features = { c = 2, s = 12 } }]\n";
    let options = tidemark::cases::Options::default();
    let outcome = tidemark::cases::check(&job, "two.cases.toml", cases, &options);
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((outcome.passed, outcome.failed), (1, 0), "{}", outcome.report);
}

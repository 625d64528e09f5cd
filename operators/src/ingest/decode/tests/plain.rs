//! Plain JSON against the general parser: the same rows, invalid fields and errors, whatever a record is.

use super::*;
use crate::ingest::decode::plain;
use crate::plan::{Encoding, EnvelopePlan, Invalid, Operation};

/// Sources with everything that a path can be; every value that cannot be read is null, or malformed.
fn sources() -> Vec<SourcePlan> {
    let text = Type::Text;
    let fields = [
        ("id", "card_id", text, false),
        ("ip", "data.source_ip", Type::Ip, false),
        ("city", "data.location.city", text, false),
        ("first", "items.[0].n", Type::Int, false),
        ("last", "items.[-1].n", text, false),
        ("before", "items.[-2]", text, false),
        ("inner", "items.[1].[-1]", Type::DECIMAL, false),
        ("both", "z", text, false),
        ("below", "z.x", text, false),
    ];
    let mut elements = source(&fields, ("timestamp", TimeUnit::Auto));
    elements.fields[0].aliases = vec![path("data.id"), path("id")];
    elements.arrival = Arrival::Field(TimeField::new(path("data.at"), TimeUnit::Rfc3339));
    let mut enveloped = source(
        &[("card", "after.card_id", text, false), ("op", "op", text, false)],
        ("ts_ms", TimeUnit::Ms),
    );
    enveloped.envelope = Some(EnvelopePlan { op: 1, ops: vec![Operation::Create] });
    let mut sources = vec![every_type(), renamed(), elements, enveloped, encoded()];
    for at in 0..sources.len() {
        let mut tolerant = sources[at].clone();
        tolerant.fields.iter_mut().for_each(|field| field.reading.invalid = Invalid::Null);
        sources.push(tolerant);
        let mut strict = sources[at].clone();
        strict.strict_json = true;
        strict.fields.iter_mut().for_each(|field| field.reading.coerce = false);
        sources.push(strict);
    }
    sources
}

/// One whose decimals are in base64.
fn encoded() -> SourcePlan {
    let fields = [
        ("card", "card_id", Type::Text, false),
        ("amount", "amount", Type::Decimal(2), false),
        ("fee", "items.[0]", Type::Int, false),
        ("scaled", "z", Type::DECIMAL, false),
    ];
    let mut source = source(&fields, ("timestamp", TimeUnit::Auto));
    source.fields[1].reading.encoding = Some(Encoding::Unscaled(2));
    source.fields[2].reading.encoding = Some(Encoding::Unscaled(0));
    source.fields[3].reading.encoding = Some(Encoding::Scaled);
    source
}

#[test]
fn numbers_in_base64_and_envelopes_are_read_to_the_same_by_both() {
    let encoded = encoded();
    for (record, row) in [
        (
            r#""amount":"AfQ=","items":["BQ=="],"z":{"scale":1,"value":"BQ=="}"#,
            [Some(500), Some(5), Some(500_000)],
        ),
        (r#""z":{"value":"\u0042Q==","scale":-2},"amount":null"#, [None, None, Some(500_000_000)]),
        (r#""items":[null],"amount":"""#, [None; 3]),
    ] {
        let record = format!(r#"{{"card_id":"c","timestamp":{T},{record}}}"#);
        assert!(is_plain(&encoded, &record), "{record}");
        let decoded = decode(&encoded, &record).expect(&record);
        assert_eq!([1, 2, 3].map(|at| decoded.columns[at].int(0)), row, "{record}");
    }
    for wrong in [
        r#""amount":5"#,
        r#""amount":"\ud800""#,
        r#""amount":[]"#,
        r#""z":{"scale":1}"#,
        r#""z":"BQ==""#,
    ] {
        let record = format!(r#"{{"card_id":"c","timestamp":{T},{wrong}}}"#);
        assert!(decode(&encoded, &record).is_err(), "{record}");
    }
    let enveloped = sources().swap_remove(3);
    let event = r#"{"after":{"card_id":"c"},"op":"c","ts_ms":1767484955000}"#;
    let wrapped = format!(r#"{{"schema":{{"op":"d"}},"payload":{event}}}"#);
    for record in [event, &wrapped] {
        assert!(is_plain(&enveloped, record), "{record}");
        assert_eq!(decode(&enveloped, record).expect(record).columns[0].bytes(0), Some(&b"c"[..]));
    }
    let skipped = decode(&enveloped, event.replace(r#""op":"c""#, r#""op":"u""#));
    assert_eq!(skipped, Err(DecodeError::Skipped(Operation::Update)));
    assert_eq!(
        decode(&enveloped, r#"{"payload":{"op":7}}"#),
        Err(DecodeError::Skipped(Operation::Other))
    );
    assert_eq!(decode(&enveloped, r#"{"payload":null}"#), Err(DecodeError::NoEnvelope));
}

/// Whether the one pass is enough for a record.
fn is_plain(source: &SourcePlan, text: &str) -> bool {
    let mut values = FieldValues::new(source);
    let mut columns = vec![Column::default(); source.columns()];
    let read = |cells: &mut cell::Row<'_>| plain::read(text, cells).ok_or(());
    values.fill(0, &mut columns, None, read).is_ok()
}

#[test]
fn what_producers_write_is_plain_and_what_is_not_surely_json_is_not() {
    let sources = sources();
    let deep =
        |levels: usize| format!(r#"{{"note":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let (deepest, too_deep) = (deep(65), deep(66));
    for record in [
        r#"{}"#,
        " {\n \"card_id\" : \"c\" ,\t\"n\": -1.5E+3 }\r\n",
        r#"{"card_id":"caf\u00e9 \ud83e\udd80 \/","n":0,"chip":true}"#,
        r#"{"caf\u00e9":1,"card\u005fid":"c"}"#,
        r#"{"card_id":7,"amount":"1.5","chip":"yes","data":{"source_ip":"x"}}"#,
        r#"{"data":null,"items":null,"card_id":null,"card_id":"twice"}"#,
        r#"{"note":[{},[],{"a":[1,{"b":"\ud800 \n"}]},false],"x":{"y":{}},"z":1e999}"#,
        r#"{"data":{"location":{"city":"X","more":[1]},"at":"2026-01-31T00:00:00Z"}}"#,
        &deepest,
    ] {
        assert!(sources.iter().all(|source| is_plain(source, record)), "{record}");
    }
    assert!(is_plain(&sources[2], r#"{"items":[{"n":1},["x",2],[{"n":3}],"y",{"n":"z"}]}"#));
    for record in [
        "",
        "{",
        "[]",
        "null",
        "{} x",
        "{}{}",
        "\u{feff}{}",
        r#"{"note":1"#,
        r#"{"note":1,}"#,
        r#"{,"note":1}"#,
        r#"{"note" 1}"#,
        r#"{"note":}"#,
        r#"{note:1}"#,
        r#"{"note":NaN}"#,
        r#"{"note":nul}"#,
        r#"{"note":01}"#,
        r#"{"note":-}"#,
        r#"{"note":1.}"#,
        r#"{"note":.5}"#,
        r#"{"note":1e}"#,
        r#"{"note":+1}"#,
        r#"{"note":"\x"}"#,
        r#"{"note":"\u12g4"}"#,
        r#"{"note":"\u12"#,
        "{\"note\":\"a\tb\"}",
        r#"{"note":[1,]}"#,
        r#"{"note":[1 2]}"#,
        r#"{"note":[1}}"#,
        r#"{"note":{"a":1]}"#,
        r#"{"note":{"a"}}"#,
        r#"{"note":{1:2}}"#,
        r#"{"note":[,1]}"#,
        r#"{"\ud800":1}"#,
        &too_deep,
    ] {
        assert!(!sources.iter().any(|source| is_plain(source, record)), "{record}");
    }
    assert!(!is_plain(&every_type(), r#"{"card_id":"\ud800"}"#));
    for record in [r#"{"items":[1,]}"#, r#"{"items":[,1]}"#, r#"{"items":[1 2]}"#, r#"{"items":[1"#]
    {
        assert!(!is_plain(&sources[2], record), "{record}");
    }
}

#[test]
fn what_a_record_is_does_not_depend_on_those_before_it() {
    let record = |card: &str| format!(r#"{{"card_id":{card},"timestamp":{T},"note":"\ud800"}}"#);
    for mut decoder in
        [Decoder::new(&card(false)), Decoder::new(&card(false)).by_the_parser_alone()]
    {
        let mut into = Decoded::default();
        for text in [r#""\ud800""#, "12.0", "-0", r#""\ud800""#, "7.00", r#""x\ud800""#] {
            let row = into.rows();
            decoder.decode(record(text).as_bytes(), &mut into).expect("a row");
            let alone = decode(&card(false), record(text)).expect("a row");
            assert_eq!(into.columns[0].bytes(row), alone.columns[0].bytes(0), "{text}");
        }
    }
}

/// A piece of a record, right or wrong where it is put.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let texts = prop_oneof![
        Just(r#","card_id":"again""#),
        Just(r#","data":{"id":9,"at":1}"#),
        Just(r#","data":null"#),
        Just(r#","items":[{"n":1},[2.5],"x",{"n":"3"}]"#),
        Just(r#","items":[[],{"n":[1]}]"#),
        Just(r#""items":{"n":1},"#),
        Just(r#""note":{"a":[1,{"b":"\""},[]],"c":{}},"#),
        Just(r#","z":{"x":1}"#),
        Just(r#"\u00e9"#),
        Just(r#"\ud83e\udd80"#),
        Just(r#"\ud83e"#),
        Just("\\"),
        Just("NaN"),
        Just("1e999"),
        Just("null"),
        Just("true"),
        Just(" \n"),
        Just("\u{1F980}"),
    ];
    let one = prop_oneof![proptest::sample::select(&b"{}[]\",:0-.eE1\\ \x01"[..]), any::<u8>()];
    prop_oneof![
        2 => texts.prop_map(|text| text.as_bytes().to_vec()),
        1 => one.prop_map(|byte| vec![byte]),
    ]
}

proptest! {
    #[test]
    fn plain_json_and_the_parser_read_the_same_of_mutated_records(
        records in proptest::collection::vec(
            (record(), any::<u64>(), proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..4, piece()), 0..3)),
            1..6,
        ),
    ) {
        for source in sources() {
            let mut both = [Decoder::new(&source), Decoder::new(&source).by_the_parser_alone()];
            let mut rows = [Decoded::default(), Decoded::default()];
            for (record, seed, edits) in &records {
                let mut bytes = shuffled(record, &mut seed.clone()).into_bytes();
                for (at, cut, piece) in edits {
                    let at = at.index(bytes.len() + 1);
                    bytes.splice(at..bytes.len().min(at + cut), piece.iter().copied());
                }
                let [plain, parser] = [0, 1].map(|at| both[at].decode(&bytes, &mut rows[at]));
                prop_assert_eq!(plain, parser, "{}", String::from_utf8_lossy(&bytes));
            }
            prop_assert_eq!(&rows[0], &rows[1]);
        }
    }
}

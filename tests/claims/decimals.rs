//! Decimals of any scale: nothing is lost that their type keeps, and what is, is counted.

use crate::memory::{Output, Run, replay, watched};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

fn load(head: &str, fields: &str, features: &str) -> Arc<Plan> {
    let text = format!(
        "[job]\nname = \"case\"\n{head}\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n\
         time = \"timestamp\"\n[sources.tx.fields]\ncard_id = \"string\"\n{fields}\n\
         [entities.card]\nkey = \"card_id\"\n[views.v]\nentity = \"card\"\n\
         [views.v.features]\n{features}\n"
    );
    tidemark_jobs::load("case.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}")).plan
}

fn records(members: &[String]) -> Vec<Vec<Vec<u8>>> {
    let record =
        |more: &String| format!(r#"{{"timestamp":{T},"card_id":"c",{more}}}"#).into_bytes();
    vec![members.iter().map(record).collect()]
}

/// The same on one worker and on three.
fn read(plan: &Arc<Plan>, members: &[String]) -> Output {
    let log = records(members);
    let on = |workers| replay(plan, &log, &Run { workers, ..Run::default() });
    let (one, three) = (on(1), on(3));
    assert_eq!((&one.sealed, &one.live), (&three.sealed, &three.live));
    one
}

#[test]
fn transfers_in_large_currencies_are_summed_without_a_change_of_the_job() {
    let sums = "c = { aggregate = \"count\", window = \"5m\" }\n\
                s = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }";
    for ty in ["decimal", "decimal(6)", "decimal(0)", "decimal(2)"] {
        let plan = load("", &format!("amount = \"{ty}\""), sums);
        let output = read(&plan, &["\"amount\":25000000000".to_owned()]);
        assert_eq!(output.live["v/c"], r#"{"c":1,"s":25000000000.0}"#, "{ty}");
    }
    // 18 digits in all, of which the type says how many stand behind the point.
    let bounds =
        [("decimal(0)", "999999999999999999", "1e18"), ("decimal", "999999999999.999999", "1e12")];
    for (ty, most, beyond) in bounds {
        let plan = load("", &format!("amount = \"{ty}\""), sums);
        let one = |number: &str| read(&plan, &[format!("\"amount\":{number}")]).verdicts;
        for sign in ["", "-"] {
            assert_eq!(one(&format!("{sign}{most}")), [1, 0, 0, 0], "{ty}");
            assert_eq!(one(&format!("{sign}{beyond}")), [0, 0, 0, 1], "{ty}");
        }
    }
}

#[test]
fn a_rate_of_eight_decimals_is_not_rounded_and_what_is_rounded_is_counted() {
    let features = "eur = { expression = 'amount * rate' }\n\
                    sum = { aggregate = \"sum\", of = \"rate\", window = \"5m\" }\n\
                    most = { aggregate = \"max\", of = \"rate\", window = \"5m\" }\n\
                    mean = { aggregate = \"avg\", of = \"rate\", window = \"5m\" }\n\
                    cheap = { aggregate = \"count\", where = 'rate < 0.00001235', window = \"5m\" }";
    let log = records(&["\"amount\":1000000,\"rate\":0.00001234".to_owned()]);
    for (ty, row, rounded) in [
        (
            "decimal(8)",
            r#"{"eur":12.34,"sum":0.00001234,"most":0.00001234,"mean":0.00001234,"cheap":1}"#,
            0,
        ),
        ("decimal", r#"{"eur":12.0,"sum":0.000012,"most":0.000012,"mean":0.000012,"cheap":1}"#, 1),
    ] {
        let plan = load("", &format!("amount = \"decimal\"\nrate = \"{ty}\""), features);
        let (output, observer) = watched(&plan, &log, &Run::default());
        let live =
            output.live["v/c"].replace("1.234e-5", "0.00001234").replace("1.2e-5", "0.000012");
        assert_eq!(live, row, "{ty}");
        let rate = plan.sources[0].fields.iter().position(|field| field.name == "rate").unwrap();
        assert_eq!(observer.metrics[0].rounded[0][rate].get(), rounded, "{ty}");
        assert_eq!(observer.metrics[0].rounded[0][1 - rate.min(1)].get(), 0, "nothing else is");
    }
}

#[test]
fn only_the_value_that_counts_is_counted_as_rounded_and_only_of_events() {
    let amount = "amount = { type = \"decimal(2)\", aliases = [\"old\"], optional = true }";
    let plan = load("", amount, "s = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }");
    let members = [
        "\"amount\":1.005",
        "\"amount\":\"1.015\"",
        "\"amount\":1.001,\"amount\":2.5",
        "\"old\":1.001,\"amount\":3.25",
        "\"amount\":3.25,\"old\":1.001",
        "\"amount\":2.500000",
        "\"amount\":1e-3",
        "\"amount\":null",
        "\"amount\":1e99",
    ];
    let members: Vec<String> = members.iter().map(|it| (*it).to_owned()).collect();
    let mut log = records(&members);
    // It is none without a key.
    log[0].push(format!(r#"{{"timestamp":{T},"amount":1.005}}"#).into_bytes());
    let (output, observer) = watched(&plan, &log, &Run::default());
    assert_eq!(output.verdicts, [9, 0, 0, 1]);
    // 1.00 + 1.02 + 2.50 + 3.25 + 3.25 + 2.50 + 0.00.
    assert_eq!(output.live["v/c"], r#"{"s":13.52}"#);
    let counts: Vec<u64> = observer.metrics[0].rounded[0].iter().map(|count| count.get()).collect();
    assert_eq!(counts.iter().sum::<u64>(), 3, "{counts:?}");
}

#[test]
fn what_is_computed_of_random_decimals_is_what_whole_numbers_say() {
    let mut random = SmallRng::seed_from_u64(3);
    for (l, r) in [(0, 12), (2, 2), (2, 6), (8, 6), (12, 12), (3, 9), (6, 6), (5, 0)] {
        let fields = format!("a = \"decimal({l})\"\nb = \"decimal({r})\"");
        let plan = load(
            "",
            &fields,
            "plus = { expression = 'a + b' }\nminus = { expression = 'a - b' }\n\
             times = { expression = 'a * b' }\nless = { expression = 'a < b' }\n\
             greatest = { expression = 'max(a, b)' }\n\
             sum = { aggregate = \"sum\", of = \"a\", window = \"5m\" }\n\
             least = { aggregate = \"min\", of = \"b\", window = \"5m\" }",
        );
        for _ in 0..12 {
            let mut units = || {
                let bound = 10_i128.pow(random.random_range(1..18));
                random.random_range(-bound..=bound)
            };
            let (a, b) = (units(), units());
            let power = |n: u32| 10_i128.pow(n);
            let most = l.max(r);
            let (wide_a, wide_b) = (a * power(most - l), b * power(most - r));
            let product = {
                let (unit, product) = (power(l.min(r)), a * b);
                let (whole, rest) = (product.abs() / unit, product.abs() % unit);
                let up = 2 * rest > unit || (2 * rest == unit && whole % 2 == 1);
                product.signum() * (whole + i128::from(up))
            };
            let shown = |units: i128, scale: u32| match i64::try_from(units) {
                Ok(units) => serde_json::json!(units as f64 / power(scale) as f64),
                Err(_) => serde_json::Value::Null,
            };
            let text = |units: i128, scale: u32| {
                let digits = format!("{:0>width$}", units.abs(), width = scale as usize + 1);
                let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
                let point = if scale > 0 { "." } else { "" };
                format!("{}{whole}{point}{fraction}", if units < 0 { "-" } else { "" })
            };
            let member = format!("\"a\":\"{}\",\"b\":{}", text(a, l), text(b, r));
            let output = read(&plan, std::slice::from_ref(&member));
            let values = [
                ("plus", shown(wide_a + wide_b, most)),
                ("minus", shown(wide_a - wide_b, most)),
                ("times", shown(product, most)),
                ("less", serde_json::json!(wide_a < wide_b)),
                (
                    "greatest",
                    match (i64::try_from(wide_a), i64::try_from(wide_b)) {
                        (Ok(_), Ok(_)) => shown(wide_a.max(wide_b), most),
                        _ => serde_json::Value::Null,
                    },
                ),
                ("sum", shown(a, l)),
                ("least", shown(b, r)),
            ];
            // By their texts: reading one as a double again may be a bit off.
            let members = values.map(|(name, value)| format!("\"{name}\":{value}"));
            let expected = format!("{{{}}}", members.join(",")).replace("e+", "e");
            assert_eq!(output.live["v/c"], expected, "{member}");
        }
    }
}

#[test]
fn a_distinct_count_is_bounded_where_it_is_written_and_exact_in_expressions() {
    let features = "d = { aggregate = \"distinct\", of = \"device\", window = \"5m\" }\n\
                    hi = { expression = 'd >= 3' }\nmore = { expression = 'd + 1' }";
    let devices: Vec<String> = ["x", "y", "z", "x"].map(|d| format!("\"device\":\"{d}\"")).to_vec();
    let row = |head: &str| {
        read(&load(head, "device = \"string\"", features), &devices).live["v/c"].clone()
    };
    assert_eq!(row("distinct_max = 2"), r#"{"d":2,"hi":true,"more":4}"#);
    assert_eq!(row("distinct_max = 3"), r#"{"d":3,"hi":true,"more":4}"#);
    assert_eq!(row(""), r#"{"d":3,"hi":true,"more":4}"#);
}

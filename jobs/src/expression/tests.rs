//! From text to values: precedence, types, exactness of literals, errors, and hostile input.

use super::*;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tidemark_operators::expression::{Expr, Program};
use tidemark_operators::value::{Column, Type, Value};

const MICROS: i64 = 1_000_000;
use tidemark_operators::zone::Zone;

/// The names that the tests may use: those ending in `_n` are nullable.
const NAMES: [(&str, Type); 14] = [
    ("i", Type::Int),
    ("i_n", Type::Int),
    ("m", Type::DECIMAL),
    ("m_n", Type::DECIMAL),
    ("d", Type::Double),
    ("d_n", Type::Double),
    ("b", Type::Bool),
    ("b_n", Type::Bool),
    ("s", Type::Text),
    ("s_n", Type::Text),
    ("t", Type::Timestamp),
    ("t_n", Type::Timestamp),
    ("ip", Type::Ip),
    ("view.feature", Type::Int),
];

fn resolve(name: &str) -> Option<Binding> {
    let index = NAMES.iter().position(|(known, _)| *known == name)?;
    let ty = NAMES[index].1;
    Some(Binding::Input { index, ty, nullable: name.ends_with("_n") })
}

fn compiled(text: &str) -> Result<Expr, ExpressionError> {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    check(&parse(text)?, &mut resolve, &names)
}

fn expr(text: &str) -> Expr {
    compiled(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone() -> Arc<Zone> {
    // Two hours ahead from 2024-03-31T01:00Z, one before.
    let offsets = vec![(i64::MIN, 3_600_000), (1_711_846_800_000, 7_200_000)];
    Arc::new(Zone { name: "Test/Central".to_owned(), offsets })
}

/// The value of an expression when the names given have these values, and all others are null.
fn value(text: &str, named: &[(&str, Value)]) -> Value {
    let expr = expr(text);
    let mut columns = vec![Column::default(); NAMES.len()];
    for ((name, _), column) in NAMES.iter().zip(&mut columns) {
        let value = named.iter().find(|(wanted, _)| wanted == name).map(|(_, value)| value);
        column.push_value(value.unwrap_or(&Value::Null));
    }
    let mut out = Column::default();
    Program::new(&expr, zone()).eval(&columns, 1, &mut out);
    let value = match expr.ty() {
        Type::Int => out.int(0).map(Value::Int),
        Type::Decimal(scale) => out.int(0).map(|units| Value::Decimal(units, scale)),
        Type::Timestamp => out.int(0).map(Value::Timestamp),
        Type::Double => out.double(0).map(Value::Double),
        Type::Bool => out.bool(0).map(Value::Bool),
        Type::Text => {
            out.bytes(0).map(|bytes| Value::Text(String::from_utf8(bytes.to_vec()).unwrap()))
        }
        Type::Ip => out.bytes(0).map(|bytes| Value::Ip(<[u8; 4]>::try_from(bytes).unwrap().into())),
    };
    value.unwrap_or(Value::Null)
}

fn error(text: &str) -> ExpressionError {
    match compiled(text) {
        Err(error) => error,
        Ok(expr) => panic!("{text} must not pass, and is {expr:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn operators_bind_as_documented() {
    for (plain, explicit) in [
        ("b or b_n and b", "b or (b_n and b)"),
        ("not b and b_n", "(not b) and b_n"),
        ("not i = 1", "not (i = 1)"),
        ("not not b", "not (not b)"),
        ("i + i_n * i", "i + (i_n * i)"),
        ("i - i_n - i", "(i - i_n) - i"),
        ("i / i_n / i", "(i / i_n) / i"),
        ("i / i_n * i", "(i / i_n) * i"),
        ("-i * i_n", "(-i) * i_n"),
        ("- -i", "-(-i)"),
        ("i - -i_n", "i - (-i_n)"),
        ("i + 1 < i_n * 2", "(i + 1) < (i_n * 2)"),
        ("i + 1 in {1, 2} or b", "((i + 1) in {1, 2}) or b"),
        ("i not in {1}", "not (i in {1})"),
        ("b and i not in {1} or b_n", "(b and (not (i in {1}))) or b_n"),
        ("b and b_n and b", "(b and b_n) and b"),
        ("b = b_n or b", "(b = b_n) or b"),
        ("i == 1", "i = 1"),
        ("s in {'a', \"b\"}", "s in {\"a\",'b'}"),
        (" i\n+\t1 ", "i+1"),
    ] {
        assert_eq!(expr(plain), expr(explicit), "{plain}");
    }
    assert_ne!(expr("i - (i_n - i)"), expr("i - i_n - i"));
}

#[test]
fn names_are_listed_in_order_with_their_columns() {
    let ast = parse("view.feature + min(é_free, a) * a".replace('é', "e").as_str()).unwrap();
    let names: Vec<(&str, usize)> =
        ast.names().into_iter().map(|name| (name.name, name.column)).collect();
    assert_eq!(names, [("view.feature", 1), ("e_free", 20), ("a", 28), ("a", 33)]);
}

#[test]
fn the_catalogued_scores_have_the_bits_of_plain_rust() {
    let clamp01 = |x: f64| x.clamp(0.0, 1.0);
    let score = "0.5 * clamp01(i / 10) + 0.3 * clamp01(d / 2000) + 0.2 * clamp01(i_n / 5)";
    for (n, sum, countries) in [(0, 0.0, 0), (3, 123.456789, 2), (7, 1999.99, 4), (11, 1e7, 9)] {
        let named =
            [("i", Value::Int(n)), ("d", Value::Double(sum)), ("i_n", Value::Int(countries))];
        let expected = (0.5 * clamp01(n as f64 / 10.0) + 0.3 * clamp01(sum / 2000.0))
            + 0.2 * clamp01(countries as f64 / 5.0);
        assert_eq!(value(score, &named), Value::Double(expected));
        let fast = format!("{score} >= 0.8");
        assert_eq!(value(&fast, &named), Value::Bool(expected >= 0.8));
    }
    assert!(expr(score).nullable(), "i_n is nullable");
    assert!(!expr("0.5 * clamp01(i / 10) + 0.3 * clamp01(d / 2000)").nullable());
    let burst = "clamp01((i / 5) / (10 * max(view.feature / 1440, 0.1)))";
    let named = [("i", Value::Int(17)), ("view.feature", Value::Int(2000))];
    assert_eq!(
        value(burst, &named),
        Value::Double(clamp01((17.0 / 5.0) / (10.0 * (2000.0f64 / 1440.0).max(0.1))))
    );
}

#[test]
fn catalogued_features_can_be_written() {
    let zscore = "(m - d) / d_n";
    let of = |stddev| {
        let named = [
            ("m", Value::Decimal(12_500_000, 6)),
            ("d", Value::Double(10.0)),
            ("d_n", Value::Double(stddev)),
        ];
        value(zscore, &named)
    };
    assert_eq!((of(2.0), of(0.0)), (Value::Double(1.25), Value::Null));
    assert_eq!(value("1 - 1 / max(i, 1)", &[("i", Value::Int(4))]), Value::Double(0.75));
    assert_eq!(value("1 - 1 / max(i, 1)", &[("i", Value::Int(0))]), Value::Double(0.0));
    assert_eq!(value("i / 60000", &[("i", Value::Int(90_000))]), Value::Double(1.5));
    assert_eq!(value("coalesce(clamp01(d_n / 60), 0)", &[]), Value::Double(0.0));
    assert!(!expr("coalesce(clamp01(d_n / 60), 0)").nullable());
    let risk = "s in {\"4829\", \"5993\"} or m >= 1000";
    let of = |mcc: Value, amount| value(risk, &[("s", mcc), ("m", Value::Decimal(amount, 6))]);
    assert_eq!(of(text("4829"), 1), Value::Bool(true));
    assert_eq!(of(text("4830"), 999_999_999), Value::Bool(false));
    assert_eq!(of(text("4830"), 1_000_000_000), Value::Bool(true));
    assert_eq!(of(Value::Null, 1_000_000_000), Value::Bool(true));
    assert_eq!(of(Value::Null, 1), Value::Null);
    let zero = "if(d = 0, 0, (m - d) / d)";
    assert_eq!(value(zero, &[("d", Value::Double(0.0))]), Value::Double(0.0));
    let office = "weekday(t) < 5 and hour(t) >= 9 and hour(t) < 17";
    // Sunday 2024-03-31, Monday 2024-04-01 06:59:59.999Z and 07:00Z: 9 o'clock in summer.
    let of = |ts| value(office, &[("t", Value::Timestamp(ts))]);
    assert_eq!(of(1_711_886_400_000), Value::Bool(false));
    assert_eq!(of(1_711_954_799_999), Value::Bool(false));
    assert_eq!(of(1_711_954_800_000), Value::Bool(true));
    assert_eq!(value("weekday(t) >= 5", &[]), Value::Null);
}

#[test]
fn definitions_are_put_in_where_they_are_named() {
    let definition = expr("s in {\"4829\"} or m >= 1000");
    let mut scope = |name: &str| match name {
        "high_risk" => Some(Binding::Expr(definition.clone())),
        other => resolve(other),
    };
    let named = check(&parse("not high_risk and i > 3").unwrap(), &mut scope, &[]).unwrap();
    assert_eq!(named, expr("not (s in {\"4829\"} or m >= 1000) and i > 3"));
}

#[test]
fn definitions_cannot_multiply_without_bound() {
    let mut doubled = expr("i + i");
    let sum = parse("x + x").unwrap();
    let stopped = (0..64).find_map(|_| {
        let before = doubled.clone();
        match check(&sum, &mut |_| Some(Binding::Expr(before.clone())), &[]) {
            Ok(next) => {
                doubled = next;
                None
            }
            Err(error) => Some(error),
        }
    });
    let error = stopped.unwrap();
    assert!(error.message.contains("4096"), "{error}");
    let mut deeper = expr("i");
    let minus = parse("-x").unwrap();
    let stopped = (0..1000).find_map(|_| {
        let before = deeper.clone();
        match check(&minus, &mut |_| Some(Binding::Expr(before.clone())), &[]) {
            Ok(next) => {
                deeper = next;
                None
            }
            Err(error) => Some(error),
        }
    });
    assert!(stopped.unwrap().message.contains("deeper than 256"));
}

#[test]
fn results_take_the_type_that_holds_their_parts() {
    for (text, ty) in [
        ("i + 1", Type::Int),
        ("i + 1.0", Type::DECIMAL),
        ("i + 1e0", Type::DECIMAL),
        ("i * m", Type::DECIMAL),
        ("m * m", Type::DECIMAL),
        ("m * d", Type::Double),
        ("i / 1", Type::Double),
        ("m / m", Type::Double),
        ("d + 0.123456789", Type::Double),
        ("1 + 1", Type::Int),
        ("0.5 + 1", Type::DECIMAL),
        ("t - t_n", Type::Int),
        ("t - \"2024-01-01T00:00:00Z\"", Type::Int),
        ("coalesce(i, 0)", Type::Int),
        ("coalesce(i, 0.5)", Type::DECIMAL),
        ("coalesce(i, m)", Type::DECIMAL),
        ("coalesce(d, 0)", Type::Double),
        ("if(b, 0, 0.5)", Type::DECIMAL),
        ("if(b, i, d)", Type::Double),
        ("if(b, 's', s)", Type::Text),
        ("if(b, ip, '10.0.0.1')", Type::Ip),
        ("min(t, '2024-01-01T00:00:00Z')", Type::Timestamp),
        ("max(i, 1, 2.5)", Type::DECIMAL),
        ("clamp01(m)", Type::DECIMAL),
        ("abs(-1)", Type::Int),
        ("sqrt(4)", Type::Double),
        ("is_null(ip)", Type::Bool),
        ("s < 'b'", Type::Bool),
        ("ip in {'10.0.0.1', '::1'}", Type::Bool),
    ] {
        assert_eq!(expr(text).ty(), ty, "{text}");
    }
}

#[test]
fn strings_beside_timestamps_and_addresses_are_read_as_such() {
    let at = [("t", Value::Timestamp(1_704_067_200_250))];
    assert_eq!(value("t = '2024-01-01T00:00:00.250Z'", &at), Value::Bool(true));
    assert_eq!(value("'2024-01-01T01:00:00.251+01:00' > t", &at), Value::Bool(true));
    assert_eq!(value("t in {'2024-01-01T00:00:00Z'}", &at), Value::Bool(false));
    assert_eq!(value("t - '2024-01-01T00:00:00Z'", &at), Value::Int(250));
    let from = [("ip", Value::Ip([10, 0, 0, 1].into()))];
    assert_eq!(value("ip = '10.0.0.1'", &from), Value::Bool(true));
    assert_eq!(value("ip = '::ffff:10.0.0.1'", &from), Value::Bool(true));
    assert_eq!(value("ip not in {'10.0.0.1', '2001:db8::1'}", &from), Value::Bool(false));
    assert_eq!(value("coalesce(ip, '10.0.0.2')", &[]), Value::Ip([10, 0, 0, 2].into()));
}

#[test]
fn strings_know_their_escapes() {
    let named = [("s", text("a\"b\\c\n'"))];
    assert_eq!(value(r#"s = "a\"b\\c\n'""#, &named), Value::Bool(true));
    assert_eq!(value(r#"s = 'a"b\\c\n\''"#, &named), Value::Bool(true));
}

#[test]
fn literals_compare_exactly_with_ints_and_decimals() {
    let max = i64::MAX;
    for (text, int, expected) in [
        ("i > 2.5", 3, true),
        ("i > 2.5", 2, false),
        ("i >= 2.5", 2, false),
        ("i < 2.5", 2, true),
        ("i = 2.5", 2, false),
        ("i != 2.5", 2, true),
        ("i > -2.5", -2, true),
        ("i > -2.5", -3, false),
        ("i <= -2.5", -3, true),
        ("2.5 > i", 2, true),
        ("2.5 >= i", 3, false),
        ("i = 2.0", 2, true),
        ("i = 20e-1", 2, true),
        ("i < 9007199254740993", 9_007_199_254_740_992, true),
        ("i = 9007199254740993", 9_007_199_254_740_992, false),
        ("i < 9223372036854775808", max, true),
        ("i >= 9223372036854775807", max, true),
        ("i > 9223372036854775806.9", max, true),
        ("i < 1e300", max, true),
        ("i > -1e300", -max, true),
        ("i = 1e300", max, false),
        ("i != 1e300", max, true),
        ("i > 1e-300", 0, false),
        ("i >= -1e-300", 0, true),
        ("i < 1e999999999999", max, true),
        ("i < 1e-999999999999", 0, true),
        ("i in {2.5, 2.0, 1e300}", 2, true),
        ("i in {2.5, 1e300}", 2, false),
    ] {
        assert_eq!(value(text, &[("i", Value::Int(int))]), Value::Bool(expected), "{text} {int}");
    }
    for (text, micros, expected) in [
        ("m >= 0.0000005", 0, false),
        ("m >= 0.0000005", 1, true),
        ("m < 0.0000005", 0, true),
        ("m = 0.1", 100_000, true),
        ("m = 0.1000000000000000055511151231257827", 100_000, false),
        ("m > 0.0999999999999", 100_000, true),
        ("m in {0.1, 0.0000005}", 100_000, true),
        ("m < 9223372036854.775808", max, true),
        ("m >= 9223372036854.775807", max, true),
    ] {
        let named = [("m", Value::Decimal(micros, 6))];
        assert_eq!(value(text, &named), Value::Bool(expected), "{text} {micros}");
    }
    assert_eq!(value("i > 1e300", &[]), Value::Null, "a null stays null");
    assert_eq!(value("1 < 2.5 and 0.1 = 1e-1 and 5 in {5.0}", &[]), Value::Bool(true));
}

#[test]
fn literals_beside_doubles_are_the_nearest_double() {
    let named = [("d", Value::Double(0.1))];
    assert_eq!(value("d = 0.1", &named), Value::Bool(true));
    assert_eq!(value("d = 0.1000000000000000055511151231257827", &named), Value::Bool(true));
    assert_eq!(value("d in {0.1}", &named), Value::Bool(true));
    assert_eq!(value("d * 3", &named), Value::Double(0.1 * 3.0));
    assert_eq!(value("d + 9007199254740993", &named), Value::Double(0.1 + 9007199254740992.0));
    assert_eq!(value("d / 1e-400", &named), Value::Null, "that divisor is 0 as a double");
}

#[test]
fn errors_point_at_what_is_wrong() {
    for (text, column, message, hint) in [
        ("", 1, "expected a value, found the end", "a value is"),
        ("i +", 4, "expected a value, found the end", "a value is"),
        ("i + amout", 5, "unknown name `amout`", "there are"),
        ("view.featur > 1", 1, "unknown name `view.featur`", "did you mean `view.feature`?"),
        ("feature > 1", 1, "unknown name `feature`", "did you mean `view.feature`?"),
        ("clamp(d)", 1, "unknown function `clamp`", "did you mean `clamp01`?"),
        ("null = i", 1, "unknown name `null`", "is_null"),
        ("abs + 1", 1, "unknown name `abs`", "is a function"),
        ("i = 1 = b", 7, "`=` cannot follow a comparison", "do not chain"),
        ("1 < i < 3", 7, "`<` cannot follow a comparison", "join two of them"),
        ("i = not b", 5, "`not` cannot follow", "in parentheses"),
        ("(i + 1", 7, "expected `)`", ""),
        ("i + 1)", 6, "expected an operator or the end, found `)`", ""),
        ("i AND b", 3, "expected an operator or the end, found `AND`", "lower case"),
        ("i is null", 3, "expected an operator", "is_null(x)"),
        ("b && b", 3, "there is no `&&`", "`and`"),
        ("!b", 1, "there is no `!`", "`not`"),
        ("i <> 1", 3, "there is no `<>`", "`!=`"),
        ("i % 2", 3, "there is no `%`", ""),
        ("i in [1]", 6, "there is no `[`", "braces"),
        ("i in (1)", 6, "expected `{` after `in`", "braces"),
        ("i in {}", 7, "expected a number or a string", "literals"),
        ("i in {1, i}", 10, "expected a number or a string, found `i`", "literals"),
        ("i in {1, 'a'}", 10, "cannot look for type int among `a`", "without quotes"),
        ("s in {4829}", 7, "cannot look for type string among `4829`", "in quotes"),
        ("b in {1}", 3, "`in` takes numbers", ""),
        ("i = '5'", 3, "cannot compare type int with the string `5`", "without quotes"),
        ("s = 5", 5, "cannot compare `5` with type string", "in quotes"),
        ("t > 5", 5, "cannot compare `5` with type timestamp", "RFC 3339"),
        ("s = i", 3, "cannot compare type string with type int", ""),
        ("b < b_n", 3, "values of type bool have no order", "`=`"),
        ("ip < '10.0.0.1'", 4, "values of type ip have no order", "`=`"),
        ("ip = '10.0.0'", 6, "`10.0.0` is not an ip address", "10.0.0.1"),
        ("t > 'yesterday'", 5, "`yesterday` is not a timestamp", "RFC 3339"),
        ("t > '2024-01-01T00:00:00.0005Z'", 5, "to the millisecond", ""),
        ("i + s", 5, "`+` takes numbers, this is of type string", ""),
        ("'1' * i", 1, "`*` takes numbers, this is the string `1`", "without quotes"),
        ("t + 60000", 1, "`+` takes numbers, this is of type timestamp", "difference"),
        ("-s", 2, "`-` takes numbers", ""),
        ("i and b", 1, "`and` takes bools, this is of type int", "compare it"),
        ("not 5", 5, "`not` takes bools, this is the number `5`", ""),
        ("if(i, 1, 2)", 4, "`if` takes a bool as its condition", ""),
        ("if(b, 1, 'a')", 10, "`if` cannot mix type int with the string `a`", "one type"),
        ("coalesce(i, s)", 13, "`coalesce` cannot mix type int with type string", ""),
        ("min(1)", 1, "`min` takes at least 2 arguments, found 1", "min(a: T"),
        ("min(s, s)", 5, "`min` takes numbers or timestamps", ""),
        ("hour(i)", 6, "`hour` takes a timestamp, this is of type int", ""),
        ("ln(s)", 4, "`ln` takes a number", ""),
        ("i + 0.0000000000001", 5, "has more than the 12 decimals", "round it"),
        ("i + 9223372036854775808", 5, "is beyond the range of int", ""),
        ("d + 1e400", 5, "`1e400` is beyond the range of double", ""),
        ("1.", 1, "`1.` is not a number", ""),
        ("5x", 1, "`5x` is not a number", ""),
        (".5", 1, "there is no `.`", "a digit before its point"),
        ("view.", 6, "the name `view.` ends in a point", ""),
        ("'abc", 1, "the string that starts here has no end", "close it with '"),
        ("'a\\q'", 3, "unknown escape", ""),
        ("'ü' = ü", 7, "unexpected `ü`", ""),
    ] {
        let error = error(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        let found = error.hint.as_deref().unwrap_or_default();
        assert!(found.contains(hint), "{text}: {error}");
    }
    assert_eq!(
        error("clamp(d)").to_string(),
        "column 1: unknown function `clamp` (did you mean `clamp01`?)"
    );
}

#[test]
fn hostile_texts_meet_their_bounds() {
    let nested = |n: usize| format!("{}i{}", "(".repeat(n), ")".repeat(n));
    assert!(compiled(&nested(NESTING_MAX - 1)).is_ok());
    for text in [
        nested(NESTING_MAX),
        nested(8_000),
        "(".repeat(16_000),
        "-".repeat(16_000),
        "not ".repeat(4_000),
        "abs(".repeat(4_000),
        format!("i in {}", "{".repeat(16_000)),
        format!("i{}", " + i".repeat(DEPTH_MAX)),
        format!("i in {{{}}}", vec!["1"; NODES_MAX].join(",")),
        "x".repeat(LENGTH_MAX + 1),
        format!("{} + 1", "x".repeat(10_000)),
        "1".repeat(16_000),
    ] {
        let error = error(&text);
        assert!(error.to_string().len() < 300, "{error}");
    }
    assert!(compiled(&format!("i{}", " + i".repeat(DEPTH_MAX - 1))).is_ok());
    assert!(compiled(&format!("b{}", " or b".repeat(1_000))).is_ok());
    assert!(compiled(&format!("i in {{{}}}", vec!["1"; NODES_MAX - 2].join(","))).is_ok());
}

#[test]
fn every_function_of_the_catalogue_can_be_called() {
    for function in functions() {
        assert!(function.signature.starts_with(&format!("{}(", function.name)));
        assert!(!function.doc.is_empty());
        let error = error(&format!("{}()", function.name));
        assert!(error.message.contains("takes"), "{error}");
        assert_eq!(error.hint.as_deref(), Some(function.signature));
    }
}

/// A literal's value in units of 1e-12, and its text.
fn literal() -> impl Strategy<Value = (i128, String)> {
    let digits = prop_oneof![-30i64..30, any::<i64>().prop_map(|n| n >> 20), any::<i64>()];
    (digits, 0u32..=12).prop_map(|(digits, decimals)| {
        let unit = 10i128.pow(decimals);
        let magnitude = i128::from(digits).abs();
        let (whole, fraction) = (magnitude / unit, magnitude % unit);
        let sign = if digits < 0 { "-" } else { "" };
        let text = match decimals {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{fraction:0>width$}", width = decimals as usize),
        };
        (i128::from(digits) * 10i128.pow(12 - decimals), text)
    })
}

const COMPARISONS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

fn holds<T: PartialOrd>(op: &str, a: &T, b: &T) -> bool {
    match op {
        "=" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..<_>::default() })]

    #[test]
    fn exactness_of_comparisons_holds_near_and_far(
        (exact, literal) in literal(),
        near in -3i64..=3,
        op in 0usize..6,
    ) {
        let op = COMPARISONS[op];
        for (name, unit) in [("i", 1_000_000_000_000i128), ("m", 1_000_000)] {
            let close = i64::try_from(exact.div_euclid(unit)).unwrap_or(i64::MAX);
            let own = close.saturating_add(near).max(-i64::MAX);
            let typed = if name == "i" { Value::Int(own) } else { Value::Decimal(own, 6) };
            let own = i128::from(own) * unit;
            let named = [(name, typed)];
            let expected = Value::Bool(holds(op, &own, &exact));
            prop_assert_eq!(value(&format!("{name} {op} {literal}"), &named), expected);
            let expected = Value::Bool(holds(op, &exact, &own));
            prop_assert_eq!(value(&format!("{literal} {op} {name}"), &named), expected);
            let among = value(&format!("{name} in {{{literal}, 0.5}}"), &named);
            prop_assert_eq!(among, Value::Bool(own == exact || own == 500_000_000_000));
        }
    }

    #[test]
    fn decimal_literals_keep_their_micro_units(micros in -1_000_000_000_000i64..1_000_000_000_000) {
        let (whole, fraction) = (micros.abs() / MICROS, micros.abs() % MICROS);
        let sign = if micros < 0 { "-" } else { "" };
        let text = format!("{sign}{whole}.{fraction:06}");
        prop_assert_eq!(value(&text, &[]), Value::Decimal(micros, 6));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        if let Err(error) = compiled(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(error) = compiled(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
        }
    }

    #[test]
    fn no_sequence_of_words_makes_the_checker_panic(
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..25),
        spaced in any::<bool>(),
    ) {
        let text = words.join(if spaced { " " } else { "" });
        match compiled(&text) {
            Err(error) => {
                let columns = 1..=text.chars().count() + 1;
                prop_assert!(columns.contains(&error.column), "{}", error);
            }
            Ok(_) => drop(value(&text, &[("i", Value::Int(3)), ("d", Value::Double(0.5))])),
        }
    }
}

/// How many damaged expressions are read.
const DAMAGED: usize = 15_000;

#[test]
fn a_damaged_expression_has_a_value_or_a_mistake_in_its_text() {
    const WHOLE: [&str; 10] = [
        "0.5 * clamp01(i / 10) + 0.3 * clamp01(d / 2000) + 0.2 * clamp01(m / 5)",
        "s in {\"4829\", '5993', \"Österreich\"} or m >= 1000 and not b",
        "if(is_null(d_n), coalesce(m_n, i, 2.5), max(d, m, 1e-6))",
        "hour(t) >= 9 and hour(t) < 17 and weekday(t) not in {5, 6}",
        "(t - '2024-03-31T01:00:00Z') / 60000 > view.feature",
        "ip = '10.0.0.1' or ip in {\"2001:db8::1\", '::'}",
        "1 - (i / max(i_n, 1)) * sqrt(abs(ln(d)))",
        "- i * -9223372036854775807 + 0.000001 - m",
        "min(t, t_n, '2024-01-01T00:00:00.250Z') != t",
        "s = 'a\\'b\\\\\\n\\t' and\n\tb_n",
    ];
    let named = [
        ("i", Value::Int(-(i64::MAX))),
        ("m", Value::Decimal(MICROS / 2, 6)),
        ("d", Value::Double(-0.5)),
        ("b", Value::Bool(true)),
        ("s", text("é")),
        ("t", Value::Timestamp(1_711_846_800_000)),
    ];
    let mut rng = SmallRng::seed_from_u64(4);
    let (mut values, mut mistakes) = (0, 0);
    for _ in 0..DAMAGED {
        let mut text: Vec<char> = WHOLE[rng.random_range(0..WHOLE.len())].chars().collect();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..=text.len());
            let end = rng.random_range(at..=text.len().min(at + 12));
            let word = || WORDS[at % WORDS.len()].chars();
            match rng.random_range(0..5) {
                0 => drop(text.splice(at..at, word())),
                1 => drop(text.splice(at..end, word())),
                2 => drop(text.drain(at..end)),
                3 => drop(text.splice(at..at, text[at..end].to_vec())),
                _ => drop(
                    text.splice(at..at, ['\u{0}', 'ü', '\t', '"', '9', '.'].get(end % 6).copied()),
                ),
            }
        }
        let text: String = text.into_iter().collect();
        match compiled(&text) {
            Ok(_) => {
                values += 1;
                for name in parse(&text).unwrap().names() {
                    let at: String = text.chars().skip(name.column - 1).collect();
                    assert!(at.starts_with(name.name), "{text}: {name:?}");
                }
                if let Value::Double(value) = value(&text, &named) {
                    assert!(value.is_finite() && value.to_bits() != (-0.0_f64).to_bits(), "{text}");
                }
            }
            Err(error) => {
                mistakes += 1;
                let columns = 1..=text.chars().count() + 1;
                assert!(columns.contains(&error.column), "{text}: {error}");
                assert!(!error.to_string().contains('\n') && error.to_string().len() < 1_000);
            }
        }
    }
    assert!(values > DAMAGED / 20 && mistakes > DAMAGED / 4, "{values} {mistakes}");
}

const WORDS: [&str; 54] = [
    "i",
    "i_n",
    "m",
    "d",
    "b",
    "s",
    "t",
    "ip",
    "view.feature",
    "nope",
    "1",
    "0",
    "2.5",
    "1e-7",
    "1e300",
    "9223372036854775808",
    "'a'",
    "'10.0.0.1'",
    "'2024-01-01T00:00:00Z'",
    "'",
    "\\",
    "é",
    "true",
    "false",
    "and",
    "or",
    "not",
    "in",
    "{",
    "}",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "if(",
    "is_null(",
    "coalesce(",
    "min(",
    "max(",
    "clamp01(",
    "abs(",
    "sqrt(",
    "ln(",
    "hour(",
    "weekday(",
    ".",
    "\n",
];

//! Any text is either an expression, which has a value for every row, or has a mistake, which has a
//! place in the text. The input is an expression, and behind a zero byte the rows it is read for.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz expression`

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tidemark_jobs::expression::{Binding, NODES_MAX, check, parse};
use tidemark_operators::expression::Program;
use tidemark_operators::zone::Zone;
use tidemark_operators::value::{Column, Type};

const NAMES: [(&str, Type); 9] = [
    ("i", Type::Int),
    ("j", Type::Int),
    ("m", Type::DECIMAL),
    ("d", Type::Double),
    ("b", Type::Bool),
    ("s", Type::Text),
    ("t", Type::Timestamp),
    ("ip", Type::Ip),
    ("view.feature", Type::Double),
];

fn resolve(name: &str) -> Option<Binding> {
    let index = NAMES.iter().position(|(known, _)| *known == name)?;
    Some(Binding::Input { index, ty: NAMES[index].1, nullable: true })
}

/// Rows of whatever the bytes say, of the right types.
fn columns(bytes: &[u8], rows: usize) -> Vec<Column> {
    let mut bytes = bytes.iter().copied().chain(std::iter::repeat(0));
    let mut word = || (0..8).fold(0, |word, _| word << 8 | u64::from(bytes.next().unwrap_or(0)));
    let mut columns = vec![Column::default(); NAMES.len()];
    for _ in 0..rows {
        for ((_, ty), column) in NAMES.iter().zip(&mut columns) {
            let raw = word();
            let bytes = raw.to_be_bytes();
            match ty {
                _ if raw % 5 == 0 => column.push_null(),
                Type::Int | Type::Decimal(_) | Type::Timestamp => match raw.cast_signed() {
                    i64::MIN => column.push_null(),
                    value => column.push_int(value >> (raw % 64)),
                },
                Type::Double => match f64::from_bits(raw) {
                    value if value.is_finite() => column.push_double(value),
                    _ => column.push_null(),
                },
                Type::Bool => column.push_bool(raw & 1 == 1),
                Type::Text => column.push_bytes(&bytes[..(raw % 9) as usize]),
                Type::Ip if raw & 1 == 1 => column.push_bytes(&bytes[..4]),
                Type::Ip => column.push_bytes(&[bytes, bytes].concat()),
            }
        }
    }
    columns
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    let found = parse(&text).and_then(|ast| {
        for used in ast.names() {
            assert!(text.chars().skip(used.column - 1).collect::<String>().starts_with(used.name));
        }
        check(&ast, &mut resolve, &names)
    });
    let expr = match found {
        Ok(expr) => expr,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(error.to_string().len() < 2_000 && !error.to_string().contains('\n'), "{error}");
            return;
        }
    };
    assert!(expr.nodes() <= NODES_MAX * 2);
    const ROWS: usize = 3;
    let zone = Zone { name: "Z".to_owned(), offsets: vec![(i64::MIN, -3_600_000), (0, 7_200_000)] };
    let mut program = Program::new(&expr, Arc::new(zone));
    let (inputs, mut out) = (columns(parts.next().unwrap_or_default(), ROWS), Column::default());
    program.eval(&inputs, ROWS, &mut out);
    assert_eq!((out.words.len(), out.valid.len()), (ROWS, ROWS));
    for (row, valid) in out.valid.iter().enumerate() {
        assert!(*valid || out.words[row] == 0 || expr.ty().is_bytes(), "a null without a word");
        if expr.ty() == Type::Double && *valid {
            let value = out.double(row).unwrap();
            assert!(value.is_finite() && value.to_bits() != (-0.0_f64).to_bits(), "{value}");
        }
        if expr.ty() == Type::Text && *valid {
            assert!(out.bytes(row).is_some());
        }
    }
    let again = out.clone();
    program.eval(&inputs, ROWS, &mut out);
    assert_eq!(again, out);
});

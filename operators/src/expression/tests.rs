//! The compiled program against a naive twin that evaluates one row of owned values at a time.

use super::{Arithmetic, Comparison, Expr, Function, Program};
use crate::value::{Column, Type, Value};
use crate::zone::Zone;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const TYPES: [Type; 11] = [
    Type::Int,
    Type::DECIMAL,
    Type::Double,
    Type::Bool,
    Type::Text,
    Type::Timestamp,
    Type::Ip,
    Type::Decimal(0),
    Type::Decimal(2),
    Type::Decimal(8),
    Type::Decimal(12),
];

/// Central Europe around 2024: summer time from 2024-03-31T01:00Z until 2024-10-27T01:00Z.
const SPRING: i64 = 1_711_846_800_000;
const AUTUMN: i64 = 1_729_990_800_000;
const HOUR: i64 = 3_600_000;

fn zone() -> Zone {
    let offsets = vec![(i64::MIN, HOUR / 2), (0, HOUR), (SPRING, 2 * HOUR), (AUTUMN, HOUR)];
    Zone { name: "Test/Central".to_owned(), offsets }
}

// ---- the twin ----

struct Twin {
    zone: Zone,
    overflows: u64,
    doubles_lost: bool,
}

impl Twin {
    fn value(&mut self, expr: &Expr, row: &[Value]) -> Value {
        match expr {
            Expr::Input { index, .. } => canonical(&row[*index]),
            Expr::Literal(value) => canonical(value),
            Expr::Negate(arg) => match self.value(arg, row) {
                Value::Int(x) => self.int(-i128::from(x)),
                Value::Decimal(x, scale) => self.decimal(-i128::from(x), scale),
                Value::Double(x) => self.double(-x),
                _ => Value::Null,
            },
            Expr::Arithmetic { op, left, right } => {
                let (a, b) = (self.value(left, row), self.value(right, row));
                self.arithmetic(*op, a, b)
            }
            Expr::Compare { op, left, right } => {
                let (a, b) = (self.value(left, row), self.value(right, row));
                match order(&a, &b) {
                    None => Value::Null,
                    Some(order) => Value::Bool(match op {
                        Comparison::Equal => order.is_eq(),
                        Comparison::NotEqual => order.is_ne(),
                        Comparison::Less => order.is_lt(),
                        Comparison::LessOrEqual => order.is_le(),
                        Comparison::Greater => order.is_gt(),
                        Comparison::GreaterOrEqual => order.is_ge(),
                    }),
                }
            }
            Expr::In { arg, set } => match self.value(arg, row) {
                Value::Null => Value::Null,
                value => Value::Bool(set.iter().any(|member| canonical(member) == value)),
            },
            Expr::And(args) => {
                let args = self.values(args, row);
                if args.contains(&Value::Bool(false)) {
                    Value::Bool(false)
                } else if args.contains(&Value::Null) {
                    Value::Null
                } else {
                    Value::Bool(true)
                }
            }
            Expr::Or(args) => {
                let args = self.values(args, row);
                if args.contains(&Value::Bool(true)) {
                    Value::Bool(true)
                } else if args.contains(&Value::Null) {
                    Value::Null
                } else {
                    Value::Bool(false)
                }
            }
            Expr::Not(arg) => match self.value(arg, row) {
                Value::Bool(x) => Value::Bool(!x),
                _ => Value::Null,
            },
            Expr::If { condition, yes, no } => {
                let condition = self.value(condition, row);
                let (yes, no) =
                    (self.value_as(yes, row, expr.ty()), self.value_as(no, row, expr.ty()));
                if condition == Value::Bool(true) { yes } else { no }
            }
            Expr::IsNull(arg) => Value::Bool(self.value(arg, row) == Value::Null),
            Expr::Coalesce(args) => {
                let values: Vec<Value> =
                    args.iter().map(|arg| self.value_as(arg, row, expr.ty())).collect();
                values.into_iter().find(|value| *value != Value::Null).unwrap_or(Value::Null)
            }
            Expr::Least(args) | Expr::Greatest(args) => {
                let wanted =
                    if matches!(expr, Expr::Least(_)) { Ordering::Less } else { Ordering::Greater };
                let values: Vec<Value> =
                    args.iter().map(|arg| self.value_as(arg, row, expr.ty())).collect();
                let mut best = values[0].clone();
                for value in values {
                    match order(&value, &best) {
                        None => return Value::Null,
                        Some(order) if order == wanted => best = value,
                        Some(_) => {}
                    }
                }
                best
            }
            Expr::Apply { function, arg } => {
                let arg = self.value(arg, row);
                self.apply(*function, arg)
            }
        }
    }

    fn values(&mut self, args: &[Expr], row: &[Value]) -> Vec<Value> {
        args.iter().map(|arg| self.value(arg, row)).collect()
    }

    fn value_as(&mut self, expr: &Expr, row: &[Value], ty: Type) -> Value {
        match (self.value(expr, row), ty) {
            (Value::Int(x), Type::Decimal(scale)) => {
                self.decimal(i128::from(x) * power(scale), scale)
            }
            (Value::Decimal(x, from), Type::Decimal(scale)) => {
                self.decimal(i128::from(x) * power(scale - from), scale)
            }
            (Value::Int(x), Type::Double) => Value::Double(x as f64),
            (Value::Decimal(x, scale), Type::Double) => Value::Double(as_f64(x, scale)),
            (value, _) => value,
        }
    }

    fn arithmetic(&mut self, op: Arithmetic, a: Value, b: Value) -> Value {
        if a == Value::Null || b == Value::Null {
            return Value::Null;
        }
        if op == Arithmetic::Divide
            || matches!(a, Value::Double(_))
            || matches!(b, Value::Double(_))
        {
            let (Some(a), Some(b)) = (as_double(&a), as_double(&b)) else { return Value::Null };
            return match op {
                Arithmetic::Add => self.double(a + b),
                Arithmetic::Subtract => self.double(a - b),
                Arithmetic::Multiply => self.double(a * b),
                Arithmetic::Divide if b == 0.0 => Value::Null,
                Arithmetic::Divide => self.double(a / b),
            };
        }
        if let (Value::Timestamp(a), Value::Timestamp(b)) = (&a, &b) {
            return self.int(i128::from(*a) - i128::from(*b));
        }
        if let (Value::Int(a), Value::Int(b)) = (&a, &b) {
            let (a, b) = (i128::from(*a), i128::from(*b));
            return self.int(match op {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                _ => a * b,
            });
        }
        let (Some((x, l)), Some((y, r))) = (units(&a), units(&b)) else { return Value::Null };
        let most = l.max(r);
        let (wide_x, wide_y) = (x * power(most - l), y * power(most - r));
        match op {
            Arithmetic::Add => self.decimal(wide_x + wide_y, most),
            Arithmetic::Subtract => self.decimal(wide_x - wide_y, most),
            // The product has all decimals of both.
            _ => self.decimal(half_even(x * y, power(l.min(r))), most),
        }
    }

    fn apply(&mut self, function: Function, arg: Value) -> Value {
        match (function, arg) {
            (Function::Abs, Value::Int(x)) => self.int(i128::from(x).abs()),
            (Function::Abs, Value::Decimal(x, scale)) => self.decimal(i128::from(x).abs(), scale),
            (Function::Abs, Value::Double(x)) => self.double(x.abs()),
            (Function::Clamp01, Value::Int(x)) => Value::Int(1.min(0.max(x))),
            (Function::Clamp01, Value::Decimal(x, scale)) => {
                let one = i64::try_from(power(scale)).unwrap();
                Value::Decimal(one.min(0.max(x)), scale)
            }
            (Function::Clamp01, Value::Double(x)) => self.double(1f64.min(0f64.max(x))),
            (Function::Sqrt, x) => match as_double(&x) {
                Some(x) if x >= 0.0 => self.double(x.sqrt()),
                _ => Value::Null,
            },
            (Function::Ln, x) => match as_double(&x) {
                Some(x) if x > 0.0 => self.double(libm::log(x)),
                _ => Value::Null,
            },
            (Function::Hour, Value::Timestamp(ts)) => {
                Value::Int(self.local(ts).rem_euclid(24 * HOUR) / HOUR)
            }
            (Function::Weekday, Value::Timestamp(ts)) => {
                // 1969-12-29 was a Monday.
                let days = (self.local(ts) + 3 * 24 * HOUR).div_euclid(24 * HOUR);
                Value::Int(days.rem_euclid(7))
            }
            _ => Value::Null,
        }
    }

    fn local(&self, ts: i64) -> i64 {
        let mut offset = 0;
        for (from, of_span) in &self.zone.offsets {
            if *from <= ts {
                offset = *of_span;
            }
        }
        ts + offset
    }

    fn exact(&mut self, value: i128) -> Option<i64> {
        let fits = value.abs() <= i128::from(i64::MAX);
        self.overflows += u64::from(!fits);
        fits.then(|| i64::try_from(value).unwrap())
    }

    fn int(&mut self, value: i128) -> Value {
        self.exact(value).map_or(Value::Null, Value::Int)
    }

    fn decimal(&mut self, value: i128, scale: u8) -> Value {
        self.exact(value).map_or(Value::Null, |units| Value::Decimal(units, scale))
    }

    fn double(&mut self, value: f64) -> Value {
        if value.is_nan() || value.is_infinite() {
            self.doubles_lost = true;
            return Value::Null;
        }
        Value::Double(if value == 0.0 { 0.0 } else { value })
    }
}

fn half_even(product: i128, unit: i128) -> i128 {
    let (whole, rest) = (product / unit, (product % unit).abs());
    let away = match (2 * rest).cmp(&unit) {
        Ordering::Less => false,
        Ordering::Equal => whole % 2 != 0,
        Ordering::Greater => true,
    };
    if away { whole + product.signum() } else { whole }
}

fn power(scale: u8) -> i128 {
    (0..scale).fold(1, |power, _| power * 10)
}

fn as_f64(units: i64, scale: u8) -> f64 {
    units as f64 / power(scale) as f64
}

fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(x) => Some(*x as f64),
        Value::Decimal(x, scale) => Some(as_f64(*x, *scale)),
        Value::Double(x) => Some(*x),
        _ => None,
    }
}

/// A number's units and how many decimals they are of.
fn units(value: &Value) -> Option<(i128, u8)> {
    match value {
        Value::Int(x) => Some((i128::from(*x), 0)),
        Value::Decimal(x, scale) => Some((i128::from(*x), *scale)),
        _ => None,
    }
}

fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Ip(a), Value::Ip(b)) => Some(octets(a).cmp(&octets(b))),
        (Value::Double(_), _) | (_, Value::Double(_)) => as_double(a)?.partial_cmp(&as_double(b)?),
        _ => {
            let ((a, l), (b, r)) = (units(a)?, units(b)?);
            Some((a * power(r)).cmp(&(b * power(l))))
        }
    }
}

/// A value as it is in a column: an address is one value, also where it is of IPv4 inside of IPv6.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Ip(address) => Value::Ip(address.to_canonical()),
        other => other.clone(),
    }
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

// ---- columns of values ----

fn column(values: &[Value]) -> Column {
    let mut column = Column::default();
    values.iter().for_each(|value| column.push_value(value));
    column
}

fn read(column: &Column, ty: Type, row: usize) -> Value {
    let value = match ty {
        Type::Int => column.int(row).map(Value::Int),
        Type::Decimal(scale) => column.int(row).map(|units| Value::Decimal(units, scale)),
        Type::Timestamp => column.int(row).map(Value::Timestamp),
        Type::Double => column.double(row).map(Value::Double),
        Type::Bool => column.bool(row).map(Value::Bool),
        Type::Text => {
            column.bytes(row).map(|bytes| Value::Text(String::from_utf8(bytes.to_vec()).unwrap()))
        }
        Type::Ip => column.bytes(row).map(|bytes| {
            Value::Ip(match <[u8; 4]>::try_from(bytes) {
                Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
                Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap())),
            })
        }),
    };
    value.unwrap_or(Value::Null)
}

fn eval(expr: &Expr, columns: &[Column], rows: usize) -> (Vec<Value>, u64) {
    let mut program = Program::new(expr, Arc::new(zone()));
    let mut out = Column::default();
    program.eval(columns, rows, &mut out);
    let values = (0..rows).map(|row| read(&out, expr.ty(), row)).collect();
    (values, program.int_overflows())
}

fn eval_one(expr: &Expr, row: &[Value]) -> Value {
    let columns: Vec<Column> =
        row.iter().map(|value| column(std::slice::from_ref(value))).collect();
    eval(expr, &columns, 1).0.remove(0)
}

// ---- random expressions and rows ----

fn random_value(rng: &mut SmallRng, ty: Type) -> Value {
    match ty {
        Type::Int => Value::Int(random_int(rng)),
        Type::Decimal(scale) => Value::Decimal(random_int(rng), scale),
        Type::Double => Value::Double(match rng.random_range(0..6) {
            0 => 0.0,
            1 => f64::from(rng.random_range(-3i32..=3)) / 2.0,
            2 => *[1e300, -1e300, 5e-324, 9.223372036854776e18].choose(rng).unwrap(),
            3 => 0.1 * f64::from(rng.random_range(-20i32..20)),
            _ => rng.random_range(-1000.0..1000.0),
        }),
        Type::Bool => Value::Bool(rng.random()),
        Type::Text => Value::Text(
            ["", "a", "b", "ab", "4829", "abcdefg", "abcdefgh", "abcdefgz", "ä€", "approved today"]
                .choose(rng)
                .map(|text| (*text).to_owned())
                .unwrap(),
        ),
        Type::Timestamp => {
            let base = *[0, SPRING, AUTUMN, 1_700_000_000_000, -1].choose(rng).unwrap();
            let near = rng.random_range(-2..=2) * 23 * HOUR / 4;
            Value::Timestamp(base + near + rng.random_range(-1..=1))
        }
        Type::Ip => Value::Ip(match rng.random_range(0..3) {
            0 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, rng.random_range(0..3))),
            1 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, rng.random_range(0..3))),
            _ => IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped()),
        }),
    }
}

fn random_int(rng: &mut SmallRng) -> i64 {
    match rng.random_range(0..8) {
        0 => 0,
        1 => *[i64::MAX, -i64::MAX, i64::MAX / 2 + 1, 1 << 53, (1 << 53) + 1].choose(rng).unwrap(),
        2 => rng.random_range(-3..=3) * 500_000,
        3 => rng.random::<i64>() >> rng.random_range(1..62),
        _ => rng.random_range(-20..20),
    }
}

struct Generator {
    rng: SmallRng,
    /// The type and nullability of each input.
    inputs: Vec<(Type, bool)>,
}

impl Generator {
    fn new(seed: u64) -> Generator {
        let inputs = TYPES.iter().flat_map(|ty| [(*ty, true), (*ty, false)]).collect();
        Generator { rng: SmallRng::seed_from_u64(seed), inputs }
    }

    fn columns(&mut self, rows: usize) -> Vec<Vec<Value>> {
        let Generator { rng, inputs } = self;
        let value = |rng: &mut SmallRng, (ty, nullable)| {
            if nullable && rng.random_ratio(1, 4) { Value::Null } else { random_value(rng, ty) }
        };
        inputs.iter().map(|kind| (0..rows).map(|_| value(rng, *kind)).collect()).collect()
    }

    fn boxed(&mut self, ty: Type, depth: usize) -> Box<Expr> {
        Box::new(self.expr(ty, depth))
    }

    fn some(&mut self, ty: Type, depth: usize) -> Vec<Expr> {
        (0..self.rng.random_range(1..=3)).map(|_| self.expr(ty, depth)).collect()
    }

    /// A number type that unifies to `ty` with it.
    fn below(&mut self, ty: Type) -> Type {
        match ty {
            Type::Decimal(scale) => match self.rng.random_range(0..4) {
                0 => Type::Int,
                // Only these have inputs.
                1 => *[0, 2, 6, 8, 12]
                    .map(Type::Decimal)
                    .iter()
                    .rfind(|it| it.unit() <= ty.unit() && (scale == 0 || it.unit() < ty.unit()))
                    .unwrap_or(&ty),
                2 => Type::Decimal(0),
                _ => ty,
            },
            Type::Double => {
                *[Type::Int, Type::DECIMAL, Type::Decimal(2), Type::Decimal(12), Type::Double]
                    .choose(&mut self.rng)
                    .unwrap()
            }
            _ => ty,
        }
    }

    /// Arguments of which at least one has type `ty`, and all fit in it.
    fn unified(&mut self, ty: Type, depth: usize) -> Vec<Expr> {
        let mut args: Vec<Expr> = (0..self.rng.random_range(1..=3))
            .map(|_| {
                let ty = self.below(ty);
                self.expr(ty, depth)
            })
            .collect();
        let at = self.rng.random_range(0..args.len());
        args[at] = self.expr(ty, depth);
        args
    }

    fn leaf(&mut self, ty: Type) -> Expr {
        if self.rng.random_ratio(1, 3) {
            return Expr::Literal(random_value(&mut self.rng, ty));
        }
        let places: Vec<usize> =
            (0..self.inputs.len()).filter(|i| self.inputs[*i].0 == ty).collect();
        let index = *places.choose(&mut self.rng).unwrap();
        Expr::Input { index, ty, nullable: self.inputs[index].1 }
    }

    fn expr(&mut self, ty: Type, depth: usize) -> Expr {
        if depth == 0 || self.rng.random_ratio(1, 6) {
            return self.leaf(ty);
        }
        let depth = depth - 1;
        match self.rng.random_range(0..6) {
            0 => {
                let no = self.below(ty);
                Expr::If {
                    condition: self.boxed(Type::Bool, depth),
                    yes: self.boxed(ty, depth),
                    no: self.boxed(no, depth),
                }
            }
            1 => Expr::Coalesce(self.unified(ty, depth)),
            _ if ty.is_numeric() => self.number(ty, depth),
            2 | 3 if ty == Type::Timestamp => {
                let args = self.unified(ty, depth);
                if self.rng.random() { Expr::Least(args) } else { Expr::Greatest(args) }
            }
            _ if ty == Type::Bool => self.bool(depth),
            _ => self.leaf(ty),
        }
    }

    fn number(&mut self, ty: Type, depth: usize) -> Expr {
        let op = *[Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply]
            .choose(&mut self.rng)
            .unwrap();
        match self.rng.random_range(0..10) {
            0 => Expr::Negate(self.boxed(ty, depth)),
            1 => Expr::Least(self.unified(ty, depth)),
            2 => Expr::Greatest(self.unified(ty, depth)),
            3 => {
                let function = if self.rng.random() { Function::Abs } else { Function::Clamp01 };
                Expr::Apply { function, arg: self.boxed(ty, depth) }
            }
            4 | 5 if ty == Type::Double => {
                let (l, r) = (self.below(ty), self.below(ty));
                let (left, right) = (self.boxed(l, depth), self.boxed(r, depth));
                Expr::Arithmetic { op: Arithmetic::Divide, left, right }
            }
            6 if ty == Type::Double => {
                let of = self.below(ty);
                let function = if self.rng.random() { Function::Sqrt } else { Function::Ln };
                Expr::Apply { function, arg: self.boxed(of, depth) }
            }
            4 if ty == Type::Int => Expr::Arithmetic {
                op: Arithmetic::Subtract,
                left: self.boxed(Type::Timestamp, depth),
                right: self.boxed(Type::Timestamp, depth),
            },
            5 | 6 if ty == Type::Int => {
                let function = if self.rng.random() { Function::Hour } else { Function::Weekday };
                Expr::Apply { function, arg: self.boxed(Type::Timestamp, depth) }
            }
            _ => {
                let other = self.below(ty);
                let (a, b) = (self.boxed(ty, depth), self.boxed(other, depth));
                let (left, right) = if self.rng.random() { (a, b) } else { (b, a) };
                Expr::Arithmetic { op, left, right }
            }
        }
    }

    fn bool(&mut self, depth: usize) -> Expr {
        let ty = *TYPES.choose(&mut self.rng).unwrap();
        match self.rng.random_range(0..8) {
            0 => Expr::And(self.some(Type::Bool, depth)),
            1 => Expr::Or(self.some(Type::Bool, depth)),
            2 => Expr::Not(self.boxed(Type::Bool, depth)),
            3 => Expr::IsNull(self.boxed(ty, depth)),
            4 => {
                let size = self.rng.random_range(0..30);
                let set = (0..size).map(|_| random_value(&mut self.rng, ty)).collect();
                Expr::In { arg: self.boxed(ty, depth), set }
            }
            _ => {
                use Comparison::*;
                let op = *[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual]
                    .choose(&mut self.rng)
                    .unwrap();
                let other = self.below(ty);
                Expr::Compare { op, left: self.boxed(ty, depth), right: self.boxed(other, depth) }
            }
        }
    }
}

#[test]
fn random_expressions_agree_with_the_naive_twin() {
    let mut present = 0;
    for seed in 0..4_000 {
        let mut generator = Generator::new(seed);
        let ty = TYPES[usize::try_from(seed).unwrap() % TYPES.len()];
        let expr = generator.expr(ty, 5);
        assert_eq!(expr.ty(), ty, "seed {seed}: {expr:?}");
        let rows = [1, 7, 40, 255, 256, 257, 600][generator.rng.random_range(0..7)];
        let values = generator.columns(rows);
        let columns: Vec<Column> = values.iter().map(|values| column(values)).collect();
        let (got, overflows) = eval(&expr, &columns, rows);
        let mut twin = Twin { zone: zone(), overflows: 0, doubles_lost: false };
        for (row, got) in got.iter().enumerate() {
            let inputs: Vec<Value> = values.iter().map(|values| values[row].clone()).collect();
            let expected = twin.value(&expr, &inputs);
            assert_eq!(*got, expected, "seed {seed}, row {row} {inputs:?}: {expr:?}");
            present += usize::from(expected != Value::Null);
            if !expr.nullable() && !twin.doubles_lost {
                assert_ne!(*got, Value::Null, "seed {seed}, row {row}: {expr:?}");
            }
        }
        assert_eq!(overflows, twin.overflows, "seed {seed}: {expr:?}");
    }
    assert!(present > 100_000, "most rows must have a value: {present}");
}

#[test]
fn the_words_of_nulls_are_zero() {
    for seed in 10_000..10_500 {
        let mut generator = Generator::new(seed);
        let ty = *TYPES.choose(&mut generator.rng).unwrap();
        let expr = generator.expr(ty, 4);
        let values = generator.columns(20);
        let columns: Vec<Column> = values.iter().map(|values| column(values)).collect();
        let mut out = Column::default();
        Program::new(&expr, Arc::new(zone())).eval(&columns, 20, &mut out);
        for (word, valid) in out.words.iter().zip(&out.valid) {
            assert!(*valid || *word == 0, "seed {seed}: {expr:?}");
        }
    }
}

#[test]
fn renumbered_inputs_are_found_and_sorted() {
    let mut most = 0;
    for seed in 0..50 {
        let expr = Generator::new(seed).expr(Type::Bool, 6);
        let inputs = expr.inputs();
        assert!(inputs.is_sorted_by(|a, b| a < b));
        most = most.max(inputs.len());
        let mapped = expr.clone().map_inputs(&mut |index| 100 - index);
        let back: Vec<usize> = mapped.inputs().into_iter().rev().map(|index| 100 - index).collect();
        assert_eq!(back, inputs);
        assert_eq!((mapped.nodes(), mapped.depth()), (expr.nodes(), expr.depth()));
    }
    assert!(most > 5);
}

fn input(index: usize, ty: Type) -> Expr {
    Expr::Input { index, ty, nullable: true }
}

fn apply(function: Function, arg: Expr) -> Expr {
    Expr::Apply { function, arg: Box::new(arg) }
}

fn arithmetic(op: Arithmetic, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op, left: Box::new(left), right: Box::new(right) }
}

#[test]
fn past_the_end_of_a_short_or_missing_input_all_is_null() {
    let is_null = Expr::IsNull(Box::new(input(0, Type::Int)));
    let short = column(&[Value::Null, Value::Int(1)]);
    let (values, _) = eval(&is_null, &[short], 3);
    assert_eq!(values, [Value::Bool(true), Value::Bool(false), Value::Null]);
    assert_eq!(eval(&is_null, &[], 2).0, [Value::Null, Value::Null]);
}

#[test]
fn an_expression_whose_types_do_not_fit_is_null() {
    let row = [Value::Int(1), Value::Text("a".to_owned())];
    let (int, text) = (input(0, Type::Int), input(1, Type::Text));
    let sum = arithmetic(Arithmetic::Add, int.clone(), text.clone());
    assert_eq!(eval_one(&sum, &row), Value::Null);
    assert_eq!(eval_one(&Expr::Not(Box::new(text.clone())), &row), Value::Null);
    assert_eq!(eval_one(&Expr::Negate(Box::new(text)), &row), Value::Null);
    assert_eq!(eval_one(&apply(Function::Hour, int), &row), Value::Null);
    assert_eq!(eval_one(&Expr::Coalesce(Vec::new()), &row), Value::Null);
}

#[test]
fn the_hour_jumps_and_repeats_where_the_zone_does() {
    let hour = apply(Function::Hour, input(0, Type::Timestamp));
    let at = |ts| eval_one(&hour, &[Value::Timestamp(ts)]);
    assert_eq!(at(SPRING - 1), Value::Int(1));
    assert_eq!(at(SPRING), Value::Int(3));
    assert_eq!(at(AUTUMN - 1), Value::Int(2));
    assert_eq!(at(AUTUMN), Value::Int(2));
    assert_eq!(at(AUTUMN + HOUR - 1), Value::Int(2));
    assert_eq!(at(AUTUMN + HOUR), Value::Int(3));
}

#[test]
fn the_weekday_changes_at_local_midnight() {
    let weekday = apply(Function::Weekday, input(0, Type::Timestamp));
    let at = |ts| eval_one(&weekday, &[Value::Timestamp(ts)]);
    // Sunday 2024-03-31 begins at 23:00Z (winter time) and ends at 22:00Z (summer time).
    let sunday = SPRING - 2 * HOUR;
    assert_eq!((at(sunday - 1), at(sunday)), (Value::Int(5), Value::Int(6)));
    assert_eq!(
        (at(sunday + 23 * HOUR - 1), at(sunday + 23 * HOUR)),
        (Value::Int(6), Value::Int(0))
    );
    // Before the epoch too: half an hour ahead of UTC, Thursday began at 1969-12-31T23:30Z.
    assert_eq!((at(-HOUR / 2 - 1), at(-HOUR / 2)), (Value::Int(2), Value::Int(3)));
}

#[test]
fn products_of_decimals_round_half_to_even() {
    let product =
        arithmetic(Arithmetic::Multiply, input(0, Type::DECIMAL), input(1, Type::DECIMAL));
    let of = |a, b| eval_one(&product, &[Value::Decimal(a, 6), Value::Decimal(b, 6)]);
    assert_eq!(of(1, 500_000), Value::Decimal(0, 6));
    assert_eq!(of(3, 500_000), Value::Decimal(2, 6));
    assert_eq!(of(-1, 500_000), Value::Decimal(0, 6));
    assert_eq!(of(-3, 500_000), Value::Decimal(-2, 6));
    assert_eq!(of(1, 500_001), Value::Decimal(1, 6));
    assert_eq!(of(-1, 500_001), Value::Decimal(-1, 6));
    assert_eq!(of(i64::MAX, 1_000_000), Value::Decimal(i64::MAX, 6));
    assert_eq!(of(i64::MAX, 1_000_001), Value::Null);
}

#[test]
fn an_int_times_a_decimal_overflows_only_when_the_product_does() {
    let product = arithmetic(Arithmetic::Multiply, input(0, Type::Int), input(1, Type::DECIMAL));
    let of = |a, b| eval_one(&product, &[Value::Int(a), Value::Decimal(b, 6)]);
    assert_eq!(of(10_000_000_000_000, 1), Value::Decimal(10_000_000_000_000, 6));
    let sum = arithmetic(Arithmetic::Add, input(0, Type::Int), input(1, Type::DECIMAL));
    let of = |a, b| eval_one(&sum, &[Value::Int(a), Value::Decimal(b, 6)]);
    assert_eq!(of(9_223_372_036_855, -i64::MAX), Value::Decimal(224_193, 6));
    assert_eq!(of(9_223_372_036_855, 0), Value::Null);
}

#[test]
fn the_least_int_is_an_overflow() {
    let difference = arithmetic(Arithmetic::Subtract, input(0, Type::Int), input(1, Type::Int));
    let columns =
        [column(&[const { Value::Int(-i64::MAX) }; 2]), column(&[Value::Int(0), Value::Int(1)])];
    let (values, overflows) = eval(&difference, &columns, 2);
    assert_eq!((values, overflows), (vec![Value::Int(-i64::MAX), Value::Null], 1));
}

#[test]
fn nullability_is_inferred_node_by_node() {
    let there = |ty| Expr::Input { index: 0, ty, nullable: false };
    let maybe = input(1, Type::Double);
    let divide = |right| arithmetic(Arithmetic::Divide, there(Type::Int), right);
    assert!(!divide(Expr::Literal(Value::Int(5))).nullable());
    assert!(divide(Expr::Literal(Value::Double(0.0))).nullable());
    assert!(divide(there(Type::Int)).nullable());
    assert!(arithmetic(Arithmetic::Add, there(Type::Int), there(Type::Int)).nullable());
    assert!(!arithmetic(Arithmetic::Add, there(Type::Double), there(Type::Int)).nullable());
    assert!(!Expr::Coalesce(vec![maybe.clone(), Expr::Literal(Value::Double(0.0))]).nullable());
    assert!(!Expr::IsNull(Box::new(maybe.clone())).nullable());
    assert!(Expr::Least(vec![there(Type::Double), maybe]).nullable());
    assert!(apply(Function::Sqrt, there(Type::Double)).nullable());
    assert!(!apply(Function::Clamp01, there(Type::Double)).nullable());
    assert!(Expr::Greatest(vec![there(Type::Int), there(Type::DECIMAL)]).nullable());
}

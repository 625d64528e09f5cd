//! Random schemas, random values and random fields against reading by way of a value tree.

use super::*;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::fmt::Write as _;

/// A value as it was written.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer that is a time: in ms.
    Time(i64, i64),
    Float(f32),
    Double(f64),
    Text(String),
    /// Text that can be no address.
    Plain(String),
    /// By its decimal text.
    Decimal(String),
    Record(Vec<(String, Tree)>),
    Other,
}

const NAMES: [&str; 4] = ["a", "b", "n", "o"];

/// Makes a type and a function of its values.
struct Writer {
    rng: SmallRng,
    named: usize,
}

impl Writer {
    fn ty(&mut self, depth: u32) -> Json {
        let choice = self.rng.random_range(0..if depth == 0 { 13 } else { 18 });
        match choice {
            0 => json!("boolean"),
            1 => json!("int"),
            2 => json!("long"),
            3 => json!("float"),
            4 => json!("double"),
            5 => json!("string"),
            6 => json!("bytes"),
            7 => json!({"type": "long", "logicalType": "timestamp-micros"}),
            8 => json!({"type": "bytes", "logicalType": "decimal", "precision": 20,
                        "scale": self.rng.random_range(0..12)}),
            9 => {
                let name = self.name("F");
                json!({"type": "fixed", "name": name, "size": self.rng.random_range(0..4)})
            }
            10 => {
                let name = self.name("E");
                json!({"type": "enum", "name": name, "symbols": ["P", "Q", "S"]})
            }
            11 => json!("null"),
            12 => json!({"type": "int", "logicalType": "date"}),
            13 => json!({"type": "array", "items": self.ty(depth - 1)}),
            14 => {
                let inner = self.ty(depth - 1);
                if inner.is_array() || inner == "null" { inner } else { json!(["null", inner]) }
            }
            15 => {
                let name = self.name("U");
                let inner =
                    json!({"type": "record", "name": name, "fields": self.fields(depth - 1)});
                json!([inner, "long", "null", "string"])
            }
            _ => {
                let name = self.name("R");
                json!({"type": "record", "name": name, "fields": self.fields(depth - 1)})
            }
        }
    }

    fn name(&mut self, prefix: &str) -> String {
        self.named += 1;
        format!("{prefix}{}", self.named)
    }

    fn fields(&mut self, depth: u32) -> Vec<Json> {
        let mut fields = Vec::new();
        for name in NAMES {
            if !self.rng.random_bool(0.7) {
                continue;
            }
            let inner = matches!(name, "n" | "o") && self.rng.random_bool(0.9);
            let ty = match (inner, depth) {
                (false, _) => self.ty(depth),
                (true, 0) => continue,
                (true, _) => {
                    let name = self.name("R");
                    let fields = self.fields(depth - 1);
                    let record = json!({"type": "record", "name": name, "fields": fields});
                    if self.rng.random() { record } else { json!([record, "null"]) }
                }
            };
            fields.push(json!({"name": name, "type": ty}));
        }
        fields
    }

    fn value(&mut self, ty: &Json, out: &mut Vec<u8>) -> Tree {
        if let Some(branches) = ty.as_array() {
            let at = self.rng.random_range(0..branches.len());
            out.extend(long(at as i64));
            return self.value(&branches[at], out);
        }
        let name = ty.as_str().or_else(|| ty["type"].as_str()).unwrap();
        match (name, ty.get("logicalType").and_then(Json::as_str)) {
            ("null", _) => Tree::Null,
            ("boolean", _) => {
                let value = self.rng.random();
                out.push(u8::from(value));
                Tree::Bool(value)
            }
            ("int", Some("date")) => {
                let days = self.rng.random_range(-40_000..40_000);
                out.extend(long(days));
                Tree::Time(days, days * 86_400_000)
            }
            ("long", Some(_)) => {
                let micros = self.rng.random_range(-2_000_000..2_000_000);
                out.extend(long(micros));
                Tree::Time(micros, micros.div_euclid(1_000))
            }
            ("int", _) => {
                let value = i64::from(self.rng.random::<i32>());
                out.extend(long(value));
                Tree::Int(value)
            }
            ("long", _) => {
                let value = self.rng.random::<i64>() >> self.rng.random_range(0..64);
                out.extend(long(value));
                Tree::Int(value)
            }
            ("float", _) => {
                let value = f32::from_bits(self.rng.random());
                out.extend(value.to_le_bytes());
                Tree::Float(value)
            }
            ("double", _) => {
                let value = self.rng.random_range(-2e10..2e10);
                out.extend(f64::to_le_bytes(value));
                Tree::Double(value)
            }
            ("bytes", Some(_)) => {
                let unscaled = i128::from(self.rng.random::<i64>() >> self.rng.random_range(0..64));
                out.extend(bytes(&unscaled.to_be_bytes()[self.rng.random_range(0..9)..]));
                Tree::Decimal(point(unscaled, ty["scale"].as_u64().unwrap() as usize))
            }
            (kind @ ("string" | "bytes"), _) => {
                let address = ["10.0.0.1", "::2", "x", ""].choose(&mut self.rng).unwrap();
                out.extend(text(address));
                let address = (*address).to_owned();
                if kind == "string" { Tree::Text(address) } else { Tree::Plain(address) }
            }
            ("fixed", _) => {
                let size = ty["size"].as_u64().unwrap() as usize;
                out.extend(b"zzz".iter().take(size));
                Tree::Plain("z".repeat(size))
            }
            ("enum", _) => {
                let at = self.rng.random_range(0..3);
                out.extend(long(at));
                Tree::Plain(["P", "Q", "S"][at as usize].to_owned())
            }
            ("array", _) => {
                for _ in 0..self.rng.random_range(0..3) {
                    let count = self.rng.random_range(1..4);
                    let mut block = Vec::new();
                    for _ in 0..count {
                        self.value(&ty["items"], &mut block);
                    }
                    if self.rng.random() {
                        out.extend(long(count));
                    } else {
                        out.extend(long(-count));
                        out.extend(long(block.len() as i64));
                    }
                    out.extend(block);
                }
                out.push(0);
                Tree::Other
            }
            ("record", _) => {
                let fields = ty["fields"].as_array().unwrap().clone();
                let read = fields.iter().map(|field| {
                    (field["name"].as_str().unwrap().to_owned(), self.value(&field["type"], out))
                });
                Tree::Record(read.collect())
            }
            other => panic!("{other:?}"),
        }
    }
}

/// An integer with a decimal point `scale` digits from its end.
fn point(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let mut text = format!("{sign}{whole}");
    if scale > 0 {
        write!(text, ".{fraction}").unwrap();
    }
    text
}

/// Micro-units of a decimal text, or of the shortest text of a double.
fn decimal(text: &str) -> Option<Value> {
    value_of_number(Type::DECIMAL, text)
}

fn value_of_number(ty: Type, text: &str) -> Option<Value> {
    crate::ingest::decode::tests::value_of(ty, crate::ingest::decode::Scalar::Number(text))
}

/// `value` as a field of type `ty`; `None`: it is not.
fn naive(value: &Tree, ty: Type) -> Option<Value> {
    Some(match (value, ty) {
        (Tree::Null, _) => Value::Null,
        (Tree::Bool(v), Type::Bool) => Value::Bool(*v),
        (Tree::Int(v) | Tree::Time(v, _), Type::Int) => Value::Int(*v).ok_unless_least()?,
        (Tree::Bool(v), Type::Text) => Value::Text(v.to_string()),
        (Tree::Int(v), Type::Text) => Value::Text(v.to_string()),
        (Tree::Int(v), Type::Bool) => bit(&v.to_string())?,
        (Tree::Int(v), Type::Timestamp) => Value::Timestamp(*v).ok_unless_least()?,
        (Tree::Time(_, ms), Type::Timestamp) => Value::Timestamp(*ms),
        (Tree::Int(v) | Tree::Time(v, _), Type::DECIMAL | Type::Double) => {
            value_of_number(ty, &v.to_string())?
        }
        (Tree::Float(v), Type::DECIMAL) if v.is_finite() => decimal(ryu::Buffer::new().format(*v))?,
        (Tree::Float(v), Type::Double) if v.is_finite() => Value::Double(f64::from(*v) + 0.0),
        (Tree::Double(v), Type::DECIMAL) => decimal(ryu::Buffer::new().format(*v))?,
        (Tree::Double(v), Type::Double) => Value::Double(*v),
        (Tree::Decimal(text), Type::DECIMAL) => decimal(text)?,
        (Tree::Decimal(text), Type::Double) => Value::Double(text.parse::<f64>().ok()? + 0.0),
        (Tree::Float(v), Type::Int | Type::Timestamp | Type::Bool | Type::Text)
            if v.is_finite() =>
        {
            coerced(ryu::Buffer::new().format(*v), ty)?
        }
        (Tree::Double(v), Type::Int | Type::Timestamp | Type::Bool | Type::Text) => {
            coerced(ryu::Buffer::new().format(*v), ty)?
        }
        (Tree::Decimal(text), Type::Int | Type::Timestamp | Type::Bool | Type::Text) => {
            coerced(text, ty)?
        }
        (Tree::Text(v), ty) if v.is_empty() && ty != Type::Text => Value::Null,
        (Tree::Text(v) | Tree::Plain(v), Type::Text) => Value::Text(v.clone()),
        (Tree::Text(v), Type::Ip) => Value::Ip(v.parse::<std::net::IpAddr>().ok()?.to_canonical()),
        _ => return None,
    })
}

/// Zero or one.
fn bit(number: &str) -> Option<Value> {
    match number.parse::<f64>().ok()? {
        0.0 => Some(Value::Bool(false)),
        1.0 => Some(Value::Bool(true)),
        _ => None,
    }
}

/// A number of some other type, by its text.
fn coerced(number: &str, ty: Type) -> Option<Value> {
    if ty == Type::Timestamp {
        let floored = match number.split_once('.') {
            Some((whole, fraction)) if !fraction.contains('e') => {
                let below = whole.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
                whole.parse::<i64>().ok()? - i64::from(below)
            }
            Some(_) => {
                number.parse::<f64>().ok().map(f64::floor).filter(|v| v.abs() < 1e18)? as i64
            }
            None => match number.parse::<i64>() {
                Ok(value) => value,
                Err(_) => {
                    number.parse::<f64>().ok().map(f64::floor).filter(|v| v.abs() < 1e18)? as i64
                }
            },
        };
        return Value::Timestamp(floored).ok_unless_least();
    }
    // Only floats are written with an exponent, and no float here has a fraction then.
    let large = || number.parse::<f64>().ok().filter(|value| value.fract() == 0.0);
    let whole = match number.split_once('.') {
        _ if number.contains('e') => format!("{}", large()?),
        None => number.to_owned(),
        Some((whole, fraction)) => {
            fraction.bytes().all(|digit| digit == b'0').then(|| whole.to_owned())?
        }
    };
    match ty {
        Type::Bool => bit(number),
        Type::Int => Value::Int(whole.parse().ok()?).ok_unless_least(),
        Type::Text if !number.contains('e') => {
            let value: i64 = whole.parse().ok()?;
            (whole == number || value.abs() < 1 << 53).then(|| Value::Text(value.to_string()))
        }
        _ => None,
    }
}

impl Value {
    fn ok_unless_least(self) -> Option<Value> {
        (!matches!(self, Value::Int(i64::MIN) | Value::Timestamp(i64::MIN))).then_some(self)
    }
}

/// What is at `path`: `None` where nothing is.
fn find<'t>(tree: &'t Tree, path: &[String]) -> Result<Option<&'t Tree>, ()> {
    match (tree, path.split_first()) {
        (found, None) => Ok(Some(found)),
        (Tree::Null, _) => Ok(Some(&Tree::Null)),
        (Tree::Record(fields), Some((name, rest))) => {
            match fields.iter().find(|(known, _)| known == name) {
                Some((_, value)) => find(value, rest),
                None => Ok(None),
            }
        }
        _ => Err(()),
    }
}

/// The row of a record, by way of its tree.
fn naive_row(source: &SourcePlan, tree: &Tree) -> Option<Vec<Value>> {
    let cell = |field: &FieldPlan| {
        for path in [&field.path].into_iter().chain(&field.aliases) {
            if let Some(value) = find(tree, path).ok()? {
                return naive(value, field.ty);
            }
        }
        Some(field.default.clone().unwrap_or(Value::Null))
    };
    let cells: Option<Vec<_>> = source.fields.iter().map(cell).collect();
    cells.filter(|cells| {
        source.fields.iter().zip(cells).all(|(f, cell)| !f.required || *cell != Value::Null)
    })
}

/// Types that what is at `path` may well be.
fn fitting(ty: &Json, path: &[String]) -> &'static [Type] {
    const ANY: &[Type] = &[Type::Text, Type::Int, Type::Double, Type::Bool];
    if let Some(branches) = ty.as_array() {
        let other = branches.iter().find(|branch| *branch != "null");
        return other.map_or(ANY, |other| fitting(other, path));
    }
    if let Some((name, rest)) = path.split_first() {
        let fields = ty["fields"].as_array().into_iter().flatten();
        let member = fields.clone().find(|field| field["name"] == name.as_str());
        return member.map_or(ANY, |member| fitting(&member["type"], rest));
    }
    let name = ty.as_str().or_else(|| ty["type"].as_str()).unwrap_or_default();
    match name {
        "boolean" => &[Type::Bool],
        "int" | "long" => &[Type::Int, Type::DECIMAL, Type::Double, Type::Timestamp],
        "float" | "double" => &[Type::DECIMAL, Type::Double],
        "bytes" if ty["scale"].is_number() => &[Type::DECIMAL, Type::Double],
        "string" => &[Type::Text, Type::Ip],
        "bytes" | "fixed" | "enum" => &[Type::Text],
        _ => ANY,
    }
}

/// Fields at paths of which none is another's beginning, as jobs have them.
fn fields(rng: &mut SmallRng, written: &Json) -> Vec<FieldPlan> {
    const TYPES: [Type; 7] =
        [Type::Text, Type::Int, Type::DECIMAL, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];
    let mut paths = vec!["a", "b", "n.a", "n.b", "n.o.a", "o.n", "o.b"];
    let mut fields = Vec::new();
    while fields.len() < 3 {
        let at = paths.swap_remove(rng.random_range(0..paths.len()));
        let fitting = fitting(written, &path(at));
        let types = if rng.random_bool(0.9) { fitting } else { &TYPES };
        let mut field = field(at, at, *types.choose(rng).unwrap());
        if rng.random_bool(0.4) {
            field.aliases = vec![path(paths.swap_remove(rng.random_range(0..paths.len())))];
        }
        field.required = rng.random_bool(0.1);
        field.default = match field.ty {
            Type::Int if rng.random() => Some(Value::Int(-1)),
            Type::Text if rng.random() => Some(Value::Text("none".into())),
            _ => None,
        };
        fields.push(field);
    }
    fields
}

#[test]
fn records_decode_as_by_way_of_a_value_tree() {
    let (mut rows, mut refused, mut malformed) = (0, 0, 0);
    for seed in 0..4_000 {
        let mut writer = Writer { rng: SmallRng::seed_from_u64(seed), named: 0 };
        let mut members = writer.fields(3);
        let source = source(fields(&mut writer.rng, &json!({"fields": members})));
        members.push(json!({"name": "ts", "type": "long"}));
        let ty = json!({"type": "record", "name": "Top", "fields": members});
        let schema: Arc<str> = ty.to_string().into();
        let mut decoder = AvroDecoder::new(&source);
        let mut into = Decoded::default();
        for _ in 0..4 {
            let mut datum = Vec::new();
            let last = members.len() - 1;
            let head = json!({"type": "record", "name": "Top", "fields": members[..last]});
            let tree = writer.value(&head, &mut datum);
            datum.extend(long(T));
            assert_eq!(Extents::new(&schema).unwrap().of(&datum), Ok(datum.len()), "{ty}");
            let row = into.rows();
            match (
                decoder.decode_datum(&schema, &datum, None, &mut into),
                naive_row(&source, &tree),
            ) {
                (Ok(()), Some(twin)) => {
                    let cells = source.fields.iter().enumerate();
                    let cells: Vec<_> = cells.map(|(at, f)| cell(f.ty, &into, at, row)).collect();
                    assert_eq!(cells, twin, "seed {seed}: {ty} as {:?}: {tree:?}", source.fields);
                    rows += 1;
                }
                (Err(Refused::Malformed(_)), None) => malformed += 1,
                // It could never fit, though this record would have by a null or an absence.
                (Err(Refused::Schema(_)), _) => refused += 1,
                (read, twin) => {
                    let fields = &source.fields;
                    panic!("seed {seed}: {ty} as {fields:?}: {tree:?}: {read:?} but {twin:?}")
                }
            }
        }
    }
    assert!(rows > 2_000 && malformed > 200 && refused > 2_000, "{rows} {malformed} {refused}");
}

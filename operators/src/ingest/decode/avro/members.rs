//! All that a datum has, each thing with its path: what no job says yet that it wants. As a field
//! would read it, and no faster than that is needed for a sample.

use super::input::{Bad, Input};
use super::program::{DEPTH_MAX, bad};
use super::schema::{Kind, Logical, Node, NodeId, Schema};
use crate::ingest::decode::cell::{unscaled_text, uuid_text};
use crate::ingest::decode::{DecodeError, MemberValue, Scalar};
use crate::plan::path::PARTS_MAX;
use crate::time::DAY;

/// See the module.
#[derive(Debug)]
pub struct DatumReader {
    schema: Schema,
}

impl DatumReader {
    /// Of datums that were written with `schema` (its JSON text).
    ///
    /// # Errors
    /// What is wrong with it: it cannot be read, or its datums are no records.
    pub fn new(schema: &str) -> Result<Self, String> {
        let schema = Schema::parse(schema)?;
        match schema.node(schema.root).map(|node| &node.kind) {
            Some(Kind::Record { .. } | Kind::Union(_) | Kind::Map(_)) => Ok(Self { schema }),
            _ => Err("it is no record".to_owned()),
        }
    }

    /// Shows `visit` what is in `datum`, in the order of its schema.
    ///
    /// # Errors
    /// When it is no datum of the schema.
    pub fn each(
        &self,
        datum: &[u8],
        visit: &mut dyn FnMut(&[String], MemberValue<'_>),
    ) -> Result<(), DecodeError> {
        let mut reading = DatumWalk {
            schema: &self.schema,
            input: Input::new(datum),
            path: Vec::new(),
            visit,
            hidden: false,
        };
        let read = reading.value(self.schema.root, 0);
        let input = reading.input;
        match read {
            Err(wrong) => Err(bad(wrong, &input)),
            Ok(()) if input.left() > 0 => {
                let reason = "it ends before the record does";
                Err(DecodeError::Avro { reason, at: input.at() })
            }
            Ok(()) => Ok(()),
        }
    }
}

struct DatumWalk<'r> {
    schema: &'r Schema,
    input: Input<'r>,
    path: Vec<String>,
    visit: &'r mut dyn FnMut(&[String], MemberValue<'_>),
    /// Whether it is in something that no path leads into.
    hidden: bool,
}

impl DatumWalk<'_> {
    fn show(&mut self, found: MemberValue<'_>) {
        if !self.hidden && !self.path.is_empty() {
            (self.visit)(&self.path, found);
        }
    }

    /// Bytes that should be text; `label`: and nothing else.
    fn text(&mut self, bytes: &[u8], label: bool) {
        match std::str::from_utf8(bytes) {
            Ok(text) if label => self.show(MemberValue::Label(text)),
            Ok(text) => self.show(MemberValue::Scalar(Scalar::Text(text))),
            Err(_) => self.show(MemberValue::Unread),
        }
    }

    fn value(&mut self, id: NodeId, depth: u32) -> Result<(), Bad> {
        if depth > DEPTH_MAX {
            return Err(Bad::Depth);
        }
        let Some(node) = self.schema.node(id) else { return Ok(()) };
        match &node.kind {
            Kind::Union(branches) => {
                let which = self.input.which(branches.len(), Bad::Branch)?;
                branches.get(which).map_or(Ok(()), |branch| self.value(*branch, depth + 1))
            }
            Kind::Record { fields, .. } => self.inside(|this| {
                fields.iter().try_for_each(|(name, ty)| this.member(name, *ty, depth + 1))
            }),
            Kind::Map(values) => self.inside(|this| this.entries(*values, depth + 1)),
            Kind::Array(item) => {
                self.show(MemberValue::Unread);
                let hidden = std::mem::replace(&mut self.hidden, true);
                let read = self.items(*item, depth + 1);
                self.hidden = hidden;
                read
            }
            _ => self.scalar(node),
        }
    }

    /// An object, whose members `read` shows.
    fn inside(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Bad>) -> Result<(), Bad> {
        let hidden = self.hidden;
        let deep = self.path.len() >= PARTS_MAX;
        self.show(if deep { MemberValue::Unread } else { MemberValue::Object });
        self.hidden |= deep;
        let read = read(self);
        self.hidden = hidden;
        read
    }

    fn member(&mut self, name: &str, ty: NodeId, depth: u32) -> Result<(), Bad> {
        if self.hidden {
            return self.value(ty, depth);
        }
        self.path.push(name.to_owned());
        let read = self.value(ty, depth);
        self.path.pop();
        read
    }

    fn entries(&mut self, values: NodeId, depth: u32) -> Result<(), Bad> {
        loop {
            let (count, _) = self.input.block()?;
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count {
                let key = self.input.bytes()?;
                let key = String::from_utf8_lossy(key);
                self.member(&key, values, depth)?;
            }
        }
    }

    fn items(&mut self, item: NodeId, depth: u32) -> Result<(), Bad> {
        loop {
            let (count, size) = self.input.block()?;
            match size {
                _ if count == 0 => return Ok(()),
                Some(size) => drop(self.input.take(size)?),
                None => {
                    for _ in 0..count {
                        let before = self.input.at();
                        self.value(item, depth)?;
                        // Items of no bytes are not counted one by one.
                        if self.input.at() == before {
                            break;
                        }
                    }
                }
            }
        }
    }

    fn scalar(&mut self, node: &Node) -> Result<(), Bad> {
        match &node.kind {
            Kind::Null => self.show(MemberValue::Null),
            Kind::Boolean => {
                let value = self.input.boolean()?;
                self.show(MemberValue::Scalar(Scalar::Bool(value)));
            }
            Kind::Int => {
                let value = self.input.int()?;
                self.integer(value, node.logical);
            }
            Kind::Long => {
                let value = self.input.long()?;
                self.integer(value, node.logical);
            }
            Kind::Float => {
                let value = self.input.float()?;
                self.float(value.is_finite(), ryu::Buffer::new().format(value));
            }
            Kind::Double => {
                let value = self.input.double()?;
                self.float(value.is_finite(), ryu::Buffer::new().format(value));
            }
            Kind::String => {
                let bytes = self.input.bytes()?;
                self.text(bytes, node.logical.is_some());
            }
            Kind::Bytes => {
                let bytes = self.input.bytes()?;
                self.bytes(bytes, node.logical);
            }
            Kind::Fixed(length) => {
                let bytes = self.input.take(*length)?;
                self.bytes(bytes, node.logical);
            }
            Kind::Enum(symbols) => {
                let which = self.input.which(symbols.len(), Bad::Symbol)?;
                self.show(MemberValue::Label(symbols.get(which).map_or("", |symbol| symbol)));
            }
            // They are no scalars.
            Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record { .. } => {}
        }
        Ok(())
    }

    fn integer(&mut self, value: i64, logical: Option<Logical>) {
        match logical {
            Some(Logical::Timestamp(_)) => self.show(MemberValue::Time(&value.to_string())),
            Some(Logical::Date) => {
                let day = i64::try_from(DAY).unwrap_or(i64::MAX);
                self.show(MemberValue::Time(&value.saturating_mul(day).to_string()));
            }
            _ => self.show(MemberValue::Scalar(Scalar::Number(&value.to_string()))),
        }
    }

    fn float(&mut self, finite: bool, text: &str) {
        match finite {
            true => self.show(MemberValue::Scalar(Scalar::Number(text))),
            false => self.show(MemberValue::Unread),
        }
    }

    fn bytes(&mut self, bytes: &[u8], logical: Option<Logical>) {
        match logical {
            Some(Logical::Decimal(scale)) => match unscaled_text(bytes, scale) {
                Some(text) => self.show(MemberValue::Scalar(Scalar::Number(&text))),
                None => self.show(MemberValue::Unread),
            },
            Some(Logical::Uuid) => self.show(MemberValue::Label(&uuid_text(bytes))),
            Some(_) => self.show(MemberValue::Unread),
            None => self.text(bytes, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"record","name":"r","fields":[
        {"name":"a","type":["null","string"]},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"kind","type":{"type":"enum","name":"k","symbols":["X","Y"]}},
        {"name":"tags","type":{"type":"array","items":"string"}},
        {"name":"in","type":{"type":"map","values":"int"}},
        {"name":"day","type":{"type":"int","logicalType":"date"}},
        {"name":"none","type":{"type":"array","items":"null"}},
        {"name":"ok","type":"boolean"}]}"#;

    #[test]
    fn a_datum_is_shown_as_fields_would_read_it() {
        // "x"; 3 us; 12.50; Y; two tags; {"k": -2}; 1970-01-02; 2^40 nulls; true
        let mut datum = vec![2, 2, b'x', 6, 4, 0x04, 0xe2, 2, 4, 2, b'p', 2, b'q', 0];
        datum.extend([2, 2, b'k', 3, 0, 2]);
        datum.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 1]);
        let mut found = Vec::new();
        let reader = DatumReader::new(SCHEMA).unwrap();
        let mut visit = |path: &[String], what: MemberValue<'_>| {
            found.push(format!("{} {what:?}", path.join(".")))
        };
        reader.each(&datum, &mut visit).unwrap();
        let expected = [
            "a Scalar(Text(\"x\"))",
            "at Time(\"3\")",
            "amount Scalar(Number(\"12.50\"))",
            "kind Label(\"Y\")",
            "tags Unread",
            "in Object",
            "in.k Scalar(Number(\"-2\"))",
            "day Time(\"86400000\")",
            "none Unread",
            "ok Scalar(Bool(true))",
        ];
        assert_eq!(found, expected);
        for length in 0..datum.len() {
            assert!(reader.each(&datum[..length], &mut |_, _| {}).is_err(), "{length}");
        }
        datum.push(0);
        assert!(reader.each(&datum, &mut |_, _| {}).is_err());
        assert!(DatumReader::new("\"long\"").is_err());
    }
}

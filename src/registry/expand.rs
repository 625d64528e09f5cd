//! A schema that refers to others, as one text that stands for itself.
//!
//! Avro allows a type to be defined once and named from then on. So the first place that names a
//! type of another schema gets its definition, with its namespace written out; later ones keep the
//! name. Names are resolved by the namespaces around them, as Avro says.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How deep definitions may lie in each other once they are put together.
const DEPTH_MAX: usize = 200;

/// Avro's types that are not defined by anyone.
const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The text of `schema` with the definitions it names out of `others`.
///
/// # Errors
/// When one of them is not JSON, or they lie too deep in each other: which, and why.
pub(super) fn expand(schema: &str, others: &[String]) -> Result<String, String> {
    let mut definitions = BTreeMap::new();
    for other in others {
        collect(&parse(other)?, "", &mut definitions, 0)?;
    }
    let mut expander = Expander { definitions, defined: BTreeSet::new() };
    Ok(expander.schema(&parse(schema)?, "", 0)?.to_string())
}

fn parse(text: &str) -> Result<Value, String> {
    // A schema may be a bare name, with or without quotes.
    if PRIMITIVES.contains(&text.trim()) {
        return Ok(Value::String(text.trim().to_owned()));
    }
    serde_json::from_str(text).map_err(|error| format!("a schema it refers to: {error}"))
}

/// A type with the namespace it is in.
struct Definition {
    short: String,
    namespace: String,
    value: Map<String, Value>,
}

/// The name and the namespace of the definition `object`, inside of `around`; `None` when it
/// defines no name.
fn named(object: &Map<String, Value>, around: &str) -> Option<(String, String)> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if !matches!(text("type"), Some("record" | "error" | "enum" | "fixed")) {
        return None;
    }
    let name = text("name")?;
    Some(match name.rsplit_once('.') {
        Some((namespace, short)) => (short.to_owned(), namespace.to_owned()),
        None => (name.to_owned(), text("namespace").unwrap_or(around).to_owned()),
    })
}

fn full(short: &str, namespace: &str) -> String {
    match short.contains('.') || namespace.is_empty() {
        true => short.to_owned(),
        false => format!("{namespace}.{short}"),
    }
}

/// Takes up all definitions in `value`.
fn collect(
    value: &Value,
    around: &str,
    into: &mut BTreeMap<String, Definition>,
    depth: usize,
) -> Result<(), String> {
    check(depth)?;
    match value {
        Value::Array(branches) => {
            branches.iter().try_for_each(|branch| collect(branch, around, into, depth + 1))
        }
        Value::Object(object) => {
            let name = named(object, around);
            let inside = name.as_ref().map_or(around, |(_, namespace)| namespace).to_owned();
            if let Some((short, namespace)) = name {
                let value = object.clone();
                let of = full(&short, &namespace);
                into.entry(of).or_insert(Definition { short, namespace, value });
            }
            children(object).try_for_each(|child| collect(child, &inside, into, depth + 1))
        }
        _ => Ok(()),
    }
}

/// The places in `object` where a schema stands.
fn children(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
    let fields = fields.filter_map(|field| field.get("type"));
    ["type", "items", "values"].into_iter().filter_map(|key| object.get(key)).chain(fields)
}

fn check(depth: usize) -> Result<(), String> {
    match depth > DEPTH_MAX {
        true => Err(format!("types lie more than {DEPTH_MAX} deep in each other")),
        false => Ok(()),
    }
}

struct Expander {
    definitions: BTreeMap<String, Definition>,
    /// Names that have been defined by what was written so far.
    defined: BTreeSet<String>,
}

impl Expander {
    fn schema(&mut self, value: &Value, around: &str, depth: usize) -> Result<Value, String> {
        check(depth)?;
        match value {
            Value::String(name) if !PRIMITIVES.contains(&name.as_str()) => {
                self.name(name, around, depth)
            }
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.schema(branch, around, depth + 1));
                branches.collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            Value::Object(object) => self.object(object, around, depth),
            other => Ok(other.clone()),
        }
    }

    /// The definition when `name` is that of another schema and was not written yet.
    fn name(&mut self, name: &str, around: &str, depth: usize) -> Result<Value, String> {
        let name_as_is = Value::String(name.to_owned());
        let of = full(name, around);
        if self.defined.contains(&of) {
            return Ok(name_as_is);
        }
        let Some(Definition { short, namespace, value }) = self.definitions.get(&of) else {
            return Ok(name_as_is);
        };
        let (mut value, namespace) = (value.clone(), namespace.clone());
        value.insert("name".to_owned(), Value::String(short.clone()));
        value.insert("namespace".to_owned(), Value::String(namespace));
        self.object(&value, around, depth)
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        around: &str,
        depth: usize,
    ) -> Result<Value, String> {
        let mut object = object.clone();
        let mut inside = around.to_owned();
        if let Some((short, namespace)) = named(&object, around) {
            let of = full(&short, &namespace);
            if !self.defined.insert(of.clone()) {
                return Ok(Value::String(of));
            }
            inside = namespace;
        } else if let Some(kind) = object.get_mut("type")
            && !matches!(kind.as_str(), Some("array" | "map"))
        {
            *kind = self.schema(kind, &inside, depth + 1)?;
        }
        for key in ["items", "values"] {
            if let Some(child) = object.get_mut(key) {
                *child = self.schema(child, &inside, depth + 1)?;
            }
        }
        for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(kind) = field.get_mut("type") {
                *kind = self.schema(kind, &inside, depth + 1)?;
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expanded(schema: Value, others: &[Value]) -> Value {
        let others: Vec<_> = others.iter().map(Value::to_string).collect();
        serde_json::from_str(&expand(&schema.to_string(), &others).unwrap()).unwrap()
    }

    fn money() -> Value {
        json!({"type": "record", "name": "pay.Money", "fields": [
            {"name": "minor", "type": "long"},
            {"name": "currency", "type": "Currency"},
        ]})
    }

    fn currency(namespace: &str) -> Value {
        json!({"type": "enum", "name": "Currency", "namespace": namespace, "symbols": ["EUR"]})
    }

    #[test]
    fn the_first_place_that_names_a_type_gets_its_definition_and_later_ones_keep_the_name() {
        let schema = json!({"type": "record", "name": "Event", "namespace": "shop", "fields": [
            {"name": "price", "type": ["null", "pay.Money"], "default": null},
            {"name": "fee", "type": "pay.Money"},
            {"name": "fees", "type": {"type": "array", "items": "pay.Money"}},
            {"name": "in", "type": {"type": "map", "values": {"type": "pay.Currency"}}},
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        ]});
        let once = json!({"type": "record", "name": "Money", "namespace": "pay", "fields": [
            {"name": "minor", "type": "long"},
            {"name": "currency", "type": currency("pay")},
        ]});
        let expected = json!({"type": "record", "name": "Event", "namespace": "shop", "fields": [
            {"name": "price", "type": ["null", once], "default": null},
            {"name": "fee", "type": "pay.Money"},
            {"name": "fees", "type": {"type": "array", "items": "pay.Money"}},
            {"name": "in", "type": {"type": "map", "values": {"type": "pay.Currency"}}},
            {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        ]});
        assert_eq!(expanded(schema, &[money(), currency("pay")]), expected);
    }

    #[test]
    fn a_name_without_namespace_is_of_the_namespace_around_it() {
        let schema = json!({"type": "record", "name": "a.E", "fields": [
            {"name": "x", "type": "Currency"},
        ]});
        let text = expanded(schema.clone(), &[currency("a")]).to_string();
        assert!(text.contains("symbols"), "{text}");
        assert_eq!(expanded(schema.clone(), &[currency("b")]), schema, "another type's name");
    }

    #[test]
    fn a_type_inside_of_another_schema_is_found_and_defined_once() {
        let outer = json!({"type": "record", "name": "o.Outer", "fields": [
            {"name": "inner", "type": {"type": "fixed", "name": "Inner", "size": 2}},
            {"name": "self", "type": ["null", "Outer"]},
        ]});
        let schema = json!(["o.Inner", "o.Outer"]);
        let expected = json!([
            {"type": "fixed", "name": "Inner", "namespace": "o", "size": 2},
            {"type": "record", "name": "Outer", "namespace": "o", "fields": [
                {"name": "inner", "type": "o.Inner"},
                {"name": "self", "type": ["null", "Outer"]},
            ]},
        ]);
        assert_eq!(expanded(schema, &[outer]), expected);
    }

    #[test]
    fn what_lies_too_deep_is_refused_and_so_is_what_is_no_json() {
        let deep = |at: usize| {
            json!({"type": "record", "name": format!("R{at}"), "fields": [
                {"name": "x", "type": format!("R{}", at + 1)},
            ]})
            .to_string()
        };
        let others: Vec<_> = (1..300).map(deep).collect();
        assert!(expand(&deep(0), &others).unwrap_err().contains("deep"));
        assert!(expand(&deep(0), &["{".to_owned()]).unwrap_err().contains("refers to"));
    }
}

//! Writers' schemas, parsed.

use serde_json::{Map, Value as Json};
use std::collections::{HashMap, HashSet};

/// The longest schema that is read, in bytes of JSON (1 MiB).
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// How many types a schema may consist of.
const NODES_MAX: usize = 16_384;

/// A type of a schema: index into [`Schema::nodes`].
pub(super) type NodeId = usize;

/// A writer's schema.
#[derive(Debug)]
pub(super) struct Schema {
    pub nodes: Vec<Node>,
    pub root: NodeId,
}

/// One type.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// As far as it is known and valid; what is not is the type without it.
    pub logical: Option<Logical>,
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<Box<str>>),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record { name: Box<str>, fields: Vec<(Box<str>, NodeId)> },
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logical {
    /// An integer of so many decimals.
    Decimal(u32),
    Date,
    TimeOfDay,
    /// So many in a millisecond.
    Timestamp(i64),
    Uuid,
    Duration,
}

impl Schema {
    /// Parses the JSON of a schema.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Schema, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            let length = text.len();
            return Err(format!("it has {length} bytes, the limit is {SCHEMA_BYTES_MAX}"));
        }
        // Its nesting is bounded by the JSON parser.
        let json: Json = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
        let mut parser = Parser { nodes: Vec::new(), names: HashMap::new() };
        let root = parser.node(&json, "", &SchemaPlace::Root)?;
        Ok(Schema { nodes: parser.nodes, root })
    }

    /// The type at `id`.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }
}

/// Where in the schema, for errors.
enum SchemaPlace<'a> {
    Root,
    Field(&'a str, &'a SchemaPlace<'a>),
}

impl SchemaPlace<'_> {
    fn wrong(&self, what: impl std::fmt::Display) -> String {
        match self.path() {
            path if path.is_empty() => what.to_string(),
            path => format!("{what} at \"{path}\""),
        }
    }

    fn path(&self) -> String {
        match self {
            SchemaPlace::Root => String::new(),
            SchemaPlace::Field(name, SchemaPlace::Root) => (*name).to_owned(),
            SchemaPlace::Field(name, above) => format!("{}.{name}", above.path()),
        }
    }
}

struct Parser {
    nodes: Vec<Node>,
    /// Named types by their full name.
    names: HashMap<String, NodeId>,
}

impl Parser {
    fn push(&mut self, kind: Kind, logical: Option<Logical>) -> Result<NodeId, String> {
        if self.nodes.len() >= NODES_MAX {
            return Err(format!("it has more than {NODES_MAX} types"));
        }
        self.nodes.push(Node { kind, logical });
        Ok(self.nodes.len() - 1)
    }

    /// `space` is the namespace that names without one are in.
    fn node(
        &mut self,
        json: &Json,
        space: &str,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        match json {
            Json::String(name) => self.named(name, space, None, place),
            Json::Array(branches) => self.union(branches, space, place),
            Json::Object(object) => self.object(object, space, place),
            _ => Err(place.wrong("neither a name, nor a list, nor an object")),
        }
    }

    /// A primitive type, or one that was defined before.
    fn named(
        &mut self,
        name: &str,
        space: &str,
        object: Option<&Map<String, Json>>,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        if let Some(kind) = primitive(name) {
            let logical = object.and_then(|object| logical(object, &kind));
            return self.push(kind, logical);
        }
        let known = self.names.get(&full(name, space)).or_else(|| self.names.get(name));
        known.copied().ok_or_else(|| place.wrong(format!("unknown type \"{name}\"")))
    }

    fn union(
        &mut self,
        branches: &[Json],
        space: &str,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        let mut nodes = Vec::with_capacity(branches.len());
        for branch in branches {
            if branch.is_array() {
                return Err(place.wrong("a union directly inside of a union"));
            }
            nodes.push(self.node(branch, space, place)?);
        }
        self.push(Kind::Union(nodes), None)
    }

    fn object(
        &mut self,
        object: &Map<String, Json>,
        space: &str,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        let inner = |key: &str| {
            object.get(key).ok_or_else(|| place.wrong(format!("a type without \"{key}\"")))
        };
        match inner("type")? {
            Json::String(name) => match name.as_str() {
                "record" | "error" => self.record(object, space, place),
                "enum" => {
                    let symbols = list(object, "symbols", place)?.iter().map(|symbol| {
                        let symbol = symbol.as_str().map(Box::from);
                        symbol.ok_or_else(|| place.wrong("an enum symbol that is no text"))
                    });
                    let symbols = symbols.collect::<Result<_, _>>()?;
                    self.defined(object, space, Kind::Enum(symbols), None, place)
                }
                "fixed" => {
                    let size = inner("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                    let size = size.ok_or_else(|| place.wrong("a fixed without a whole size"))?;
                    let kind = Kind::Fixed(size);
                    let logical = logical(object, &kind);
                    self.defined(object, space, kind, logical, place)
                }
                "array" => {
                    let items = self.node(inner("items")?, space, place)?;
                    self.push(Kind::Array(items), None)
                }
                "map" => {
                    let values = self.node(inner("values")?, space, place)?;
                    self.push(Kind::Map(values), None)
                }
                name => self.named(name, space, Some(object), place),
            },
            nested => self.node(nested, space, place),
        }
    }

    /// Adds a named type; its name counts from here on.
    fn defined(
        &mut self,
        object: &Map<String, Json>,
        space: &str,
        kind: Kind,
        logical: Option<Logical>,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        let (name, _) = name_of(object, space, place)?;
        let id = self.push(kind, logical)?;
        if self.names.insert(name.clone(), id).is_some() {
            return Err(place.wrong(format!("type \"{name}\" is defined twice")));
        }
        Ok(id)
    }

    fn record(
        &mut self,
        object: &Map<String, Json>,
        space: &str,
        place: &SchemaPlace<'_>,
    ) -> Result<NodeId, String> {
        let (name, space) = name_of(object, space, place)?;
        let empty = Kind::Record { name: name.into(), fields: Vec::new() };
        // Defined before its fields are: they may be of its own type.
        let id = self.defined(object, &space, empty, None, place)?;
        let mut read: Vec<(Box<str>, NodeId)> = Vec::new();
        let mut known = HashSet::new();
        for field in list(object, "fields", place)? {
            let name = field.get("name").and_then(Json::as_str);
            let name = name.ok_or_else(|| place.wrong("a field without a name"))?;
            let place = SchemaPlace::Field(name, place);
            let ty = field.get("type").ok_or_else(|| place.wrong("no type"))?;
            if !known.insert(name) {
                return Err(place.wrong("two fields of one name"));
            }
            read.push((name.into(), self.node(ty, &space, &place)?));
        }
        if let Some(Node { kind: Kind::Record { fields, .. }, .. }) = self.nodes.get_mut(id) {
            *fields = read;
        }
        Ok(id)
    }
}

/// The full name of the type that `object` defines, and its namespace.
fn name_of(
    object: &Map<String, Json>,
    space: &str,
    place: &SchemaPlace<'_>,
) -> Result<(String, String), String> {
    let name = object.get("name").and_then(Json::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| place.wrong("a record, enum or fixed without a name"))?;
    if let Some((space, _)) = name.rsplit_once('.') {
        return Ok((name.to_owned(), space.to_owned()));
    }
    let space = object.get("namespace").and_then(Json::as_str).unwrap_or(space);
    Ok((full(name, space), space.to_owned()))
}

fn full(name: &str, space: &str) -> String {
    if space.is_empty() || name.contains('.') { name.to_owned() } else { format!("{space}.{name}") }
}

fn list<'j>(
    object: &'j Map<String, Json>,
    key: &str,
    place: &SchemaPlace<'_>,
) -> Result<&'j [Json], String> {
    let list = object.get(key).and_then(Json::as_array);
    list.map(Vec::as_slice).ok_or_else(|| place.wrong(format!("a type without a list \"{key}\"")))
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// The logical type, where it is one of `kind`.
fn logical(object: &Map<String, Json>, kind: &Kind) -> Option<Logical> {
    match (object.get("logicalType")?.as_str()?, kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => {
            let precision = object.get("precision")?.as_u64()?;
            let scale = object.get("scale").map_or(Some(0), Json::as_u64)?;
            let valid = precision > 0 && scale <= precision;
            valid.then(|| u32::try_from(scale).ok().map(Logical::Decimal)).flatten()
        }
        ("date", Kind::Int) => Some(Logical::Date),
        ("time-millis", Kind::Int) | ("time-micros", Kind::Long) => Some(Logical::TimeOfDay),
        ("timestamp-millis" | "local-timestamp-millis", Kind::Long) => Some(Logical::Timestamp(1)),
        ("timestamp-micros" | "local-timestamp-micros", Kind::Long) => {
            Some(Logical::Timestamp(1_000))
        }
        ("timestamp-nanos" | "local-timestamp-nanos", Kind::Long) => {
            Some(Logical::Timestamp(1_000_000))
        }
        ("uuid", Kind::String | Kind::Fixed(16)) => Some(Logical::Uuid),
        ("duration", Kind::Fixed(12)) => Some(Logical::Duration),
        _ => None,
    }
}

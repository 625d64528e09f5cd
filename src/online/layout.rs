//! Where in Redis the row of a view stands, and as which bytes: the one place that knows it.
//!
//! | layout | key of a row | shared by views | field | value |
//! |---|---|---|---|---|
//! | `hash` | `{key_prefix}:{entity type}:{id}:{view}` | no | the feature's name | text |
//! | `feast` | join key, id and project (see `feast`) | of one entity | 4 bytes, and `_ts:{view}` | protobuf |
//!
//! A view has a [`RowForm`] in each layout that is written. What is shared changes how rows are written:
//! - a row that goes away takes its own fields along and leaves the key;
//! - the TTL is the greatest of the views that share it;
//! - `_ts:{view}` goes along with every write of a view's row, so that the count of new fields in the
//!   reply always tells whether the row is still there, whatever other views have written;
//! - fields that are none of a view's stay: they are other views', or somebody else's.

use crate::online::feast::{self, StoredValue};
use crate::online::schema::{Schema, View};
use crate::online::stored::StoredRows;
use crate::online::text;
use std::collections::HashMap;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::{DAY, Millis};
use tidemark_operators::value::Type;

/// How rows stand in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// A hash a row, with the features' names and values as text.
    #[default]
    Hash,
    /// A hash an entity, as Feast's own stores have it.
    Feast,
    /// Each row twice.
    Both,
}

/// What the keys of a job's rows are made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placing<'a> {
    pub(crate) layout: Layout,
    pub(crate) key_prefix: &'a str,
    /// `None`: the job's name, as far as Feast takes it.
    pub(crate) project: Option<&'a str>,
    /// In place of the views' own, in ms.
    pub(crate) ttl: Option<Millis>,
}

/// Beyond this a TTL is cut (100 years): Redis refuses times that overflow.
const TTL_MAX: Millis = 36_525 * DAY;

/// How a row of one view stands in one kind of key.
#[derive(Debug)]
pub(crate) struct RowForm {
    head: Vec<u8>,
    tail: Vec<u8>,
    pattern: Vec<u8>,
    /// The fields of the features, in job order.
    pub(crate) fields: Vec<Vec<u8>>,
    /// The field that says as of when they are, where views share a key.
    pub(crate) stamp: Option<Vec<u8>>,
    /// The type of the ids.
    id: Type,
    types: Vec<Type>,
    /// In ms, at least 1.
    pub(crate) ttl: Millis,
}

impl Placing<'_> {
    /// The project in Feast's layout.
    pub(crate) fn project(&self, job: &str) -> String {
        self.project.map_or_else(|| feast::project_name(job), str::to_owned)
    }

    /// The forms of each view, in job order.
    pub(crate) fn forms(&self, schema: &Schema) -> Vec<Vec<RowForm>> {
        let (hash, feast) = match self.layout {
            Layout::Hash => (true, false),
            Layout::Feast => (false, true),
            Layout::Both => (true, true),
        };
        let of = |view: &View| {
            let hash = hash.then(|| self.hash(view));
            hash.into_iter().chain(feast.then(|| self.feast(schema, view))).collect()
        };
        schema.views.iter().map(of).collect()
    }

    /// The form that rows of each view are read in.
    pub(crate) fn read_forms(&self, schema: &Schema) -> Vec<RowForm> {
        let of = |view: &View| match self.layout {
            Layout::Feast => self.feast(schema, view),
            Layout::Hash | Layout::Both => self.hash(view),
        };
        schema.views.iter().map(of).collect()
    }

    fn hash(&self, view: &View) -> RowForm {
        RowForm {
            head: format!("{}:{}:", self.key_prefix, view.entity_name).into_bytes(),
            tail: format!(":{}", view.name).into_bytes(),
            pattern: [literal(self.key_prefix.as_bytes()).as_slice(), b":*"].concat(),
            fields: view.features.iter().map(|f| f.name.clone().into_bytes()).collect(),
            stamp: None,
            id: Type::Text,
            types: view.features.iter().map(|f| f.ty).collect(),
            ttl: self.ttl.unwrap_or(view.ttl).clamp(1, TTL_MAX),
        }
    }

    /// For how long a hash is kept that rows of `view` stand in, in Feast's layout, in ms.
    pub(crate) fn feast_ttl(&self, schema: &Schema, view: &View) -> Millis {
        let shared = schema.views.iter().filter(|other| other.key == view.key);
        let ttl = shared.map(|other| other.ttl).max().unwrap_or(view.ttl);
        self.ttl.unwrap_or(ttl).clamp(1, TTL_MAX)
    }

    fn feast(&self, schema: &Schema, view: &View) -> RowForm {
        let fields = view.features.iter().map(|f| feast::field(&view.name, &f.name).to_vec());
        RowForm {
            head: feast::key_head(&view.key.name, view.key.ty),
            pattern: [feast::PATTERN, self.project(&schema.job).as_bytes()].concat(),
            tail: self.project(&schema.job).into_bytes(),
            fields: fields.collect(),
            stamp: Some(feast::stamp_field(&view.name)),
            id: view.key.ty,
            types: view.features.iter().map(|f| f.ty).collect(),
            ttl: self.feast_ttl(schema, view),
        }
    }
}

impl RowForm {
    /// Whether other views' rows stand in the same key.
    pub(crate) fn is_shared(&self) -> bool {
        self.stamp.is_some()
    }

    /// The length of the key of `id`.
    pub(crate) fn key_len(&self, id: &[u8]) -> usize {
        let id = if self.is_shared() { feast::id_len(self.id, id) } else { id.len() };
        self.head.len() + id + self.tail.len()
    }

    /// Appends the key of `id`.
    pub(crate) fn push_key(&self, id: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        match self.is_shared() {
            true => feast::push_id(self.id, id, out),
            false => out.extend_from_slice(id),
        }
        out.extend_from_slice(&self.tail);
    }

    /// The key of `id`.
    pub(crate) fn key(&self, id: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.key_len(id));
        self.push_key(id, &mut key);
        key
    }

    /// The id of a key, when it is one of this form.
    pub(crate) fn id_of(&self, key: &[u8]) -> Option<Vec<u8>> {
        let rest = key.strip_prefix(self.head.as_slice())?;
        let id = if self.is_shared() {
            let (id, rest) = feast::split_id(self.id, rest)?;
            Some(id).filter(|_| rest == self.tail)
        } else {
            rest.strip_suffix(self.tail.as_slice()).map(<[u8]>::to_vec)
        };
        id.filter(|id| !id.is_empty())
    }

    /// A pattern of SCAN for the keys of all rows in this layout.
    pub(crate) fn pattern(&self) -> &[u8] {
        &self.pattern
    }

    /// Appends the value of the feature at `at`, which is no text, by its word.
    pub(crate) fn push_word(&self, ty: Type, word: u64, out: &mut Vec<u8>) {
        match self.is_shared() {
            true => feast::push_word(ty, word, out),
            false => text::word(ty, word, out),
        }
    }

    /// Appends a text or ip value by its bytes.
    pub(crate) fn push_bytes(&self, ty: Type, bytes: &[u8], out: &mut Vec<u8>) {
        match self.is_shared() {
            true => feast::push_bytes(ty, bytes, out),
            false => text::bytes(ty, bytes, out),
        }
    }

    /// The type of a feature.
    pub(crate) fn ty(&self, at: usize) -> Option<Type> {
        self.types.get(at).copied()
    }

    /// What is read of a row: the fields of `features`, and the one that says as of when they are.
    pub(crate) fn fields_of(&self, features: &[usize]) -> Vec<&[u8]> {
        let field = |at: &usize| self.fields.get(*at).map_or(&b""[..], Vec::as_slice);
        features.iter().map(field).chain(self.stamp.as_deref()).collect()
    }

    /// Adds to `rows` what was read of a row, in the order of `fields_of`: `None` for what is not there.
    pub(crate) fn read<B: AsRef<[u8]>>(
        &self,
        values: impl ExactSizeIterator<Item = Option<B>>,
        rows: &mut StoredRows,
    ) {
        let count = values.len();
        let mut changed = None;
        let begin = rows.begin();
        for (at, value) in values.enumerate() {
            let value = value.as_ref().map(B::as_ref);
            if self.is_shared() && at + 1 == count {
                changed = value.and_then(feast::stamp);
                break;
            }
            rows.push_value(|text| match (value, self.is_shared()) {
                (None, _) => StoredValue::Null,
                (Some(value), true) => feast::read(value, text),
                (Some(value), false) => {
                    text.extend_from_slice(value);
                    StoredValue::Text
                }
            });
        }
        rows.end(begin, changed);
    }

    /// Adds to `rows` what is read of a key that is no hash: no value is one.
    pub(crate) fn read_unreadable(&self, rows: &mut StoredRows) {
        let begin = rows.begin();
        self.fields.iter().for_each(|_| rows.push_value(|_| StoredValue::Unreadable));
        rows.end(begin, None);
    }
}

/// Bytes that mean themselves in a pattern of SCAN.
fn literal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    for byte in bytes {
        if b"*?[]^\\-".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

impl Layout {
    /// Two features whose fields would be the same, as `view:feature` texts.
    pub(crate) fn collision(self, schema: &Schema) -> Option<(String, String)> {
        if self == Layout::Hash { None } else { collision(schema) }
    }
}

/// Two features of a job that have one field in Feast's layout, as `view:feature` texts.
pub fn feast_collision(plan: &Plan) -> Option<(String, String)> {
    collision(&Schema::new(plan))
}

/// The same of a schema.
fn collision(schema: &Schema) -> Option<(String, String)> {
    let mut known = HashMap::new();
    for view in &schema.views {
        for feature in &view.features {
            let name = format!("{}:{}", view.name, feature.name);
            let field = (view.key.clone(), feast::field(&view.name, &feature.name));
            if let Some(other) = known.insert(field, name.clone()) {
                return Some((other, name));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_file;
    use tidemark_operators::plan::JoinKey;

    fn forms(layout: Layout) -> (Schema, Vec<Vec<RowForm>>) {
        let schema = Schema::new(&job_file::load("fraud").unwrap().plan);
        let placing = Placing { layout, key_prefix: "features", ..Placing::default() };
        let forms = placing.forms(&schema);
        (schema, forms)
    }

    #[test]
    fn each_layout_has_its_keys_and_finds_the_ids_in_them_again() {
        let (_, forms) = forms(Layout::Both);
        for views in &forms {
            let [hash, feast] = views.as_slice() else { panic!("two forms") };
            for id in ["c1", "a:b", "é", ":"] {
                for (form, other) in [(hash, feast), (feast, hash)] {
                    let key = form.key(id.as_bytes());
                    assert_eq!(key.len(), form.key_len(id.as_bytes()));
                    assert_eq!(form.id_of(&key).as_deref(), Some(id.as_bytes()));
                    assert_eq!(other.id_of(&key), None);
                    assert_eq!(form.id_of(&[&key[..], b"x"].concat()), None);
                }
            }
        }
    }

    #[test]
    fn views_of_an_entity_share_their_key_and_the_greatest_ttl() {
        let (schema, forms) = forms(Layout::Feast);
        for (at, view) in schema.views.iter().enumerate() {
            for (other_at, other) in schema.views.iter().enumerate() {
                let same = forms[at][0].key(b"x") == forms[other_at][0].key(b"x");
                assert_eq!(same, view.entity == other.entity, "{} {}", view.name, other.name);
                assert!(!same || forms[at][0].ttl >= other.ttl);
            }
        }
    }

    #[test]
    fn a_prefix_with_the_signs_of_patterns_means_itself() {
        let schema = Schema::new(&job_file::load("fraud").unwrap().plan);
        let of = |layout| {
            let placing = Placing { layout, key_prefix: "a*[b]?", ..Placing::default() };
            placing.forms(&schema)[0][0].pattern().to_vec()
        };
        assert_eq!(of(Layout::Hash), b"a\\*\\[b\\]\\?:*");
        assert_eq!(of(Layout::Feast), b"\x01\0\0\0\x02\0\0\0*fraud");
    }

    #[test]
    fn two_features_of_one_field_are_found() {
        let mut schema = Schema::new(&job_file::load("fraud").unwrap().plan);
        assert_eq!(collision(&schema), None);
        let (first, second) = COLLIDING;
        let names: Vec<_> =
            [first, second].iter().map(|name| name.split_once(':').unwrap()).collect();
        for (at, (view, feature)) in names.iter().enumerate() {
            schema.views[at].name = (*view).to_owned();
            schema.views[at].features[0].name = (*feature).to_owned();
            schema.views[at].key = JoinKey { name: "card_id".to_owned(), ty: Type::Text };
        }
        assert_eq!(collision(&schema), Some((first.to_owned(), second.to_owned())));
        schema.views[1].key.ty = Type::Int;
        assert_eq!(collision(&schema), None, "other entities have other keys");
    }

    /// Found by trying names.
    const COLLIDING: (&str, &str) = ("counts:n_3626", "sums:n_55341");
}

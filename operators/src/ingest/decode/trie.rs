//! The dotted paths of a source as a trie: a node an object, a leaf a wanted value.

use super::keys::{Keys, Target};
use crate::plan::{ReadOptions, SourcePlan, TimeForm};
use crate::value::Type;

/// See the module. Node 0 is the record itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    pub nodes: Vec<Node>,
    pub leaves: Vec<Leaf>,
    /// How many fields may be found at several paths.
    pub choices: usize,
}

/// An object.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub keys: Keys,
    /// The fields and times below it: an object that is there twice starts them anew.
    pub below: Vec<usize>,
    /// How errors name it.
    pub label: String,
}

/// A value and all it is wanted for: a field, a time, or several of these.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// The column and its type.
    pub field: Option<(usize, Type)>,
    /// Where the field has aliases: which of the choices this is, and how many paths come first.
    pub choice: Option<(usize, u8)>,
    pub time: Option<TimeForm>,
    pub arrival: Option<TimeForm>,
    /// How the field's values are read.
    pub reading: ReadOptions,
    /// Whether a string is expected, else a number or bool. A hint: by its JSON text a value is read
    /// to the same.
    pub text: bool,
    /// Whether the job has paths below this one too: whatever is here is then wrong, but null.
    pub object: bool,
    /// How errors name it.
    pub label: String,
}

/// How errors name a field.
pub(super) fn label(name: &str, path: &[String]) -> String {
    format!("field \"{name}\" (at \"{}\")", path.join("."))
}

/// How errors name the event time.
pub(super) fn time_label(path: &[String]) -> String {
    format!("event time (at \"{}\")", path.join("."))
}

impl Trie {
    pub fn new(source: &SourcePlan) -> Self {
        let root = Node { label: "the record".to_owned(), ..Node::default() };
        let mut trie = Self { nodes: vec![root], leaves: Vec::new(), choices: 0 };
        for (index, field) in source.fields.iter().enumerate() {
            let choice = (!field.aliases.is_empty()).then_some(trie.choices);
            trie.choices += usize::from(choice.is_some());
            for (rank, path) in (0_u8..).zip([&field.path].into_iter().chain(&field.aliases)) {
                if let Some(leaf) = trie.leaf(path, label(&field.name, path)) {
                    leaf.field = Some((index, field.ty));
                    leaf.choice = choice.map(|choice| (choice, rank));
                    leaf.text = field.ty.is_bytes();
                    leaf.reading = field.reading.clone();
                }
            }
        }
        if let Some(leaf) = trie.leaf(&source.time.path, time_label(&source.time.path)) {
            leaf.time = Some(source.time.form.clone());
            leaf.text |= source.time.form.unit.is_text();
        }
        if let Some(arrival) = source.arrival.field() {
            let label = format!("arrival time (at \"{}\")", arrival.path.join("."));
            if let Some(leaf) = trie.leaf(&arrival.path, label) {
                leaf.arrival = Some(arrival.form.clone());
                leaf.text |= arrival.form.unit.is_text();
            }
        }
        trie
    }

    /// The leaf at `path`, made where there is none. `None` for a path below another's value, and
    /// for an empty one: nothing can ever be read there.
    fn leaf(&mut self, path: &[String], label: String) -> Option<&mut Leaf> {
        let (last, parents) = path.split_last()?;
        let mut node = 0;
        let mut walked = vec![node];
        for (depth, name) in parents.iter().enumerate() {
            node = match self.nodes.get(node)?.keys.get(name) {
                Some(Target::Object(child)) => child,
                Some(Target::Leaf(leaf)) => {
                    self.leaves.get_mut(leaf)?.object = true;
                    return None;
                }
                _ => self.push_object(node, name, path.get(..=depth)?)?,
            };
            walked.push(node);
        }
        let leaf = match self.nodes.get(node)?.keys.get(last) {
            Some(Target::Leaf(leaf)) => leaf,
            known => {
                let leaf = self.leaves.len();
                let object = known.is_some();
                self.leaves.push(Leaf { object, ..Leaf::new(label) });
                self.nodes.get_mut(node)?.keys.insert(last, Target::Leaf(leaf));
                leaf
            }
        };
        for node in walked {
            self.nodes.get_mut(node)?.below.push(leaf);
        }
        self.leaves.get_mut(leaf)
    }

    fn push_object(&mut self, parent: usize, name: &str, path: &[String]) -> Option<usize> {
        let node = self.nodes.len();
        let label = format!("\"{}\"", path.join("."));
        self.nodes.push(Node { label, ..Node::default() });
        self.nodes.get_mut(parent)?.keys.insert(name, Target::Object(node));
        Some(node)
    }
}

impl Leaf {
    pub fn new(label: String) -> Self {
        let (field, time, arrival) = (None, None, None);
        let (text, object, reading) = (false, false, ReadOptions::default());
        Self { field, choice: None, time, arrival, reading, text, object, label }
    }

    /// Whether a time is wanted here.
    #[inline]
    pub fn is_time(&self) -> bool {
        self.time.is_some() || self.arrival.is_some()
    }
}

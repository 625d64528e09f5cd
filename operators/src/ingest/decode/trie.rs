//! The paths of a source as a trie: a node an object or an array, a leaf a wanted value.

use super::keys::{Keys, Target};
use crate::plan::path::{element, shown};
use crate::plan::{FieldPlan, Place, ReadOptions, SourcePlan, TimeField, TimeForm};
use crate::value::Type;

/// See the module. Node 0 is the record itself; what is beside its value has roots and leaves of its
/// own.
#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    pub nodes: Vec<Node>,
    pub leaves: Vec<Leaf>,
    /// How many fields may be found at several paths.
    pub choices: usize,
}

/// An object, or an array: a record has the one or the other there.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub keys: Keys,
    /// Whether any key is wanted.
    pub is_object: bool,
    /// The elements that are wanted, as paths name them.
    pub elements: Vec<(i16, Target)>,
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
    /// Whether a string is expected and taken as the parser hands it out; everything else is read by
    /// its JSON text.
    pub text: bool,
    /// Whether the job has paths below this one too: whatever is here is then wrong, but null.
    pub object: bool,
    /// How errors name it.
    pub label: String,
}

/// How errors name a field.
pub(super) fn field_label(field: &FieldPlan, path: &[String]) -> String {
    format!("field \"{}\" ({})", field.name, at(&field.place, path))
}

/// How errors name the event time.
pub(super) fn time_label(time: &TimeField) -> String {
    format!("event time ({})", at(&time.place, &time.path))
}

/// How errors name the arrival time.
pub(super) fn arrival_label(time: &TimeField) -> String {
    format!("arrival time ({})", at(&time.place, &time.path))
}

fn at(place: &Place, path: &[String]) -> String {
    match place {
        Place::Value => format!("at \"{}\"", shown(path)),
        Place::Key | Place::Header(_) | Place::Record(_) => place.shown(path),
    }
}

impl Trie {
    pub fn new(source: &SourcePlan) -> Self {
        let root = Node { label: "the record".to_owned(), ..Node::default() };
        let mut trie = Self { nodes: vec![root], leaves: Vec::new(), choices: 0 };
        let fields = source.fields.iter().enumerate();
        for (index, field) in fields.filter(|(_, field)| field.place == Place::Value) {
            let choice = (!field.aliases.is_empty()).then_some(trie.choices);
            trie.choices += usize::from(choice.is_some());
            for (rank, path) in (0_u8..).zip([&field.path].into_iter().chain(&field.aliases)) {
                let leaf = trie.leaf(0, path, field_label(field, path));
                if let Some(leaf) = leaf.and_then(|leaf| trie.leaves.get_mut(leaf)) {
                    leaf.field = Some((index, field.ty));
                    leaf.choice = choice.map(|choice| (choice, rank));
                    leaf.text = field.ty.is_bytes();
                    leaf.reading = field.reading.clone();
                }
            }
        }
        let in_value = |time: &&TimeField| time.place == Place::Value;
        if let Some(time) = Some(&source.time).filter(in_value) {
            let leaf = trie.leaf(0, &time.path, time_label(time));
            if let Some(leaf) = leaf.and_then(|leaf| trie.leaves.get_mut(leaf)) {
                leaf.time = Some(time.form.clone());
                leaf.text |= time.form.unit.is_text();
            }
        }
        if let Some(arrival) = source.arrival.field().filter(in_value) {
            let leaf = trie.leaf(0, &arrival.path, arrival_label(arrival));
            if let Some(leaf) = leaf.and_then(|leaf| trie.leaves.get_mut(leaf)) {
                leaf.arrival = Some(arrival.form.clone());
                leaf.text |= arrival.form.unit.is_text();
            }
        }
        trie
    }

    /// Leads to numbers in base64 on a way of their own, so that no other value pays for them.
    pub fn encode(&mut self) {
        let Trie { nodes, leaves, .. } = self;
        for node in nodes {
            let elements = node.elements.iter_mut().map(|(_, target)| target);
            for target in node.keys.targets().chain(elements) {
                if let Target::Leaf(leaf) = *target
                    && leaves.get(leaf).is_some_and(|leaf| leaf.reading.encoding.is_some())
                {
                    *target = Target::Encoded(leaf);
                }
            }
        }
    }

    /// All that the record has may as well be in the object at its key `name`.
    pub fn unwrap(&mut self, name: &str) {
        let inside = self.nodes.len();
        let Some(root) = self.nodes.first_mut().filter(|root| root.keys.get(name).is_none()) else {
            return;
        };
        let node = Node { label: format!("\"{name}\""), ..root.clone() };
        root.keys.insert(name, Target::Object(inside));
        root.is_object = true;
        self.nodes.push(node);
    }

    /// An object beside the record.
    pub fn root(&mut self, label: &str) -> usize {
        self.nodes.push(Node { label: label.to_owned(), ..Node::default() });
        self.nodes.len() - 1
    }

    /// A leaf that no key leads to.
    pub fn leaf_alone(&mut self, label: String) -> usize {
        self.leaves.push(Leaf::new(label));
        self.leaves.len() - 1
    }

    /// Whether a string is taken as the parser hands it out at `leaf`, or read by its text.
    pub fn expect_text(&mut self, leaf: usize, text: bool) {
        if let Some(leaf) = self.leaves.get_mut(leaf) {
            leaf.text = text;
        }
    }

    /// The leaf at `path` of an object, made where there is none. `None` for a path below another's
    /// value, and for an empty one: nothing can ever be read there.
    pub fn leaf(&mut self, root: usize, path: &[String], label: String) -> Option<usize> {
        let (last, parents) = path.split_last()?;
        let mut node = root;
        let mut walked = vec![node];
        for (depth, name) in parents.iter().enumerate() {
            node = match self.nodes.get(node)?.target(name) {
                Some(Target::Object(child)) => child,
                Some(Target::Leaf(leaf)) => {
                    self.leaves.get_mut(leaf)?.object = true;
                    return None;
                }
                _ => self.push_object(node, name, path.get(..=depth)?)?,
            };
            walked.push(node);
        }
        let leaf = match self.nodes.get(node)?.target(last) {
            Some(Target::Leaf(leaf)) => leaf,
            known => {
                let leaf = self.leaves.len();
                let object = known.is_some();
                self.leaves.push(Leaf { object, ..Leaf::new(label) });
                self.nodes.get_mut(node)?.set(last, Target::Leaf(leaf));
                leaf
            }
        };
        for node in walked {
            self.nodes.get_mut(node)?.below.push(leaf);
        }
        Some(leaf)
    }

    fn push_object(&mut self, parent: usize, name: &str, path: &[String]) -> Option<usize> {
        let node = self.nodes.len();
        let label = format!("\"{}\"", shown(path));
        self.nodes.push(Node { label, ..Node::default() });
        self.nodes.get_mut(parent)?.set(name, Target::Object(node));
        Some(node)
    }
}

impl Node {
    /// What a part of a path leads to from here, if it is known.
    fn target(&self, part: &str) -> Option<Target> {
        match element(part) {
            Some(at) => self.element(at),
            None => self.keys.get(part),
        }
    }

    fn set(&mut self, part: &str, target: Target) {
        let Some(at) = element(part) else {
            self.is_object = true;
            return self.keys.insert(part, target);
        };
        match self.elements.iter_mut().find(|(known, _)| *known == at) {
            Some((_, known)) => *known = target,
            None => self.elements.push((at, target)),
        }
    }

    /// What the element `at` leads to, if it is wanted.
    pub fn element(&self, at: i16) -> Option<Target> {
        self.elements.iter().find(|(known, _)| *known == at).map(|(_, target)| *target)
    }

    /// How many elements have to be looked at: the first so many, and the last.
    pub fn reach(&self) -> (i16, usize) {
        let all = || self.elements.iter().map(|(at, _)| *at);
        let first = all().max().map_or(0, |at| at.saturating_add(1)).max(0);
        let last = all().min().map_or(0, |at| at.min(0).unsigned_abs());
        (first, usize::from(last))
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

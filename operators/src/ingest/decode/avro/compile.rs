//! From a writer's schema and a source's fields to the steps that read the one into the other.
//!
//! Twice: first to see which paths the schema has, and then without the aliases that can never come
//! to their turn because a path before them is in every record.

use super::fit;
use super::program::{Entries, Program, Refusal, Step};
use super::schema::{Kind, NodeId, Schema};
use crate::ingest::decode::cell;
use crate::ingest::decode::keys::Target;
use crate::ingest::decode::trie::Trie;
use crate::plan::{Place, SourcePlan};
use std::collections::HashMap;

/// How many steps a program may have.
const STEPS_MAX: usize = 1 << 18;

/// The most steps that are written out again instead of being called.
const WRITTEN_OUT_MAX: usize = 8;
/// How many types may lie in each other.
const NESTED_MAX: usize = 256;

/// Steps being put together.
#[derive(Debug, Default)]
struct Steps {
    steps: Vec<Step>,
    /// Up to here they are jumped over, and must stay as many as they are.
    fixed: usize,
}

impl Steps {
    fn push(&mut self, step: Step) {
        if let Step::SkipFixed(more) = step
            && self.steps.len() > self.fixed
            && let Some(Step::SkipFixed(length)) = self.steps.last_mut()
            && let Some(sum) = length.checked_add(more)
        {
            *length = sum;
            return;
        }
        self.steps.push(step);
    }

    fn append(&mut self, steps: &[Step]) {
        self.steps.extend_from_slice(steps);
        self.fixed = self.steps.len();
    }
}

/// Whether records of a schema have a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Never,
    Sometimes,
    Always,
}

/// The steps that read records of `schema` into the fields of `source`, whose paths `trie` has.
///
/// # Errors
/// Why no record of the schema could ever be an event: the field, and what the schema has there.
pub(super) fn compile(
    schema: &Schema,
    source: &SourcePlan,
    trie: &Trie,
) -> Result<Program, String> {
    let mut survey = Compiler::new(schema, trie, vec![false; trie.leaves.len()]);
    survey.whole()?;
    let unneeded = unneeded(trie, &survey.presence);
    let mut compiler = Compiler::new(schema, trie, unneeded);
    compiler.whole()?;
    if let Some(conflict) = compiler.conflict {
        return Err(conflict);
    }
    lacking(source, trie, &compiler.presence)?;
    Ok(compiler.program)
}

/// The steps that skip a value of `schema`.
///
/// # Errors
/// When there would be too many of them.
pub(super) fn skipping(schema: &Schema) -> Result<Program, String> {
    let trie = Trie::default();
    let mut compiler = Compiler::new(schema, &trie, Vec::new());
    let mut steps = Steps::default();
    compiler.skip(schema.root, &mut steps)?;
    compiler.set_routine(0, steps);
    Ok(compiler.program)
}

/// The leaves whose field is always found at a path before theirs.
fn unneeded(trie: &Trie, presence: &[Presence]) -> Vec<bool> {
    let mut first = vec![u8::MAX; trie.choices];
    let always = trie.leaves.iter().zip(presence).filter(|(_, p)| **p == Presence::Always);
    for (choice, rank) in always.filter_map(|(leaf, _)| leaf.choice) {
        if let Some(first) = first.get_mut(choice) {
            *first = rank.min(*first);
        }
    }
    let beyond = |(choice, rank): (usize, u8)| first.get(choice).is_some_and(|f| rank > *f);
    let leaves = trie.leaves.iter();
    leaves
        .map(|leaf| {
            leaf.choice.is_some_and(beyond) && leaf.time.is_none() && leaf.arrival.is_none()
        })
        .collect()
}

/// What a record must have and the schema has not.
fn lacking(source: &SourcePlan, trie: &Trie, presence: &[Presence]) -> Result<(), String> {
    let elsewhere = |place: &Place| *place != Place::Value;
    let mut there: Vec<bool> = source.fields.iter().map(|it| elsewhere(&it.place)).collect();
    let mut time = elsewhere(&source.time.place);
    for (leaf, _) in trie.leaves.iter().zip(presence).filter(|(_, p)| **p != Presence::Never) {
        time |= leaf.time.is_some();
        if let Some(there) = leaf.field.and_then(|(field, _)| there.get_mut(field)) {
            *there = true;
        }
    }
    if !time {
        let path = source.time.path.join(".");
        return Err(format!("it has no \"{path}\", which is the event time"));
    }
    let mut fields = source.fields.iter().zip(&there);
    let lacks = fields.find(|(f, there)| f.required && f.default.is_none() && !**there);
    if let Some((field, _)) = lacks {
        return Err(format!(
            "it has no \"{}\", and field \"{}\" is required: give the field `aliases`, a \
             `default`, or `optional = true`",
            field.path.join("."),
            field.name
        ));
    }
    let present = |key: &usize| {
        let default = source.fields.get(*key).is_some_and(|f| f.default.is_some());
        default || there.get(*key) == Some(&true)
    };
    if source.keys.is_empty() || source.keys.iter().any(present) {
        return Ok(());
    }
    let keys = source.keys.iter().filter_map(|key| source.fields.get(*key));
    let keys: Vec<_> = keys.map(|field| format!("\"{}\"", field.path.join("."))).collect();
    Err(format!("it has none of the entity keys: {}", keys.join(", ")))
}

struct Compiler<'a> {
    schema: &'a Schema,
    trie: &'a Trie,
    unneeded: Vec<bool>,
    program: Program,
    steps: usize,
    depth: usize,
    /// By leaf of the trie.
    presence: Vec<Presence>,
    /// The routine that skips a record type, and whether it is whole.
    skips: HashMap<NodeId, (usize, bool)>,
    /// The first thing that can never fit.
    conflict: Option<String>,
}

impl<'a> Compiler<'a> {
    fn new(schema: &'a Schema, trie: &'a Trie, unneeded: Vec<bool>) -> Self {
        let program =
            Program { routines: vec![Vec::new()], nulls: vec![Vec::new()], ..Program::default() };
        Compiler {
            schema,
            trie,
            unneeded,
            program,
            steps: 0,
            depth: 0,
            presence: vec![Presence::Never; trie.leaves.len()],
            skips: HashMap::new(),
            conflict: None,
        }
    }

    /// The program for whole records.
    fn whole(&mut self) -> Result<(), String> {
        let mut steps = Steps::default();
        match self.schema.node(self.schema.root).map(|node| &node.kind) {
            Some(Kind::Record { .. } | Kind::Union(_) | Kind::Map(_)) => {
                self.object(self.schema.root, 0, &mut steps)?;
            }
            _ => self.conflict("it is no record".to_owned()),
        }
        self.set_routine(0, steps);
        Ok(())
    }

    fn set_routine(&mut self, at: usize, steps: Steps) {
        if let Some(routine) = self.program.routines.get_mut(at) {
            *routine = steps.steps;
        }
    }

    fn routine(&mut self, steps: Steps) -> usize {
        self.program.routines.push(steps.steps);
        self.program.routines.len() - 1
    }

    fn conflict(&mut self, conflict: String) {
        self.conflict.get_or_insert(conflict);
    }

    fn push(&mut self, step: Step, steps: &mut Steps) -> Result<(), String> {
        self.count(1)?;
        steps.push(step);
        Ok(())
    }

    fn count(&mut self, steps: usize) -> Result<(), String> {
        self.steps += steps;
        if self.steps > STEPS_MAX {
            return Err(format!("reading it takes more than {STEPS_MAX} steps"));
        }
        Ok(())
    }

    /// One type inside of another.
    fn nested(
        &mut self,
        compile: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.depth += 1;
        if self.depth > NESTED_MAX {
            return Err(format!("more than {NESTED_MAX} of its types lie in each other"));
        }
        let compiled = compile(self);
        self.depth -= 1;
        compiled
    }

    /// Reads what is wanted of the value of type `id`, which lies at node `at` of the trie.
    fn object(&mut self, id: NodeId, at: usize, steps: &mut Steps) -> Result<(), String> {
        self.nested(|this| this.object_inside(id, at, steps))
    }

    fn object_inside(&mut self, id: NodeId, at: usize, steps: &mut Steps) -> Result<(), String> {
        let schema = self.schema;
        let Some(node) = schema.node(id) else { return Ok(()) };
        match &node.kind {
            Kind::Record { fields, .. } => {
                for (name, ty) in fields {
                    self.member(at, name, *ty, steps)?;
                }
                Ok(())
            }
            Kind::Map(values) => self.map(*values, at, steps),
            Kind::Union(branches) => {
                let below = self.trie.nodes.get(at).map(|n| n.below.clone()).unwrap_or_default();
                self.branches(branches, &below, steps, |this, branch, steps| {
                    this.object(branch, at, steps)
                })
            }
            _ => {
                let node = self.trie.nodes.get(at);
                let (label, below) =
                    node.map(|n| (n.label.clone(), n.below.clone())).unwrap_or_default();
                self.refuse(id, below, label, "a record", steps)
            }
        }
    }

    fn member(
        &mut self,
        at: usize,
        name: &str,
        ty: NodeId,
        steps: &mut Steps,
    ) -> Result<(), String> {
        match self.trie.nodes.get(at).and_then(|n| n.keys.get(name)) {
            Some(Target::Leaf(leaf)) if self.unneeded.get(leaf) != Some(&true) => {
                self.leaf(ty, leaf, steps)
            }
            Some(Target::Object(node)) => self.object(ty, node, steps),
            _ => self.skip(ty, steps),
        }
    }

    /// Reads the value of type `id` into a leaf.
    fn leaf(&mut self, id: NodeId, leaf: usize, steps: &mut Steps) -> Result<(), String> {
        let (schema, trie) = (self.schema, self.trie);
        let (Some(node), Some(wanted)) = (schema.node(id), trie.leaves.get(leaf)) else {
            return Ok(());
        };
        match &node.kind {
            Kind::Union(branches) => {
                self.branches(branches, &[leaf], steps, |this, branch, steps| {
                    this.leaf(branch, leaf, steps)
                })
            }
            Kind::Null => {
                self.there(&[leaf]);
                self.push(Step::Null(leaf), steps)
            }
            kind => {
                self.there(&[leaf]);
                let step = match kind {
                    Kind::Enum(symbols) if fit::text(wanted) => {
                        self.program.symbols.push(symbols.clone());
                        Some(Step::Enum(leaf, self.program.symbols.len() - 1))
                    }
                    _ => fit::step(node, leaf, wanted),
                };
                match step {
                    Some(step) => self.push(step, steps),
                    None => {
                        let (label, expected) = (wanted.label.clone(), cell::expected(wanted));
                        self.refuse(id, vec![leaf], label, expected, steps)
                    }
                }
            }
        }
    }

    fn there(&mut self, leaves: &[usize]) {
        for leaf in leaves {
            if let Some(presence) = self.presence.get_mut(*leaf) {
                *presence = Presence::Always;
            }
        }
    }

    /// A value that is never what is wanted at `leaves`. Where it is one branch of several the value decides;
    /// see [`branches`](Self::branches).
    fn refuse(
        &mut self,
        id: NodeId,
        leaves: Vec<usize>,
        label: String,
        expected: &'static str,
        steps: &mut Steps,
    ) -> Result<(), String> {
        let found = self.schema.node(id).map_or_else(String::new, fit::described);
        self.conflict(format!("{label}: expected {expected}, and it has {found} there"));
        self.program.refusals.push(Refusal { leaves, label, expected, found });
        self.skip(id, steps)?;
        self.push(Step::Refuse(self.program.refusals.len() - 1), steps)
    }

    /// A union, each branch of which is read by `read`, and in which null is a null of all `leaves`.
    fn branches(
        &mut self,
        branches: &[NodeId],
        leaves: &[usize],
        steps: &mut Steps,
        read: impl Fn(&mut Self, NodeId, &mut Steps) -> Result<(), String>,
    ) -> Result<(), String> {
        let before = (self.presence.clone(), self.conflict.take());
        let (mut fitting, mut conflict) = (false, None);
        let mut presence: Option<Vec<Presence>> = None;
        let mut read_branches = Vec::with_capacity(branches.len());
        for branch in branches {
            // Records in branches of records multiply, even where nothing of them is read.
            self.count(1)?;
            self.presence.clone_from(&before.0);
            let mut steps = Steps::default();
            if self.is_null(*branch) {
                self.there(leaves);
                self.program.nulls.push(leaves.to_vec());
                self.push(Step::Nulls(self.program.nulls.len() - 1), &mut steps)?;
            } else {
                read(self, *branch, &mut steps)?;
                match self.conflict.take() {
                    Some(wrong) => drop(conflict.get_or_insert(wrong)),
                    None => fitting = true,
                }
            }
            presence = Some(match presence {
                None => self.presence.clone(),
                Some(others) => others.into_iter().zip(&self.presence).map(both).collect(),
            });
            read_branches.push(steps);
        }
        self.presence = presence.unwrap_or(before.0);
        // Of several branches that cannot be read, none can: else the value decides.
        self.conflict = before.1.or(conflict.filter(|_| !fitting));
        self.union(branches, read_branches, steps)
    }

    fn is_null(&self, id: NodeId) -> bool {
        self.schema.node(id).is_some_and(|node| matches!(node.kind, Kind::Null))
    }

    /// The steps of a union whose branches have these.
    fn union(
        &mut self,
        branches: &[NodeId],
        mut read: Vec<Steps>,
        steps: &mut Steps,
    ) -> Result<(), String> {
        let null = branches.iter().position(|branch| self.is_null(*branch));
        if let (Some(null), 2) = (null, branches.len()) {
            let nulls = match read.get(null).map(|steps| steps.steps.as_slice()) {
                Some([Step::Nulls(list)]) => *list,
                _ => 0,
            };
            let other = read.swap_remove(1 - null.min(1)).steps;
            self.push(Step::Nullable { null, nulls, over: other.len() }, steps)?;
            steps.append(&other);
            return Ok(());
        }
        let routines = read.into_iter().map(|steps| self.routine(steps)).collect();
        self.program.unions.push(routines);
        self.push(Step::Union(self.program.unions.len() - 1), steps)
    }

    /// A map of which the keys that node `at` of the trie knows are wanted.
    fn map(&mut self, values: NodeId, at: usize, steps: &mut Steps) -> Result<(), String> {
        let before = self.presence.clone();
        let mut entries = Entries::default();
        let names: Vec<_> = self.trie.nodes.get(at).map(|n| n.keys.names()).unwrap_or_default();
        for name in names {
            let mut steps = Steps::default();
            self.member(at, &name, values, &mut steps)?;
            entries.wanted.push((name, self.routine(steps)));
        }
        // Which keys there are is not known before the value.
        let seen = before.into_iter().zip(&self.presence);
        self.presence =
            seen.map(|(before, now)| before.max((*now).min(Presence::Sometimes))).collect();
        let mut skip = Steps::default();
        self.skip(values, &mut skip)?;
        entries.skip = self.routine(skip);
        self.program.entries.push(entries);
        self.push(Step::Entries(self.program.entries.len() - 1), steps)
    }

    /// Skips a value of type `id`.
    fn skip(&mut self, id: NodeId, steps: &mut Steps) -> Result<(), String> {
        self.nested(|this| this.skip_inside(id, steps))
    }

    fn skip_inside(&mut self, id: NodeId, steps: &mut Steps) -> Result<(), String> {
        let schema = self.schema;
        let Some(node) = schema.node(id) else { return Ok(()) };
        match &node.kind {
            Kind::Null => Ok(()),
            Kind::Boolean => self.push(Step::SkipFixed(1), steps),
            Kind::Int | Kind::Long | Kind::Enum(_) => self.push(Step::SkipVarint, steps),
            Kind::Float => self.push(Step::SkipFixed(4), steps),
            Kind::Double => self.push(Step::SkipFixed(8), steps),
            Kind::Bytes | Kind::String => self.push(Step::SkipBytes, steps),
            Kind::Fixed(0) => Ok(()),
            Kind::Fixed(length) => self.push(Step::SkipFixed(*length), steps),
            Kind::Array(items) => {
                let mut item = Steps::default();
                self.skip(*items, &mut item)?;
                let item = self.routine(item);
                self.push(Step::SkipBlocks(item), steps)
            }
            Kind::Map(values) => {
                let mut item = Steps::default();
                self.push(Step::SkipBytes, &mut item)?;
                self.skip(*values, &mut item)?;
                let item = self.routine(item);
                self.push(Step::SkipBlocks(item), steps)
            }
            Kind::Union(branches) => {
                let mut read = Vec::with_capacity(branches.len());
                for branch in branches {
                    let mut steps = Steps::default();
                    self.skip(*branch, &mut steps)?;
                    read.push(steps);
                }
                self.union(branches, read, steps)
            }
            Kind::Record { fields, .. } => self.skip_record(id, fields, steps),
        }
    }

    /// A record type is skipped by one routine wherever it lies; a short one is written out.
    fn skip_record(
        &mut self,
        id: NodeId,
        fields: &[(Box<str>, NodeId)],
        steps: &mut Steps,
    ) -> Result<(), String> {
        let (routine, whole) = match self.skips.get(&id) {
            Some(known) => *known,
            None => {
                let routine = self.routine(Steps::default());
                // Known before its fields are: they may be of its own type.
                self.skips.insert(id, (routine, false));
                let mut inner = Steps::default();
                fields.iter().try_for_each(|(_, ty)| self.skip(*ty, &mut inner))?;
                self.set_routine(routine, inner);
                self.skips.insert(id, (routine, true));
                (routine, true)
            }
        };
        let inner = self.program.routines.get(routine).map(Vec::as_slice).unwrap_or_default();
        if whole && inner.len() <= WRITTEN_OUT_MAX {
            steps.append(inner);
            return self.count(inner.len());
        }
        self.push(Step::Call(routine), steps)
    }
}

/// What is known of a path where one of two branches is taken.
fn both((one, other): (Presence, &Presence)) -> Presence {
    match (one, *other) {
        (a, b) if a == b => a,
        _ => Presence::Sometimes,
    }
}

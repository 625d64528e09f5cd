//! What derived features name, and an order in which everything named comes first.

use super::Compiler;
use super::lookup::{self, Meaning};
use crate::declare::{Body, EVENT_TIME, Written};
use crate::expression::invalid_field;
use std::collections::{HashMap, HashSet};

/// A feature of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FeatureNode {
    pub(super) view: usize,
    pub(super) feature: usize,
}

/// What the derived features of a job name.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// By derived feature: the features it names, by the names it uses. Absent: something is wrong
    /// with its expression, which is recorded.
    named: HashMap<FeatureNode, HashMap<String, FeatureNode>>,
    /// Each feature's place in an order in which a feature comes after all it names.
    rank: HashMap<FeatureNode, usize>,
}

/// What a name in a derived feature is.
enum NamedFeature {
    Feature(FeatureNode),
    /// A field of the latest event, its time, or a definition.
    OfLatest,
}

impl Graph {
    /// Looks up every name in every derived feature; unknown names and cycles are recorded.
    pub(super) fn new(compiler: &Compiler<'_, '_>) -> Self {
        let mut graph = Graph::default();
        for node in nodes(compiler) {
            if let Some((written, _)) = compiler.expression(node)
                && let Some(named) = compiler.names(node, written)
            {
                graph.named.insert(node, named);
            }
        }
        graph.find_order(compiler);
        graph
    }

    /// The features that derived feature `node` names, by the names it uses; `None` when it is none
    /// or wrong.
    pub(super) fn named(&self, node: FeatureNode) -> Option<&HashMap<String, FeatureNode>> {
        self.named.get(&node)
    }

    /// Whether some expression names `node`.
    pub(super) fn is_named(&self, node: FeatureNode) -> bool {
        self.named.values().any(|named| named.values().any(|target| *target == node))
    }

    /// `roots` and everything they name, directly or through others, each after all it names.
    pub(super) fn reached(&self, roots: impl Iterator<Item = FeatureNode>) -> Vec<FeatureNode> {
        let mut next: Vec<FeatureNode> = roots.collect();
        let mut reached: HashSet<FeatureNode> = HashSet::new();
        while let Some(node) = next.pop() {
            if reached.insert(node) {
                next.extend(self.named.get(&node).into_iter().flat_map(HashMap::values));
            }
        }
        let mut reached: Vec<FeatureNode> = reached.into_iter().collect();
        reached.sort_by_key(|node| (self.rank.get(node).copied(), *node));
        reached
    }

    /// Depth-first, without recursion: chains may be as long as a job has features.
    fn find_order(&mut self, compiler: &Compiler<'_, '_>) {
        let mut open: Vec<(FeatureNode, Vec<FeatureNode>)> = Vec::new();
        let mut on_path: HashSet<FeatureNode> = HashSet::new();
        for root in nodes(compiler) {
            if !self.rank.contains_key(&root) {
                open.push((root, self.targets(root)));
                on_path.insert(root);
            }
            while let Some((node, targets)) = open.last_mut() {
                let node = *node;
                match targets.pop() {
                    Some(target) if on_path.contains(&target) => {
                        let path = open.iter().map(|(node, _)| *node);
                        let cycle: Vec<FeatureNode> =
                            path.skip_while(|node| *node != target).collect();
                        compiler.report_cycle(&cycle);
                        for node in cycle {
                            self.named.remove(&node);
                        }
                    }
                    Some(target) if !self.rank.contains_key(&target) => {
                        open.push((target, self.targets(target)));
                        on_path.insert(target);
                    }
                    Some(_) => {}
                    None => {
                        self.rank.insert(node, self.rank.len());
                        on_path.remove(&node);
                        open.pop();
                    }
                }
            }
        }
    }

    fn targets(&self, node: FeatureNode) -> Vec<FeatureNode> {
        let named = self.named.get(&node).into_iter().flat_map(HashMap::values);
        let mut targets: Vec<FeatureNode> = named.copied().collect();
        // The order of a hash map is no order to report cycles in.
        targets.sort_unstable_by(|a, b| b.cmp(a));
        targets.dedup();
        targets
    }
}

fn nodes(compiler: &Compiler<'_, '_>) -> impl Iterator<Item = FeatureNode> {
    let views = compiler.job.views.iter().enumerate();
    views.flat_map(|(view, declared)| {
        (0..declared.features.len()).map(move |feature| FeatureNode { view, feature })
    })
}

impl Compiler<'_, '_> {
    /// The expression of a derived feature of a known view, and its horizon.
    pub(super) fn expression(
        &self,
        node: FeatureNode,
    ) -> Option<(&Written, tidemark_operators::time::Millis)> {
        self.frames.get(node.view)?.as_ref()?;
        match &self.job.views.get(node.view)?.features.get(node.feature)?.body {
            Body::Expression { written, horizon } => Some((written, *horizon)),
            _ => None,
        }
    }

    fn names(&self, node: FeatureNode, written: &Written) -> Option<HashMap<String, FeatureNode>> {
        let names = written.ast.names();
        if names.is_empty() {
            let message = "names no feature and no field, so there is nothing it could follow";
            written.wrong(1, message, None, self.problems);
            return None;
        }
        let mut features = HashMap::new();
        let mut good = true;
        for used in names {
            match self.named(node, written, used.name, used.column) {
                Some(NamedFeature::Feature(target)) => {
                    features.insert(used.name.to_owned(), target);
                }
                Some(NamedFeature::OfLatest) => {}
                None => good = false,
            }
        }
        good.then_some(features)
    }

    fn named(
        &self,
        node: FeatureNode,
        written: &Written,
        name: &str,
        column: usize,
    ) -> Option<NamedFeature> {
        if let Some((view, feature)) = name.split_once('.') {
            return self.named_elsewhere(node, written, (view, feature), column);
        }
        if let Some(feature) = self.feature(node.view, name)
            && name != EVENT_TIME
        {
            return Some(NamedFeature::Feature(FeatureNode { view: node.view, feature }));
        }
        let frame = self.frames.get(node.view)?.as_ref()?;
        match lookup::meaning(name, frame, &self.sources) {
            Meaning::Time | Meaning::Field(_) | Meaning::Definition => Some(NamedFeature::OfLatest),
            Meaning::Reported => None,
            Meaning::Conflict(message) => {
                written.wrong(column, &message, None, self.problems);
                None
            }
            Meaning::Unknown if let Some(field) = invalid_field(name) => {
                let message = format!("there is no field \"{field}\"");
                let names = lookup::names(frame, &self.sources);
                written.wrong(
                    column,
                    &message,
                    super::source::suggest(field, names),
                    self.problems,
                );
                None
            }
            Meaning::Unknown => {
                let message = format!("there is no feature or field \"{name}\"");
                let mut names = self.feature_names(node.view);
                names.extend(lookup::names(frame, &self.sources));
                let hint = super::source::suggest(name, names);
                written.wrong(column, &message, hint, self.problems);
                None
            }
        }
    }

    /// `view.feature`: a feature of another view of the same entity.
    fn named_elsewhere(
        &self,
        node: FeatureNode,
        written: &Written,
        (view, feature): (&str, &str),
        column: usize,
    ) -> Option<NamedFeature> {
        let views = &self.job.views;
        let Some(at) = views.iter().position(|declared| declared.name.value == view) else {
            let message = format!("there is no view \"{view}\"");
            let names = views.iter().map(|declared| declared.name.value.as_str());
            written.wrong(column, &message, super::source::suggest(view, names), self.problems);
            return None;
        };
        let other = self.frames.get(at)?.as_ref()?;
        let own = self.frames.get(node.view)?.as_ref()?;
        if own.entity != other.entity {
            let entity = |at: usize| self.entities.get(at).map_or("", |it| it.name.as_str());
            let message = format!(
                "view \"{view}\" is of entity \"{}\", this one of entity \"{}\"",
                entity(other.entity),
                entity(own.entity)
            );
            written.wrong(column, &message, None, self.problems);
            return None;
        }
        let Some(feature_at) = self.feature(at, feature) else {
            let message = format!("view \"{view}\" has no feature \"{feature}\"");
            let hint = super::source::suggest(feature, self.feature_names(at));
            written.wrong(column, &message, hint, self.problems);
            return None;
        };
        Some(NamedFeature::Feature(FeatureNode { view: at, feature: feature_at }))
    }

    fn feature(&self, view: usize, name: &str) -> Option<usize> {
        let features = &self.job.views.get(view)?.features;
        features.iter().position(|feature| feature.name.value == name)
    }

    fn feature_names(&self, view: usize) -> Vec<&str> {
        let view = self.job.views.get(view).into_iter();
        view.flat_map(|view| view.features.iter().map(|it| it.name.value.as_str())).collect()
    }

    fn report_cycle(&self, cycle: &[FeatureNode]) {
        let name = |node: &FeatureNode| {
            let view = self.job.views.get(node.view)?;
            let feature = &view.features.get(node.feature)?.name.value;
            let one_view = cycle.iter().all(|other| other.view == node.view);
            Some(if one_view { feature.clone() } else { format!("{}.{feature}", view.name.value) })
        };
        let path: Vec<String> = cycle.iter().chain(cycle.first()).filter_map(name).collect();
        let Some((written, _)) = cycle.first().and_then(|first| self.expression(*first)) else {
            return;
        };
        let message = format!("it is defined by itself: {}", path.join(" -> "));
        written.wrong(1, &message, None, self.problems);
    }
}

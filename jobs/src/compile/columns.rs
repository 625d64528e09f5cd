//! One view's columns: what is read from state, what is derived from that, and its features.

use super::entity::EntityBuild;
use super::entity::index_of;
use super::extents::pruned;
use super::graph::{FeatureNode, Graph};
use super::mixed::{self, Origin};
use super::source::report;
use super::{Compiler, lookup};
use crate::aggregate::{Measured, Memory, Reported, over_latest, quotient};
use crate::declare::{JobDeclared, Written};
use crate::expression::{Binding, invalid_field};
use crate::job::FeatureText;
use std::collections::HashMap;
use tidemark_operators::expression::Expr;
use tidemark_operators::plan::{FeaturePlan, Mask, Read, ViewPlan};
use tidemark_operators::time::Millis;
use tidemark_operators::value::{Type, Value};

/// While a view is built the number of its reads is not known: derived columns count from here.
const DERIVED: usize = 1 << 31;

/// The columns of a view while it is built.
#[derive(Default)]
struct Columns {
    reads: Vec<Read>,
    derived: Vec<Expr>,
    extents: Vec<(Mask, Millis)>,
    of: HashMap<FeatureNode, Column>,
}

#[derive(Clone, Copy)]
struct Column {
    index: usize,
    ty: Type,
    nullable: bool,
}

impl Columns {
    fn read(&mut self, read: Read, ty: Type, nullable: bool) -> Column {
        Column { index: index_of(&mut self.reads, read), ty, nullable }
    }

    /// The column of an expression over columns; decimals become doubles.
    fn derive(&mut self, expr: Expr) -> Column {
        let expr = if expr.ty().is_like(Type::DECIMAL) { quotient(expr, 1) } else { expr };
        if let Expr::Input { index, ty, nullable } = expr {
            return Column { index, ty, nullable };
        }
        let (ty, nullable) = (expr.ty(), expr.nullable());
        self.derived.push(expr);
        Column { index: DERIVED + self.derived.len() - 1, ty, nullable }
    }

    fn measured(&mut self, measured: &Measured) -> Column {
        self.extents.extend(&measured.extents);
        let value = measured
            .reading
            .over_columns(|read| self.read(read.read, read.ty, read.nullable).index);
        self.derive(value)
    }

    /// The column that is written of a feature: a distinct count at most `distinct_max`, which what
    /// is computed from it does not see.
    fn written(&mut self, column: Column, distinct_max: Option<u64>) -> Column {
        let most = distinct_max.and_then(|most| i64::try_from(most).ok());
        match (self.reads.get(column.index), most) {
            (Some(Read::Distinct { .. }), Some(most)) => {
                let Column { index, ty, nullable } = column;
                let count = Expr::Input { index, ty, nullable };
                self.derive(Expr::Least(vec![count, Expr::Literal(Value::Int(most))]))
            }
            _ => column,
        }
    }

    /// What each column is made of, by the index it has while the view is built.
    fn origins(&self, entity: &EntityBuild) -> impl Fn(usize) -> Origin {
        let reads: Vec<Origin> =
            self.reads.iter().map(|read| Origin::of_read(*read, entity)).collect();
        let mut derived: Vec<Origin> = Vec::new();
        for expr in &self.derived {
            let origin = Origin::of(expr, &|index| found(&reads, &derived, index));
            derived.push(origin);
        }
        move |index| found(&reads, &derived, index)
    }

    /// The final number of a column.
    fn place(&self, index: usize) -> usize {
        match index.checked_sub(DERIVED) {
            Some(derived) => self.reads.len() + derived,
            None => index,
        }
    }
}

fn found(reads: &[Origin], derived: &[Origin], index: usize) -> Origin {
    let origin = match index.checked_sub(DERIVED) {
        Some(at) => derived.get(at),
        None => reads.get(index),
    };
    origin.copied().unwrap_or_default()
}

impl Column {
    fn binding(self) -> Binding {
        let Column { index, ty, nullable } = self;
        Binding::Input { index, ty, nullable }
    }

    /// The same, false where it is null.
    fn or_false(self) -> Binding {
        let Column { index, ty, nullable } = self;
        let there = Expr::Input { index, ty, nullable };
        Binding::Expr(Expr::Coalesce(vec![there, Expr::Literal(Value::Bool(false))]))
    }
}

impl<'j> Compiler<'j, '_> {
    /// Adds view `v` to its entity. What people read about its features.
    pub(super) fn build_view(&mut self, v: usize, graph: &Graph) -> Vec<FeatureText> {
        let job: &'j JobDeclared = self.job;
        let (Some(declared), Some(Some(frame))) = (job.views.get(v), self.frames.get(v)) else {
            return Vec::new();
        };
        let (entity, mask) = (frame.entity, frame.mask);
        let shown = declared.features.iter().enumerate().filter(|(_, feature)| !feature.hidden);
        let shown: Vec<FeatureNode> =
            shown.map(|(feature, _)| FeatureNode { view: v, feature }).collect();
        let mut columns = Columns::default();
        let mut memory: HashMap<FeatureNode, Memory> = HashMap::new();
        let hidden = declared.features.iter().enumerate().filter(|(_, feature)| feature.hidden);
        let hidden = hidden.map(|(feature, _)| FeatureNode { view: v, feature });
        // Hidden features are checked whether something names them or not.
        let mut unshown = Columns::default();
        for node in graph.reached(hidden) {
            self.column(node, graph, &mut unshown, &mut memory);
        }
        for node in graph.reached(shown.iter().copied()) {
            self.column(node, graph, &mut columns, &mut memory);
        }
        if shown.is_empty() && !declared.features.is_empty() {
            let message = format!("all features of view \"{}\" are hidden", declared.name.value);
            self.problems.wrong(&declared.name, message, None);
        }
        let mut features = Vec::new();
        let mut texts = Vec::new();
        for node in shown {
            let (Some(column), Some(feature)) =
                (columns.of.get(&node), declared.features.get(node.feature))
            else {
                continue;
            };
            let column = columns.written(*column, job.distinct_max);
            features.push(FeaturePlan {
                name: feature.name.value.clone(),
                ty: column.ty,
                nullable: column.nullable,
                column: columns.place(column.index),
            });
            texts.push(self.text(node, memory.get(&node).copied().unwrap_or_default()));
        }
        let derived = columns.derived.iter().cloned();
        let derived: Vec<Expr> =
            derived.map(|expr| expr.map_inputs(&mut |index| columns.place(index))).collect();
        if let Some(entity) = self.entities.get_mut(entity) {
            // Whether such a bit is set may change while an event is kept; so rows live as long as
            // if all events had it.
            let late = entity.late_bits();
            columns.extents.iter_mut().for_each(|(mask, _)| *mask &= !late);
            entity.views.push(ViewPlan {
                name: declared.name.value.clone(),
                index: v,
                mask,
                ttl: declared.ttl,
                reads: columns.reads,
                derived,
                features,
                extents: pruned(columns.extents),
            });
        }
        texts
    }

    /// Adds the column of `node`, after those of all it names. Nothing when it is wrong.
    fn column(
        &mut self,
        node: FeatureNode,
        graph: &Graph,
        columns: &mut Columns,
        memory: &mut HashMap<FeatureNode, Memory>,
    ) {
        if let Some(measured) = self.measured.get(&node) {
            if let Ok(measured) = measured {
                let column = columns.measured(measured);
                columns.of.insert(node, column);
                memory.insert(node, measured.memory);
            }
            return;
        }
        let Some(named) = graph.named(node) else { return };
        if let Ok((expr, taken)) = self.derived(node, named, columns) {
            let column = columns.derive(expr);
            columns.of.insert(node, column);
            memory.insert(node, taken);
        }
    }

    /// The expression of a derived feature over columns, and what its own attributes take.
    fn derived(
        &mut self,
        node: FeatureNode,
        named: &HashMap<String, FeatureNode>,
        columns: &mut Columns,
    ) -> Result<(Expr, Memory), Reported> {
        let (written, horizon) = self.expression(node).ok_or(Reported)?;
        let written = written.clone();
        let mut features: HashMap<&str, Binding> = HashMap::new();
        for (name, target) in named {
            let column = columns.of.get(target).ok_or(Reported)?;
            features.insert(name, column.binding());
        }
        let mut fields: HashMap<String, Binding> = HashMap::new();
        let (source, names) = self.fields_of_latest(node, &written, &features)?;
        let mut memory = Memory::default();
        let mask = self.frames.get(node.view).and_then(Option::as_ref).map_or(0, |it| it.mask);
        for name in names {
            let mut scope = self.scope(node.view, "").ok_or(Reported)?;
            let ty = match lookup::meaning(&name, scope.frame, scope.sources) {
                lookup::Meaning::Time => Type::Timestamp,
                lookup::Meaning::Field(ty) => ty,
                lookup::Meaning::Conflict(message) => {
                    written.wrong(1, &message, None, self.problems);
                    return Err(Reported);
                }
                _ => return Err(Reported),
            };
            let (read, ty, taken) = scope.latest_of_type(&name, ty, mask, horizon);
            memory = memory.with_cells(taken);
            let column = columns.read(read, ty, true);
            columns.extents.push((mask, horizon));
            let binding = match invalid_field(&name) {
                Some(_) => column.or_false(),
                None => column.binding(),
            };
            fields.insert(name, binding);
        }
        let source = self.sources.get(source).ok_or(Reported)?;
        let expr = source
            .expand(&written, &features, &fields)
            .map_err(|error| report(&error, &written, self.problems))?;
        let frame = self.frames.get(node.view).and_then(Option::as_ref);
        if let Some(entity) = frame.and_then(|frame| self.entities.get(frame.entity))
            && let Some((message, hint)) = mixed::note(&expr, &columns.origins(entity))
        {
            written.note(&message, hint, self.problems);
        }
        Ok((expr, memory))
    }

    /// The fields of the latest event that `written` names, through definitions too, in the order
    /// of the text; and the source whose definitions it uses.
    fn fields_of_latest(
        &self,
        node: FeatureNode,
        written: &Written,
        features: &HashMap<&str, Binding>,
    ) -> Result<(usize, Vec<String>), Reported> {
        let frame = self.frames.get(node.view).and_then(Option::as_ref).ok_or(Reported)?;
        let mut using = *frame.sources.first().ok_or(Reported)?;
        let mut fields: Vec<String> = Vec::new();
        for at in &frame.sources {
            let Some(source) = self.sources.get(*at) else { continue };
            let names = written.ast.names();
            if names.iter().any(|used| source.definition(used.name).is_some()) {
                using = *at;
            }
            for name in source.fields_named(written, features) {
                if !fields.contains(&name) {
                    fields.push(name);
                }
            }
        }
        Ok((using, fields))
    }

    /// What people read about the hidden features of a view, by name.
    pub(super) fn hidden_texts(&self, view: usize) -> Vec<(String, FeatureText)> {
        let declared = self.job.views.get(view).into_iter().flat_map(|view| view.features.iter());
        let hidden = declared.enumerate().filter(|(_, feature)| feature.hidden);
        hidden
            .map(|(at, feature)| {
                let node = FeatureNode { view, feature: at };
                let memory = match self.measured.get(&node) {
                    Some(Ok(measured)) => measured.memory,
                    _ => Memory::default(),
                };
                (feature.name.value.clone(), self.text(node, memory))
            })
            .collect()
    }

    fn text(&self, node: FeatureNode, memory: Memory) -> FeatureText {
        let declared = self.job.views.get(node.view).and_then(|it| it.features.get(node.feature));
        let description = declared.map(|it| it.description.clone()).unwrap_or_default();
        let (over, definition) = match self.measured.get(&node) {
            Some(Ok(measured)) => (measured.over.clone(), measured.definition.clone()),
            _ => {
                let expression = self.expression(node);
                let shown = expression.map(|(written, _)| format!("= {}", written.shown()));
                // Only attributes of the latest event take memory of an expression's own.
                let latest = expression.filter(|_| memory != Memory::default());
                let over = latest.map(|(_, horizon)| over_latest(horizon));
                (over.unwrap_or_else(|| "-".into()), shown.unwrap_or_default())
            }
        };
        FeatureText { description, over, memory: memory.to_string(), definition }
    }
}

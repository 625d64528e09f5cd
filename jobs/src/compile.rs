//! From what a job file says to the [`Plan`] the dataflow runs: names become indices, equal state
//! is shared, and every view gets its columns.
//!
//! In this order, so that everything a step needs is there:
//!
//! 1. `source`: each source's definitions are put in order and checked, and its lookups found in
//!    the tables (`table`);
//! 2. `frame`: each view's entity, sources and filter are looked up; the filters of views get the
//!    first filter bits of their entity;
//! 3. aggregates register attributes, windows, accumulators and last-event state with their entity
//!    (`entity`, through a `scope`);
//! 4. `graph`: the names in derived features are resolved, cycles found, an order made;
//! 5. `columns`: each view's reads and derived columns, its features and extents;
//! 6. `finish`: fields that nothing needs are left out, services are looked up.
//!
//! Why this way: a mistake is recorded where it is found and the part it is in is left out, so one
//! run reports every mistake, and each once.

mod columns;
mod entity;
mod extents;
mod finish;
mod frame;
mod graph;
mod lookup;
mod mixed;
mod scope;
mod source;
mod table;

pub(crate) use scope::Scope;

use crate::aggregate::{Measured, Reported};
use crate::declare::{Body, JobDeclared};
use crate::document::Problems;
use crate::job::{FeatureText, Job};
use entity::EntityBuild;
use frame::Frame;
use graph::{FeatureNode, Graph};
use source::SourceBuild;
use std::collections::HashMap;

/// A job while it is compiled.
pub(super) struct Compiler<'j, 'p> {
    job: &'j JobDeclared,
    problems: &'p Problems<'p>,
    sources: Vec<SourceBuild<'j>>,
    entities: Vec<EntityBuild>,
    /// By view; `None` for one whose entity or sources are unknown.
    frames: Vec<Option<Frame>>,
    measured: HashMap<FeatureNode, Result<Measured, Reported>>,
}

/// Compiles `job`. `None` when anything is wrong, which is then recorded.
pub(crate) fn compile(job: &JobDeclared, problems: &Problems<'_>) -> Option<Job> {
    let sources =
        job.sources.iter().map(|source| SourceBuild::new(source, &job.tables, problems)).collect();
    let mut compiler = Compiler {
        job,
        problems,
        sources,
        entities: Vec::new(),
        frames: Vec::new(),
        measured: HashMap::new(),
    };
    compiler.find_frames();
    compiler.measure();
    let graph = Graph::new(&compiler);
    let texts = compiler.build_views(&graph);
    let services = compiler.find_services();
    if problems.is_empty() {
        compiler.find_unused(&graph);
    }
    if problems.is_empty() { compiler.finish(texts, services) } else { None }
}

impl<'j> Compiler<'j, '_> {
    /// Registers the state of every aggregate, in job order.
    fn measure(&mut self) {
        let job: &'j JobDeclared = self.job;
        for (v, view) in job.views.iter().enumerate() {
            for (f, feature) in view.features.iter().enumerate() {
                let Body::Measure(measure) = &feature.body else { continue };
                let Some(mut scope) = self.scope(v, &feature.name.value) else { continue };
                let measured = measure.compile(&mut scope);
                self.measured.insert(FeatureNode { view: v, feature: f }, measured);
            }
        }
    }

    /// The features of each view, as people read them.
    fn build_views(&mut self, graph: &Graph) -> Vec<Vec<FeatureText>> {
        (0..self.job.views.len()).map(|view| self.build_view(view, graph)).collect()
    }

    /// What a feature of `view` is compiled in; `None` when the view is not known.
    fn scope(&mut self, view: usize, feature: &str) -> Option<Scope<'_, 'j>> {
        let frame = self.frames.get(view)?.as_ref()?;
        Some(Scope {
            label: format!("feature \"{feature}\""),
            entity: self.entities.get_mut(frame.entity)?,
            frame,
            sources: &mut self.sources,
            problems: self.problems,
        })
    }
}

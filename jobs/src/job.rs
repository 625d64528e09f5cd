//! A checked job: its plan, and what people read about it.

use crate::compile;
use crate::declare::JobDeclared;
use crate::document::{Document, JobErrors, Problem};
use std::fmt;
use std::sync::Arc;
use tidemark_operators::plan::{FieldPlan, Plan};

/// A checked job.
#[derive(Clone, Debug)]
pub struct Job {
    /// What the dataflow runs.
    pub plan: Arc<Plan>,
    /// What the job says about itself; may be empty.
    pub description: String,
    /// About the sources, in the order of [`Plan::sources`].
    pub sources: Vec<SourceText>,
    /// What the job says about its tables, in the order of [`Plan::tables`]; may be empty.
    pub tables: Vec<String>,
    /// What the job says about its entities, in the order of [`Plan::entities`]; may be empty.
    pub entities: Vec<String>,
    /// About the views, in the order of [`Plan::views`].
    pub views: Vec<ViewText>,
    /// The feature services, in job order.
    pub services: Vec<Service>,
    /// What is allowed and may not mean what its author thinks, in the order of the file.
    pub notes: Vec<Problem>,
}

/// What people read about a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceText {
    /// What the job says about it; may be empty.
    pub description: String,
    /// Its fields, those that nothing reads too, as they are read where something reads them.
    pub declared: Vec<FieldPlan>,
    /// Named expressions over its fields: name and text.
    pub definitions: Vec<(String, String)>,
    /// What its events are looked up in.
    pub lookups: Vec<LookupText>,
}

/// What people read about a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupText {
    /// Its name in expressions.
    pub name: String,
    /// The column whose value it is.
    pub column: String,
    /// The table.
    pub table: String,
    /// The field that is the key.
    pub key: String,
    /// What it is where nothing is found, if that is not null.
    pub default: Option<String>,
}

impl fmt::Display for LookupText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LookupText { column, table, key, default, .. } = self;
        write!(f, "{column} of {table} by {key}")?;
        default.as_ref().map_or(Ok(()), |default| write!(f, ", else {default}"))
    }
}

/// What people read about a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewText {
    /// What the job says about it; may be empty.
    pub description: String,
    /// Its `where`, when it has one.
    pub filter: Option<String>,
    /// The sources it reads, as indices into [`Plan::sources`].
    pub sources: Vec<usize>,
    /// About its features, in the order of the plan's.
    pub features: Vec<FeatureText>,
    /// Names of its hidden features, which only expressions name, and what people read about them.
    pub hidden: Vec<(String, FeatureText)>,
}

/// What people read about a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureText {
    /// What the job says about it; may be empty.
    pub description: String,
    /// Its window (`5m`, `24h, delayed 7d`), its horizon (`latest, 30d`), or `-`.
    pub over: String,
    /// What it keeps for an entity, when it shares nothing with other features.
    pub memory: String,
    /// What it is, in words, or its expression.
    pub definition: String,
}

/// A feature service: the features that one model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What the job says about it; may be empty.
    pub description: String,
    /// View (index into [`Plan::views`]) and feature (index into the view's features), each once.
    pub features: Vec<(usize, usize)>,
}

/// Reads and checks a job file. `file_name` is what errors call it.
///
/// # Errors
///
/// When anything is wrong with it: all of it, with line, column, key and the nearest valid name.
///
/// ```
/// let errors = tidemark_jobs::load("my.toml", "[jbo]\nname = \"fraud\"\n").unwrap_err();
/// assert_eq!(errors.problems[0].line, 1);
/// assert!(errors.to_string().contains("did you mean \"job\"?"));
/// ```
pub fn load(file_name: &str, text: &str) -> Result<Job, JobErrors> {
    let document = Document::parse(file_name, text)?;
    let declared = JobDeclared::read(&document);
    let job = compile::compile(&declared, document.problems());
    let problems = document.problems();
    if job.is_none() && problems.is_empty() {
        // Cannot be: what is left out is recorded. Better an unhelpful error than a wrong plan.
        problems.push(0, None, "the job cannot be compiled".into(), None);
    }
    document.finish()?;
    job.ok_or_else(|| JobErrors { file: file_name.into(), problems: Vec::new(), unlisted: 0 })
}

/// A number that changes whenever the plan of a job does, for telling whether two processes run the
/// same job: FNV-1a over the plan's debug text. It may also change with the program's version.
pub fn plan_hash(plan: &Plan) -> u64 {
    format!("{plan:?}").bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

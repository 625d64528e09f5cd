//! A look at what stands in Redis of a job, for who asks whether all is well.
//!
//! Bound: about 100,000 keys are looked at, and `SAMPLE` rows a view.

use crate::online::StoreError;
use crate::online::heartbeat::Beats;
use crate::online::layout::RowForm;
use crate::online::redis::link::Link;
use crate::online::redis::nodes::Nodes;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::sweep::scan;
use crate::online::schema::Schema;
use crate::online::status::MemoryStatus;
use redis::Value;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// Rows of a view that are looked for at most.
const SAMPLE: usize = 100;

/// A server that was looked at.
#[derive(Clone, Debug, Default)]
pub struct SurveyedServer {
    /// Where it listens.
    pub address: String,
    /// Whether it is a replica, which takes no rows.
    pub replica: bool,
    /// Its memory, where it says so.
    pub memory: Option<MemoryStatus>,
    /// Keys that it evicted since its start, where it says so.
    pub evicted: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct RedisSurvey {
    /// Each server that rows are on.
    pub servers: Vec<SurveyedServer>,
    /// What the job said of itself before rows were looked for, and after it.
    pub beats: (Beats, Beats),
    /// By view, in job order: ids of some entities that have a row.
    pub rows: Vec<Vec<String>>,
    /// Whether all keys were looked at: a view without an id has no row then.
    pub whole: bool,
}

/// Looks at Redis. `only`: the type (job index) and the id of an entity whose rows are looked at, in the
/// place of a sample.
///
/// # Errors
/// When Redis cannot be reached, or does not let this user look for rows.
pub fn survey(
    settings: &RedisSettings,
    plan: &Plan,
    only: Option<(usize, &str)>,
) -> Result<RedisSurvey, StoreError> {
    let schema = Schema::new(plan);
    let forms = settings.placing().read_forms(&schema);
    let mut nodes = Nodes::new(Arc::new(settings.clone()));
    nodes.connect()?;
    let mut found =
        RedisSurvey { whole: true, rows: vec![Vec::new(); forms.len()], ..RedisSurvey::default() };
    for link in nodes.links() {
        found.servers.push(server(link, settings)?);
    }
    found.beats.0 = beats(&mut nodes, settings, &schema.job)?;
    match only {
        Some((entity, id)) => {
            for (at, form) in forms.iter().enumerate() {
                let of_entity = schema.views.get(at).is_some_and(|view| view.entity == entity);
                if of_entity && has_row(&mut nodes, form, id.as_bytes())? {
                    found.rows.get_mut(at).into_iter().for_each(|ids| ids.push(id.to_owned()));
                }
            }
        }
        None => {
            // Each server gives its share.
            let servers = found.servers.len().max(1);
            for (at, link) in nodes.links().enumerate() {
                let most = SAMPLE * (at + 1) / servers;
                found.whole &= sample(link, &forms, (&mut found.rows, most))?;
            }
        }
    }
    found.beats.1 = beats(&mut nodes, settings, &schema.job)?;
    Ok(found)
}

/// What the workers of `job` say of themselves there now.
///
/// # Errors
/// When Redis cannot be asked.
pub fn heartbeats(settings: &RedisSettings, job: &str) -> Result<Beats, StoreError> {
    let mut nodes = Nodes::new(Arc::new(settings.clone()));
    nodes.connect()?;
    beats(&mut nodes, settings, job)
}

fn server(link: &mut Link, settings: &RedisSettings) -> Result<SurveyedServer, StoreError> {
    // What may not be asked is not known.
    let memory = match link.memory() {
        Err(StoreError::Reply { .. }) => None,
        other => other?,
    };
    let alert = settings.memory.alert_threshold;
    Ok(SurveyedServer {
        address: link.address().to_owned(),
        replica: link.server()?.replica,
        memory: memory.map(|(used, limit)| MemoryStatus::of(used, limit, alert)),
        evicted: link.evicted().ok().flatten(),
    })
}

/// What a job says of itself on every server.
fn beats(nodes: &mut Nodes, settings: &RedisSettings, job: &str) -> Result<Beats, StoreError> {
    let mut all = Vec::new();
    for node in &mut nodes.all {
        let key = settings.beats_key(job, node.first_slot);
        if let Some(link) = &mut node.link {
            all.push(Beats::of(link.hash(&key)?));
        }
    }
    Ok(Beats::of_all(all))
}

/// Looks for rows of every view until there are `most` of each; says whether all keys were looked at.
fn sample(
    link: &mut Link,
    forms: &[RowForm],
    (rows, most): (&mut [Vec<String>], usize),
) -> Result<bool, StoreError> {
    // Views of one layout have one pattern.
    let Some(pattern) = forms.first().map(RowForm::pattern) else { return Ok(true) };
    scan(link, pattern, |link, keys| {
        for (form, ids) in forms.iter().zip(rows.iter_mut()) {
            for id in keys.iter().filter_map(|key| form.id_of(key)) {
                let text = String::from_utf8_lossy(&id).into_owned();
                // SCAN may give a key twice; a key of its own says that the row is there.
                let wanted = ids.len() < most && !ids.contains(&text);
                if wanted && is_there(link, form, &id)? {
                    ids.push(text);
                }
            }
        }
        let enough = rows.iter().all(|ids| ids.len() >= most);
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}

/// Whether an entity has a row.
fn has_row(nodes: &mut Nodes, form: &RowForm, id: &[u8]) -> Result<bool, StoreError> {
    let key = form.key(id);
    let reply = match &form.stamp {
        Some(stamp) => nodes.ask("HEXISTS", &key, &[stamp])?,
        None => nodes.ask("EXISTS", &key, &[])?,
    };
    Ok(reply == Value::Int(1))
}

/// The same on the server that has named the key.
fn is_there(link: &mut Link, form: &RowForm, id: &[u8]) -> Result<bool, StoreError> {
    let Some(stamp) = &form.stamp else { return Ok(true) };
    Ok(link.ask("HEXISTS", &[&form.key(id), stamp])? == Value::Int(1))
}

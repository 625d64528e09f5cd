//! Which features are asked for, and of what they are found.

use super::arrivals;
use crate::cli::{HistoricalArgs, KnownWhen};
use crate::failure::Failure;
use crate::offline::answers::Pick;
use crate::offline::example_file::FeatureColumn;
use crate::offline::spine::{KeyColumn, Spine};
use crate::text::duration_text;
use std::collections::HashSet;
use tidemark_jobs::Job;
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::JoinKey;

/// A feature that is asked for.
#[derive(Clone, Debug)]
pub(super) struct AskedFeature {
    /// Its column.
    pub column: FeatureColumn,
    /// Its view among the job's, and its place among the view's.
    pub place: (usize, usize),
    /// Where it is found: the entity among those that are asked, and the place among its picks.
    pub found: (usize, usize),
}

/// An entity type of which features are asked for.
#[derive(Clone, Debug)]
pub(super) struct AskedEntity {
    /// Its place in the job.
    pub entity: usize,
    /// What has its ids.
    pub key: KeyColumn,
    /// The views that are asked for, by their places in the entity.
    pub views: Vec<usize>,
    /// What is read of them.
    pub picks: Vec<Pick>,
}

/// All that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    /// How many entity types the job has.
    pub job_entities: usize,
    /// The features, in the order of their columns.
    pub features: Vec<AskedFeature>,
    /// What they are found of.
    pub entities: Vec<AskedEntity>,
    /// Whether the names of columns tell the view.
    full: bool,
}

impl Asking {
    /// What the command line asks of `job`.
    ///
    /// # Errors
    /// When there is no such service, view or feature, or two features would have one name; exit code 2.
    pub fn of(job: &Job, args: &HistoricalArgs) -> Result<Self, Failure> {
        let wanted = match &args.service {
            Some(service) => of_service(job, service)?,
            None => {
                let found = args.features.iter().map(|reference| of_reference(job, reference));
                found.collect::<Result<Vec<_>, _>>()?.concat()
            }
        };
        let full = args.full_feature_names;
        let job_entities = job.plan.entities.len();
        let mut asking = Asking { job_entities, features: Vec::new(), entities: Vec::new(), full };
        let mut names = HashSet::new();
        for (view, feature) in wanted {
            let name = asking.add(job, view, feature);
            if let Some(name) = name.filter(|name| !names.insert(name.clone())) {
                let why = format!("two features are called \"{name}\"");
                let hint = match full {
                    true => "ask for each feature once",
                    false => {
                        "ask for each feature once, or name their views by --full-feature-names"
                    }
                };
                return Err(Failure::usage(why).hint(hint));
            }
        }
        Ok(asking)
    }

    /// Adds a feature; gives its name.
    fn add(&mut self, job: &Job, view: usize, feature: usize) -> Option<String> {
        let place = (view, feature);
        let index = job.plan.views.get(view)?;
        let plan = job.plan.view(view)?;
        let feature = plan.features.get(feature)?;
        let entity = job.plan.entities.get(index.entity)?;
        let known = self.entities.iter().position(|asked| asked.entity == index.entity);
        let at = known.unwrap_or_else(|| {
            let JoinKey { name, ty } = JoinKey::of(&job.plan, entity);
            let key = KeyColumn { name, other_name: entity.name.clone(), ty };
            let (views, picks) = (Vec::new(), Vec::new());
            self.entities.push(AskedEntity { entity: index.entity, key, views, picks });
            self.entities.len() - 1
        });
        let entity = self.entities.get_mut(at)?;
        if !entity.views.contains(&index.view) {
            entity.views.push(index.view);
        }
        entity.picks.push(Pick { view, column: feature.column, ty: feature.ty });
        let name = match self.full {
            true => format!("{}__{}", plan.name, feature.name),
            false => feature.name.clone(),
        };
        let column = FeatureColumn { name: name.clone(), ty: feature.ty };
        self.features.push(AskedFeature { column, place, found: (at, entity.picks.len() - 1) });
        Some(name)
    }

    /// Refuses features that would be of no events, ever, as their windows lose them before they are known;
    /// and to go by arrivals where there are none.
    ///
    /// # Errors
    /// With exit code 2.
    pub fn check_known(&self, job: &Job, args: &HistoricalArgs) -> Result<(), Failure> {
        let lag = match args.known {
            KnownWhen::Final => return Ok(()),
            KnownWhen::Arrived => return arrivals::check(job, self),
            KnownWhen::Lag(lag) if args.before => {
                let lag = duration_text(lag);
                let why = format!("--before cannot be used with --known lag={lag}");
                return Err(Failure::usage(why).hint("say a lag that is 1ms longer"));
            }
            KnownWhen::Lag(lag) => lag,
        };
        for feature in &self.features {
            let (view, at) = feature.place;
            let Some(window) = job.plan.too_short(view, at, lag) else { continue };
            let (name, window) = (&feature.column.name, duration_text(window.leaves(0)));
            let lag = duration_text(lag);
            let why = format!(
                "feature \"{name}\" sees events for {window}, and under --known lag={lag} they are not \
                 known by then"
            );
            return Err(Failure::usage(why).hint("ask for other features, or say a shorter lag"));
        }
        Ok(())
    }

    /// Refuses a spine that has a column by the name of a feature.
    ///
    /// # Errors
    /// With exit code 2.
    pub fn check_names(&self, spine: &Spine) -> Result<(), Failure> {
        let names: HashSet<&str> = spine.columns.iter().map(|it| it.name.as_str()).collect();
        match self.features.iter().find(|feature| names.contains(feature.column.name.as_str())) {
            Some(feature) => {
                let (path, name) = (spine.path.display(), &feature.column.name);
                let why = format!("{path} has a column \"{name}\" already, which is a feature");
                let hint = "rename or leave out the column, or use --full-feature-names";
                Err(Failure::usage(why).hint(hint))
            }
            None => Ok(()),
        }
    }
}

/// View and feature of all of a service.
fn of_service(job: &Job, name: &str) -> Result<Vec<(usize, usize)>, Failure> {
    let found = job.services.iter().find(|service| service.name == name);
    found.map(|service| service.features.clone()).ok_or_else(|| {
        let why = format!("job \"{}\" has no service \"{name}\"", job.plan.name);
        let names = job.services.iter().map(|service| service.name.as_str());
        Failure::usage(why).hint(near(name, names, "services"))
    })
}

/// View and feature of `view:feature`, or of all of a view.
pub(crate) fn of_reference(job: &Job, reference: &str) -> Result<Vec<(usize, usize)>, Failure> {
    let (view, feature) = match reference.split_once(':') {
        Some((view, feature)) => (view, Some(feature)),
        None => (reference, None),
    };
    let views = || (0..job.plan.views.len()).filter_map(|at| Some((at, job.plan.view(at)?)));
    let Some((at, plan)) = views().find(|(_, plan)| plan.name == view) else {
        let why = format!("job \"{}\" has no view \"{view}\"", job.plan.name);
        let names = views().map(|(_, plan)| plan.name.as_str());
        return Err(Failure::usage(why).hint(near(view, names, "views")));
    };
    let Some(feature) = feature else {
        return Ok((0..plan.features.len()).map(|feature| (at, feature)).collect());
    };
    match plan.features.iter().position(|known| known.name == feature) {
        Some(feature) => Ok(vec![(at, feature)]),
        None => {
            let why = format!("view \"{view}\" has no feature \"{feature}\"");
            let names = plan.features.iter().map(|known| known.name.as_str());
            Err(Failure::usage(why).hint(near(feature, names, "features")))
        }
    }
}

/// The nearest valid name, or all of them.
fn near<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone, what: &str) -> String {
    match nearest(name, names.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("its {what}: {}", names.collect::<Vec<_>>().join(", ")),
    }
}

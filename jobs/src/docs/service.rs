//! A service: what a model that names it is given, and how it asks.

use super::job::Example;
use super::markdown::paragraph;
use super::view::served;
use crate::job::{Job, Service};
use tidemark_operators::json::quoted;
use tidemark_operators::plan::JoinKey;
use tidemark_operators::value::Type;

/// What is told about a service. `server`: where features are asked for.
pub(super) struct ServiceText<'a> {
    pub(super) job: &'a Job,
    pub(super) service: &'a Service,
    pub(super) examples: &'a [Option<Example>],
    pub(super) server: &'a str,
}

impl ServiceText<'_> {
    /// The body of the service's section.
    pub(super) fn body(&self) -> String {
        let mut out = paragraph(&self.service.description);
        out.push_str("What a model that names this service is given:\n\n");
        out.push_str(&served(&self.job.plan, &self.service.features));
        out.push_str(&format!(
            "\nAsked of `tidemark serve`, or of the job itself with `enabled = true` in `[serve]` of \
             `cluster.toml`; for several entities at once each list has several ids:\n\n\
             ```sh\n{}\n```\n",
            self.curl(),
        ));
        out
    }

    fn curl(&self) -> String {
        let ids = self.ids().into_iter();
        let ids: Vec<String> = ids.map(|(key, id)| format!("{}: [{id}]", quoted(&key))).collect();
        let service = quoted(&self.service.name);
        let question =
            format!("{{\"feature_service\": {service}, \"entities\": {{{}}}}}", ids.join(", "));
        format!(
            "curl -s {}/get-online-features -H 'content-type: application/json' \\\n    -d '{}'",
            self.server,
            question.replace('\'', r"'\''"),
        )
    }

    /// The name of each key that is asked for, and an id as JSON: that of the example where there is one.
    fn ids(&self) -> Vec<(String, String)> {
        let plan = &self.job.plan;
        let mut ids: Vec<(String, String)> = Vec::new();
        for (view, _) in &self.service.features {
            let Some(entity) = plan.views.get(*view).and_then(|it| plan.entities.get(it.entity))
            else {
                continue;
            };
            let JoinKey { name, ty } = JoinKey::of(plan, entity);
            if ids.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let example = self.examples.get(*view).and_then(Option::as_ref);
            let id = match (example, ty) {
                (Some(example), Type::Int) => example.id.clone(),
                (Some(example), _) => quoted(&example.id),
                (None, Type::Int) => "17".to_owned(),
                (None, Type::Ip) => "\"203.0.113.7\"".to_owned(),
                (None, _) => quoted(&format!("{}_0000017", entity.name)),
            };
            ids.push((name, id));
        }
        ids
    }
}

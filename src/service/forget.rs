//! Entities that somebody asks to be forgotten: asked of the worker that has each, or of the process that
//! the worker is of.

use super::Service;
use crate::checkpoint::ForgottenEntity;
use crate::engine::HeldError;
use crate::entity_id;
use crate::http::{ForgetAnswer, ForgetQuestion, ForgetTold};
use crate::recovery::ForgottenStatus;
use tidemark_operators::cut::FORGOTTEN_MAX;
use tidemark_operators::plan::EntityPlan;

impl Service {
    /// Adds what tells which entities the newest checkpoint says to be forgotten, where there are any.
    #[must_use]
    pub fn with_forgotten(mut self, status: Option<ForgottenStatus>) -> Self {
        self.forgotten = status;
        self
    }

    /// Forgets an entity, or says whether that is for good.
    pub(super) fn forgets(&self, asked: &ForgetQuestion) -> ForgetAnswer {
        let names = || self.plan.entities.iter().map(|entity| entity.name.as_str());
        let Some(at) = names().position(|name| name == asked.entity) else {
            return ForgetAnswer::UnknownEntity { known: names().map(str::to_owned).collect() };
        };
        let id = entity_id::of_entity(&self.plan, &self.plan.entities[at], &asked.id);
        match self.elsewhere(&id, asked.run.as_deref()) {
            Ok(None) => {}
            Ok(Some((peers, owner))) => return peers.forget(owner, asked),
            Err(why) => return later(why),
        }
        let listed = match self.listed() {
            Ok(listed) => listed,
            Err(why) => return later(why),
        };
        let is_asked = |one: &ForgottenEntity| one.entity == asked.entity && one.id == *id;
        let durable = listed.as_ref().map(|listed| listed.iter().any(is_asked));
        let told = ForgetTold {
            entity: asked.entity.clone(),
            id: id.clone().into_owned(),
            durable,
            ..ForgetTold::default()
        };
        if asked.looks {
            return ForgetAnswer::Told(told);
        }
        // That the next manifest may list one more.
        if durable == Some(false) && listed.is_some_and(|listed| listed.len() >= FORGOTTEN_MAX) {
            let why = format!(
                "{FORGOTTEN_MAX} entities are forgotten of which there may still be rows on disk"
            );
            let hint = "wait until some are gone for good: segments are written anew with each \
                        checkpoint, and older ones go once their rows leave the longest window";
            return ForgetAnswer::Unavailable { why, hint: hint.to_owned() };
        }
        match self.observer.forget(at, id.as_bytes()) {
            Ok(done) => ForgetAnswer::Told(ForgetTold {
                held: Some(done.held),
                before: Some(done.forgotten.before),
                durable: durable.map(|_| false),
                out_of_reach: self.out_of_reach(&self.plan.entities[at]),
                ..told
            }),
            Err(error @ HeldError::Late) => later(format!("{error}; it may forget it by and by")),
            Err(error) => later(error.to_string()),
        }
    }

    /// What the newest checkpoint says to be forgotten; nothing where there are none.
    fn listed(&self) -> Result<Option<Vec<ForgottenEntity>>, String> {
        let listed = self.forgotten.as_ref().map(|status| status()).transpose();
        listed.map_err(|why| format!("the checkpoints cannot be read: {why}"))
    }

    /// Where there may be more of an entity: what the job has read it from, and what it has written.
    fn out_of_reach(&self, entity: &EntityPlan) -> Vec<String> {
        let fed = self.plan.sources.iter().zip(&entity.sources).filter(|(_, feed)| feed.is_some());
        let mut places = Vec::new();
        for (source, _) in fed {
            match &source.topic {
                Some(topic) => places.push(format!("the topic {topic}")),
                None => places.extend(source.files.iter().map(|file| format!("the file {file}"))),
            }
        }
        places.extend(self.settings.written());
        places
    }
}

/// What cannot be done now.
fn later(why: String) -> ForgetAnswer {
    ForgetAnswer::Unavailable { why, hint: "ask again in a second".to_owned() }
}

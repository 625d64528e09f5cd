//! Views' entities, sources and filters.

use super::Compiler;
use super::entity::{Bit, EntityBuild, TooManyFilters};
use super::source::{Filter, filter};
use crate::declare::{EntityDeclared, Keys, SourceDeclared, ViewDeclared};
use crate::document::At;
use std::collections::HashMap;
use tidemark_operators::plan::Mask;
use tidemark_operators::value::Type;

/// What a view looks at.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The job's index of the entity.
    pub(super) entity: usize,
    /// The sources, ascending.
    pub(super) sources: Vec<usize>,
    /// The filter bits of its events.
    pub(super) mask: Mask,
}

impl Compiler<'_, '_> {
    /// Finds every view's frame; views without one are recorded.
    pub(super) fn find_frames(&mut self) {
        let mut placed: Vec<Option<(usize, Vec<usize>)>> = Vec::new();
        for view in &self.job.views {
            let (entity, sources) = (self.entity_of(view), self.sources_of(view));
            placed.push(entity.zip(sources));
        }
        self.find_entities(&placed);
        for (view, place) in placed.into_iter().enumerate() {
            let frame = place.and_then(|(entity, sources)| self.frame(view, entity, sources));
            self.frames.push(frame);
        }
    }

    fn entity_of(&self, view: &ViewDeclared) -> Option<usize> {
        let named = view.entity.as_ref()?;
        let entities = &self.job.entities;
        let found = entities.iter().position(|entity| entity.name.value == named.value);
        // That there are none at all is recorded.
        if found.is_none() && !entities.is_empty() {
            let message = format!(
                "\"entity\" in view \"{}\" names no entity: \"{}\"",
                view.name.value, named.value
            );
            let names = entities.iter().map(|entity| entity.name.value.as_str());
            self.problems.unknown(named, message, names);
        }
        found
    }

    fn sources_of(&self, view: &ViewDeclared) -> Option<Vec<usize>> {
        let sources = &self.job.sources;
        if sources.is_empty() {
            // That is recorded.
            return None;
        }
        if view.sources.is_empty() {
            if sources.len() > 1 {
                let message = format!("missing key \"source\" in view \"{}\"", view.name.value);
                let names = sources.iter().map(|source| source.name.value.as_str());
                let hint = format!("name one of {}", names.collect::<Vec<_>>().join(", "));
                self.problems.push(view.name.span.start, Some("source"), message, Some(hint));
            }
            return (sources.len() == 1).then(|| vec![0]);
        }
        let mut found: Vec<usize> = Vec::new();
        for named in &view.sources {
            match sources.iter().position(|source| source.name.value == named.value) {
                Some(at) if found.contains(&at) => {
                    let message = format!(
                        "view \"{}\" names source \"{}\" twice",
                        view.name.value, named.value
                    );
                    self.problems.wrong(named, message, None);
                }
                Some(at) => found.push(at),
                None => {
                    let message = format!(
                        "\"source\" in view \"{}\" names no source: \"{}\"",
                        view.name.value, named.value
                    );
                    let names = sources.iter().map(|source| source.name.value.as_str());
                    self.problems.unknown(named, message, names);
                }
            }
        }
        found.sort_unstable();
        (found.len() == view.sources.len()).then_some(found)
    }

    /// Finds the entities that have views, and their keys in those views' sources.
    fn find_entities(&mut self, placed: &[Option<(usize, Vec<usize>)>]) {
        for (e, entity) in self.job.entities.iter().enumerate() {
            let places = placed.iter().flatten().filter(|(entity, _)| *entity == e);
            let mut used: Vec<usize> = places.flat_map(|(_, sources)| sources.clone()).collect();
            used.sort_unstable();
            used.dedup();
            let mut keys = vec![None; self.sources.len()];
            for (s, key) in keys.iter_mut().enumerate().filter(|(s, _)| used.contains(s)) {
                *key = self.key(entity, s);
                if let (Some(field), Some(source)) = (*key, self.sources.get_mut(s)) {
                    source.need(field);
                    if !source.keys.contains(&field) {
                        source.keys.push(field);
                    }
                }
            }
            self.check_key_sources(entity);
            self.entities.push(EntityBuild::new(entity.name.value.clone(), keys));
        }
    }

    /// The field of source `source` that is the key of `entity`.
    fn key(&self, entity: &EntityDeclared, source: usize) -> Option<usize> {
        let source = self.job.sources.get(source)?;
        let named = match &entity.keys {
            Keys::Same(field) => field,
            Keys::BySource(keys) => {
                let found = keys.iter().find(|(name, _)| name.value == source.name.value);
                if found.is_none() {
                    let message = format!(
                        "\"keys\" of entity \"{}\" names no key in source \"{}\", which its views read",
                        entity.name.value, source.name.value
                    );
                    self.problems.wrong(&entity.name, message, None);
                }
                &found?.1
            }
            Keys::Unknown => return None,
        };
        self.key_field(entity, source, named)
    }

    fn key_field(
        &self,
        entity: &EntityDeclared,
        source: &SourceDeclared,
        named: &At<String>,
    ) -> Option<usize> {
        let Some((at, field)) = source.field(&named.value) else {
            let message = format!(
                "the key of entity \"{}\" is no field of source \"{}\": \"{}\"",
                entity.name.value, source.name.value, named.value
            );
            let names = source.fields.iter().map(|field| field.name.as_str());
            self.problems.unknown(named, message, names);
            return None;
        };
        match field.ty {
            Some(Type::Text | Type::Ip | Type::Int) => Some(at),
            Some(ty) => {
                let message = format!(
                    "the key of entity \"{}\" must be a string, an int or an ip, \"{}\" is of type {ty}",
                    entity.name.value, named.value
                );
                self.problems.wrong(named, message, None);
                None
            }
            None => None,
        }
    }

    fn check_key_sources(&self, entity: &EntityDeclared) {
        let Keys::BySource(keys) = &entity.keys else { return };
        for (source, _) in keys {
            let known = self.job.sources.iter().any(|it| it.name.value == source.value);
            if !known {
                let message = format!(
                    "\"keys\" of entity \"{}\" names no source: \"{}\"",
                    entity.name.value, source.value
                );
                let names = self.job.sources.iter().map(|it| it.name.value.as_str());
                self.problems.unknown(source, message, names);
            }
        }
    }

    fn frame(&mut self, view: usize, entity: usize, sources: Vec<usize>) -> Option<Frame> {
        let declared = self.job.views.get(view)?;
        let build = self.entities.get_mut(entity)?;
        let everywhere = (0..build.keys.len()).all(|s| {
            // Sources whose key is wrong are recorded; they count as read.
            build.keys.get(s).is_some_and(Option::is_none) || sources.contains(&s)
        });
        let mut frame = Frame { entity, sources, mask: 0 };
        if !declared.filter_known {
            return None;
        }
        let bits = match &declared.filter {
            Some(written) => {
                match filter(written, &frame, &mut self.sources, self.problems).ok()? {
                    Filter::Read(bits) => bits,
                    Filter::Late(_) => {
                        let message = "is about what is looked up in a table, and which events are the \
                                   view's is known before that";
                        let hint = "put it into the \"where\" of features over a window or session";
                        written.wrong(1, message, Some(hint.to_owned()), self.problems);
                        return None;
                    }
                }
            }
            None if everywhere => return Some(frame),
            None => {
                let mut bits = vec![None; self.sources.len()];
                for s in &frame.sources {
                    if let (Some(bit), Some(source)) = (bits.get_mut(*s), self.sources.get_mut(*s))
                    {
                        *bit = Some(source.always());
                    }
                }
                bits
            }
        };
        match build.filter(Bit::Filter(bits)) {
            Ok(mask) => frame.mask = mask,
            Err(TooManyFilters) => {
                self.problems.wrong(&declared.name, build.too_many_filters(), None);
                return None;
            }
        }
        Some(frame)
    }
}

/// Types of the fields that `names` are in some of the frame's sources.
pub(super) fn types<'n>(
    names: impl Iterator<Item = &'n str>,
    frame: &Frame,
    sources: &[super::source::SourceBuild<'_>],
) -> HashMap<&'n str, Type> {
    use super::lookup::{Meaning, meaning};
    let known = names.filter_map(|name| match meaning(name, frame, sources) {
        Meaning::Field(ty) => Some((name, ty)),
        Meaning::Time => Some((name, Type::Timestamp)),
        Meaning::Definition => {
            let of = |source: &usize| sources.get(*source)?.definition(name)?.as_ref().ok();
            frame.sources.iter().find_map(of).map(|expr| (name, expr.ty()))
        }
        _ => None,
    });
    known.collect()
}

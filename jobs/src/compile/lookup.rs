//! What a name means among the fields of some sources.

use super::frame::Frame;
use super::source::SourceBuild;
use super::table::What;
use crate::declare::EVENT_TIME;
use crate::expression::invalid_field;
use tidemark_operators::value::Type;

/// What a name means to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The event time.
    Time,
    /// A field of at least one of the sources, of this type in all that have it.
    Field(Type),
    /// A definition of at least one of the sources, the same in all that have it.
    Definition,
    /// What was written about it is wrong; that is recorded.
    Reported,
    /// It differs between the sources: how.
    Conflict(String),
    /// Nothing.
    Unknown,
}

/// What `name` means to the sources of `frame`.
pub(super) fn meaning(name: &str, frame: &Frame, sources: &[SourceBuild<'_>]) -> Meaning {
    let mut met: Option<(Meaning, &str)> = None;
    let mut definition: Option<&str> = None;
    let mut looked_up: Option<&What> = None;
    let mut lacking = false;
    for source in frame.sources.iter().filter_map(|source| sources.get(*source)) {
        let found = in_source(name, source);
        if found == Meaning::Unknown {
            lacking = true;
            continue;
        }
        let text = source.declared.definition(name).and_then(|defined| defined.written.as_ref());
        let text = text.map(|written| written.text.value.as_str());
        let what = source.lookup(name).and_then(|it| it.as_ref().ok()).map(|it| &it.what);
        let own = source.declared.name.value.as_str();
        let another = definition != text || looked_up != what;
        match &met {
            Some((earlier, first)) if *earlier != found || another => {
                return Meaning::Conflict(format!(
                    "\"{name}\" is {} in source \"{first}\" and {} in source \"{own}\"",
                    earlier.described(),
                    if *earlier == found { "another one".into() } else { found.described() },
                ));
            }
            Some(_) => {}
            None => {
                met = Some((found, own));
                (definition, looked_up) = (text, what);
            }
        }
    }
    match met {
        // Of a field that a source lacks there is no value, but every event has a time.
        Some((Meaning::Time, own)) if lacking => Meaning::Conflict(format!(
            "\"{name}\" is the event time of source \"{own}\" only: write {EVENT_TIME}"
        )),
        Some((meaning, _)) => meaning,
        None => Meaning::Unknown,
    }
}

/// All names that mean something to the sources of `frame`.
pub(super) fn names<'s>(frame: &Frame, sources: &'s [SourceBuild<'_>]) -> Vec<&'s str> {
    let mut names: Vec<&str> = Vec::new();
    for source in frame.sources.iter().filter_map(|source| sources.get(*source)) {
        for name in source.names() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn in_source(name: &str, source: &SourceBuild<'_>) -> Meaning {
    let declared = source.declared;
    if name == EVENT_TIME {
        return Meaning::Time;
    }
    if let Some(field) = invalid_field(name) {
        return declared.field(field).map_or(Meaning::Unknown, |_| Meaning::Field(Type::Bool));
    }
    if let Some((_, field)) = declared.field(name) {
        return field.ty.map_or(Meaning::Reported, Meaning::Field);
    }
    if let Some(lookup) = source.lookup(name) {
        return lookup.as_ref().map_or(Meaning::Reported, |lookup| Meaning::Field(lookup.what.ty));
    }
    match source.definition(name) {
        Some(Ok(_)) => Meaning::Definition,
        Some(Err(_)) => Meaning::Reported,
        // The last part of its path, where nothing else is called that.
        None if name == declared.time_name() => Meaning::Time,
        None => Meaning::Unknown,
    }
}

impl Meaning {
    fn described(&self) -> String {
        match self {
            Meaning::Time => "the event time".into(),
            Meaning::Field(ty) => format!("of type {ty}"),
            Meaning::Definition => "a definition".into(),
            _ => "unknown".into(),
        }
    }
}

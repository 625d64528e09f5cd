//! `of`: the field that is aggregated, or several that are one value.

use super::Reported;
use crate::document::{At, Table};

/// `of`: the field that is aggregated.
#[derive(Debug)]
pub(crate) struct Of(pub(crate) At<String>);

impl Of {
    /// Reads it; it must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        feature.need("of");
        feature.text("of").map(Of).ok_or(Reported)
    }

    /// Reads it if it is there.
    pub(crate) fn optional(feature: &mut Table<'_>) -> Result<Option<Self>, Reported> {
        let there = feature.has("of");
        let of = feature.text("of").map(Of);
        if there && of.is_none() { Err(Reported) } else { Ok(of) }
    }
}

/// The most fields a tuple has.
const PARTS_MAX: usize = 8;

/// `of` where values are only told apart: a field, or several taken as one value.
#[derive(Debug)]
pub(crate) struct OfValue(pub(crate) Vec<At<String>>);

impl OfValue {
    /// Reads it; it must be there.
    pub(crate) fn read(feature: &mut Table<'_>) -> Result<Self, Reported> {
        if !feature.is_list("of") {
            return Of::read(feature).map(|Of(field)| OfValue(vec![field]));
        }
        let parts = feature.texts("of").ok_or(Reported)?;
        let (label, problems) = (feature.label(), feature.problems());
        if parts.len() < 2 || parts.len() > PARTS_MAX {
            let message = format!(
                "\"of\" in {label} must name 2 to {PARTS_MAX} fields when it is a list, not {}",
                parts.len()
            );
            let hint = (parts.len() == 1).then(|| "name one field without brackets".to_owned());
            let at = parts.first().map_or(feature.at(), |part| part.span.start);
            problems.push(at, Some("of"), message, hint);
            return Err(Reported);
        }
        let twice = parts
            .iter()
            .enumerate()
            .find(|(at, part)| parts.iter().take(*at).any(|before| before.value == part.value));
        if let Some((_, part)) = twice {
            let message = format!("\"of\" in {label} names \"{}\" twice", part.value);
            problems.wrong(part, message, None);
            return Err(Reported);
        }
        Ok(OfValue(parts))
    }

    /// The field, or the fields in parentheses.
    pub(crate) fn shown(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|part| part.value.as_str()).collect();
        match names.as_slice() {
            [one] => (*one).to_owned(),
            several => format!("({})", several.join(", ")),
        }
    }
}

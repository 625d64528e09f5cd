//! A field as it was understood.

use super::shown_form;
use tidemark_operators::plan::{Encoding, FieldPlan, Pick, TimeUnit};
use tidemark_operators::value::Type;

/// A field; of a key it is said what else gives the same id.
pub(super) fn shown(field: &FieldPlan, is_key: bool) -> String {
    let optional = if field.required { "" } else { "?" };
    let path = field.place.shown(&field.path);
    let from = if path == field.name { String::new() } else { format!(" from {path}") };
    let taken = match (field.reading.coerce, field.ty) {
        _ if field.reading.encoding.is_some() => "",
        (true, Type::Text | Type::Int) if is_key => " (from text or whole number)",
        (true, _) => "",
        (false, _) => " (in its own form only)",
    };
    let form = match (field.ty, &field.reading.time, &field.reading.pick) {
        _ if field.reading.encoding.is_some() => shown_encoding(field.reading.encoding),
        (Type::Timestamp, form, _) if form.unit != TimeUnit::Ms => {
            format!(" ({})", shown_form(form))
        }
        (Type::Ip, _, Some(Pick::First)) => " (the first of a list)".to_owned(),
        (Type::Ip, _, Some(Pick::Last)) => " (the last of a list)".to_owned(),
        (Type::Ip, _, Some(Pick::LastUntrusted(_))) => {
            " (the last of a list that is not trusted)".to_owned()
        }
        _ => String::new(),
    };
    format!("{} {}{optional}{from}{form}{taken}", field.name, field.ty)
}

fn shown_encoding(encoding: Option<Encoding>) -> String {
    match encoding {
        Some(Encoding::Unscaled(decimals)) => format!(" (base64, {decimals} decimals)"),
        Some(Encoding::Scaled) => " (base64, with its scale)".to_owned(),
        None => String::new(),
    }
}

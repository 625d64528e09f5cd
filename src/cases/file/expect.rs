//! What rows should be.

use super::{Reader, place, time_of};
use crate::cases::case::{Expectation, Expected};
use crate::cases::time;
use crate::entity_id;
use tidemark_jobs::document::{Literal, Named, Table};
use tidemark_operators::plan::{FeaturePlan, ViewPlan};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Type, parse_address};

/// Reads an expectation.
pub(super) fn read(
    reader: &Reader<'_>,
    mut table: Table<'_>,
    start: EventTime,
) -> Option<Expectation> {
    for key in ["at", "view", "id"] {
        table.need(key);
    }
    let line = reader.line(table.at());
    let at = time_of(&mut table, "at", start);
    let id = table.text("id");
    let view = table.text("view");
    let absent = table.boolean("absent").is_some_and(|flag| flag.value);
    let plan = reader.plan;
    let views = (0..plan.views.len()).map(|at| plan.view(at).map_or("", |v| v.name.as_str()));
    let view = view.and_then(|name| place(&table, &name, "view", views));
    let Some((view, of)) = view.and_then(|at| Some((at, plan.view(at)?))) else {
        // Without the view nothing can be said of its features.
        let _ = (table.table("features", "features"), table.texts("null"));
        table.finish();
        return None;
    };
    let features = features(&mut table, of, start);
    if absent {
        for key in ["features", "null"] {
            table.refuse(key, "cannot stand beside \"absent\": a row that is not there has none");
        }
    } else if !table.has("features") && !table.has("null") {
        let message = format!("{} expects nothing", table.label());
        let hint = "add features = { NAME = VALUE }, null = [\"NAME\"] or absent = true".to_owned();
        table.problems().push(table.at(), None, message, Some(hint));
    }
    table.finish();
    let features = (!absent).then_some(features);
    let id = entity_id::known_as(plan, view, &id?.value).into_owned();
    Some(Expectation { line, at: at?, view, id, features })
}

/// The keys `features` and `null`.
fn features(table: &mut Table<'_>, view: &ViewPlan, start: EventTime) -> Vec<(usize, Expected)> {
    let mut features: Vec<(usize, Expected)> = Vec::new();
    let names = view.features.iter().map(|feature| feature.name.as_str());
    let what = "feature";
    if let Some(mut given) = table.table("features", &format!("view \"{}\"", view.name)) {
        for entry in given.named() {
            let Some(at) = place(&given, &entry.name, what, names.clone()) else { continue };
            let Some(plan) = view.features.get(at) else { continue };
            match expected(&entry, plan.ty, start) {
                Some(value) => features.push((at, value)),
                None => entry.mistyped(&format!("feature \"{}\"", plan.name), wanted(plan.ty)),
            }
        }
    }
    for name in table.texts("null").unwrap_or_default() {
        let Some(at) = place(table, &name, what, names.clone()) else { continue };
        let problem = match (view.features.get(at), features.iter().any(|(known, _)| *known == at))
        {
            (Some(FeaturePlan { nullable: false, .. }), _) => "is never null",
            (_, true) => "cannot be null and have a value",
            _ => {
                features.push((at, Expected::Null));
                continue;
            }
        };
        let message = format!("feature \"{}\" {problem}", name.value);
        table.problems().wrong(&name, message, None);
    }
    features
}

fn wanted(ty: Type) -> &'static str {
    match ty {
        Type::Int => "an integer (a feature without a value is listed in \"null\")",
        Type::Decimal(_) | Type::Double => {
            "a number (a feature without a value is listed in \"null\")"
        }
        Type::Bool => "true or false (a feature without a value is listed in \"null\")",
        Type::Timestamp => "a time: ms since 1970, a length from the start, or RFC 3339",
        Type::Text => "a text (a feature without a value is listed in \"null\")",
        Type::Ip => "an address as a text (a feature without a value is listed in \"null\")",
    }
}

fn expected(entry: &Named<'_>, ty: Type, start: EventTime) -> Option<Expected> {
    Some(match (ty, entry.as_literal()?.value) {
        (Type::Int | Type::Timestamp, Literal::Number(digits)) => {
            Expected::Int(digits.parse().ok()?)
        }
        (Type::Timestamp, Literal::Text(text)) => {
            Expected::Int(i64::try_from(time::read(&text, start)?).ok()?)
        }
        (Type::Double | Type::Decimal(_), Literal::Number(digits)) => {
            Expected::Double(digits.parse().ok().filter(|number: &f64| number.is_finite())?)
        }
        (Type::Bool, Literal::Bool(flag)) => Expected::Bool(flag),
        (Type::Text, Literal::Text(text)) => Expected::Text(text),
        (Type::Ip, Literal::Text(text)) => Expected::Text(parse_address(&text)?.to_string()),
        _ => return None,
    })
}

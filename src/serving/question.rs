//! What a request asks: its body, taken apart as far as it is needed.

use crate::config::Statuses;
use crate::serving::feast_error::FeastError;
use crate::serving::{ENTITIES_MAX, FEATURES_MAX};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::json::quoted;
use tidemark_operators::plan::ReadOptions;
use tidemark_operators::value::{Type, Value, parse_address};

/// The body of `POST /get-online-features`.
#[derive(Debug, Deserialize)]
pub(super) struct Question<'a> {
    #[serde(borrow)]
    entities: Option<&'a RawValue>,
    #[serde(borrow)]
    features: Option<&'a RawValue>,
    #[serde(borrow)]
    feature_service: Option<Cow<'a, str>>,
    full_feature_names: Option<bool>,
    include_feature_view_version_metadata: Option<bool>,
    positions: Option<bool>,
}

/// Columns of ids: names, and one id an entity.
pub(super) type Columns<'a> = Vec<(Cow<'a, str>, Vec<&'a RawValue>)>;

impl<'a> Question<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, FeastError> {
        if body.is_empty() {
            return Err(FeastError::body("missing", &[], "Field required"));
        }
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                FeastError::body("model_attributes_type", &[], error.to_string())
            }
            _ => FeastError::json(body, &error),
        })
    }

    /// Whether columns are named with their views.
    pub fn full_names(&self) -> bool {
        self.full_feature_names.unwrap_or(false)
    }

    /// Whether the views are to be listed.
    pub fn views_listed(&self) -> bool {
        self.include_feature_view_version_metadata.unwrap_or(false)
    }

    /// Whether it is to be told which events the rows show.
    pub fn positioned(&self) -> bool {
        self.positions.unwrap_or(false)
    }

    /// The service, which goes before a list of features.
    pub fn service(&self) -> Option<&str> {
        self.feature_service.as_deref()
    }

    /// What says which features are asked: equal texts ask for the same.
    pub fn text(&self) -> String {
        let full = if self.full_names() { 'f' } else { 's' };
        match (self.service(), self.features) {
            (Some(service), _) => format!("{full}service {service}"),
            (None, features) => format!("{full}{}", features.map_or("", RawValue::get)),
        }
    }

    /// The references of features.
    pub fn features(&self) -> Result<Vec<Cow<'a, str>>, FeastError> {
        let Some(features) = self.features else { return Ok(Vec::new()) };
        let refs: BorrowedTexts<'_> = serde_json::from_str(features.get())
            .map_err(|error| FeastError::body("list_type", &["features"], error.to_string()))?;
        if refs.0.len() > FEATURES_MAX {
            let why = format!("List should have at most {FEATURES_MAX} items");
            return Err(FeastError::body("too_long", &["features"], why));
        }
        Ok(refs.0.into_iter().map(|text| text.0).collect())
    }

    /// The entities, which are at least one column, all of the same length.
    pub fn columns(&self) -> Result<Columns<'a>, FeastError> {
        let Some(entities) = self.entities else {
            return Err(FeastError::body("missing", &["entities"], "Field required"));
        };
        let members: JoinKeyColumns<'a> = serde_json::from_str(entities.get())
            .map_err(|error| FeastError::body("dict_type", &["entities"], error.to_string()))?;
        let mut columns = Columns::with_capacity(members.0.len().min(FEATURES_MAX));
        for (name, ids) in members.0 {
            if columns.iter().any(|(known, _): &(Cow<'_, str>, _)| *known == name) {
                let why = "Input should have each column once".to_owned();
                return Err(FeastError::body("dict_type", &["entities", name.as_ref()], why));
            }
            let ids: Vec<&RawValue> = serde_json::from_str(ids.get()).map_err(|error| {
                FeastError::body("list_type", &["entities", name.as_ref()], error.to_string())
            })?;
            if ids.len() > ENTITIES_MAX {
                let why = format!("List should have at most {ENTITIES_MAX} items");
                return Err(FeastError::body("too_long", &["entities", name.as_ref()], why));
            }
            columns.push((name, ids));
        }
        let mut lengths = columns.iter().map(|(_, ids)| ids.len());
        let Some(first) = lengths.next() else {
            return Err(FeastError::text("'pop from an empty set'"));
        };
        if lengths.any(|length| length != first) {
            return Err(FeastError::text("All entity rows must have the same columns."));
        }
        Ok(columns)
    }
}

/// An id as rows have it. `statuses`: where answers are to be stock Feast's, ids are read as it does; else
/// as in an event, so that whatever an event's key was finds its row.
pub(super) fn id(
    ty: Type,
    asked: &RawValue,
    statuses: Statuses,
) -> Result<Cow<'_, str>, FeastError> {
    let text = asked.get();
    let borrowed;
    let scalar = match text.as_bytes().first() {
        Some(b'"') => {
            let said: BorrowedText<'_> =
                serde_json::from_str(text).map_err(|error| no_id(text, &error))?;
            if ty == Type::Text {
                return Ok(said.0);
            }
            borrowed = said.0;
            Scalar::Text(&borrowed)
        }
        Some(b'n') => {
            return Err(FeastError::text("attribute name must be string, not 'NoneType'"));
        }
        Some(b't') => Scalar::Bool(true),
        Some(b'f') => Scalar::Bool(false),
        Some(b'[' | b'{') | None => return Err(no_id(text, &"it is no text and no number")),
        Some(_) => Scalar::Number(text),
    };
    let known = match statuses {
        Statuses::Own => as_in_events(ty, scalar),
        Statuses::Stock => as_in_python(ty, scalar),
    };
    match (known, scalar) {
        (Some(id), _) => Ok(Cow::Owned(id)),
        (None, _) if ty == Type::Int => {
            let said = match scalar {
                Scalar::Text(said) => said,
                Scalar::Number(_) | Scalar::Bool(_) => text,
            };
            let why = format!("invalid literal for int() with base 10: '{said}'");
            Err(FeastError::text(why))
        }
        (None, Scalar::Text(said)) => Ok(Cow::Owned(said.to_owned())),
        (None, Scalar::Number(_) | Scalar::Bool(_)) => Ok(Cow::Borrowed(text)),
    }
}

/// `None`: no event has it.
fn as_in_events(ty: Type, asked: Scalar<'_>) -> Option<String> {
    match conversion(ty, asked, &ReadOptions::default()) {
        Conversion::Value(Value::Text(text)) => Some(text),
        Conversion::Value(Value::Int(number)) => Some(number.to_string()),
        Conversion::Value(Value::Ip(address)) => Some(address.to_string()),
        _ => None,
    }
}

fn as_in_python(ty: Type, asked: Scalar<'_>) -> Option<String> {
    match (ty, asked) {
        (Type::Int, Scalar::Text(said)) => whole(said, true).map(|number| number.to_string()),
        (Type::Int, Scalar::Number(said)) => whole(said, false).map(|number| number.to_string()),
        (Type::Int, Scalar::Bool(value)) => Some(u8::from(value).to_string()),
        (_, Scalar::Bool(value)) => Some(if value { "True" } else { "False" }.to_owned()),
        (Type::Ip, Scalar::Text(said) | Scalar::Number(said)) => {
            parse_address(said).map(|address| address.to_string())
        }
        _ => None,
    }
}

/// An id in an answer: as it was asked for, in the type of the entity's key.
pub(super) fn echo<'a>(ty: Type, asked: &'a RawValue, id: &Cow<'a, str>) -> Cow<'a, str> {
    match ty {
        Type::Int => id.clone(),
        _ if asked.get().starts_with('"') => Cow::Borrowed(asked.get()),
        _ => Cow::Owned(quoted(id)),
    }
}

/// A whole number: a text of one, or a number whose fraction is cut off.
fn whole(said: &str, is_text: bool) -> Option<i64> {
    if let Ok(number) = said.trim().parse() {
        return Some(number);
    }
    let number: f64 = said.parse().ok().filter(|_| !is_text)?;
    // Every double up to here is a whole number that an i64 holds.
    let bound = (1_i64 << 53) as f64;
    let whole = number.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
    (whole.abs() <= bound).then_some(whole as i64)
}

fn no_id(text: &str, why: &dyn fmt::Display) -> FeastError {
    let shown: String = text.chars().take(50).collect();
    FeastError::text(format!("cannot read the id {shown}: {why}"))
}

/// A text that is borrowed where it needs no unescaping.
#[derive(Deserialize)]
struct BorrowedText<'a>(#[serde(borrow)] Cow<'a, str>);

/// BorrowedTexts.
#[derive(Deserialize)]
struct BorrowedTexts<'a>(#[serde(borrow)] Vec<BorrowedText<'a>>);

/// The members of an object in their order.
struct JoinKeyColumns<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for JoinKeyColumns<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = JoinKeyColumns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of join keys and lists of ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) =
                    map.next_entry::<BorrowedText<'de>, &'de RawValue>()?
                {
                    members.push((name.0, value));
                }
                Ok(JoinKeyColumns(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

//! Which types of a writer can be which fields of a job.

use super::program::{Step, Unit};
use super::schema::{Kind, Logical, Node};
use crate::ingest::decode::trie::Leaf;
use crate::plan::TimeForm;
use crate::value::Type;

/// The step that reads a value of type `node` into `leaf`; `None` when it can never be what is
/// wanted there. Enums aside: they bring their symbols.
pub(super) fn step(node: &Node, leaf: usize, wanted: &Leaf) -> Option<Step> {
    if wanted.object {
        return None;
    }
    let unit = unit(node.logical);
    let step = match (&node.kind, node.logical) {
        (Kind::Boolean, _) => Step::Boolean(leaf),
        (Kind::Int, _) => Step::Int(leaf, unit),
        (Kind::Long, _) => Step::Long(leaf, unit),
        (Kind::Float, _) => Step::Float(leaf),
        (Kind::Double, _) => Step::Double(leaf),
        (Kind::String, _) => Step::String(leaf),
        (Kind::Bytes, Some(Logical::Decimal(scale))) => Step::Decimal(leaf, scale),
        (Kind::Bytes, _) => Step::Bytes(leaf),
        (Kind::Fixed(length), Some(Logical::Decimal(scale))) => {
            Step::FixedDecimal(leaf, scale, *length)
        }
        (Kind::Fixed(_), Some(Logical::Uuid)) => Step::FixedUuid(leaf),
        (Kind::Fixed(length), None) => Step::Fixed(leaf, *length),
        _ => return None,
    };
    let field = wanted.field.is_none_or(|(_, ty)| match ty {
        Type::Timestamp => tells(node, &wanted.reading.time),
        ty => holds(node, ty, wanted.reading.coerce),
    });
    let mut times = [&wanted.time, &wanted.arrival].into_iter().flatten();
    let times = times.all(|form| tells(node, form));
    (field && times).then_some(step)
}

/// Whether `wanted` is text and nothing else.
pub(super) fn text(wanted: &Leaf) -> bool {
    let times = wanted.time.is_some() || wanted.arrival.is_some();
    matches!(wanted.field, Some((_, Type::Text))) && !times && !wanted.object
}

/// Whether a value of type `node` can be a field of type `ty`; with `coerce` also one that says the
/// same in another form, so that the value decides.
fn holds(node: &Node, ty: Type, coerce: bool) -> bool {
    match (&node.kind, node.logical) {
        (Kind::Boolean, _) => ty == Type::Bool || (coerce && ty == Type::Text),
        (Kind::Int | Kind::Long, Some(Logical::TimeOfDay)) => ty.is_numeric(),
        // A time's number is not its text.
        (Kind::Int | Kind::Long, Some(_)) => ty.is_numeric(),
        (Kind::Int | Kind::Long, None) => ty.is_numeric() || (coerce && ty != Type::Ip),
        (Kind::Float | Kind::Double, _) => {
            matches!(ty, Type::Double | Type::Decimal(_)) || (coerce && ty != Type::Ip)
        }
        (Kind::Bytes | Kind::Fixed(_), Some(Logical::Decimal(scale))) => {
            matches!(ty, Type::Double | Type::Decimal(_))
                || (ty == Type::Int && scale == 0)
                || (coerce && ty != Type::Ip)
        }
        (Kind::String, None) => ty.is_bytes() || coerce,
        (Kind::String | Kind::Bytes | Kind::Fixed(_), _) => ty == Type::Text,
        _ => false,
    }
}

/// Whether a value of type `node` can be a time that the job says is written in this form. A logical
/// type that is a time is read as what it is, whatever the job says.
fn tells(node: &Node, form: &TimeForm) -> bool {
    match (&node.kind, node.logical) {
        (Kind::Int | Kind::Long, Some(Logical::TimeOfDay)) => false,
        (Kind::Int | Kind::Long, Some(_)) => true,
        (Kind::Int | Kind::Long | Kind::Float | Kind::Double, _) => form.unit.is_number(),
        (Kind::Bytes | Kind::Fixed(_), Some(Logical::Decimal(_))) => form.unit.is_number(),
        (Kind::String, None) => form.unit.is_text() || form.coerce,
        _ => false,
    }
}

fn unit(logical: Option<Logical>) -> Unit {
    match logical {
        Some(Logical::Timestamp(per_ms)) => Unit::PerMs(per_ms),
        Some(Logical::Date) => Unit::Days,
        _ => Unit::Plain,
    }
}

/// What errors call a type.
pub(super) fn described(node: &Node) -> String {
    let kind = match &node.kind {
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Int => "an int",
        Kind::Long => "a long",
        Kind::Float => "a float",
        Kind::Double => "a double",
        Kind::Bytes => "bytes",
        Kind::String => "a string",
        Kind::Fixed(_) => "a fixed",
        Kind::Enum(_) => "an enum",
        Kind::Array(_) => "an array",
        Kind::Map(_) => "a map",
        Kind::Union(_) => "a union",
        Kind::Record { name, .. } => return format!("the record \"{name}\""),
    };
    match node.logical {
        None => kind.to_owned(),
        Some(Logical::Decimal(scale)) => format!("{kind} (decimal of scale {scale})"),
        Some(Logical::Date) => format!("{kind} (date)"),
        Some(Logical::TimeOfDay) => format!("{kind} (time of day)"),
        Some(Logical::Timestamp(_)) => format!("{kind} (timestamp)"),
        Some(Logical::Uuid) => format!("{kind} (uuid)"),
        Some(Logical::Duration) => format!("{kind} (duration)"),
    }
}

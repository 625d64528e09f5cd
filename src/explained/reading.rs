//! What a [`Read`] reads: over which window or of which latest event, and of which attribute.

use tidemark_operators::event_batch::NULL;
use tidemark_operators::plan::{
    EntityPlan, Kind, Mask, Read, Sequence, SequencePlan, SessionPlan, Window,
};
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct InputForm {
    /// A word for it.
    pub what: &'static str,
    /// The type of its value.
    pub ty: Type,
    /// The accumulator, where it is over a window.
    pub accumulator: Option<usize>,
    pub window: Option<Window>,
    /// Which events the latest is among, and for how long it is seen.
    pub latest: Option<(Mask, Millis)>,
    /// What it is of; of what a session keeps what that is made of.
    pub attribute: Option<usize>,
    /// The attribute that is read.
    pub target: Option<usize>,
    /// The bits that its events have.
    pub mask: Mask,
    /// Whether values are counted.
    pub by_value: bool,
    /// What one event is in particular.
    pub role: &'static str,
}

/// What `read` reads; two of a quotient.
pub(super) fn form(read: Read, entity: &EntityPlan) -> Vec<InputForm> {
    let over = |what, accumulator| of_window(what, accumulator, entity);
    match read {
        Read::Count { accumulator } => vec![over("count", accumulator)],
        Read::Sum { accumulator } => vec![over("sum", accumulator)],
        Read::Avg { accumulator } => vec![over("avg", accumulator)],
        Read::Stddev { accumulator } => vec![over("stddev", accumulator)],
        Read::Extreme { accumulator } => {
            let kind = entity.accumulators.get(accumulator).map(|accumulator| accumulator.kind);
            vec![over(if kind == Some(Kind::Min) { "min" } else { "max" }, accumulator)]
        }
        Read::Distinct { accumulator } => vec![over("distinct", accumulator)],
        Read::Entropy { accumulator, .. } => vec![over("entropy", accumulator)],
        Read::HourShare { accumulator } => vec![over("hour_share", accumulator)],
        Read::Ratio { numerator, denominator } => {
            vec![over("numerator", numerator), over("denominator", denominator)]
        }
        Read::Latest { last, attribute, horizon } => {
            vec![of_latest("latest", (last, horizon), Some(attribute), entity)]
        }
        Read::LatestTime { last, horizon } => {
            let form = of_latest("latest_time", (last, horizon), None, entity);
            vec![InputForm { ty: Type::Timestamp, ..form }]
        }
        Read::Gap { last, horizon } => vec![of_latest("gap", (last, horizon), None, entity)],
        Read::SessionSum { last, high, horizon, .. } => {
            let form = of_latest("session_sum", (last, horizon), Some(high), entity);
            vec![InputForm { ty: Type::Double, ..form }]
        }
    }
}

fn of_window(what: &'static str, at: usize, entity: &EntityPlan) -> InputForm {
    let plan = entity.accumulators.get(at);
    let attribute = plan.and_then(|plan| plan.attribute);
    let kept = attribute.and_then(|at| entity.attributes.get(at)).map(|attribute| attribute.ty);
    let ty = match (what, kept) {
        ("count" | "distinct", _) => Type::Int,
        // What the quotient is stands in the place of both its parts.
        ("max" | "min", Some(ty)) if !matches!(ty, Type::Decimal(_)) => ty,
        _ => Type::Double,
    };
    InputForm {
        what,
        ty,
        accumulator: Some(at),
        window: plan.and_then(|plan| entity.windows.get(plan.window)).copied(),
        latest: None,
        attribute,
        target: attribute,
        mask: plan.map_or(0, |plan| plan.mask),
        by_value: matches!(what, "distinct" | "entropy"),
        role: "holds it",
    }
}

fn of_latest(
    what: &'static str,
    (last, horizon): (usize, Millis),
    attribute: Option<usize>,
    entity: &EntityPlan,
) -> InputForm {
    let plan = entity.lasts.get(last);
    let target = attribute.and_then(|at| plan?.attributes.get(at)).copied();
    let part = target.and_then(|target| session_part(entity, target));
    let kept = target.and_then(|at| entity.attributes.get(at));
    let mask = plan.map_or(0, |plan| plan.mask);
    InputForm {
        what: part.as_ref().map_or(what, |part| part.what),
        ty: kept.map_or(Type::Int, |attribute| attribute.ty),
        accumulator: None,
        window: None,
        latest: Some((mask, horizon)),
        attribute: part.map_or(target, |part| part.attribute),
        target,
        mask,
        by_value: false,
        role: "the latest",
    }
}

/// The sequence that a bit or the attribute of what is read is derived by.
pub(super) fn derived_by<'p>(entity: &'p EntityPlan, form: &InputForm) -> Option<&'p SequencePlan> {
    entity.sequences.iter().find(|sequence| match sequence.what {
        Sequence::Changed { bit } => form.mask & 1 << bit != 0,
        Sequence::New { target } | Sequence::Previous { target } => form.target == Some(target),
    })
}

/// The session that is read, where it is one.
pub(super) fn session_of<'p>(entity: &'p EntityPlan, form: &InputForm) -> Option<&'p SessionPlan> {
    Some(session_part(entity, form.target?)?.session)
}

/// The events behind the latest one, `latest` itself the last: of what a session adds up those that it
/// adds, of a gap the one before it.
pub(super) fn session_rows(
    history: &Recomputed,
    form: &InputForm,
    read: Read,
    latest: u64,
) -> Vec<u64> {
    let entity = history.entity();
    if let (Read::Gap { horizon, .. }, Some((mask, _))) = (read, form.latest) {
        let before = history.newest(mask, 0, Some(latest));
        let near = |row: &u64| history.time(latest) - history.time(*row) < horizon;
        return before.filter(near).into_iter().chain([latest]).collect();
    }
    let part = form.target.and_then(|target| session_part(entity, target));
    let Some(part) = part else { return vec![latest] };
    let mut rows = history.session(part.session, latest);
    if part.is_of_first {
        rows.truncate(1);
        return rows;
    }
    rows.retain(|row| {
        let value = part.attribute.is_none_or(|at| history.word(*row, at) != NULL);
        history.bits(*row) & part.mask == part.mask && value
    });
    rows
}

/// What a session keeps in an attribute of its events.
struct SessionPart<'p> {
    session: &'p SessionPlan,
    what: &'static str,
    /// What it is of.
    attribute: Option<usize>,
    mask: Mask,
    /// It is of the session's first event alone.
    is_of_first: bool,
}

/// The session that keeps something in the attribute `target`, and what.
fn session_part(entity: &EntityPlan, target: usize) -> Option<SessionPart<'_>> {
    entity.sessions.iter().find_map(|session| {
        let first = session.firsts.iter().find(|(_, of)| *of == target);
        let count = session.counts.iter().find(|(_, of)| *of == target);
        let sum = session.sums.iter().find(|sum| sum.high == target);
        let (what, attribute, mask) = match (first, count, sum) {
            (Some((of, _)), ..) => ("session_first", Some(*of), 0),
            (_, Some((mask, _)), _) => ("session_count", None, *mask),
            (.., Some(sum)) => ("session_sum", Some(sum.attribute), sum.mask),
            _ if session.start == Some(target) => ("session_start", None, 0),
            _ => return None,
        };
        let is_of_first = matches!(what, "session_first" | "session_start");
        Some(SessionPart { session, what, attribute, mask, is_of_first })
    })
}

/// The event that holds an extreme.
pub(super) fn holder(history: &Recomputed, form: &InputForm, rows: &[u64]) -> Option<u64> {
    let attribute = form.attribute.filter(|_| matches!(form.what, "max" | "min"))?;
    let of_doubles = history.entity().attributes.get(attribute)?.ty == Type::Double;
    let order = |one: &u64, other: &u64| {
        let (one, other) = (history.word(*one, attribute), history.word(*other, attribute));
        match of_doubles {
            true => f64::from_bits(one.cast_unsigned())
                .total_cmp(&f64::from_bits(other.cast_unsigned())),
            false => one.cmp(&other),
        }
    };
    // Of equal ones the latest, which holds it longest.
    match form.what {
        "max" => rows.iter().copied().max_by(order),
        _ => rows.iter().copied().rev().min_by(order),
    }
}

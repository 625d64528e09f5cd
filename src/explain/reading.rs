//! What a [`Read`] reads: over which window or of which latest event, and of which attribute.

use tidemark_operators::event_batch::NULL;
use tidemark_operators::plan::{EntityPlan, Kind, Mask, Read, Sequence, SequencePlan, Window};
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
    pub attribute: Option<usize>,
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
    let attribute = attribute.and_then(|at| plan?.attributes.get(at)).copied();
    let kept = attribute.and_then(|at| entity.attributes.get(at));
    let mask = plan.map_or(0, |plan| plan.mask);
    InputForm {
        what,
        ty: kept.map_or(Type::Int, |attribute| attribute.ty),
        accumulator: None,
        window: None,
        latest: Some((mask, horizon)),
        attribute,
        mask,
        by_value: false,
        role: "the latest",
    }
}

/// The sequence that a bit or the attribute of what is read is derived by.
pub(super) fn derived_by<'p>(entity: &'p EntityPlan, form: &InputForm) -> Option<&'p SequencePlan> {
    entity.sequences.iter().find(|sequence| match sequence.what {
        Sequence::Changed { bit } => form.mask & 1 << bit != 0,
        Sequence::New { target } | Sequence::Previous { target } => form.attribute == Some(target),
    })
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
    let Some(attribute) = form.attribute else { return vec![latest] };
    for session in &entity.sessions {
        let first = session.start == Some(attribute)
            || session.firsts.iter().any(|(_, target)| *target == attribute);
        let counted = session.counts.iter().find(|(_, target)| *target == attribute);
        let summed = session.sums.iter().find(|sum| sum.high == attribute);
        if !first && counted.is_none() && summed.is_none() {
            continue;
        }
        let mut rows = history.session(session, latest);
        if first {
            rows.truncate(1);
        }
        let mask = counted.map_or(0, |(mask, _)| *mask) | summed.map_or(0, |sum| sum.mask);
        rows.retain(|row| {
            let value = summed.is_none_or(|sum| history.word(*row, sum.attribute) != NULL);
            history.bits(*row) & mask == mask && value
        });
        return rows;
    }
    vec![latest]
}

/// The event that is something in particular: that which holds an extreme, or the latest one.
pub(super) fn holder(history: &Recomputed, form: &InputForm, rows: &[u64]) -> Option<u64> {
    if form.latest.is_some() {
        return rows.last().copied();
    }
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

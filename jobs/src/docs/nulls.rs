//! When a feature is null, in words: from what is read of state, and from its expression.

use super::inputs::Inputs;
use super::magnitude;
use super::markdown::code;
use crate::document::quantity::show_duration;
use tidemark_operators::expression::{Arithmetic, Expr, Function};
use tidemark_operators::plan::{
    AttributePlan, EntityPlan, FeaturePlan, Feed, LookupPlan, Mask, Plan, Read, Sequence, ViewPlan,
    Window,
};
use tidemark_operators::time::Millis;
use tidemark_operators::value::{Cell, Type, Value};

/// What the null rules of a view's features are found from.
pub(super) struct Nulls<'a> {
    pub(super) plan: &'a Plan,
    pub(super) entity: &'a EntityPlan,
    pub(super) view: &'a ViewPlan,
}

/// Something that makes a value null.
struct Cause {
    /// What goes after "when".
    when: String,
    /// Whether the value may have a value all the same: a branch not taken, a bool that is decided
    /// by other terms.
    perhaps: bool,
}

impl Nulls<'_> {
    /// When `feature` is null, as Markdown: `never`, or `when ..`.
    pub(super) fn rule(&self, feature: &FeaturePlan) -> String {
        let overflows = magnitude::overflows(self.entity, self.view, feature.column);
        let overflow = "a number on the way is beyond 1.8e308";
        match (feature.nullable, overflows) {
            (false, false) => return "never".to_owned(),
            (false, true) => return format!("only when {overflow}"),
            (true, _) => {}
        }
        let mut causes = Vec::new();
        self.column(feature.column, &mut causes);
        let (mut sure, mut perhaps): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for cause in causes {
            let to = if cause.perhaps { &mut perhaps } else { &mut sure };
            if !to.contains(&cause.when) {
                to.push(cause.when);
            }
        }
        if overflows {
            sure.push(overflow.to_owned());
        }
        perhaps.retain(|when| !sure.contains(when));
        let (sure, perhaps) = (null_or_zero(sure), null_or_zero(perhaps));
        let mut rules = Vec::new();
        if !sure.is_empty() {
            rules.push(format!("when {}", sure.join(", or ")));
        }
        if !perhaps.is_empty() {
            let perhaps = perhaps.join(", or ");
            rules.push(format!("when {perhaps}, if the result depends on it"));
        }
        if rules.is_empty() { "possible".to_owned() } else { rules.join("; ") }
    }

    /// What makes the column at `index` null.
    fn column(&self, index: usize, causes: &mut Vec<Cause>) {
        if let Some(read) = self.view.reads.get(index) {
            causes.extend(self.read(*read).map(|when| Cause { when, perhaps: false }));
        } else if let Some(expr) =
            index.checked_sub(self.view.reads.len()).and_then(|at| self.view.derived.get(at))
        {
            self.expr(expr, causes);
        }
    }

    /// What makes a read null; nothing does for most.
    fn read(&self, read: Read) -> Option<String> {
        match read {
            Read::Count { .. }
            | Read::Sum { .. }
            | Read::Distinct { .. }
            | Read::Entropy { .. }
            | Read::SessionSum { .. }
            | Read::Ratio { .. } => None,
            Read::Avg { accumulator }
            | Read::Stddev { accumulator }
            | Read::Extreme { accumulator } => Some(self.empty_window(accumulator)),
            Read::HourShare { accumulator } => Some(self.empty_window(accumulator)),
            Read::Latest { last, attribute, horizon } => {
                Some(self.no_latest(last, attribute, horizon))
            }
            Read::LatestTime { last, horizon } => Some(self.silent(last, horizon)),
            Read::Gap { last, horizon } => {
                let (silent, within) = (self.silent(last, horizon), show_duration(horizon));
                Some(format!("{silent}, or there is none less than {within} before it"))
            }
        }
    }

    /// `the 24h window holds no event`, `the 24h window holds no event with amount`.
    fn empty_window(&self, accumulator: usize) -> String {
        let accumulator = self.entity.accumulators.get(accumulator);
        let attribute = accumulator.and_then(|it| it.attribute);
        let attribute = attribute.and_then(|at| Some((at, self.entity.attributes.get(at)?)));
        let window = accumulator.and_then(|it| self.entity.windows.get(it.window));
        let over = window.map_or_else(String::new, |window| shown_window(*window));
        let matching = self.matching(accumulator.map_or(0, |it| it.mask));
        match attribute {
            Some((at, _)) if self.always_found(at) => format!("{over} holds no {matching}event"),
            Some((at, attribute)) if !self.always_sent(at, attribute) => {
                let is_named = !attribute.derived || self.lookup(at).is_some();
                let what = if is_named { code(&attribute.name) } else { "a value".to_owned() };
                format!("{over} holds no {matching}event with {what}")
            }
            _ => format!("{over} holds no {matching}event"),
        }
    }

    fn no_latest(&self, last: usize, attribute: usize, horizon: Millis) -> String {
        let silent = self.silent(last, horizon);
        let of_last = self.entity.lasts.get(last);
        let at = of_last.and_then(|it| it.attributes.get(attribute));
        let missing = at.and_then(|at| self.missing(*at, self.latest(horizon)));
        missing.map_or(silent.clone(), |missing| format!("{silent}, or {missing}"))
    }

    /// The event that a feature shown for `horizon` is about.
    fn latest(&self, horizon: Millis) -> &'static str {
        let inputs = Inputs { entity: self.entity, view: self.view };
        if inputs.gap(horizon).is_some() { "the session's last event" } else { "the latest" }
    }

    /// What makes the attribute at `at` of the latest event null; nothing, when it is always there.
    fn missing(&self, at: usize, latest: &str) -> Option<String> {
        let attribute = self.entity.attributes.get(at)?;
        if !attribute.derived {
            let name = code(&attribute.name);
            return (!self.always_sent(at, attribute)).then(|| format!("{latest} has no {name}"));
        }
        if let Some(lookup) = self.lookup(at) {
            return (!self.always_found(at)).then(|| self.not_found(lookup, latest));
        }
        let firsts = self.entity.sessions.iter().flat_map(|session| &session.firsts);
        if let Some((of, _)) = firsts.into_iter().find(|(_, target)| *target == at) {
            return self.missing(*of, "its first event");
        }
        let sequences = self.entity.sequences.iter();
        let mut found = sequences.filter_map(|sequence| match sequence.what {
            Sequence::New { target } if target == at => self.missing(sequence.attribute, latest),
            Sequence::Previous { target } if target == at => {
                let within = show_duration(sequence.horizon);
                let none = format!("there is none less than {within} before it");
                let missing = self.missing(sequence.attribute, "that one");
                Some(missing.map_or(none.clone(), |missing| format!("{none}, or {missing}")))
            }
            _ => None,
        });
        found.next()
    }

    fn lookup(&self, at: usize) -> Option<&LookupPlan> {
        self.entity.lookups.iter().find(|lookup| lookup.target == at)
    }

    /// Whether the attribute is looked up for every event, and has a default.
    fn always_found(&self, at: usize) -> bool {
        self.lookup(at).is_some_and(|lookup| {
            let sources = self.entity.sources.iter().enumerate();
            let all = sources.filter(|(_, source)| source.is_some());
            let asked = |at: usize| lookup.sources.get(at).copied().unwrap_or(false);
            lookup.default != Cell::Null && all.into_iter().all(|(at, _)| asked(at))
        })
    }

    fn not_found(&self, lookup: &LookupPlan, latest: &str) -> String {
        let key = self.entity.attributes.get(lookup.key).map_or("", |key| key.name.as_str());
        let table = self.plan.tables.get(lookup.table);
        let column = table.and_then(|table| table.columns.get(lookup.column));
        let (table, column) =
            (table.map_or("", |it| it.name.as_str()), column.map_or("", |it| it.name.as_str()));
        let (key, table, column) = (code(key), code(table), code(column));
        if lookup.default != Cell::Null {
            return format!("{latest} is of a source that looks up nothing in {table}");
        }
        format!("{latest} has no {key}, or {table} no row for it or no {column} in that")
    }

    /// Whether every event has the attribute: no source leaves it out.
    fn always_sent(&self, at: usize, attribute: &AttributePlan) -> bool {
        let required = |source: usize, feed: &Feed| match feed {
            Feed::Field(column) => self.plan.sources.get(source).is_some_and(|source| {
                let field = source.fields.get(*column);
                // What is computed is there.
                field.map_or(*column < source.columns(), |field| field.required)
            }),
            Feed::Absent | Feed::Tuple(_) => false,
        };
        let mut sources = self.entity.sources.iter().enumerate();
        !attribute.derived
            && sources.all(|(at_source, source)| {
                let feed = source.as_ref().and_then(|source| source.attributes.get(at));
                // Of a source that the entity does not have there are no events.
                source.is_none() || feed.is_some_and(|feed| required(at_source, feed))
            })
    }

    /// `no event yet, or the latest is 30d old`, and what that is for a session.
    fn silent(&self, last: usize, horizon: Millis) -> String {
        let inputs = Inputs { entity: self.entity, view: self.view };
        if inputs.gap(horizon).is_some() {
            return "no session is open".to_owned();
        }
        let matching = self.matching(self.entity.lasts.get(last).map_or(0, |last| last.mask));
        format!("there is no {matching}event yet, or the latest is {} old", show_duration(horizon))
    }

    /// A word for events that a feature picks among the view's.
    fn matching(&self, mask: Mask) -> &'static str {
        if mask == self.view.mask { "" } else { "matching " }
    }

    fn expr(&self, expr: &Expr, causes: &mut Vec<Cause>) {
        if !expr.nullable() {
            return;
        }
        match expr {
            Expr::Input { index, .. } => self.input(*index, causes),
            Expr::Literal(_) | Expr::IsNull(_) => {}
            Expr::Negate(arg) | Expr::Not(arg) | Expr::In { arg, .. } => self.expr(arg, causes),
            Expr::Compare { left, right, .. } => self.all([&**left, right], causes),
            Expr::Arithmetic { op, left, right } => {
                self.all([&**left, right], causes);
                causes.extend(self.arithmetic(*op, left, right));
            }
            Expr::Least(args) | Expr::Greatest(args) => self.all(args, causes),
            Expr::And(args) | Expr::Or(args) | Expr::Coalesce(args) => self.perhaps(args, causes),
            // A null condition counts as false.
            Expr::If { yes, no, .. } => self.perhaps([&**yes, no], causes),
            Expr::Apply { function, arg } => {
                self.expr(arg, causes);
                let outside = match function {
                    Function::Sqrt => "the number under the root is negative",
                    Function::Ln => "the number of the logarithm is 0 or negative",
                    Function::Abs | Function::Clamp01 | Function::Hour | Function::Weekday => {
                        return;
                    }
                };
                causes.push(Cause { when: outside.to_owned(), perhaps: false });
            }
        }
    }

    fn all<'e>(&self, args: impl IntoIterator<Item = &'e Expr>, causes: &mut Vec<Cause>) {
        args.into_iter().for_each(|arg| self.expr(arg, causes));
    }

    fn perhaps<'e>(&self, args: impl IntoIterator<Item = &'e Expr>, causes: &mut Vec<Cause>) {
        let mut found = Vec::new();
        self.all(args, &mut found);
        causes.extend(found.into_iter().map(|cause| Cause { perhaps: true, ..cause }));
    }

    /// An input by its feature's name; by what makes it null where it is not shown.
    fn input(&self, index: usize, causes: &mut Vec<Cause>) {
        match self.name(index) {
            Some(name) => {
                causes.push(Cause { when: format!("{} is null", code(name)), perhaps: false });
            }
            None => self.column(index, causes),
        }
    }

    fn name(&self, index: usize) -> Option<&str> {
        let features = &self.view.features;
        features.iter().find(|it| it.column == index).map(|feature| feature.name.as_str())
    }

    /// What can make an operation null whose operands are not.
    fn arithmetic(&self, op: Arithmetic, left: &Expr, right: &Expr) -> Option<Cause> {
        let when = match (op, op.result(left.ty(), right.ty())) {
            (Arithmetic::Divide, _) => match right {
                Expr::Literal(Value::Int(divisor) | Value::Decimal(divisor, _))
                    if *divisor != 0 =>
                {
                    return None;
                }
                Expr::Literal(Value::Double(divisor)) if *divisor != 0.0 => return None,
                Expr::Input { index, .. } => match self.name(*index) {
                    Some(name) => format!("{} is 0", code(name)),
                    None => "its divisor is 0".to_owned(),
                },
                _ => "its divisor is 0".to_owned(),
            },
            (_, Some(Type::Double)) => return None,
            (_, Some(Type::Decimal(scale))) => {
                format!("a sum or product is beyond 9.2e{}", 18_u8.saturating_sub(scale))
            }
            _ => "a sum or product is beyond 9.2e18".to_owned(),
        };
        Some(Cause { when, perhaps: false })
    }
}

/// With `x is null` and `x is 0` as one.
fn null_or_zero(causes: Vec<String>) -> Vec<String> {
    let null_of = |cause: &str| cause.strip_suffix(" is 0").map(|name| format!("{name} is null"));
    let zero_of = |cause: &str| cause.strip_suffix(" is null").map(|name| format!("{name} is 0"));
    let has = |other: Option<String>| other.is_some_and(|other| causes.contains(&other));
    let kept = causes.iter().filter(|cause| !has(null_of(cause)));
    let joined = kept.map(|cause| match has(zero_of(cause)) {
        true => format!("{cause} or 0"),
        false => cause.clone(),
    });
    joined.collect()
}

/// `the 24h window`, `the 24h window, delayed 7d,`.
fn shown_window(window: Window) -> String {
    let length = show_duration(window.length);
    match window.delay {
        0 => format!("the {length} window"),
        delay => format!("the {length} window, delayed {},", show_duration(delay)),
    }
}

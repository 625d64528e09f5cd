//! What tuples, sequences, sessions and hours of the day compile to.

use super::{SMALL, changed, job};
use crate::{BEHAVIOR, PERSONALIZATION};
use tidemark_operators::expression::{Arithmetic, Expr};
use tidemark_operators::plan::{
    AccumulatorPlan, AttributePlan, EntityPlan, Feed, Kind, LastPlan, Read, Sequence, SequencePlan,
    SessionPlan, SessionSum, Storage, ViewPlan, Window,
};
use tidemark_operators::time::{DAY, HOUR, MINUTE};
use tidemark_operators::value::{Type, Value};

/// The gap of `session = "30m"`, and how long such a session is seen.
const GAP: u64 = 30 * MINUTE;
const OPEN: u64 = GAP + 1;

/// The entity of a job whose view `activity` has only these features; its `where` is bit 0, and
/// `amount` and `country` are fields 1 and 2.
fn entity(features: &str) -> EntityPlan {
    let small =
        changed("amount_sum_5m = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }", "");
    let small = small.replace("mean = { expression = 'amount_sum_5m / count_5m' }", "");
    let text = small.replace("count_5m = { aggregate = \"count\", window = \"5m\" }", features);
    job(&text).plan.entities[0].clone()
}

fn derived(name: &str, ty: Type, storage: Storage, dictionary: Option<usize>) -> AttributePlan {
    AttributePlan::derived(name, ty, storage, dictionary)
}

fn input(index: usize, ty: Type) -> Expr {
    Expr::Input { index, ty, nullable: true }
}

fn literal(value: i64) -> Expr {
    Expr::Literal(Value::Int(value))
}

fn or_zero(expr: Expr, zero: Value) -> Expr {
    Expr::Coalesce(vec![expr, Expr::Literal(zero)])
}

fn divided(left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op: Arithmetic::Divide, left: Box::new(left), right: Box::new(right) }
}

fn types(view: &ViewPlan) -> Vec<(Type, bool)> {
    view.features.iter().map(|feature| (feature.ty, feature.nullable)).collect()
}

#[test]
fn several_fields_are_one_symbol_that_features_share() {
    let card = entity(
        "a = { aggregate = \"distinct\", of = [\"country\", \"amount\"], window = \"5m\" }\n\
         b = { aggregate = \"entropy\", of = [\"country\", \"amount\"], window = \"5m\" }\n\
         c = { aggregate = \"distinct\", of = [\"amount\", \"country\"], window = \"5m\" }",
    );
    let sent = |name: &str| AttributePlan::sent(name, Type::Text, Storage::Symbol);
    assert_eq!(card.attributes, [sent("(country, amount)"), sent("(amount, country)")]);
    let feeds = &card.sources[0].as_ref().expect("the source feeds it").attributes;
    assert_eq!(feeds, &[Feed::Tuple(vec![2, 1]), Feed::Tuple(vec![1, 2])]);
    let accumulator =
        |kind, attribute| AccumulatorPlan { kind, attribute: Some(attribute), mask: 1, window: 0 };
    assert_eq!(card.accumulators, [accumulator(Kind::Entropy, 0), accumulator(Kind::Distinct, 1)]);
}

/// Two sources of one entity; `refunds` has these fields besides its key.
fn two_sources(fields: &str, view: &str) -> String {
    format!(
        "{SMALL}\n[sources.refunds]\ntopic = \"refunds\"\ntime = \"at\"\nout_of_orderness = \"0s\"\n\
         [sources.refunds.fields]\ncard_id = \"string\"\n{fields}\n[views.both]\nentity = \"card\"\n\
         {view}\n[views.both.features]\n\
         a = {{ aggregate = \"distinct\", of = [\"country\", \"amount\"], window = \"5m\" }}\n"
    )
    .replace("where = 'amount > 0'", "source = \"payments\"\nwhere = 'amount > 0'")
}

#[test]
fn a_source_without_any_field_of_a_tuple_has_nulls_there() {
    let both = "sources = [\"payments\", \"refunds\"]";
    let feeds = |text: &str| {
        let plan = job(text).plan;
        let card = &plan.entities[0];
        let tuple = card.attributes.iter().position(|it| it.name == "(country, amount)");
        let sources = card.sources.iter().map(|it| it.clone().expect("it feeds it").attributes);
        sources.map(|attributes| attributes[tuple.expect("a tuple")].clone()).collect::<Vec<_>>()
    };
    // The amount is the second and the country the third field of both.
    let tuple = || Feed::Tuple(vec![2, 1]);
    assert_eq!(feeds(&two_sources("", both)), [tuple(), Feed::Absent]);
    let same = "amount = \"decimal?\"\ncountry = \"string?\"";
    assert_eq!(feeds(&two_sources(same, both)), [tuple(), tuple()]);
    // A source that the view does not read has none: its events are not the view's.
    let beside = format!(
        "{}[views.refunded]\nentity = \"card\"\nsource = \"refunds\"\nfeatures = {{ n = {{ \
         aggregate = \"count\", window = \"1m\" }} }}\n",
        two_sources("country = \"string?\"", "source = \"payments\"")
    );
    assert_eq!(feeds(&beside), [tuple(), Feed::Absent]);
}

#[test]
fn a_change_is_a_filter_bit_that_no_source_sets() {
    let card = entity(
        "a = { aggregate = \"changes\", of = \"country\", window = \"1h\", delay = \"5m\" }\n\
         b = { aggregate = \"change_ratio\", of = \"country\", window = \"1h\", delay = \"5m\" }\n\
         c = { aggregate = \"changes\", of = \"amount\", window = \"1h\", where = 'large', horizon = \"1d\" }",
    );
    assert_eq!(card.filters, 4);
    let bits = &card.sources[0].as_ref().expect("the source feeds it").bits;
    assert_eq!(bits, &[Some(0), None, Some(1), None]);
    let sequence = |mask, attribute, horizon, bit| SequencePlan {
        mask,
        attribute,
        horizon,
        what: Sequence::Changed { bit },
    };
    assert_eq!(card.sequences, [sequence(0b001, 0, 30 * DAY, 1), sequence(0b101, 1, DAY, 3)]);
    assert!(card.attributes.iter().all(|it| it.storage == Storage::Symbol && !it.derived));
    let delayed = Window { length: HOUR, delay: 5 * MINUTE };
    assert_eq!(card.windows, [delayed, Window { length: HOUR, delay: 0 }]);
    let count = |mask, window| AccumulatorPlan { kind: Kind::Count, attribute: None, mask, window };
    assert_eq!(card.accumulators, [count(0b0011, 0), count(0b0001, 0), count(0b1101, 1)]);
    let view = &card.views[0];
    let ratio = Read::Ratio { numerator: 0, denominator: 1 };
    let counted = |accumulator| Read::Count { accumulator };
    assert_eq!(view.reads, [counted(0), ratio, counted(2)]);
    assert_eq!(types(view), [(Type::Int, false), (Type::Double, false), (Type::Int, false)]);
    // A window holds the events that are no changes, too, and looking back keeps no row alive.
    assert_eq!(view.extents, [(0b001, HOUR + 5 * MINUTE)]);
}

#[test]
fn bits_of_changes_are_never_taken_for_each_other() {
    let card = entity(
        "a = { aggregate = \"changes\", of = \"country\", window = \"1h\" }\n\
         b = { aggregate = \"changes\", of = \"country\", window = \"1h\", horizon = \"1d\" }\n\
         c = { aggregate = \"changes\", of = [\"country\", \"card_id\"], window = \"1h\" }",
    );
    let masks: Vec<u64> = card.accumulators.iter().map(|it| it.mask).collect();
    assert_eq!(masks, [0b0011, 0b0101, 0b1001]);
}

#[test]
fn whether_a_value_is_new_is_kept_with_the_event_and_read_from_the_latest() {
    let card = entity(
        "a = { aggregate = \"is_new\", of = \"country\", horizon = \"7d\" }\n\
         b = { aggregate = \"is_new\", of = \"country\", horizon = \"7d\", where = 'large' }",
    );
    let new =
        |at| derived(&format!("sequence {at}: is country new"), Type::Bool, Storage::Wide, None);
    let country = AttributePlan::sent("country", Type::Text, Storage::Symbol);
    assert_eq!(card.attributes, [country, new(0), new(1)]);
    let feeds = &card.sources[0].as_ref().expect("the source feeds it").attributes;
    assert_eq!(feeds, &[Feed::Field(2), Feed::Absent, Feed::Absent]);
    let sequence = |mask, target| SequencePlan {
        mask,
        attribute: 0,
        horizon: 7 * DAY,
        what: Sequence::New { target },
    };
    assert_eq!(card.sequences, [sequence(0b01, 1), sequence(0b11, 2)]);
    let last = |mask, attribute| LastPlan { mask, attributes: vec![attribute], horizon: 7 * DAY };
    assert_eq!(card.lasts, [last(0b01, 1), last(0b11, 2)]);
    let view = &card.views[0];
    let read = |last| Read::Latest { last, attribute: 0, horizon: 7 * DAY };
    assert_eq!(view.reads, [read(0), read(1)]);
    assert_eq!(types(view), [(Type::Bool, true); 2]);
    assert_eq!(view.extents, [(0b01, 7 * DAY)]);
}

#[test]
fn a_previous_value_is_kept_as_the_field_itself_and_by_its_dictionary() {
    let card = entity(
        "a = { aggregate = \"previous\", of = \"country\" }\n\
         b = { aggregate = \"previous\", of = \"amount\", horizon = \"1d\" }\n\
         c = { aggregate = \"previous\", of = \"score\" }\n\
         d = { aggregate = \"previous\", of = \"timestamp\" }",
    );
    let names: Vec<&str> = card.attributes.iter().map(|it| it.name.as_str()).collect();
    let country = "sequence 0: previous country";
    assert_eq!(names[..2], ["country", country]);
    assert_eq!(card.attributes[1], derived(country, Type::Text, Storage::Symbol, Some(0)));
    let amount = derived("sequence 1: previous amount", Type::DECIMAL, Storage::Wide, None);
    assert_eq!(card.attributes[3], amount);
    let previous = |attribute, horizon| SequencePlan {
        mask: 1,
        attribute,
        horizon,
        what: Sequence::Previous { target: attribute + 1 },
    };
    let month = 30 * DAY;
    let wanted = [previous(0, month), previous(2, DAY), previous(4, month), previous(6, month)];
    assert_eq!(card.sequences, wanted);
    assert_eq!(card.lasts.len(), 1);
    let view = &card.views[0];
    let shown = [Type::Text, Type::Double, Type::Double, Type::Timestamp].map(|ty| (ty, true));
    assert_eq!(types(view), shown);
    // A decimal is shown as a double.
    assert_eq!(view.derived, [divided(input(1, Type::DECIMAL), literal(1))]);
}

#[test]
fn sessions_of_the_same_events_and_gap_are_one_with_what_features_ask_of_it() {
    let card = entity(
        "n = { aggregate = \"count\", session = \"30m\" }\n\
         big = { aggregate = \"count\", session = \"30m\", where = 'large' }\n\
         share = { aggregate = \"ratio\", session = \"30m\", where = 'large' }\n\
         sum = { aggregate = \"sum\", of = \"amount\", session = \"30m\", where = 'large' }\n\
         from = { aggregate = \"first\", session = \"30m\" }\n\
         to = { aggregate = \"last\", session = \"30m\" }\n\
         entry = { aggregate = \"first\", of = \"country\", session = \"30m\" }\n\
         exit = { aggregate = \"last\", of = \"country\", session = \"30m\" }\n\
         minutes = { aggregate = \"duration\", session = \"30m\", unit = \"min\" }\n\
         also_from = { aggregate = \"first\", of = \"timestamp\", session = \"30m\" }\n\
         other = { aggregate = \"count\", session = \"1h\" }",
    );
    let wide = |name: &str, ty| derived(name, ty, Storage::Wide, None);
    assert_eq!(
        card.attributes,
        [
            wide("session 0: events with 0b1", Type::Int),
            wide("session 0: events with 0b11", Type::Int),
            AttributePlan::sent("amount", Type::DECIMAL, Storage::Wide),
            wide("session 0: sum of amount with 0b11, high", Type::DECIMAL),
            wide("session 0: sum of amount with 0b11, low", Type::DECIMAL),
            wide("session 0: start", Type::Timestamp),
            AttributePlan::sent("country", Type::Text, Storage::Symbol),
            derived("session 0: first country", Type::Text, Storage::Symbol, Some(6)),
            wide("session 1: events with 0b1", Type::Int),
        ]
    );
    let session = SessionPlan {
        mask: 1,
        gap: GAP,
        start: Some(5),
        firsts: vec![(6, 7)],
        counts: vec![(0b01, 0), (0b11, 1)],
        sums: vec![SessionSum { mask: 0b11, attribute: 2, high: 3, low: 4 }],
    };
    let other = SessionPlan {
        mask: 1,
        gap: HOUR,
        start: None,
        firsts: Vec::new(),
        counts: vec![(0b01, 8)],
        sums: Vec::new(),
    };
    assert_eq!(card.sessions, [session, other]);
    let last = LastPlan { mask: 1, attributes: vec![0, 1, 3, 4, 5, 7, 6, 8], horizon: HOUR + 1 };
    assert_eq!(card.lasts, [last]);
    assert!(card.windows.is_empty() && card.accumulators.is_empty() && card.sequences.is_empty());
}

#[test]
fn a_closed_session_counts_nothing_and_lasts_no_time() {
    let card = entity(
        "n = { aggregate = \"count\", session = \"30m\", where = 'large' }\n\
         share = { aggregate = \"ratio\", session = \"30m\", where = 'large' }\n\
         sum = { aggregate = \"sum\", of = \"amount\", session = \"30m\" }\n\
         minutes = { aggregate = \"duration\", session = \"30m\", unit = \"min\" }\n\
         millis = { aggregate = \"duration\", session = \"30m\" }\n\
         from = { aggregate = \"first\", session = \"30m\" }\n\
         entry = { aggregate = \"first\", of = \"amount\", session = \"30m\" }\n\
         exit = { aggregate = \"last\", of = \"country\", session = \"30m\" }",
    );
    let view = &card.views[0];
    let of = |attribute| Read::Latest { last: 0, attribute, horizon: OPEN };
    assert_eq!(
        view.reads,
        [
            of(0),
            of(1),
            Read::SessionSum { last: 0, high: 2, low: 3, horizon: OPEN },
            Read::LatestTime { last: 0, horizon: OPEN },
            of(4),
            of(5),
            of(6),
        ]
    );
    let ratio = divided(input(0, Type::Int), input(1, Type::Int));
    let (time, start) = (input(3, Type::Timestamp), input(4, Type::Timestamp));
    let op = Arithmetic::Subtract;
    let length = Expr::Arithmetic { op, left: Box::new(time), right: Box::new(start) };
    let length = || or_zero(length.clone(), Value::Int(0));
    assert_eq!(
        view.derived,
        [
            or_zero(input(0, Type::Int), Value::Int(0)),
            or_zero(ratio, Value::Double(0.0)),
            divided(length(), literal(60_000)),
            divided(length(), literal(1)),
            divided(input(5, Type::DECIMAL), literal(1)),
        ]
    );
    let double = (Type::Double, false);
    assert_eq!(types(view)[..5], [(Type::Int, false), double, double, double, double]);
    let nullable = [Type::Timestamp, Type::Double, Type::Text].map(|ty| (ty, true));
    assert_eq!(types(view)[5..], nullable);
    // The filter narrows what is counted, not what the session is.
    assert_eq!(view.extents, [(1, OPEN)]);
}

#[test]
fn the_share_of_an_hour_has_an_accumulator_without_an_attribute() {
    let card = entity("a = { aggregate = \"hour_share\", window = \"30d\", where = 'large' }");
    let hours = AccumulatorPlan { kind: Kind::Hours, attribute: None, mask: 0b11, window: 0 };
    assert_eq!(card.accumulators, [hours]);
    let view = &card.views[0];
    assert_eq!(view.reads, [Read::HourShare { accumulator: 0 }]);
    assert_eq!(types(view), [(Type::Double, true)]);
    assert_eq!(view.extents, [(0b11, 30 * DAY)]);
}

#[test]
fn a_view_like_another_of_other_events_has_sessions_and_changes_of_its_own() {
    let features = "n = { aggregate = \"count\", session = \"30m\" }\n\
                    c = { aggregate = \"changes\", of = \"country\", window = \"1h\" }\nmean = {";
    let text = format!(
        "{}\n[views.b]\nentity = \"card\"\nlike = \"activity\"\n\
         [views.c]\nentity = \"card\"\nlike = \"activity\"\nwhere = 'amount > 5'\n",
        changed("mean = {", features)
    );
    let plan = job(&text).plan;
    let card = &plan.entities[0];
    // Bits of views come first, then those of changes, as features are met.
    let masks: Vec<u64> = card.views.iter().map(|view| view.mask).collect();
    assert_eq!((card.filters, masks), (4, vec![0b01, 0b01, 0b10]));
    let sessions: Vec<u64> = card.sessions.iter().map(|it| it.mask).collect();
    assert_eq!(sessions, [0b01, 0b10]);
    let what: Vec<Sequence> = card.sequences.iter().map(|it| it.what).collect();
    assert_eq!(what, [Sequence::Changed { bit: 2 }, Sequence::Changed { bit: 3 }]);
    assert_eq!(card.views[0].reads, card.views[1].reads);
}

#[test]
fn users_of_clicks_have_one_session_and_no_sequences() {
    let plan = job(PERSONALIZATION).plan;
    let [user, session] = &plan.entities[..] else { panic!("two entities") };
    let kept = |entity: &EntityPlan| {
        let [session] = &entity.sessions[..] else { panic!("one session") };
        (session.mask, session.gap, session.start.is_some(), session.counts.len())
    };
    // Page views and additions to the cart, and purchases.
    assert_eq!(kept(user), (0, GAP, true, 3));
    assert_eq!(kept(session), (0, GAP, true, 4));
    assert_eq!(user.views[0].extents, [(0, OPEN)]);
    assert_eq!(session.views[0].extents, [(0, OPEN)]);
    assert!(user.sequences.is_empty() && session.windows.is_empty());
}

#[test]
fn behaviors_views_share_their_changes_and_the_last_one_sees_as_far_as_the_others() {
    let plan = job(BEHAVIOR).plan;
    let user = &plan.entities[0];
    // Three changes, and two values that may be new.
    assert_eq!((user.sequences.len(), user.sessions.len(), user.lasts.len()), (5, 1, 1));
    assert!(user.sequences.iter().all(|it| (it.mask, it.horizon) == (0, 30 * DAY)));
    let bits = &user.sources[0].as_ref().expect("the source feeds it").bits;
    assert_eq!(bits.iter().filter(|bit| bit.is_none()).count(), 3);
    let hours = user.accumulators.iter().filter(|it| it.kind == Kind::Hours);
    assert_eq!(hours.count(), 1);
    for view in &user.views {
        assert_eq!(view.extents, [(0, 30 * DAY)], "{}", view.name);
    }
}

#[test]
fn what_a_feature_is_and_sees_is_told_in_words() {
    let text = changed(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "a = { aggregate = \"changes\", of = [\"country\", \"card_id\"], window = \"1h\", where = 'large' }\n\
         b = { aggregate = \"previous\", of = \"country\", where = 'large' }\n\
         c = { aggregate = \"is_new\", of = \"country\", horizon = \"1d\" }\n\
         d = { aggregate = \"first\", session = \"30m\" }\n\
         e = { aggregate = \"last\", of = \"country\", session = \"30m\" }\n\
         f = { aggregate = \"duration\", session = \"1h30m\", unit = \"h\" }\n\
         g = { aggregate = \"hour_share\", window = \"30d\", delay = \"1d\" }\n\
         h = { aggregate = \"sum\", of = \"amount\", session = \"30m\", where = 'large' }",
    );
    let view = job(&text).views.remove(0);
    let told = view.features.iter().skip(2);
    let told: Vec<String> = told.map(|it| format!("{}: {}", it.over, it.definition)).collect();
    assert_eq!(
        told,
        [
            "1h: changes of (country, card_id) where large (looking back 30d)",
            "latest, 30d: country of the event before the latest one where large",
            "latest, 24h: whether no event of the 24h before the latest one has its country",
            "session, 30m: time of the first event",
            "session, 30m: country of the last event",
            "session, 1h30m: hours from the first event to the last",
            "30d, delayed 24h: events in the latest one's hour of the day / in the busiest hour",
            "session, 30m: sum of amount where large",
        ]
    );
}

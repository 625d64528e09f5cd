//! What jobs compile to.

use super::{SMALL, changed, job};
use crate::{FRAUD, plan_hash};
use tidemark_operators::expression::{Arithmetic, Expr};
use tidemark_operators::plan::{
    AccumulatorPlan, Arrival, Computed, EntityPlan, Feed, Format, Kind, Read, Start, Storage,
    TimeUnit, ViewPlan, Window,
};
use tidemark_operators::time::{DAY, HOUR, MINUTE, SECOND};
use tidemark_operators::value::{Type, Value};

fn view(text: &str) -> ViewPlan {
    job(text).plan.view(0).expect("a view").clone()
}

fn entity(text: &str) -> EntityPlan {
    job(text).plan.entities[0].clone()
}

fn with_feature(feature: &str) -> String {
    changed("mean = { expression = 'amount_sum_5m / count_5m' }", feature)
}

#[test]
fn fields_have_aliases_and_defaults_and_the_plans_number_knows_them() {
    let plan = |field: &str| job(&changed("amount = \"decimal\"", field)).plan;
    let long = |rest: &str| plan(&format!("amount = {{ type = \"decimal\", {rest} }}"));
    let both = long(r#"path = "a.b", aliases = ["c", "d.e"], default = 0.000002"#);
    let amount = &both.sources[0].fields[1];
    assert_eq!(amount.path.join("."), "a.b");
    let aliases: Vec<String> = amount.aliases.iter().map(|path| path.join(".")).collect();
    assert_eq!(aliases, ["c", "d.e"]);
    assert_eq!(amount.default, Some(Value::Decimal(2, 6)));
    let numbers = ["default = 1", "default = +1.5", "aliases = [\"c\"]", "aliases = [\"d\"]"]
        .map(|rest| plan_hash(&long(rest)));
    let distinct: std::collections::BTreeSet<u64> = numbers.into_iter().collect();
    assert_eq!(distinct.len(), numbers.len());
    let default = |ty: &str, written: &str| {
        let country = format!("country = {{ type = \"{ty}\", default = {written} }}");
        job(&changed("country = \"string?\"", &country)).plan.sources[0].fields[2].default.clone()
    };
    assert_eq!(default("int", "0x1F"), Some(Value::Int(31)));
    assert_eq!(default("int", "1_000"), Some(Value::Int(1_000)));
    assert_eq!(default("double", "1e3"), Some(Value::Double(1e3)));
    assert_eq!(default("string", "\"q\\\"\""), Some(Value::Text("q\"".into())));
    for time in ["1970-01-01T00:00:01Z", "\"1970-01-01T00:00:01Z\"", "1_000"] {
        assert_eq!(default("timestamp", time), Some(Value::Timestamp(1_000)), "{time}");
    }
}

#[test]
fn an_avro_source_waits_a_minute_for_schemas_unless_it_says_otherwise() {
    let source = |place: &str| job(&changed("topic = \"payments\"", place)).plan.sources[0].clone();
    let avro = source("topic = \"payments\"\nformat = \"avro\"");
    assert_eq!((avro.format, avro.schema_wait), (Format::Avro, MINUTE));
    let patient = source("topic = \"payments\"\nformat = \"avro\"\nschema_wait = \"1h\"");
    assert_eq!(patient.schema_wait, 60 * MINUTE);
    let report =
        job(&changed("topic = \"payments\"", "files = [\"a\"]\nformat = \"avro\"")).report();
    assert!(report.contains("files   a, avro"), "{report}");
}

#[test]
fn a_small_job_compiles_to_what_it_says() {
    let job = job(SMALL);
    let source = &job.plan.sources[0];
    assert_eq!(source.name, "payments");
    assert_eq!(source.topic.as_deref(), Some("payments"));
    assert_eq!(source.format, Format::Json);
    assert_eq!(source.start, Start::Earliest);
    assert_eq!((source.time.path[0].as_str(), source.time.form.unit), ("timestamp", TimeUnit::Ms));
    assert_eq!(source.out_of_orderness, 5 * SECOND);
    assert_eq!((source.idle_after, source.hold_max), (30 * SECOND, MINUTE));
    assert_eq!(source.max_future_skew, None);
    // Optional fields that nothing needs are left out; the event time is not a field.
    let fields: Vec<&str> = source.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(fields, ["card_id", "amount"]);
    assert_eq!(source.keys, [0]);
    assert_eq!(source.predicates.len(), 1);
    let card = &job.plan.entities[0];
    assert_eq!(card.filters, 1);
    let feeds = card.sources[0].as_ref().expect("the source feeds the entity");
    assert_eq!(
        (feeds.key, &feeds.attributes[..], &feeds.bits[..]),
        (0, &[Feed::Field(1)][..], &[Some(0)][..])
    );
    assert_eq!(card.windows, [Window { length: 5 * MINUTE, delay: 0 }]);
    let count = AccumulatorPlan { kind: Kind::Count, attribute: None, mask: 1, window: 0 };
    let sum = AccumulatorPlan { kind: Kind::Sum, attribute: Some(0), mask: 1, window: 0 };
    assert_eq!(card.accumulators, [count, sum]);
    assert!(card.lasts.is_empty());
    let view = &card.views[0];
    assert_eq!((view.mask, view.ttl), (1, 2 * DAY));
    assert_eq!(view.reads, [Read::Count { accumulator: 0 }, Read::Sum { accumulator: 1 }]);
    assert_eq!(view.derived.len(), 1);
    let columns: Vec<usize> = view.features.iter().map(|feature| feature.column).collect();
    assert_eq!(columns, [0, 1, 2]);
    assert_eq!(view.extents, [(1, 5 * MINUTE)]);
}

#[test]
fn a_required_field_is_read_even_when_nothing_needs_it() {
    let text = changed("country = \"string?\"", "country = \"string\"");
    let fields = &job(&text).plan.sources[0].fields;
    assert!(fields.iter().any(|field| field.name == "country" && field.required));
}

#[test]
fn fields_are_read_from_their_paths() {
    let text = changed(
        "amount = \"decimal\"",
        "amount = { type = \"decimal\", path = \"data.money\", optional = true }",
    );
    let fields = &job(&text).plan.sources[0].fields;
    let amount = fields.iter().find(|field| field.name == "amount").expect("it is summed");
    assert_eq!(amount.path, ["data", "money"]);
    assert!(!amount.required);
}

#[test]
fn a_field_takes_what_its_source_does_unless_it_says_something_else() {
    let text = changed(
        "[sources.payments.fields]",
        "coerce = \"none\"\nnull_values = [\"N/A\", \"\"]\n[sources.payments.fields]",
    );
    let text = text.replace(
        "amount = \"decimal\"",
        "amount = { type = \"decimal\", coerce = \"exact\", null_values = [] }",
    );
    let loaded = job(&text);
    let fields = &loaded.plan.sources[0].fields;
    assert!(!fields[0].reading.coerce && fields[1].reading.coerce);
    assert_eq!(fields[0].reading.null_values, ["N/A", ""]);
    assert!(fields[1].reading.null_values.is_empty());
    let report = loaded.report();
    assert!(
        report.contains("reads   card_id string (in its own form only), amount decimal"),
        "{report}"
    );
    let report = job(SMALL).report();
    let reads = "reads   card_id string (from text or whole number), amount decimal";
    assert!(report.contains(reads), "{report}");
}

#[test]
fn an_entity_may_have_a_key_that_is_an_int() {
    let loaded = job(&changed("card_id = \"string\"", "card_id = \"int\""));
    assert_eq!(loaded.plan.sources[0].fields[0].ty, Type::Int);
    assert!(loaded.report().contains("card_id int (from text or whole number)"));
}

#[test]
fn every_way_to_start_is_understood() {
    let start = |to: &str| {
        let text =
            changed("topic = \"payments\"", &format!("topic = \"payments\"\nstart = \"{to}\""));
        job(&text).plan.sources[0].start
    };
    assert_eq!(start("earliest"), Start::Earliest);
    assert_eq!(start("latest"), Start::Latest);
    assert_eq!(start("6h ago"), Start::Ago(6 * HOUR));
    assert_eq!(start("1970-01-01T00:00:01.5Z"), Start::At(1_500));
    assert_eq!(start("1970-01-01T01:00:00+01:00"), Start::At(0));
}

#[test]
fn every_unit_of_time_is_understood_short_and_long() {
    let unit = |time: &str| {
        let text = changed("{ field = \"timestamp\", unit = \"ms\" }", time);
        let time = job(&text).plan.sources[0].time.clone();
        (time.path.join("."), time.form.unit)
    };
    assert_eq!(unit("\"at\""), ("at".into(), TimeUnit::Ms));
    assert_eq!(unit("{ field = \"at\" }"), ("at".into(), TimeUnit::Ms));
    assert_eq!(unit("{ field = \"meta.at\", unit = \"s\" }"), ("meta.at".into(), TimeUnit::S));
    assert_eq!(unit("{ field = \"at\", unit = \"us\" }"), ("at".into(), TimeUnit::Us));
    assert_eq!(unit("{ field = \"at\", unit = \"rfc3339\" }"), ("at".into(), TimeUnit::Rfc3339));
}

#[test]
fn settings_of_a_source_and_a_job_reach_the_plan() {
    let text = changed(
        "topic = \"payments\"",
        "files = [\"a.jsonl\", \"b.jsonl\"]\nformat = \"json\"\nidle_after = \"1m\"\nhold_max = \"2m\"\n\
         max_future_skew = \"10m\"\narrival_field = { field = \"received\", unit = \"s\" }\n\
         event_time_min = \"2000-01-01T00:00:00Z\"\nevent_time_max = \"2001-01-01T00:00:00Z\"",
    );
    let text = text.replace(
        "name = \"small\"",
        "name = \"small\"\ntimezone = \"Europe/Berlin\"\ndistinct_max = 7",
    );
    let plan = job(&text).plan;
    let source = &plan.sources[0];
    assert_eq!((source.topic.as_deref(), source.files.len()), (None, 2));
    assert_eq!((source.idle_after, source.hold_max), (MINUTE, 2 * MINUTE));
    assert_eq!(source.max_future_skew, Some(10 * MINUTE));
    assert_eq!(source.arrival.field().map(|it| it.form.unit), Some(TimeUnit::S));
    assert_eq!((source.earliest, source.latest), (946_684_800_000, 978_307_200_000));
    assert_eq!((plan.zone.name.as_str(), plan.distinct_max), ("Europe/Berlin", Some(7)));
    assert!(plan.zone.offsets.len() > 100);
}

#[test]
fn a_delay_lengthens_how_long_an_event_keeps_the_row() {
    let view = view(&with_feature(
        "late = { aggregate = \"count\", window = \"1h\", delay = \"7d\", where = 'large' }",
    ));
    // The filter's bit is the second: the view's own comes first.
    assert_eq!(view.extents, [(0b01, 5 * MINUTE), (0b11, 7 * DAY + HOUR)]);
}

#[test]
fn equal_state_is_shared_between_views() {
    let text = format!(
        "{SMALL}\n[views.again]\nentity = \"card\"\nwhere = 'amount  > 0'\nlike = \"activity\"\n"
    );
    let card = entity(&text);
    assert_eq!(card.views.len(), 2);
    assert_eq!((card.filters, card.accumulators.len(), card.windows.len()), (1, 2, 1));
    assert_eq!(card.views[0].reads, card.views[1].reads);
}

#[test]
fn a_view_like_another_takes_its_filter_unless_it_has_one() {
    let like = |extra: &str| {
        entity(&format!("{SMALL}\n[views.b]\nentity = \"card\"\nlike = \"activity\"\n{extra}"))
    };
    let same = like("");
    assert_eq!(same.views[1].mask, same.views[0].mask);
    let other = like("where = 'amount > 5'\n");
    assert_eq!((other.views[0].mask, other.views[1].mask), (0b01, 0b10));
}

#[test]
fn latest_values_share_the_state_of_the_latest_event() {
    let card = entity(&with_feature(
        "a = { aggregate = \"latest\", of = \"amount\", horizon = \"1h\" }\n\
         b = { aggregate = \"latest\", of = \"country\" }\n\
         c = { aggregate = \"previous_gap\", horizon = \"2d\" }\n\
         d = { aggregate = \"latest\", of = \"timestamp\" }\n\
         e = { aggregate = \"latest\", of = \"country\", where = 'large' }",
    ));
    assert_eq!(card.lasts.len(), 2);
    assert_eq!(card.lasts[0].horizon, 30 * DAY);
    let kept: Vec<&str> =
        card.lasts[0].attributes.iter().map(|at| card.attributes[*at].name.as_str()).collect();
    assert_eq!(kept, ["amount", "country"]);
    let view = &card.views[0];
    assert_eq!(view.reads[2], Read::Latest { last: 0, attribute: 0, horizon: HOUR });
    assert_eq!(view.reads[3], Read::Latest { last: 0, attribute: 1, horizon: 30 * DAY });
    assert_eq!(view.reads[4], Read::Gap { last: 0, horizon: 2 * DAY });
    assert_eq!(view.reads[5], Read::LatestTime { last: 0, horizon: 30 * DAY });
    assert_eq!(view.reads[6], Read::Latest { last: 1, attribute: 0, horizon: 30 * DAY });
    let types: Vec<Type> = view.features.iter().skip(2).map(|feature| feature.ty).collect();
    assert_eq!(types, [Type::Double, Type::Text, Type::Int, Type::Timestamp, Type::Text]);
    assert!(view.features.iter().skip(2).all(|feature| feature.nullable));
    // The longest horizon over all of the view's events implies everything else.
    assert_eq!(view.extents, [(1, 30 * DAY)]);
}

#[test]
fn a_decimal_is_shown_as_a_double_by_dividing_it_by_one() {
    let view = view(&with_feature("a = { aggregate = \"latest\", of = \"amount\" }"));
    let amount = Expr::Input { index: 2, ty: Type::DECIMAL, nullable: true };
    let one = Expr::Literal(Value::Int(1));
    let quotient =
        Expr::Arithmetic { op: Arithmetic::Divide, left: Box::new(amount), right: Box::new(one) };
    assert_eq!(view.derived, [quotient]);
    assert_eq!(view.features[2].column, 3);
}

#[test]
fn an_attribute_summed_and_counted_distinct_is_kept_twice() {
    let card =
        entity(&with_feature("a = { aggregate = \"distinct\", of = \"amount\", window = \"1h\" }"));
    let kept: Vec<(&str, Storage)> =
        card.attributes.iter().map(|it| (it.name.as_str(), it.storage)).collect();
    assert_eq!(kept, [("amount", Storage::Wide), ("amount", Storage::Symbol)]);
}

#[test]
fn every_aggregate_compiles_to_its_read() {
    let read = |feature: &str| view(&with_feature(&format!("a = {feature}"))).reads.pop();
    let sum = Some(Read::Sum { accumulator: 2 });
    assert_eq!(read("{ aggregate = \"sum\", of = \"amount\", window = \"1h\" }"), sum);
    let avg = Some(Read::Avg { accumulator: 1 });
    assert_eq!(read("{ aggregate = \"avg\", of = \"amount\", window = \"5m\" }"), avg);
    let stddev = Some(Read::Stddev { accumulator: 1 });
    assert_eq!(read("{ aggregate = \"stddev\", of = \"amount\", window = \"5m\" }"), stddev);
    let extreme = Some(Read::Extreme { accumulator: 2 });
    assert_eq!(read("{ aggregate = \"max\", of = \"amount\", window = \"5m\" }"), extreme);
    assert_eq!(read("{ aggregate = \"min\", of = \"timestamp\", window = \"5m\" }"), extreme);
    let distinct = Some(Read::Distinct { accumulator: 2 });
    assert_eq!(read("{ aggregate = \"distinct\", of = \"country\", window = \"5m\" }"), distinct);
    let entropy = |normalised| Some(Read::Entropy { accumulator: 2, normalised });
    let written = "aggregate = \"entropy\", of = \"country\", window = \"5m\"";
    assert_eq!(read(&format!("{{ {written} }}")), entropy(false));
    assert_eq!(read(&format!("{{ {written}, normalised = true }}")), entropy(true));
    let ratio = |numerator, denominator| Some(Read::Ratio { numerator, denominator });
    let written = "aggregate = \"ratio\", window = \"5m\", where = 'large'";
    assert_eq!(read(&format!("{{ {written} }}")), ratio(2, 0));
    let over = format!("{{ {written}, over = 'country != \"US\"' }}");
    assert_eq!(read(&over), ratio(2, 3));
}

#[test]
fn a_sum_and_a_deviation_or_a_distinct_count_and_an_entropy_share_one_accumulator() {
    let keys = "of = \"country\", window = \"1h\"";
    for (first, second) in [("distinct", "entropy"), ("entropy", "distinct")] {
        let card = entity(&with_feature(&format!(
            "a = {{ aggregate = \"{first}\", {keys} }}\nb = {{ aggregate = \"{second}\", {keys} }}\n\
             c = {{ aggregate = \"stddev\", of = \"amount\", window = \"5m\" }}"
        )));
        let kinds: Vec<Kind> = card.accumulators.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [Kind::Count, Kind::Moments, Kind::Entropy]);
    }
}

#[test]
fn the_event_time_becomes_a_column_where_it_is_aggregated_or_filtered_and_is_not_decoded_twice() {
    for name in ["timestamp", "event_time"] {
        let max = format!("a = {{ aggregate = \"max\", of = \"{name}\", window = \"5m\" }}");
        let filter = format!("'hour({name}) < 6'");
        for text in [with_feature(&max), changed("'amount > 0'", &filter)] {
            let source = &job(&text).plan.sources[0];
            assert_eq!(
                (source.fields.len(), &source.computed[..]),
                (2, &[Computed::EventTime][..])
            );
        }
    }
}

#[test]
fn a_feature_comes_before_a_field_of_its_name_except_in_definitions() {
    let view = view(&with_feature(
        "amount = { aggregate = \"count\", window = \"1h\" }\n\
         twice = { expression = 'if(large, amount * 2, 0)' }",
    ));
    let twice = view.derived.last().expect("a derived feature");
    let mut inputs = twice.inputs();
    inputs.sort_unstable();
    // The count over an hour, and the latest amount that `large` compares.
    let reads: Vec<Read> = inputs.iter().map(|at| view.reads[*at]).collect();
    assert!(
        matches!(reads[..], [Read::Count { accumulator: 2 }, Read::Latest { .. }]),
        "{reads:?}"
    );
}

#[test]
fn a_feature_of_another_view_brings_its_reads_and_extents() {
    let text = format!(
        "{SMALL}\n[views.other]\nentity = \"card\"\n[views.other.features]\n\
         twice = {{ expression = 'activity.mean * 2' }}\n\
         seen = {{ aggregate = \"count\", window = \"1m\" }}\n"
    );
    let card = entity(&text);
    let other = &card.views[1];
    assert_eq!((other.mask, other.reads.len(), other.derived.len()), (0, 3, 2));
    assert_eq!(other.extents, [(0, MINUTE), (1, 5 * MINUTE)]);
    assert_eq!(card.accumulators.len(), 3);
}

#[test]
fn hidden_features_are_columns_and_not_features() {
    let text = changed(
        "amount_sum_5m = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }",
        "amount_sum_5m = { aggregate = \"sum\", of = \"amount\", window = \"5m\", hidden = true }",
    );
    let view = view(&text);
    let names: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["count_5m", "mean"]);
    assert_eq!(view.reads.len(), 2);
}

#[test]
fn a_view_may_read_several_sources_of_its_entity() {
    let second = "\n[sources.refunds]\ntopic = \"refunds\"\ntime = \"at\"\nout_of_orderness = \"0s\"\n\
         [sources.refunds.fields]\ncard = \"string\"\namount = \"decimal\"\n";
    let text = format!("{SMALL}{second}")
        .replace("key = \"card_id\"", "keys = { payments = \"card_id\", refunds = \"card\" }")
        .replace("where = 'amount > 0'", "sources = [\"payments\", \"refunds\"]")
        .replace(
            "mean = { expression",
            "abroad = { aggregate = \"count\", window = \"5m\", where = 'country != \"US\"' }\nmean = { expression",
        );
    let text = format!(
        "{text}\n[views.only]\nentity = \"card\"\nsource = \"refunds\"\n[views.only.features]\n\
         n = {{ aggregate = \"count\", window = \"1m\" }}\n"
    );
    let card = entity(&text);
    assert_eq!(card.filters, 2);
    let both: Vec<_> = card.sources.iter().map(|it| it.clone().expect("it feeds it")).collect();
    // The view over both sees everything; the view of one source has the first bit.
    assert_eq!((card.views[0].mask, card.views[1].mask), (0b00, 0b01));
    assert_eq!((both[0].bits[0].is_some(), both[1].bits[0].is_some()), (false, true));
    // Refunds have no country: there it is null, and the filter is still evaluated.
    assert!(both[0].bits[1].is_some() && both[1].bits[1].is_some());
    assert_eq!(
        (&both[0].attributes[0], &both[1].attributes[0]),
        (&Feed::Field(1), &Feed::Field(1))
    );
}

#[test]
fn the_hash_tells_plans_apart() {
    let hash = |text: &str| plan_hash(&job(text).plan);
    assert_eq!(hash(SMALL), hash(SMALL));
    assert_ne!(
        hash(SMALL),
        hash(&changed("out_of_orderness = \"5s\"", "out_of_orderness = \"6s\""))
    );
}

#[test]
fn frauds_entities_share_windows_and_accumulators() {
    let plan = job(FRAUD).plan;
    let card = &plan.entities[0];
    // declined and high_risk; no view has a filter.
    assert_eq!(card.filters, 2);
    assert!(card.views.iter().all(|view| view.mask == 0));
    assert_eq!(card.windows.len(), 4);
    // Three counts, sum and average as one, maximum, the day's average and deviation as one,
    // countries, entropy, high risk; declined, addresses, merchants, devices.
    assert_eq!(card.accumulators.len(), 13);
    assert_eq!(card.lasts.len(), 1);
    assert_eq!(card.views[0].extents, [(0, 30 * DAY)]);
    assert_eq!(card.views[1].extents, [(0, DAY)]);
}

#[test]
fn an_event_may_be_as_far_ahead_of_its_arrival_as_out_of_order_unless_the_source_says_otherwise() {
    let times = |lines: &str| {
        let text = changed("topic = \"payments\"", &format!("topic = \"payments\"\n{lines}"));
        let source = &job(&text).plan.sources[0];
        (source.arrival.clone(), source.max_ahead, source.out_of_orderness)
    };
    let (arrival, max_ahead, out_of_orderness) = times("");
    assert_eq!((arrival, max_ahead), (Arrival::Timestamp, Some(out_of_orderness)));
    assert_eq!(times("arrival = \"timestamp\"\nmax_ahead = \"0s\"").1, Some(0));
    assert_eq!(times("max_ahead = \"none\"").1, None);
    let (arrival, max_ahead, _) = times("arrival_field = \"received\"\nmax_ahead = \"1m\"");
    assert_eq!(arrival.field().map(|field| field.path.join(".")), Some("received".to_owned()));
    assert_eq!(max_ahead, Some(MINUTE));
    let (arrival, max_ahead, _) = times("arrival = \"none\"");
    assert_eq!((arrival, max_ahead), (Arrival::Unknown, None));
}

#[test]
fn the_report_says_how_far_ahead_an_event_may_be_and_that_a_refused_one_is_in_no_feature() {
    let report = |lines: &str| {
        job(&changed("topic = \"payments\"", &format!("topic = \"payments\"\n{lines}"))).report()
    };
    let said = report("max_ahead = \"1m\"\nmax_future_skew = \"10m\"");
    let arrival = "  arrival the record's timestamp, an event is at most 1m ahead of it\n";
    assert!(said.contains(arrival), "{said}");
    let note = "  note    what is more than 10m ahead is refused: it is in no feature\n";
    assert!(said.contains(note), "{said}");
    assert!(!report("").contains("refused"));
    let none = "  arrival none: no time is corrected, no clock is bounded\n";
    assert!(report("arrival = \"none\"").contains(none));
}

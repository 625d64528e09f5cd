use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Clock(Instant);

impl Clock {
    fn after(&self, seconds: f64) -> Instant {
        self.0 + Duration::from_secs_f64(seconds)
    }
}

fn cache(limits: RegistryLimits) -> (Cache, Clock) {
    (Cache::new(limits, 60 * SECOND), Clock(Instant::now()))
}

fn found(text: &str) -> Fetched {
    Fetched::Found(text.into())
}

fn denied() -> Fetched {
    Fetched::Denied("no such schema".to_owned())
}

fn trouble(all: bool) -> Fetched {
    Fetched::Trouble { all, pause: None }
}

fn known(text: &str) -> (Schema, bool) {
    (Schema::Known(text.into()), false)
}

/// Goes on as the fetcher does, always with the same answer, until `end`; gives every moment at
/// which it asked.
fn asked(
    cache: &mut Cache,
    mut now: Instant,
    end: Instant,
    mut answer: impl FnMut() -> Fetched,
) -> Vec<Instant> {
    let mut moments = Vec::new();
    loop {
        match cache.next(now) {
            Next::Ask(id) => {
                moments.push(now);
                cache.answered(id, answer(), now);
            }
            Next::Wait(Some(left)) if now + left <= end => now += left,
            Next::Wait(_) => return moments,
        }
    }
}

#[test]
fn an_id_is_asked_for_once_however_many_ask() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    let now = clock.after(0.0);
    assert_eq!(cache.next(now), Next::Wait(None));
    assert_eq!(cache.ask(7, now), (Schema::Pending, true));
    assert_eq!(cache.ask(7, now), (Schema::Pending, false));
    assert_eq!(cache.next(now), Next::Ask(7));
    assert_eq!(cache.answered(7, found("x"), now), Change::Known);
    assert_eq!(cache.next(now), Next::Wait(None));
    assert_eq!(cache.ask(7, clock.after(1e6)), known("x"));
}

#[test]
fn trouble_is_never_a_verdict_and_pauses_double_up_to_their_bound() {
    for all in [true, false] {
        let (mut cache, clock) = cache(RegistryLimits::default());
        cache.ask(7, clock.after(0.0));
        let moments = asked(&mut cache, clock.after(0.0), clock.after(3_600.0), || trouble(all));
        let pauses: Vec<_> = moments.windows(2).map(|w| (w[1] - w[0]).as_millis()).collect();
        assert_eq!(pauses[..8], [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert!(moments.len() > 300);
        let (schema, _) = cache.ask(7, clock.after(3_600.0));
        assert_eq!(schema, Schema::Pending);
        // After trouble the first success ends all pauses.
        let at = clock.after(3_700.0);
        assert_eq!(cache.answered(7, found("x"), at), Change::Known);
        cache.ask(8, at);
        assert_eq!(cache.next(at), Next::Ask(8));
    }
}

#[test]
fn trouble_with_one_id_does_not_hold_up_another() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    let now = clock.after(0.0);
    cache.ask(7, now);
    cache.answered(7, trouble(false), now);
    cache.ask(8, now);
    assert_eq!(cache.next(now), Next::Ask(8));
    cache.answered(8, trouble(true), now);
    cache.ask(9, now);
    assert_eq!(cache.next(now), Next::Wait(Some(SECOND / 5)), "nothing is asked of nobody");
}

#[test]
fn the_registry_may_wish_for_a_longer_pause() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    let now = clock.after(0.0);
    cache.ask(7, now);
    cache.answered(7, Fetched::Trouble { all: true, pause: Some(30 * SECOND) }, now);
    assert_eq!(cache.next(now), Next::Wait(Some(30 * SECOND)));
}

#[test]
fn an_id_that_is_denied_for_all_of_schema_wait_is_unknown_then_and_not_before() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    cache.ask(7, clock.after(0.0));
    assert_eq!(cache.answered(7, denied(), clock.after(0.0)), Change::Denied);
    assert_eq!(cache.counts(), (0, 1, 0, Some(7)));
    let before = asked(&mut cache, clock.after(0.0), clock.after(59.999), denied);
    assert_eq!(cache.ask(7, clock.after(59.999)).0, Schema::Pending);
    assert!(before.len() > 5);
    assert_eq!(cache.next(clock.after(60.0)), Next::Ask(7));
    let Change::Unknown(reason) = cache.answered(7, denied(), clock.after(60.0)) else { panic!() };
    assert_eq!(&*reason, "no such schema (asked again for 60s)");
    assert_eq!(cache.ask(7, clock.after(60.0)), (Schema::Unknown(reason), false));
    assert_eq!(cache.counts(), (0, 0, 1, None));
}

#[test]
fn time_in_which_the_registry_did_not_answer_is_no_denial() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    cache.ask(7, clock.after(0.0));
    cache.answered(7, denied(), clock.after(0.0));
    cache.answered(7, denied(), clock.after(10.0));
    cache.answered(7, trouble(true), clock.after(20.0));
    // Away for a day; the ten seconds before still count.
    assert_eq!(cache.answered(7, denied(), clock.after(86_400.0)), Change::None);
    assert_eq!(cache.answered(7, denied(), clock.after(86_449.999)), Change::None);
    assert!(matches!(cache.answered(7, denied(), clock.after(86_450.0)), Change::Unknown(_)));
}

#[test]
fn an_unknown_id_is_asked_for_again_when_records_come_and_never_pending() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    cache.ask(7, clock.after(0.0));
    cache.answered(7, denied(), clock.after(0.0));
    cache.answered(7, denied(), clock.after(60.0));
    assert_eq!(cache.next(clock.after(1_000.0)), Next::Wait(None), "nobody asked");
    assert!(!cache.ask(7, clock.after(119.9)).1, "too early");
    let (schema, more) = cache.ask(7, clock.after(120.0));
    assert!(matches!(schema, Schema::Unknown(_)) && more);
    assert_eq!(cache.next(clock.after(120.0)), Next::Ask(7));
    assert_eq!(cache.answered(7, trouble(true), clock.after(120.0)), Change::None);
    assert!(cache.ask(7, clock.after(180.0)).1);
    assert_eq!(cache.answered(7, denied(), clock.after(180.0)), Change::None);
    assert!(cache.ask(7, clock.after(240.0)).1);
    assert_eq!(cache.answered(7, found("late"), clock.after(240.0)), Change::Known);
    assert_eq!(cache.ask(7, clock.after(240.0)), known("late"));
}

#[test]
fn what_can_never_be_used_is_unknown_at_once_and_for_good() {
    let (mut cache, clock) = cache(RegistryLimits::default());
    cache.ask(7, clock.after(0.0));
    let refused = Fetched::Refused("PROTOBUF".to_owned());
    assert!(matches!(cache.answered(7, refused, clock.after(0.0)), Change::Unknown(_)));
    assert!(!cache.ask(7, clock.after(1e6)).1);
    assert_eq!(cache.next(clock.after(1e6)), Next::Wait(None));
}

#[test]
fn ids_and_bytes_are_bounded_and_what_was_not_asked_for_the_longest_goes_first() {
    let limits = RegistryLimits { ids_max: 3, bytes_max: 10, ..RegistryLimits::default() };
    let (mut cache, clock) = cache(limits);
    let now = clock.after(0.0);
    for id in 1..=3 {
        cache.ask(id, now);
        cache.answered(id, found("abc"), now);
    }
    cache.ask(1, now);
    assert_eq!(cache.ask(4, now), (Schema::Pending, true));
    assert_eq!(cache.counts(), (2, 1, 0, None));
    assert_eq!(cache.ask(1, now), known("abc"));
    assert_eq!(cache.ask(3, now), known("abc"));
    cache.answered(4, found("12345678"), now);
    assert_eq!((cache.bytes(), cache.counts().0), (8, 1), "only the newest is left");
    // Ids that are waited for are never forgotten: a further one is not taken up.
    for id in 5..=7 {
        cache.ask(id, now);
    }
    assert_eq!(cache.ask(8, now), (Schema::Pending, false));
    assert_eq!(cache.counts(), (0, 3, 0, None));
    cache.answered(5, found("x"), now);
    assert_eq!(cache.ask(8, now), (Schema::Pending, true));
}

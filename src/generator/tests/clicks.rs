//! Claims about visits to the shop.

use super::{each, options};
use crate::generator::{Options, Profile};
use serde::Deserialize;
use std::collections::HashMap;
use tidemark_operators::time::{HOUR, MINUTE};

/// A click as it is described, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Click {
    event_id: String,
    user_id: String,
    session_id: Option<String>,
    event_type: String,
    page: String,
    product_id: Option<String>,
    dwell_time_sec: Option<f64>,
    scroll_depth: Option<f64>,
    timestamp: u64,
}

/// All clicks, by user in the order of time; those of an instant in the order of their numbers.
fn clicks(events: u64) -> Vec<Vec<Click>> {
    let mut users: HashMap<String, Vec<Click>> = HashMap::new();
    each(&Options { events, ..options(Profile::Personalization) }, |record| {
        let click: Click = serde_json::from_slice(record.line).expect("a click");
        assert_eq!(record.key, click.user_id.as_bytes());
        users.entry(click.user_id.clone()).or_default().push(click);
    });
    let mut users: Vec<_> = users.into_values().collect();
    users.iter_mut().for_each(|clicks| clicks.sort_by_key(|c| c.timestamp));
    users
}

/// Visits, as gaps of 30 minutes part them.
fn visits(user: &[Click]) -> impl Iterator<Item = &[Click]> {
    user.chunk_by(|a, b| b.timestamp - a.timestamp <= 30 * MINUTE)
}

fn share(part: usize, of: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(of).unwrap())
}

#[test]
fn clicks_have_the_fields_that_their_type_has() {
    let all: Vec<Click> = clicks(30_000).into_iter().flatten().collect();
    for click in &all {
        assert!(click.event_id.starts_with("clk_"));
        let is_view = click.event_type == "page_view";
        assert_eq!(is_view, is_view && click.page.starts_with('/'));
        assert!(click.dwell_time_sec.is_none_or(|d| is_view && d > 0.0 && d <= 1_200.0));
        assert!(click.scroll_depth.is_none_or(|s| is_view && (0.0..=1.0).contains(&s)));
        let needs_product = match click.event_type.as_str() {
            "page_view" => click.page.starts_with("/product/"),
            "click" | "cart_add" | "cart_remove" | "purchase" => true,
            other => {
                assert_eq!(other, "search");
                false
            }
        };
        assert_eq!(click.product_id.is_some(), needs_product, "{click:?}");
    }
    let of =
        |event_type| share(all.iter().filter(|c| c.event_type == event_type).count(), all.len());
    for (event_type, least, most) in [
        ("page_view", 0.55, 0.75),
        ("click", 0.15, 0.3),
        ("search", 0.03, 0.1),
        ("cart_add", 0.03, 0.08),
        ("cart_remove", 0.001, 0.02),
        ("purchase", 0.005, 0.03),
    ] {
        assert!((least..most).contains(&of(event_type)), "{event_type}: {}", of(event_type));
    }
    let without = share(all.iter().filter(|c| c.session_id.is_none()).count(), all.len());
    assert!((0.02..0.15).contains(&without), "{without}");
    let dwell: Vec<f64> = all.iter().filter_map(|c| c.dwell_time_sec).collect();
    let short = share(dwell.iter().filter(|d| **d < 20.0).count(), dwell.len());
    let long = share(dwell.iter().filter(|d| **d > 60.0).count(), dwell.len());
    assert!((0.4..0.8).contains(&short) && (0.02..0.2).contains(&long), "{short} {long}");
}

#[test]
fn a_visit_has_gaps_of_seconds_to_minutes_and_one_id_and_hours_lie_between_visits() {
    let users = clicks(60_000);
    let (mut gaps, mut between, mut visits_of_one_id, mut all) = (Vec::new(), Vec::new(), 0, 0);
    for user in &users {
        let visits: Vec<&[Click]> = visits(user).collect();
        for visit in &visits {
            gaps.extend(visit.windows(2).map(|pair| pair[1].timestamp - pair[0].timestamp));
            let mut ids: Vec<_> = visit.iter().filter_map(|c| c.session_id.as_ref()).collect();
            ids.dedup();
            visits_of_one_id += usize::from(ids.len() <= 1);
        }
        all += visits.len();
        between.extend(
            visits.windows(2).map(|pair| pair[1][0].timestamp - pair[0].last().unwrap().timestamp),
        );
    }
    gaps.sort_unstable();
    let median = gaps[gaps.len() / 2];
    assert!((3_000..30_000).contains(&median), "{median}");
    assert!(share(gaps.iter().filter(|g| **g > 10 * MINUTE).count(), gaps.len()) < 0.01);
    assert!(share(visits_of_one_id, all) > 0.99, "{visits_of_one_id} of {all}");
    let of_hours = between.iter().filter(|gap| **gap > HOUR - MINUTE).count();
    assert!(between.len() > 1_000 && share(of_hours, between.len()) > 0.95);
}

#[test]
fn visits_follow_the_funnel_and_most_drop_off_before_its_end() {
    let users = clicks(60_000);
    let (mut all, mut with_cart, mut with_purchase) = (0, 0, 0);
    for visit in users.iter().flat_map(|user| visits(user)) {
        all += 1;
        let (mut in_cart, mut checkout) = (0_i32, false);
        for click in visit {
            match click.event_type.as_str() {
                "page_view" => checkout = click.page == "/checkout",
                "cart_add" => in_cart += 1,
                "cart_remove" => {
                    assert!(in_cart > 0, "{visit:?}");
                    in_cart -= 1;
                }
                "purchase" => {
                    assert!(in_cart > 0 && checkout, "{visit:?}");
                    in_cart = 0;
                }
                _ => {}
            }
        }
        let has = |event_type| visit.iter().any(|c| c.event_type == event_type);
        with_cart += usize::from(has("cart_add"));
        with_purchase += usize::from(has("purchase"));
        assert!(has("page_view") || visit.len() < 3);
    }
    let (cart, purchase) = (share(with_cart, all), share(with_purchase, all));
    assert!((0.15..0.45).contains(&cart) && (0.03..0.15).contains(&purchase), "{cart} {purchase}");
}

#[test]
fn a_few_users_click_much_more_than_most() {
    let mut counts: Vec<usize> = clicks(60_000).iter().map(Vec::len).collect();
    counts.sort_unstable();
    let (median, top) = (counts[counts.len() / 2], counts[counts.len() - 20]);
    assert!(top > 5 * median, "{median} {top}");
}

//! The job `personalization`, as the catalogue words it.

use super::arithmetic::{avg, clamp01, ratio};
use super::oracle::{AsOf, Job, MINUTE, Row, View, micros};
use super::record::Event;

pub const PERSONALIZATION: Job = Job {
    name: "personalization",
    source: "clicks",
    views: &[
        View {
            name: "user_engagement_5m",
            entity: "user",
            key: "user_id",
            keeps: 30 * MINUTE + 1,
            row: engagement,
        },
        View {
            name: "session_stats",
            entity: "session",
            key: "session_id",
            keeps: 30 * MINUTE + 1,
            row: session_stats,
        },
    ],
    complete: |e| e.text("user_id").is_some(),
};

fn of(events: &[&Event], event_type: &str) -> usize {
    events.iter().filter(|e| e.is("event_type", event_type)).count()
}

fn engagement(h: &AsOf<'_>) -> Row {
    let (five, session) = (h.within(5 * MINUTE), h.session());
    let minutes = h.session_minutes();
    let pages = of(&session, "page_view");
    let dwell = avg(&micros(&five, "dwell_time_sec"));
    let scroll = avg(&micros(&five, "scroll_depth"));
    let clicks = ratio(of(&five, "click"), of(&five, "page_view"));
    let cart_adds = of(&session, "cart_add");
    let score = 0.30 * clamp01(minutes / 10.0)
        + 0.20 * clamp01(pages as f64 / 10.0)
        + 0.20 * clamp01(dwell.unwrap_or(0.0) / 60.0)
        + 0.15 * clamp01(scroll.unwrap_or(0.0))
        + 0.15 * clamp01(clicks);
    vec![
        ("session_duration_min", minutes.into()),
        ("pages_per_session", pages.into()),
        ("avg_dwell_time_sec", dwell.into()),
        ("avg_scroll_depth", scroll.into()),
        ("click_rate_5m", clicks.into()),
        ("cart_adds_session", cart_adds.into()),
        ("conversion_rate_session", ratio(of(&session, "purchase"), pages).into()),
        ("engagement_score", score.into()),
        ("is_likely_purchaser", (cart_adds >= 1 && score >= 0.5).into()),
    ]
}

fn session_stats(h: &AsOf<'_>) -> Row {
    let session = h.session();
    vec![
        ("events", session.len().into()),
        ("pages", of(&session, "page_view").into()),
        ("cart_adds", of(&session, "cart_add").into()),
        ("purchases", of(&session, "purchase").into()),
        ("duration_min", h.session_minutes().into()),
    ]
}

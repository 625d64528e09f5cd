//! The job `fraud`, as the catalogue words it.

use super::arithmetic::{avg, clamp01, distinct, max, normalised_entropy, ratio, stddev, sum};
use super::oracle::{AsOf, DAY, HOUR, Job, MINUTE, MONTH, Row, SECOND, View, micros, texts};
use super::record::Event;

pub const FRAUD: Job = Job {
    name: "fraud",
    source: "transactions",
    views: &[
        View {
            name: "transaction_stats_5m",
            entity: "card",
            key: "card_id",
            keeps: MONTH,
            row: transaction_stats,
        },
        View {
            name: "card_fraud_indicators",
            entity: "card",
            key: "card_id",
            keeps: DAY,
            row: indicators,
        },
        View {
            name: "user_transaction_stats_5m",
            entity: "user",
            key: "user_id",
            keeps: MONTH,
            row: transaction_stats,
        },
        View {
            name: "user_fraud_indicators",
            entity: "user",
            key: "user_id",
            keeps: DAY,
            row: indicators,
        },
        View {
            name: "merchant_stats",
            entity: "merchant",
            key: "merchant_id",
            keeps: DAY,
            row: counterparty,
        },
        View {
            name: "device_stats",
            entity: "device",
            key: "device_id",
            keeps: DAY,
            row: counterparty,
        },
        View { name: "ip_stats", entity: "ip", key: "ip_address", keeps: DAY, row: counterparty },
    ],
    complete: |e| {
        let amount = e.has_number("amount").then(|| e.micros("amount")).flatten();
        // From +-1e12 on an amount is none.
        e.text("card_id").is_some() && amount.is_some_and(|a| a.abs() < 1_000_000_000_000_000_000)
    },
};

const RISKY: [&str; 6] = ["4829", "5993", "6051", "6211", "7273", "7995"];

fn high_risk(e: &Event) -> bool {
    e.text("mcc").is_some_and(|mcc| RISKY.contains(&mcc))
        || e.micros("amount").is_some_and(|amount| amount >= 1_000_000_000)
}

fn declined(e: &Event) -> bool {
    e.is("status", "declined")
}

fn transaction_stats(h: &AsOf<'_>) -> Row {
    let (five, day) = (h.within(5 * MINUTE), h.within(DAY));
    let (amounts, days_amounts) = (micros(&five, "amount"), micros(&day, "amount"));
    let countries = distinct(texts(&five, "country"));
    let velocity = 0.5 * clamp01(five.len() as f64 / 10.0)
        + 0.3 * clamp01(sum(&amounts) / 2000.0)
        + 0.2 * clamp01(countries as f64 / 5.0);
    vec![
        ("txn_count_5m", five.len().into()),
        ("txn_count_30m", h.within(30 * MINUTE).len().into()),
        ("txn_count_24h", day.len().into()),
        ("amount_sum_5m", sum(&amounts).into()),
        ("amount_avg_5m", avg(&amounts).into()),
        ("amount_max_5m", max(&amounts).into()),
        ("amount_stddev_24h", stddev(&days_amounts).into()),
        ("amount_zscore", zscore(h, &days_amounts).into()),
        ("unique_countries_5m", countries.into()),
        ("geo_diversity_score", normalised_entropy(&texts(&day, "country")).into()),
        ("time_since_last_txn_min", h.gap(MONTH).map(|ms| ms as f64 / 60_000.0).into()),
        ("is_weekend", h.latest(MONTH).map(|(e, _)| h.calendar(e).1 >= 5).into()),
        ("high_risk_txn_ratio", ratio(h.count(5 * MINUTE, high_risk), five.len()).into()),
        ("velocity_score", velocity.into()),
        ("is_high_velocity", (velocity >= 0.8).into()),
    ]
}

/// The latest amount against the day's.
fn zscore(h: &AsOf<'_>, days_amounts: &[i128]) -> Option<f64> {
    let (latest, _) = h.latest(MONTH)?;
    let (mean, deviation) = (avg(days_amounts)?, stddev(days_amounts)?);
    (deviation != 0.0).then_some((latest.micros("amount")? as f64 / 1e6 - mean) / deviation)
}

fn indicators(h: &AsOf<'_>) -> Row {
    let (minute, day) = (h.within(60 * SECOND), h.within(DAY));
    vec![
        ("fail_60s", h.count(60 * SECOND, declined).into()),
        ("uniq_ip_60s", distinct(texts(&minute, "ip_address")).into()),
        ("merchant_count", distinct(texts(&day, "merchant_id")).into()),
        ("device_fingerprint_count", distinct(texts(&day, "device_id")).into()),
    ]
}

/// Of merchants, devices and addresses.
fn counterparty(h: &AsOf<'_>) -> Row {
    let hour = h.within(HOUR);
    vec![
        ("txn_count_5m", h.within(5 * MINUTE).len().into()),
        ("txn_count_1h", hour.len().into()),
        ("txn_count_24h", h.within(DAY).len().into()),
        ("decline_ratio_1h", ratio(h.count(HOUR, declined), hour.len()).into()),
        ("cards_1h", distinct(texts(&hour, "card_id")).into()),
    ]
}

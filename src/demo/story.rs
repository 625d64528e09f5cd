//! What each kind of traffic is watched for: who is shown, why, and with which features.
//!
//! The rules read feature rows and nothing else: what the screen says is what anybody could say who
//! reads these rows.

use super::columns::Column;
use crate::generator::Profile;
use crate::screen::{Grounds, number};
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Value;

/// What a demo tells.
#[derive(Debug)]
pub(super) struct Story {
    /// Whom the table shows.
    pub title: &'static str,
    /// What is said when there is nobody.
    pub nobody: &'static str,
    /// A view, an int or bool feature of it, and the least value for whoever is considered.
    pub gate: (&'static str, &'static str, i64),
    /// The features that are shown first; the table is sorted by the first of all.
    pub features: &'static [&'static str],
    /// Why somebody with these values is shown; `None`: they are not.
    pub judge: fn(&FeatureValues<'_>) -> Option<Grounds>,
}

/// The values of one entity by their names.
pub(super) struct FeatureValues<'a> {
    pub columns: &'a [Column],
    pub values: &'a [Value],
}

impl FeatureValues<'_> {
    fn value(&self, name: &str) -> &Value {
        let at = self.columns.iter().position(|(_, _, column)| column == name);
        at.and_then(|at| self.values.get(at)).unwrap_or(&Value::Null)
    }

    /// The value as a number; 0 where it is none.
    fn number(&self, name: &str) -> f64 {
        number(self.value(name)).unwrap_or(0.0)
    }

    fn is(&self, name: &str) -> bool {
        *self.value(name) == Value::Bool(true)
    }
}

const TESTED: Story = Story {
    title: "Cards being tested",
    nobody: "no card is being tested at the moment; a shows all cards",
    gate: ("card_fraud_indicators", "fail_60s", 4),
    features: &[
        "fail_60s",
        "txn_count_5m",
        "txn_count_30m",
        "txn_count_24h",
        "uniq_ip_60s",
        "merchant_count",
        "amount_avg_5m",
        "velocity_score",
    ],
    judge: tested,
};

const TAKEN_OVER: Story = Story {
    title: "Accounts being taken over",
    nobody: "no account is being taken over at the moment; a shows all users",
    gate: ("behavior_temporal", "login_frequency_1h", 8),
    features: &[
        "login_frequency_1h",
        "failure_rate",
        "ip_reputation_score",
        "data_transfer_volume",
        "events_5m",
        "admin_action_count",
        "location_change_score",
        "behavioral_consistency_score",
    ],
    judge: taken_over,
};

const BUYING: Story = Story {
    title: "Users about to buy",
    nobody: "nobody is about to buy at the moment; a shows all users",
    gate: ("user_engagement_5m", "is_likely_purchaser", 1),
    features: &[
        "engagement_score",
        "cart_adds_session",
        "pages_per_session",
        "session_duration_min",
        "avg_dwell_time_sec",
        "click_rate_5m",
    ],
    judge: buying,
};

/// A card whose owner had more than a slip of the hand, within a minute.
fn tested(card: &FeatureValues<'_>) -> Option<Grounds> {
    let declined = card.number("fail_60s");
    if declined < 4.0 {
        return None;
    }
    let (addresses, payments) = (card.number("uniq_ip_60s"), card.number("txn_count_5m"));
    Some(Grounds {
        brief: format!("{declined} declines/min, {addresses} IPs"),
        full: format!("{declined} declines in 60 s, {addresses} IPs; {payments} payments in 5 min"),
    })
}

/// An account with many logins within the hour, from a network of ill repute, at work now.
fn taken_over(user: &FeatureValues<'_>) -> Option<Grounds> {
    let (logins, repute) = (user.number("login_frequency_1h"), user.number("ip_reputation_score"));
    if logins < 8.0 || repute < 0.7 || user.number("events_5m") < 1.0 {
        return None;
    }
    let refused = 100.0 * user.number("failure_rate");
    let megabytes = user.number("data_transfer_volume");
    Some(Grounds {
        brief: format!("{logins} logins/h, {refused:.0} % fail"),
        full: format!(
            "{logins} logins in 1 h, {refused:.0} % fail, bad network; {megabytes:.0} MB"
        ),
    })
}

/// Somebody who put something into the cart, is engaged and has bought nothing.
fn buying(user: &FeatureValues<'_>) -> Option<Grounds> {
    if !user.is("is_likely_purchaser") || user.number("conversion_rate_session") > 0.0 {
        return None;
    }
    let (added, pages) = (user.number("cart_adds_session"), user.number("pages_per_session"));
    let minutes = user.number("session_duration_min");
    Some(Grounds {
        brief: format!("{added} in cart, {pages} pages"),
        full: format!("{added} put into the cart in {minutes:.0} min, {pages} pages, none bought"),
    })
}

impl Story {
    /// What is told of `profile`, if the job has the features for it.
    pub fn of(profile: Profile, plan: &Plan, columns: &[Column]) -> Option<&'static Self> {
        let story = match profile {
            Profile::Fraud | Profile::W1 => &TESTED,
            Profile::Behavior => &TAKEN_OVER,
            Profile::Personalization => &BUYING,
        };
        let has = |name: &str| columns.iter().any(|(_, _, column)| column == name);
        let is_whole = story.features.iter().all(|name| has(name)) && story.gate(plan).is_some();
        is_whole.then_some(story)
    }

    /// The gate's view and feature by their places, and its least value.
    pub fn gate(&self, plan: &Plan) -> Option<(usize, usize, i64)> {
        let (view, feature, least) = self.gate;
        let named = |at: &usize| plan.view(*at).is_some_and(|of| of.name == view);
        let at = (0..plan.views.len()).find(named)?;
        let features = &plan.view(at)?.features;
        Some((at, features.iter().position(|of| of.name == feature)?, least))
    }

    /// The columns in this story's order.
    pub fn first(&self, mut columns: Vec<Column>) -> Vec<Column> {
        let place = |name: &str| self.features.iter().position(|first| *first == name);
        columns.sort_by_key(|(_, _, name)| place(name).unwrap_or(usize::MAX));
        columns
    }
}

/// The parts of a record that tell what happened, by their paths, in this order.
pub(super) fn facts(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::Fraud | Profile::W1 => {
            &["/status", "/amount", "/currency", "/merchant_id", "/country", "/ip_address"]
        }
        Profile::Behavior => &[
            "/event_type",
            "/data/result",
            "/location_info/city",
            "/data/resource",
            "/data/bytes",
            "/data/source_ip",
        ],
        Profile::Personalization => &["/event_type", "/page", "/product_id", "/dwell_time_sec"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::columns::columns;

    fn judged(story: &Story, values: &[(&str, Value)]) -> Option<Grounds> {
        let columns: Vec<Column> =
            values.iter().map(|(name, _)| (0, 0, (*name).to_owned())).collect();
        let values: Vec<Value> = values.iter().map(|(_, value)| value.clone()).collect();
        (story.judge)(&FeatureValues { columns: &columns, values: &values })
    }

    #[test]
    fn every_shipped_job_has_a_story_whose_features_come_first() {
        for (job, profile) in [
            ("fraud", Profile::Fraud),
            ("behavior", Profile::Behavior),
            ("personalization", Profile::Personalization),
        ] {
            let plan = crate::job_file::load(job).unwrap().plan;
            let all = columns(&plan, plan.views[0].entity);
            let story = Story::of(profile, &plan, &all).expect(job);
            let count = all.len();
            let ordered = story.first(all);
            assert_eq!(ordered.len(), count);
            let names = ordered.iter().map(|(_, _, name)| name.as_str());
            assert!(names.take(story.features.len()).eq(story.features.iter().copied()));
        }
    }

    #[test]
    fn four_declines_in_a_minute_are_a_reason_and_three_are_none() {
        let card = |declined| {
            let values = [("fail_60s", Value::Int(declined)), ("uniq_ip_60s", Value::Int(3))];
            judged(&TESTED, &values)
        };
        assert_eq!(card(4).unwrap().brief, "4 declines/min, 3 IPs");
        assert_eq!(card(3), None);
    }

    #[test]
    fn a_login_storm_is_a_reason_from_a_bad_network_only_and_a_purchase_ends_the_other() {
        let user = |repute| {
            let values = [
                ("login_frequency_1h", Value::Int(9)),
                ("ip_reputation_score", Value::Double(repute)),
                ("events_5m", Value::Int(1)),
            ];
            judged(&TAKEN_OVER, &values)
        };
        assert!(user(0.7).is_some() && user(0.5).is_none());
        let shopper = |bought| {
            let values = [
                ("is_likely_purchaser", Value::Bool(true)),
                ("conversion_rate_session", Value::Double(bought)),
            ];
            judged(&BUYING, &values)
        };
        assert!(shopper(0.0).is_some() && shopper(0.1).is_none());
    }

    #[test]
    fn brief_reasons_fit_their_column() {
        let most = [
            ("fail_60s", Value::Int(20)),
            ("uniq_ip_60s", Value::Int(20)),
            ("login_frequency_1h", Value::Int(99)),
            ("ip_reputation_score", Value::Double(0.9)),
            ("failure_rate", Value::Double(1.0)),
            ("events_5m", Value::Int(99)),
            ("is_likely_purchaser", Value::Bool(true)),
            ("cart_adds_session", Value::Int(20)),
            ("pages_per_session", Value::Int(999)),
        ];
        for story in [TESTED, TAKEN_OVER, BUYING] {
            let brief = judged(&story, &most).expect("a reason").brief;
            assert!(brief.len() <= 25, "{brief}");
        }
    }
}

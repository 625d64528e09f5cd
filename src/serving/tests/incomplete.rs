use super::*;
use crate::config::IncompleteValues;
use crate::online::Incomplete;

/// A server of whose two views one lacks something until `from`.
fn begun(settings: ServeSettings, from: Option<u64>) -> Server {
    let mut views = Incomplete::default();
    views.add("card_5m", from);
    Server::of(settings, |_, engine| {
        vec![RowSource::engine(engine.with_incomplete(move || views.clone()))]
    })
}

fn question() -> Json {
    json!({
        "features": ["card_5m:n", "shop_5m:shop_n"],
        "entities": {"card_id": ["c1", "nobody"], "shop": [17, 18]},
    })
}

#[test]
fn views_that_may_lack_something_are_told_with_until_when() {
    let now = wall_ms().unwrap();
    let server = begun(ServeSettings::default(), Some(now + 1));
    server.live(now);
    let (_, answer) = server.ask(&question());
    assert_eq!(answer["metadata"]["incomplete"], json!({"card_5m": now + 1}), "{answer}");
    assert_eq!(answer["results"][2]["values"], json!([2, 0]));
    let (code, ready) = server.request("GET", "/ready", "", "");
    assert_eq!((code, &ready["incomplete"]), (200, &json!({"card_5m": now + 1})));
    // Others lack nothing.
    let others = json!({"features": ["shop_5m:shop_n"], "entities": {"shop": [17]}});
    assert_eq!(server.ask(&others).1["metadata"].get("incomplete"), None);
    server.live(now + 1);
    assert_eq!(server.ask(&question()).1["metadata"].get("incomplete"), None);
    let unknown = begun(ServeSettings::default(), None);
    let (_, answer) = unknown.ask(&question());
    assert_eq!(answer["metadata"]["incomplete"], json!({"card_5m": null}));
}

#[test]
fn their_values_are_nulls_where_the_settings_say_so() {
    let settings = ServeSettings { incomplete: IncompleteValues::Null, ..ServeSettings::default() };
    let now = wall_ms().unwrap();
    let server = begun(settings, Some(now + 1));
    server.live(now);
    let told = server.told(&question());
    assert_eq!(told["n"], json!([[null, null], ["NULL_VALUE", "NULL_VALUE"]]));
    assert_eq!(told["shop_n"], json!([[4, 0], ["PRESENT", "NOT_FOUND"]]));
    let fetch = || server.post("/v1/features/groupby/card_5m", r#"[{"card_id": "c1"}]"#).1;
    assert_eq!(fetch()["results"][0]["features"]["n"], Json::Null);
    server.live(now + 1);
    assert_eq!(server.told(&question())["n"], json!([[2, 0], ["PRESENT", "NOT_FOUND"]]));
    assert_eq!(fetch()["results"][0]["features"]["n"], json!(2));
}

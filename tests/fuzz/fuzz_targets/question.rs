//! Any body that is posted to the feature server is answered in JSON, with a code that its pages name.
//!
//! `cargo fuzz run --fuzz-dir tests/fuzz question`

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tidemark::serving::FuzzedServer;

static SERVER: LazyLock<FuzzedServer> = LazyLock::new(|| FuzzedServer::new().expect("a server"));

const PATHS: [&str; 4] = [
    "/get-online-features",
    "/v1/features/groupby/card_5m",
    "/v1/features/groupby/address_5m",
    "/v1/features/join/scoring",
];

fuzz_target!(|body: &[u8]| {
    for path in PATHS {
        let (code, answer) = SERVER.post(path, body).expect("an answer");
        assert!([200, 404, 422, 500].contains(&code), "{path}: {code}");
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        assert!(!answer.is_null(), "{path}");
    }
});

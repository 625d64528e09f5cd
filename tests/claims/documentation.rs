//! The documentation that a job shows of itself, in a real browser.

use crate::browser::Browser;
use crate::page::Demo;
use crate::redis_server::free_port;
use std::process::Command;

#[test]
fn who_looks_for_a_feature_finds_it_by_words_and_the_question_of_its_service_is_answered() {
    let serve = free_port();
    let demo = Demo::with(&["--serve", &serve.to_string()]);
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/docs", demo.port));
    let there =
        "document.title === 'Features of the job fraud' && document.readyState === 'complete'";
    browser.until("the page of the job", there);
    let all = browser.value("document.querySelectorAll('section[id^=view] tbody tr').length");

    // A slash leads to the search.
    browser.press("/");
    browser.type_text("5m average amount");
    browser.until_says("found", "found");
    let shown = "[...document.querySelectorAll('section[id^=view] tbody tr')].filter((e) => e.offsetHeight)";
    let names = format!("{shown}.map((e) => e.firstElementChild.innerText)");
    let names = browser.value(&names);
    let names = names.as_array().unwrap();
    assert!(names.contains(&"amount_avg_5m".into()), "{names:?}");
    assert!(names.len() * 4 < usize::try_from(all.as_u64().unwrap()).unwrap(), "{names:?}");
    assert!(browser.is("document.getElementById('service-fraud_detection').hidden"));
    browser.press("Escape");
    browser.until("all of it", &format!("{shown}.length === {all}"));
    browser.type_text("no feature has these words");
    browser.until_says("found", "Nothing has all of these words.");
    browser.press("Escape");

    // The question of the service is one that the server beside it answers.
    let curl = browser.value("document.querySelector('#service-fraud_detection pre').innerText");
    let curl = curl.as_str().unwrap();
    assert!(curl.contains(&format!("localhost:{serve}/get-online-features")), "{curl}");
    let answered = Command::new("bash").args(["-c", curl]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answered.stdout).unwrap();
    assert_eq!(answer["results"][1]["statuses"].as_array().map(Vec::len), Some(1), "{answer}");

    // A page of the program is a click away, and leads on to others.
    browser.click("a[href='serving.html']");
    browser.until("the page about serving", "document.title.startsWith('Serving')");
    browser.click("a[href^='redis.html']");
    browser.until("the page about Redis", "document.title.includes('Redis')");
    for url in browser.asked().iter().filter(|url| !url.starts_with("data:")) {
        assert!(url.starts_with(&format!("http://127.0.0.1:{}/docs", demo.port)), "{url}");
    }
    assert_eq!(browser.complaints(), [] as [String; 0]);

    // The server of features shows the same.
    let beside = crate::run::get(serve, "/docs/").unwrap();
    assert_eq!(beside, (200, demo.get("/docs/").unwrap()));
    assert_eq!(crate::run::get(serve, "/docs/nothing.html").unwrap().0, 404);
}

#[test]
fn the_documentation_fits_a_telephone_and_a_screen() {
    let demo = Demo::with(&[]);
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/docs/", demo.port));
    // With its style, which is a file of its own.
    let there = "document.readyState === 'complete' && !!document.querySelector('#service-fraud_detection')";
    browser.until("the page of the job", there);
    for (width, dark) in [(400, false), (1_280, false), (1_280, true)] {
        browser.size(width, dark);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{wide} of {width}");
        assert!(browser.picture().len() > 10_000, "there is something to see");
    }
}

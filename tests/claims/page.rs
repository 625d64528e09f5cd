//! The page of a running job, in a real browser: who opens it sees whether all is well, what is wrong in
//! each fault and that it is over, and finds what is asked for by clicks and by keys. What comes from
//! records is text, whatever it is.

use crate::browser::Browser;
use crate::folder::Folder;
use crate::redis_server::{Redis, free_port};
use crate::run::{Process, command, kafka, until};
use crate::servers::Server;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tidemark::kafka::{KafkaConfig, create_topic, produce};

/// A job that knows soon who is silent.
const JOB: &str = "\
[job]
name = \"seen\"
[sources.payments]
topic = \"payments\"
time = { field = \"at\", unit = \"ms\" }
out_of_orderness = \"1s\"
idle_after = \"3s\"
max_ahead = \"2s\"
[sources.payments.fields]
card = \"string\"
amount = \"decimal\"
[entities.card]
key = \"card\"
[views.spent]
entity = \"card\"
source = \"payments\"
[views.spent.features]
payments_1m = { aggregate = \"count\", window = \"1m\", description = \"how often it paid\" }
spent_1m = { aggregate = \"sum\", of = \"amount\", window = \"1m\" }
";

/// What a job lives in.
pub struct World {
    kafka: KafkaConfig,
    topic: String,
    redis: Redis,
    folder: Folder,
    job: Option<Process>,
}

impl World {
    pub fn new(topic: &str, kafka: KafkaConfig) -> World {
        assert!(create_topic(&kafka, topic, 2, &[]).unwrap());
        let (redis, folder) = (Redis::start(&[]), Folder::new("page"));
        folder.write("seen.toml", JOB);
        World { kafka, topic: topic.to_owned(), redis, folder, job: None }
    }

    /// Starts the job, whose dead letters go to `letters`.
    pub fn start(&mut self, letters: &str, more: &str) {
        self.start_by(command(), letters, more);
    }

    /// Starts it as what `outer` runs with the arguments that follow.
    pub fn start_in(&mut self, mut outer: Command, letters: &str, more: &str) {
        outer.arg(command().get_program());
        self.start_by(outer, letters, more);
    }

    fn start_by(&mut self, program: Command, letters: &str, more: &str) {
        let text = format!(
            "[limits]\nlive_idle = \"1s\"\n{more}\n[online.redis]\nprobe_interval = \"100ms\"\n\
             response_timeout = \"1s\"\n[dead_letters]\npath = {letters:?}\n"
        );
        self.folder.write("cluster.toml", text);
        let port = self.redis.port.to_string();
        let variables = [
            ("KAFKA_BOOTSTRAP_SERVERS", self.kafka.bootstrap_servers.as_str()),
            ("KAFKA_TOPIC", self.topic.as_str()),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &port),
        ];
        let job = self.folder.file("seen.toml");
        self.job = Some(Process::start_by(program, self.folder.path(), &job, &variables, &[]));
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    pub fn job_mut(&mut self) -> &mut Process {
        self.job.as_mut().unwrap()
    }

    pub fn job(&self) -> &Process {
        self.job.as_ref().unwrap()
    }

    pub fn write(&self, partition: u32, records: &[(Vec<u8>, Vec<u8>)]) {
        let each = records.iter().map(|(key, value)| (partition, Some(key), Some(value)));
        produce(&self.kafka, &self.topic, each).unwrap();
    }

    /// Something in each of `partitions`, `ahead` ms from now.
    pub fn pay(&self, partitions: &[u32], ahead: u64) {
        for partition in partitions {
            self.write(*partition, &[payment("card_1", ahead), payment("card_2", ahead)]);
        }
    }

    /// Goes on paying until a script gives true in the browser.
    fn pay_until(&self, browser: &mut Browser, partitions: &[u32], what: &str, script: &str) {
        until(what, || {
            self.pay(partitions, 0);
            browser.is(script)
        });
    }
}

pub fn payment(card: &str, ahead: u64) -> (Vec<u8>, Vec<u8>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = u64::try_from(now.as_millis()).unwrap() + ahead;
    let card = serde_json::to_string(card).unwrap();
    (b"key".to_vec(), format!("{{\"at\":{at},\"card\":{card},\"amount\":12.5}}").into_bytes())
}

/// Whether the sentence at the top has a text, as a script.
fn sentence(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!("document.getElementById('sentence').innerText.includes({text})")
}

/// A demo, ended with the test.
pub struct Demo {
    child: Child,
    pub port: u16,
}

impl Demo {
    fn start() -> Demo {
        Demo::with(&[])
    }

    /// With more arguments.
    pub fn with(more: &[&str]) -> Demo {
        let port = free_port();
        let child = command()
            .args(["demo", "--for", "10m", "--port", &port.to_string()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let demo = Demo { child, port };
        until("the demo to be live", || {
            demo.get("/ready").is_some_and(|text| text.contains("\"ready\":true"))
        });
        demo
    }

    pub fn get(&self, path: &str) -> Option<String> {
        Some(crate::run::get(self.port, path)?.1)
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).unwrap()).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn who_opens_the_page_sees_that_all_is_well_and_finds_an_entity_and_a_feature_by_clicks() {
    let demo = Demo::start();
    let url = format!("http://127.0.0.1:{}/", demo.port);
    let mut browser = Browser::open(&url);
    browser.until_says("sentence", "All is well.");
    browser.until_says("now", "events a second");
    browser.until("a worker's share of a core", "!!document.querySelector('#t-workers meter')");
    browser.until(
        "more than one point in a chart",
        "document.querySelector('#charts path').getAttribute('d').includes('L')",
    );
    browser.until_says("t-letters", "malformed");

    // The busiest is a click away, and its rows are what /features says.
    browser.until("somebody who stands out", "!!document.querySelector('#t-entities button')");
    let busiest = browser.value("document.querySelector('#t-entities button').textContent");
    browser.click("#t-entities button");
    browser.until_says("asked", busiest.as_str().unwrap());
    browser.until("its rows", "document.querySelectorAll('#rows tbody tr').length > 2");
    let shown = browser.text("rows");
    let row = demo.json(&format!("/features/merchant_stats/{}", busiest.as_str().unwrap()));
    for name in row["features"].as_object().unwrap().keys() {
        assert!(shown.contains(name), "{name} is missing in\n{shown}");
    }
    browser.until(
        "something to have moved",
        "document.getElementById('rows').innerText.includes('was ')",
    );

    // Why a value is what it is: its events, and when each leaves.
    browser.click("#rows button.id");
    browser.until("the events", "document.querySelectorAll('.because tbody tr').length > 2");
    let because = "document.querySelector('.because').innerText";
    assert!(browser.is(&format!("{because}.includes('txn_count_5m = ')")));
    assert!(browser.is(&format!("{because}.includes('count over 5 min')")));
    assert!(browser.is(&format!("{because}.includes('tidemark explain JOB merchant_stats')")));
    let (many, each) = ("td:nth-child(3)", "[...document.querySelectorAll('.because tbody tr')]");
    let falls = format!(
        "{each}.map((e) => Number(e.querySelector('{many}').innerText.replaceAll(',', ''))).every((v, at, all) => !at || v <= all[at - 1])"
    );
    assert!(browser.is(&falls), "each that leaves makes it less; those of one ms leave together");
    browser.click("#rows button.id");
    browser.until("it to be closed", "!document.querySelector('.because')");

    // A feature is found by words of its definition, by keys alone.
    let all = demo.json("/catalogue").as_array().unwrap().len();
    assert!(all > 40, "{all}");
    browser.until_says("found", &format!("{all} of {all} features"));
    browser.value("document.getElementById('find').focus()");
    browser.type_text("5m average amount");
    browser.until_says("t-catalogue", "amount_avg_5m");
    assert!(!browser.text("t-catalogue").contains("txn_count_24h"));

    // Somebody else is asked for by name.
    browser
        .value("document.getElementById('id').focus(), document.getElementById('id').value = ''");
    browser.type_text("no such card");
    browser.press("Enter");
    browser.until_says("asked", "No view has a row of");
    browser.click("#stop");
    browser.until_says("asked", "not looked at any more");

    for url in browser.asked().iter().filter(|url| !url.starts_with("data:")) {
        assert!(url.starts_with(&format!("http://127.0.0.1:{}/", demo.port)), "{url}");
    }
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn the_page_fits_a_telephone_and_a_screen_in_light_and_dark_and_has_names_for_who_cannot_see_it() {
    let demo = Demo::start();
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", demo.port));
    browser.until_says("t-parts", "worker");
    let mut grounds = Vec::new();
    for (width, dark) in [(400, false), (1_280, false), (400, true), (1_280, true)] {
        browser.size(width, dark);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "{wide} of {width}");
        grounds.push(browser.value("getComputedStyle(document.body).backgroundColor"));
        assert!(browser.picture().len() > 10_000, "there is something to see");
    }
    assert!(grounds[0] == grounds[1] && grounds[2] == grounds[3] && grounds[0] != grounds[2]);

    let nameless = "[...document.querySelectorAll('input, select, button, meter, svg[role], section')].filter(\
         (e) => !(e.labels?.length || e.innerText?.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')))\
         .map((e) => e.outerHTML)";
    assert_eq!(browser.value(nameless), serde_json::json!([]));
    // With the key alone one comes to the search, and sees where one is.
    browser.value("document.activeElement.blur()");
    let mut outlined = false;
    for _ in 0..200 {
        browser.press("Tab");
        let at =
            "[document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]";
        let at = browser.value(at);
        if at[0] == "find" {
            outlined = at[1] == "solid";
            break;
        }
    }
    assert!(outlined, "the search is not reached by Tab, or does not show that it is");
}

#[test]
fn the_page_says_what_is_wrong_and_when_it_is_over() {
    let mut world = World::new("page-faults", kafka());
    let letters = world.folder.file("dead.jsonl");
    world.start(&letters, "");
    world.pay(&[0, 1], 0);
    let mut browser = Browser::open("about:blank");
    world.job_mut().until_ready();
    let url = format!("http://127.0.0.1:{}/", world.job().port());
    browser.go(&url);
    let well = sentence("All is well.");
    world.pay_until(&mut browser, &[0, 1], "all to be well", &well);

    // One partition is silent: said, though nothing is wrong, and by which.
    let silent = sentence("partition 1 of payments has been silent");
    world.pay_until(&mut browser, &[0], "the silence to be told", &silent);
    world.pay_until(&mut browser, &[0, 1], "the silence to be over", &well);

    // The store hangs.
    world.redis.signal("STOP");
    let hangs = sentence("The online store takes no rows");
    world.pay_until(&mut browser, &[0, 1], "the store to be named", &hangs);
    assert!(browser.text("troubles").contains("Rows wait here and are written as soon as"));
    browser.click("#troubles a");
    assert_eq!(browser.value("location.hash"), "#sinks");
    world.redis.signal("CONT");
    world.pay_until(&mut browser, &[0, 1], "the store to be back", &well);

    // A clock is ahead.
    let ahead = sentence("Clocks of who writes payments are ahead");
    until("the clock to be named", || {
        world.pay(&[0, 1], 3_600_000);
        browser.is(&ahead)
    });
    assert!(browser.text("t-partitions").contains('%'), "which partition is ahead");

    // The process stands still, and goes on.
    world.job().signal("STOP");
    browser.until("the process to be missed", &sentence("The process does not answer"));
    world.job().signal("CONT");
    browser.until("the process to be back", &ahead);
    world.job().kill();
    browser.until("the process to be missed", &sentence("The process does not answer"));
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn the_page_says_that_the_brokers_are_gone_and_that_they_are_back() {
    let server = Server::start("kafka", &[]);
    let bootstrap_servers = server.value("BOOTSTRAP").to_owned();
    let mut world =
        World::new("page-brokers", KafkaConfig { bootstrap_servers, ..KafkaConfig::default() });
    let letters = world.folder.file("dead.jsonl");
    world.start(&letters, "");
    world.pay(&[0, 1], 0);
    world.job_mut().until_ready();
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", world.job().port()));
    browser.until_says("t-partitions", "payments");
    server.stop(true);
    browser
        .until("the brokers to be missed", &sentence("The brokers of payments cannot be reached"));
    assert!(browser.text("troubles").contains("reading goes on by itself"));
    server.restart(true);
    let well = sentence("All is well.");
    world.pay_until(&mut browser, &[0, 1], "the brokers to be back", &well);
}

#[test]
fn the_page_says_that_letters_find_no_room_and_that_the_state_is_at_its_bound() {
    // Its devices take nothing.
    let mut world = World::new("page-room", kafka());
    world.start("/dev/full", "state_bytes = \"16MiB\"");
    world.pay(&[0, 1], 0);
    world.job_mut().until_ready();
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", world.job().port()));
    let bad = || (b"key".to_vec(), b"not a payment".to_vec());
    world.write(0, &[bad(), bad()]);
    let letters = sentence("Dead letters cannot be written");
    browser.until("the letters to be named", &letters);
    browser.until_says("troubles", "No space left on device");

    let many: Vec<_> = (0..150_000).map(|n| payment(&format!("card_{n}_of_somebody"), 0)).collect();
    world.write(1, &many);
    browser.until_says("troubles", "The state is");
    browser.until_says("troubles", "limits.state_bytes");
}

#[test]
fn what_records_hold_is_text_on_the_page_and_cut_whatever_it_is() {
    let mut world = World::new("page-hostile", kafka());
    let letters = world.folder.file("dead.jsonl");
    world.start(&letters, "");
    let markup = "<img src=x onerror=\"window.harmed=1\"><script>window.harmed=1</script>";
    let escapes = "\u{1b}]0;harm\u{7}\u{1b}[31m\u{202e}txt";
    let long = "a".repeat(900_000);
    let hostile: Vec<_> = (0..40).flat_map(|_| [payment(markup, 0), payment(escapes, 0)]).collect();
    world.pay(&[0, 1], 0);
    world.job_mut().until_ready();
    world.write(0, &hostile);
    world.write(0, &[payment(&long[..1_000], 0)]);
    let refused = |text: &str| (b"k".to_vec(), text.as_bytes().to_vec());
    world.write(1, &[refused(markup), refused(escapes), refused(&long)]);
    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", world.job().port()));
    browser.until_says("t-letters", "<img src=x onerror=");
    browser.until_says("t-letters", "…");
    browser.until_says("t-entities", "<script>window.harmed=1</script>");
    browser.until(
        "the escapes to be shown as signs",
        "document.body.innerText.includes('\u{fffd}[31m\u{fffd}txt')",
    );
    browser.click("#t-entities button");
    browser.until_says("asked", "ooked at");
    let seen = "[!!window.harmed, document.querySelectorAll('main img, main script').length, \
                /[\\u001b\\u0007\\u202e]/.test(document.body.innerText), \
                Math.max(...[...document.querySelectorAll('td')].map((e) => e.textContent.length)) < 4000]";
    assert_eq!(browser.value(seen), serde_json::json!([false, 0, false, true]));
    let (code, text) = world.job().get("/overview").unwrap();
    assert!(code == 200 && text.len() < 300_000, "{}", text.len());
    let (_, metrics) = world.job().get("/metrics").unwrap();
    assert!(!metrics.contains("onerror"), "ids are no labels");
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

/// By operator, the seconds that it was at work by `/metrics`, over all workers.
fn busy_of_operators(metrics: &str) -> BTreeMap<String, f64> {
    let mut busy = BTreeMap::new();
    let samples = metrics.lines().filter_map(|line| {
        let labels = line.strip_prefix("tidemark_operator_busy_seconds_total{operator=\"")?;
        let (name, rest) = labels.split_once('"')?;
        Some((name.to_owned(), rest.rsplit_once(' ')?.1.parse::<f64>().unwrap()))
    });
    samples.for_each(|(name, seconds)| *busy.entry(name).or_insert(0.0) += seconds);
    busy
}

#[test]
fn operators_have_the_figures_of_metrics_on_the_page_and_in_a_terminal() {
    let demo = Demo::start();
    let told = || demo.json("/overview")["operators"].as_array().unwrap().clone();
    until("the operators to be told", || !told().is_empty());
    let before = busy_of_operators(&demo.get("/metrics").unwrap());
    // Later than a sample, which the newest overview is of.
    std::thread::sleep(Duration::from_secs(6));
    let told = told();
    let after = busy_of_operators(&demo.get("/metrics").unwrap());
    let names: Vec<_> = told.iter().map(|of| of["operator"].as_str().unwrap()).collect();
    assert!(names.len() > 8 && names.iter().any(|name| name.starts_with("EntityWindows(")));
    assert_eq!(
        names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
        after.keys().cloned().collect()
    );
    for of in &told {
        let (name, seconds) =
            (of["operator"].as_str().unwrap(), of["busy_seconds"].as_f64().unwrap());
        // A hair for how seconds are written.
        let within = before[name] - 1e-6..=after[name] + 1e-6;
        assert!(within.contains(&seconds), "{name}: {seconds} is not in {within:?}");
    }
    assert!(
        told.iter()
            .any(|of| of["busy"].as_f64() > Some(0.0) && of["received"].as_f64() > Some(0.0))
    );

    let mut browser = Browser::open(&format!("http://127.0.0.1:{}/", demo.port));
    browser.until_says("t-operators", "EntityWindows(card)");
    assert!(names.iter().all(|name| browser.text("t-operators").contains(name)));
    let url = format!("http://127.0.0.1:{}", demo.port);
    let output = command().args(["top", "--once", &url]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nOPERATOR ") && text.contains("EntityWindows("), "{text}");
}

/// One connection that is told each second.
fn listen(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /overview/live HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// CPU time in ns that the threads which answer HTTP have used: what the job itself takes is another matter.
fn cpu_of_http(demo: &Demo) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", demo.child.id())).unwrap();
    let used = |folder: std::path::PathBuf| {
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let used = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        let used = used.split(' ').next()?.parse::<u64>().ok()?;
        name.starts_with("http").then_some(used)
    };
    threads.filter_map(|thread| used(thread.unwrap().path())).sum()
}

#[test]
fn a_hundred_open_pages_are_told_each_second_for_less_than_a_fiftieth_of_a_core() {
    let demo = Demo::start();
    let spent = |seconds: u64| {
        let (before, begun) = (cpu_of_http(&demo), Instant::now());
        std::thread::sleep(Duration::from_secs(seconds));
        let used = cpu_of_http(&demo).saturating_sub(before);
        Duration::from_nanos(used).as_secs_f64() / begun.elapsed().as_secs_f64()
    };
    // What the machine does besides makes it more, and never less.
    let least = || (0..3).map(|_| spent(5)).fold(f64::INFINITY, f64::min);
    let reader = |mut stream: TcpStream| {
        std::thread::spawn(move || {
            let (mut buffer, mut told) = (vec![0; 1 << 16], 0);
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                told += String::from_utf8_lossy(&buffer[..read]).matches("data: {").count();
            }
            told
        })
    };
    let readers: Vec<_> = (0..100).map(|_| reader(listen(demo.port))).collect();
    let share = least();
    drop(demo);
    for reader in readers {
        let told = reader.join().unwrap();
        assert!(told >= 8, "a page was told {told} times in 15 s");
    }
    assert!(share > 0.0 && share < 0.02, "a hundred pages take {share:.4} of a core");
}

#[test]
fn more_pages_than_are_told_are_refused_and_everybody_else_is_answered() {
    let demo = Demo::start();
    let mut pages: Vec<_> = (0..128).map(|_| listen(demo.port)).collect();
    for page in &mut pages {
        let mut head = [0; 15];
        page.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
    let (code, body) = crate::run::get(demo.port, "/overview/live").unwrap();
    assert!(code == 503 && body.contains("128 pages are open"), "{code} {body}");
    assert_eq!(crate::run::get(demo.port, "/health").unwrap().0, 200);
    // A place that is left is free again.
    drop(pages);
    until("a place to be free", || {
        let mut page = listen(demo.port);
        let mut head = [0; 15];
        page.read_exact(&mut head).unwrap();
        &head == b"HTTP/1.1 200 OK"
    });
}

#[test]
fn the_page_is_for_browsers_and_others_get_the_list_of_paths() {
    let demo = Demo::start();
    let mut stream = TcpStream::connect(("127.0.0.1", demo.port)).unwrap();
    let head = "GET / HTTP/1.1\r\nHost: here\r\nAccept: text/html,*/*\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'";
    assert!(answer.contains(policy) && answer.contains("<!doctype html>"), "{answer}");
    assert!(!answer.contains("'unsafe"), "{answer}");
    let (code, list) = crate::run::get(demo.port, "/").unwrap();
    assert!(code == 200 && list.starts_with("tidemark\n") && list.contains("/overview"), "{list}");
    assert_eq!(crate::run::get(demo.port, "/page/../cluster.toml").unwrap().0, 404);
}

#[test]
fn a_terminal_is_shown_what_the_page_says_and_one_that_does_not_answer_fails_a_single_look() {
    let demo = Demo::start();
    let url = format!("http://127.0.0.1:{}", demo.port);
    let look = |more: &[&str]| {
        let output = command().args(["top", "--once", &url]).args(more).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    // A machine that is busy elsewhere may hold the demo up for a moment, which it then says.
    let look_when_well = |more: &[&str]| {
        let mut seen = look(more);
        let start = Instant::now();
        while !seen.1.contains("\nAll is well.\n") {
            assert!(start.elapsed() < Duration::from_secs(60), "{}{}", seen.1, seen.2);
            seen = look(more);
        }
        let text = &seen.1;
        for part in [&url, "\nevents ", "\nfrontier ", "\nWORKER ", "\nSINK "] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        seen
    };
    assert_eq!(look_when_well(&[]).0, Some(0));
    let nobody = format!("127.0.0.1:{}", free_port());
    let (code, text, error) = look_when_well(&[&nobody]);
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("http://{nobody}: does not answer")), "{text}");
    assert!(error.contains("cannot ask the process at"), "{error}");
}

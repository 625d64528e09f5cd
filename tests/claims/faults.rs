//! One fault after the other, as somebody on call meets them: what the page says, a terminal, `/health`
//! and the alerts, each while it lasts and once it is over. `TIDEMARK_PICTURES=FOLDER` keeps pictures of the page.

use crate::browser::Browser;
use crate::deployment::image::is_root;
use crate::page::{World, payment};
use crate::prometheus::{OF_THE_MACHINE, Prometheus};
use crate::run::{command, until};
use crate::servers::Server;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tidemark::kafka::KafkaConfig;

/// Longer than any fault takes to be seen, and to be over: values leave the windows of one minute.
const DEADLINE: Duration = Duration::from_secs(150);

/// What those say who are asked now.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// The sentence of the page.
    page: String,
    /// Whether a terminal shows the same sentence.
    top: bool,
    /// The kinds of the components of `/health` that are not ok.
    health: BTreeSet<String>,
    /// The alerts whose expressions are met, but those that say something of the machine.
    alerts: BTreeSet<String>,
}

/// A job with everybody who looks at it.
struct Watched {
    world: World,
    prometheus: Prometheus,
    rules: Vec<(String, String)>,
}

impl Watched {
    fn new(mut world: World) -> Watched {
        world.pay(&[0, 1], 0);
        world.job_mut().until_ready();
        let nobody = crate::redis_server::free_port();
        let targets = [("tidemark", world.job().port()), ("nobody", nobody)];
        let prometheus = Prometheus::start(targets);
        let rules = prometheus.rules();
        Watched { world, prometheus, rules }
    }

    fn alerts(&self) -> BTreeSet<String> {
        let rules = self.rules.iter().filter(|(name, _)| !OF_THE_MACHINE.contains(&name.as_str()));
        let met = rules.filter(|(_, query)| !self.prometheus.query(query).is_empty());
        met.map(|(name, _)| name.clone()).collect()
    }

    fn told(&self) -> Option<Told> {
        let url = format!("http://127.0.0.1:{}", self.world.job().port());
        let overview: Value = serde_json::from_str(&self.world.job().get("/overview")?.1).ok()?;
        let page = overview["condition"]["sentence"].as_str()?.to_owned();
        let top = command().args(["top", "--once", &url]).output().unwrap();
        let top = String::from_utf8(top.stdout).unwrap().contains(&format!("\n{page}\n"));
        let health: Value = serde_json::from_str(&self.world.job().get("/health")?.1).ok()?;
        let bad = health["components"].as_array()?.iter().filter(|part| part["state"] != "ok");
        let health = bad.map(|part| part["kind"].as_str().unwrap().to_owned()).collect();
        Some(Told { page, top, health, alerts: self.alerts() })
    }

    /// Goes on doing `what` until all say so: the page and the terminal with a sentence that begins so,
    /// `/health` with these components, and exactly these alerts.
    fn until_told(&self, page: &str, health: &[&str], alerts: &[&str], what: impl Fn(&World)) {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (health, alerts): (BTreeSet<String>, BTreeSet<String>) = (set(health), set(alerts));
        let start = Instant::now();
        loop {
            what(&self.world);
            let told = self.told();
            let agree = |told: &Told| {
                told.page.starts_with(page)
                    && told.top
                    && told.health == health
                    && told.alerts == alerts
            };
            if told.as_ref().is_some_and(agree) {
                self.picture(page);
                return;
            }
            let waited = start.elapsed();
            assert!(waited < DEADLINE, "waited for {page:?}, {health:?}, {alerts:?}: {told:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Takes a picture of the page, and of what a terminal shows, for who wants to look at what somebody on
    /// call sees: into the folder that `TIDEMARK_PICTURES` names, if it does.
    fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("TIDEMARK_PICTURES").map(PathBuf::from) else { return };
        let url = format!("http://127.0.0.1:{}", self.world.job().port());
        let mut browser = Browser::open(&url);
        browser.size(1280, false);
        browser.until("the page to be filled", "document.querySelectorAll('table').length > 0");
        // The line of an hour grows, and what moves is told each second.
        std::thread::sleep(Duration::from_secs(2));
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        std::fs::write(folder.join(format!("{name}.png")), browser.picture()).unwrap();
        let top = command().args(["top", "--once", &url]).output().unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), top.stdout).unwrap();
    }

    /// Goes on paying until all is well and no alert is left.
    fn until_well(&self) {
        self.until_told("All is well.", &[], &[], |world| world.pay(&[0, 1], 0));
    }
}

/// Makes the disk of a job that was started in a place of its own as large as this.
fn resize(world: &World, disk: &Path, size: &str) {
    let job = world.job().id().to_string();
    let mut command = Command::new("nsenter");
    command
        .args(["--user"].iter().filter(|_| !is_root()))
        .args(["--target", &job, "--mount", "mount", "-o", &format!("remount,size={size}")])
        .arg(disk);
    assert!(command.status().unwrap().success());
}

fn pay(world: &World) {
    world.pay(&[0, 1], 0);
}

#[test]
fn brokers_a_store_and_a_disk_that_fail_are_told_by_all_who_look_and_by_nobody_once_they_are_back()
{
    let server = Server::start("kafka", &[]);
    let bootstrap_servers = server.value("BOOTSTRAP").to_owned();
    let kafka = KafkaConfig { bootstrap_servers, ..KafkaConfig::default() };
    let mut world = World::new("faults", kafka);
    // A disk of its own, whose size can be changed.
    let disk = world.folder().path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut program = Command::new("unshare");
    program
        .args(["--map-root-user"].iter().filter(|_| !is_root()))
        .args(["--mount", "--propagation", "private", "bash", "-c"])
        .arg("mount -t tmpfs -o size=4g tmpfs \"$0\" && exec \"$@\"")
        .arg(&disk);
    let letters = disk.join("dead.jsonl").display().to_string();
    world.start_in(program, &letters, "");
    let watched = Watched::new(world);
    watched.until_well();

    watched.world.redis().signal("STOP");
    watched.until_told("The online store takes no rows", &["sink"], &["TidemarkStoreDown"], pay);
    watched.world.redis().signal("CONT");
    watched.until_well();

    let memory = |bytes: &str| {
        let mut redis = watched.world.redis().client();
        redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).exec(&mut redis).unwrap();
    };
    memory("1");
    let (full, alerts) = ("Redis is full and takes no rows", ["TidemarkStoreFull"]);
    watched.until_told(full, &["sink"], &alerts, pay);
    memory("0");
    watched.until_well();

    resize(&watched.world, &disk, "4k");
    // No letter of it fits in what is left.
    watched.world.write(0, &[(b"key".to_vec(), vec![b'x'; 10_000])]);
    let (sink, alerts) = (["disk", "sink"], ["TidemarkSinkDown"]);
    watched.until_told("The disk of", &sink, &alerts, pay);
    resize(&watched.world, &disk, "4g");
    watched.until_well();

    server.stop(true);
    let alerts = ["TidemarkKafkaDown"];
    watched.until_told("The brokers of payments cannot be reached", &["source"], &alerts, |_| ());
    server.restart(true);
    watched.until_well();
}

#[test]
fn a_silence_checkpoints_a_clock_and_a_process_that_stands_still_are_told_by_all_who_look() {
    let mut world = World::new("faults-clocks", crate::run::kafka());
    let letters = world.folder().file("dead.jsonl");
    let state = world.folder().path().join("state");
    let checkpoints = format!("[state]\nurl = {state:?}\ncheckpoint_interval = \"1s\"");
    world.start(&letters, &checkpoints);
    let mut watched = Watched::new(world);
    watched.until_well();

    // Nothing is wrong with who has nothing to say: it is told, and wakes nobody.
    let silent = "Nothing is wrong, but partition 1 of payments has been silent";
    watched.until_told(silent, &[], &[], |world| world.pay(&[0], 0));
    watched.until_well();

    // The alert is of their age, which is in minutes.
    let moved = state.with_extension("moved");
    std::fs::rename(&state, &moved).unwrap();
    std::fs::write(&state, "").unwrap();
    watched.until_told("No checkpoint can be written", &["sink"], &[], pay);
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(&moved, &state).unwrap();
    watched.until_well();

    watched.world.job().signal("STOP");
    let down = BTreeSet::from(["TidemarkDown".to_owned()]);
    until("the process to be missed", || watched.alerts() == down);
    let url = format!("http://127.0.0.1:{}", watched.world.job().port());
    let top = command().args(["top", "--once", &url]).output().unwrap();
    let text = String::from_utf8(top.stdout).unwrap();
    assert!(!top.status.success() && text.contains("does not answer"), "{text}");
    watched.world.job().signal("CONT");
    watched.until_well();

    let ahead = "Clocks of who writes payments are ahead";
    let alerts = ["TidemarkClockAhead"];
    let pay_ahead = |world: &World| world.pay(&[0, 1], 3_600_000);
    watched.until_told(ahead, &["source"], &alerts, pay_ahead);
    // It is told of a share of the last five minutes.
    let right: Vec<_> = (0..20_000).map(|n| payment(&format!("card_{}", n % 7), 0)).collect();
    watched.world.write(0, &right);
    watched.until_well();
    watched.world.job_mut().kill();
    until("the process to be missed", || watched.alerts() == down);
}

#[test]
fn state_at_its_bound_is_told_by_all_who_look_until_windows_have_emptied() {
    let mut world = World::new("faults-state", crate::run::kafka());
    let letters = world.folder().file("dead.jsonl");
    world.start(&letters, "state_bytes = \"16MiB\"");
    let watched = Watched::new(world);
    watched.until_well();
    let cards = Cell::new(0);
    let more_cards = |world: &World| {
        let first = cards.replace(cards.get() + 3_000);
        let card = |n: u32| payment(&format!("card_{n}_of_somebody"), 0);
        world.write(1, &(first..first + 3_000).map(card).collect::<Vec<_>>());
        pay(world);
    };
    watched.until_told("The state is", &["memory"], &["TidemarkStateFull"], more_cards);
    watched.until_well();
}

//! The files that others deploy from: their tools take them, and what they say is run as it stands, in the
//! image's root and as its user, against a real broker, Redis and S3-compatible service. Only names of
//! servers and ports are other ones.

pub mod image;

use crate::folder::Folder;
use crate::redis_server::{Redis, free_port, free_ports};
use crate::run::{self, kafka, topic, traffic, until};
use crate::servers::Server;
use image::{Image, files, instruction, words};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use tidemark::config::Settings;

const UNIT: &str = include_str!("../../scripts/systemd/tidemark.service");
const COMPOSE_SETTINGS: &str = include_str!("../../scripts/docker/cluster.toml");

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/deployment");
    let output = Command::new(script)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// The documents of a file of YAML.
fn yaml(file: &str) -> Vec<Value> {
    serde_json::from_str(&script(&["json", file])).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Seconds of `35s`, or of a number.
fn seconds(value: &Value) -> Duration {
    let number = value.as_u64().or_else(|| value.as_str()?.trim_end_matches('s').parse().ok());
    Duration::from_secs(number.unwrap())
}

/// `from` in `text` is `to` there, and was there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in\n{text}");
    text.replace(from, to)
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// The environment that a file names, with the test's servers.
fn with_servers(
    mut env: Vec<(String, String)>,
    topic: &str,
    redis: &Redis,
) -> Vec<(String, String)> {
    for (name, value) in &mut env {
        match (name.as_str(), value.as_str()) {
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092") => *value = kafka().bootstrap_servers,
            ("REDIS_HOST", "redis") => "127.0.0.1".clone_into(value),
            ("REDIS_PORT", "6379") => *value = redis.port.to_string(),
            _ => {}
        }
    }
    env.push(pair("KAFKA_TOPIC", topic));
    env
}

fn is_ready(port: u16) -> bool {
    run::get(port, "/ready").is_some_and(|(code, _)| code == 200)
}

#[test]
fn the_tools_of_those_who_deploy_take_the_files() {
    script(&["check"]);
}

#[test]
fn the_image_has_the_program_with_what_it_needs_and_nothing_else_and_runs_as_nobody_special() {
    let image = Image::new();
    let all = files(&image.root());
    let known = ["usr/bin/tidemark", "etc/", "usr/lib/ssl/cert.pem", "lib", "usr/lib"];
    for file in &all {
        let is_known = known.iter().any(|known| file.starts_with(known));
        let is_library =
            file.contains(".so") || !file.contains("lib") || file.ends_with("cert.pem");
        assert!(is_known && is_library, "{file} in an image of\n{all:#?}");
    }
    let [entry] = instruction("ENTRYPOINT").try_into().unwrap();
    let run = |arguments: &[&str]| {
        let more = arguments.iter().map(|word| (*word).to_owned());
        let output = image.output(&words(&entry).into_iter().chain(more).collect::<Vec<_>>(), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["--version"]).starts_with("tidemark "));
    // Time zones and pages are inside.
    assert!(run(&["check", "behavior"]).contains("behavior"));
    assert!(run(&["docs", "monitoring"]).contains("Alerts"));
    let ports = instruction("EXPOSE");
    let settings = Settings::default();
    for port in [settings.http.port, settings.serve.port] {
        assert!(ports[0].split(' ').any(|exposed| exposed == port.to_string()), "{ports:?}");
    }
}

/// What the image is asked whether it is well, by its Dockerfile.
fn health_check() -> Vec<String> {
    let [check] = instruction("HEALTHCHECK").try_into().unwrap();
    let timeout = check.split("--timeout=").nth(1).unwrap().split(' ').next().unwrap();
    let timeout = timeout.trim_end_matches('s').parse().unwrap();
    let words = words(&check);
    let given = words.iter().position(|word| word == "--timeout").map(|at| &words[at + 1]).unwrap();
    let given: u64 = given.trim_end_matches('s').parse().unwrap();
    assert!(given < timeout, "it has to say so before it is ended");
    words
}

#[test]
fn the_compose_file_and_the_image_run_a_job_that_is_well_stands_still_and_ends() {
    let (topic, redis, image) = (topic(&traffic(61, 2_000)), Redis::start(&[]), Image::new());
    let compose = yaml("scripts/docker/compose.yml").remove(0);
    let service = &compose["services"]["tidemark"];
    let (http, serve) = (free_port(), free_port());
    let settings = Settings::default();
    let ports = texts(&service["ports"]);
    for port in [settings.http.port, settings.serve.port] {
        assert!(ports.contains(&format!("127.0.0.1:{port}:{port}")), "{ports:?}");
    }
    assert_eq!(service["user"], instruction("USER")[0].as_str());
    assert!(
        texts(&service["volumes"])
            .contains(&"./cluster.toml:/etc/tidemark/cluster.toml:ro".to_owned())
    );
    let text = replaced(
        COMPOSE_SETTINGS,
        "enabled = true\n",
        &format!("enabled = true\nport = {serve}\n"),
    );
    image.mount("etc/tidemark/cluster.toml", &text);
    let env = service["environment"].as_object().unwrap().iter();
    let env = env.map(|(name, value)| pair(name, value.as_str().unwrap())).collect();
    let mut env = with_servers(env, &topic, &redis);
    env.push(pair("HEALTH_CHECK_PORT", http.to_string()));
    let [entry] = instruction("ENTRYPOINT").try_into().unwrap();
    let command: Vec<_> = words(&entry).into_iter().chain(texts(&service["command"])).collect();
    let check = || image.output(&health_check(), &env).status.code();

    assert_eq!(check(), Some(1), "nobody is there yet");
    let mut job = image.start(&command, &env);
    until("the job to be ready", || {
        job.is_running();
        is_ready(http)
    });
    if image::is_root() {
        assert_eq!(job.user(), "65532");
    }
    assert_eq!(check(), Some(0));
    job.signal("STOP");
    assert_eq!(check(), Some(1), "a process that stands still is not well");
    job.signal("CONT");
    until("it to be well again", || check() == Some(0));
    assert_eq!(run::get(serve, "/health").map(|(code, _)| code), Some(200));
    job.signal("TERM");
    let grace = seconds(&service["stop_grace_period"]);
    assert!(grace > settings.limits.shutdown);
    job.ends_within(grace);
    assert!(image.root().join("var/lib/tidemark/state/manifests").exists(), "{}", job.log());
}

#[test]
fn the_operator_of_prometheus_finds_the_pods_and_has_the_same_alerts() {
    let [monitor] = yaml("scripts/kubernetes/monitoring.yml").try_into().unwrap();
    let documents = yaml("scripts/kubernetes/tidemark.yml");
    let set = documents.iter().find(|document| document["kind"] == "StatefulSet").unwrap();
    let pod = &set["spec"]["template"];
    let wanted = &monitor["spec"]["selector"]["matchLabels"];
    assert_eq!(wanted, &pod["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
    let port = ports.iter().find(|port| port["name"] == endpoint["port"]).unwrap();
    assert_eq!(port["containerPort"], u64::from(Settings::default().http.port));
    assert_eq!(endpoint["path"], "/metrics");
    let folder = Folder::new("rules");
    folder.write("rules.yml", script(&["rules"]));
    let [rules] = yaml(&folder.file("rules.yml")).try_into().unwrap();
    assert_eq!(rules["kind"], "PrometheusRule");
    let [alerts] = yaml("scripts/prometheus/alerts.yml").try_into().unwrap();
    assert_eq!(rules["spec"], alerts);
}

/// A value of the unit.
fn of_unit(key: &str) -> Vec<&'static str> {
    let begins = format!("{key}=");
    UNIT.lines().filter_map(|line| line.strip_prefix(begins.as_str())).collect()
}

#[test]
fn the_unit_runs_a_job_that_becomes_ready_and_ends_in_time() {
    let (topic, redis, image) = (topic(&traffic(62, 2_000)), Redis::start(&[]), Image::new());
    let http = free_port();
    assert_eq!(of_unit("EnvironmentFile"), ["/etc/tidemark/tidemark.env"]);
    assert_eq!(of_unit("StateDirectory"), ["tidemark"]);
    assert_eq!(of_unit("WorkingDirectory"), ["/var/lib/tidemark"]);
    image.mount(
        "etc/tidemark/cluster.toml",
        "[state]\nurl = \"/var/lib/tidemark/state\"\n[dead_letters]\npath = \"/var/lib/tidemark/dead.jsonl\"\n",
    );
    let [line] = of_unit("ExecStart").try_into().unwrap();
    let command: Vec<_> = replaced(line, "${JOB}", "fraud").split(' ').map(str::to_owned).collect();
    let env = vec![
        pair("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
        pair("REDIS_HOST", "redis"),
        pair("REDIS_PORT", "6379"),
        pair("HEALTH_CHECK_PORT", http.to_string()),
    ];
    let mut job = image.start(&command, &with_servers(env, &topic, &redis));
    until("the job to be ready", || {
        job.is_running();
        is_ready(http)
    });
    // It tells that it lives once a second.
    assert_eq!(of_unit("Type"), ["notify"]);
    let [watched] = of_unit("WatchdogSec").try_into().unwrap();
    assert!(seconds(&Value::from(watched)) > Duration::from_secs(10));
    // To the supervisor alone, as KillMode=mixed says.
    assert_eq!(of_unit("KillMode"), ["mixed"]);
    job.signal("TERM");
    let [grace] = of_unit("TimeoutStopSec").try_into().unwrap();
    job.ends_within(seconds(&Value::from(grace)));
    let codes = of_unit("RestartPreventExitStatus")[0];
    let known = [tidemark::exit::Exit::Wrong, tidemark::exit::Exit::TakenOver];
    assert_eq!(codes, known.map(|exit| exit.code().to_string()).join(" "));
}

/// The environment of a container of Kubernetes, with these values of fields and secrets.
fn environment(container: &Value, process: usize) -> Vec<(String, String)> {
    let of = |variable: &Value| {
        let name = variable["name"].as_str().unwrap();
        if let Some(value) = variable["value"].as_str() {
            return pair(name, value);
        }
        let from = &variable["valueFrom"];
        match from["secretKeyRef"]["key"].as_str() {
            Some("redis-password") => pair(name, "hunter2"),
            Some("s3-access-key" | "s3-secret-key") => pair(name, "hunter3"),
            Some(other) => panic!("a key of a secret that nobody is told of: {other}"),
            None => {
                let field = from["fieldRef"]["fieldPath"].as_str().unwrap();
                assert_eq!(field, "metadata.labels['apps.kubernetes.io/pod-index']");
                pair(name, process.to_string())
            }
        }
    };
    container["env"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn the_manifests_run_a_cluster_whose_probes_pass_once_it_is_ready_and_which_ends_in_time() {
    let documents = yaml("scripts/kubernetes/tidemark.yml");
    let kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
    let (set, settings) =
        (&kind("StatefulSet")["spec"], &kind("ConfigMap")["data"]["cluster.toml"]);
    let pod = &set["template"]["spec"];
    let container = &pod["containers"][0];
    let count = usize::try_from(set["replicas"].as_u64().unwrap()).unwrap();
    assert_eq!(set["podManagementPolicy"], "Parallel");
    assert_eq!(set["updateStrategy"]["type"], "OnDelete");
    let service = &kind("Service")["spec"];
    assert_eq!(
        (&service["clusterIP"], &service["publishNotReadyAddresses"]),
        (&"None".into(), &true.into())
    );

    let (topic, image) = (topic(&traffic(63, 2_000)), Image::new());
    let redis = Redis::start(&["--requirepass", "hunter2"]);
    let s3 = Server::start("s3", &[]);
    let bucket = format!("{}/tidemark", s3.value("URL"));
    let made = Command::new("curl").args(["-sf", "-X", "PUT", &bucket]).status();
    assert!(made.unwrap().success());
    let width = u16::try_from(count).unwrap();
    let first = free_ports(2 * width);
    let (mesh, http) = (first, first + width);
    let mut text = settings.as_str().unwrap().to_owned();
    for process in 0..count {
        let name = format!("tidemark-{process}.tidemark:7101");
        text = replaced(&text, &name, &format!("127.0.0.1:{}", usize::from(mesh) + process));
    }
    assert!(!text.contains(".tidemark:"), "as many processes as replicas: {text}");
    text = replaced(&text, "[http]\nbind = \"0.0.0.0\"\n", &format!("[http]\nport = {http}\n"));
    text = replaced(&text, "bind = \"0.0.0.0\"\n", "bind = \"127.0.0.1\"\n");
    image.mount("etc/tidemark/cluster.toml", &text);

    let [entry] = instruction("ENTRYPOINT").try_into().unwrap();
    let start = |process: usize| {
        let mut env = with_servers(environment(container, process), &topic, &redis);
        env.push(pair("AWS_ENDPOINT_URL", s3.value("URL")));
        let arguments = texts(&container["args"]).into_iter();
        let arguments = arguments.map(|word| word.replace("$(PROCESS)", &process.to_string()));
        image.start(&words(&entry).into_iter().chain(arguments).collect::<Vec<_>>(), &env)
    };
    let mut pods: Vec<_> = (0..count).map(start).collect();
    let ports: Vec<u16> = (http..http + width).collect();
    let probe = &container["readinessProbe"]["httpGet"];
    assert_eq!((&probe["path"], &probe["port"]), (&"/ready".into(), &"http".into()));
    until("all to be ready", || {
        pods.iter_mut().for_each(image::Container::is_running);
        ports.iter().all(|port| is_ready(*port))
    });
    for probe in ["livenessProbe", "startupProbe"] {
        let command = texts(&container[probe]["exec"]["command"]);
        let alive = |port: u16| {
            let own = |word: &String| match word.as_str() {
                "127.0.0.1:8088" => format!("127.0.0.1:{port}"),
                other => other.to_owned(),
            };
            let words: Vec<_> = command.iter().map(own).collect();
            assert!(words.contains(&format!("127.0.0.1:{port}")), "{words:?}");
            image.output(&words, &[]).status.code()
        };
        assert!(ports.iter().all(|port| alive(*port) == Some(0)));
        assert_eq!(alive(free_port()), Some(1));
    }
    let grace = seconds(&pod["terminationGracePeriodSeconds"]);
    assert!(grace > Settings::default().limits.shutdown);
    pods.iter().for_each(|pod| pod.signal("TERM"));
    pods.iter_mut().for_each(|pod| pod.ends_within(grace));
}

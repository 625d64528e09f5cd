//! A stop with something that hangs, and files that are not what they should be.

use crate::folder::Folder;
use crate::redis_server::Redis;
use crate::run::{Process, command, settings, topic, traffic, until, write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn a_stop_with_a_hung_redis_ends_within_limits_shutdown() {
    let redis = Redis::start(&[]);
    let folder = Folder::new("stop");
    // A reply is waited for far longer than a stop may take.
    let dead = folder.path().join("dead.jsonl").display().to_string();
    let text = format!(
        "[limits]\nshutdown = \"2s\"\n[online]\npublish = \"at_once\"\n[online.redis]\n\
         response_timeout = \"1m\"\n[dead_letters]\npath = {dead:?}\n"
    );
    std::fs::write(folder.path().join("cluster.toml"), text).unwrap();
    let log = traffic(31, 2_000);
    let name = topic(&log);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let bootstrap = crate::run::kafka().bootstrap_servers;
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", bootstrap.as_str()),
        ("KAFKA_TOPIC", name.as_str()),
        ("REDIS_URL", url.as_str()),
    ];
    let mut job = Process::start(folder.path(), "fraud", &variables);
    job.until_ready();
    redis.signal("STOP");
    write(&name, &traffic(32, 2_000));
    until("rows to wait for Redis", || {
        let Some((_, metrics)) = job.get("/metrics") else { return false };
        let line = metrics.lines().find_map(|l| l.strip_prefix("tidemark_online_rows_pending "));
        line.is_some_and(|rows| rows != "0")
    });
    let asked = Instant::now();
    job.signal("TERM");
    let status = job.wait();
    let took = asked.elapsed();
    redis.signal("CONT");
    assert_eq!(status.code(), Some(0), "{}", job.log());
    // Two seconds are meant; a reply would be waited for for a minute.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(job.log().contains("not all rows are written"), "{}", job.log());
}

#[test]
fn files_of_a_run_are_their_users_alone_and_a_link_in_their_place_ends_the_job() {
    let folder = Folder::new("files");
    let (sealed, link) = (folder.path().join("sealed.jsonl"), folder.path().join("link"));
    let run = |sealed: &Path| {
        let sealed = sealed.display().to_string();
        settings(
            folder.path(),
            &format!("[online]\nkind = \"embedded\"\n[sealed]\npath = {sealed:?}\n"),
        );
        let job = crate::run::over_files(folder.path(), &traffic(33, 200));
        let mut run = command();
        run.arg("run").arg(job).arg("--cluster").arg(folder.path().join("cluster.toml"));
        run.env("HEALTH_CHECK_PORT", "0").output().unwrap()
    };
    let output = run(&sealed);
    assert!(output.status.success(), "{output:?}");
    assert!(std::fs::metadata(&sealed).unwrap().len() > 0);
    for file in [&sealed, &folder.path().join("dead.jsonl")] {
        let mode = std::fs::metadata(file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", file.display());
    }
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    symlink(&precious, &link).unwrap();
    let output = run(&link);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("symbolic link") && text.contains("link"), "{text}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    // A full disk is named, and so is what to do.
    let output = run(Path::new("/dev/full"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("/dev/full") && text.contains("make room"), "{text}");
}

#[test]
fn outputs_may_be_standard_output_and_devices() {
    let folder = Folder::new("files");
    let job = crate::run::over_files(folder.path(), &traffic(34, 200));
    for out in ["/dev/stdout", "/dev/null"] {
        let mut docs = command();
        docs.arg("docs").arg(&job).args(["--output", out]);
        let output = docs.output().unwrap();
        assert!(output.status.success(), "{out}: {output:?}");
        assert_eq!(output.stdout.is_empty(), out == "/dev/null");
    }
}

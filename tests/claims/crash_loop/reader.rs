//! Who reads Redis all the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark::online::Heartbeat;

/// What may never fall: a count that no event leaves.
const COUNT: &str = "txn_count_366d";

/// The thread; it ends with this.
pub struct Reader {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64, String>>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

impl Reader {
    /// Reads the rows of a job.
    pub fn start(port: u16, job: &str) -> Reader {
        let over = Arc::<AtomicBool>::default();
        let until = Arc::clone(&over);
        let heartbeats = format!("tidemark:{job}");
        let thread = std::thread::spawn(move || read(port, &heartbeats, &until));
        Reader { over, thread: Some(thread) }
    }

    /// How often it has asked.
    ///
    /// # Errors
    /// What fell.
    pub fn end(mut self) -> Result<u64, String> {
        self.over.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn read(port: u16, heartbeats: &str, over: &AtomicBool) -> Result<u64, String> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let (mut newest, mut asked) = (HashMap::<String, u64>::new(), 0);
    let mut newest_as_of = 0;
    while !over.load(Ordering::Acquire) {
        // Redis is away now and then.
        let Ok(mut connection) = client.get_connection_with_timeout(Duration::from_millis(500))
        else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let _ = connection.set_read_timeout(Some(Duration::from_secs(2)));
        while !over.load(Ordering::Acquire) {
            let Ok(counts) = counts(&mut connection) else { break };
            for (key, count) in counts {
                let held = newest.entry(key.clone()).or_default();
                if count < *held {
                    return Err(format!("{COUNT} of {key} fell from {held} to {count}"));
                }
                *held = count;
            }
            let Ok(as_of) = as_of(&mut connection, heartbeats) else { break };
            if as_of.is_some_and(|as_of| as_of < newest_as_of) {
                return Err(format!("rows were as of {newest_as_of} and are as of {as_of:?}"));
            }
            newest_as_of = as_of.unwrap_or(newest_as_of);
            asked += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(asked)
}

/// The counts that are there now, by key.
fn counts(connection: &mut redis::Connection) -> redis::RedisResult<Vec<(String, u64)>> {
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("features:*transaction_stats_5m").query(connection)?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for key in &keys {
        pipe.cmd("HGET").arg(key).arg(COUNT);
    }
    let counts: Vec<Option<u64>> = pipe.query(connection)?;
    Ok(keys.into_iter().zip(counts).filter_map(|(key, count)| Some((key, count?))).collect())
}

/// The live clock that all rows are as of; `None` while not all workers of a run have told.
fn as_of(connection: &mut redis::Connection, heartbeats: &str) -> redis::RedisResult<Option<u64>> {
    let beats: HashMap<String, String> = redis::cmd("HGETALL").arg(heartbeats).query(connection)?;
    let workers = beats.get("workers").and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
    let beat = |worker| beats.get(&format!("w{worker}"))?.parse::<Heartbeat>().ok();
    let Some(beats) = (0..workers).map(beat).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let of_one_run = beats.windows(2).all(|pair| pair[0].generation == pair[1].generation);
    let oldest = beats.iter().map(|beat| beat.clock).min();
    // 0: a run that has not caught up knows nothing.
    Ok(oldest.filter(|clock| of_one_run && *clock > 0))
}

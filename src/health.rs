//! `tidemark health`: whether a running process is well, by its exit code: what containers and
//! supervisors ask, where there is no curl.

use crate::ask;
use crate::cli::HealthArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::text::printable;
use serde::Deserialize;
use std::fmt::Write as _;

/// What `/health` and `/ready` say, as far as it matters here.
#[derive(Deserialize)]
struct Said {
    status: Option<String>,
    ready: Option<bool>,
    reason: Option<String>,
    /// Why there is no answer.
    error: Option<String>,
    #[serde(default)]
    components: Vec<SaidOfPart>,
}

/// What is said of one part.
#[derive(Deserialize)]
struct SaidOfPart {
    name: String,
    kind: String,
    state: String,
    reason: String,
}

/// Carries out the command.
///
/// # Errors
/// Exit code 3 when the process stands still or has not caught up; 1 when nobody answers in time, or
/// what answers is no tidemark process; 2 when the settings are wrong.
pub fn run(args: &HealthArgs) -> Result<Exit, Failure> {
    let url = match &args.address {
        Some(address) => format!("http://{address}"),
        None => ask::here(args.cluster.as_ref())?,
    };
    let path = if args.ready { "ready" } else { "health" };
    let (code, body) = ask::get(&format!("{url}/{path}"), args.timeout).map_err(|error| {
        Failure::failed(format!("no answer from {url} within {:?}: {error}", args.timeout)).hint(
            "look whether the process runs, and at its log; another address is named by --address, \
             HEALTH_CHECK_PORT, or \"port\" in [http] of cluster.toml",
        )
    })?;
    let said: Option<Said> = serde_json::from_str(&body).ok();
    if let Some(error) = said.as_ref().and_then(|said| said.error.as_deref()) {
        let why = format!("the process at {url} answers with {code}: {}", printable(error));
        return Err(Failure::failed(why).hint("look at its log"));
    }
    let said =
        said.filter(|said| said.status.is_some() || said.ready.is_some()).ok_or_else(|| {
            Failure::failed(format!("what answers at {url} is no tidemark process (status {code})"))
                .hint("name the address that `tidemark run` shows, by --address")
        })?;
    let text = text(&said);
    match code {
        200 => output::print(&text),
        _ => Err(Failure::no(format!(
            "the process at {url} is not {}: {}",
            match args.ready {
                true => "ready",
                false => "well",
            },
            text.trim_end()
        ))
        .hint(match args.ready {
            true => "it catches up; /ready says how far each partition is",
            false => "restart the process, and report its log",
        })),
    }
}

/// A line for everything that is not well.
fn text(said: &Said) -> String {
    let mut out = String::new();
    for part in said.components.iter().filter(|part| part.state != "ok") {
        // Writing to a string cannot fail.
        let SaidOfPart { name, kind, state, reason } = part;
        let line = format!("{kind} {name}: {state}: {reason}");
        let _ = writeln!(out, "{}", printable(&line));
    }
    match (&said.reason, out.is_empty()) {
        (Some(reason), _) => format!("{}\n", printable(reason)),
        (None, false) => out,
        (None, true) => "ok\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_not_well_has_a_line() {
        let said = r#"{"status":"degraded","components":[
            {"name":"fraud","kind":"job","state":"ok","reason":"5 records read"},
            {"name":"online (redis)","kind":"sink","state":"down","reason":"refused"}]}"#;
        let said: Said = serde_json::from_str(said).unwrap();
        assert_eq!(text(&said), "sink online (redis): down: refused\n");
        let said: Said = serde_json::from_str(r#"{"status":"ok","components":[]}"#).unwrap();
        assert_eq!(text(&said), "ok\n");
        let said: Said = serde_json::from_str(r#"{"ready":false,"reason":"2 of 4"}"#).unwrap();
        assert_eq!(text(&said), "2 of 4\n");
    }
}

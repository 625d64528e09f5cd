//! Asking a running process for a row.

use crate::failure::Failure;
use crate::online::redis::TextRow;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use tidemark_operators::plan::ViewPlan;

/// How long connecting and answering may take, each.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The row of `id` in `view` from the process that listens on `address`; `None` when it has none.
///
/// # Errors
/// When nobody answers there, or what answers is not a job with that view.
pub(super) fn row(
    address: SocketAddr,
    view: &ViewPlan,
    id: &str,
) -> Result<Option<TextRow>, Failure> {
    let address = reachable(address);
    let path = format!("/features/{}?id={}", encoded(&view.name), encoded(id));
    let answer = get(address, &path).map_err(|error| {
        Failure::failed(format!("cannot ask the job at http://{address}{path}: {error}")).hint(
            "the embedded store lives in the running process: start `tidemark run` or `tidemark \
             demo`, and see that HEALTH_CHECK_PORT or \"port\" in [http] is its port",
        )
    })?;
    let refused = |why: &str| {
        Failure::failed(format!("the job at http://{address} did not give the row: {why}"))
            .hint("see that it runs the same job")
    };
    let body: Body = serde_json::from_str(&answer.body)
        .map_err(|_| refused("its answer is not that of a tidemark process"))?;
    match (answer.code, body.features) {
        (200, Some(features)) => {
            let value = |name: &String| features.get(name).and_then(|value| text(value.get()));
            let names = view.features.iter().map(|feature| &feature.name);
            Ok(Some(names.map(|name| (name.clone(), value(name))).collect()))
        }
        (404, _) if body.as_of.is_some() => Ok(None),
        _ => Err(refused(body.error.as_deref().unwrap_or("no reason given"))),
    }
}

/// What there may be in an answer. Values are kept as they are written: reading numbers could change
/// their last digits.
#[derive(Deserialize)]
struct Body {
    features: Option<HashMap<String, Box<RawValue>>>,
    as_of: Option<u64>,
    error: Option<String>,
}

/// A process that listens on every network is asked on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => {
            SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
        }
        _ => address,
    }
}

/// A JSON value as Redis has it; `None` for null.
fn text(value: &str) -> Option<String> {
    match value {
        "null" => None,
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).ok(),
        plain => Some(plain.to_owned()),
    }
}

/// A text as a part of a path or of what follows it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            byte if plain(byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

struct Reply {
    code: u16,
    body: String,
}

fn get(address: SocketAddr, path: &str) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is not HTTP"))
}

fn parse(answer: &str) -> Option<Reply> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { code, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_a_request() {
        assert_eq!(encoded("card_1-a.b~"), "card_1-a.b~");
        assert_eq!(encoded("a/b?c d\r\né"), "a%2Fb%3Fc%20d%0D%0A%C3%A9");
    }

    #[test]
    fn an_answer_is_its_code_and_its_body() {
        let answer = parse("HTTP/1.1 404 Not Found\r\na: b\r\n\r\n{\"as_of\":1}\n").unwrap();
        assert_eq!((answer.code, answer.body.as_str()), (404, "{\"as_of\":1}\n"));
        assert!(parse("SSH-2.0").is_none());
    }

    #[test]
    fn numbers_keep_their_digits_and_texts_lose_their_quotes() {
        assert_eq!(text("188.19954698275865").as_deref(), Some("188.19954698275865"));
        assert_eq!(text("\"a\\\"b\"").as_deref(), Some("a\"b"));
        assert_eq!(text("null"), None);
    }

    #[test]
    fn a_job_that_listens_everywhere_is_asked_here() {
        let everywhere: SocketAddr = "0.0.0.0:8088".parse().unwrap();
        assert_eq!(reachable(everywhere).to_string(), "127.0.0.1:8088");
    }
}

//! Asking a running process over HTTP.

use crate::config::{ClusterFile, Flags, Settings};
use crate::failure::Failure;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// How long asking may take, unless something else is said.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// What is escaped in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as it stands in a path, or behind it as a value.
pub(crate) fn segment(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, SEGMENT)
}

/// Where a process is asked that listens on `address`: one that listens on every network, here.
pub fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Where the process of this machine is asked, by the settings in `cluster` or in this folder.
///
/// # Errors
/// Exit code 2 when the settings are wrong.
pub(crate) fn here(cluster: Option<&PathBuf>) -> Result<String, Failure> {
    let file = ClusterFile::from(cluster);
    Ok(url(Settings::load(&file, Flags::default())?.http.address()))
}

/// Code and body of what answers at `url` within `patience`, whatever the code is.
///
/// # Errors
/// When nobody answers there in time, or the answer is longer than 16 MiB.
pub fn get(url: &str, patience: Duration) -> Result<(u16, String), ureq::Error> {
    read(agent(patience).get(url).call()?)
}

/// The same where something is to be changed by asking, which says all.
///
/// # Errors
/// As [`get`].
pub fn post(url: &str, patience: Duration) -> Result<(u16, String), ureq::Error> {
    read(agent(patience).post(url).send_empty()?)
}

fn agent(patience: Duration) -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        // A process of the job is asked itself, whatever proxy the environment names.
        .proxy(None)
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        // A process of the job answers itself: whoever sends elsewhere is none.
        .max_redirects(0)
        .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .new_agent()
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<(u16, String), ureq::Error> {
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
    Ok((answer.status().as_u16(), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_in_a_request() {
        let encoded = |text| segment(text).to_string();
        assert_eq!(encoded("card_1-a.b~"), "card_1-a.b~");
        assert_eq!(encoded("a/b?c d\r\né"), "a%2Fb%3Fc%20d%0D%0A%C3%A9");
    }

    #[test]
    fn a_job_that_listens_everywhere_is_asked_here() {
        assert_eq!(url("0.0.0.0:8088".parse().unwrap()), "http://127.0.0.1:8088");
        assert_eq!(url("[::]:1".parse().unwrap()), "http://[::1]:1");
        assert_eq!(url("10.0.0.7:80".parse().unwrap()), "http://10.0.0.7:80");
    }

    #[test]
    fn who_sends_elsewhere_is_not_followed() {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = elsewhere.local_addr().unwrap();
        let asked = url(listener.local_addr().unwrap());
        let answers = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4_096]).unwrap();
            let head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation";
            write!(stream, "{head}: http://{target}/overview\r\n\r\n").unwrap();
        });
        let (code, _) = get(&asked, Duration::from_secs(5)).unwrap();
        assert_eq!(code, 302);
        answers.join().unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        assert!(elsewhere.accept().is_err(), "nobody went there");
    }
}

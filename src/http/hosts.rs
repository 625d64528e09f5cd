//! By which names a server may be asked, and from where: so that no page of another site reads or
//! changes anything through the browser of somebody who can reach the port.
//!
//! A browser keeps pages apart by the names of their hosts. Whoever owns a name can let it mean the
//! address of this process once the page is loaded, and ask under that name (DNS rebinding): the request
//! then names that host. Answered is who asks for
//!
//! - an IP address, which no name can be made to mean in a browser's eyes;
//! - `localhost`, and names that nobody can own: without a dot, or under `.localhost`, `.local`,
//!   `.internal`, `.svc`;
//! - the host's own name, and those of the processes of the cluster;
//! - a name that is allowed by `names` in `[http]`; `*.example.com` is all below `example.com`.
//!
//! Others get 421. What changes something is refused with 403 when a page asks for it, whichever it is.
//! A request without a host is none of a browser.

use super::routes::refusal;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Endings of names that are nobody's in the world's names.
const NOBODYS: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];
/// Of a name that is refused, so much is said again.
const SHOWN_CHARS: usize = 100;

/// The names by which a server may be asked, besides those that are always allowed.
#[derive(Clone, Debug, Default)]
pub struct HostNames(Arc<Vec<String>>);

impl HostNames {
    /// These, which may be ports behind names and `*.` before them, and the name of this host.
    ///
    /// ```
    /// use tidemark::http::HostNames;
    ///
    /// let names = HostNames::new(["metrics.example.com", "*.prod.example.com"]);
    /// assert!(names.allow("10.2.3.4:8088") && names.allow("tidemark-0.tidemark.jobs.svc"));
    /// assert!(names.allow("Metrics.example.com") && names.allow("a.prod.example.com:80"));
    /// assert!(!names.allow("example.com") && !names.allow("evil.example"));
    /// ```
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let own = rustix::system::uname();
        let own = own.nodename().to_str().ok().map(name_of);
        HostNames(Arc::new(names.into_iter().map(name_of).chain(own).collect()))
    }

    /// Whether a request may be for `host`, with or without a port.
    pub fn allow(&self, host: &str) -> bool {
        let name = name_of(host);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let is_below = |allowed: &String| {
            let ending = allowed.strip_prefix('*').filter(|ending| ending.starts_with('.'));
            ending.is_some_and(|ending| name.ends_with(ending))
        };
        address.parse::<IpAddr>().is_ok()
            || !name.contains('.')
            || NOBODYS.iter().any(|ending| name.ends_with(ending))
            || self.0.iter().any(|allowed| *allowed == name || is_below(allowed))
    }
}

/// A host's name: without its port and a last dot, in small letters.
fn name_of(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whom a request is for; `Err`: it says so in a way that nobody understands.
fn asked_for<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<Option<&'a str>, ()> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.to_str().map_err(|_| ())).transpose()?;
    match (host, hosts.next()) {
        (_, Some(_)) => Err(()),
        (host, None) => Ok(uri.authority().map(Authority::as_str).or(host)),
    }
}

/// The router, for whom it may answer.
pub(super) fn guard(router: Router, names: HostNames) -> Router {
    router.layer(from_fn_with_state(names, guarded))
}

/// Lets through what may be answered.
async fn guarded(State(names): State<HostNames>, request: Request, next: Next) -> Response {
    let asked = asked_for(request.uri(), request.headers());
    if !asked.is_ok_and(|host| host.is_none_or(|host| names.allow(host))) {
        let host = asked.ok().flatten().unwrap_or_default();
        let host: String = host.chars().take(SHOWN_CHARS).collect();
        let error = format!("\"{host}\" is none of the names by which this process is asked");
        let hint = "ask by an IP address or localhost, or allow the name by \"names\" in [http] of \
                    cluster.toml; otherwise a page of another site could read what is here";
        return refusal(StatusCode::MISDIRECTED_REQUEST, &error, hint);
    }
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if changes && request.headers().contains_key(header::ORIGIN) {
        // Whoever has a page open would change it with the rights of this machine.
        let error = "no page of a browser may change anything here, or ask by POST";
        let hint =
            "a program asks without the header \"Origin\": have a proxy in between leave it out";
        return refusal(StatusCode::FORBIDDEN, error, hint);
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let alone = header::HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(alone, HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_that_nobody_can_own_are_allowed_and_others_are_not() {
        let names = HostNames::new([]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8088",
            "10.244.1.7:8088",
            "[::1]:8088",
            "[fd00::7]",
            "localhost",
            "LOCALHOST:8088",
            "a.localhost",
            "tidemark",
            "tidemark:8088",
            "tidemark-0.tidemark.jobs.svc",
            "tidemark.jobs.svc.cluster.local:8088",
            "node.eu.compute.internal",
            "localhost.",
        ] {
            assert!(names.allow(host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8088",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1:8088.evil.example",
            "svc.example",
            "evil.example.",
            "x.local.example:1",
        ] {
            assert!(!names.allow(host), "{host}");
        }
    }

    #[test]
    fn the_host_s_own_name_is_allowed() {
        let own = rustix::system::uname();
        assert!(HostNames::new([]).allow(own.nodename().to_str().unwrap()));
    }

    #[test]
    fn what_is_below_a_name_is_allowed_by_a_star_and_the_name_itself_is_not() {
        let names = HostNames::new(["*.example.com", "one.example.org:80", "dot.example.org."]);
        for (host, allowed) in [
            ("a.example.com", true),
            ("a.b.example.com:1", true),
            ("example.com", false),
            ("badexample.com", false),
            ("one.example.org:8088", true),
            ("two.example.org", false),
            ("dot.example.org", true),
        ] {
            assert_eq!(names.allow(host), allowed, "{host}");
        }
        assert!(!HostNames::new(["*"]).allow("evil.example"), "all names are no name");
    }
}

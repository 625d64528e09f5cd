//! S3Client to the service: signed, tried again, and what their answers mean.

use super::listing::error_code;
use super::settings::S3Settings;
use super::sign::{Signed, Signing, authorization, digest};
use crate::wall_clock::wall_ms;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;
use ureq::http::{Method, Response, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Error};

/// What stands in a URL as it is.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PLAIN_IN_PATH: AsciiSet = PLAIN.remove(b'/');
/// How long an answer is that is no object.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How much longer than the first a pause becomes.
const PAUSE_GROWTH_MAX: u32 = 64;

/// What is asked.
pub(super) struct Request<'a> {
    method: Method,
    key: &'a str,
    /// Sorted, and escaped.
    query: String,
    body: &'a [u8],
    answer_bytes_max: u64,
    /// Only when there is no object of the key.
    if_absent: bool,
    /// From the first to the last byte.
    range: Option<(u64, u64)>,
}

impl<'a> Request<'a> {
    fn new(method: Method, key: &'a str) -> Self {
        Request {
            method,
            key,
            query: String::new(),
            body: &[],
            answer_bytes_max: ANSWER_BYTES_MAX,
            if_absent: false,
            range: None,
        }
    }

    pub fn put(key: &'a str, body: &'a [u8]) -> Self {
        Request { body, ..Request::new(Method::PUT, key) }
    }

    pub fn get(key: &'a str, bytes_max: u64) -> Self {
        let answer_bytes_max = bytes_max.max(ANSWER_BYTES_MAX);
        Request { answer_bytes_max, ..Request::new(Method::GET, key) }
    }

    /// The same, only when there is no object of the key.
    pub fn if_absent(self) -> Self {
        Request { if_absent: true, ..self }
    }

    /// The same, from the byte `first` to the byte `last`.
    pub fn range(self, first: u64, last: u64) -> Self {
        Request { range: Some((first, last)), ..self }
    }

    pub fn delete(key: &'a str) -> Self {
        Request::new(Method::DELETE, key)
    }

    /// A page of keys that begin with `prefix`.
    pub fn list(prefix: &str, token: Option<&str>) -> Self {
        let escaped = |text| utf8_percent_encode(text, &PLAIN).to_string();
        let token = token
            .map_or_else(String::new, |token| format!("continuation-token={}&", escaped(token)));
        let query = format!("{token}encoding-type=url&list-type=2&prefix={}", escaped(prefix));
        Request { query, ..Request::new(Method::GET, "") }
    }
}

/// What was answered.
pub(super) struct S3Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// An earlier try failed, and may have been carried out.
    pub unanswered: bool,
}

/// Why there is no answer that means anything.
pub(super) struct S3Trouble {
    pub why: String,
    pub next: &'static str,
}

impl S3Answer {
    /// That there is no object of the key; a bucket that is missing is something else.
    pub fn is_no_key(&self) -> bool {
        self.body.is_empty() || error_code(&self.body).as_deref() == Some("NoSuchKey")
    }

    /// What an answer means that is none of those that were to be expected.
    pub fn trouble(&self) -> S3Trouble {
        let code = error_code(&self.body);
        let next = match (self.status, code.as_deref()) {
            (404, Some("NoSuchBucket")) => "make the bucket, or name another one",
            (301 | 307 | 400, Some("PermanentRedirect" | "AuthorizationHeaderMalformed")) => {
                "set AWS_REGION to the region of the bucket"
            }
            (403, Some("RequestTimeTooSkewed")) => "set the clock of this machine",
            (401 | 403, _) => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what that key may do in the \
                 bucket"
            }
            (429 | 500..=599, _) => "look at the state of the service, and try again",
            _ => "look at what answers there: it should be an S3-compatible service",
        };
        let code = code.map_or_else(String::new, |code| format!(" ({code})"));
        S3Trouble { why: format!("it answered {}{code}", self.status), next }
    }

    fn may_pass(&self, request: &Request<'_>) -> bool {
        // 409: another creation of the same key was under way.
        matches!(self.status, 429 | 500 | 502..=504) || (self.status == 409 && request.if_absent)
    }
}

/// Sends requests about one bucket.
pub(super) struct S3Client {
    agent: Agent,
    /// `https://HOST`, and the path of the bucket.
    base: String,
    host: String,
    /// Empty, or `/BUCKET`.
    path: String,
    settings: S3Settings,
}

impl S3Client {
    pub fn new(bucket: &str, settings: &S3Settings) -> Result<Self, String> {
        let aws = || format!("https://s3.{}.amazonaws.com", settings.region);
        let endpoint = settings.endpoint.clone().unwrap_or_else(aws);
        let no_endpoint =
            || format!("the endpoint {endpoint} is no http:// or https:// with a host");
        let uri: Uri = endpoint.trim_end_matches('/').parse().map_err(|_| no_endpoint())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let (scheme, host) = scheme.zip(uri.host()).ok_or_else(no_endpoint)?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(no_endpoint());
        }
        // A port that is the scheme's own is not sent.
        let port = uri.port_u16().filter(|port| (scheme, *port) != ("https", 443));
        let port = port.filter(|port| (scheme, *port) != ("http", 80));
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let (host, path) = match settings.path_style {
            true => (format!("{host}{port}"), format!("/{bucket}")),
            false => (format!("{bucket}.{host}{port}"), String::new()),
        };
        let agent = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(settings)?)
            .build()
            .new_agent();
        let both = settings.access_key.is_some() == settings.secret_key.is_some();
        if !both {
            return Err("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is missing".to_owned());
        }
        let (base, settings) = (format!("{scheme}://{host}"), settings.clone());
        Ok(S3Client { agent, base, host, path, settings })
    }

    /// Asks until there is an answer that counts, or trouble has come as often as it may.
    pub fn ask(&self, request: &Request<'_>) -> Result<S3Answer, S3Trouble> {
        let mut unanswered = false;
        for tried in 1.. {
            let answer = self.ask_once(request);
            let is_last = tried >= self.settings.tries;
            match answer {
                Ok(answer) if is_last || !answer.may_pass(request) => {
                    return Ok(S3Answer { unanswered, ..answer });
                }
                Err(trouble) if is_last => return Err(trouble),
                _ => unanswered = true,
            }
            let growth = 1u32.checked_shl(tried - 1).unwrap_or(PAUSE_GROWTH_MAX);
            std::thread::sleep(self.settings.pause * growth.min(PAUSE_GROWTH_MAX));
        }
        Err(S3Trouble { why: "it was not asked".to_owned(), next: "set `tries` to at least 1" })
    }

    fn ask_once(&self, request: &Request<'_>) -> Result<S3Answer, S3Trouble> {
        let mut response = self.send(request)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(request.answer_bytes_max).read_to_vec();
        let body = match body {
            Ok(body) => body,
            // Not said by all kinds of services.
            Err(_) if status >= 300 => Vec::new(),
            Err(error) => return Err(self.broken(&error)),
        };
        Ok(S3Answer { status, body, unanswered: false })
    }

    fn send(&self, request: &Request<'_>) -> Result<Response<Body>, S3Trouble> {
        let key = utf8_percent_encode(request.key, &PLAIN_IN_PATH);
        let path = format!("{}/{key}", self.path);
        let (time, body) = (now(), digest(request.body));
        let range = request.range.map(|(first, last)| format!("bytes={first}-{last}"));
        // In the order of their names, which is that of the signature.
        let mut headers = vec![("host", self.host.as_str())];
        headers.extend(request.if_absent.then_some(("if-none-match", "*")));
        headers.extend(range.as_deref().map(|range| ("range", range)));
        headers.extend([("x-amz-content-sha256", body.as_str()), ("x-amz-date", &time)]);
        let token = self.settings.session_token.as_ref().map(|token| token.reveal());
        headers.extend(token.map(|token| ("x-amz-security-token", token)));
        let signed = Signed {
            method: request.method.as_str(),
            path: &path,
            query: &request.query,
            headers: &headers,
            body: &body,
            time: &time,
        };
        let authorization = self.authorization(&signed)?;
        let query = match request.query.is_empty() {
            true => String::new(),
            false => format!("?{}", request.query),
        };
        let mut built = ureq::http::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{path}{query}", self.base));
        // The client sends the host by itself.
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            built = built.header(*name, *value);
        }
        if let Some(authorization) = authorization {
            built = built.header(header::AUTHORIZATION, authorization);
        }
        let unsendable = |_| S3Trouble {
            why: "the request cannot be sent".to_owned(),
            next: "check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN: each is one line of plain text",
        };
        let sent = match request.method == Method::PUT {
            true => self.agent.run(built.body(request.body).map_err(unsendable)?),
            false => self.agent.run(built.body(()).map_err(unsendable)?),
        };
        sent.map_err(|error| self.broken(&error))
    }

    /// The header that signs in; none without keys.
    fn authorization(&self, signed: &Signed<'_>) -> Result<Option<String>, S3Trouble> {
        let S3Settings { access_key, secret_key, region, .. } = &self.settings;
        let Some((access_key, secret_key)) = access_key.as_ref().zip(secret_key.as_ref()) else {
            return Ok(None);
        };
        let signing = Signing { access_key, secret_key: secret_key.reveal(), region };
        authorization(signing, signed).map(Some).map_err(|error| S3Trouble {
            why: format!("the request cannot be signed: {error}"),
            next: "look at the installation of OpenSSL",
        })
    }

    /// A request without an answer. What the error says of the request is not shown.
    fn broken(&self, error: &Error) -> S3Trouble {
        let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
        let why = match error {
            Error::Timeout(_) => "it did not answer in time".to_owned(),
            Error::Io(error) if timed_out(error) => "it did not answer in time".to_owned(),
            Error::BodyExceedsLimit(_) => "its answer is too long".to_owned(),
            error => error.to_string(),
        };
        let why = format!("{}: {why}", self.base);
        S3Trouble { why, next: "see that the service runs and can be reached from here" }
    }
}

/// As `20130524T000000Z`.
fn now() -> String {
    let ms = wall_ms().and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn tls(settings: &S3Settings) -> Result<TlsConfig, String> {
    let roots = match &settings.ca_file {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let wrong =
                |why: String| format!("the certificates in {} are none: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let items = ureq::tls::parse_pem(&pem).collect::<Result<Vec<_>, _>>();
            let found = |item| match item {
                PemItem::Certificate(found) => Some(found),
                _ => None,
            };
            let items = items.map_err(|error| wrong(error.to_string()))?.into_iter();
            let roots: Vec<Certificate<'static>> = items.filter_map(found).collect();
            if roots.is_empty() {
                return Err(wrong("write PEM".to_owned()));
            }
            RootCerts::Specific(Arc::new(roots))
        }
    };
    Ok(TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(endpoint: Option<&str>, path_style: bool) -> Result<(String, String), String> {
        let endpoint = endpoint.map(str::to_owned);
        let region = "eu-central-1".to_owned();
        let settings = S3Settings { endpoint, region, path_style, ..S3Settings::default() };
        S3Client::new("bucket", &settings).map(|it| (it.base, it.path))
    }

    #[test]
    fn a_bucket_is_part_of_the_host_or_of_the_path() {
        let of = |base: &str, path: &str| Ok((base.to_owned(), path.to_owned()));
        assert_eq!(client(None, false), of("https://bucket.s3.eu-central-1.amazonaws.com", ""));
        let minio = Some("http://minio:9000/");
        assert_eq!(client(minio, true), of("http://minio:9000", "/bucket"));
        assert_eq!(client(minio, false), of("http://bucket.minio:9000", ""));
        assert_eq!(
            client(Some("https://s3.example:443"), true),
            of("https://s3.example", "/bucket")
        );
        for wrong in ["minio:9000", "ftp://minio", "http://minio/path", "", "http://"] {
            let error = client(Some(wrong), true).unwrap_err();
            assert!(error.contains("is no http:// or https:// with a host"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_key_without_its_secret_is_refused() {
        let settings = S3Settings { access_key: Some("a".to_owned()), ..S3Settings::default() };
        let error = S3Client::new("bucket", &settings).err().unwrap();
        assert!(error.ends_with("one is missing"), "{error}");
    }

    #[test]
    fn what_a_page_is_asked_for_with_is_sorted_and_escaped() {
        let query = Request::list("a=1/", Some("x&y+/=")).query;
        let expected =
            "continuation-token=x%26y%2B%2F%3D&encoding-type=url&list-type=2&prefix=a%3D1%2F";
        assert_eq!(query, expected);
    }
}

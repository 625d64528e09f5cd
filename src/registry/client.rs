//! One request to the registry, and what its answer means.

use crate::registry::error::RegistryError;
use crate::registry::settings::{Credential, Credentials, RegistryConfig, TlsFiles};
use crate::registry::status::RequestOutcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderValue, header};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Error};

/// The longest pause that a registry may wish for.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest file with a password, a token or certificates.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What registries call their answers.
const ACCEPT: &str = "application/vnd.schemaregistry.v1+json, application/json";

/// A request that gave no schema.
#[derive(Debug)]
pub(super) enum Failed {
    /// The registry has no such thing.
    Missing,
    /// The answer is longer than it may be.
    TooLong,
    /// There was no answer that means anything.
    Trouble(RequestTrouble),
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) struct RequestTrouble {
    pub outcome: RequestOutcome,
    /// Who was asked, what happened. Free of secrets.
    pub text: String,
    /// How long the registry wishes not to be asked.
    pub pause: Option<Duration>,
}

impl RequestTrouble {
    /// Whether there would be no answer for anything else either.
    pub fn concerns_all(&self) -> bool {
        use RequestOutcome::{Throttled, Timeout, Unauthorized, Unreachable};
        matches!(self.outcome, Unreachable | Timeout | Unauthorized | Throttled)
    }

    /// Whether another server of the registry may do better.
    fn is_the_servers(&self) -> bool {
        use RequestOutcome::{ServerError, Timeout, Unreachable};
        matches!(self.outcome, Unreachable | Timeout | ServerError)
    }
}

/// The body of an error.
#[derive(Deserialize)]
struct ErrorBody {
    error_code: u32,
}

/// Asks the registry.
pub(super) struct Client {
    agent: Agent,
    urls: Vec<String>,
    credentials: Credentials,
    body_bytes_max: u64,
    /// The server that answered last.
    current: usize,
}

impl Client {
    pub fn new(config: &RegistryConfig) -> Result<Client, RegistryError> {
        if config.urls.is_empty() {
            return Err(RegistryError::NoAddress);
        }
        authorization(&config.credentials)?;
        let agent = Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .http_status_as_error(false)
            // A redirect would be to a page for people, and takes no credentials along.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("tidemark/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls(&config.tls)?)
            .build()
            .new_agent();
        let trimmed = config.urls.iter().map(|url| url.trim().trim_end_matches('/').to_owned());
        Ok(Client {
            agent,
            urls: trimmed.collect(),
            credentials: config.credentials.clone(),
            body_bytes_max: config.limits.schema_bytes_max as u64,
            current: 0,
        })
    }

    /// The servers, for messages.
    pub fn shown(&self) -> String {
        self.urls.join(", ")
    }

    /// Gets what is at `path`; `count` hears how each request ended.
    pub fn get(
        &mut self,
        path: &str,
        count: &mut dyn FnMut(RequestOutcome),
    ) -> Result<String, Failed> {
        let mut failed = None;
        for step in 0..self.urls.len() {
            let server = (self.current + step) % self.urls.len();
            let Some(base) = self.urls.get(server) else { continue };
            let answer = self.get_from(&format!("{base}{path}"));
            count(match &answer {
                Ok(_) | Err(Failed::TooLong) => RequestOutcome::Ok,
                Err(Failed::Missing) => RequestOutcome::Missing,
                Err(Failed::Trouble(trouble)) => trouble.outcome,
            });
            match answer {
                Err(Failed::Trouble(trouble)) if trouble.is_the_servers() => {
                    failed = Some(trouble);
                }
                answer => {
                    self.current = server;
                    return answer;
                }
            }
        }
        let none = || RequestTrouble {
            outcome: RequestOutcome::Unreachable,
            text: String::new(),
            pause: None,
        };
        Err(Failed::Trouble(failed.unwrap_or_else(none)))
    }

    fn get_from(&self, url: &str) -> Result<String, Failed> {
        let mut request = self.agent.get(url).header(header::ACCEPT, ACCEPT);
        match authorization(&self.credentials) {
            Ok(Some(value)) => request = request.header(header::AUTHORIZATION, value),
            Ok(None) => {}
            Err(error) => {
                let (outcome, text) = (RequestOutcome::Unauthorized, error.to_string());
                return Err(Failed::Trouble(RequestTrouble { outcome, text, pause: None }));
            }
        }
        let mut response = request.call().map_err(|error| broken(url, &error))?;
        let status = response.status().as_u16();
        let pause = pause(response.headers());
        let body = response.body_mut().with_config().limit(self.body_bytes_max);
        let body = match body.read_to_string() {
            Ok(body) => body,
            Err(Error::BodyExceedsLimit(_)) if status == 200 => return Err(Failed::TooLong),
            // What an error says besides its status does not matter.
            Err(_) if status != 200 => String::new(),
            Err(error) => return Err(broken(url, &error)),
        };
        judge(url, status, body, pause)
    }
}

/// What an answer means.
fn judge(url: &str, status: u16, body: String, pause: Option<Duration>) -> Result<String, Failed> {
    let denied = || {
        serde_json::from_str(&body).is_ok_and(|error: ErrorBody| {
            // 40401 subject, 40402 version, 40403 schema; a plain 404 is of a path that is not one.
            (40_401..=40_499).contains(&error.error_code)
        })
    };
    let (outcome, what) = match status {
        200 => return Ok(body),
        _ if denied() => return Err(Failed::Missing),
        401 => (RequestOutcome::Unauthorized, "it wants other credentials"),
        403 => (RequestOutcome::Forbidden, "it may not be read with these credentials"),
        429 => (RequestOutcome::Throttled, "it takes no more requests"),
        500..=599 => (RequestOutcome::ServerError, "it has trouble of its own"),
        _ => (RequestOutcome::Unexpected, "no schema registry answers so"),
    };
    let text = format!("{url} answered {status}: {what}");
    Err(Failed::Trouble(RequestTrouble { outcome, text, pause }))
}

/// What an answer that is not what it should be means.
pub(super) fn unexpected(path: &str, why: &str) -> Failed {
    let text = format!("the answer for {path} is not one of a schema registry: {why}");
    Failed::Trouble(RequestTrouble { outcome: RequestOutcome::Unexpected, text, pause: None })
}

fn broken(url: &str, error: &Error) -> Failed {
    let (outcome, why) = match error {
        Error::Timeout(_) => (RequestOutcome::Timeout, "it did not answer in time".to_owned()),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            (RequestOutcome::Timeout, "it did not answer in time".to_owned())
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            (RequestOutcome::Unexpected, "its answer is not UTF-8".to_owned())
        }
        Error::Io(error) => (RequestOutcome::Unreachable, error.to_string()),
        Error::Protocol(error) => (RequestOutcome::Unexpected, error.to_string()),
        error => (RequestOutcome::Unreachable, error.to_string()),
    };
    let text = format!("could not ask {url}: {why}");
    Failed::Trouble(RequestTrouble { outcome, text, pause: None })
}

/// `Retry-After` in seconds; a date is left aside.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

/// The header that signs in.
fn authorization(credentials: &Credentials) -> Result<Option<HeaderValue>, RegistryError> {
    let (text, what) = match credentials {
        Credentials::None => return Ok(None),
        Credentials::Basic { user, password } => {
            const WHAT: &str = "the file with the password";
            let password = password.as_ref().map(|secret| reveal(secret, WHAT)).transpose()?;
            let both = format!("{user}:{}", password.unwrap_or_default());
            (format!("Basic {}", STANDARD.encode(both)), WHAT)
        }
        Credentials::Bearer(token) => {
            const WHAT: &str = "the file with the token";
            (format!("Bearer {}", reveal(token, WHAT)?), WHAT)
        }
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| RegistryError::File {
        what,
        path: match credentials {
            Credentials::Bearer(Credential::File(path)) => path.clone(),
            _ => Path::new("token").to_owned(),
        },
        why: "it holds what cannot be sent in a header: use one line of letters and digits".into(),
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn reveal(secret: &Credential, what: &'static str) -> Result<String, RegistryError> {
    match secret {
        Credential::Text(secret) => Ok(secret.reveal().to_owned()),
        Credential::File(path) => {
            let bytes = read(path, what)?;
            let text = String::from_utf8(bytes).map_err(|_| RegistryError::File {
                what,
                path: path.clone(),
                why: "it is not UTF-8".to_owned(),
            })?;
            Ok(text.trim().to_owned())
        }
    }
}

fn read(path: &Path, what: &'static str) -> Result<Vec<u8>, RegistryError> {
    use std::io::Read;
    let wrong = |why: String| RegistryError::File { what, path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    match read.map_err(|error| wrong(error.to_string()))? as u64 {
        0 => Err(wrong("it is empty".to_owned())),
        1..=FILE_BYTES_MAX => Ok(bytes),
        _ => Err(wrong(format!("it is longer than {FILE_BYTES_MAX} bytes"))),
    }
}

fn tls(files: &TlsFiles) -> Result<TlsConfig, RegistryError> {
    let roots = match &files.ca {
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::Specific(Arc::new(certificates(path, "the authorities")?)),
    };
    let client = match &files.client {
        None => None,
        Some((certificate, key)) => {
            let chain = certificates(certificate, "the certificate to show")?;
            Some(ClientCert::new_with_certs(&chain, private_key(key)?))
        }
    };
    let builder = TlsConfig::builder().provider(TlsProvider::NativeTls);
    Ok(builder.root_certs(roots).client_cert(client).build())
}

fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let wrong = |why: String| RegistryError::File { what, path: path.to_owned(), why };
    let pem = read(path, what)?;
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(found) = item.map_err(|error| wrong(error.to_string()))? {
            certificates.push(found);
        }
    }
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it: write PEM".to_owned()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, RegistryError> {
    const WHAT: &str = "the key of the certificate to show";
    let pem = read(path, WHAT)?;
    PrivateKey::from_pem(&pem).map_err(|_| RegistryError::File {
        what: WHAT,
        path: path.to_owned(),
        // What is in the file stays there.
        why: "there is no key in it: write PEM, PKCS #8".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Option<RequestOutcome> {
        match judge("http://r/schemas/ids/7", status, body.to_owned(), None) {
            Ok(_) => Some(RequestOutcome::Ok),
            Err(Failed::Missing) => Some(RequestOutcome::Missing),
            Err(Failed::Trouble(trouble)) => {
                assert!(trouble.text.contains("http://r/schemas/ids/7 answered"));
                Some(trouble.outcome)
            }
            Err(Failed::TooLong) => None,
        }
    }

    #[test]
    fn only_a_registrys_own_404_denies_an_id() {
        let body = |code: u32| format!("{{\"error_code\":{code},\"message\":\"no\"}}");
        assert_eq!(outcome(404, &body(40_403)), Some(RequestOutcome::Missing));
        assert_eq!(outcome(422, &body(40_402)), Some(RequestOutcome::Missing));
        assert_eq!(outcome(404, &body(404)), Some(RequestOutcome::Unexpected));
        assert_eq!(outcome(404, "<html>not here</html>"), Some(RequestOutcome::Unexpected));
        assert_eq!(outcome(302, ""), Some(RequestOutcome::Unexpected));
        assert_eq!(outcome(401, ""), Some(RequestOutcome::Unauthorized));
        assert_eq!(outcome(403, &body(40_301)), Some(RequestOutcome::Forbidden));
        assert_eq!(outcome(429, ""), Some(RequestOutcome::Throttled));
        assert_eq!(outcome(503, &body(50_001)), Some(RequestOutcome::ServerError));
        assert_eq!(outcome(200, "{}"), Some(RequestOutcome::Ok));
    }

    #[test]
    fn a_wish_for_a_pause_is_bounded() {
        let wish = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            pause(&HeaderMap::from_iter([(header::RETRY_AFTER, value)]))
        };
        assert_eq!(wish("7"), Some(Duration::from_secs(7)));
        assert_eq!(wish("86400"), Some(PAUSE_MAX));
        assert_eq!(wish("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }

    #[test]
    fn a_secret_that_no_header_can_hold_is_refused_without_being_shown() {
        use crate::config::Secret;
        let token = Credentials::Bearer(Credential::Text(Secret::new("hunter2\nhunter2")));
        let error = authorization(&token).unwrap_err().to_string();
        assert!(error.contains("in a header") && !error.contains("hunter2"), "{error}");
        assert!(!format!("{token:?}").contains("hunter2"));
    }
}

//! Where Redis is: as a URL or in parts.

use crate::config::keys::{Keys, not_empty};
use crate::config::place::{is_host, is_unescaped};
use crate::config::secret::Secret;
use redis::{ConnectionAddr, IntoConnectionInfo};

/// Where Redis is and how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    /// Host; default `localhost`.
    pub host: String,
    /// Port; default 6379.
    pub port: u16,
    /// Database; default 0.
    pub db: usize,
    /// User, for access lists; by default Redis' own default user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Whether the connection is encrypted; default false.
    pub tls: bool,
}

impl Default for RedisAddress {
    fn default() -> Self {
        RedisAddress {
            host: "localhost".to_owned(),
            port: 6_379,
            db: 0,
            username: None,
            password: None,
            tls: false,
        }
    }
}

/// What a URL looks like.
const URL_FORM: &str = "must be redis://[user:password@]host[:port][/db], or rediss:// for TLS";

/// What it looks like where something in it would be taken for something else, and shown.
const ESCAPED: &str = "must be redis://[user:password@]host[:port][/db], or rediss:// for TLS; in the name \
     of the user and in the password an @ is written %40, a # %23, a / %2F and a ? %3F";

impl RedisAddress {
    /// Reads a URL: `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS.
    ///
    /// # Errors
    /// When it is not one. The message does not quote it, as it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let wrong = |_| URL_FORM.to_owned();
        // What stands behind the first `@` would be the host; what stands behind a `#` nobody would read.
        if is_unescaped(url) || url.contains('#') && !url.ends_with("#insecure") {
            return Err(ESCAPED.to_owned());
        }
        let info = redis::parse_redis_url(url).ok_or(URL_FORM)?;
        let info = info.into_connection_info().map_err(wrong)?;
        let (host, port, tls) = match info.addr() {
            ConnectionAddr::Tcp(host, port) => (host.clone(), *port, false),
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err("must not end in #insecure: certificates are always checked".into());
            }
            ConnectionAddr::TcpTls { host, port, .. } => (host.clone(), *port, true),
            _ => return Err(URL_FORM.to_owned()),
        };
        let login = info.redis_settings();
        Ok(RedisAddress {
            host,
            port,
            db: usize::try_from(login.db()).map_err(|_| URL_FORM.to_owned())?,
            username: login.username().map(str::to_owned),
            password: login.password().map(Secret::new),
            tls,
        })
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let mut url = None;
        let is_url = |text: &str| RedisAddress::from_url(text).map(|_| ());
        keys.instead_of("url", &["host", "port", "db", "username", "password", "tls"]);
        keys.optional_text("url", &is_url, &mut url);
        keys.text("host", &is_host, &mut self.host);
        keys.port("port", 1, &mut self.port);
        keys.count("db", 0..=16_383, &mut self.db);
        keys.optional_text("username", &not_empty, &mut self.username);
        keys.secret("password", &not_empty, &mut self.password);
        keys.flag("tls", &mut self.tls);
        if let Some(Ok(address)) = url.as_deref().map(RedisAddress::from_url) {
            *self = address;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_all_parts() {
        let address = RedisAddress::from_url("rediss://me:p%40ss@cache.example:6380/3").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.db), ("cache.example", 6_380, 3));
        assert_eq!(address.username.as_deref(), Some("me"));
        assert_eq!(address.password.as_ref().map(Secret::reveal), Some("p@ss"));
        assert!(address.tls);
        assert!(!format!("{address:?}").contains("p@ss"));
        let plain = RedisAddress::from_url("redis://10.0.0.1").unwrap();
        assert_eq!((plain.port, plain.db, plain.tls), (6_379, 0, false));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_quoted() {
        for url in ["", "me:hunter2@host", "http://hunter2@h", "redis://:hunter2@h/x", "unix:///x"]
        {
            let error = RedisAddress::from_url(url).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_that_would_be_taken_for_something_else_is_refused_and_not_shown() {
        for url in [
            "redis://u:hun@hunter2#x@h:6379/0",
            "redis://u:p@hunter2@h:6379",
            "redis://u:p@hunter2/x@h",
            "redis://u:12#hunter2@h:6379/0",
            "redis://u:12?hunter2@h",
            "redis://u:12/hunter2@h",
            "redis://hunter2#",
            "rediss://u:12#hunter2@h/0#insecure",
        ] {
            let error = RedisAddress::from_url(url).unwrap_err();
            assert!(error.contains("%40") && !error.contains("hunter2"), "{url}: {error}");
        }
        let address = RedisAddress::from_url("redis://u:p%40%23%2F%3F:x@h:6379/0").unwrap();
        assert_eq!(address.password.as_ref().map(Secret::reveal), Some("p@#/?:x"));
        let error = RedisAddress::from_url("rediss://h#insecure").unwrap_err();
        assert!(error.contains("certificates are always checked"), "{error}");
    }
}

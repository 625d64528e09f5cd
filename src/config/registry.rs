//! Where the schemas of Avro records in topics come from.

use crate::config::keys::{Keys, not_empty};
use crate::config::online::TlsSettings;
use crate::config::secret::Secret;
use std::time::Duration;

/// The schema registry, or the folder that stands for one. Its `Debug` form shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Base addresses of the registry's servers, separated by commas; by default there is none.
    pub url: Option<String>,
    /// Instead of a registry: a folder of `.avsc` files named by their ids.
    pub schemas: Option<String>,
    /// The user, for basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A file with the user's password.
    pub password_file: Option<String>,
    /// A token, for bearer authentication.
    pub token: Option<Secret>,
    /// A file with a token.
    pub token_file: Option<String>,
    /// Certificates of a connection with TLS.
    pub tls: TlsSettings,
    /// How long one request may take; default 5 s.
    pub timeout: Duration,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        RegistrySettings {
            url: None,
            schemas: None,
            user: None,
            password: None,
            password_file: None,
            token: None,
            token_file: None,
            tls: TlsSettings::default(),
            timeout: Duration::from_secs(5),
        }
    }
}

impl RegistrySettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.instead_of("url", &["schemas"]);
        keys.optional_text("url", &is_url, &mut self.url);
        keys.optional_text("schemas", &not_empty, &mut self.schemas);
        keys.optional_text("user", &is_user, &mut self.user);
        keys.instead_of("password", &["password_file"]);
        keys.secret("password", &not_empty, &mut self.password);
        keys.optional_text("password_file", &not_empty, &mut self.password_file);
        keys.instead_of("token", &["token_file"]);
        keys.secret("token", &not_empty, &mut self.token);
        keys.optional_text("token_file", &not_empty, &mut self.token_file);
        keys.optional_text("tls_ca_file", &not_empty, &mut self.tls.ca_file);
        keys.optional_text("tls_cert_file", &not_empty, &mut self.tls.cert_file);
        keys.optional_text("tls_key_file", &not_empty, &mut self.tls.key_file);
        let bounds = Duration::from_millis(10)..=Duration::from_secs(60);
        keys.duration("timeout", bounds, &mut self.timeout);
    }

    /// What is wrong between keys that are right by themselves.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        let basic = self.user.is_some() || self.password.is_some() || self.password_file.is_some();
        let bearer = self.token.is_some() || self.token_file.is_some();
        if basic && bearer {
            wrong.push("[registry] needs a user with a password, or a token, not both");
        } else if basic && self.user.is_none() && self.url.is_some() {
            wrong.push("[registry] has a password and no \"user\"");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            wrong.push("[registry] needs both \"tls_cert_file\" and \"tls_key_file\", or none");
        }
        wrong
    }

    /// Takes `url` instead of what was said before.
    pub(super) fn use_url(&mut self, url: String) {
        (self.url, self.schemas) = (Some(url), None);
    }

    /// Takes `schemas` instead of what was said before.
    pub(super) fn use_schemas(&mut self, schemas: String) {
        (self.url, self.schemas) = (None, Some(schemas));
    }
}

/// Basic authentication separates user and password by a colon.
pub(super) fn is_user(text: &str) -> Result<(), String> {
    match text.contains(':') {
        true => Err("must have no colon".to_owned()),
        false => not_empty(text),
    }
}

/// Whether `text` is addresses of a schema registry, separated by commas.
///
/// # Errors
/// What it must be. The message does not quote it, as it may hold a password.
pub(super) fn is_url(text: &str) -> Result<(), String> {
    text.split(',').try_for_each(|part| is_one_url(part.trim()))
}

fn is_one_url(text: &str) -> Result<(), String> {
    let form = || "must be http://host[:port][/path] or https://.., several separated by commas";
    let uri: ureq::http::Uri = text.parse().map_err(|_| form().to_owned())?;
    // Also behind the host: a password with a `/` or a `#` in it ends it early.
    if text.contains('@') {
        let instead = "must hold no user and no password: say \"user\" and \"password\" instead";
        return Err(instead.to_owned());
    }
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if !scheme || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
        return Err(form().to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_may_be_several_and_have_a_path() {
        for url in ["http://r:8081", "https://r", "http://a:1, https://b/apis/ccompat/v7/"] {
            assert_eq!(is_url(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_quoted() {
        for url in [
            "",
            "registry:8081",
            "ftp://hunter2",
            "http://ann:hunter2@r",
            "http://ann:12#hunter2@r",
            "http://ann:12/hunter2@r",
            "http://r?hunter2=1",
            "http://a,,http://hunter2",
            "http:///hunter2",
        ] {
            let error = is_url(url).unwrap_err();
            assert!(error.starts_with("must ") && !error.contains("hunter2"), "{error}");
        }
    }
}

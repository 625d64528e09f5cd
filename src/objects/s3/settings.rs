//! How a service is reached and signed in to.

use crate::objects::ObjectError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How an S3-compatible service is reached. The default is AWS in `us-east-1`, without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// Where the service is: `https://HOST` or `http://HOST:PORT`; `None`: AWS in `region`.
    pub endpoint: Option<String>,
    /// The region, which the signature names.
    pub region: String,
    /// Whether the bucket is the first part of the path, not of the host's name: what most services
    /// but AWS want. By default with an endpoint.
    pub path_style: bool,
    /// The id of the access key.
    pub access_key: Option<String>,
    /// The secret access key.
    pub secret_key: Option<SecretKey>,
    /// A token that goes with temporary keys.
    pub session_token: Option<SecretKey>,
    /// For how long one try of a request may take in all.
    pub timeout: Duration,
    /// How often a request is tried, at least once.
    pub tries: u32,
    /// The first pause between tries; each is twice the one before, up to 64 times as long.
    pub pause: Duration,
    /// The certificates to trust, in PEM; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Default for S3Settings {
    fn default() -> Self {
        S3Settings {
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: false,
            access_key: None,
            secret_key: None,
            session_token: None,
            timeout: Duration::from_secs(30),
            tries: 5,
            pause: Duration::from_millis(200),
            ca_file: None,
        }
    }
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let S3Settings { endpoint, region, path_style, access_key, .. } = self;
        f.debug_struct("S3Settings")
            .field("endpoint", endpoint)
            .field("region", region)
            .field("path_style", path_style)
            .field("access_key", access_key)
            .finish_non_exhaustive()
    }
}

/// A key that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        SecretKey(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl S3Settings {
    /// Those that variables of the environment say, as other programs that use S3 read them:
    /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, `AWS_REGION` or `AWS_DEFAULT_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_CA_BUNDLE`; each of the
    /// keys also from the file that the variable with `_FILE` behind its name names.
    ///
    /// # Errors
    /// When such a file cannot be read.
    pub fn from_environment() -> Result<Self, ObjectError> {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ObjectError> {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let secret = |name: &str| -> Result<Option<String>, ObjectError> {
            let file = format!("{name}_FILE");
            match (variable(name), variable(&file)) {
                (Some(text), _) => Ok(Some(text)),
                (None, Some(path)) => {
                    let read = std::fs::read_to_string(&path);
                    let why =
                        |error| format!("the file of {file}, {path}, cannot be read: {error}");
                    let text = read.map_err(|error| ObjectError::store("s3://", why(error)))?;
                    Ok(Some(text.trim().to_owned()))
                }
                (None, None) => Ok(None),
            }
        };
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let default = S3Settings::default();
        Ok(S3Settings {
            path_style: endpoint.is_some(),
            endpoint,
            region: region.unwrap_or_else(|| default.region.clone()),
            access_key: secret("AWS_ACCESS_KEY_ID")?,
            secret_key: secret("AWS_SECRET_ACCESS_KEY")?.map(SecretKey),
            session_token: secret("AWS_SESSION_TOKEN")?.map(SecretKey),
            ca_file: variable("AWS_CA_BUNDLE").map(PathBuf::from),
            ..default
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<S3Settings, ObjectError> {
        S3Settings::of_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn variables_are_those_that_other_programs_read() {
        assert_eq!(of(&[("AWS_REGION", "")]).unwrap(), S3Settings::default());
        let set = of(&[
            ("AWS_ENDPOINT_URL", "http://a"),
            ("AWS_ENDPOINT_URL_S3", "http://b"),
            ("AWS_DEFAULT_REGION", "eu"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
        ])
        .unwrap();
        assert_eq!((set.endpoint.as_deref(), set.path_style), (Some("http://b"), true));
        assert_eq!((set.region.as_str(), set.access_key.as_deref()), ("eu", Some("id")));
        assert_eq!(set.secret_key, Some(SecretKey::new("hunter2")));
        assert!(!format!("{set:?}").contains("hunter"));
    }

    #[test]
    fn a_secret_may_be_in_a_file_and_a_file_that_is_not_there_is_told() {
        let path = std::env::temp_dir().join(format!("tidemark-s3-secret-{}", std::process::id()));
        std::fs::write(&path, "hunter2\n").unwrap();
        let name = path.display().to_string();
        let set = of(&[("AWS_SECRET_ACCESS_KEY_FILE", &name)]).unwrap();
        assert_eq!(set.secret_key, Some(SecretKey::new("hunter2")));
        std::fs::remove_file(&path).unwrap();
        let error = of(&[("AWS_SECRET_ACCESS_KEY_FILE", &name)]).unwrap_err().to_string();
        assert!(error.contains("the file of AWS_SECRET_ACCESS_KEY_FILE"), "{error}");
    }
}

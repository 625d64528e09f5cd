//! How the registry is reached.

use crate::config::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// How the registry is reached. Its `Debug` form shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Base addresses of its servers, without credentials. When one does not answer, the next is
    /// asked.
    pub urls: Vec<String>,
    /// How to sign in.
    pub credentials: Credentials,
    /// Certificates of `https` addresses.
    pub tls: TlsFiles,
    /// How long one request may take, connecting included; default 5 s.
    pub timeout: Duration,
    /// For how long the registry must have denied an id before it is unknown; default 1 min.
    pub schema_wait: Duration,
    /// Bounds.
    pub limits: RegistryLimits,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            urls: vec!["http://localhost:8081".to_owned()],
            credentials: Credentials::None,
            tls: TlsFiles::default(),
            timeout: Duration::from_secs(5),
            schema_wait: Duration::from_secs(60),
            limits: RegistryLimits::default(),
        }
    }
}

/// How to sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// As a user.
    Basic {
        /// The user's name.
        user: String,
        /// The password; none is an empty one.
        password: Option<Credential>,
    },
    /// By a token.
    Bearer(Credential),
}

/// A secret, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The secret itself.
    Text(Secret),
    /// A file that holds it, read for each request: it may be replaced while the job runs. White
    /// space around it is not part of it.
    File(PathBuf),
}

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate to show, and its key (PKCS #8).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Bounds of what is kept and of how often is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLimits {
    /// Ids that are kept, whatever is known of them; those not asked for the longest go first.
    /// Default 10,000.
    pub ids_max: usize,
    /// Bytes of all texts that are kept; default 64 MiB.
    pub bytes_max: usize,
    /// Bytes of one schema with all it refers to; a longer one is unknown. Default 4 MiB.
    pub schema_bytes_max: usize,
    /// Schemas that one schema refers to, directly or through others; default 256.
    pub references_max: usize,
    /// The first pause after a failure or a denial, doubled after each further one; default 200 ms.
    pub backoff_first: Duration,
    /// The longest pause; default 10 s.
    pub backoff_max: Duration,
    /// How often an id that is unknown is asked for again while records with it come; default
    /// 1 min.
    pub unknown_again: Duration,
    /// How often one kind of trouble is logged; default 30 s.
    pub log_every: Duration,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        RegistryLimits {
            ids_max: 10_000,
            bytes_max: 64 << 20,
            schema_bytes_max: 4 << 20,
            references_max: 256,
            backoff_first: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            unknown_again: Duration::from_secs(60),
            log_every: Duration::from_secs(30),
        }
    }
}

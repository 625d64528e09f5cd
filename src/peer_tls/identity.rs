//! Who a process is: its certificate with its key, and the authorities whose certificates it takes.

use super::session::TlsSession;
use openssl::asn1::Asn1Time;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
    SslVersion,
};
use openssl::stack::{Stack, StackRef};
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509CheckFlags, X509VerifyParam, X509VerifyParamRef};
use openssl::x509::{X509, X509PurposeId, X509Ref, X509StoreContext};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tidemark_operators::time::EventTime;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

/// The bytes of a file, at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What others than user and group may do with the file of a key: nothing.
const OTHERS: u32 = 0o007;
/// Links last for months, and the library does not change their keys: what may be sent under one key is
/// bounded with AES-GCM (RFC 8446, 5.5: some 400 GB), and not with ChaCha20.
const CIPHERS: &str = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
const AUTHORITIES: &str = "the authorities of the cluster (tls_ca_file)";
const CERTIFICATE: &str = "the certificate of this process (tls_cert_file)";
const KEY: &str = "the key of this process's certificate (tls_key_file)";

/// Where an identity stands, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// Certificates of authorities.
    pub ca: PathBuf,
    /// The certificate, with those between it and an authority behind it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why there is no identity to be had. What is in the files is not shown.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file cannot be used.
    #[error("cannot use {what} in {}: {why}", path.display())]
    File {
        /// What it is, with the key of `[cluster]` that names it.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The library does not take what is in them.
    #[error("cannot use the certificate of this process with its key: {0}")]
    Library(#[from] ErrorStack),
}

/// See the module.
pub struct PeerIdentity {
    context: SslContext,
    files: IdentityFiles,
    /// Their bytes, in which two differ.
    bytes: [Vec<u8>; 3],
    authorities: Vec<X509>,
    certificate: X509,
    chain: Stack<X509>,
    key: PKey<Private>,
    ends: EventTime,
}

impl PartialEq for PeerIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity").field("files", &self.files).finish_non_exhaustive()
    }
}

impl PeerIdentity {
    /// What `files` hold.
    ///
    /// # Errors
    /// When one cannot be read, the key may be read by everybody or is another certificate's, or the certificate
    /// is not one that its authorities would take now.
    pub fn read(files: &IdentityFiles) -> Result<Self, IdentityError> {
        let ca = bytes_of(&files.ca, AUTHORITIES)?;
        let shown = bytes_of(&files.certificate, CERTIFICATE)?;
        let secret = key_bytes(&files.key)?;
        let authorities = certificates(&ca, &files.ca, AUTHORITIES)?;
        let mut all = certificates(&shown, &files.certificate, CERTIFICATE)?.into_iter();
        let Some(certificate) = all.next() else {
            return Err(none(&files.certificate, CERTIFICATE));
        };
        let mut chain = Stack::new()?;
        for between in all {
            chain.push(between)?;
        }
        let wrong = |why: &str| file(&files.key, KEY, why.to_owned());
        // A key that is encrypted would have the library ask for a password on the terminal.
        let key = PKey::private_key_from_pem_callback(&secret, |_| Ok(0)).map_err(|_| {
            wrong("there is no key in it that can be read: write PEM, not encrypted")
        })?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(wrong(&format!(
                "it is not the key of the certificate in {}; name the two that were made together",
                files.certificate.display()
            )));
        }
        let context = ssl_context(&authorities, &certificate, &chain, &key)?;
        let ends = millis(&certificate)?;
        let identity = PeerIdentity {
            context,
            files: files.clone(),
            bytes: [ca, shown, secret],
            authorities,
            certificate,
            chain,
            key,
            ends,
        };
        for purpose in [X509PurposeId::SSL_SERVER, X509PurposeId::SSL_CLIENT] {
            identity.is_taken(purpose, None)?;
        }
        Ok(identity)
    }

    /// Whether the certificate is for `host`.
    ///
    /// # Errors
    /// When it is not, with the names that it is for.
    pub fn is_for(&self, host: &str) -> Result<(), IdentityError> {
        self.is_taken(X509PurposeId::SSL_SERVER, Some(host))
    }

    /// Whether others with the same authorities take the certificate.
    fn is_taken(&self, purpose: X509PurposeId, host: Option<&str>) -> Result<(), IdentityError> {
        let verdict = verify(&self.authorities, (&self.certificate, &self.chain), (purpose, host))?;
        let Some(why) = verdict else { return Ok(()) };
        let so = match host {
            Some(host) => format!(
                "{why}: it is for {}, and not for \"{host}\", which \"processes\" in [cluster] gives this \
                 process; have one made with that as a subject alternative name",
                self.names()
            ),
            None => format!(
                "{why}, by the authorities in {}; a process shows it as a server and as a client",
                self.files.ca.display()
            ),
        };
        Err(file(&self.files.certificate, CERTIFICATE, so))
    }

    /// What the certificate is for.
    pub fn names(&self) -> String {
        let all = self.certificate.subject_alt_names();
        let name = |name: &openssl::x509::GeneralNameRef| {
            let dns = name.dnsname().map(str::to_owned);
            dns.or_else(|| address(name.ipaddress()?).map(|address| address.to_string()))
        };
        let names: Vec<_> = all.iter().flatten().filter_map(name).collect();
        if names.is_empty() { "no host".to_owned() } else { names.join(", ") }
    }

    /// Until when the certificate is valid, in ms since 1970.
    pub fn ends(&self) -> EventTime {
        self.ends
    }

    /// The side that connects, to the process of `host`.
    ///
    /// # Errors
    /// When the library has no room for it.
    pub fn connecting(&self, host: &str) -> Result<TlsSession, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        expect_host(ssl.param_mut(), host)?;
        ssl.set_connect_state();
        TlsSession::new(ssl)
    }

    /// The side that is connected to. Whose certificate it is [`PeerIdentity::is_of`] says afterwards: which
    /// process it claims to be has not been heard before.
    ///
    /// # Errors
    /// When the library has no room for it.
    pub fn accepting(&self) -> Result<TlsSession, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_accept_state();
        TlsSession::new(ssl)
    }

    /// Why the other side of `session`, which has connected, is not the process of `host`; `None`: it is.
    ///
    /// # Errors
    /// When the library has no room for it.
    pub fn is_of(&self, session: &TlsSession, host: &str) -> Result<Option<String>, ErrorStack> {
        let Some((shown, chain)) = session.shown()? else {
            return Ok(Some("it has shown no certificate".to_owned()));
        };
        verify(&self.authorities, (&shown, &chain), (X509PurposeId::SSL_CLIENT, Some(host)))
    }

    /// The same for requests over HTTP.
    ///
    /// # Errors
    /// When the library does not give out what it has read.
    pub fn of_requests(&self) -> Result<TlsConfig, ErrorStack> {
        let own = |certificate: &X509Ref| {
            certificate.to_der().map(|der| Certificate::from_der(&der).to_owned())
        };
        let roots = self.authorities.iter().map(|one| own(one)).collect::<Result<Vec<_>, _>>()?;
        let shown = std::iter::once(&*self.certificate).chain(&self.chain);
        let shown = shown.map(own).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKey::from_pem(&self.key.private_key_to_pem_pkcs8()?);
        let client = key.ok().map(|key| ClientCert::new_with_certs(&shown, key));
        let builder = TlsConfig::builder().provider(TlsProvider::NativeTls);
        Ok(builder.root_certs(RootCerts::new_with_certs(&roots)).client_cert(client).build())
    }
}

/// Has the library hold the certificate of the other side against `host`.
fn expect_host(param: &mut X509VerifyParamRef, host: &str) -> Result<(), ErrorStack> {
    param.set_hostflags(X509CheckFlags::NEVER_CHECK_SUBJECT | X509CheckFlags::NO_PARTIAL_WILDCARDS);
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => param.set_ip(address),
        Err(_) => param.set_host(host),
    }
}

/// Why a certificate would not be taken, if it would not.
fn verify(
    authorities: &[X509],
    (shown, chain): (&X509Ref, &StackRef<X509>),
    (purpose, host): (X509PurposeId, Option<&str>),
) -> Result<Option<String>, ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    param.set_purpose(purpose)?;
    if let Some(host) = host {
        expect_host(&mut param, host)?;
    }
    let mut store = store_of(authorities)?;
    store.set_param(&param)?;
    X509StoreContext::new()?.init(&store.build(), shown, chain, |context| {
        Ok(match context.verify_cert()? {
            true => None,
            false => Some(context.error().error_string().to_owned()),
        })
    })
}

fn store_of(authorities: &[X509]) -> Result<X509StoreBuilder, ErrorStack> {
    let mut store = X509StoreBuilder::new()?;
    for authority in authorities {
        store.add_cert(authority.clone())?;
    }
    Ok(store)
}

fn ssl_context(
    authorities: &[X509],
    certificate: &X509Ref,
    chain: &StackRef<X509>,
    key: &PKey<Private>,
) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_ciphersuites(CIPHERS)?;
    let store: X509Store = store_of(authorities)?.build();
    builder.set_cert_store(store);
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.set_certificate(certificate)?;
    for between in chain {
        builder.add_extra_chain_cert(between.to_owned())?;
    }
    builder.set_private_key(key)?;
    // Each connection shows certificates anew: what was taken once may have expired.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_num_tickets(0)?;
    Ok(builder.build())
}

fn file(path: &Path, what: &'static str, why: String) -> IdentityError {
    IdentityError::File { what, path: path.to_owned(), why }
}

fn none(path: &Path, what: &'static str) -> IdentityError {
    file(path, what, "there is no certificate in it: write PEM".to_owned())
}

fn bytes_of(path: &Path, what: &'static str) -> Result<Vec<u8>, IdentityError> {
    let opened = File::open(path).map_err(|error| file(path, what, error.to_string()))?;
    whole(opened, path, what)
}

fn whole(opened: File, path: &Path, what: &'static str) -> Result<Vec<u8>, IdentityError> {
    let mut bytes = Vec::new();
    let read = opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| file(path, what, error.to_string()))?;
    match read as u64 > FILE_BYTES_MAX {
        true => Err(file(path, what, format!("it is longer than {FILE_BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// Of a file that not everybody may read.
fn key_bytes(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let wrong = |error: std::io::Error| file(path, KEY, error.to_string());
    let opened = File::open(path).map_err(wrong)?;
    let mode = opened.metadata().map_err(wrong)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(file(
            path,
            KEY,
            format!(
                "every user of this machine may read or change it (mode {:04o}): chmod 0600, or 0640 for a \
                 group",
                mode & 0o7777
            ),
        ));
    }
    whole(opened, path, KEY)
}

fn certificates(pem: &[u8], path: &Path, what: &'static str) -> Result<Vec<X509>, IdentityError> {
    let all = X509::stack_from_pem(pem).map_err(|_| none(path, what))?;
    if all.is_empty() { Err(none(path, what)) } else { Ok(all) }
}

/// Until when a certificate is valid, in ms since 1970.
fn millis(certificate: &X509Ref) -> Result<EventTime, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(certificate.not_after())?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

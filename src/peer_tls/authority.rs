//! An authority of its own for a test, and certificates of it.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Days, in seconds.
pub const DAY: i64 = 86_400;

/// See the module.
pub struct Authority {
    name: String,
    certificate: X509,
    key: PKey<Private>,
}

/// Certificates of authorities, a certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct PemFiles {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = new_key();
        let mut made = begun(name, name, &key, 30 * DAY);
        made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
        made.append_extension(usage).unwrap();
        let own = SubjectKeyIdentifier::new().build(&made.x509v3_context(None, None)).unwrap();
        made.append_extension(own).unwrap();
        made.sign(&key, MessageDigest::sha256()).unwrap();
        Authority { name: name.to_owned(), certificate: made.build(), key }
    }

    /// Writes a certificate for `hosts` that ends in so many seconds, with its key and the authority's, into
    /// `folder`: files whose names begin with `name`, over those that are there.
    pub fn issue(&self, (folder, name): (&Path, &str), hosts: &[&str], ends_in: i64) -> PemFiles {
        let key = new_key();
        let mut made = begun(name, &self.name, &key, ends_in);
        let mut names = SubjectAlternativeName::new();
        for host in hosts {
            match host.parse::<std::net::IpAddr>() {
                Ok(_) => names.ip(host),
                Err(_) => names.dns(host),
            };
        }
        let context = made.x509v3_context(Some(&self.certificate), None);
        let names = names.build(&context).unwrap();
        let by = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        made.append_extension(names).unwrap();
        made.append_extension(by).unwrap();
        let purposes = ExtendedKeyUsage::new().server_auth().client_auth().build().unwrap();
        made.append_extension(purposes).unwrap();
        made.sign(&self.key, MessageDigest::sha256()).unwrap();
        let files = PemFiles {
            ca: folder.join(format!("{name}.ca.pem")),
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&files.ca, self.certificate.to_pem().unwrap()).unwrap();
        fs::write(&files.certificate, made.build().to_pem().unwrap()).unwrap();
        let mut options = fs::File::options();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&files.key);
        opened.unwrap().write_all(&key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        files
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate that has all but extensions and a signature.
fn begun(name: &str, issuer: &str, key: &PKey<Private>, ends_in: i64) -> X509Builder {
    let named = |text: &str| {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, text).unwrap();
        name.build()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false).unwrap();
    let mut made = X509Builder::new().unwrap();
    made.set_version(2).unwrap();
    made.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    made.set_subject_name(&named(name)).unwrap();
    made.set_issuer_name(&named(issuer)).unwrap();
    made.set_pubkey(key).unwrap();
    made.set_not_before(&Asn1Time::from_unix(now - 400 * DAY).unwrap()).unwrap();
    made.set_not_after(&Asn1Time::from_unix(now + ends_in).unwrap()).unwrap();
    made
}

use super::authority::{Authority, DAY, PemFiles};
use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidemark-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn files(of: &PemFiles) -> IdentityFiles {
    IdentityFiles { ca: of.ca.clone(), certificate: of.certificate.clone(), key: of.key.clone() }
}

#[test]
fn files_that_make_no_identity_are_refused_by_name_and_their_contents_are_not_shown() {
    let scratch = Scratch::new("identity");
    let issued = |authority: &Authority, name: &str, ends_in| {
        files(&authority.issue((&scratch.0, name), &["127.0.0.1", "a.test"], ends_in))
    };
    let (authority, other) = (Authority::new("one"), Authority::new("other"));
    let good = issued(&authority, "good", 30 * DAY);
    let identity = PeerIdentity::read(&good).unwrap();
    assert_eq!(identity.names(), "127.0.0.1, a.test");
    assert!(identity.is_for("a.test").is_ok() && identity.is_for("127.0.0.1").is_ok());
    let refused = |change: &dyn Fn(&mut IdentityFiles), what: &[&str]| {
        let mut wrong = good.clone();
        change(&mut wrong);
        let why = IdentitySource::read(wrong, "a.test").unwrap_err().to_string();
        assert!(what.iter().all(|what| why.contains(what)) && !why.contains("BEGIN"), "{why}");
    };
    let second = issued(&authority, "second", 30 * DAY);
    let foreign = issued(&other, "foreign", 30 * DAY);
    let expired = issued(&authority, "expired", -DAY);
    let empty = scratch.0.join("empty.pem");
    fs::write(&empty, "nothing\n").unwrap();
    refused(&|files| files.ca = scratch.0.join("none.pem"), &["tls_ca_file", "No such file"]);
    refused(&|files| files.ca.clone_from(&empty), &["tls_ca_file", "no certificate in it"]);
    refused(&|files| files.certificate.clone_from(&empty), &["tls_cert_file", "empty.pem"]);
    refused(&|files| files.key.clone_from(&good.ca), &["tls_key_file", "may read"]);
    refused(&|files| files.key.clone_from(&second.key), &["second.key", "is not the key of"]);
    refused(&|files| files.ca.clone_from(&foreign.ca), &["good.pem", "foreign.ca.pem"]);
    refused(&|files| files.clone_from(&expired), &["expired.pem", "certificate has expired"]);
    let why = IdentitySource::read(good.clone(), "b.test").unwrap_err().to_string();
    assert!(why.contains("127.0.0.1, a.test") && why.contains("\"b.test\""), "{why}");
    fs::set_permissions(&good.key, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&|_| (), &["good.key", "mode 0644", "chmod 0600"]);
    fs::set_permissions(&good.key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(PeerIdentity::read(&good).is_ok(), "a group may read it");
}

#[test]
fn a_renewed_certificate_counts_without_a_restart_and_one_that_is_wrong_does_not() {
    let scratch = Scratch::new("renewed");
    let authority = Authority::new("one");
    let issue = |ends_in| files(&authority.issue((&scratch.0, "own"), &["127.0.0.1"], ends_in));
    let source = IdentitySource::read(issue(10 * DAY), "127.0.0.1").unwrap();
    let first = source.current();
    thread::sleep(READ_EVERY);
    assert!(Arc::ptr_eq(&first, &source.current()), "the files are what they were");
    issue(20 * DAY);
    thread::sleep(READ_EVERY);
    let second = source.current();
    assert!(second.ends() > first.ends() + 9 * 86_400_000);
    issue(-DAY);
    thread::sleep(READ_EVERY);
    assert!(Arc::ptr_eq(&second, &source.current()), "it is no longer valid");
}

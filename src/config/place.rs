//! Where servers and stores are, as texts in which no password belongs.
//!
//! Such texts are shown: in the log, by `check`, at `/settings`. So one that has a password in it is
//! refused, wherever it stands, and the message does not quote it.

use super::keys::not_empty;

/// Whether `text` may be addresses of brokers.
///
/// # Errors
/// What they must be, without quoting them.
pub(super) fn is_brokers(text: &str) -> Result<(), String> {
    if text.contains('@') {
        let instead = "must be host:port, several separated by commas, and hold no user and no password: say \
                       them by \"sasl.username\" and \"sasl.password\" in [kafka.settings]";
        return Err(instead.to_owned());
    }
    not_empty(text)
}

/// Whether `text` may name a store: a folder, or a bucket by its URL.
///
/// # Errors
/// What it must be, without quoting it.
pub(super) fn is_store(text: &str) -> Result<(), String> {
    let url = text.split_once("://").filter(|(scheme, _)| *scheme != "file");
    if url.is_some_and(|(_, rest)| rest.contains('@')) {
        let instead = "must be a folder, file:///FOLDER or s3://BUCKET/PREFIX, and hold no key: say it by \
                       AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        return Err(instead.to_owned());
    }
    not_empty(text)
}

/// Whether `text` may be a server's name or address.
///
/// # Errors
/// What it must be, without quoting it.
pub(super) fn is_host(text: &str) -> Result<(), String> {
    if text.contains(['@', '/', '#', '?']) {
        let instead = "must be a server's name or address alone, without a user, a password, a scheme or a path";
        return Err(instead.to_owned());
    }
    not_empty(text)
}

/// Whether `text`, a URL, has a user or a password that would be read as something else: as the host, the
/// path or what comes after it. So it is where they have an `@`, a `/`, a `?` or a `#` as it is.
pub(super) fn is_unescaped(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.matches('@').count() > 1 || rest.get(end..).is_some_and(|after| after.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_as_they_were() {
        for brokers in ["localhost:9092", "a:1,b:2", "SASL_SSL://a:1, [::1]:2"] {
            assert_eq!(is_brokers(brokers), Ok(()), "{brokers}");
        }
        for store in ["state", "/var/a@b/state", "file:///var/a@b", "s3://bucket/a/b=1", "./a@b"] {
            assert_eq!(is_store(store), Ok(()), "{store}");
        }
        for host in ["localhost", "10.0.0.1", "::1", "cache_1.example"] {
            assert_eq!(is_host(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn places_with_passwords_are_refused_without_being_quoted() {
        let refused = [
            is_brokers("ann:hunter2@h:9092"),
            is_brokers("a:1,SASL_SSL://ann:hunter2@h:9092"),
            is_store("s3://k:hunter2@bucket/prefix"),
            is_store("s3://k:hun/hunter2@bucket"),
            is_store("S3://k:hunter2@bucket"),
            is_host("ann:hunter2@h"),
            is_host("redis://:hunter2"),
            is_brokers(""),
            is_store(" "),
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert!(error.starts_with("must ") && !error.contains("hunter2"), "{error}");
        }
    }
}

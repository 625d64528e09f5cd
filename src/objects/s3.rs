//! Objects in a bucket of an S3-compatible service.
//!
//! `If-None-Match: *` is what creates if absent. Some services pass over it, and then two processes could
//! both hold themselves for the one that writes: before the first object is created the service has to
//! show, with an object that is deleted again, that it keeps the condition.
//!
//! Every call is tried again after trouble that may pass (no connection, no answer in time, 429, 5xx),
//! with pauses in between. An answer that is lost says nothing about the call: a creation that finds an
//! object there after that asks whether it is its own.
//!
//! Why this way: one request signed by hand is a hundred lines over the HTTP client that is there; the
//! vendors' own clients bring an asynchronous runtime and a second TLS stack.

mod client;
mod listing;
mod settings;
mod sign;

pub use settings::{S3Settings, SecretKey};

use super::name::is_prefix;
use super::unique_text;
use super::{Creation, LISTED_MAX, ListedObject, ObjectError, Objects, is_name};
use client::{Request, S3Answer, S3Client};
use std::sync::atomic::{AtomicBool, Ordering};

/// How many bytes an object has at most that is read as a whole.
const OBJECT_BYTES_MAX: u64 = 4 << 30;
/// What the names of objects begin with that the service shows something with.
const CHECK: &str = "if-none-match-check";

/// Objects in a bucket, below a prefix.
pub struct S3Objects {
    client: S3Client,
    /// Empty, or it ends with `/`.
    prefix: String,
    url: String,
    /// Whether the service has shown that it keeps conditions.
    keeps_conditions: AtomicBool,
}

impl S3Objects {
    /// Those of `url`: `s3://BUCKET` or `s3://BUCKET/PREFIX`. Nothing is asked yet.
    ///
    /// # Errors
    /// When `url` is none, or the settings do not do.
    pub fn open(url: &str, settings: &S3Settings) -> Result<Self, ObjectError> {
        let wrong = |why: &str| ObjectError::store(url, why);
        let rest =
            url.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if !is_bucket(bucket) {
            return Err(wrong("there is no name of a bucket in it"));
        }
        if !prefix.is_empty() && !is_name(prefix) {
            return Err(wrong("its prefix is no name of an object"));
        }
        let client = S3Client::new(bucket, settings).map_err(|why| wrong(&why))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let url = format!("s3://{bucket}/{prefix}");
        let url = url.trim_end_matches('/').to_owned();
        Ok(S3Objects { client, prefix, url, keeps_conditions: AtomicBool::new(false) })
    }

    fn key(&self, attempt: &'static str, name: &str) -> Result<String, ObjectError> {
        match is_name(name) {
            true => Ok(format!("{}{name}", self.prefix)),
            false => Err(self.no_name(attempt, name)),
        }
    }

    fn no_name(&self, attempt: &'static str, name: &str) -> ObjectError {
        ObjectError::Name { attempt, name: name.to_owned(), store: self.url.clone() }
    }

    /// Carries a request out.
    fn ask(
        &self,
        attempt: &'static str,
        name: &str,
        request: &Request<'_>,
    ) -> Result<S3Answer, ObjectError> {
        self.client.ask(request).map_err(|trouble| ObjectError::Failed {
            attempt,
            name: name.to_owned(),
            store: self.url.clone(),
            why: trouble.why,
            next: trouble.next,
        })
    }

    /// Has the service show that it creates only what is absent.
    fn check_conditions(&self) -> Result<(), ObjectError> {
        const ATTEMPT: &str = "create";
        if self.keeps_conditions.load(Ordering::Relaxed) {
            return Ok(());
        }
        let unique = unique_text().map_err(|error| ObjectError::store(&self.url, error))?;
        let name = format!("{CHECK}-{unique}");
        let key = self.key(ATTEMPT, &name)?;
        let request = Request::put(&key, b"").if_absent();
        let first = self.ask(ATTEMPT, &name, &request)?;
        if !matches!(first.status, 200..=204 | 412) {
            return Err(self.unexpected(ATTEMPT, &name, &first));
        }
        let second = self.ask(ATTEMPT, &name, &request)?;
        self.delete(&name)?;
        if second.status != 412 {
            return Err(ObjectError::Failed {
                attempt: ATTEMPT,
                name,
                store: self.url.clone(),
                why: "it overwrites objects in spite of If-None-Match".to_owned(),
                next: "keep the state in a service that creates only what is absent, or in a folder",
            });
        }
        self.keeps_conditions.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn unexpected(&self, attempt: &'static str, name: &str, answer: &S3Answer) -> ObjectError {
        let trouble = answer.trouble();
        ObjectError::Failed {
            attempt,
            name: name.to_owned(),
            store: self.url.clone(),
            why: trouble.why,
            next: trouble.next,
        }
    }
}

impl Objects for S3Objects {
    fn url(&self) -> &str {
        &self.url
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Creation, ObjectError> {
        const ATTEMPT: &str = "create";
        let key = self.key(ATTEMPT, name)?;
        self.check_conditions()?;
        let request = Request::put(&key, bytes).if_absent();
        let answer = self.ask(ATTEMPT, name, &request)?;
        match answer.status {
            200..=204 => Ok(Creation::Created),
            // An earlier try may have been carried out, and its answer lost.
            409 | 412 if answer.unanswered && self.get(name)?.as_deref() == Some(bytes) => {
                Ok(Creation::Created)
            }
            412 => Ok(Creation::Exists),
            _ => Err(self.unexpected(ATTEMPT, name, &answer)),
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        const ATTEMPT: &str = "write";
        let key = self.key(ATTEMPT, name)?;
        let answer = self.ask(ATTEMPT, name, &Request::put(&key, bytes))?;
        match answer.status {
            200..=204 => Ok(()),
            _ => Err(self.unexpected(ATTEMPT, name, &answer)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        const ATTEMPT: &str = "read";
        let key = self.key(ATTEMPT, name)?;
        let answer = self.ask(ATTEMPT, name, &Request::get(&key, OBJECT_BYTES_MAX))?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 if answer.is_no_key() => Ok(None),
            _ => Err(self.unexpected(ATTEMPT, name, &answer)),
        }
    }

    fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        const ATTEMPT: &str = "read";
        let key = self.key(ATTEMPT, name)?;
        // A range of nothing cannot be asked for: one byte says whether the object is there.
        let length = to.saturating_sub(from);
        let last = from.saturating_add(length.max(1)) - 1;
        let request = Request::get(&key, length.max(1)).range(from, last);
        let answer = self.ask(ATTEMPT, name, &request)?;
        match answer.status {
            206 if length == 0 => Ok(Some(Vec::new())),
            206 => Ok(Some(answer.body)),
            // It ends before.
            416 => Ok(Some(Vec::new())),
            404 if answer.is_no_key() => Ok(None),
            _ => Err(self.unexpected(ATTEMPT, name, &answer)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, ObjectError> {
        const ATTEMPT: &str = "list";
        if !is_prefix(prefix) {
            return Err(self.no_name(ATTEMPT, prefix));
        }
        let failed = |why: String| ObjectError::Failed {
            attempt: ATTEMPT,
            name: prefix.to_owned(),
            store: self.url.clone(),
            why,
            next: "look at what answers there: it should be an S3-compatible service",
        };
        let (all, mut listed) = (format!("{}{prefix}", self.prefix), Vec::new());
        let mut token: Option<String> = None;
        loop {
            let request = Request::list(&all, token.as_deref());
            let answer = self.ask(ATTEMPT, prefix, &request)?;
            if answer.status != 200 {
                return Err(self.unexpected(ATTEMPT, prefix, &answer));
            }
            let page = listing::page(&answer.body)
                .ok_or_else(|| failed("the answer is no list".to_owned()))?;
            for (key, bytes) in page.objects {
                let name = key.strip_prefix(&self.prefix).filter(|name| is_name(name));
                listed.extend(name.map(|name| ListedObject { name: name.to_owned(), bytes }));
            }
            if listed.len() > LISTED_MAX {
                return Err(failed(format!("there are more than {LISTED_MAX} of them")));
            }
            match page.next {
                Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                Some(_) => return Err(failed("the list does not end".to_owned())),
                None => break,
            }
        }
        listed.sort();
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        const ATTEMPT: &str = "delete";
        let key = self.key(ATTEMPT, name)?;
        let answer = self.ask(ATTEMPT, name, &Request::delete(&key))?;
        match answer.status {
            200..=204 => Ok(()),
            404 if answer.is_no_key() => Ok(()),
            _ => Err(self.unexpected(ATTEMPT, name, &answer)),
        }
    }
}

fn is_bucket(name: &str) -> bool {
    let right = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    (3..=63).contains(&name.len()) && name.bytes().all(right)
}

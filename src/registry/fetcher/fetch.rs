//! All requests for one id: the schema, and the schemas it refers to.

use crate::registry::cache::Fetched;
use crate::registry::client::{Client, Failed, RequestTrouble, unexpected};
use crate::registry::expand::expand;
use crate::registry::settings::RegistryLimits;
use crate::registry::status::RequestOutcome;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeSet;

pub(super) struct Fetcher {
    client: Client,
    schema_bytes_max: usize,
    references_max: usize,
}

/// A schema as the registry gives it.
#[derive(Deserialize)]
struct Answer {
    schema: String,
    #[serde(default, rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

/// Another schema that one refers to.
#[derive(Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    subject: String,
    version: u64,
}

impl Reference {
    /// Soft-deleted versions are asked for too: records outlive them.
    fn path(&self) -> String {
        let subject = utf8_percent_encode(&self.subject, NON_ALPHANUMERIC);
        format!("/subjects/{subject}/versions/{}?deleted=true", self.version)
    }

    fn shown(&self) -> String {
        format!("version {} of the subject \"{}\"", self.version, self.subject)
    }
}

/// Why there is no schema.
enum FetchError {
    Denied(String),
    Refused(String),
    Trouble(RequestTrouble),
}

type CountRequest<'a> = &'a mut dyn FnMut(RequestOutcome);

impl Fetcher {
    pub fn new(client: Client, limits: &RegistryLimits) -> Fetcher {
        let (schema_bytes_max, references_max) = (limits.schema_bytes_max, limits.references_max);
        Fetcher { client, schema_bytes_max, references_max }
    }

    /// Asks for `id`; `count` hears how each request ended.
    pub fn fetch(&mut self, id: u32, count: CountRequest<'_>) -> Result<Fetched, RequestTrouble> {
        let name = format!("schema {id}");
        match self.whole(id, &name, count) {
            Ok(text) => Ok(Fetched::Found(text.into())),
            Err(FetchError::Denied(what)) => {
                let registry = self.client.shown();
                Ok(Fetched::Denied(format!("the schema registry {registry} has no {what}")))
            }
            Err(FetchError::Refused(why)) => {
                Ok(Fetched::Refused(format!("{name} cannot be used: {why}")))
            }
            Err(FetchError::Trouble(trouble)) => Err(trouble),
        }
    }

    fn whole(
        &mut self,
        id: u32,
        name: &str,
        count: CountRequest<'_>,
    ) -> Result<String, FetchError> {
        let answer = self.get(&format!("/schemas/ids/{id}"), name, count)?;
        let direct = answer.references.unwrap_or_default();
        if direct.is_empty() {
            return Ok(answer.schema);
        }
        let mut bytes = answer.schema.len();
        let (mut seen, mut others) = (BTreeSet::new(), Vec::new());
        let mut open = direct;
        while let Some(reference) = open.pop() {
            if !seen.insert(reference.clone()) {
                continue;
            }
            if seen.len() > self.references_max {
                let most = self.references_max;
                return Err(FetchError::Refused(format!("it refers to more than {most} schemas")));
            }
            let what = format!("{}, which {name} refers to", reference.shown());
            let other = self.get(&reference.path(), &what, count)?;
            bytes += other.schema.len();
            if bytes > self.schema_bytes_max {
                return Err(self.too_long());
            }
            others.push(other.schema);
            open.extend(other.references.unwrap_or_default());
        }
        expand(&answer.schema, &others).map_err(FetchError::Refused)
    }

    fn get(
        &mut self,
        path: &str,
        what: &str,
        count: CountRequest<'_>,
    ) -> Result<Answer, FetchError> {
        let body = self.client.get(path, count).map_err(|failed| self.stop(failed, what))?;
        let answer: Answer = serde_json::from_str(&body).map_err(|error| {
            // Not the error itself: it quotes what it found.
            let why = format!("line {}, column {}", error.line(), error.column());
            self.stop(unexpected(path, &why), what)
        })?;
        match answer.schema_type.as_deref() {
            None | Some("AVRO") => Ok(answer),
            Some(other) => {
                let shown: String = other.chars().take(40).collect();
                Err(FetchError::Refused(format!("{what} is {shown:?}, not \"AVRO\"")))
            }
        }
    }

    fn stop(&self, failed: Failed, what: &str) -> FetchError {
        match failed {
            Failed::Missing => FetchError::Denied(what.to_owned()),
            Failed::TooLong => self.too_long(),
            Failed::Trouble(trouble) => FetchError::Trouble(trouble),
        }
    }

    fn too_long(&self) -> FetchError {
        FetchError::Refused(format!("it is longer than {} bytes", self.schema_bytes_max))
    }
}

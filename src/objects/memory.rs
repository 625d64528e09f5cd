//! Objects in memory, for tests of what is done with a store: every call can be made to fail.

use super::name::is_prefix;
use super::{Creation, ListedObject, ObjectError, Objects, is_name};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// What is to happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// It is done.
    None,
    /// It fails, and nothing has happened.
    Before,
    /// It is done, and fails.
    After,
}

/// Objects in memory. `before` is asked before each call that reaches the store, with what it does.
pub(crate) struct MemoryObjects<F = fn(&str) -> CallFault> {
    held: Mutex<BTreeMap<String, Vec<u8>>>,
    before: F,
}

impl MemoryObjects {
    pub fn new() -> Self {
        MemoryObjects::asking(|_| CallFault::None)
    }
}

impl<F: Fn(&str) -> CallFault> MemoryObjects<F> {
    pub fn asking(before: F) -> Self {
        MemoryObjects { held: Mutex::default(), before }
    }

    pub fn held(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.held.lock().unwrap()
    }

    fn call<T>(
        &self,
        attempt: &'static str,
        name: &str,
        does: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T,
    ) -> Result<T, ObjectError> {
        let failed = || ObjectError::Failed {
            attempt,
            name: name.to_owned(),
            store: "memory".to_owned(),
            why: "a test wants it so".to_owned(),
            next: "go on",
        };
        let named = if attempt == "list" { is_prefix(name) } else { is_name(name) };
        if !named {
            return Err(ObjectError::Name {
                attempt,
                name: name.to_owned(),
                store: "memory".to_owned(),
            });
        }
        match (self.before)(&format!("{attempt} {name}")) {
            CallFault::None => Ok(does(&mut self.held())),
            CallFault::Before => Err(failed()),
            CallFault::After => {
                does(&mut self.held());
                Err(failed())
            }
        }
    }
}

impl<F: Fn(&str) -> CallFault + Send + Sync> Objects for MemoryObjects<F> {
    fn url(&self) -> &str {
        "memory"
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Creation, ObjectError> {
        self.call("create", name, |held| {
            if held.contains_key(name) {
                return Creation::Exists;
            }
            held.insert(name.to_owned(), bytes.to_owned());
            Creation::Created
        })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        self.call("write", name, |held| drop(held.insert(name.to_owned(), bytes.to_owned())))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        self.call("read", name, |held| held.get(name).cloned())
    }

    fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        let bytes = self.get(name)?;
        let place = |at: u64, bytes: &Vec<u8>| bytes.len().min(usize::try_from(at).unwrap());
        Ok(bytes.map(|bytes| bytes[place(from, &bytes)..place(to.max(from), &bytes)].to_owned()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, ObjectError> {
        self.call("list", prefix, |held| {
            let named = held.iter().filter(|(name, _)| name.starts_with(prefix));
            let listed = named.map(|(name, bytes)| ListedObject {
                name: name.clone(),
                bytes: bytes.len() as u64,
            });
            listed.collect()
        })
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.call("delete", name, |held| drop(held.remove(name)))
    }
}

//! A folder that stands for a registry: `7.avsc` is the schema of id 7.

use crate::registry::error::RegistryError;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemark_operators::ingest::schemas::{Schema, Schemas};

/// The most schemas a folder may hold.
pub const FOLDER_FILES_MAX: usize = 10_000;
/// The longest of their files, in bytes (4 MiB).
pub const SCHEMA_FILE_BYTES_MAX: u64 = 4 << 20;

/// The schemas of a folder, as they were when it was read. An id without a file is unknown at once.
#[derive(Clone, Debug)]
pub struct FolderSchemas {
    folder: Arc<str>,
    schemas: Arc<BTreeMap<u32, Arc<str>>>,
}

impl FolderSchemas {
    /// Reads all files of `folder` that end in `.avsc` or `.json`; others are left aside.
    ///
    /// # Errors
    /// When it cannot be read, a name is not a number, two files have one, a file is no JSON, or
    /// there are more or longer ones than [`FOLDER_FILES_MAX`] and [`SCHEMA_FILE_BYTES_MAX`].
    pub fn open(folder: &Path) -> Result<FolderSchemas, RegistryError> {
        let wrong = |why: String| RegistryError::Folder { path: folder.to_owned(), why };
        let mut schemas: BTreeMap<u32, Arc<str>> = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(|error| wrong(error.to_string()))? {
            let path = entry.map_err(|error| wrong(error.to_string()))?.path();
            if !matches!(path.extension().and_then(|e| e.to_str()), Some("avsc" | "json")) {
                continue;
            }
            let id = id_of(&path)?;
            if schemas.len() >= FOLDER_FILES_MAX {
                return Err(wrong(format!("it holds more than {FOLDER_FILES_MAX} schemas")));
            }
            if schemas.insert(id, read(&path)?.into()).is_some() {
                let why = format!("there is {id}.avsc and {id}.json: remove one");
                return Err(RegistryError::SchemaFile { path, why });
            }
        }
        let folder = folder.display().to_string().into();
        Ok(FolderSchemas { folder, schemas: Arc::new(schemas) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.schemas.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }
}

impl Schemas for FolderSchemas {
    fn schema(&mut self, id: u32) -> Schema {
        match self.schemas.get(&id) {
            Some(text) => Schema::Known(Arc::clone(text)),
            None => {
                let folder = &self.folder;
                Schema::Unknown(format!("there is no {id}.avsc in the folder \"{folder}\"").into())
            }
        }
    }
}

fn id_of(path: &Path) -> Result<u32, RegistryError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    // "+7" and "007" are numbers too, and could stand beside "7".
    match stem.parse::<u32>() {
        Ok(id) if id.to_string() == stem => Ok(id),
        _ => Err(RegistryError::SchemaFile {
            path: PathBuf::from(path),
            why: "its name is no id: name it by the schema's number, such as 7.avsc".to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<String, RegistryError> {
    let wrong = |why: String| RegistryError::SchemaFile { path: path.to_owned(), why };
    let file = fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(SCHEMA_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    if read.map_err(|error| wrong(error.to_string()))? as u64 > SCHEMA_FILE_BYTES_MAX {
        return Err(wrong(format!("it is longer than {SCHEMA_FILE_BYTES_MAX} bytes")));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(wrong(format!("it is not JSON: {error}"))),
    }
}

//! A folder of `.avsc` instead of a registry.

use crate::folder::Folder;
use std::process::Command;
use tidemark::registry::FolderSchemas;
use tidemark_operators::ingest::schemas::{Schema, Schemas};

fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new("schemas");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn files_named_by_ids_are_the_schemas_and_an_id_without_one_is_unknown() {
    let files = [("7.avsc", "\"string\""), ("12.json", "\"long\""), ("README.md", "not one")];
    let folder = folder(&files);
    let mut schemas = FolderSchemas::open(folder.path()).unwrap();
    assert_eq!(schemas.len(), 2);
    assert_eq!(schemas.schema(7), Schema::Known("\"string\"".into()));
    assert_eq!(schemas.clone().schema(12), Schema::Known("\"long\"".into()));
    let Schema::Unknown(reason) = schemas.schema(8) else { panic!() };
    let shown = folder.path().display();
    assert_eq!(*reason, format!("there is no 8.avsc in the folder \"{shown}\""));
}

#[test]
fn a_file_that_is_no_schema_of_an_id_is_an_error_that_names_it() {
    for (files, words) in [
        (vec![("orders.avsc", "\"int\"")], ["orders.avsc", "such as 7.avsc"]),
        (vec![("07.avsc", "\"int\"")], ["07.avsc", "is no id"]),
        (vec![("4294967296.avsc", "\"int\"")], ["4294967296.avsc", "is no id"]),
        (vec![("7.avsc", "{")], ["7.avsc", "is not JSON"]),
        (vec![("7.avsc", "1"), ("7.json", "1")], ["7.avsc and 7.json", "remove one"]),
    ] {
        let error = FolderSchemas::open(folder(&files).path()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let nowhere = folder(&[]).path().join("nowhere");
    let error = FolderSchemas::open(&nowhere).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("[registry]"), "{error}");
}

/// `tidemark run` with a job whose topic is Avro and these arguments; what it says, and its code.
fn run(arguments: &[&str]) -> (String, Option<i32>) {
    let job = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/fraud.toml"));
    let job = job.unwrap();
    let avro = job.replacen("format = \"json\"", "format = \"avro\"", 1);
    assert_ne!(avro, job);
    let folder = folder(&[("job.toml", &avro), ("cluster.toml", "")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
    for (name, _) in tidemark::config::VARIABLES {
        command.env_remove(name);
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let job = path("job.toml");
    let cluster = path("cluster.toml");
    let output = command.args(["run", &job, "--cluster", &cluster]).args(arguments);
    let output = output.output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn a_topic_of_avro_records_needs_to_be_told_where_their_schemas_are() {
    let (said, code) = run(&[]);
    assert_eq!(code, Some(2), "{said}");
    for part in ["\"transactions\"", "\"url\"", "\"schemas\"", "[registry]", "SCHEMA_REGISTRY_URL"]
    {
        assert!(said.contains(part), "no {part} in {said}");
    }
    let (said, code) = run(&["--schemas", "/no/such/folder"]);
    assert!(code == Some(2) && said.contains("/no/such/folder"), "{said}");
    let (said, code) = run(&["--registry", "http://ann:hunter2@registry"]);
    assert!(code == Some(2) && said.contains("\"--registry\" must hold no user"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

//! `tidemark checkpoint verify`

use super::ls::ObjectFault;
use super::{failed, keys, nothing, opened};
use crate::checkpoint::{
    CheckpointError, Manifest, Manifests, StateKeys, StoredLetters, Verified, VersionRecords,
    verify_ids, verify_letters, verify_segment, verify_states, verify_version,
};
use crate::cli::{CheckpointsVerified, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::objects::Objects;
use crate::output;
use crate::text::{bytes_short, count_text, printable};
use serde::Serialize;
use std::collections::BTreeSet;

/// What was verified.
#[derive(Debug, Default, Serialize)]
pub(super) struct VerifiedDocument {
    checkpoints: u64,
    objects: u64,
    bytes: u64,
    /// Of these only the checksums.
    encrypted: u64,
    /// Objects that no checkpoint lists.
    unlisted: u64,
    pub faults: Vec<ObjectFault>,
}

pub(super) fn run(args: &CheckpointsVerified) -> Result<Exit, Failure> {
    let objects = opened(&args.state)?;
    let keys = keys(args.keys.as_deref())?;
    let document = verified(&*objects, keys.as_ref())?;
    let faults = document.faults.len();
    if args.format == OutputFormat::Json {
        output::print_json(&document)?;
        return Ok(if faults == 0 { Exit::Done } else { Exit::Failed });
    }
    for fault in &document.faults {
        output::print(&format!("{}\n", printable(&fault.error)))?;
    }
    if faults == 0 {
        return output::print(&told(&document));
    }
    let (objects, url) = (count_text(document.objects), objects.url());
    let failure = Failure::failed(format!("{faults} of {objects} objects in {url} cannot be used"));
    Err(failure.hint("bring back those that are named from a copy of the store"))
}

/// Reads all that the manifests of a store list.
pub(super) fn verified(
    objects: &dyn Objects,
    keys: Option<&StateKeys>,
) -> Result<VerifiedDocument, Failure> {
    let manifests = Manifests::new(objects);
    let sequences = manifests.sequences().map_err(failed)?;
    if sequences.is_empty() {
        return Err(nothing(objects));
    }
    let mut verification = Verification {
        objects,
        keys,
        seen: BTreeSet::new(),
        document: VerifiedDocument::default(),
    };
    for sequence in sequences {
        verification.document.checkpoints += 1;
        verification.document.objects += 1;
        match manifests.read(sequence) {
            Ok(None) => {}
            Ok(Some(manifest)) => verification.manifest(&manifest)?,
            Err(error) => verification.fault(error)?,
        }
    }
    let Verification { seen, mut document, .. } = verification;
    let all = objects.list("").map_err(Failure::failed)?;
    let unlisted = all.iter().filter(|one| !one.name.starts_with("manifests/"));
    document.unlisted = unlisted.filter(|one| !seen.contains(&one.name)).count() as u64;
    Ok(document)
}

struct Verification<'a> {
    objects: &'a dyn Objects,
    keys: Option<&'a StateKeys>,
    /// Most objects are listed by several manifests.
    seen: BTreeSet<String>,
    document: VerifiedDocument,
}

impl Verification<'_> {
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        for index in &manifest.indexes {
            if self.is_new(&index.name, index.bytes) {
                // All that it lists through others is in this one too.
                let only = Manifest { indexes: vec![index.clone()], ..Manifest::default() };
                match Manifests::new(self.objects).segments(&only) {
                    Ok(segments) => {
                        self.segments(&Manifest { segments, ..Manifest::default() })?;
                    }
                    Err(error) => self.fault(error)?,
                }
            }
        }
        self.segments(manifest)?;
        for states in manifest.snapshot.iter().flat_map(|snapshot| &snapshot.states) {
            if self.is_new(&states.name, states.bytes) {
                self.note(verify_states(self.objects, states, self.keys))?;
            }
        }
        for ids in &manifest.ids {
            if self.is_new(&ids.name, ids.bytes) {
                self.note(verify_ids(self.objects, ids, self.keys))?;
            }
        }
        self.letters(manifest)?;
        self.versions(manifest)
    }

    /// Dead letters that a manifest lists because they may not be published yet.
    fn letters(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        for letters in StoredLetters::listed(&manifest.outbox) {
            if self.is_new(&letters.name, letters.bytes) {
                self.note(verify_letters(self.objects, &letters, self.keys))?;
            }
        }
        Ok(())
    }

    /// The versions of tables that are seen at a manifest's cut, and all later ones.
    fn versions(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        if manifest.tables.is_empty() {
            return Ok(());
        }
        let records = VersionRecords::new(self.objects);
        let all = records.numbers().map_err(failed)?;
        for (table, base) in &manifest.tables {
            let there = all.get(table).map_or(&[][..], |numbers| numbers);
            for number in VersionRecords::needed(Some(*base), there) {
                if !self.is_new(&VersionRecords::name(table, number), 0) {
                    continue;
                }
                match records.read(table, number) {
                    Ok(record) if self.is_new(&record.rows.name, record.rows.bytes) => {
                        self.note(verify_version(self.objects, table, &record.rows, self.keys))?;
                    }
                    Ok(_) => {}
                    Err(error) => self.fault(error)?,
                }
            }
        }
        Ok(())
    }

    fn segments(&mut self, manifest: &Manifest) -> Result<(), Failure> {
        for segment in &manifest.segments {
            if self.is_new(&segment.name, segment.bytes) {
                self.note(verify_segment(self.objects, segment, self.keys))?;
            }
        }
        Ok(())
    }

    fn is_new(&mut self, name: &str, bytes: u64) -> bool {
        let is_new = self.seen.insert(name.to_owned());
        if is_new {
            self.document.objects += 1;
            self.document.bytes += bytes;
        }
        is_new
    }

    fn note(&mut self, verified: Result<Verified, CheckpointError>) -> Result<(), Failure> {
        match verified {
            Ok(Verified::Whole) => {}
            Ok(Verified::Checksums) => self.document.encrypted += 1,
            Err(error) => self.fault(error)?,
        }
        Ok(())
    }

    /// What is wrong with an object is noted; what is wrong with the store ends it.
    fn fault(&mut self, error: CheckpointError) -> Result<(), Failure> {
        let object = match &error {
            CheckpointError::Damaged(damaged) => damaged.object.clone(),
            CheckpointError::Newer { object, .. } | CheckpointError::Unwritable { object, .. } => {
                object.clone()
            }
            CheckpointError::Key(error) => error.object(),
            CheckpointError::Objects(_) | CheckpointError::Fenced { .. } => {
                return Err(failed(error));
            }
        };
        self.document.faults.push(ObjectFault { object, error: error.to_string() });
        Ok(())
    }
}

fn told(document: &VerifiedDocument) -> String {
    let VerifiedDocument { checkpoints, objects, bytes, encrypted, unlisted, .. } = document;
    let (objects, bytes) = (count_text(*objects), bytes_short(*bytes));
    let mut out = format!("{checkpoints} checkpoints, {objects} objects, {bytes}: no fault\n");
    if *encrypted > 0 {
        out.push_str(&format!(
            "{} are encrypted: only their checksums were verified; --keys FILE looks into them\n",
            count_text(*encrypted)
        ));
    }
    if *unlisted > 0 {
        out.push_str(&format!(
            "{} are of no checkpoint: they are being written, or left by a crash and go by themselves\n",
            count_text(*unlisted)
        ));
    }
    out
}

//! Finds captured evidence for tests and counts the checks that are left out where there is none.
//!
//! The folder is `QUOTH_VECTORS`, or else `../shared/vectors` beside the repository. `./just` sets the variable by
//! `find.py`, which fetches a smaller set where that folder is missing. A test that asks for a piece which the set lacks
//! gets `None` and returns; the check is written to the file `QUOTH_LEFT_OUT`, which `./just test` counts. With
//! `QUOTH_REQUIRE_VECTORS=1` such a test fails.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::{env, thread};

use serde_json::Value;

/// The folder with captured evidence, if there is one.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = env::var_os("QUOTH_VECTORS").filter(|path| !path.is_empty()).map_or_else(beside, PathBuf::from);
    folder.join("MANIFEST.json").is_file().then_some(folder)
}

/// A file of the folder, by its path in there.
///
/// # Panics
/// If it should be required and is not there.
#[must_use]
pub fn read(name: &str) -> Option<Vec<u8>> {
    let bytes = folder().and_then(|folder| fs::read(folder.join(name)).ok());
    if bytes.is_none() {
        left_out(name);
    }
    bytes
}

/// All files of a part of the folder, in the order of their names.
///
/// # Panics
/// If there should be some and there is none.
#[must_use]
pub fn read_all(part: &str) -> Vec<Vec<u8>> {
    let entries = folder().and_then(|folder| fs::read_dir(folder.join(part)).ok());
    let mut files: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let files: Vec<_> = files.into_iter().flat_map(fs::read).collect();
    if files.is_empty() {
        left_out(part);
    }
    files
}

/// All entries of the manifest; none if there is no folder.
///
/// # Panics
/// If the manifest cannot be read.
#[must_use]
pub fn manifest() -> Vec<Value> {
    let Some(folder) = folder() else { return Vec::new() };
    let text = fs::read(folder.join("MANIFEST.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&text).expect("a manifest in JSON");
    manifest["vectors"].as_array().expect("an array of vectors").clone()
}

/// The manifest's entries of a kind.
///
/// # Panics
/// If there should be some and there is none.
#[must_use]
pub fn of_kind(kind: &str) -> Vec<Value> {
    let vectors: Vec<_> = manifest().into_iter().filter(|vector| vector["kind"] == kind).collect();
    if vectors.is_empty() {
        left_out(kind);
    }
    vectors
}

/// The first entry of a kind whose name contains `part`.
///
/// # Panics
/// If it should be required and is not there.
#[must_use]
pub fn find(kind: &str, part: &str) -> Option<Value> {
    let is_it =
        |vector: &Value| vector["kind"] == kind && vector["name"].as_str().is_some_and(|name| name.contains(part));
    let vector = manifest().into_iter().find(is_it);
    if vector.is_none() {
        left_out(&format!("{kind} {part}"));
    }
    vector
}

/// Notes that this test leaves out a check because `what` is not there.
///
/// # Panics
/// If evidence is required, or the note cannot be written.
pub fn left_out(what: &str) {
    let required = env::var_os("QUOTH_REQUIRE_VECTORS").is_some_and(|value| value == "1");
    assert!(!required, "captured evidence is required and lacks: {what}; set QUOTH_VECTORS");
    let program = env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_stem()?.to_str()).unwrap_or_default();
    // Cargo puts a hash behind the name.
    let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
    let note = format!("{program}::{}: {what}\n", thread::current().name().unwrap_or_default());
    eprint!("left out: {note}");
    if let Some(path) = env::var_os("QUOTH_LEFT_OUT").filter(|path| !path.is_empty()) {
        let mut file = File::options().create(true).append(true).open(&path).expect("a file for QUOTH_LEFT_OUT");
        file.write_all(note.as_bytes()).expect("a note in QUOTH_LEFT_OUT");
    }
}

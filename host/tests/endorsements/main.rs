//! The endorsement cache with a local service that sends genuine certificates, or misbehaves.
#![allow(clippy::unwrap_used)]

mod cache;
mod command;
mod crl;
mod hostile;
mod patience;
mod serve;
mod server;
mod source;
mod tls;
mod vectors;

use std::fs;
use std::path::{Path, PathBuf};

use quoth_host::endorsements::{Endorsement, EndorsementError, Endorsements};
use server::Kds;
use tempfile::TempDir;
use vectors::{Machine, NOW};

/// Creates an empty cache for a service.
struct Cache {
    folder: TempDir,
    endorsements: Endorsements,
}

impl Cache {
    fn of(kds: &Kds, machine: &Machine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endorsements = open(folder.path(), kds, machine);
        Self { folder, endorsements }
    }

    async fn fetch(&self, machine: &Machine) -> Result<Endorsement, EndorsementError> {
        self.endorsements.fetch_at(&machine.report, NOW).await
    }

    /// Returns the code of the expected error.
    async fn refused(&self, machine: &Machine) -> &'static str {
        self.fetch(machine).await.unwrap_err().code()
    }

    /// Returns the sorted names of all files.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = entries(self.folder.path()).iter().map(|path| name(path)).collect();
        names.sort();
        names
    }

    /// Returns the only file whose name begins with this.
    fn file(&self, prefix: &str) -> PathBuf {
        entries(self.folder.path()).into_iter().find(|path| name(path).starts_with(prefix)).unwrap()
    }
}

/// Opens the cache again, as a new process does.
fn open(folder: &Path, kds: &Kds, machine: &Machine) -> Endorsements {
    let endorsements = Endorsements::new(folder, kds.service());
    match machine.version {
        2 => endorsements.of_family(machine.family),
        _ => endorsements,
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().into()
}

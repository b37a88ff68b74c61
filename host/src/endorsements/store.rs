//! The cache of documents: a private folder of this user. Each file is written as a whole or not at all.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::EndorsementError;

/// Returns the default folder of the cache, by the XDG base directory specification. Ignores relative paths, as it says.
pub fn cache() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let folder = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    folder.map(|folder| folder.join("quoth/endorsements"))
}

/// A folder of documents.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

/// A document from the cache.
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    /// Time of writing, Unix seconds.
    pub(super) at: u64,
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Creates the folder if needed, and makes it private to its owner.
    pub(super) fn prepare(&self) -> Result<(), EndorsementError> {
        let prepare = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700))
        };
        prepare().map_err(EndorsementError::file(&self.folder))
    }

    /// Reads a document. Removes a damaged one: one that is longer than `limit`, or that `whole` does not accept.
    pub(super) fn read(
        &self,
        name: &str,
        limit: usize,
        whole: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Stored>, EndorsementError> {
        let path = self.folder.join(name);
        let read = || {
            let file = File::open(&path)?;
            let at = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let mut bytes = Vec::new();
            file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(Stored { bytes, at })
        };
        match read() {
            Ok(stored) if stored.bytes.len() <= limit && whole(&stored.bytes) => Ok(Some(stored)),
            Ok(_) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EndorsementError::file(path)(error)),
                _ => Ok(None),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EndorsementError::file(path)(error)),
        }
    }

    /// Writes a document with the time `now` (Unix seconds). After success it is on disk. Another process may write the same
    /// document at the same time; each file is whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8], now: u64) -> Result<(), EndorsementError> {
        let path = self.folder.join(name);
        self.replace(&path, bytes, now).map_err(EndorsementError::file(path))
    }

    fn replace(&self, path: &Path, bytes: &[u8], now: u64) -> io::Result<()> {
        let draft = self.folder.join(format!(".{:016x}.new", getrandom::u64().map_err(io::Error::other)?));
        let write = || {
            let mut file = File::options().create_new(true).write(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            let at = UNIX_EPOCH.checked_add(Duration::from_secs(now)).unwrap_or_else(SystemTime::now);
            file.set_modified(at)?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().inspect_err(|_| {
            // The draft may not exist. The error above is the one to report.
            let _ = fs::remove_file(&draft);
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn documents_are_kept_whole_and_to_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let store = Store::new(path.clone());
        store.prepare().unwrap();
        assert!(store.read("x", 5, |_| true).unwrap().is_none());
        store.write("x", b"first", 1_700_000_000).unwrap();
        store.write("x", b"other", 1_700_000_001).unwrap();
        let stored = store.read("x", 5, |bytes| bytes == b"other").unwrap().unwrap();
        assert_eq!((&stored.bytes[..], stored.at), (&b"other"[..], 1_700_000_001));
        assert_eq!(names(&path), ["x"], "no draft stays");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("x"))), (0o700, 0o600));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        store.prepare().unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_damaged_document_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into());
        store.write("x", b"123456", 1).unwrap();
        assert!(store.read("x", 6, |_| true).unwrap().is_some());
        assert!(store.read("x", 5, |_| true).unwrap().is_none(), "one byte too long");
        assert!(names(folder.path()).is_empty());
        store.write("x", b"12345", 1).unwrap();
        assert!(store.read("x", 5, |_| false).unwrap().is_none());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn what_the_system_refuses_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let blocked = Store::new(folder.path().join("file"));
        assert_eq!(blocked.prepare().unwrap_err().code(), "endorsement.file");
        assert_eq!(blocked.write("x", b"", 1).unwrap_err().code(), "endorsement.file");
    }
}

//! The inputs of images besides Quoth itself: Debian packages, pinned by hash.

mod fetch;
mod lock;
mod newest;

use std::env;
use std::path::{Path, PathBuf};

pub use lock::{Input, Lock};

use crate::error::ImageError;

/// The default mirror. `QUOTH_DEBIAN` in the environment replaces it.
const MIRROR: &str = "http://deb.debian.org/debian";

/// Returns the folder for downloads and built files.
pub(crate) fn cache() -> Result<PathBuf, ImageError> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache/quoth"));
    env::var_os("QUOTH_CACHE").map(PathBuf::from).or_else(home).ok_or(ImageError::NoCache)
}

fn mirror() -> String {
    env::var("QUOTH_DEBIAN").unwrap_or_else(|_| MIRROR.into())
}

impl Input {
    /// Returns the package's file with the hash of the lock. Downloads it unless the cache has it.
    pub(crate) fn fetch(&self) -> Result<PathBuf, ImageError> {
        let lock = Lock::committed()?;
        fetch::get(self, &[&mirror(), lock.archive()], &cache()?.join("inputs"))
    }
}

/// Runs `quoth-images lock`: updates the lock file to the mirror's current versions.
pub(crate) fn lock(file: &Path) -> Result<String, ImageError> {
    newest::write(file, &mirror())
}

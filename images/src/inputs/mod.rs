//! What images are made of beside Quoth itself: Debian packages, each known by its hash.

mod fetch;
mod lock;
mod newest;

use std::env;
use std::path::{Path, PathBuf};

pub use lock::{Input, Lock};

use crate::error::ImageError;

/// Where packages are, when the environment does not say otherwise.
const MIRROR: &str = "http://deb.debian.org/debian";

/// Where what was fetched and made is kept.
pub(crate) fn cache() -> Result<PathBuf, ImageError> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache/quoth"));
    env::var_os("QUOTH_CACHE").map(PathBuf::from).or_else(home).ok_or(ImageError::NoCache)
}

fn mirror() -> String {
    env::var("QUOTH_DEBIAN").unwrap_or_else(|_| MIRROR.into())
}

impl Input {
    /// The package's file, fetched unless it is there already; its bytes are those of the lock.
    pub(crate) fn fetch(&self) -> Result<PathBuf, ImageError> {
        let lock = Lock::committed()?;
        fetch::get(self, &[&mirror(), lock.archive()], &cache()?.join("inputs"))
    }
}

/// `quoth-images lock`: the lock file for what the mirror has now.
pub(crate) fn lock(file: &Path) -> Result<String, ImageError> {
    newest::write(file, &mirror())
}

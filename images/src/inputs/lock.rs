//! The list of inputs, `inputs.lock`.

use serde::{Deserialize, Serialize};

use crate::error::ImageError;

/// The lock file that is compiled in.
const COMMITTED: &str = include_str!("../../inputs.lock");
const VERSION: u32 = 1;

/// All inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// A permanent mirror of Debian's packages at the time of this list.
    archive: String,
    #[serde(rename = "input")]
    inputs: Vec<Input>,
}

/// A package of one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The purpose of the package.
    pub name: String,
    /// Name of the package.
    pub package: String,
    /// The Debian release that contains it.
    pub suite: String,
    /// Version of the package.
    pub release: String,
    /// Path on a mirror.
    pub path: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

impl Lock {
    /// Returns the lock file that is compiled in.
    ///
    /// # Errors
    /// [`ImageError::Lock`].
    pub fn committed() -> Result<Self, ImageError> {
        Self::parse(COMMITTED)
    }

    /// Reads a lock file strictly.
    ///
    /// # Errors
    /// [`ImageError::Lock`].
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let lock: Self = toml::from_str(text).map_err(|error| ImageError::Lock(error.message().into()))?;
        if lock.version != VERSION {
            return Err(ImageError::Lock(format!("version {}, not {VERSION}", lock.version)));
        }
        if !lock.archive.starts_with("https://") {
            return Err(ImageError::Lock("the archive is not an https address".into()));
        }
        match lock.inputs.iter().find_map(|input| input.problem().map(|problem| (input, problem))) {
            Some((input, problem)) => Err(ImageError::Lock(format!("{}: {problem}", input.name))),
            None => Ok(lock),
        }
    }

    /// Returns the input with this purpose.
    ///
    /// # Errors
    /// [`ImageError::Lock`] if there is none.
    pub fn input(&self, name: &str) -> Result<&Input, ImageError> {
        let found = self.inputs.iter().find(|input| input.name == name);
        found.ok_or_else(|| ImageError::Lock(format!("no {name}")))
    }

    /// Returns the address of the permanent mirror, for inputs that other mirrors no longer have.
    pub(super) fn archive(&self) -> &str {
        &self.archive
    }

    pub(super) fn set_archive(&mut self, archive: String) {
        self.archive = archive;
    }

    pub(super) fn inputs_mut(&mut self) -> &mut [Input] {
        &mut self.inputs
    }
}

impl Input {
    fn problem(&self) -> Option<&'static str> {
        let word = |text: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._~:".contains(&byte);
            !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(known)
        };
        if ![&self.package, &self.suite, &self.release].into_iter().all(|text| word(text)) {
            return Some("an invalid package, suite or release");
        }
        // The path becomes part of an address and of a file's name.
        if !self.path.starts_with("pool/") || !self.path.split('/').all(word) || !self.path.ends_with(".deb") {
            return Some("the path is not a package's path");
        }
        let hash = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (self.sha256.len() != 64 || !self.sha256.bytes().all(hash)).then_some("an invalid SHA-256")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_committed_lock_names_kernel_and_firmware() {
        let lock = Lock::committed().unwrap();
        assert!(lock.input("kernel").unwrap().package.starts_with("linux-source-"));
        assert_eq!(lock.input("firmware").unwrap().package, "ovmf-amdsev");
        assert!(lock.input("other").is_err());
    }

    #[test]
    fn another_lock_is_refused() {
        for (from, to) in [
            ("version = 1", "version = 2"),
            ("archive = \"https", "archive = \"file"),
            ("pool/main/l", "../l"),
            ("pool/main/l", "pool/../l"),
            ("pool/main/l", "pool//l"),
            ("_all.deb\"", "_all.tar\""),
            ("sha256 = \"9", "sha256 = \"G"),
            ("sha256 = \"9", "sha256 = \""),
            ("suite = \"trixie\"", "suite = \"-x\""),
            ("size = 153474904", "size = -1"),
            ("name = \"kernel\"", "name = \"kernel\"\nmore = 1"),
        ] {
            assert!(Lock::parse(&COMMITTED.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}

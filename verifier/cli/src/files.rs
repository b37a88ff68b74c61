use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use quoth_verifier::{Policy, Verifier};

use crate::error::CliError;

/// A policy file, bytes, at most.
pub(crate) const MAX_POLICY: usize = 1024 * 1024;

/// Reads at most `limit` bytes of a file; a longer one is refused.
pub(crate) fn read(file: &Path, limit: usize) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::File { file: file.into(), source };
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() <= limit {
        true => Ok(bytes),
        false => Err(CliError::FileTooLong { file: file.into(), limit }),
    }
}

/// Writes a file that did not exist before: proofs are never overwritten.
pub(crate) fn write_new(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |source| CliError::File { file: file.into(), source };
    File::create_new(file).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

/// The policy in `file`; without one, the policy that accepts no development platform.
pub(crate) fn policy(file: Option<&PathBuf>) -> Result<Policy, CliError> {
    let Some(file) = file else {
        return Ok(Policy::hardware_only());
    };
    let bytes = read(file, MAX_POLICY)?;
    let invalid = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
    let text =
        String::from_utf8(bytes).map_err(|error| CliError::File { file: file.clone(), source: invalid(error) })?;
    Policy::from_toml(&text).map_err(|source| CliError::Policy { file: file.clone(), source })
}

/// A verifier under [`policy`].
pub(crate) fn verifier(file: Option<&PathBuf>) -> Result<Verifier, CliError> {
    policy(file).map(Verifier::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_read_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_new(&file, b"12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        assert!(matches!(read(&file, 4), Err(CliError::FileTooLong { limit: 4, .. })));
        assert!(matches!(write_new(&file, b"x"), Err(CliError::File { .. })), "an existing file is kept");
        assert!(matches!(read(&folder.path().join("none"), 4), Err(CliError::File { .. })));
    }
}

//! Reads and writes files, within limits.

use std::fs::File;
use std::io::{IsTerminal, Read, Write, stdin};
use std::path::{Path, PathBuf};

use quoth_attestation::secret::MAX_SECRET;
use quoth_client::{ClientError, OrderError};
use quoth_verifier::{Policy, Verifier};
use zeroize::Zeroizing;

use crate::error::CliError;

/// Maximum bytes in a policy file.
pub(crate) const MAX_POLICY: usize = 1024 * 1024;

/// Reads a file of at most `limit` bytes; returns an error if it is longer.
pub(crate) fn read(file: &Path, limit: usize) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::File { file: file.into(), source };
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() <= limit {
        true => Ok(bytes),
        false => Err(CliError::FileTooLong { file: file.into(), limit }),
    }
}

/// Reads a key or a token from a file or from standard input. A command line would show it to all users of the machine.
pub(crate) fn secret(file: Option<&PathBuf>) -> Result<Zeroizing<String>, CliError> {
    let bytes = Zeroizing::new(match file {
        Some(file) => read(file, MAX_SECRET + 2)?,
        None if stdin().is_terminal() => return Err(CliError::NoSecret),
        None => {
            let mut bytes = Vec::with_capacity(MAX_SECRET + 2);
            stdin().take(MAX_SECRET as u64 + 2).read_to_end(&mut bytes).map_err(CliError::Input)?;
            bytes
        }
    });
    let text = std::str::from_utf8(&bytes).map_err(|_| ClientError::from(OrderError::Secret))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Writes a new file. It never overwrites: proofs must not be lost.
pub(crate) fn write_new(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |source| CliError::File { file: file.into(), source };
    File::create_new(file).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}

/// Writes a new file that only its owner may read. Readers never see a part of it.
pub(crate) fn write_private(file: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        // Created with mode 0600, and renamed when it is complete.
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(bytes)?;
        draft.persist_noclobber(file)?;
        Ok(())
    };
    write().map_err(|source| CliError::File { file: file.into(), source })
}

/// Reads the policy in `file`, TOML or compiled. Without a file, returns the policy that accepts no development platform.
pub(crate) fn policy(file: Option<&PathBuf>) -> Result<Policy, CliError> {
    let Some(file) = file else {
        return Ok(Policy::hardware_only());
    };
    let text = policy_text(file)?;
    // Compiled policies start so, and TOML never does.
    let policy = match text.starts_with('{') {
        true => Policy::from_json(text.as_bytes()),
        false => Policy::from_toml(&text),
    };
    policy.map_err(|source| CliError::Policy { file: file.clone(), source })
}

pub(crate) fn policy_text(file: &Path) -> Result<String, CliError> {
    let invalid = |_| std::io::Error::from(std::io::ErrorKind::InvalidData);
    String::from_utf8(read(file, MAX_POLICY)?)
        .map_err(|error| CliError::File { file: file.into(), source: invalid(error) })
}

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

    #[test]
    fn a_private_file_appears_whole_and_once() {
        let folder = tempfile::tempdir().unwrap();
        write_private(&folder.path().join("file"), b"12345").unwrap();
        assert!(matches!(write_private(&folder.path().join("file"), b"x"), Err(CliError::File { .. })));
        assert_eq!(read(&folder.path().join("file"), 5).unwrap(), b"12345");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(folder.path().join("file").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

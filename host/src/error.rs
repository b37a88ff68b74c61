//! The errors of the host, and their exit codes.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use quoth_link::{LinkError, Name};

/// Why a command of the host failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Options that contradict each other or are incomplete.
    #[error("{0}")]
    Usage(String),
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the host has content that this version does not write.
    #[error("{}: not a valid {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The expected content.
        what: &'static str,
    },
    /// A system call failed that does not concern one file.
    #[error("{what}: {source}")]
    System {
        /// The action that failed.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// A program that launches the enclave failed.
    #[error("{program}: {said}")]
    Launch {
        /// The program.
        program: &'static str,
        /// Its error message.
        said: String,
    },
    /// Another host uses this folder.
    #[error("another quoth up is running on {}", path.display())]
    Busy {
        /// The run folder.
        path: PathBuf,
    },
    /// The link to the enclave failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The journal's database failed.
    #[error("journal: {0}")]
    Journal(#[from] crate::journal::JournalError),
    /// A report has no endorsements.
    #[error("{0} ({code})", code = .0.code())]
    Endorsement(#[from] crate::endorsements::EndorsementError),
    /// No host is running on this folder.
    #[error("no host is running on {}", path.display())]
    NotRunning {
        /// The run folder.
        path: PathBuf,
    },
    /// The journal has no such receipt.
    #[error("the journal has no receipt {cti}")]
    NoReceipt {
        /// The id of the receipt.
        cti: String,
    },
    /// The enclave could not start.
    #[error("the enclave could not start: step {step} failed with {code} (see {})", log.display())]
    Boot {
        /// The failed step.
        step: Name,
        /// The stable code of the failure.
        code: Name,
        /// The enclave's log.
        log: PathBuf,
    },
    /// The enclave's process ended by itself.
    #[error("the enclave ended {how} (see {})", log.display())]
    EnclaveEnded {
        /// The status or signal, as far as known.
        how: String,
        /// The enclave's log.
        log: PathBuf,
    },
    /// The host killed the enclave, because it did not drain in time or the operator did not wait.
    #[error("the enclave was killed before it had drained")]
    Killed,
}

impl HostError {
    /// Returns 1 for a negative answer, 2 for usage, files and network, 3 for a failed enclave.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::NotRunning { .. } | Self::NoReceipt { .. } => 1,
            Self::Endorsement(error) if error.is_verdict() => 1,
            Self::Boot { .. } | Self::EnclaveEnded { .. } | Self::Killed => 3,
            _ => 2,
        })
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

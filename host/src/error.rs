use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use quoth_link::{LinkError, Name};

/// Why the host could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Options that contradict each other or lack something.
    #[error("{0}")]
    Usage(String),
    /// A file or folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of ours whose content is not as this version writes it.
    #[error("{}: not a valid {what}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// The system refused something that is not about one file.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that was to launch the enclave, or to be part of it.
    #[error("{program}: {said}")]
    Launch {
        /// Which.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// Another host runs on this folder.
    #[error("another quoth up runs on {}", path.display())]
    Busy {
        /// The run folder.
        path: PathBuf,
    },
    /// The link to the enclave.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The journal's database.
    #[error("journal: {0}")]
    Journal(#[from] crate::journal::JournalError),
    /// A report's endorsements.
    #[error("{0} ({code})", code = .0.code())]
    Endorsement(#[from] crate::endorsements::EndorsementError),
    /// Nothing runs on this folder.
    #[error("nothing runs on {}", path.display())]
    NotRunning {
        /// The run folder.
        path: PathBuf,
    },
    /// The journal has no such receipt.
    #[error("the journal has no receipt {cti}")]
    NoReceipt {
        /// Its id.
        cti: String,
    },
    /// The enclave could not start.
    #[error("the enclave could not start: step {step} failed with {code} (see {})", log.display())]
    Boot {
        /// The failed step.
        step: Name,
        /// Its stable code.
        code: Name,
        /// Where the enclave's log is.
        log: PathBuf,
    },
    /// The enclave's process ended by itself.
    #[error("the enclave ended {how} (see {})", log.display())]
    EnclaveEnded {
        /// With which status or signal, as far as known.
        how: String,
        /// Where the enclave's log is.
        log: PathBuf,
    },
    /// The enclave did not drain in time, or the operator did not want to wait; it was killed.
    #[error("the enclave was killed before it had drained")]
    Killed,
}

impl HostError {
    /// 1: the answer is no; 2: usage, files, network; 3: the enclave failed.
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

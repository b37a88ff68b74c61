//! Why a command did not end in `proven`.

use std::net::SocketAddr;
use std::path::PathBuf;

use quoth_client::ClientError;
use quoth_verifier::{PolicyError, Refusal};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// A connection, a request or a judgement failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Saved evidence, a receipt or a transcript was judged and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The policy file is invalid.
    #[error("{}: {source}", file.display())]
    Policy {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// These measurements and options do not give a policy.
    #[error("cannot make a policy: {0}")]
    PolicyInit(String),
    /// The file has no valid measurements.
    #[error("{}: {problem}", file.display())]
    Measurements {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is longer than any file of its kind.
    #[error("{}: more than {limit} bytes", file.display())]
    FileTooLong {
        /// The file.
        file: PathBuf,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A folder has more certificates than any chain needs.
    #[error("more than {limit} certificates and revocation lists")]
    TooManyCertificates {
        /// The limit.
        limit: usize,
    },
    /// The proxy cannot listen on the address.
    #[error("listening on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The answer could not be shown.
    #[error("writing the answer: {0}")]
    Output(std::io::Error),
    /// The secret could not be read.
    #[error("reading the secret: {0}")]
    Input(std::io::Error),
    /// No file is given, and standard input is a terminal.
    #[error(
        "give the secret on standard input or with --from FILE: printenv OPENAI_API_KEY | quoth-verify provision ..."
    )]
    NoSecret,
    /// A receipt alone proves nothing, because its key comes from the node's evidence.
    #[error(
        "the signature was not checked: the key is in the node's evidence. Give --evidence FILE or --transcript FILE"
    )]
    NoEvidence,
    /// The node answered with a proven error.
    #[error("the node proved that it answered {status}: {message}")]
    Answered {
        /// HTTP status.
        status: u16,
        /// The node's message.
        message: String,
    },
    /// The file is not a model that this engine runs.
    #[cfg(feature = "replay")]
    #[error("{}: {source}", file.display())]
    Model {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: quoth_engine::EngineError,
    },
    /// This machine could not run the model.
    #[cfg(feature = "replay")]
    #[error("running the model: {0}")]
    Engine(quoth_engine::EngineError),
    /// The thread for computing could not start.
    #[cfg(feature = "replay")]
    #[error("starting a thread: {0}")]
    Thread(std::io::Error),
    /// The person pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl CliError {
    /// A stable code for programs.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Client(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Policy { .. } => "policy.invalid",
            Self::PolicyInit(_) => "policy.init",
            Self::Measurements { .. } => "measurements.invalid",
            Self::File { .. } => "file.io",
            Self::FileTooLong { .. } => "file.too_long",
            Self::TooManyCertificates { .. } => "file.too_many_certificates",
            Self::Listen { .. } => "listen.io",
            Self::Output(_) => "output.io",
            Self::Input(_) => "input.io",
            Self::NoSecret => "secret.none",
            Self::NoEvidence => "receipt.no_evidence",
            Self::Answered { .. } => "node.answered_error",
            #[cfg(feature = "replay")]
            Self::Model { .. } => "model.invalid",
            #[cfg(feature = "replay")]
            Self::Engine(_) => "engine.failed",
            #[cfg(feature = "replay")]
            Self::Thread(_) => "thread.io",
            Self::Interrupted => "interrupted",
        }
    }

    /// True if a proof was judged and refused.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Client(error) => error.is_refusal(),
            Self::Refused(_) => true,
            _ => false,
        }
    }
}

//! Why a command did not end in `proven`.

use std::net::SocketAddr;
use std::path::PathBuf;

use quoth_client::ClientError;
use quoth_verifier::{PolicyError, Refusal};

/// Why a command did not end in `proven`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// Connecting, asking or judging failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Saved evidence, a receipt or a transcript was judged, and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The policy file is no policy.
    #[error("{}: {source}", file.display())]
    Policy {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// No policy can be made of these measurements and options.
    #[error("no policy can be made of this: {0}")]
    PolicyInit(String),
    /// The file holds no measurements.
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
    /// A file is longer than anything of its kind.
    #[error("{}: more than {limit} bytes", file.display())]
    FileTooLong {
        /// The file.
        file: PathBuf,
        /// The named limit.
        limit: usize,
    },
    /// A folder holds more certificates than any chain could need.
    #[error("more than {limit} certificates and revocation lists")]
    TooManyCertificates {
        /// The named limit.
        limit: usize,
    },
    /// The address cannot be listened on.
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
    /// Nobody gives the secret.
    #[error(
        "give the secret on standard input or with --from FILE: printenv OPENAI_API_KEY | quoth-verify provision ..."
    )]
    NoSecret,
    /// A receipt alone proves nothing: its key is known from the node's evidence.
    #[error(
        "the signature was not checked: the key is in the node's evidence. Give --evidence FILE or --transcript FILE"
    )]
    NoEvidence,
    /// The request was answered by a proven error.
    #[error("the node proved that it answered {status}: {message}")]
    Answered {
        /// HTTP status.
        status: u16,
        /// The node's words.
        message: String,
    },
    /// The file is no model that this engine runs.
    #[cfg(feature = "replay")]
    #[error("{}: {source}", file.display())]
    Model {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: quoth_engine::EngineError,
    },
    /// The model could not be run here.
    #[cfg(feature = "replay")]
    #[error("running the model: {0}")]
    Engine(quoth_engine::EngineError),
    /// No thread to compute on.
    #[cfg(feature = "replay")]
    #[error("starting a thread: {0}")]
    Thread(std::io::Error),
    /// The person pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl CliError {
    /// Stable code, for programs.
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

    /// Whether something was judged and found not proven.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Client(error) => error.is_refusal(),
            Self::Refused(_) => true,
            _ => false,
        }
    }
}

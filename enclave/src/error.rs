//! Why the enclave could not start or go on.

use std::io;

use quoth_engine::EngineError;
use quoth_link::LinkError;

/// Why the enclave could not start or go on. Texts name steps, fields and numbers, never a caller's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveError {
    /// A system call or a file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The measured configuration is refused.
    #[error("configuration: {0}")]
    Config(String),
    /// The configuration names a platform that this build does not have.
    #[error("configuration: platform {0} is not in this build, or not on this machine")]
    Platform(&'static str),
    /// The link to the host failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A model could not be fetched or loaded.
    #[error("model {index}: {source}")]
    Model {
        /// Position in the configuration, from 0.
        index: usize,
        /// Why.
        source: EngineError,
    },
    /// The host has no file of a configured model.
    #[error("model {index}: the host does not have it")]
    ModelUnknown {
        /// Position in the configuration, from 0.
        index: usize,
    },
    /// The host stopped feeding a model.
    #[error("model {index}: the feed stalled or ended after {bytes} bytes")]
    ModelFeed {
        /// Position in the configuration, from 0.
        index: usize,
        /// Bytes received.
        bytes: u64,
    },
    /// A model's engine stopped while the node answered.
    #[error("an engine has stopped")]
    Engine,
    /// The program panicked. The log names the place.
    #[error("the program panicked")]
    Panic,
    /// Keys, certificates or quotes could not be made.
    #[error("{what} could not be made")]
    Make {
        /// What.
        what: &'static str,
    },
}

impl EnclaveError {
    /// Stable code, for the host.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Config(_) => "config",
            Self::Platform(_) => "platform.absent",
            Self::Link(_) => "link",
            Self::Model { source: EngineError::ModelHash { .. }, .. } => "model.hash",
            Self::Model { source: EngineError::NotExact { .. }, .. } => "model.not_exact",
            Self::Model { source: EngineError::Memory { .. }, .. } => "model.memory",
            Self::Model { source: EngineError::Weights { .. }, .. } => "model.weights",
            Self::Model { source: EngineError::Vocabulary { .. } | EngineError::Spelling { .. }, .. } => {
                "model.vocabulary"
            }
            Self::Model { source: EngineError::Template { .. }, .. } => "model.template",
            Self::Model { source: EngineError::Gguf(_), .. } => "model.header",
            Self::Model { .. } => "model.refused",
            Self::ModelUnknown { .. } => "model.unknown",
            Self::ModelFeed { .. } => "model.feed",
            Self::Engine => "engine.stopped",
            Self::Panic => "panic",
            Self::Make { .. } => "make",
        }
    }

    /// An [`EnclaveError::Io`] from what failed.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// An [`EnclaveError::Make`] that drops the reason.
    pub fn make<E>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |_| Self::Make { what }
    }
}

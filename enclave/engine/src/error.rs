//! Errors of the engine. No message carries a caller's text.

use crate::request::RequestError;

/// Why a JSON body was refused, with the byte offset at which it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The body starts with a byte order mark (RFC 8259 §8.1 forbids it).
    #[error("byte order mark")]
    ByteOrderMark,
    /// The body is not UTF-8.
    #[error("invalid UTF-8 at byte {at}")]
    Utf8 {
        /// Byte offset.
        at: usize,
    },
    /// The body ends inside a value.
    #[error("unexpected end at byte {at}")]
    End {
        /// Byte offset.
        at: usize,
    },
    /// A byte that cannot stand here.
    #[error("unexpected byte at {at}")]
    Syntax {
        /// Byte offset.
        at: usize,
    },
    /// An object names one member twice, compared after unescaping.
    #[error("duplicate key before byte {at}")]
    DuplicateKey {
        /// Byte offset after the second key.
        at: usize,
    },
    /// A `\u` escape is half of a surrogate pair.
    #[error("lone surrogate at byte {at}")]
    LoneSurrogate {
        /// Byte offset.
        at: usize,
    },
    /// Arrays and objects are nested deeper than [`crate::limits::MAX_JSON_DEPTH`].
    #[error("nested deeper than {} at byte {at}", crate::limits::MAX_JSON_DEPTH)]
    Depth {
        /// Byte offset.
        at: usize,
    },
    /// A number is outside what an IEEE 754 double holds.
    #[error("number out of range at byte {at}")]
    Number {
        /// Byte offset.
        at: usize,
    },
    /// Bytes follow the value.
    #[error("trailing bytes at {at}")]
    Trailing {
        /// Byte offset.
        at: usize,
    },
}

/// Why the engine could not load a model or answer a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The request asks for something wrong or unsupported.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Too many requests wait already; try again later.
    #[error("too many requests are waiting (limit {limit})")]
    Busy {
        /// [`crate::limits::QUEUE`] requests, [`crate::limits::QUEUE_TOKENS`] tokens, or [`crate::limits::PREPARE_QUEUE`] prompts.
        limit: usize,
    },
    /// The caller no longer waits for the answer.
    #[error("the request was given up")]
    GivenUp,
    /// The engine has stopped and answers nothing more.
    #[error("the engine has stopped")]
    Stopped,
    /// Decoding failed. Every running generation ends, and the engine goes on with a new context.
    #[error("decoding failed with status {status}")]
    Decode {
        /// llama.cpp's status, or 0 when there is none.
        status: i32,
    },
    /// The model's logits hold NaN or infinity. This generation ends.
    #[error("the model produced a logit that is not a number")]
    Logits,
    /// The grammar leaves no token to choose. This generation ends.
    #[error("the grammar leaves no token to choose")]
    Grammar,
    /// llama.cpp failed while it chose a token. This generation ends.
    #[error("choosing a token failed")]
    Sampling,
    /// Bytes of the model are more than announced.
    #[error("model is longer than the expected {expected} bytes")]
    ModelTooLong {
        /// Announced size, bytes.
        expected: u64,
    },
    /// Bytes of the model are fewer than announced.
    #[error("model is {actual} bytes, expected {expected}")]
    ModelTooShort {
        /// Announced size, bytes.
        expected: u64,
        /// Received size, bytes.
        actual: u64,
    },
    /// The model's SHA-256 is not the expected one.
    #[error("model has SHA-256 {}, expected {}", Hex(.actual), Hex(.expected))]
    ModelHash {
        /// The measured configuration's hash.
        expected: [u8; 32],
        /// What was received.
        actual: [u8; 32],
    },
    /// An announced size outside [`crate::limits::MIN_MODEL_BYTES`] to [`crate::limits::MAX_MODEL_BYTES`].
    #[error("a model of {size} bytes is outside the accepted sizes")]
    ModelSize {
        /// Announced size, bytes.
        size: u64,
    },
    /// The file is not a GGUF file that this engine reads.
    #[error("GGUF: {0}")]
    Gguf(#[from] crate::model::gguf::GgufError),
    /// llama.cpp refused the model.
    #[error("llama.cpp refused this model: {why}")]
    Refused {
        /// What llama.cpp said, printable ASCII; may quote the file.
        why: String,
    },
    /// The vocabulary cannot be used.
    #[error("the vocabulary {what}")]
    Vocabulary {
        /// What is wrong.
        what: &'static str,
    },
    /// The vocabulary has no token for a byte that ordinary text needs.
    #[error("the vocabulary cannot spell byte 0x{byte:02X}")]
    Spelling {
        /// The byte, the smallest of those that are missing.
        byte: u8,
    },
    /// A weight, or a scale of weights, is NaN or infinite.
    #[error("tensor {tensor} holds a value that is no number, or infinite")]
    Weights {
        /// The tensor's name, printable ASCII.
        tensor: String,
    },
    /// The chat template is malformed, or does not work.
    #[error("tokenizer.chat_template, line {line}: {why}")]
    Template {
        /// The line of the template, from 1; 0 when there is none to name.
        line: usize,
        /// What is wrong, printable ASCII; may quote the template.
        why: String,
    },
    /// llama.cpp could not load the model or make a context for it.
    #[error("llama.cpp could not {what}")]
    Load {
        /// The step that failed.
        what: &'static str,
    },
    /// llama.cpp was not compiled for the instruction set in the build's name, or has kernels that no profile allows.
    #[error("llama.cpp was not compiled for {expected}; build it again")]
    Build {
        /// The build's name.
        expected: &'static str,
    },
    /// This processor lacks an instruction set that the build uses.
    #[error("this processor lacks {feature}")]
    Processor {
        /// The instruction set.
        feature: &'static str,
    },
    /// The engine does not compute as the profile promises: something changed the logits that must not.
    #[error("this model's logits depend on {axis} here, so exact-1 cannot be kept")]
    NotExact {
        /// What made a difference.
        axis: &'static str,
    },
    /// The context needs more memory than the system has left.
    #[error("the context needs about {needed} bytes, {available} are available")]
    Memory {
        /// Of the key-value cache, bytes.
        needed: u64,
        /// `MemAvailable`, bytes.
        available: u64,
    },
    /// An engine option is outside its bounds.
    #[error("option {option} is {actual}, must be within {min} to {max}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        actual: u64,
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
    },
    /// A system call failed.
    #[error("{call}: errno {errno}")]
    System {
        /// The call.
        call: &'static str,
        /// Its errno, or 0 when there is none.
        errno: i32,
    },
}

impl EngineError {
    pub(crate) fn io(call: &'static str, error: &std::io::Error) -> Self {
        Self::System { call, errno: error.raw_os_error().unwrap_or(0) }
    }
}

struct Hex<'a>(&'a [u8; 32]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

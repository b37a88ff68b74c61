//! An OpenAI-style body becomes a meaning: messages or a prompt, and how to sample.
//!
//! A field that cannot be honoured is refused, never ignored, and a replay maps a body the same
//! way. `null` counts as absent wherever a field is optional.

mod chat;
mod completion;
mod embedding;
mod fields;

pub use chat::{Chat, Message, Role};
pub use completion::Completion;
pub use embedding::{Embedding, Encoding};

use crate::schema::Format;

/// Why a request was refused. Its message names fields and limits, never what a caller wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct RequestError {
    /// Stable code, in OpenAI's style where it has one.
    pub code: Code,
    /// The field at fault, as a path such as `messages[2].content`.
    pub param: Option<String>,
    /// One sentence for people.
    pub message: String,
}

/// Stable codes of [`RequestError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// A required field is absent.
    MissingRequiredParameter,
    /// A field has the wrong JSON type.
    InvalidType,
    /// A field's value is outside its bounds.
    InvalidValue,
    /// A field, or one of its values, exists elsewhere but is not supported here.
    UnsupportedParameter,
    /// Nobody knows this field.
    UnknownParameter,
    /// Prompt and requested output do not fit the context.
    ContextLengthExceeded,
    /// A JSON schema that cannot be turned into a grammar.
    InvalidJsonSchema,
    /// The model has no chat template, or it does not render these messages.
    ChatTemplate,
}

impl Code {
    /// The code as it appears in an error body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingRequiredParameter => "missing_required_parameter",
            Self::InvalidType => "invalid_type",
            Self::InvalidValue => "invalid_value",
            Self::UnsupportedParameter => "unsupported_parameter",
            Self::UnknownParameter => "unknown_parameter",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::InvalidJsonSchema => "invalid_json_schema",
            Self::ChatTemplate => "chat_template",
        }
    }
}

impl RequestError {
    pub(crate) fn new(code: Code, param: &str, message: impl Into<String>) -> Self {
        Self { code, param: Some(param.to_owned()), message: message.into() }
    }

    pub(crate) fn whole(code: Code, message: impl Into<String>) -> Self {
        Self { code, param: None, message: message.into() }
    }

    pub(crate) fn value(param: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidValue, param, message)
    }

    pub(crate) fn unsupported(param: &str) -> Self {
        Self::new(Code::UnsupportedParameter, param, format!("'{param}' is not supported"))
    }
}

/// How a caller asked to sample, before the model is known. Absent fields take the defaults of
/// [`crate::sampling::Sampling`].
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Parameters {
    /// 0 to 2; 0 takes the likeliest token.
    pub temperature: Option<f32>,
    /// Above 0, to 1.
    pub top_p: Option<f32>,
    /// 0 is off.
    pub top_k: Option<u32>,
    /// 0 to 1.
    pub min_p: Option<f32>,
    /// Below 0xFFFF_FFFF.
    pub seed: Option<u32>,
    /// -2 to 2.
    pub presence_penalty: Option<f32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// Above 0, to 10.
    pub repeat_penalty: Option<f32>,
    /// Token ids and their bias, by id.
    pub logit_bias: Vec<(u32, f32)>,
    /// Strings that end the output and are not part of it.
    pub stop: Vec<String>,
    /// Most tokens to produce.
    pub max_tokens: Option<u32>,
    /// What the output must look like.
    pub format: Format,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Stop strings, biases and schemas can be as private as the prompt.
        f.debug_struct("Parameters").field("max_tokens", &self.max_tokens).finish_non_exhaustive()
    }
}

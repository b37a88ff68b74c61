//! Errors of requests: a stable code, the field at fault, one sentence for people.

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
    /// The field is unknown.
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

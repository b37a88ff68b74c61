//! `POST /v1/completions`, the older API: one prompt, continued.

use serde_json::Value;

use super::fields::{Fields, wrong_type};
use super::{Parameters, RequestError};
use crate::limits::{MAX_COMPLETION_LOGPROBS, MAX_TEXT_BYTES};

/// A prompt to continue.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with a usage chunk.
    pub include_usage: bool,
    /// Log-probabilities wanted: `Some(k)` for the chosen token and the `k` likeliest.
    pub logprobs: Option<u8>,
    /// The text to continue, as given: no template, and no control token can come out of it.
    pub prompt: String,
    /// How to sample.
    pub parameters: Parameters,
}

/// Tokens a completion produces when the caller names no bound, as in OpenAI's API.
const DEFAULT_MAX_TOKENS: u32 = 16;

const FIELDS: &[&str] = &[
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "min_p",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "repeat_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_k",
    "top_p",
    "user",
];

impl Completion {
    /// Reads the body of a completion request.
    ///
    /// # Errors
    /// [`RequestError`] for the first field that is missing, wrong or cannot be honoured.
    pub fn from_json(body: &Value) -> Result<Self, RequestError> {
        let fields = Fields::open(body, FIELDS)?;
        fields.without_effect()?;
        fields.only_false("echo")?;
        if fields.get("best_of").is_some_and(|best_of| best_of.as_u64() != Some(1)) {
            return Err(RequestError::unsupported("best_of"));
        }
        let (stream, include_usage) = fields.streaming()?;
        let mut parameters = fields.parameters()?;
        parameters.max_tokens.get_or_insert(DEFAULT_MAX_TOKENS);
        let logprobs = fields.integer("logprobs", 0, u64::from(MAX_COMPLETION_LOGPROBS))?;
        let prompt = fields.required("prompt")?;
        let prompt = prompt.as_str().ok_or_else(|| wrong_type("prompt", "a string"))?;
        if !(1..=MAX_TEXT_BYTES).contains(&prompt.len()) {
            return Err(RequestError::value("prompt", format!("'prompt' must have 1 to {MAX_TEXT_BYTES} bytes")));
        }
        Ok(Self {
            model: fields.model()?,
            stream,
            include_usage,
            logprobs: logprobs.map(|k| k as u8),
            prompt: prompt.to_owned(),
            parameters,
        })
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

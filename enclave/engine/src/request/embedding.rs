//! `POST /v1/embeddings`.

use serde_json::Value;

use super::fields::{Fields, wrong_type};
use super::{Code, RequestError};
use crate::limits::{MAX_EMBEDDING_INPUTS, MAX_TEXT_BYTES};

/// Texts to embed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Embedding {
    /// The model asked for.
    pub model: String,
    /// One text or more, none of them empty.
    pub inputs: Vec<String>,
    /// How the vectors are written in the answer.
    pub encoding: Encoding,
}

/// How vectors are written in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A JSON array of numbers.
    Float,
    /// Base64 of little-endian f32.
    Base64,
}

const FIELDS: &[&str] = &["encoding_format", "input", "model", "n", "user"];

impl Embedding {
    /// Reads the body of an embeddings request.
    ///
    /// # Errors
    /// [`RequestError`] for the first field that is missing, wrong or cannot be honoured.
    pub fn from_json(body: &Value) -> Result<Self, RequestError> {
        let fields = Fields::open(body, FIELDS)?;
        fields.without_effect()?;
        let encoding = match fields.get("encoding_format").map(Value::as_str) {
            None | Some(Some("float")) => Encoding::Float,
            Some(Some("base64")) => Encoding::Base64,
            Some(_) => {
                return Err(RequestError::value("encoding_format", "'encoding_format' must be float or base64"));
            }
        };
        let wrong = || wrong_type("input", "a string or an array of strings");
        let inputs: Vec<String> = match fields.required("input")? {
            Value::String(text) => vec![text.clone()],
            Value::Array(texts) if texts.len() <= MAX_EMBEDDING_INPUTS => {
                texts.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect::<Result<_, _>>()?
            }
            Value::Array(_) => {
                return Err(RequestError::value(
                    "input",
                    format!("'input' must have at most {MAX_EMBEDDING_INPUTS} texts"),
                ));
            }
            _ => return Err(wrong()),
        };
        if inputs.is_empty() || inputs.iter().any(String::is_empty) {
            return Err(RequestError::new(Code::InvalidValue, "input", "'input' must not be empty"));
        }
        if inputs.iter().map(String::len).sum::<usize>() > MAX_TEXT_BYTES {
            return Err(RequestError::value(
                "input",
                format!("'input' must have at most {MAX_TEXT_BYTES} bytes of text"),
            ));
        }
        Ok(Self { model: fields.model()?, inputs, encoding })
    }
}

impl std::fmt::Debug for Embedding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedding").field("inputs", &self.inputs.len()).finish_non_exhaustive()
    }
}

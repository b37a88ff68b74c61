//! `response_format`: a JSON schema becomes a grammar (GBNF) that the sampler obeys.
//!
//! The converter is our own, not llama.cpp's: that one prints parts of the schema to standard
//! error, skips keywords it does not know and walks hostile input recursively in C++. Here a
//! keyword that the grammar cannot enforce is refused.
//!
//! Enforced: `type` (also a list), `properties`, `required`, `additionalProperties`, `items`,
//! `minItems`, `maxItems`, `minLength`, `maxLength`, `format` (date, time, date-time, uuid),
//! integer bounds, `enum`, `const`, `anyOf`, `allOf` of one, `$ref` into the document's own
//! definitions. Properties come in the order of `required`, then the optional ones by name;
//! properties beyond the listed ones are never produced beside listed ones.

mod convert;
mod gbnf;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::request::{Code, RequestError};

/// What the output must look like.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Format {
    /// Anything.
    #[default]
    Text,
    /// What this grammar (GBNF, start rule `root`) produces.
    Grammar(String),
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A schema can be as private as the prompt.
        f.write_str(match self {
            Self::Text => "Text",
            Self::Grammar(_) => "Grammar",
        })
    }
}

impl Format {
    /// Reads `response_format`.
    pub(crate) fn from_json(value: &Value) -> Result<Self, RequestError> {
        let wrong = |message: &str| RequestError::value("response_format", message);
        let map = value.as_object().ok_or_else(|| {
            RequestError::new(Code::InvalidType, "response_format", "'response_format' must be an object")
        })?;
        let only = |names: &[&str]| match map.keys().all(|key| names.contains(&key.as_str())) {
            true => Ok(()),
            false => Err(wrong("'response_format' has a member that does not belong to its type")),
        };
        match map.get("type").and_then(Value::as_str) {
            Some("text") => only(&["type"]).map(|()| Self::Text),
            Some("json_object") => {
                only(&["type"])?;
                convert::grammar(&serde_json::json!({ "type": "object" })).map(Self::Grammar)
            }
            Some("json_schema") => {
                only(&["type", "json_schema"])?;
                let wrapper = map.get("json_schema").and_then(Value::as_object);
                let wrapper = wrapper.ok_or_else(|| wrong("'json_schema' must be an object"))?;
                let known = ["name", "description", "strict", "schema"];
                if !wrapper.keys().all(|key| known.contains(&key.as_str())) {
                    return Err(wrong("'json_schema' has a member that this server does not know"));
                }
                let schema = wrapper.get("schema").ok_or_else(|| wrong("'json_schema.schema' is required"))?;
                convert::grammar(schema).map(Self::Grammar)
            }
            _ => Err(wrong("'response_format.type' must be text, json_object or json_schema")),
        }
    }
}

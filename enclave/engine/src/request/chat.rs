//! `POST /v1/chat/completions`.

use serde_json::{Map, Value};

use super::fields::{Fields, missing, wrong_type};
use super::{Code, Parameters, RequestError};
use crate::limits::{MAX_MESSAGES, MAX_PARTS, MAX_TEXT_BYTES, MAX_TOP_LOGPROBS};
use crate::schema::Format;

/// A chat: messages, and how to answer them.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Chat {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with a usage chunk.
    pub include_usage: bool,
    /// Log-probabilities wanted: `Some(k)` for the chosen token and the `k` likeliest.
    pub logprobs: Option<u8>,
    /// The conversation so far, one message or more.
    pub messages: Vec<Message>,
    /// How to sample.
    pub parameters: Parameters,
}

/// One message of a chat.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; text parts are joined as they stand.
    pub content: String,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `system`, and OpenAI's newer name for it, `developer`.
    System,
    /// `user`.
    User,
    /// `assistant`.
    Assistant,
}

impl Role {
    /// The role's name in chat templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

const FIELDS: &[&str] = &[
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "min_p",
    "model",
    "n",
    "presence_penalty",
    "repeat_penalty",
    "response_format",
    "seed",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
];

impl Chat {
    /// Reads the body of a chat request.
    ///
    /// # Errors
    /// [`RequestError`] for the first field that is missing, wrong or cannot be honoured.
    pub fn from_json(body: &Value) -> Result<Self, RequestError> {
        let fields = Fields::open(body, FIELDS)?;
        fields.without_effect()?;
        fields.only_false("store")?;
        let (stream, include_usage) = fields.streaming()?;
        let mut parameters = fields.parameters()?;
        parameters.max_tokens = max_tokens(&fields, parameters.max_tokens)?;
        parameters.format = match fields.get("response_format") {
            Some(format) => Format::from_json(format)?,
            None => Format::Text,
        };
        Ok(Self {
            model: fields.model()?,
            stream,
            include_usage,
            logprobs: logprobs(&fields)?,
            messages: messages(fields.required("messages")?)?,
            parameters,
        })
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("role", &self.role).finish_non_exhaustive()
    }
}

fn max_tokens(fields: &Fields<'_>, old: Option<u32>) -> Result<Option<u32>, RequestError> {
    let new = fields.max_tokens("max_completion_tokens")?;
    match (old, new) {
        (Some(old), Some(new)) if old != new => Err(RequestError::value(
            "max_completion_tokens",
            "'max_tokens' and 'max_completion_tokens' must not differ",
        )),
        _ => Ok(new.or(old)),
    }
}

fn logprobs(fields: &Fields<'_>) -> Result<Option<u8>, RequestError> {
    let wanted = fields.bool("logprobs")?.unwrap_or(false);
    let top = fields.integer("top_logprobs", 0, u64::from(MAX_TOP_LOGPROBS))?.map(|k| k as u8);
    match (wanted, top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(RequestError::value("top_logprobs", "'top_logprobs' needs 'logprobs' = true")),
    }
}

fn messages(value: &Value) -> Result<Vec<Message>, RequestError> {
    let Value::Array(values) = value else { return Err(wrong_type("messages", "an array")) };
    if !(1..=MAX_MESSAGES).contains(&values.len()) {
        return Err(RequestError::value("messages", format!("'messages' must have 1 to {MAX_MESSAGES} messages")));
    }
    let mut left = MAX_TEXT_BYTES;
    let mut messages = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let message = message(value, &format!("messages[{index}]"))?;
        left = left.checked_sub(message.content.len()).ok_or_else(|| {
            RequestError::value("messages", format!("'messages' must have at most {MAX_TEXT_BYTES} bytes of text"))
        })?;
        messages.push(message);
    }
    Ok(messages)
}

fn message(value: &Value, at: &str) -> Result<Message, RequestError> {
    let Value::Object(map) = value else { return Err(wrong_type(at, "an object")) };
    for (key, value) in map {
        let supported = match key.as_str() {
            "role" | "content" => true,
            // What clients send back when they echo an answer of ours: present, but empty.
            "annotations" | "tool_calls" => value.is_null() || value.as_array().is_some_and(Vec::is_empty),
            "audio" | "function_call" | "name" | "refusal" | "tool_call_id" => value.is_null(),
            _ => {
                return Err(RequestError::new(
                    Code::UnknownParameter,
                    at,
                    format!("'{at}' has a member that this server does not know"),
                ));
            }
        };
        if !supported {
            return Err(RequestError::unsupported(&format!("{at}.{key}")));
        }
    }
    let role = format!("{at}.role");
    let role = match map.get("role") {
        None | Some(Value::Null) => return Err(missing(&role)),
        Some(Value::String(name)) => match name.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => {
                return Err(RequestError::new(Code::UnsupportedParameter, &role, "tool messages are not supported"));
            }
            _ => {
                return Err(RequestError::value(&role, "a role must be system, developer, user or assistant"));
            }
        },
        Some(_) => return Err(wrong_type(&role, "a string")),
    };
    Ok(Message { role, content: content(map, &format!("{at}.content"))? })
}

fn content(map: &Map<String, Value>, at: &str) -> Result<String, RequestError> {
    match map.get("content") {
        None | Some(Value::Null) => Err(missing(at)),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            if !(1..=MAX_PARTS).contains(&parts.len()) {
                return Err(RequestError::value(at, format!("'{at}' must have 1 to {MAX_PARTS} parts")));
            }
            let parts = parts.iter().enumerate();
            parts.map(|(index, part)| text_part(part, &format!("{at}[{index}]"))).collect()
        }
        Some(_) => Err(wrong_type(at, "a string or an array of text parts")),
    }
}

fn text_part<'a>(part: &'a Value, at: &str) -> Result<&'a str, RequestError> {
    let Value::Object(map) = part else { return Err(wrong_type(at, "an object")) };
    match map.get("type").and_then(Value::as_str) {
        Some("text") => {}
        _ => {
            return Err(RequestError::new(
                Code::UnsupportedParameter,
                &format!("{at}.type"),
                "only parts of type text are supported",
            ));
        }
    }
    if map.len() != 2 {
        return Err(RequestError::value(at, "a text part has the members 'type' and 'text' only"));
    }
    map.get("text").and_then(Value::as_str).ok_or_else(|| missing(&format!("{at}.text")))
}

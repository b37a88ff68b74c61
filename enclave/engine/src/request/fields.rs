//! Reads typed fields from a JSON object, and the fields that chats and completions share.

use serde_json::{Map, Value};

use super::{Code, Parameters, RequestError};
use crate::limits::{
    MAX_BIAS, MAX_LOGIT_BIAS, MAX_MAX_TOKENS, MAX_MODEL_NAME, MAX_PENALTY, MAX_REPEAT_PENALTY, MAX_STOP_BYTES,
    MAX_STOPS, MAX_TEMPERATURE, MAX_TOP_K, MAX_USER_BYTES, MIN_REPEAT_PENALTY,
};

/// A request's object. Fields are removed as they are read; fields that are left over are refused.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    known: &'a [&'a str],
}

/// Fields of OpenAI-style APIs that we know and cannot honour; they may be named in an error.
const UNSUPPORTED: &[&str] = &[
    "audio",
    "best_of",
    "dimensions",
    "echo",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "service_tier",
    "suffix",
    "tool_choice",
    "tools",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

impl<'a> Fields<'a> {
    /// Opens a request body whose only fields are `known`.
    pub(super) fn open(body: &'a Value, known: &'a [&'a str]) -> Result<Self, RequestError> {
        let Value::Object(map) = body else {
            return Err(RequestError::whole(Code::InvalidType, "the body must be a JSON object"));
        };
        for (key, value) in map {
            if known.contains(&key.as_str()) || (value.is_null() && UNSUPPORTED.contains(&key.as_str())) {
                continue;
            }
            return Err(match UNSUPPORTED.iter().find(|name| *name == key) {
                Some(name) => RequestError::unsupported(name),
                None => RequestError::whole(
                    Code::UnknownParameter,
                    "the body has a parameter that this server does not know",
                ),
            });
        }
        Ok(Self { map, known })
    }

    /// The field's value, unless it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        debug_assert!(self.known.contains(&name), "{name} is read but not listed");
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a Value, RequestError> {
        self.get(name).ok_or_else(|| missing(name))
    }

    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, RequestError> {
        self.get(name).map(|v| v.as_bool().ok_or_else(|| wrong_type(name, "a boolean"))).transpose()
    }

    pub(super) fn integer(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, RequestError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if !value.is_number() {
            return Err(wrong_type(name, "an integer"));
        }
        match value.as_u64().filter(|n| (min..=max).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => Err(RequestError::value(name, format!("'{name}' must be an integer from {min} to {max}"))),
        }
    }

    pub(super) fn float(&self, name: &str, min: f64, max: f64) -> Result<Option<f32>, RequestError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().ok_or_else(|| wrong_type(name, "a number"))?;
        match (min..=max).contains(&number) {
            // Adding zero turns -0 into 0, so that one meaning has one encoding.
            true => Ok(Some(number as f32 + 0.0)),
            false => Err(RequestError::value(name, format!("'{name}' must be a number from {min} to {max}"))),
        }
    }

    /// `top_p`, which must be above zero.
    fn top_p(&self) -> Result<Option<f32>, RequestError> {
        match self.float("top_p", 0.0, 1.0)? {
            Some(number) if number <= 0.0 => Err(RequestError::value("top_p", "'top_p' must be above 0, to 1")),
            float => Ok(float),
        }
    }

    /// `model`, required.
    pub(super) fn model(&self) -> Result<String, RequestError> {
        let name = self.required("model")?.as_str().ok_or_else(|| wrong_type("model", "a string"))?;
        match name.len() {
            1..=MAX_MODEL_NAME => Ok(name.to_owned()),
            _ => Err(RequestError::value("model", format!("'model' must have 1 to {MAX_MODEL_NAME} bytes"))),
        }
    }

    /// Fields without effect that are accepted because they promise nothing we break:
    /// `user`, and those whose only accepted value is the one we always use.
    pub(super) fn without_effect(&self) -> Result<(), RequestError> {
        if let Some(user) = self.get("user") {
            let user = user.as_str().ok_or_else(|| wrong_type("user", "a string"))?;
            if user.len() > MAX_USER_BYTES {
                return Err(RequestError::value("user", format!("'user' must have at most {MAX_USER_BYTES} bytes")));
            }
        }
        if let Some(n) = self.get("n")
            && n.as_u64() != Some(1)
        {
            return Err(RequestError::new(Code::UnsupportedParameter, "n", "only 'n' = 1 is supported"));
        }
        Ok(())
    }

    /// A field whose only supported value is `false`.
    pub(super) fn only_false(&self, name: &str) -> Result<(), RequestError> {
        match self.bool(name)? {
            Some(true) => {
                Err(RequestError::new(Code::UnsupportedParameter, name, format!("only '{name}' = false is supported")))
            }
            _ => Ok(()),
        }
    }

    /// `stream` and `stream_options.include_usage`.
    pub(super) fn streaming(&self) -> Result<(bool, bool), RequestError> {
        let stream = self.bool("stream")?.unwrap_or(false);
        let Some(options) = self.get("stream_options") else { return Ok((stream, false)) };
        let Value::Object(options) = options else {
            return Err(wrong_type("stream_options", "an object"));
        };
        if !stream {
            return Err(RequestError::value("stream_options", "'stream_options' needs 'stream' = true"));
        }
        let mut include_usage = false;
        for (key, value) in options {
            match (key.as_str(), value) {
                ("include_usage", Value::Bool(include)) => include_usage = *include,
                ("include_usage", _) => {
                    return Err(wrong_type("stream_options.include_usage", "a boolean"));
                }
                // Padding against traffic analysis is not done here, so a request for it is refused.
                ("include_obfuscation", Value::Bool(false)) => {}
                ("include_obfuscation", _) => {
                    return Err(RequestError::unsupported("stream_options.include_obfuscation"));
                }
                _ => {
                    return Err(RequestError::new(
                        Code::UnknownParameter,
                        "stream_options",
                        "'stream_options' has a member that this server does not know",
                    ));
                }
            }
        }
        Ok((stream, include_usage))
    }

    /// The sampling fields that chats and completions share; `max_tokens` and the format are the
    /// caller's.
    pub(super) fn parameters(&self) -> Result<Parameters, RequestError> {
        Ok(Parameters {
            temperature: self.float("temperature", 0.0, MAX_TEMPERATURE)?,
            top_p: self.top_p()?,
            top_k: self.integer("top_k", 0, MAX_TOP_K)?.map(|k| k as u32),
            min_p: self.float("min_p", 0.0, 1.0)?,
            // llama.cpp reads the largest u32 as "draw your own", which cannot be replayed.
            seed: self.integer("seed", 0, u64::from(u32::MAX) - 1)?.map(|s| s as u32),
            presence_penalty: self.float("presence_penalty", -MAX_PENALTY, MAX_PENALTY)?,
            frequency_penalty: self.float("frequency_penalty", -MAX_PENALTY, MAX_PENALTY)?,
            repeat_penalty: self.float("repeat_penalty", MIN_REPEAT_PENALTY, MAX_REPEAT_PENALTY)?,
            logit_bias: self.logit_bias()?,
            stop: self.stop()?,
            max_tokens: self.max_tokens("max_tokens")?,
            ..Parameters::default()
        })
    }

    pub(super) fn max_tokens(&self, name: &str) -> Result<Option<u32>, RequestError> {
        Ok(self.integer(name, 1, MAX_MAX_TOKENS)?.map(|n| n as u32))
    }

    fn logit_bias(&self) -> Result<Vec<(u32, f32)>, RequestError> {
        let name = "logit_bias";
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let Value::Object(map) = value else { return Err(wrong_type(name, "an object")) };
        if map.len() > MAX_LOGIT_BIAS {
            return Err(RequestError::value(name, format!("'{name}' must have at most {MAX_LOGIT_BIAS} entries")));
        }
        let mut biases = Vec::with_capacity(map.len());
        for (key, value) in map {
            // One spelling of each id, so that no id can be named twice.
            let id = key
                .parse::<u32>()
                .ok()
                .filter(|id| id.to_string() == *key)
                .ok_or_else(|| RequestError::value(name, format!("the keys of '{name}' must be token ids")))?;
            let bias = value.as_f64().ok_or_else(|| wrong_type(name, "an object of numbers"))?;
            if !(-MAX_BIAS..=MAX_BIAS).contains(&bias) {
                return Err(RequestError::value(
                    name,
                    format!("the values of '{name}' must be from -{MAX_BIAS} to {MAX_BIAS}"),
                ));
            }
            biases.push((id, bias as f32 + 0.0));
        }
        biases.sort_unstable_by_key(|(id, _)| *id);
        Ok(biases)
    }

    fn stop(&self) -> Result<Vec<String>, RequestError> {
        let wrong = || wrong_type("stop", "a string or an array of strings");
        let stops: Vec<&str> = match self.get("stop") {
            None => return Ok(Vec::new()),
            Some(Value::String(stop)) => vec![stop],
            Some(Value::Array(stops)) => {
                stops.iter().map(|s| s.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        if stops.len() > MAX_STOPS {
            return Err(RequestError::value("stop", format!("'stop' must have at most {MAX_STOPS} strings")));
        }
        if !stops.iter().all(|stop| (1..=MAX_STOP_BYTES).contains(&stop.len())) {
            return Err(RequestError::value(
                "stop",
                format!("each string of 'stop' must have 1 to {MAX_STOP_BYTES} bytes"),
            ));
        }
        Ok(stops.into_iter().map(str::to_owned).collect())
    }
}

pub(super) fn missing(param: &str) -> RequestError {
    RequestError::new(Code::MissingRequiredParameter, param, format!("'{param}' is required"))
}

pub(super) fn wrong_type(param: &str, expected: &str) -> RequestError {
    RequestError::new(Code::InvalidType, param, format!("'{param}' must be {expected}"))
}

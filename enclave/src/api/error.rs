//! Errors in the shapes of the APIs.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use quoth_attestation::receipt::Outcome;
use quoth_attestation::statement::MAX_TEXT;
use quoth_engine::{EngineError, JsonError, RequestError};
use serde_json::json;

use super::Body;
use crate::callers::NotAdmitted;
use crate::config::Api;
use crate::upstream::UpstreamError;

/// An error in the shape that the API's clients turn into exceptions. Messages name fields and limits, never content.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
    outcome: Outcome,
    headers: Vec<(&'static str, String)>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        let outcome = match status {
            StatusCode::INTERNAL_SERVER_ERROR => Outcome::EngineFailed,
            _ => Outcome::Refused,
        };
        Self { status, kind, code, param: None, message: message.into(), outcome, headers: Vec::new() }
    }

    /// A 4xx: the request is wrong.
    pub fn wrong(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", code, message)
    }

    /// 400.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::wrong(StatusCode::BAD_REQUEST, code, message)
    }

    /// 404.
    pub fn not_found(message: &str) -> Self {
        Self::wrong(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 404: no model has that name.
    pub fn no_model() -> Self {
        let error = Self::wrong(StatusCode::NOT_FOUND, "model_not_found", "this node has no model of that name");
        Self { param: Some("model".into()), ..error }
    }

    /// 400: a local model does not speak this API.
    pub fn local_path() -> Self {
        Self::bad("wrong_endpoint", "this model answers at /v1/chat/completions, /v1/completions and /v1/embeddings")
    }

    /// 400: the model's name is too long or empty for a receipt.
    pub fn model_name() -> Self {
        let error = Self::bad("invalid_value", format!("'model' must have 1 to {MAX_TEXT} bytes"));
        Self { param: Some("model".into()), ..error }
    }

    /// 405.
    pub fn method(allowed: &'static str) -> Self {
        let error = Self::wrong(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "another method is needed");
        Self { headers: vec![("allow", allowed.into())], ..error }
    }

    /// 429: try again in a second.
    pub fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message).retry()
    }

    /// 503: try again in a second.
    pub fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", code, message).retry()
    }

    /// 503: the statement has expired. Trying again does not help, so there is no `retry-after`.
    pub fn expired() -> Self {
        let message = "this node must be restarted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "statement_expired", message)
    }

    /// 503: the memory budget, or this caller's share of it, is used up.
    pub fn no_memory() -> Self {
        Self::unavailable("memory_full", "the node's memory for requests and answers is used up")
    }

    /// 503: the host does not store receipts, so nothing may be signed.
    pub fn no_journal() -> Self {
        Self::unavailable("journal_unavailable", "the journal takes no receipts now")
    }

    /// 500: the node is at fault.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal", "the node failed")
    }

    /// 500: the engine failed.
    pub fn engine() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "engine_failed", "the engine failed")
    }

    /// 502: the provider gave no answer that may pass; 503 if the node has no memory for it.
    pub fn upstream(error: UpstreamError) -> Self {
        if error == UpstreamError::NoMemory {
            return Self { outcome: Outcome::UpstreamFailed, ..Self::no_memory() };
        }
        let new = Self::new(StatusCode::BAD_GATEWAY, "server_error", error.code(), error.to_string());
        Self { outcome: Outcome::UpstreamFailed, ..new }
    }

    /// The provider refused the operator's key with this status. The provider's own message may contain parts of the
    /// key, so it does not pass.
    pub fn operator_key(status: StatusCode) -> Self {
        let message = "the provider refused the key that this node's operator gave it";
        Self { outcome: Outcome::UpstreamFailed, ..Self::wrong(status, "operator_key_refused", message) }
    }

    /// 400: an unknown header that may choose who pays or who answers.
    pub fn scope(name: &str) -> Self {
        let message =
            format!("this node does not know the header {name}, so it can neither pass it on nor leave it out");
        Self { param: Some(name.into()), ..Self::bad("unknown_scope", message) }
    }

    /// 401: the request has no key for the provider, and the node holds none.
    pub fn no_key() -> Self {
        let message = "this node holds no key for the provider: send your own in the provider's usual header";
        Self::wrong(StatusCode::UNAUTHORIZED, "no_provider_key", message)
    }

    /// 401: the token is missing, or no caller of this node has it.
    fn no_token(message: &str) -> Self {
        let error = Self::wrong(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
        Self { headers: vec![("www-authenticate", "Bearer".into())], ..error }
    }

    /// 400: the body is not JSON that the node accepts.
    pub fn json(error: &JsonError) -> Self {
        Self::bad("invalid_json", format!("the body is not acceptable JSON: {error}"))
    }

    /// What the receipt says.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The JSON body.
    pub fn body(&self, api: Api) -> Bytes {
        let Self { kind, code, param, message, .. } = self;
        let body = match api {
            Api::Openai => json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }),
            Api::Anthropic => json!({ "type": "error", "error": { "type": self.anthropic(), "message": message } }),
        };
        body.to_string().into()
    }

    /// Anthropic's name for this kind of error.
    fn anthropic(&self) -> &'static str {
        match self.status.as_u16() {
            400 | 405 | 408 | 414 | 415 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            _ => "api_error",
        }
    }

    /// The response, without a receipt.
    pub fn response(&self, api: Api) -> Response<Body> {
        let mut response = Response::new(Full::new(self.body(api)).boxed_unsync());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            // Numbers and names are always valid header values.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(*name, value);
            }
        }
        response
    }

    fn retry(self) -> Self {
        Self { headers: vec![("retry-after", "1".into())], ..self }
    }
}

impl From<NotAdmitted> for ApiError {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::NoToken => {
                Self::no_token("this node answers callers with an access token: send yours as the API key")
            }
            NotAdmitted::WrongToken => Self::no_token("the access token is not one of this node's callers"),
            NotAdmitted::TooMany { allowed } => {
                Self::too_many(&format!("at most {allowed} requests of one caller at once"))
            }
            NotAdmitted::TooOften { allowed, wait } => {
                let error = Self::too_many(&format!("at most {allowed} requests of one caller a minute"));
                let headers = vec![
                    ("retry-after", (wait.as_millis().div_ceil(1000)).to_string()),
                    ("x-ratelimit-limit-requests", allowed.to_string()),
                    ("x-ratelimit-remaining-requests", "0".into()),
                    ("x-ratelimit-reset-requests", format!("{}ms", wait.as_millis())),
                ];
                Self { headers, ..error }
            }
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Self { param: error.param, ..Self::bad(error.code.as_str(), error.message) }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Request(error) => error.into(),
            EngineError::Busy { .. } => Self::too_many("too many requests are waiting for this model"),
            _ => Self::engine(),
        }
    }
}

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use quoth_engine::{EngineError, JsonError, RequestError};
use serde_json::json;

use super::Body;

/// An error in the shape that OpenAI's clients turn into exceptions. Messages name fields and limits, never content.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
    header: Option<(&'static str, &'static str)>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code, param: None, message: message.into(), header: None }
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

    /// 404: no model of that name.
    pub fn no_model() -> Self {
        let error = Self::wrong(StatusCode::NOT_FOUND, "model_not_found", "this node has no model of that name");
        Self { param: Some("model".into()), ..error }
    }

    /// 405.
    pub fn method(allowed: &'static str) -> Self {
        let error = Self::wrong(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "another method is needed");
        Self { header: Some(("allow", allowed)), ..error }
    }

    /// 429: try again in a second.
    pub fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message).retry()
    }

    /// 503: try again in a second.
    pub fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", code, message).retry()
    }

    /// 503: the host does not store receipts, so nothing may be signed.
    pub fn no_journal() -> Self {
        Self::unavailable("journal_unavailable", "the journal takes no receipts now")
    }

    /// 500: the node is at fault.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal", "the node failed")
    }

    /// 500: the engine could not finish.
    pub fn engine() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "engine_failed", "the engine failed")
    }

    /// 400: not the JSON that is accepted.
    pub fn json(error: &JsonError) -> Self {
        Self::bad("invalid_json", format!("the body is not acceptable JSON: {error}"))
    }

    /// Whether the node, not the request, is at fault.
    pub fn is_fault(&self) -> bool {
        self.status == StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The JSON body.
    pub fn body(&self) -> Bytes {
        let Self { kind, code, param, message, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } }).to_string().into()
    }

    /// The response; a receipt, if there is one, is the caller's to add.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Full::new(self.body()).boxed_unsync());
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = &self.header {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        response
    }

    fn retry(self) -> Self {
        Self { header: Some(("retry-after", "1")), ..self }
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

//! Errors in the format of each API.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::reply::Reply;

/// The API of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    OpenAi,
    Anthropic,
}

impl Api {
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/v1/messages") { Self::Anthropic } else { Self::OpenAi }
    }

    pub(crate) fn error(self, status: StatusCode, code: Option<&str>, message: &str, request: &str) -> Reply {
        let value = match self {
            Self::OpenAi => {
                json!({"error": {"message": message, "type": openai_type(status), "param": null, "code": code}})
            }
            Self::Anthropic => anthropic(anthropic_type(status), message, request),
        };
        Reply::Json(status, value)
    }

    /// Returns 400: the request lacks a field.
    pub(crate) fn missing(self, name: &str, request: &str) -> Reply {
        let status = StatusCode::BAD_REQUEST;
        match self {
            Self::OpenAi => {
                let error = json!({
                    "message": format!("Missing required parameter: '{name}'."),
                    "type": openai_type(status),
                    "param": name,
                    "code": "missing_required_parameter",
                });
                Reply::Json(status, json!({"error": error}))
            }
            Self::Anthropic => self.error(status, None, &format!("{name}: Field required"), request),
        }
    }

    pub(crate) fn overloaded(self, request: &str) -> Reply {
        match self {
            Self::OpenAi => {
                let message = "The server is overloaded or not ready yet.";
                self.error(StatusCode::SERVICE_UNAVAILABLE, None, message, request)
            }
            Self::Anthropic => {
                let overloaded = StatusCode::from_u16(529).unwrap();
                Reply::Json(overloaded, anthropic("overloaded_error", "Overloaded", request))
            }
        }
    }

    pub(crate) fn rate_limited(self, request: &str) -> Reply {
        let message = match self {
            Self::OpenAi => {
                "Rate limit reached for requests. Visit https://platform.openai.com/account/rate-limits to learn more."
            }
            Self::Anthropic => "This request would exceed your organization's rate limit.",
        };
        self.error(StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded"), message, request)
    }
}

fn anthropic(kind: &str, message: &str, request: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request})
}

fn openai_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS => "requests",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "api_error",
        _ => "invalid_request_error",
    }
}

//! Errors for SDKs, in the form of the API that was called.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use quoth_client::ClientError;
use serde_json::{Value, json};

use super::body::{Body, whole};
use super::limits;
use crate::error::CliError;
use crate::explain::explain;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// OpenAI's API with streams of chunks.
    Openai,
    /// OpenAI's responses API with streams of named events.
    Responses,
    /// Anthropic's messages API.
    Anthropic,
}

impl Api {
    pub(super) fn at(path: &str) -> Self {
        let under = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match path {
            _ if under("/v1/messages") => Self::Anthropic,
            _ if under("/v1/responses") => Self::Responses,
            _ => Self::Openai,
        }
    }
}

/// Why a request got no proven answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The node was refused, failed, or could not be reached.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// The exchange is proven, but its transcript cannot be saved.
    #[error("the answer is proven, but its transcript cannot be written: {0}")]
    Unsaved(CliError),
    /// All connections to the node are in use.
    #[error("{} requests are already at the node", limits::NODE_CONNECTIONS)]
    Busy,
    /// The proxy does not serve this path.
    #[error("no such path: this proxy passes POST and GET to /v1/, and has /healthz")]
    NotFound,
    /// The request-target is too long for a receipt.
    #[error("the request-target has more than {} bytes", limits::TARGET_BYTES)]
    TargetTooLong,
    /// The request's body is too long.
    #[error("the body has more than {} bytes", limits::BODY_BYTES)]
    BodyTooLong,
    /// The request's body did not arrive in time.
    #[error("the body did not come within {} s", limits::BODY.as_secs())]
    BodyTimeout,
    /// The request's body broke off.
    #[error("the body broke off")]
    BodyBroken,
    /// The body is compressed, but the hashed bytes must be the ones that are read.
    #[error("no content-encoding is accepted: send the body uncompressed")]
    Encoded,
    /// In HTTP/1.0, a stream that breaks off looks like one that ends.
    #[error("HTTP/1.1 is required")]
    OldHttp,
    /// The request is from a web page, or to a host name that anyone could point here.
    #[error("only programs on this machine may send requests: use a loopback address or localhost, and no browser")]
    Foreign,
}

impl Failure {
    /// True if a proof was judged and refused.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Node(error) if error.is_refusal())
    }

    /// True if the person who runs the proxy should see this failure.
    pub(super) fn is_notable(&self) -> bool {
        match self {
            Self::Node(ClientError::Status { .. }) => false,
            Self::Node(_) | Self::Unsaved(_) => true,
            _ => false,
        }
    }

    /// A stable code for programs.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Node(ClientError::Status { code: Some(code), .. }) => code,
            Self::Node(error) => error.code(),
            Self::Unsaved(error) => error.code(),
            Self::Busy => "proxy.busy",
            Self::NotFound => "proxy.not_found",
            Self::TargetTooLong => "proxy.target_too_long",
            Self::BodyTooLong => "proxy.body_too_long",
            Self::BodyTimeout => "proxy.body_timeout",
            Self::BodyBroken => "proxy.body_broken",
            Self::Encoded => "proxy.content_encoding",
            Self::OldHttp => "proxy.http_version",
            Self::Foreign => "proxy.foreign",
        }
    }

    /// The message for the person who reads the exception.
    pub(super) fn message(&self) -> String {
        match self.is_refusal() {
            true => format!("Not proven ({}): {}", self.code(), explain(self.code())),
            false => self.to_string(),
        }
    }

    /// The complete answer to a request that failed.
    pub(super) fn response(&self, api: Api) -> Response<Body> {
        let body = match api {
            Api::Openai | Api::Responses => json!({ "error": self.error() }),
            Api::Anthropic => json!({ "type": "error", "error": self.error() }),
        };
        let mut response = Response::new(whole(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        // SDKs repeat requests after every 5xx, but a refusal would only repeat.
        if self.is_refusal() || matches!(self, Self::Unsaved(_)) {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }

    /// The event with which a stream breaks off.
    pub(super) fn event(&self, api: Api) -> String {
        let error = self.error();
        match api {
            Api::Openai => format!("data: {}\n\n", json!({ "error": error })),
            Api::Anthropic => format!("event: error\ndata: {}\n\n", json!({ "type": "error", "error": error })),
            Api::Responses => {
                let mut data =
                    json!({ "type": "error", "code": self.code(), "message": self.message(), "param": null });
                // OpenAI's SDKs ignore the API's own error event, but not this member.
                data["error"] = error;
                format!("event: error\ndata: {data}\n\n")
            }
        }
    }

    fn error(&self) -> Value {
        json!({ "message": self.message(), "type": self.kind(), "code": self.code() })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Node(error) if error.is_refusal() => "quoth_refused",
            Self::Node(ClientError::Status { .. }) => "quoth_node",
            Self::Node(_) | Self::Busy => "quoth_unavailable",
            Self::Unsaved(_) => "quoth_unsaved",
            _ => "invalid_request_error",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            // Keep the node's status, so SDKs know whether to try again.
            Self::Node(ClientError::Status { status, .. }) => {
                StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY)
            }
            Self::Node(ClientError::Timeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::Node(_) => StatusCode::BAD_GATEWAY,
            Self::Unsaved(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::OldHttp => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Foreign => StatusCode::FORBIDDEN,
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Node(ClientError::Status { retry_after, .. }) => *retry_after,
            Self::Busy => Some(1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Failure {
        Failure::Node(ClientError::HeaderMissing { name: "quoth-receipt" })
    }

    #[test]
    fn paths_belong_to_an_api() {
        for (path, api) in [
            ("/v1/chat/completions", Api::Openai),
            ("/v1/messages", Api::Anthropic),
            ("/v1/messages/count_tokens", Api::Anthropic),
            ("/v1/messagesx", Api::Openai),
            ("/v1/responses", Api::Responses),
            ("/v1/responses/x", Api::Responses),
        ] {
            assert_eq!(Api::at(path), api, "{path}");
        }
    }

    #[test]
    fn errors_come_in_the_shape_of_the_api() {
        let data = |api| {
            let event = refused().event(api);
            assert!(event.ends_with("\n\n"));
            let line = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
            serde_json::from_str::<Value>(&line.unwrap_or_default()).unwrap_or_default()
        };
        for api in [Api::Openai, Api::Responses, Api::Anthropic] {
            let data = data(api);
            assert_eq!(data["error"]["type"], "quoth_refused");
            assert_eq!(data["error"]["code"], "response.header_missing");
            assert_eq!(data["type"].as_str(), (api != Api::Openai).then_some("error"));
        }
    }

    #[test]
    fn statuses_tell_sdks_whether_to_ask_again() {
        let refused = refused().response(Api::Openai);
        assert!(refused.status() == 502 && refused.headers()["x-should-retry"] == "false");
        let error = ClientError::Status { status: 429, code: None, retry_after: Some(2) };
        let limited = Failure::Node(error).response(Api::Openai);
        assert!(limited.status() == 429 && limited.headers()["retry-after"] == "2");
        let busy = Failure::Busy.response(Api::Openai);
        assert!(busy.status() == 503 && busy.headers().contains_key("retry-after"));
        assert!(!busy.headers().contains_key("x-should-retry"));
    }
}

//! What an API has to say, before any misbehaviour.

use hyper::StatusCode;
use serde_json::Value;

use crate::sse::Events;

/// The answer to a request.
pub(crate) enum Reply {
    Json(StatusCode, Value),
    Events(Events),
}

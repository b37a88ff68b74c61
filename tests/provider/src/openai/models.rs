//! `GET /v1/models`.

use hyper::StatusCode;
use serde_json::json;

use super::CREATED;
use crate::reply::Reply;

pub(crate) fn models() -> Reply {
    let models = ["gpt-fake", "gpt-fake-mini", "text-embedding-fake"];
    let data = models.map(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"}));
    Reply::Json(StatusCode::OK, json!({"object": "list", "data": data}))
}

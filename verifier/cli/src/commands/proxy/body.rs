//! Bodies of answers to SDKs.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

pub(super) type Body = UnsyncBoxBody<Bytes, Broken>;

/// The stream is not proven. The connection breaks inside the body, so no SDK takes it for the end.
#[derive(Debug, thiserror::Error)]
#[error("the stream is not proven")]
pub(super) struct Broken;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

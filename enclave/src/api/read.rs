use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{ApiError, caller};
use crate::exchange::Asked;
use crate::{clock, limits};

/// Reads a request whole, within its limits.
pub(super) async fn whole(request: Request<Incoming>, limit: usize) -> Result<Asked, ApiError> {
    let (head, body) = request.into_parts();
    let caller = caller::read(&head.headers)?;
    if !head.headers.get_all(CONTENT_ENCODING).iter().all(|value| value == "identity") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(ApiError::wrong(status, "content_encoding", "the body must not be encoded"));
    }
    let too_long = || {
        let message = format!("the body is longer than {limit} bytes");
        ApiError::wrong(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", message)
    };
    let claimed = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if claimed.is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    let body = match timeout(limits::BODY, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
        Ok(Err(_)) => return Err(ApiError::bad("body_broken", "the body broke off")),
        Err(_) => {
            return Err(ApiError::wrong(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body came too slowly"));
        }
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    if target.len() > limits::TARGET_BYTES {
        return Err(ApiError::wrong(StatusCode::URI_TOO_LONG, "target_too_long", "the request-target is too long"));
    }
    Ok(Asked { method: head.method.as_str().into(), target, body, caller, received: clock::millis() })
}

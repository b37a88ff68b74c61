//! Which header fields pass, and which way. Cookies never do; what begins with `quoth-` is the client's to say.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

/// What SDKs may say to the node.
const PASSED: [HeaderName; 9] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-api-key"),
];
/// What the node may say to SDKs: the names, or how they begin.
const RETURNED: [&str; 10] = [
    "anthropic-ratelimit-",
    "content-type",
    "openai-",
    "quoth-cti",
    "quoth-node",
    "request-id",
    "retry-after",
    "x-ratelimit-",
    "x-request-id",
    "x-should-retry",
];

/// Those of an SDK's headers that the node gets.
pub(super) fn passed(headers: &HeaderMap) -> HeaderMap {
    chosen(headers, |name| PASSED.contains(name))
}

/// Those of the node's headers that the SDK gets.
pub(super) fn returned(headers: &HeaderMap) -> HeaderMap {
    chosen(headers, |name| RETURNED.iter().any(|known| name.as_str().starts_with(known)))
}

fn chosen(headers: &HeaderMap, choose: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let chosen = headers.iter().filter(|(name, _)| choose(name));
    let mut passed = HeaderMap::new();
    chosen.for_each(|(name, value)| _ = passed.append(name, value.clone()));
    passed
}

//! Which header fields pass, and which way. Cookies never do; what begins with `quoth-` is the client's to say.

use http::{HeaderMap, HeaderName};
use quoth_attestation::headers;

/// Fields that SDKs put a key, or an access token beside it, into.
const KEYS: [&str; 3] = ["authorization", "x-api-key", headers::TOKEN];
/// What the node itself says to SDKs: the names, or how they begin.
const OF_THE_NODE: [&str; 3] = ["content-type", "quoth-cti", "quoth-node"];

/// Those of an SDK's headers that the node gets; among them unknown scopes, which it refuses.
pub(super) fn passed(headers: &HeaderMap) -> HeaderMap {
    let known = |name: &HeaderName| headers::PASSED.iter().chain(&KEYS).any(|known| name == known);
    chosen(headers, |name| known(name) || headers::is_unknown_scope(name.as_str()))
}

/// Those of the node's headers that the SDK gets.
pub(super) fn returned(headers: &HeaderMap) -> HeaderMap {
    let known = headers::RETURNED.iter().chain(&OF_THE_NODE);
    chosen(headers, |name| known.clone().any(|known| name.as_str().starts_with(known)))
}

fn chosen(headers: &HeaderMap, choose: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let chosen = headers.iter().filter(|(name, _)| choose(name));
    let mut passed = HeaderMap::new();
    chosen.for_each(|(name, value)| _ = passed.append(name, value.clone()));
    passed
}

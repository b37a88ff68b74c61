//! Selects the header fields that pass in each direction. Cookies never pass, and only the client sets `quoth-` fields.

use http::{HeaderMap, HeaderName};
use quoth_attestation::headers;

/// Fields in which SDKs send a key, or an access token beside it.
const KEYS: [&str; 3] = ["authorization", "x-api-key", headers::TOKEN];
/// Fields, or prefixes of fields, from the node itself.
const OF_THE_NODE: [&str; 3] = ["content-type", "quoth-cti", "quoth-node"];

/// Fields of an SDK's request that the node gets. They include unknown scopes, which the node refuses.
pub(super) fn passed(headers: &HeaderMap) -> HeaderMap {
    let known = |name: &HeaderName| headers::PASSED.iter().chain(&KEYS).any(|known| name == known);
    chosen(headers, |name| known(name) || headers::is_unknown_scope(name.as_str()))
}

/// Fields of the node's answer that the SDK gets.
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

//! Which header fields pass between a caller and a closed provider: through a node, and through what stands before one.

/// What callers may say to a provider, beside their key. Names in lower case, in the order that they are sent.
pub const PASSED: [&str; 7] = [
    "accept",
    "content-type",
    "anthropic-beta",
    "anthropic-version",
    "idempotency-key",
    "openai-beta",
    "openai-project",
];
/// What carries a caller's access token beside a provider's key.
pub const TOKEN: &str = "quoth-token";
/// What a provider may say to callers, beside the media type: names in lower case, or how they begin.
pub const RETURNED: [&str; 7] =
    ["retry-after", "request-id", "x-request-id", "openai-", "x-ratelimit-", "anthropic-ratelimit-", "x-should-retry"];

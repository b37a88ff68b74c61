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

/// Whether a `content-type` names an event stream: in any case, with any parameters (RFC 9110 §8.3.1).
pub fn is_event_stream(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default();
    name.trim_matches([' ', '\t']).eq_ignore_ascii_case("text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_streams_are_known_in_any_case_and_with_parameters() {
        for yes in
            ["text/event-stream", "Text/Event-Stream; charset=utf-8", " TEXT/EVENT-STREAM\t;x", "text/event-stream ;"]
        {
            assert!(is_event_stream(yes), "{yes:?}");
        }
        for no in ["", "text/event-streams", "text/plain; text/event-stream", "text/event stream", "application/json"] {
            assert!(!is_event_stream(no), "{no:?}");
        }
    }
}

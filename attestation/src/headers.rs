//! Which header fields pass between a caller and a closed provider: through a node, and through what stands before one.

/// What callers may say to a provider, beside their key. Names in lower case, in the order that they are sent.
pub const PASSED: [&str; 16] = [
    "accept",
    "content-type",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "http-referer",
    IDEMPOTENCY_KEY,
    "openai-beta",
    "openai-organization",
    "openai-project",
    "x-client-request-id",
    "x-goog-user-project",
    "x-grok-conv-id",
    "x-openrouter-categories",
    "x-openrouter-title",
    "x-title",
];
/// Makes a provider do once what is asked twice. A node passes on another value, so that no two callers have the same.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
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

/// How the names of fields begin that providers and gateways give a meaning to.
const OF_PROVIDERS: [&str; 15] = [
    "anthropic-",
    "azureml-",
    "cf-aig-",
    "helicone-",
    "openai-",
    "x-anthropic-",
    "x-goog-",
    "x-grok-",
    "x-hf-",
    "x-litellm-",
    "x-ms-",
    "x-openai-",
    "x-openrouter-",
    "x-portkey-",
    "x-xai-",
];
/// Words between the hyphens of such a name, whatever it begins with.
const OF_SCOPES: [&str; 11] = [
    "account",
    "bill",
    "billing",
    "deployment",
    "org",
    "organisation",
    "organization",
    "project",
    "provider",
    "tenant",
    "workspace",
];
/// Names like those that choose nothing: a key, and what clients say of themselves.
const HARMLESS: [&str; 4] = ["x-goog-api-client", "x-goog-api-key", "x-ms-client-request-id", "x-ms-useragent"];

/// Whether a field, by its name in lower case, may choose on whose behalf or how a provider answers, and is none of
/// [`PASSED`]. A node refuses it, since to drop it would change what was asked.
pub fn is_unknown_scope(name: &str) -> bool {
    let begins = OF_PROVIDERS.iter().any(|beginning| name.starts_with(beginning));
    let has_word = || name.split('-').any(|word| OF_SCOPES.contains(&word));
    !PASSED.contains(&name) && !HARMLESS.contains(&name) && (begins || has_word())
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

    #[test]
    fn scopes_are_known_or_refused() {
        for name in PASSED.iter().chain(&HARMLESS) {
            assert!(!is_unknown_scope(name), "{name}");
        }
        for name in
            ["openai-region", "anthropic-organization-id", "x-goog-request-params", "x-org", "tenant", "x-hf-bill-to"]
        {
            assert!(is_unknown_scope(name), "{name}");
        }
    }

    #[test]
    fn what_transports_and_browsers_say_is_no_scope() {
        for name in [
            "host",
            "user-agent",
            "cookie",
            "referer",
            "origin",
            "sec-fetch-mode",
            "accept-language",
            "x-stainless-lang",
            "x-forwarded-for",
            "traceparent",
            "x-app",
            "authorization",
            "x-api-key",
            "api-key",
        ] {
            assert!(!is_unknown_scope(name), "{name}");
        }
    }
}

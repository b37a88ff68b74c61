//! Header fields that pass between a caller and a closed provider, through a node or a proxy in front of it.

/// Fields that callers may send to a provider beside their key, in lower case and in the order sent.
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
/// Asks a provider to run a repeated request once. A node replaces its value, so that two callers never share one.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Carries a caller's access token beside a provider's key.
pub const TOKEN: &str = "quoth-token";
/// Fields, or prefixes of fields, that a provider may return to callers beside the media type. In lower case.
pub const RETURNED: [&str; 7] =
    ["retry-after", "request-id", "x-request-id", "openai-", "x-ratelimit-", "anthropic-ratelimit-", "x-should-retry"];

/// Returns true if a `content-type` names an event stream, in any case and with any parameters (RFC 9110 §8.3.1).
pub fn is_event_stream(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default();
    name.trim_matches([' ', '\t']).eq_ignore_ascii_case("text/event-stream")
}

/// Prefixes of the field names that providers and gateways define.
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
/// Words between hyphens that also mark such a name, whatever its prefix.
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
/// Fields that match but choose nothing: a key, and clients' descriptions of themselves.
const HARMLESS: [&str; 4] = ["x-goog-api-client", "x-goog-api-key", "x-ms-client-request-id", "x-ms-useragent"];

/// Returns true if a field, named in lower case, may choose on whose behalf or how a provider answers, and is not one of
/// [`PASSED`]. A node refuses such a field, because dropping it would change the request.
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
    fn fields_of_transports_and_browsers_are_no_scopes() {
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

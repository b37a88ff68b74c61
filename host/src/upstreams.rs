//! The closed providers that `quoth up` knows by name, and their tables in the enclave's configuration.

use clap::ValueEnum;
use serde::Serialize;

/// The default port of a provider.
pub const HTTPS: u16 = 443;

/// A provider that `quoth up --upstream` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// OpenAI
    Openai,
    /// Anthropic
    Anthropic,
    /// Google: Gemini, by its OpenAI-compatible API
    Google,
    /// xAI
    Xai,
    /// OpenRouter: every model that no other provider here serves
    Openrouter,
}

/// One table `[[upstream]]`.
#[derive(Debug, Serialize)]
pub(crate) struct Upstream {
    /// The provider's name in receipts.
    pub(crate) name: &'static str,
    /// The DNS name that its TLS certificate must have.
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// The path that replaces the caller's `/v1`.
    base_path: &'static str,
    api: Api,
    /// Exact names, or prefixes followed by `*`. The longest match wins.
    models: &'static [&'static str],
}

/// APIs that providers speak.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Api {
    Openai,
    Anthropic,
}

impl Provider {
    pub(crate) fn upstream(self) -> Upstream {
        match self {
            Self::Openai => Upstream {
                name: "openai",
                host: "api.openai.com",
                port: HTTPS,
                base_path: "/v1",
                api: Api::Openai,
                models: &[
                    "gpt-*",
                    "o1*",
                    "o3*",
                    "o4*",
                    "chatgpt-*",
                    "codex-*",
                    "computer-use-*",
                    "ft:*",
                    "text-embedding-*",
                    "omni-moderation*",
                    "text-moderation*",
                    "davinci-002",
                    "babbage-002",
                ],
            },
            Self::Anthropic => Upstream {
                name: "anthropic",
                host: "api.anthropic.com",
                port: HTTPS,
                base_path: "/v1",
                api: Api::Anthropic,
                models: &["claude-*"],
            },
            Self::Google => Upstream {
                name: "google",
                host: "generativelanguage.googleapis.com",
                port: HTTPS,
                base_path: "/v1beta/openai",
                api: Api::Openai,
                models: &["gemini-*", "gemma-*", "learnlm-*", "models/*"],
            },
            Self::Xai => Upstream {
                name: "xai",
                host: "api.x.ai",
                port: HTTPS,
                base_path: "/v1",
                api: Api::Openai,
                models: &["grok-*"],
            },
            Self::Openrouter => Upstream {
                name: "openrouter",
                host: "openrouter.ai",
                port: HTTPS,
                base_path: "/api/v1",
                api: Api::Openai,
                models: &["*"],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the names of the providers whose patterns match a model.
    fn of(model: &str) -> Vec<&'static str> {
        let fits = |pattern: &&&str| match pattern.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => model == **pattern,
        };
        let providers = Provider::value_variants().iter().map(|provider| provider.upstream());
        providers
            .filter(|upstream| upstream.models.iter().any(|pattern| fits(&pattern)))
            .map(|upstream| upstream.name)
            .collect()
    }

    #[test]
    fn models_are_known_by_their_names() {
        for (provider, models) in [
            (
                "openai",
                &[
                    "gpt-4o",
                    "gpt-5.1-codex",
                    "o3-deep-research",
                    "chatgpt-4o-latest",
                    "codex-mini-latest",
                    "computer-use-preview",
                    "ft:gpt-4o-mini-2024-07-18:org::id",
                    "text-embedding-3-small",
                    "omni-moderation-latest",
                    "davinci-002",
                ][..],
            ),
            ("anthropic", &["claude-opus-4-5"]),
            ("google", &["gemini-2.5-pro", "models/gemini-2.5-pro", "gemma-3-27b-it", "gemini-embedding-001"]),
            ("xai", &["grok-4"]),
        ] {
            for model in models {
                assert_eq!(of(model), [provider, "openrouter"], "{model}");
            }
        }
        assert_eq!(of("meta-llama/llama-4"), ["openrouter"]);
    }
}

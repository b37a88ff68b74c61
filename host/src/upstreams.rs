//! Closed providers that `quoth up` knows by name, as tables of the enclave's configuration.

use clap::ValueEnum;
use serde::Serialize;

/// The port of a provider, when nobody says otherwise.
pub const HTTPS: u16 = 443;

/// A provider that `quoth up --upstream` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// OpenAI
    Openai,
    /// Anthropic
    Anthropic,
    /// Google: Gemini, by the API that is compatible with OpenAI's
    Google,
    /// xAI
    Xai,
    /// OpenRouter: every model that nothing else here serves
    Openrouter,
}

/// One table `[[upstream]]`.
#[derive(Debug, Serialize)]
pub(crate) struct Upstream {
    /// What receipts call it.
    pub(crate) name: &'static str,
    /// The DNS name that it must authenticate as.
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// What stands in place of the caller's `/v1`.
    base_path: &'static str,
    api: Api,
    /// Exact names, or a prefix and `*`; the longest match wins.
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
                models: &["gpt-*", "o1*", "o3*", "o4*", "chatgpt-*", "text-embedding-*"],
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
                models: &["gemini-*"],
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

//! `[[upstream]]`: closed providers that requests may be routed to.

use std::collections::BTreeMap;
use std::time::Duration;

use quoth_attestation::secret;
use quoth_attestation::statement::MAX_TEXT;
use quoth_link::egress::Destination;
use serde::Deserialize;

use super::hash::Hash;

/// Upstreams, at most.
pub(super) const MAX_UPSTREAMS: usize = 16;
/// Names, patterns and aliases of one upstream, at most.
const MAX_NAMES: usize = 256;
/// Pins of one upstream, at most.
const MAX_PINS: usize = 16;
/// A base path, characters, at most.
const MAX_PATH: usize = 256;
/// The longest silence that can be allowed to a provider, seconds.
const MAX_TIMEOUT: u64 = 3600;
/// The default silence, seconds: models may think for minutes before they answer.
const TIMEOUT: u64 = 600;

/// A closed provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its name in receipts and secrets.
    pub name: String,
    /// The DNS name that it must authenticate as.
    pub host: String,
    /// TCP port.
    #[serde(default = "https")]
    pub port: u16,
    /// Replaces the caller's `/v1`.
    #[serde(default = "v1")]
    pub base_path: String,
    /// Which API it speaks.
    pub api: Api,
    /// Names of models that it has: exact names, or prefixes followed by `*`.
    pub models: Vec<String>,
    /// Aliases: the names that callers use, and the provider's own names.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// The header that carries the key.
    #[serde(default)]
    pub key_header: Option<KeyHeader>,
    /// Whether to use HTTP/2 if the provider speaks it. It needs fewer connections; HTTP/1.1 takes less processor time
    /// for each request.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Whether TLS 1.2 is accepted.
    #[serde(default)]
    pub tls12: bool,
    /// Certificates, PEM, that are trusted instead of the web's authorities.
    #[serde(default)]
    pub ca: Option<String>,
    /// Accepted SHA-256 digests of its certificate's SubjectPublicKeyInfo; none accepts any.
    #[serde(default)]
    pub pins: Vec<Hash>,
    /// Whether callers with the operator's key see its counts of cached tokens.
    #[serde(default)]
    pub cached_tokens: CachedTokens,
    /// How long it may be silent.
    #[serde(default = "timeout")]
    timeout_seconds: u64,
}

/// APIs that providers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// OpenAI's, or one that is compatible.
    Openai,
    /// Anthropic's.
    Anthropic,
}

/// Headers that carry keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Authorization,
    /// `x-api-key: KEY`.
    XApiKey,
    /// `api-key: KEY`.
    ApiKey,
    /// `x-goog-api-key: KEY`.
    XGoogApiKey,
}

/// What happens to a provider's counts of cached tokens when the request has the operator's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CachedTokens {
    /// They pass.
    #[default]
    Pass,
    /// They are replaced by 0, so callers who share the key do not learn which prompts others sent.
    Hide,
}

fn https() -> u16 {
    443
}

fn yes() -> bool {
    true
}

fn v1() -> String {
    "/v1".into()
}

fn timeout() -> u64 {
    TIMEOUT
}

impl Upstream {
    /// How long it may be silent.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The header that carries the key.
    pub fn key_header(&self) -> KeyHeader {
        self.key_header.unwrap_or(match self.api {
            Api::Openai => KeyHeader::Authorization,
            Api::Anthropic => KeyHeader::XApiKey,
        })
    }

    /// Says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        // Secrets use this name for its key.
        if !secret::is_name(&self.name) {
            return Err("an upstream's name has between 1 and 64 of a-z, 0-9 and -");
        }
        if Destination::new(&self.host, self.port).is_err() {
            return Err("an upstream's host is a DNS name in lower case, and its port is not 0");
        }
        let path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let rooted = self.base_path.is_empty() || self.base_path.starts_with('/') && !self.base_path.ends_with('/');
        if !rooted || self.base_path.len() > MAX_PATH || !self.base_path.bytes().all(path) {
            return Err("an upstream's base_path begins with / and does not end with it");
        }
        let count = self.models.len() + self.aliases.len();
        if !(1..=MAX_NAMES).contains(&count) || self.pins.len() > MAX_PINS {
            return Err("an upstream has between 1 and 256 models and aliases, and at most 16 pins");
        }
        let printable = |name: &str| {
            (1..=MAX_TEXT).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        };
        let pattern = |name: &String| printable(name) && !name[..name.len() - 1].contains('*');
        let exact = |name: &String| printable(name) && !name.contains('*') && !name.contains('\\');
        if !self.models.iter().all(pattern) || !self.aliases.iter().all(|(alias, name)| exact(alias) && exact(name)) {
            return Err("a model's name is printable ASCII; only a pattern ends with *");
        }
        match self.timeout_seconds {
            1..=MAX_TIMEOUT => Ok(()),
            _ => Err("an upstream's timeout_seconds is between 1 and 3600"),
        }
    }
}

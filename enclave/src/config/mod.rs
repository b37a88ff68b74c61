//! The measured configuration, in TOML. Unknown keys are refused; there are no environment variables and no switches
//! that log content.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quoth_attestation::Digest;
use quoth_attestation::statement::{MAX_MODELS, MAX_TEXT};
use serde::Deserialize;

mod address;
mod caller;
mod hash;
mod upstream;

pub use address::Address;
pub use caller::Caller;
pub use hash::Hash;
pub use upstream::{Api, CachedTokens, KeyHeader, Upstream};

use crate::{EnclaveError, limits};

/// The only version of the file.
pub const VERSION: u32 = 1;
/// Names in the TLS certificate, at most.
pub const MAX_TLS_NAMES: usize = 32;

/// The configuration, and the bytes it was read from.
#[derive(Debug)]
pub struct Config {
    /// The parsed file.
    pub settings: Settings,
    /// The file, byte for byte: what is measured.
    pub bytes: Vec<u8>,
}

/// The file's content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`VERSION`].
    pub version: u32,
    /// The platform that vouches for the node.
    pub platform: PlatformName,
    /// DNS names and addresses of the TLS certificate.
    pub tls_names: Vec<String>,
    /// The operator's raw Ed25519 key. Only the operator can give the node secrets; if absent, the node takes none.
    #[serde(default)]
    pub operator: Option<Hash>,
    /// The Ethereum address that may register and revoke the node on chain; if absent, nobody may register it.
    #[serde(default)]
    pub operator_evm: Option<Address>,
    /// In an image: the host's context id for virtual sockets (vsock(7)), if it differs from the platform's usual one
    /// ([`Settings::host`]).
    #[serde(default)]
    pub host_cid: Option<u32>,
    /// Bounds that an operator may set.
    #[serde(default)]
    pub limits: Limits,
    /// Local models.
    #[serde(default, rename = "model")]
    pub models: Vec<Model>,
    /// Closed providers.
    #[serde(default, rename = "upstream")]
    pub upstreams: Vec<Upstream>,
    /// Who may ask; if absent, anyone.
    #[serde(default, rename = "caller")]
    pub callers: Vec<Caller>,
}

/// Platforms that a configuration can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlatformName {
    /// AWS Nitro Enclaves; only in builds with the feature `nitro`.
    Nitro,
    /// AMD SEV-SNP; only in builds with the feature `sev-snp`.
    SevSnp,
    /// A root made for the run; only in builds with the feature `simulated`.
    Simulated,
    /// No evidence but the receipt key.
    None,
}

/// Bounds that an operator may set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A request body, bytes.
    pub body_bytes: usize,
    /// Client connections.
    pub connections: usize,
    /// Exchanges in progress.
    pub exchanges: usize,
    /// Memory that clients can use, bytes.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: limits::BODY_BYTES,
            connections: limits::CONNECTIONS,
            exchanges: limits::EXCHANGES,
            memory_bytes: limits::MEMORY_BYTES,
        }
    }
}

/// A local model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name that requests use.
    pub name: String,
    /// SHA-256 of the whole GGUF file, hex.
    pub sha256: Hash,
    /// Its size, bytes.
    pub size: u64,
    /// Tokens of one sequence.
    pub context: u32,
    /// Sequences that run at once.
    pub parallel: u32,
    /// Threads that compute.
    pub threads: u32,
    /// Tokens of one step.
    #[serde(default = "batch")]
    pub batch: u32,
    /// Most tokens that one request may produce; the context bounds them, too.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// What its logits depend on.
    #[serde(default)]
    pub arithmetic: ArithmeticName,
}

/// Arithmetic profiles that a configuration can name. The build determines the instruction set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ArithmeticName {
    /// Outputs can be replayed. Checked at start.
    #[default]
    #[serde(rename = "exact-1")]
    Exact,
    /// No promise.
    #[serde(rename = "cpu-1")]
    Plain,
}

impl Settings {
    /// The host's context id: a Nitro enclave's parent is 3, another machine's host 2.
    pub fn host(&self) -> u32 {
        self.host_cid.unwrap_or(if self.platform == PlatformName::Nitro { 3 } else { 2 })
    }
}

fn batch() -> u32 {
    512
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, EnclaveError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(EnclaveError::io("open the configuration"))?;
        file.take(limits::CONFIG_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(EnclaveError::io("read the configuration"))?;
        Self::parse(bytes)
    }

    /// Checks a file's bytes.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, EnclaveError> {
        let refuse = |reason: &str| Err(EnclaveError::Config(reason.into()));
        if bytes.len() as u64 > limits::CONFIG_BYTES {
            return refuse("longer than 64 KiB");
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return refuse("not UTF-8");
        };
        let settings: Settings =
            toml::from_str(text).map_err(|error| EnclaveError::Config(error.message().to_owned()))?;
        let names: Vec<_> = settings.models.iter().map(|model| model.name.as_str()).collect();
        if settings.version != VERSION {
            return refuse("version is not 1");
        }
        if settings.models.is_empty() && settings.upstreams.is_empty() {
            return refuse("a model or an upstream is needed");
        }
        if settings.models.len() > MAX_MODELS || settings.upstreams.len() > upstream::MAX_UPSTREAMS {
            return refuse("at most 32 models and 16 upstreams are allowed");
        }
        if let Some(reason) = settings.upstreams.iter().find_map(|upstream| upstream.check().err()) {
            return refuse(reason);
        }
        let upstreams = settings.upstreams.iter().map(|upstream| upstream.name.as_str());
        if let Err(reason) = caller::check(&settings.callers, upstreams, settings.operator.is_some()) {
            return refuse(reason);
        }
        let printable = |name: &&str| name.bytes().all(|byte| byte.is_ascii_graphic());
        if names.iter().any(|name| name.is_empty() || name.len() > MAX_TEXT || !printable(name)) {
            return refuse("a model's name has between 1 and 256 printable ASCII characters");
        }
        if (1..names.len()).any(|index| names[..index].contains(&names[index])) {
            return refuse("two models have one name");
        }
        if settings.tls_names.is_empty() || settings.tls_names.len() > MAX_TLS_NAMES {
            return refuse("between 1 and 32 tls_names are needed");
        }
        let Limits { body_bytes, connections, exchanges, memory_bytes } = settings.limits;
        if !(1..=1 << 30).contains(&body_bytes)
            || !(1..=1 << 20).contains(&connections)
            || !(1..=1 << 16).contains(&exchanges)
            || !(1 << 24..=1 << 40).contains(&memory_bytes)
        {
            return refuse("a limit is out of range");
        }
        Ok(Self { settings, bytes })
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

#[cfg(test)]
mod tests;

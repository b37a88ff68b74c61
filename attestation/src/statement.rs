//! The node statement: who a node is. Made once at every boot (`SPEC.md` §2).

use alloc::string::String;
use alloc::vec::Vec;

use crate::cbor::{self, Field, Map, Value};
use crate::sorted::SortedMap;
use crate::{Digest, FormatError};

/// The profile that a statement carries.
pub const PROFILE: &str = "tag:quoth.dev,2026:node:1";
/// An encoded statement, bytes, at most.
pub const MAX_BYTES: usize = 16 * 1024;
/// A statement's life, seconds, at most (30 days).
pub const MAX_LIFE: u64 = 30 * 24 * 60 * 60;
/// Local models in one statement, at most.
pub const MAX_MODELS: usize = 32;
/// Providers in one statement, at most.
pub const MAX_UPSTREAMS: usize = 32;
/// Key roles beyond the known ones, at most.
pub const MAX_OTHER_KEYS: usize = 16;
/// A name, a version or another short text, bytes, at most.
pub const MAX_TEXT: usize = 256;

/// Who a node is: its keys, its code, its models, for one boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Random, new at every boot.
    pub instance: [u8; 16],
    /// What vouches for this statement.
    pub platform: Platform,
    /// Public keys by role.
    pub keys: Keys,
    /// SHA-256 of the measured configuration file.
    pub config: Digest,
    /// The program.
    pub software: Software,
    /// Local models, in configuration order.
    pub models: Vec<Model>,
    /// Closed providers, in configuration order.
    pub upstreams: Vec<Upstream>,
    /// Ed25519 key that may set secrets; absent: nobody may.
    pub operator: Option<[u8; 32]>,
    /// When the statement was made, Unix seconds.
    pub issued: u64,
    /// When it ends, Unix seconds; at most [`MAX_LIFE`] after `issued`.
    pub not_after: u64,
    /// Who vouches for the two times above and for every `iat`.
    pub clock: Clock,
}

/// What vouches for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// AWS Nitro Enclaves.
    Nitro,
    /// AMD SEV-SNP.
    SevSnp,
    /// A throw-away root made for the run: for development, never proof of anything.
    Simulated,
    /// Nothing but the receipt key, which the verifier must already know.
    None,
}

impl Platform {
    const NAMES: [(&'static str, Self); 4] =
        [("nitro", Self::Nitro), ("sev-snp", Self::SevSnp), ("simulated", Self::Simulated), ("none", Self::None)];

    /// The name in statements, policies and configuration files.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// Who vouches for a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The Nitro hypervisor.
    Nsm,
    /// The untrusted host.
    Host,
}

impl Clock {
    const NAMES: [(&'static str, Self); 2] = [("nsm", Self::Nsm), ("host", Self::Host)];

    /// The name in statements.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

/// Public keys by role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Ed25519 (RFC 8032), raw; signs receipts and checkpoints.
    pub receipt: [u8; 32],
    /// SHA-256 of the TLS certificate's SubjectPublicKeyInfo (RFC 5280 §4.1), DER.
    pub tls: Digest,
    /// X25519 key for HPKE (RFC 9180), raw; absent when the node opens nothing sealed.
    pub seal: Option<[u8; 32]>,
    /// Roles this version does not know: carried, never trusted.
    pub other: SortedMap<String, Vec<u8>>,
}

/// The program that a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Source commit.
    pub commit: String,
    /// Identity of the inference engine; absent in a node without local models.
    pub engine: Option<String>,
}

/// A local model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name that requests use.
    pub name: String,
    /// SHA-256 of the whole GGUF file.
    pub sha256: Digest,
    /// Size of that file, bytes.
    pub size: u64,
}

/// A closed provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name that requests use.
    pub name: String,
    /// DNS name the provider must authenticate as.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl core::fmt::Display for Upstream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at {}:{}", self.name, self.host, self.port)
    }
}

impl Statement {
    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let models = self
            .models
            .iter()
            .map(|model| Map::new().with(1, model.name.as_str()).with(2, &model.sha256).with(3, model.size).build());
        let upstreams = self.upstreams.iter().map(|upstream| {
            Map::new().with(1, upstream.name.as_str()).with(2, upstream.host.as_str()).with(3, upstream.port).build()
        });
        let software = Map::new()
            .with(1, self.software.name.as_str())
            .with(2, self.software.version.as_str())
            .with(3, self.software.commit.as_str())
            .with_some(4, self.software.engine.as_deref());
        let map = Map::new()
            .with(1, PROFILE)
            .with(2, &self.instance)
            .with(3, self.platform.name())
            .with(4, self.keys.to_value())
            .with(5, &self.config)
            .with(6, software.build())
            .with(7, Value::Array(models.collect()))
            .with(8, Value::Array(upstreams.collect()))
            .with_some(9, self.operator.as_ref())
            .with(10, self.issued)
            .with(11, self.not_after)
            .with(12, self.clock.name());
        cbor::encode(&map.build())
    }

    /// Decodes and checks what can be checked without a clock: the fields, their bounds and `not_after`.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let statement = cbor::read(bytes, MAX_BYTES, "statement", |fields| {
            fields.required(1, "statement profile").profile(PROFILE);
            Self {
                instance: fields.required(2, "instance").array(),
                platform: fields.required(3, "platform").one_of(&Platform::NAMES),
                keys: Keys::of(fields.required(4, "keys")),
                config: fields.required(5, "config").digest(),
                software: Software::of(fields.required(6, "software")),
                models: fields.required(7, "models").list(MAX_MODELS).map(Model::of).collect(),
                upstreams: fields.required(8, "upstreams").list(MAX_UPSTREAMS).map(Upstream::of).collect(),
                operator: fields.optional(9, "operator").map(Field::array),
                issued: fields.required(10, "issued").uint(),
                not_after: fields.required(11, "not_after").uint(),
                clock: fields.required(12, "clock").one_of(&Clock::NAMES),
            }
        })?;
        match statement.not_after.checked_sub(statement.issued) {
            Some(life) if life <= MAX_LIFE => Ok(statement),
            _ => Err(FormatError::OutOfRange { field: "not_after", expected: "at most 30 days after issued" }),
        }
    }
}

impl Keys {
    fn to_value(&self) -> Value<'_> {
        let map =
            Map::new().with("receipt", &self.receipt).with("tls", &self.tls).with_some("seal", self.seal.as_ref());
        self.other.iter().fold(map, |map, (role, key)| map.with(role.as_str(), key)).build()
    }

    fn of(field: Field<'_>) -> Self {
        let (mut receipt, mut tls, mut seal, mut other) = (None, None, None, SortedMap::new());
        for (role, key) in field.entries(MAX_OTHER_KEYS + 3) {
            match role.text(MAX_TEXT).as_str() {
                "receipt" => receipt = Some(key.array()),
                "tls" => tls = Some(key.digest()),
                "seal" => seal = Some(key.array()),
                role => drop(other.insert(role.into(), key.bytes((1, MAX_TEXT)))),
            }
        }
        if receipt.is_none() {
            field.missing("receipt key");
        }
        if tls.is_none() {
            field.missing("tls key");
        }
        Self { receipt: receipt.unwrap_or_default(), tls: tls.unwrap_or(Digest([0; 32])), seal, other }
    }
}

impl Software {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "software name").text(MAX_TEXT),
            version: fields.required(2, "software version").text(MAX_TEXT),
            commit: fields.required(3, "software commit").text(MAX_TEXT),
            engine: fields.optional(4, "software engine").map(|engine| engine.text(MAX_TEXT)),
        })
    }
}

impl Model {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "model name").text(MAX_TEXT),
            sha256: fields.required(2, "model sha256").digest(),
            size: fields.required(3, "model size").uint(),
        })
    }
}

impl Upstream {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "upstream name").text(MAX_TEXT),
            host: fields.required(2, "upstream host").text(MAX_TEXT),
            port: fields.required(3, "upstream port").short(),
        })
    }
}

pub(crate) fn name_of<T: Copy + PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

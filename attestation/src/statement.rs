//! The node statement: a node's identity, made once at every boot (`SPEC.md` §2).

use alloc::vec::Vec;

use crate::bounded::{Blob, List, Text};
use crate::cbor::{self, Field, Map, Value};
use crate::evm::{EvmAddress, SettlementKey};
use crate::{Digest, FormatError};

/// The profile of a statement.
pub const PROFILE: &str = "tag:quoth.dev,2026:node:1";
/// Maximum bytes in an encoded statement. A statement with every field at its limit fits.
pub const MAX_BYTES: usize = 40 * 1024;
/// Maximum lifetime of a statement, in seconds (30 days).
pub const MAX_LIFE: u64 = 30 * 24 * 60 * 60;
/// Maximum number of local models in one statement.
pub const MAX_MODELS: usize = 32;
/// Maximum number of providers in one statement.
pub const MAX_UPSTREAMS: usize = 32;
/// Maximum number of key roles beyond the known ones.
pub const MAX_OTHER_KEYS: usize = 16;
/// Maximum bytes in a name, a version or another short text.
pub const MAX_TEXT: usize = 256;
/// Key roles that [`Keys`] has fields for.
const KNOWN_KEYS: [&str; 5] = ["receipt", "tls", "seal", "settlement", "operator-evm"];

/// A name, a version or another short text.
pub type ShortText = Text<MAX_TEXT>;
/// A key of a role that this version does not know.
pub type OtherKey = Blob<1, MAX_TEXT>;

/// A node's identity for one boot: its keys, its code, its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Random; new at every boot.
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
    pub models: List<Model, MAX_MODELS>,
    /// Closed providers, in configuration order.
    pub upstreams: List<Upstream, MAX_UPSTREAMS>,
    /// Ed25519 key that may set secrets; if absent, nobody may.
    pub operator: Option<[u8; 32]>,
    /// When the statement is valid.
    pub validity: Validity,
    /// Who vouches for the times of `validity` and for every `iat`.
    pub clock: Clock,
}

/// When a statement is valid, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    issued: u64,
    not_after: u64,
}

impl Validity {
    /// From `issued` to `not_after`. Returns an error unless `not_after` is 0 to [`MAX_LIFE`] seconds later.
    pub fn new(issued: u64, not_after: u64) -> Result<Self, FormatError> {
        match not_after.checked_sub(issued) {
            Some(life) if life <= MAX_LIFE => Ok(Self { issued, not_after }),
            _ => Err(FormatError::OutOfRange { field: "not_after", expected: "at most 30 days after issued" }),
        }
    }

    /// When the statement was made.
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// When the statement expires.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }
}

/// What vouches for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// AWS Nitro Enclaves.
    Nitro,
    /// AMD SEV-SNP.
    SevSnp,
    /// A throw-away root made for one run. For development; it never proves anything.
    Simulated,
    /// Only the receipt key, which the verifier must know already.
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
    /// X25519 key for HPKE (RFC 9180), raw; absent if the node accepts no sealed secrets.
    pub seal: Option<[u8; 32]>,
    /// Signs heads of the node's log; absent if the node signs none.
    pub settlement: Option<SettlementKey>,
    /// The Ethereum address that may register and revoke the node on chain, from the configuration.
    pub operator_evm: Option<EvmAddress>,
    /// Keys of unknown roles: carried, never trusted.
    pub other: OtherKeys,
}

/// Keys of at most [`MAX_OTHER_KEYS`] roles for which [`Keys`] has no field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherKeys(Vec<(ShortText, OtherKey)>);

impl OtherKeys {
    /// Returns an error for a role that [`Keys`] has a field for, for a duplicate role, and above [`MAX_OTHER_KEYS`].
    pub fn new(keys: impl IntoIterator<Item = (ShortText, OtherKey)>) -> Result<Self, FormatError> {
        let mut all = Vec::new();
        for (role, key) in keys {
            let known = KNOWN_KEYS.contains(&role.as_str());
            match all.binary_search_by(|(other, _): &(ShortText, _)| other.cmp(&role)) {
                Err(at) if !known && all.len() < MAX_OTHER_KEYS => all.insert(at, (role, key)),
                _ => {
                    let expected = "at most 16 other roles, each once";
                    return Err(FormatError::OutOfRange { field: "keys", expected });
                }
            }
        }
        Ok(Self(all))
    }

    /// Roles and keys, sorted by role.
    pub fn iter(&self) -> impl Iterator<Item = (&ShortText, &OtherKey)> {
        self.0.iter().map(|(role, key)| (role, key))
    }
}

/// The program that a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// Name.
    pub name: ShortText,
    /// Version.
    pub version: ShortText,
    /// Source commit.
    pub commit: ShortText,
    /// Identity of the inference engine; absent in a node without local models.
    pub engine: Option<ShortText>,
}

/// A local model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name that requests use.
    pub name: ShortText,
    /// SHA-256 of the whole GGUF file.
    pub sha256: Digest,
    /// Size of that file, bytes.
    pub size: u64,
}

/// A closed provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The name that requests use.
    pub name: ShortText,
    /// DNS name the provider must authenticate as.
    pub host: ShortText,
    /// TCP port.
    pub port: u16,
}

impl core::fmt::Display for Upstream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} at {}:{}", self.name, self.host, self.port)
    }
}

impl Statement {
    /// Encodes as deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let models = self
            .models
            .iter()
            .map(|model| Map::new().with(1, &model.name).with(2, &model.sha256).with(3, model.size).build());
        let upstreams = self
            .upstreams
            .iter()
            .map(|upstream| Map::new().with(1, &upstream.name).with(2, &upstream.host).with(3, upstream.port).build());
        let software = Map::new()
            .with(1, &self.software.name)
            .with(2, &self.software.version)
            .with(3, &self.software.commit)
            .with_some(4, self.software.engine.as_ref());
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
            .with(10, self.validity.issued)
            .with(11, self.validity.not_after)
            .with(12, self.clock.name());
        cbor::encode(&map.build())
    }

    /// Decodes a statement, and checks all that needs no clock: the fields, their bounds and `not_after`.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, MAX_BYTES, "statement", |fields| {
            fields.required(1, "statement profile").profile(PROFILE);
            Self {
                instance: fields.required(2, "instance").array(),
                platform: fields.required(3, "platform").one_of(&Platform::NAMES),
                keys: Keys::of(fields.required(4, "keys")),
                config: fields.required(5, "config").digest(),
                software: Software::of(fields.required(6, "software")),
                models: fields.required(7, "models").list(Model::of),
                upstreams: fields.required(8, "upstreams").list(Upstream::of),
                operator: fields.optional(9, "operator").map(Field::array),
                validity: Validity::of(fields.required(10, "issued"), fields.required(11, "not_after")),
                clock: fields.required(12, "clock").one_of(&Clock::NAMES),
            }
        })
    }

    /// When the statement was made, Unix seconds.
    pub fn issued(&self) -> u64 {
        self.validity.issued
    }

    /// When it expires, Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.validity.not_after
    }
}

impl Validity {
    fn of(issued: Field<'_>, not_after: Field<'_>) -> Self {
        let times = Self { issued: issued.uint(), not_after: not_after.uint() };
        Self::new(times.issued, times.not_after).unwrap_or_else(|error| {
            not_after.refuse(error);
            times
        })
    }
}

impl Keys {
    fn to_value(&self) -> Value<'_> {
        let map = Map::new()
            .with("receipt", &self.receipt)
            .with("tls", &self.tls)
            .with_some("seal", self.seal.as_ref())
            .with_some("settlement", self.settlement.as_ref().map(SettlementKey::as_bytes))
            .with_some("operator-evm", self.operator_evm.as_ref().map(|address| &address.0));
        self.other.iter().fold(map, |map, (role, key)| map.with(role, key)).build()
    }

    fn of(field: Field<'_>) -> Self {
        let (mut receipt, mut tls, mut seal, mut settlement, mut operator_evm) = (None, None, None, None, None);
        let mut other = Vec::new();
        for (role, key) in field.entries(MAX_OTHER_KEYS + KNOWN_KEYS.len()) {
            let role: ShortText = role.text();
            match role.as_str() {
                "receipt" => receipt = Some(key.array()),
                "tls" => tls = Some(key.digest()),
                "seal" => seal = Some(key.array()),
                "settlement" => settlement = Some(SettlementKey::of(key)),
                "operator-evm" => operator_evm = Some(EvmAddress(key.array())),
                _ => other.push((role, key.blob())),
            }
        }
        let other = OtherKeys::new(other).unwrap_or_else(|error| {
            field.refuse(error);
            OtherKeys::default()
        });
        if receipt.is_none() {
            field.missing("receipt key");
        }
        if tls.is_none() {
            field.missing("tls key");
        }
        let (receipt, tls) = (receipt.unwrap_or_default(), tls.unwrap_or(Digest([0; 32])));
        Self { receipt, tls, seal, settlement, operator_evm, other }
    }
}

impl Software {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "software name").text(),
            version: fields.required(2, "software version").text(),
            commit: fields.required(3, "software commit").text(),
            engine: fields.optional(4, "software engine").map(Field::text),
        })
    }
}

impl Model {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "model name").text(),
            sha256: fields.required(2, "model sha256").digest(),
            size: fields.required(3, "model size").uint(),
        })
    }
}

impl Upstream {
    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            name: fields.required(1, "upstream name").text(),
            host: fields.required(2, "upstream host").text(),
            port: fields.required(3, "upstream port").short(),
        })
    }
}

pub(crate) fn name_of<T: Copy + PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

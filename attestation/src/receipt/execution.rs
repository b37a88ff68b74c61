//! Claims of a receipt about the model or the provider that answered.

use crate::Digest;
use crate::bounded::Bounded;
use crate::cbor::{Field, Fields, Map, Value};
use crate::commit::Commitment;
use crate::statement::{ShortText, name_of};

/// What produced a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// A model inside the enclave.
    Local(Local),
    /// A closed provider.
    Upstream(Upstream),
}

/// Execution of a GGUF file inside the enclave. Anyone who has the file can run it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The model's name in the statement.
    pub model: ShortText,
    /// SHA-256 of the whole GGUF file.
    pub model_sha256: Digest,
    /// Commitment to the rendered prompt.
    pub prompt: Commitment,
    /// Commitment to the prompt's token ids.
    pub prompt_tokens: Commitment,
    /// Commitment to the output's token ids.
    pub output_tokens: Commitment,
    /// Commitment to the sampling parameters as used, including the seed.
    pub sampling: Commitment,
    /// Arithmetic profile and the instruction set used.
    pub arithmetic: ShortText,
    /// Identity of the engine.
    pub engine: ShortText,
}

/// Execution by a closed provider: these bytes were sent to, and received from, a TLS peer that authenticated as
/// this host. It says nothing about what the provider ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The provider's name in the statement.
    pub provider: ShortText,
    /// The DNS name it authenticated as.
    pub host: ShortText,
    /// TCP port.
    pub port: u16,
    /// The connection; absent if none was made.
    pub tls: Option<TlsPeer>,
    /// Commitment to request line and header fields as sent, credential values replaced by `redacted`.
    pub head: Commitment,
    /// Commitment to the body bytes sent.
    pub sent: Commitment,
    /// Commitment to the body bytes received.
    pub received: Commitment,
    /// The model that the forwarded body names.
    pub model_asked: ShortText,
    /// The model string in the provider's answer.
    pub model_answered: Option<ShortText>,
    /// The provider's own request id.
    pub request_id: Option<ShortText>,
    /// Whose key authenticated the request to the provider.
    pub credential: Credential,
    /// How often the node sent the request before and got 429 or 503. The caller allows up to [`MAX_RETRIES`].
    pub retries: Retries,
}

/// Maximum retries that a caller may allow.
pub const MAX_RETRIES: u16 = 3;

/// How often a request was sent again.
pub type Retries = Bounded<0, MAX_RETRIES>;

/// The authenticated peer of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPeer {
    /// Protocol version (RFC 8446 §4.2.1), 0x0304 for TLS 1.3.
    pub version: u16,
    /// Cipher suite (RFC 8446 §B.4).
    pub suite: u16,
    /// SHA-256 of the leaf certificate's SubjectPublicKeyInfo, DER.
    pub leaf_spki: Digest,
    /// SHA-256 of the certificates as received, concatenated.
    pub chain: Digest,
}

/// Whose key authenticates to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The node operator's.
    Operator,
    /// The caller's.
    Caller,
}

impl Credential {
    const NAMES: [(&'static str, Self); 2] = [("operator", Self::Operator), ("caller", Self::Caller)];

    /// The name in receipts.
    pub fn name(self) -> &'static str {
        name_of(&Self::NAMES, self)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Local,
    Upstream,
}

const KINDS: [(&str, Kind); 2] = [("local", Kind::Local), ("upstream", Kind::Upstream)];

impl Execution {
    pub(super) fn to_value(&self) -> Value<'_> {
        match self {
            Self::Local(local) => local.to_value(),
            Self::Upstream(upstream) => upstream.to_value(),
        }
    }

    pub(super) fn of(field: Field<'_>) -> Self {
        field.map(|fields| match fields.required(1, "execution kind").one_of(&KINDS) {
            Kind::Local => Self::Local(Local::of(fields)),
            Kind::Upstream => Self::Upstream(Upstream::of(fields)),
        })
    }
}

impl Local {
    fn to_value(&self) -> Value<'_> {
        Map::new()
            .with(1, "local")
            .with(2, &self.model)
            .with(3, &self.model_sha256)
            .with(4, &self.prompt)
            .with(5, &self.prompt_tokens)
            .with(6, &self.output_tokens)
            .with(7, &self.sampling)
            .with(8, &self.arithmetic)
            .with(9, &self.engine)
            .build()
    }

    fn of(fields: &mut Fields<'_>) -> Self {
        Self {
            model: fields.required(2, "model").text(),
            model_sha256: fields.required(3, "model sha256").digest(),
            prompt: Commitment(fields.required(4, "prompt commitment").digest()),
            prompt_tokens: Commitment(fields.required(5, "prompt token commitment").digest()),
            output_tokens: Commitment(fields.required(6, "output token commitment").digest()),
            sampling: Commitment(fields.required(7, "sampling commitment").digest()),
            arithmetic: fields.required(8, "arithmetic").text(),
            engine: fields.required(9, "engine").text(),
        }
    }
}

impl Upstream {
    fn to_value(&self) -> Value<'_> {
        Map::new()
            .with(1, "upstream")
            .with(2, &self.provider)
            .with(3, &self.host)
            .with(4, self.port)
            .with_some(5, self.tls.as_ref().map(TlsPeer::to_value))
            .with(6, &self.head)
            .with(7, &self.sent)
            .with(8, &self.received)
            .with(9, &self.model_asked)
            .with_some(10, self.model_answered.as_ref())
            .with_some(11, self.request_id.as_ref())
            .with(12, self.credential.name())
            .with_some(13, Some(self.retries).filter(|retries| *retries > Retries::LEAST))
            .build()
    }

    fn of(fields: &mut Fields<'_>) -> Self {
        Self {
            provider: fields.required(2, "provider").text(),
            host: fields.required(3, "host").text(),
            port: fields.required(4, "port").short(),
            tls: fields.optional(5, "tls").map(TlsPeer::of),
            head: Commitment(fields.required(6, "head commitment").digest()),
            sent: Commitment(fields.required(7, "sent commitment").digest()),
            received: Commitment(fields.required(8, "received commitment").digest()),
            model_asked: fields.required(9, "model asked").text(),
            model_answered: fields.optional(10, "model answered").map(Field::text),
            request_id: fields.optional(11, "provider request id").map(Field::text),
            credential: fields.required(12, "credential").one_of(&Credential::NAMES),
            retries: fields.optional(13, "retries").map_or(Retries::LEAST, retries),
        }
    }
}

fn retries(field: Field<'_>) -> Retries {
    let retries = field.bounded("1 to 3, or absent");
    field.check(retries > Retries::LEAST, "retries", "1 to 3, or absent");
    retries
}

impl TlsPeer {
    fn to_value(&self) -> Value<'_> {
        Map::new().with(1, self.version).with(2, self.suite).with(3, &self.leaf_spki).with(4, &self.chain).build()
    }

    fn of(field: Field<'_>) -> Self {
        field.map(|fields| Self {
            version: fields.required(1, "tls version").short(),
            suite: fields.required(2, "tls suite").short(),
            leaf_spki: fields.required(3, "leaf spki").digest(),
            chain: fields.required(4, "chain").digest(),
        })
    }
}

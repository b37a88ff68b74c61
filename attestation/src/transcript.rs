//! The transcript: one exchange in one file that needs nothing else (`SPEC.md` §10).
//! JSON in one canonical form (RFC 8785); assembled on the client's side, since a node keeps no prompts.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use crate::FormatError;
use crate::binding::{NONCE_BYTES, Nonce};
use crate::commit::Opening;

/// The profile that a transcript carries.
pub const PROFILE: &str = "tag:quoth.dev,2026:transcript:1";
/// An encoded transcript, bytes, at most.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;

/// One exchange with its proofs.
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript {
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub response: Response,
    /// The signed receipt; absent when the stream was cut before it.
    pub receipt: Option<Vec<u8>>,
    /// The signed checkpoints of a stream, in order.
    pub checkpoints: Vec<Vec<u8>>,
    /// Opens the receipt's commitments.
    pub opening: Opening,
    /// The caller's nonce, when it sent one.
    pub nonce: Option<Nonce>,
    /// The encoded [`Evidence`](crate::evidence::Evidence), statement and endorsements inside.
    pub evidence: Vec<u8>,
    /// What only the enclave knew, when the caller asked for it.
    pub details: Option<Details>,
}

/// A request as sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Request-target.
    pub target: String,
    /// Body.
    pub body: Vec<u8>,
}

/// A response as received, Quoth's records removed.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// What only the enclave knew: the committed values, without which nobody can open the execution's commitments.
/// Also the answer of `GET /v1/exchanges/{cti}`, in the same canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// Of a local execution.
    Local(LocalDetails),
    /// Of an upstream execution.
    Upstream(UpstreamDetails),
}

/// The committed values of a local execution, without which nobody can run it again.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalDetails {
    /// The rendered prompt.
    pub prompt: Vec<u8>,
    /// Its token ids.
    pub prompt_tokens: Vec<u32>,
    /// The output's token ids.
    pub output_tokens: Vec<u32>,
    /// The sampling parameters as used, encoded.
    pub sampling: Vec<u8>,
}

/// The committed values of an upstream execution.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamDetails {
    /// Request line and header fields as forwarded, as [`head`] writes them.
    pub head: Vec<u8>,
    /// The provider's certificates as received, DER, its own first; none when there was no connection.
    pub certificates: Vec<Vec<u8>>,
    /// The body as forwarded, when it is not the request's.
    pub sent: Option<Vec<u8>>,
    /// The body as it came back, when it is not the response's.
    pub received: Option<Vec<u8>>,
}

/// What stands for a credential's value in [`head`].
pub const REDACTED: &[u8] = b"redacted";
/// Room for most heads at once.
const HEAD_ROOM: usize = 512;

/// A forwarded request's head as it is committed to: `METHOD target` and a line feed, then for each field its name in lower
/// case, a colon, a space, its value and a line feed (`SPEC.md` §5). Fields come in the order sent, `host` before all others,
/// and the same text stands for HTTP/1.1 and HTTP/2.
pub fn head<'a>(method: &str, target: &str, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    let mut add = |parts: [&[u8]; 4]| parts.iter().for_each(|part| head.extend_from_slice(part));
    add([method.as_bytes(), b" ", target.as_bytes(), b"\n"]);
    fields.for_each(|(name, value)| add([name.as_bytes(), b": ", value, b"\n"]));
    head
}

impl Transcript {
    /// The canonical JSON text.
    pub fn encode(&self) -> String {
        to_json(&TranscriptJson {
            checkpoints: self.checkpoints.iter().map(|bytes| base64(bytes)).collect(),
            details: self.details.as_ref().map(DetailsJson::from),
            evidence: base64(&self.evidence),
            nonce: self.nonce.as_ref().map(|nonce| base64(nonce.as_bytes())),
            opening: base64(self.opening.as_bytes()),
            profile: PROFILE.into(),
            receipt: self.receipt.as_deref().map(base64),
            request: RequestJson {
                body: Body::from(&self.request.body[..]),
                method: self.request.method.clone(),
                target: self.request.target.clone(),
            },
            response: ResponseJson { body: Body::from(&self.response.body[..]), status: self.response.status },
        })
    }

    /// Reads a transcript; any other encoding of the same value is refused.
    pub fn decode(text: &[u8]) -> Result<Self, FormatError> {
        let json: TranscriptJson = from_json(text)?;
        if json.profile != PROFILE {
            return Err(FormatError::Profile { expected: PROFILE, actual: json.profile });
        }
        let opening = unbase64(&json.opening, "opening")?;
        let opening = <[u8; 32]>::try_from(opening)
            .map_err(|_| FormatError::OutOfRange { field: "opening", expected: "32 bytes" })?;
        let nonce = json.nonce.as_deref().map(|nonce| unbase64(nonce, "nonce")).transpose()?;
        if nonce.as_ref().is_some_and(|nonce| !NONCE_BYTES.contains(&nonce.len())) {
            return Err(FormatError::OutOfRange { field: "nonce", expected: "8 to 64 bytes" });
        }
        Ok(Self {
            request: Request {
                method: json.request.method,
                target: json.request.target,
                body: json.request.body.into_bytes("request body")?,
            },
            response: Response { status: json.response.status, body: json.response.body.into_bytes("response body")? },
            receipt: json.receipt.as_deref().map(|receipt| unbase64(receipt, "receipt")).transpose()?,
            checkpoints: json
                .checkpoints
                .iter()
                .map(|bytes| unbase64(bytes, "checkpoint"))
                .collect::<Result<_, _>>()?,
            opening: Opening::new(opening),
            nonce: nonce.map(Nonce::new).transpose()?,
            evidence: unbase64(&json.evidence, "evidence")?,
            details: json.details.map(Details::try_from).transpose()?,
        })
    }
}

impl Details {
    /// Those of a local execution.
    pub fn local(&self) -> Option<&LocalDetails> {
        match self {
            Self::Local(local) => Some(local),
            Self::Upstream(_) => None,
        }
    }

    /// The canonical JSON text.
    pub fn encode(&self) -> String {
        to_json(&DetailsJson::from(self))
    }

    /// Reads details; any other encoding of the same value is refused.
    pub fn decode(text: &[u8]) -> Result<Self, FormatError> {
        from_json::<DetailsJson>(text)?.try_into()
    }
}

// Debug output tells sizes; what was said appears in none.

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("request", &self.request)
            .field("response", &self.response)
            .field("receipt", &self.receipt.is_some())
            .field("checkpoints", &self.checkpoints.len())
            .field("details", &self.details)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body } = self;
        write!(f, "Request({method} {target}, {} bytes)", body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

impl fmt::Debug for LocalDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalDetails({} + {} tokens)", self.prompt_tokens.len(), self.output_tokens.len())
    }
}

impl fmt::Debug for UpstreamDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamDetails({} certificates)", self.certificates.len())
    }
}

// The structures of the file. Fields stand in the order of RFC 8785 §3.2.3, which makes the derived
// serialization canonical: there are no numbers but integers, and serde_json escapes strings as §3.2.2.2 asks.

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TranscriptJson {
    checkpoints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<DetailsJson>,
    evidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    opening: String,
    profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    request: RequestJson,
    response: ResponseJson,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestJson {
    body: Body,
    method: String,
    target: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseJson {
    body: Body,
    status: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum DetailsJson {
    Local(LocalJson),
    Upstream(UpstreamJson),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalJson {
    output_tokens: Vec<u32>,
    prompt: Body,
    prompt_tokens: Vec<u32>,
    sampling: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpstreamJson {
    certificates: Vec<String>,
    head: Body,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<Body>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<Body>,
}

/// Text if and only if the bytes are UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Body {
    Base64(String),
    Text(String),
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Base64(base64(bytes)),
        }
    }
}

impl Body {
    fn into_bytes(self, field: &'static str) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(text) => match unbase64(&text, field)? {
                bytes if core::str::from_utf8(&bytes).is_ok() => Err(FormatError::NotCanonical),
                bytes => Ok(bytes),
            },
        }
    }
}

impl From<&Details> for DetailsJson {
    fn from(details: &Details) -> Self {
        match details {
            Details::Local(local) => Self::Local(LocalJson {
                output_tokens: local.output_tokens.clone(),
                prompt: Body::from(&local.prompt[..]),
                prompt_tokens: local.prompt_tokens.clone(),
                sampling: base64(&local.sampling),
            }),
            Details::Upstream(upstream) => Self::Upstream(UpstreamJson {
                certificates: upstream.certificates.iter().map(|der| base64(der)).collect(),
                head: Body::from(&upstream.head[..]),
                received: upstream.received.as_deref().map(Body::from),
                sent: upstream.sent.as_deref().map(Body::from),
            }),
        }
    }
}

impl TryFrom<DetailsJson> for Details {
    type Error = FormatError;

    fn try_from(json: DetailsJson) -> Result<Self, FormatError> {
        Ok(match json {
            DetailsJson::Local(json) => Self::Local(LocalDetails {
                prompt: json.prompt.into_bytes("prompt")?,
                prompt_tokens: json.prompt_tokens,
                output_tokens: json.output_tokens,
                sampling: unbase64(&json.sampling, "sampling")?,
            }),
            DetailsJson::Upstream(json) => Self::Upstream(UpstreamDetails {
                head: json.head.into_bytes("head")?,
                certificates: (json.certificates.iter())
                    .map(|der| unbase64(der, "certificate"))
                    .collect::<Result<_, _>>()?,
                sent: json.sent.map(|body| body.into_bytes("sent body")).transpose()?,
                received: json.received.map(|body| body.into_bytes("received body")).transpose()?,
            }),
        })
    }
}

fn to_json(value: &impl Serialize) -> String {
    // safe: these structures hold strings, integers and lists of them, which always serialize
    serde_json::to_string(value).expect("plain structures serialize")
}

fn from_json<T: Serialize + for<'a> Deserialize<'a>>(text: &[u8]) -> Result<T, FormatError> {
    if text.len() > MAX_BYTES {
        return Err(FormatError::TooLong { limit: MAX_BYTES, actual: text.len() });
    }
    let value: T = serde_json::from_slice(text)
        .map_err(|error| FormatError::Json { line: error.line(), column: error.column() })?;
    match to_json(&value).as_bytes() == text {
        true => Ok(value),
        false => Err(FormatError::NotCanonical),
    }
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn unbase64(text: &str, field: &'static str) -> Result<Vec<u8>, FormatError> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| FormatError::Base64 { field })
}

//! The transcript: one exchange in one self-contained file (`SPEC.md` §10).
//! Canonical JSON (RFC 8785). The client assembles it, because a node keeps no prompts.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::binding::Nonce;
use crate::commit::Opening;
use crate::json::{self, Field, Members, Writer};
use crate::{FormatError, base64url};

/// The profile of a transcript.
pub const PROFILE: &str = "tag:quoth.dev,2026:transcript:1";
/// Maximum bytes in an encoded transcript.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Maximum checkpoints of a stream, and certificates of a provider: 18 hours with one checkpoint a second.
pub const MAX_PARTS: usize = 64 * 1024;

/// One exchange with its proofs.
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The request.
    pub request: Request,
    /// The response.
    pub response: Response,
    /// The signed receipt; absent if the stream was cut before it.
    pub receipt: Option<Vec<u8>>,
    /// The signed checkpoints of a stream, in order.
    pub checkpoints: Vec<Vec<u8>>,
    /// Opens the receipt's commitments.
    pub opening: Opening,
    /// The caller's nonce, if it sent one.
    pub nonce: Option<Nonce>,
    /// The encoded [`Evidence`](crate::evidence::Evidence), with statement and endorsements.
    pub evidence: Vec<u8>,
    /// Values that only the enclave knew, if the caller asked for them.
    pub details: Option<Details>,
    /// The encoded [`HeadProof`](crate::log::head_proof::HeadProof) of the receipt, if there is one.
    pub log: Option<Vec<u8>>,
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

/// A response as received, without Quoth's records.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// Committed values that only the enclave knew. The execution's commitments can be opened only with them.
/// Also the answer of `GET /v1/exchanges/{cti}`, in the same canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Details {
    /// Of a local execution.
    Local(LocalDetails),
    /// Of an upstream execution.
    Upstream(UpstreamDetails),
}

/// The committed values of a local execution. They are needed to run it again.
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
    /// The provider's certificates as received, DER, leaf first; empty if there was no connection.
    pub certificates: Vec<Vec<u8>>,
    /// The body as forwarded, if it differs from the request's.
    pub sent: Option<Vec<u8>>,
    /// The body as received, if it differs from the response's.
    pub received: Option<Vec<u8>>,
}

/// Replaces a credential's value in [`head`].
pub const REDACTED: &[u8] = b"redacted";
/// Initial capacity, in bytes.
const HEAD_ROOM: usize = 512;

/// Writes a forwarded request's head as it is committed to: `METHOD target` and a line feed, then for each field its name in
/// lower case, a colon, a space, its value and a line feed (`SPEC.md` §5). Fields come in the order sent, with `host` first.
/// HTTP/1.1 and HTTP/2 give the same text.
pub fn head<'a>(method: &str, target: &str, fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    let mut add = |parts: [&[u8]; 4]| parts.iter().for_each(|part| head.extend_from_slice(part));
    add([method.as_bytes(), b" ", target.as_bytes(), b"\n"]);
    fields.for_each(|(name, value)| add([name.as_bytes(), b": ", value, b"\n"]));
    head
}

impl Transcript {
    /// Encodes as canonical JSON.
    pub fn encode(&self) -> String {
        let mut json = Writer::new();
        // Members are in the order of RFC 8785 §3.2.3, here and below.
        json.object(|json| {
            json.key("checkpoints").array(&self.checkpoints, |json, bytes| json.text(&base64url::encode(bytes)));
            if let Some(details) = &self.details {
                details.write(json.key("details"));
            }
            json.key("evidence").text(&base64url::encode(&self.evidence));
            if let Some(log) = &self.log {
                json.key("log").text(&base64url::encode(log));
            }
            if let Some(nonce) = &self.nonce {
                json.key("nonce").text(&base64url::encode(nonce.as_bytes()));
            }
            json.key("opening").text(&base64url::encode(self.opening.as_bytes()));
            json.key("profile").text(PROFILE);
            if let Some(receipt) = &self.receipt {
                json.key("receipt").text(&base64url::encode(receipt));
            }
            json.key("request").object(|json| {
                write_body(json.key("body"), &self.request.body);
                json.key("method").text(&self.request.method);
                json.key("target").text(&self.request.target);
            });
            json.key("response").object(|json| {
                write_body(json.key("body"), &self.response.body);
                json.key("status").number(self.response.status.into());
            });
        });
        json.finish()
    }

    /// Reads a transcript and refuses any other encoding of the same value. For any text, it uses at most twice the text's
    /// length plus 4 MiB of memory.
    pub fn decode(text: &[u8]) -> Result<Self, FormatError> {
        json::read(text, MAX_BYTES, |file| file.object(Self::of))
    }

    fn of(file: &mut Members<'_, '_>) -> Self {
        let profile = file.required("profile").text();
        if profile != PROFILE {
            file.refuse(FormatError::Profile { expected: PROFILE, actual: profile });
        }
        let opening = file.required("opening").base64("opening");
        let opening = <[u8; 32]>::try_from(opening).unwrap_or_else(|_| {
            file.refuse(FormatError::OutOfRange { field: "opening", expected: "32 bytes" });
            [0; 32]
        });
        let nonce = file.optional("nonce").map(|nonce| Nonce::new(nonce.base64("nonce")));
        let nonce = nonce.and_then(|nonce| nonce.map_err(|error| file.refuse(error)).ok());
        Self {
            request: file.required("request").object(|request| Request {
                body: body(request.required("body"), "request body"),
                method: request.required("method").text(),
                target: request.required("target").text(),
            }),
            response: file.required("response").object(|response| Response {
                body: body(response.required("body"), "response body"),
                status: response.required("status").number(u16::MAX.into()) as u16,
            }),
            receipt: file.optional("receipt").map(|receipt| receipt.base64("receipt")),
            checkpoints: file
                .required("checkpoints")
                .array(MAX_PARTS)
                .map(|bytes| bytes.base64("checkpoint"))
                .collect(),
            opening: Opening::new(opening),
            nonce,
            evidence: file.required("evidence").base64("evidence"),
            details: file.optional("details").map(|details| details.object(Details::of)),
            log: file.optional("log").map(|log| log.base64("log")),
        }
    }
}

impl Details {
    /// The details, if of a local execution.
    pub fn local(&self) -> Option<&LocalDetails> {
        match self {
            Self::Local(local) => Some(local),
            Self::Upstream(_) => None,
        }
    }

    /// Encodes as canonical JSON.
    pub fn encode(&self) -> String {
        let mut json = Writer::new();
        self.write(&mut json);
        json.finish()
    }

    /// Reads details and refuses any other encoding of the same value. Uses as little memory as [`Transcript::decode`].
    pub fn decode(text: &[u8]) -> Result<Self, FormatError> {
        json::read(text, MAX_BYTES, |details| details.object(Self::of))
    }

    fn write(&self, json: &mut Writer) {
        let tokens = |json: &mut Writer, tokens: &[u32]| json.array(tokens, |json, token| json.number((*token).into()));
        json.object(|json| match self {
            Self::Local(local) => {
                tokens(json.key("output_tokens"), &local.output_tokens);
                write_body(json.key("prompt"), &local.prompt);
                tokens(json.key("prompt_tokens"), &local.prompt_tokens);
                json.key("sampling").text(&base64url::encode(&local.sampling));
            }
            Self::Upstream(upstream) => {
                json.key("certificates").array(&upstream.certificates, |json, der| json.text(&base64url::encode(der)));
                write_body(json.key("head"), &upstream.head);
                let bodies = [("received", &upstream.received), ("sent", &upstream.sent)];
                for (name, bytes) in bodies {
                    if let Some(bytes) = bytes {
                        write_body(json.key(name), bytes);
                    }
                }
            }
        });
    }

    fn of(details: &mut Members<'_, '_>) -> Self {
        let tokens =
            |field: Field<'_, '_>| field.array(usize::MAX).map(|token| token.number(u32::MAX.into()) as u32).collect();
        match details.has("prompt") {
            true => Self::Local(LocalDetails {
                prompt: body(details.required("prompt"), "prompt"),
                prompt_tokens: tokens(details.required("prompt_tokens")),
                output_tokens: tokens(details.required("output_tokens")),
                sampling: details.required("sampling").base64("sampling"),
            }),
            false => Self::Upstream(UpstreamDetails {
                head: body(details.required("head"), "head"),
                certificates: details
                    .required("certificates")
                    .array(MAX_PARTS)
                    .map(|der| der.base64("certificate"))
                    .collect(),
                sent: details.optional("sent").map(|bytes| body(bytes, "sent body")),
                received: details.optional("received").map(|bytes| body(bytes, "received body")),
            }),
        }
    }
}

/// Writes bytes of any kind: as text if and only if they are UTF-8.
fn write_body(json: &mut Writer, bytes: &[u8]) {
    json.object(|json| match core::str::from_utf8(bytes) {
        Ok(text) => json.key("text").text(text),
        Err(_) => json.key("base64").text(&base64url::encode(bytes)),
    });
}

fn body(value: Field<'_, '_>, field: &'static str) -> Vec<u8> {
    value.object(|body| {
        if body.has("text") {
            return body.required("text").text().into_bytes();
        }
        let bytes = body.required("base64").base64(field);
        if core::str::from_utf8(&bytes).is_ok() {
            body.refuse(FormatError::NotCanonical);
        }
        bytes
    })
}

// Debug output shows sizes only, never content.

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

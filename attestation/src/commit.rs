//! Salted commitments: a published receipt reveals nothing about a short prompt (`SPEC.md` §5).

use alloc::borrow::Cow;
use alloc::format;
use core::fmt;
use core::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::cbor::Value;
use crate::{Digest, FormatError, base64url};

const SALT: &[u8] = b"quoth/salt/1\0";
const COMMIT: &[u8] = b"quoth/commit/1\0";
const DETAILS: &[u8] = b"quoth/details/1";

/// What a commitment is over. Each label has its own salt, so each part can be disclosed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The request body as received.
    Request,
    /// The response body as sent, without Quoth's records.
    Response,
    /// The text of the answer's first choice, UTF-8, so that no contract parses JSON.
    Answer,
    /// The response body up to any checkpoint of [version 1](crate::checkpoint::Version::V1).
    Prefix,
    /// The response body up to the checkpoint of this number.
    PrefixAt(u64),
    /// The rendered prompt of a local execution.
    Prompt,
    /// The prompt's token ids, four bytes each, most significant first.
    PromptTokens,
    /// The output's token ids, in the same encoding.
    OutputTokens,
    /// The sampling parameters as used.
    Sampling,
    /// Request line and header fields as forwarded to a provider, credentials redacted.
    UpstreamHead,
    /// The body as forwarded to a provider.
    UpstreamRequest,
    /// The body as received from a provider.
    UpstreamResponse,
}

impl Label {
    /// The label's bytes in salts and commitments.
    pub fn name(self) -> Cow<'static, str> {
        let name = match self {
            Self::PrefixAt(number) => return format!("prefix/{number}").into(),
            Self::Request => "request",
            Self::Response => "response",
            Self::Answer => "answer",
            Self::Prefix => "prefix",
            Self::Prompt => "prompt",
            Self::PromptTokens => "prompt-tokens",
            Self::OutputTokens => "output-tokens",
            Self::Sampling => "sampling",
            Self::UpstreamHead => "upstream-head",
            Self::UpstreamRequest => "upstream-request",
            Self::UpstreamResponse => "upstream-response",
        };
        name.into()
    }
}

/// A salted commitment to some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub Digest);

impl<'a> From<&'a Commitment> for Value<'a> {
    fn from(commitment: &'a Commitment) -> Self {
        (&commitment.0).into()
    }
}

/// 32 random bytes of one request, given to its caller only. They open every commitment of that request.
/// To disclose one commitment, hand over its [`Salt`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Opening([u8; 32]);

/// The salt of one label: opens that commitment and no other.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Salt([u8; 32]);

impl Opening {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to hand to the caller.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256(opening, "quoth/salt/1" ‖ 0x00 ‖ label).
    pub fn salt(&self, label: Label) -> Salt {
        Salt(self.mac(&[SALT, label.name().as_bytes()]))
    }

    /// The commitment to `bytes` under `label`.
    pub fn commit(&self, label: Label, bytes: &[u8]) -> Commitment {
        self.commit_digest(label, &Digest::of(bytes))
    }

    /// The commitment to bytes whose SHA-256 is `digest`.
    pub fn commit_digest(&self, label: Label, digest: &Digest) -> Commitment {
        self.salt(label).commit_digest(label, digest)
    }

    /// HMAC-SHA256(opening, "quoth/details/1"): the credential for an exchange's details.
    pub fn details_credential(&self) -> [u8; 32] {
        self.mac(&[DETAILS])
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // safe: HMAC accepts keys of any length
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl Salt {
    /// Takes a disclosed salt.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to disclose one part.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256("quoth/commit/1" ‖ 0x00 ‖ label ‖ 0x00 ‖ salt ‖ SHA-256 of the bytes).
    pub fn commit_digest(&self, label: Label, digest: &Digest) -> Commitment {
        let mut hash = Sha256::new();
        [COMMIT, label.name().as_bytes(), &[0], &self.0, &digest.0].iter().for_each(|part| hash.update(part));
        Commitment(Digest(hash.finalize().into()))
    }
}

/// Encodes token ids for a commitment: four bytes each, most significant first.
pub fn token_bytes(tokens: &[u32]) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec::Vec::with_capacity(4 * tokens.len());
    for token in tokens {
        bytes.extend_from_slice(&token.to_be_bytes());
    }
    bytes
}

/// Reads base64url without padding, the form in the header `quoth-opening`.
impl FromStr for Opening {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let bytes = base64url::decode(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(FormatError::WrongType { field: "opening", expected: "32 bytes in base64url" })
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening(..)")
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_read_as_headers_carry_them() {
        let opening = Opening([0xfb; 32]);
        assert_eq!(base64url::encode(&opening.0).parse(), Ok(opening));
        for wrong in ["", &"A".repeat(42), &"A".repeat(44), &"A".repeat(86)] {
            assert!(wrong.parse::<Opening>().is_err(), "{wrong}");
        }
    }
}

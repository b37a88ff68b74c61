//! The evidence bundle: a statement, its quote and all that an offline verifier needs (`SPEC.md` §4).

use alloc::vec::Vec;

use crate::binding::Nonce;
use crate::bounded::{Blob, List};
use crate::cbor::{self, Field, Map, Value};
use crate::statement;
use crate::{Digest, FormatError};

/// The profile of a bundle.
pub const PROFILE: &str = "tag:quoth.dev,2026:evidence:1";
/// The media type of an encoded bundle.
pub const MEDIA_TYPE: &str = "application/vnd.quoth.evidence+cbor";
/// Maximum bytes in an encoded bundle.
pub const MAX_BYTES: usize = 256 * 1024;
/// Maximum bytes in a quote.
pub const MAX_QUOTE: usize = 16 * 1024;
/// Maximum number of certificates in a bundle.
pub const MAX_CERTIFICATES: usize = 8;
/// Maximum bytes in one certificate.
pub const MAX_CERTIFICATE: usize = 8 * 1024;
/// Maximum number of revocation lists in a bundle.
pub const MAX_CRLS: usize = 4;
/// Maximum bytes in one revocation list.
pub const MAX_CRL: usize = 32 * 1024;

/// An encoded statement.
pub type Encoded = Blob<1, { statement::MAX_BYTES }>;
/// The bytes that a platform signed.
pub type Quote = Blob<1, MAX_QUOTE>;
/// Certificates in DER.
pub type Certificates = List<Blob<1, MAX_CERTIFICATE>, MAX_CERTIFICATES>;
/// Revocation lists in DER.
pub type Crls = List<Blob<1, MAX_CRL>, MAX_CRLS>;

/// A statement, its quote and endorsements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The encoded [`Statement`](crate::statement::Statement), byte for byte.
    pub statement: Encoded,
    /// The platform's signature over the binding of the statement and `nonce`: a Nitro attestation document,
    /// an SNP report, or on platform `none` a [`Possession`](crate::cose::Possession).
    pub quote: Quote,
    /// The nonce in the request for the quote.
    pub nonce: Option<Nonce>,
    /// Endorsing certificates beside the quote, DER. For SNP: VCEK or VLEK, then ASK or ASVK, then ARK.
    pub certificates: Certificates,
    /// Certificate revocation lists (RFC 5280 §5), DER.
    pub crls: Crls,
}

impl Evidence {
    /// SHA-256 of the statement.
    pub fn statement_digest(&self) -> Digest {
        Digest::of(&self.statement)
    }

    /// Encodes as deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let map = Map::new()
            .with(1, PROFILE)
            .with(2, &self.statement)
            .with(3, &self.quote)
            .with_some(4, self.nonce.as_ref().map(|nonce| nonce.as_bytes()))
            .with(5, Value::Array(self.certificates.iter().map(Value::from).collect()))
            .with(6, Value::Array(self.crls.iter().map(Value::from).collect()));
        cbor::encode(&map.build())
    }

    /// Decodes a bundle. The statement stays encoded: decode it with
    /// [`Statement::decode`](crate::statement::Statement::decode).
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, MAX_BYTES, "evidence", |fields| {
            fields.required(1, "evidence profile").profile(PROFILE);
            Self {
                statement: fields.required(2, "statement").blob(),
                quote: fields.required(3, "quote").blob(),
                nonce: fields.optional(4, "nonce").map(Nonce::of),
                certificates: fields.required(5, "certificates").list(Field::blob),
                crls: fields.required(6, "crls").list(Field::blob),
            }
        })
    }
}

//! The evidence bundle: statement, quote and everything an offline verifier needs to judge them (`SPEC.md` §4).

use alloc::vec::Vec;

use crate::binding::Nonce;
use crate::cbor::{self, Field, Map, Value};
use crate::statement;
use crate::{Digest, FormatError};

/// The profile that a bundle carries.
pub const PROFILE: &str = "tag:quoth.dev,2026:evidence:1";
/// The media type of an encoded bundle.
pub const MEDIA_TYPE: &str = "application/vnd.quoth.evidence+cbor";
/// An encoded bundle, bytes, at most.
pub const MAX_BYTES: usize = 256 * 1024;
/// A quote, bytes, at most.
pub const MAX_QUOTE: usize = 16 * 1024;
/// Certificates in a bundle, at most.
pub const MAX_CERTIFICATES: usize = 8;
/// One certificate, bytes, at most.
pub const MAX_CERTIFICATE: usize = 8 * 1024;
/// Revocation lists in a bundle, at most.
pub const MAX_CRLS: usize = 4;
/// One revocation list, bytes, at most.
pub const MAX_CRL: usize = 32 * 1024;

/// Statement, quote, endorsements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The encoded [`Statement`](crate::statement::Statement), byte for byte.
    pub statement: Vec<u8>,
    /// What the platform signed over the binding of the statement and `nonce`: a Nitro attestation document,
    /// an SNP report, or on platform `none` a [`Possession`](crate::cose::Possession).
    pub quote: Vec<u8>,
    /// The nonce that the quote was asked for with.
    pub nonce: Option<Nonce>,
    /// Endorsing certificates beside the quote, DER: for SNP VCEK or VLEK, then ASK or ASVK, then ARK.
    pub certificates: Vec<Vec<u8>>,
    /// Certificate revocation lists (RFC 5280 §5), DER.
    pub crls: Vec<Vec<u8>>,
}

impl Evidence {
    /// SHA-256 of the statement.
    pub fn statement_digest(&self) -> Digest {
        Digest::of(&self.statement)
    }

    /// Deterministic CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let [certificates, crls] =
            [&self.certificates, &self.crls].map(|items| Value::Array(items.iter().map(Value::from).collect()));
        let map = Map::new()
            .with(1, PROFILE)
            .with(2, &self.statement)
            .with(3, &self.quote)
            .with_some(4, self.nonce.as_ref().map(|nonce| nonce.as_bytes()))
            .with(5, certificates)
            .with(6, crls);
        cbor::encode(&map.build())
    }

    /// Decodes a bundle. The statement inside stays bytes: decode it with
    /// [`Statement::decode`](crate::statement::Statement::decode).
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        cbor::read(bytes, MAX_BYTES, "evidence", |fields| {
            fields.required(1, "evidence profile").profile(PROFILE);
            Self {
                statement: fields.required(2, "statement").bytes((1, statement::MAX_BYTES)),
                quote: fields.required(3, "quote").bytes((1, MAX_QUOTE)),
                nonce: fields.optional(4, "nonce").map(Nonce::of),
                certificates: blobs(fields.required(5, "certificates"), MAX_CERTIFICATES, MAX_CERTIFICATE),
                crls: blobs(fields.required(6, "crls"), MAX_CRLS, MAX_CRL),
            }
        })
    }
}

fn blobs(field: Field<'_>, count: usize, size: usize) -> Vec<Vec<u8>> {
    field.list(count).map(|item| item.bytes((1, size))).collect()
}

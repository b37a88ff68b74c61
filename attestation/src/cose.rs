//! The signed envelope: a tagged COSE_Sign1 (RFC 9052 §4.2) whose protected header is exactly
//! {alg: Ed25519 (RFC 9864), kid, typ (RFC 9596)} and whose unprotected header is empty (`SPEC.md` §6).
//!
//! No key and no signature algorithm lives here: signing is the caller's closure, and verifying is up to whoever
//! takes [`Signed::to_be_signed`] and [`Signed::signature`].

use alloc::string::ToString;
use alloc::vec::Vec;

use coset::{AsCborValue, CborSerializable, CoseSign1, CoseSign1Builder, Header, HeaderBuilder, Label, iana};

use crate::{Digest, FormatError, cbor};

/// The head of CBOR tag 18.
const TAG: u8 = 0xd2;
/// The `typ` header parameter (RFC 9596 §2).
const TYP: i64 = 16;
/// What the envelope adds to a payload, bytes, at most.
const OVERHEAD: usize = 256;

/// The first 8 bytes of SHA-256 of the raw Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// The id of `key`.
    pub fn of(key: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Digest::of(key).0[..8]);
        Self(id)
    }
}

/// A payload that a receipt key signs. The type name in the protected header keeps the kinds apart.
pub trait Payload: Sized {
    /// The `typ` header.
    const TYP: &'static str;
    /// An encoded payload, bytes, at most.
    const MAX_BYTES: usize;
    /// The payload's only encoding.
    fn encode(&self) -> Vec<u8>;
    /// The strict reverse.
    fn decode(bytes: &[u8]) -> Result<Self, FormatError>;
}

/// A decoded envelope, its signature **not yet verified**.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    claims: T,
    key_id: KeyId,
    digest: Digest,
    to_be_signed: Vec<u8>,
    signature: [u8; 64],
    bytes: Vec<u8>,
}

impl<T: Payload> Signed<T> {
    /// Signs `claims`: `sign` gets the Sig_structure (RFC 9052 §4.4) and returns a raw Ed25519 signature.
    pub fn sign(claims: T, key_id: KeyId, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Self {
        let payload = claims.encode();
        let digest = Digest::of(&payload);
        let unsigned = CoseSign1Builder::new().protected(header::<T>(key_id)).payload(payload).build();
        let to_be_signed = unsigned.tbs_data(&[]);
        let signature = sign(&to_be_signed);
        let bytes = tagged(CoseSign1 { signature: signature.to_vec(), ..unsigned });
        Self { claims, key_id, digest, to_be_signed, signature, bytes }
    }

    /// Reads an envelope strictly; verifies no signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let untagged = match bytes.split_first() {
            Some((&TAG, rest)) => rest,
            _ => return Err(FormatError::NotSign1),
        };
        let value = cbor::decode(untagged, T::MAX_BYTES + OVERHEAD)?;
        let mut sign1 = CoseSign1::from_cbor_value(value).map_err(|_| FormatError::NotSign1)?;
        let payload = sign1.payload.as_deref().ok_or(FormatError::Missing { field: "payload" })?;
        let claims = T::decode(payload)?;
        let digest = Digest::of(payload);
        let key_id = check_header::<T>(&sign1)?;
        // Rebuilt from typed parts, so that one header has one encoding.
        sign1.protected.original_data = None;
        let signature = <[u8; 64]>::try_from(&sign1.signature[..])
            .map_err(|_| FormatError::OutOfRange { field: "signature", expected: "64 bytes" })?;
        let to_be_signed = sign1.tbs_data(&[]);
        let canonical = tagged(sign1);
        if canonical != bytes {
            return Err(FormatError::NotCanonical);
        }
        Ok(Self { claims, key_id, digest, to_be_signed, signature, bytes: canonical })
    }

    /// What is claimed; believe it after verifying the signature.
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// Which key signed.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// SHA-256 of the payload: what the next link of a chain points to.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes under the signature.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// Raw Ed25519 signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The whole envelope.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// On platform `none` only: the receipt key signs the node binding, which proves possession of the key that the
/// verifier was given and so authenticates the rest of the statement, the TLS key above all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possession {
    /// [`node_binding`](crate::binding::node_binding) of the statement and the nonce.
    pub binding: [u8; 64],
}

impl Payload for Possession {
    const TYP: &'static str = "application/vnd.quoth.possession";
    const MAX_BYTES: usize = 64;

    fn encode(&self) -> Vec<u8> {
        self.binding.to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let binding = <[u8; 64]>::try_from(bytes)
            .map_err(|_| FormatError::OutOfRange { field: "binding", expected: "64 bytes" })?;
        Ok(Self { binding })
    }
}

fn header<T: Payload>(key_id: KeyId) -> Header {
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::Ed25519)
        .key_id(key_id.0.to_vec())
        .value(TYP, T::TYP.to_string().into())
        .build()
}

fn check_header<T: Payload>(sign1: &CoseSign1) -> Result<KeyId, FormatError> {
    let found = &sign1.protected.header;
    let wrong = |parameter| Err(FormatError::CoseHeader { parameter });
    if found.alg != Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::Ed25519)) {
        return wrong("alg");
    }
    let Ok(key_id) = <[u8; 8]>::try_from(&found.key_id[..]) else {
        return wrong("kid");
    };
    let typ = Label::Int(TYP);
    if !found.rest.iter().any(|(label, value)| *label == typ && value.as_text() == Some(T::TYP)) {
        return wrong("typ");
    }
    if *found != header::<T>(KeyId(key_id)) || !sign1.unprotected.is_empty() {
        return wrong("other");
    }
    Ok(KeyId(key_id))
}

fn tagged(sign1: CoseSign1) -> Vec<u8> {
    let mut bytes = alloc::vec![TAG];
    // safe: every part is made of byte strings and integers, which always encode
    bytes.extend(sign1.to_vec().expect("a COSE_Sign1 of plain parts encodes"));
    bytes
}

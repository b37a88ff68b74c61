//! The signed envelope: a tagged COSE_Sign1 (RFC 9052 §4.2) whose protected header is exactly
//! {alg: Ed25519 (RFC 9864), kid, typ (RFC 9596)} and whose unprotected header is empty (`SPEC.md` §6).
//!
//! This module has no keys and no signature algorithm: the caller's closure signs, and verifiers take
//! [`Signed::to_be_signed`] and [`Signed::signature`].

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::cbor::{self, Value, Writer};
use crate::{Digest, FormatError};

/// The CBOR tag of COSE_Sign1 (RFC 9052 §2).
const TAG: u64 = 18;
/// The encoded head of that tag.
const TAGGED: u8 = 0xd2;
/// The `alg` and `kid` header parameters (RFC 9052 §3.1), and `typ` (RFC 9596 §2).
const ALG: i64 = 1;
const KID: i64 = 4;
const TYP: i64 = 16;
/// The algorithm Ed25519 (RFC 9864 §2.2).
const ED25519: i64 = -19;
/// Maximum number of bytes that the envelope adds to a payload.
pub const OVERHEAD: usize = 256;

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

/// A payload that a node's receipt key or its operator's key signs. The type name in the protected header keeps the kinds
/// apart.
pub trait Payload: Sized {
    /// The `typ` header.
    const TYP: &'static str;
    /// Maximum bytes in an encoded payload.
    const MAX_BYTES: usize;
    /// The payload's only encoding, which [`decode`](Self::decode) reads.
    fn encode(&self) -> Vec<u8>;
    /// Reads only that encoding.
    fn decode(bytes: &[u8]) -> Result<Self, FormatError>;
}

/// A decoded envelope, its signature **not yet verified**.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    claims: T,
    envelope: Envelope,
}

/// An envelope without its typed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Envelope {
    key_id: KeyId,
    digest: Digest,
    to_be_signed: Vec<u8>,
    signature: [u8; 64],
    bytes: Vec<u8>,
}

impl<T: Payload> Signed<T> {
    /// Signs `claims`: `sign` gets the Sig_structure (RFC 9052 §4.4) and returns a raw Ed25519 signature.
    ///
    /// # Errors
    /// [`FormatError::TooLong`] if the payload is longer than its format allows; `sign` is then not called.
    pub fn sign(claims: T, key_id: KeyId, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Self, FormatError> {
        let payload = claims.encode();
        if payload.len() > T::MAX_BYTES {
            return Err(FormatError::TooLong { limit: T::MAX_BYTES, actual: payload.len() });
        }
        debug_assert!(
            T::decode(&payload).is_ok_and(|decoded| decoded.encode() == payload),
            "{} does not decode",
            T::TYP
        );
        let digest = Digest::of(&payload);
        let protected = protected(key_id, T::TYP);
        let to_be_signed = to_be_signed(&protected, &payload);
        let signature = sign(&to_be_signed);
        let bytes = tagged(&protected, &payload, &signature);
        Ok(Self { claims, envelope: Envelope { key_id, digest, to_be_signed, signature, bytes } })
    }

    /// Reads an envelope strictly. Does not verify the signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let parts = Parts::read(bytes, T::MAX_BYTES)?;
        let claims = T::decode(&parts.payload)?;
        Ok(Self { claims, envelope: parts.envelope(T::TYP, bytes)? })
    }

    /// The claims. Do not trust them before you verify the signature.
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// The id of the key that signed.
    pub fn key_id(&self) -> KeyId {
        self.envelope.key_id
    }

    /// SHA-256 of the payload, which the next link of a chain names.
    pub fn digest(&self) -> Digest {
        self.envelope.digest
    }

    /// The signed bytes.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.envelope.to_be_signed
    }

    /// The raw Ed25519 signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.envelope.signature
    }

    /// The whole envelope.
    pub fn bytes(&self) -> &[u8] {
        &self.envelope.bytes
    }
}

/// The quote of platform `none`: the receipt key signs the node binding. This proves possession of the key that the
/// verifier was given, and so authenticates the rest of the statement, above all the TLS key.
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

struct Parts<'a> {
    protected: Cow<'a, [u8]>,
    unprotected: Vec<(Value<'a>, Value<'a>)>,
    payload: Cow<'a, [u8]>,
    signature: Cow<'a, [u8]>,
}

impl<'a> Parts<'a> {
    /// Reads an envelope whose payload has at most `limit` bytes.
    fn read(bytes: &'a [u8], limit: usize) -> Result<Self, FormatError> {
        let untagged = match bytes.split_first() {
            Some((&TAGGED, rest)) => rest,
            _ => return Err(FormatError::NotSign1),
        };
        let Value::Array(parts) = cbor::decode(untagged, limit + OVERHEAD)? else {
            return Err(FormatError::NotSign1);
        };
        match <[Value<'_>; 4]>::try_from(parts) {
            Ok([Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)]) => {
                Ok(Self { protected, unprotected, payload, signature })
            }
            _ => Err(FormatError::NotSign1),
        }
    }

    /// Checks all parts around a payload that was read. `bytes` is the whole envelope.
    fn envelope(&self, typ: &'static str, bytes: &[u8]) -> Result<Envelope, FormatError> {
        let key_id = key_id(&self.protected, typ)?;
        let signature = self.signature()?;
        // Each envelope has one encoding: encoded again, it must give the same bytes.
        let canonical = tagged(&self.protected, &self.payload, &signature);
        if canonical != bytes {
            return Err(FormatError::NotCanonical);
        }
        let to_be_signed = to_be_signed(&self.protected, &self.payload);
        Ok(Envelope { key_id, digest: Digest::of(&self.payload), to_be_signed, signature, bytes: canonical })
    }

    fn signature(&self) -> Result<[u8; 64], FormatError> {
        if !self.unprotected.is_empty() {
            return Err(FormatError::CoseHeader { parameter: "other" });
        }
        <[u8; 64]>::try_from(&self.signature[..])
            .map_err(|_| FormatError::OutOfRange { field: "signature", expected: "64 bytes" })
    }
}

/// The protected header: {alg, kid, typ} and nothing else.
fn protected(key_id: KeyId, typ: &str) -> Vec<u8> {
    let labels = [ALG, KID, TYP].map(Value::from);
    let header = Writer::new().map(3).value(&labels[0]).value(&ED25519.into()).value(&labels[1]).bytes(&key_id.0);
    header.value(&labels[2]).text(typ).finish()
}

/// Reads a protected header. It must equal what [`protected`] writes, except for the key id.
fn key_id(bytes: &[u8], typ: &'static str) -> Result<KeyId, FormatError> {
    let Value::Map(header) = cbor::decode(bytes, OVERHEAD)? else {
        return Err(FormatError::WrongType { field: "protected header", expected: "a map" });
    };
    let parameter = |label: i64| {
        let label = Value::from(label);
        header.iter().find(|(found, _)| *found == label).map(|(_, value)| value)
    };
    let wrong = |parameter| Err(FormatError::CoseHeader { parameter });
    if parameter(ALG) != Some(&ED25519.into()) {
        return wrong("alg");
    }
    if parameter(TYP) != Some(&typ.into()) {
        return wrong("typ");
    }
    let key_id = match parameter(KID) {
        Some(Value::Bytes(id)) => <[u8; 8]>::try_from(&id[..]).ok(),
        _ => None,
    };
    match key_id {
        None => wrong("kid"),
        Some(_) if header.len() > 3 => wrong("other"),
        Some(id) => Ok(KeyId(id)),
    }
}

/// The Sig_structure (RFC 9052 §4.4), without external data.
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    Writer::new().array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload).finish()
}

fn tagged(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    Writer::new().tag(TAG).array(4).bytes(protected).map(0).bytes(payload).bytes(signature).finish()
}

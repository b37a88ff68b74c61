//! Reads the signature of an image (aws-nitro-enclaves-image-format, `PcrSignature`).
//!
//! The section is a CBOR list of maps. Each map has a certificate in PEM and a COSE_Sign1 of its key (RFC 9052 §4.2, ES384) over
//! the number and the value of a register. The hardware checks the first one, over PCR0, and computes PCR8 from its certificate.

use ciborium::Value;
use coset::{CborSerializable as _, CoseSign1, TaggedCborSerializable as _, iana};
use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use quoth_attestation::Digest;
use quoth_attestation::measurement::{Pcr, pcr};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

// Keys of the maps in the list and in the signed payload.
pub(super) const CERTIFICATE: &str = "signing_certificate";
pub(super) const SIGNATURE: &str = "signature";
pub(super) const INDEX: &str = "register_index";
pub(super) const VALUE: &str = "register_value";
/// Maximum nesting of the CBOR.
const DEPTH: usize = 8;

/// The signer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate's subject.
    pub subject: String,
    /// SHA-256 of the certificate, DER.
    pub certificate: Digest,
    /// The measurement of the certificate.
    pub pcr8: Pcr,
    /// Whether the certificate's key made the signature, over this image.
    pub right: bool,
}

/// The needed parts of a certificate.
pub(super) struct Signer {
    pub(super) der: Vec<u8>,
    subject: String,
    pub(super) key: VerifyingKey,
}

impl Signed {
    /// Reads a section. The error says why it is not a signature. Uses only the first signature, as the hardware does.
    pub(super) fn read(section: &[u8], pcr0: &Pcr) -> Result<Self, &'static str> {
        let list = ciborium::de::from_reader_with_recursion_limit::<Value, _>(section, DEPTH).ok();
        let list = list.and_then(|value| value.into_array().ok()).ok_or("not a list in CBOR")?;
        let first = list.into_iter().next().ok_or("an empty list")?;
        let mut first = first.into_map().map_err(|_| "not a map in CBOR")?;
        let pem = bytes(take(&mut first, CERTIFICATE)).ok_or("no certificate")?;
        let envelope = bytes(take(&mut first, SIGNATURE)).ok_or("no signature")?;
        let signer = Signer::from_pem(&pem)?;
        let right = is_right(&envelope, &signer.key, pcr0).ok_or("not a COSE_Sign1")?;
        Ok(Self { subject: signer.subject, certificate: Digest::of(&signer.der), pcr8: pcr(&[&signer.der]), right })
    }
}

impl Signer {
    /// Reads a certificate. The error says why it cannot sign an image.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, &'static str> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| "not a certificate in PEM")?.to_vec();
        let tbs = Certificate::from_der(&der).map_err(|_| "not an X.509 certificate")?.tbs_certificate;
        let key = tbs.subject_public_key_info.subject_public_key.raw_bytes();
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| "the certificate's key is not on P-384")?;
        Ok(Self { der, subject: tbs.subject.to_string(), key })
    }
}

/// Returns whether an envelope signs the register. Returns `None` if it is not an envelope.
fn is_right(envelope: &[u8], key: &VerifyingKey, pcr0: &Pcr) -> Option<bool> {
    let envelope = CoseSign1::from_slice(envelope).or_else(|_| CoseSign1::from_tagged_slice(envelope)).ok()?;
    let algorithm = coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES384);
    let signed = envelope.payload.as_deref().and_then(register);
    let holds = |signature: &[u8], told: &[u8]| {
        Signature::from_slice(signature).is_ok_and(|signature| key.verify(told, &signature).is_ok())
    };
    Some(
        envelope.protected.header.alg == Some(algorithm)
            && signed.is_some_and(|(index, value)| index == 0 && value == pcr0)
            && envelope
                .verify_signature(b"", |signature, told| if holds(signature, told) { Ok(()) } else { Err(()) })
                .is_ok(),
    )
}

/// Reads a register's number and value.
fn register(payload: &[u8]) -> Option<(u8, Vec<u8>)> {
    let value = ciborium::de::from_reader_with_recursion_limit::<Value, _>(payload, DEPTH).ok()?;
    let mut map = value.into_map().ok()?;
    let index = take(&mut map, INDEX)?.into_integer().ok()?;
    Some((u8::try_from(index).ok()?, bytes(take(&mut map, VALUE))?))
}

fn take(map: &mut Vec<(Value, Value)>, name: &str) -> Option<Value> {
    let at = map.iter().position(|(key, _)| key.as_text() == Some(name))?;
    Some(map.swap_remove(at).1)
}

/// Reads bytes. AWS's tools write them as a list of numbers.
fn bytes(value: Option<Value>) -> Option<Vec<u8>> {
    match value? {
        Value::Bytes(bytes) => Some(bytes),
        Value::Array(numbers) => {
            numbers.into_iter().map(|number| number.into_integer().ok()?.try_into().ok()).collect()
        }
        _ => None,
    }
}

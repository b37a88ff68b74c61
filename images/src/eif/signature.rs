//! Who signed an image (aws-nitro-enclaves-image-format, `PcrSignature`): a list in CBOR of maps, each with a certificate in PEM and a
//! COSE_Sign1 by its key (RFC 9052 §4.2, ES384) over a register's number and value. The hardware checks the first, over PCR0, and has
//! PCR8 from its certificate.

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

/// What the list's maps, and what is signed, are made of.
pub(super) const CERTIFICATE: &str = "signing_certificate";
pub(super) const SIGNATURE: &str = "signature";
pub(super) const INDEX: &str = "register_index";
pub(super) const VALUE: &str = "register_value";
/// Nesting of what is read, at most.
const DEPTH: usize = 8;

/// The signer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Whom the certificate names.
    pub subject: String,
    /// SHA-256 of the certificate, DER.
    pub certificate: Digest,
    /// What the certificate measures to.
    pub pcr8: Pcr,
    /// Whether the signature is the certificate's, over this image.
    pub right: bool,
}

/// A certificate, as far as it matters here.
pub(super) struct Signer {
    pub(super) der: Vec<u8>,
    subject: String,
    pub(super) key: VerifyingKey,
}

impl Signed {
    /// Reads a section; says why it is none. Of several signatures the first counts, as for the hardware.
    pub(super) fn read(section: &[u8], pcr0: &Pcr) -> Result<Self, &'static str> {
        let list = ciborium::de::from_reader_with_recursion_limit::<Value, _>(section, DEPTH).ok();
        let list = list.and_then(|value| value.into_array().ok()).ok_or("no list in CBOR")?;
        let first = list.into_iter().next().ok_or("an empty list")?;
        let mut first = first.into_map().map_err(|_| "no map in CBOR")?;
        let pem = bytes(take(&mut first, CERTIFICATE)).ok_or("no certificate")?;
        let envelope = bytes(take(&mut first, SIGNATURE)).ok_or("no signature")?;
        let signer = Signer::from_pem(&pem)?;
        let right = is_right(&envelope, &signer.key, pcr0).ok_or("no COSE_Sign1")?;
        Ok(Self { subject: signer.subject, certificate: Digest::of(&signer.der), pcr8: pcr(&[&signer.der]), right })
    }
}

impl Signer {
    /// Reads a certificate; says why it cannot sign an image.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, &'static str> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| "no certificate in PEM")?.to_vec();
        let tbs = Certificate::from_der(&der).map_err(|_| "no X.509 certificate")?.tbs_certificate;
        let key = tbs.subject_public_key_info.subject_public_key.raw_bytes();
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| "the certificate's key is not of P-384")?;
        Ok(Self { der, subject: tbs.subject.to_string(), key })
    }
}

/// Whether an envelope signs the register; none when it is no envelope.
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

/// A register's number and value.
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

/// AWS's tools write bytes as a list of numbers.
fn bytes(value: Option<Value>) -> Option<Vec<u8>> {
    match value? {
        Value::Bytes(bytes) => Some(bytes),
        Value::Array(numbers) => {
            numbers.into_iter().map(|number| number.into_integer().ok()?.try_into().ok()).collect()
        }
        _ => None,
    }
}

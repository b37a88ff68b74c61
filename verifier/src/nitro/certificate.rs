//! What Nitro's certificates have beyond those of others: ECDSA over P-384 with SHA-384 and nothing else.

use hex_literal::hex;

use crate::crypto::{P384Signature, SignatureCheck};
use crate::signatures::Prechecked;
use crate::x509::{BasicConstraints, Certificate, KeyUsage};

/// ecdsa-with-SHA384 (RFC 5758 §3.2), AlgorithmIdentifier, DER.
const ECDSA_WITH_SHA384: &[u8] = &hex!("300a06082a8648ce3d040303");

/// The one algorithm for its signature, and a key for it.
pub(super) fn check_algorithm(certificate: &Certificate<'_>) -> Result<(), &'static str> {
    match certificate.signed.algorithm == ECDSA_WITH_SHA384 {
        true => certificate.p384_key().map(|_| ()).ok_or("public key"),
        false => Err("signature algorithm"),
    }
}

/// Whether `issuer` has signed it.
pub(super) fn is_signed_by(
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> bool {
    prechecked.issued(issuer, &certificate.signed, || signature_check(certificate, issuer))
}

/// That `issuer` has signed it; none without a key for it, or where the signature is none.
pub(super) fn signature_check<'a>(
    certificate: &'a Certificate<'_>,
    issuer: &'a Certificate<'_>,
) -> Option<SignatureCheck<'a>> {
    let signed = &certificate.signed;
    let signature = P384Signature::of_der(signed.signature)?;
    Some(SignatureCheck::P384 { signature, key: issuer.p384_key()?, message: signed.body })
}

/// May sign documents, and no certificates.
pub(super) fn check_leaf(certificate: &Certificate<'_>) -> Result<(), &'static str> {
    match (certificate.constraints, certificate.usage) {
        (Some(BasicConstraints { ca: true, .. }), _) => Err("is an authority, where a leaf must be"),
        (Some(BasicConstraints { path_length: Some(_), .. }), _) => Err("has a path length, as no leaf has"),
        (_, Some(KeyUsage { key_cert_sign: true, .. })) => Err("may sign certificates, as no leaf may"),
        (_, Some(KeyUsage { digital_signature: true, .. })) => Ok(()),
        _ => Err("may not sign documents"),
    }
}

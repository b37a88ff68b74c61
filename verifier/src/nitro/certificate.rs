//! Nitro's own rules for certificates: ECDSA over P-384 with SHA-384 only.

use hex_literal::hex;

use crate::crypto::{P384Signature, SignatureCheck};
use crate::signatures::Prechecked;
use crate::x509::{BasicConstraints, Certificate, KeyUsage};

/// ecdsa-with-SHA384 (RFC 5758 §3.2), AlgorithmIdentifier, DER.
const ECDSA_WITH_SHA384: &[u8] = &hex!("300a06082a8648ce3d040303");

/// Checks the signature's algorithm and the key.
pub(super) fn check_algorithm(certificate: &Certificate<'_>) -> Result<(), &'static str> {
    match certificate.signed.algorithm == ECDSA_WITH_SHA384 {
        true => certificate.p384_key().map(|_| ()).ok_or("public key"),
        false => Err("signature algorithm"),
    }
}

/// True if `issuer` signed the certificate.
pub(super) fn is_signed_by(
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> bool {
    prechecked.issued(issuer, &certificate.signed, || signature_check(certificate, issuer))
}

/// The check that `issuer` signed it; `None` without a P-384 key or with a malformed signature.
pub(super) fn signature_check<'a>(
    certificate: &'a Certificate<'_>,
    issuer: &'a Certificate<'_>,
) -> Option<SignatureCheck<'a>> {
    let signed = &certificate.signed;
    let signature = P384Signature::of_der(signed.signature)?;
    Some(SignatureCheck::P384 { signature, key: issuer.p384_key()?, message: signed.body })
}

/// Checks that it may sign documents only.
pub(super) fn check_leaf(certificate: &Certificate<'_>) -> Result<(), &'static str> {
    match (certificate.constraints, certificate.usage) {
        (Some(BasicConstraints { ca: true, .. }), _) => Err("is an authority, but must be a leaf"),
        (Some(BasicConstraints { path_length: Some(_), .. }), _) => Err("must not have a path length"),
        (_, Some(KeyUsage { key_cert_sign: true, .. })) => Err("may sign certificates, which a leaf must not do"),
        (_, Some(KeyUsage { digital_signature: true, .. })) => Ok(()),
        _ => Err("may not sign documents"),
    }
}

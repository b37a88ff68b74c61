//! What Nitro's certificates have beyond those of others: ECDSA over P-384 with SHA-384 and nothing else.

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::BasicConstraints;

use crate::crypto::{P384Key, P384Signature};
use crate::x509::Certificate;

const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// The one algorithm for its signature, and a key for it.
pub(super) fn check_algorithm(certificate: &Certificate) -> Result<(), &'static str> {
    let algorithm = certificate.x509.signature_algorithm();
    if algorithm.oid != ECDSA_WITH_SHA384 || algorithm.parameters.is_some() {
        return Err("signature algorithm");
    }
    certificate.p384_key().map(|_| ()).ok_or("public key")
}

/// Whether `key` has signed it.
pub(super) fn is_signed_by(certificate: &Certificate, key: &P384Key) -> bool {
    let signature = certificate.signature().and_then(P384Signature::of_der);
    signature.is_some_and(|signature| key.verifies(certificate.signed(), &signature))
}

/// May sign documents, and no certificates.
pub(super) fn check_leaf(certificate: &Certificate) -> Result<(), &'static str> {
    match (&certificate.constraints, &certificate.usage) {
        (Some(BasicConstraints { ca: true, .. }), _) => Err("is an authority, where a leaf must be"),
        (Some(BasicConstraints { path_len_constraint: Some(_), .. }), _) => Err("has a path length, as no leaf has"),
        (_, Some(usage)) if usage.key_cert_sign() => Err("may sign certificates, as no leaf may"),
        (_, Some(usage)) if usage.digital_signature() => Ok(()),
        _ => Err("may not sign documents"),
    }
}

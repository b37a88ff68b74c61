//! AMD's RSASSA-PSS: 4096 bits, SHA-384, MGF1 with SHA-384, a salt of 48 bytes (RFC 4055 §3.1).

use hex_literal::hex;

use crate::crypto::SignatureCheck;
use crate::signatures::Prechecked;
use crate::x509::{Certificate, Signed};

/// AlgorithmIdentifier, DER. Some of AMD's certificates write the default trailer field out, others omit it.
const PSS: [&[u8]; 2] = [
    &hex!(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d"
        "06096086480165030402020500a203020130"
    ),
    &hex!(
        "304606092a864886f70d01010a3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d"
        "06096086480165030402020500a203020130a303020101"
    ),
];

/// True if this AlgorithmIdentifier is RSASSA-PSS with exactly these parameters.
pub(super) fn is_pss(algorithm: &[u8]) -> bool {
    PSS.contains(&algorithm)
}

/// True if `issuer` signed it with an RSA key of 4096 bits.
pub(super) fn is_signed_by(issuer: &Certificate<'_>, signed: &Signed<'_>, prechecked: &Prechecked<'_>) -> bool {
    prechecked.issued(issuer, signed, || signature_check(issuer, signed))
}

/// The check that `issuer` signed it; `None` without an RSA key of 4096 bits.
pub(super) fn signature_check<'a>(issuer: &'a Certificate<'_>, signed: &'a Signed<'_>) -> Option<SignatureCheck<'a>> {
    let Signed { signature, body: message, .. } = *signed;
    issuer.rsa_key().map(|key| SignatureCheck::Rsa { signature, key, message })
}

//! RSASSA-PSS as AMD signs with it: 4096 bits, SHA-384, MGF1 with SHA-384, a salt of 48 bytes (RFC 4055 §3.1).

use x509_cert::der::Encode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::x509::Certificate;

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// The parameters, DER. AMD writes the default trailer field out in some certificates and leaves it away in others.
const PARAMETERS: [&str; 2] = [
    "3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130",
    "3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130a303020101",
];

/// Whether this is the one algorithm, with the one set of parameters.
pub(super) fn is_pss(algorithm: &AlgorithmIdentifierOwned) -> bool {
    let parameters = algorithm.parameters.as_ref().and_then(|parameters| parameters.to_der().ok());
    algorithm.oid == RSASSA_PSS && parameters.is_some_and(|der| PARAMETERS.contains(&hex::encode(der).as_str()))
}

/// Whether `issuer`'s key has signed.
pub(super) fn is_signed_by(issuer: &Certificate, signed: &[u8], signature: Option<&[u8]>) -> bool {
    matches!((issuer.rsa_key(), signature), (Some(key), Some(signature)) if key.verifies(signed, signature))
}

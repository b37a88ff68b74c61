//! RSASSA-PSS as AMD signs with it: 4096 bits, SHA-384, MGF1 with SHA-384, a salt of 48 bytes (RFC 4055 §3.1).

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Encode, Tag, Tagged};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::crypto::RsaKey;
use crate::x509::Certificate;

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// The parameters, DER. AMD writes the default trailer field out in some certificates and leaves it away in others.
const PARAMETERS: [&str; 2] = [
    "3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130",
    "3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130a303020101",
];
const BITS: usize = 4096;

/// A key that signs certificates and revocation lists.
pub(super) struct Key(RsaKey);

impl Key {
    /// The key of a certificate; none when it is not of AMD's kind.
    pub(super) fn of(certificate: &Certificate) -> Option<Self> {
        let info = certificate.x509.tbs_certificate().subject_public_key_info();
        let parameters = info.algorithm.parameters.as_ref()?;
        if info.algorithm.oid != RSA_ENCRYPTION || AnyRef::from(parameters).tag() != Tag::Null {
            return None;
        }
        RsaKey::read(info.subject_public_key.as_bytes()?, BITS).map(Self)
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: Option<&[u8]>) -> bool {
        signature.is_some_and(|signature| self.0.verifies(signed, signature))
    }
}

/// Whether this is the one algorithm, with the one set of parameters.
pub(super) fn is_pss(algorithm: &AlgorithmIdentifierOwned) -> bool {
    let parameters = algorithm.parameters.as_ref().and_then(|parameters| parameters.to_der().ok());
    algorithm.oid == RSASSA_PSS && parameters.is_some_and(|der| PARAMETERS.contains(&hex::encode(der).as_str()))
}

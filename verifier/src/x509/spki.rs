//! Finds the key of a certificate of any kind, reading no more than necessary: providers use many kinds.

use super::parts::Signed;
use crate::der::{Item, Items, Problem};

/// The class bits of context-specific tags.
const CONTEXT_SPECIFIC: u8 = 0b10;

/// The SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of any certificate, DER. Checks nothing else in the certificate.
pub(crate) fn public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    let signed = Signed::parse(certificate).ok()?;
    let found = || {
        let mut body = Items::of(signed.body)?;
        let first = body.next()?.der;
        // Version 1 certificates have no version field.
        if first.first().is_some_and(|tag| tag >> 6 == CONTEXT_SPECIFIC) {
            body.next()?;
        }
        // After the serial number: algorithm, issuer, validity, subject.
        for _ in 0..4 {
            body.next()?;
        }
        let key = body.next()?.der;
        while !body.is_finished() {
            body.next()?;
        }
        Ok::<_, Problem>(key)
    };
    found().ok()
}

/// True if the bytes are exactly one item of DER, by its own length.
pub(crate) fn is_one_item(bytes: &[u8]) -> bool {
    Item::of(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};

    use super::*;
    use crate::x509::forge::der;

    #[test]
    fn keys_of_every_kind_are_found() {
        for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let key = KeyPair::generate_for(kind).unwrap();
            let made = CertificateParams::new(["provider.example".into()]).unwrap().self_signed(&key).unwrap();
            assert_eq!(public_key_info(made.der()).unwrap(), key.subject_public_key_info());
            assert!(is_one_item(made.der()));
            for length in 0..made.der().len() {
                assert_eq!(public_key_info(&made.der()[..length]), None);
                assert!(!is_one_item(&made.der()[..length]));
            }
            let twice = [&made.der()[..], made.der()].concat();
            assert!(public_key_info(&twice).is_none() && !is_one_item(&twice));
        }
    }

    #[test]
    fn a_certificate_of_version_1_has_a_key_too() {
        let key = der(0x30, &[b"key"]);
        let number = der(0x02, &[&[1]]);
        let empty = der(0x30, &[]);
        let body = |fields: usize| der(0x30, &[&number, &empty.repeat(fields), &key]);
        let made = |body: &[u8]| der(0x30, &[body, &empty, &der(0x03, &[&[0]])]);
        assert_eq!(public_key_info(&made(&body(4))).unwrap(), key);
        assert_eq!(public_key_info(&made(&body(3))), None);
    }
}

//! Signs images.

use ciborium::Value;
use coset::{CborSerializable as _, CoseSign1Builder, HeaderBuilder, iana};
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey};
use p384::pkcs8::DecodePrivateKey as _;
use quoth_attestation::measurement::{Pcr, pcr};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::signature::{CERTIFICATE, INDEX, SIGNATURE, Signer, VALUE};

/// A key and its certificate, for signing images.
pub struct ImageSigner {
    key: SigningKey,
    pem: Vec<u8>,
    der: Vec<u8>,
}

impl ImageSigner {
    /// Reads a P-384 key (PKCS #8 or SEC 1) and its certificate from PEM.
    ///
    /// # Errors
    /// A message that says what is wrong, without any part of the key.
    pub fn from_pem(key: &[u8], certificate: &[u8]) -> Result<Self, &'static str> {
        let signer = Signer::from_pem(certificate)?;
        let wrong = "not a P-384 private key in PEM";
        let key = match PrivateKeyDer::from_pem_slice(key) {
            Ok(PrivateKeyDer::Pkcs8(der)) => SigningKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| wrong)?,
            Ok(PrivateKeyDer::Sec1(der)) => {
                p384::SecretKey::from_sec1_der(der.secret_sec1_der()).map_err(|_| wrong)?.into()
            }
            _ => return Err(wrong),
        };
        match *key.verifying_key() == signer.key {
            true => Ok(Self { key, pem: certificate.to_vec(), der: signer.der }),
            false => Err("the certificate belongs to another key"),
        }
    }

    /// Computes PCR8, the measurement of the certificate.
    pub fn pcr8(&self) -> Pcr {
        pcr(&[&self.der])
    }

    /// Returns the signature section of an image with this PCR0. The signature is deterministic (RFC 6979).
    pub(super) fn section(&self, pcr0: &Pcr) -> Vec<u8> {
        let register = encoded(&map([(INDEX, 0.into()), (VALUE, numbers(pcr0))]));
        let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ES384).build();
        let sign = |told: &[u8]| {
            let signature: Signature = self.key.sign(told);
            signature.to_bytes().to_vec()
        };
        let envelope =
            CoseSign1Builder::new().protected(protected).payload(register).create_signature(b"", sign).build();
        // safe: bytes and numbers
        let envelope = envelope.to_vec().expect("an envelope encodes");
        encoded(&Value::Array(vec![map([(CERTIFICATE, numbers(&self.pem)), (SIGNATURE, numbers(&envelope))])]))
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.map(|(name, value)| (name.into(), value)).into())
}

/// Returns bytes as a list of numbers, which AWS's tools expect.
fn numbers(bytes: &[u8]) -> Value {
    Value::Array(bytes.iter().map(|byte| Value::from(*byte)).collect())
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // safe: a vector takes everything
    ciborium::into_writer(value, &mut bytes).expect("written to memory");
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use coset::CoseSign1;
    use p384::ecdsa::VerifyingKey;
    use p384::ecdsa::signature::Verifier as _;
    use quoth_attestation::Digest;
    use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
    use sha2::{Digest as _, Sha384};

    use super::super::signature::Signed;
    use super::*;

    const PCR0: Pcr = [7; 48];

    /// Returns a key and its certificate in PEM, and the certificate in DER.
    fn identity(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Release");
        let certificate = params.self_signed(&key).unwrap();
        (key.serialize_pem(), certificate.pem(), certificate.der().to_vec())
    }

    fn signer() -> (ImageSigner, Vec<u8>) {
        let (key, pem, der) = identity(&PKCS_ECDSA_P384_SHA384);
        (ImageSigner::from_pem(key.as_bytes(), pem.as_bytes()).unwrap(), der)
    }

    #[test]
    fn what_is_signed_is_read_and_stands_for_one_image() {
        let (signer, der) = signer();
        let section = signer.section(&PCR0);
        assert_eq!(section, signer.section(&PCR0), "the same each time");
        let signed = Signed::read(&section, &PCR0).unwrap();
        assert!(signed.right && signed.subject.contains("Release"), "{signed:?}");
        assert_eq!((signed.certificate, signed.pcr8), (Digest::of(&der), signer.pcr8()));
        assert!(!Signed::read(&section, &[8; 48]).unwrap().right, "another image");
    }

    /// Reads the section step by step, as the format's description says.
    #[test]
    fn a_section_is_a_list_of_numbers_in_maps() {
        let (signer, der) = signer();
        let mut extended = Sha384::new();
        extended.update([0; 48]);
        extended.update(Sha384::digest(&der));
        assert_eq!(signer.pcr8()[..], extended.finalize()[..]);

        let value: Value = ciborium::from_reader(&signer.section(&PCR0)[..]).unwrap();
        let [Value::Map(map)] = &value.as_array().unwrap()[..] else { panic!("{value:?}") };
        let names: Vec<_> = map.iter().map(|(name, _)| name.as_text().unwrap()).collect();
        assert_eq!(names, ["signing_certificate", "signature"]);
        let numbers = |at: usize| -> Vec<u8> {
            map[at].1.as_array().unwrap().iter().map(|n| n.as_integer().unwrap().try_into().unwrap()).collect()
        };
        assert_eq!(numbers(0), signer.pem);
        let envelope = CoseSign1::from_slice(&numbers(1)).unwrap();
        assert!(envelope.unprotected.is_empty());
        let told = envelope.tbs_data(b"");
        let signature = Signature::from_slice(&envelope.signature).unwrap();
        VerifyingKey::from(&signer.key).verify(&told, &signature).unwrap();
        let payload: Value = ciborium::from_reader(&envelope.payload.unwrap()[..]).unwrap();
        assert_eq!(payload.as_map().unwrap()[0], ("register_index".into(), 0.into()));
    }

    #[test]
    fn keys_and_certificates_that_do_not_fit_are_refused() {
        let (key, pem, _) = identity(&PKCS_ECDSA_P384_SHA384);
        let (other_key, ..) = identity(&PKCS_ECDSA_P384_SHA384);
        let (small_key, small, _) = identity(&PKCS_ECDSA_P256_SHA256);
        let refused = |key: &str, pem: &str| ImageSigner::from_pem(key.as_bytes(), pem.as_bytes()).err().unwrap();
        assert_eq!(refused(&other_key, &pem), "the certificate belongs to another key");
        assert_eq!(refused(&small_key, &pem), "not a P-384 private key in PEM");
        assert_eq!(refused(&key, &small), "the certificate's key is not on P-384");
        assert_eq!(refused(&key, &key), "not a certificate in PEM");
        assert_eq!(refused(&pem, &pem), "not a P-384 private key in PEM");
        assert_eq!(refused(&key, ""), "not a certificate in PEM");
    }

    #[test]
    fn what_is_no_signature_is_told() {
        let (signer, _) = signer();
        let good = signer.section(&PCR0);
        let told = |value: Value| Signed::read(&encoded(&value), &PCR0).unwrap_err();
        assert_eq!(Signed::read(b"", &PCR0), Err("not a list in CBOR"));
        assert_eq!(Signed::read(&[0x81; 4096], &PCR0), Err("not a list in CBOR"), "too deep");
        assert_eq!(told(Value::Array(vec![])), "an empty list");
        assert_eq!(told(Value::Array(vec![1.into()])), "not a map in CBOR");
        assert_eq!(told(Value::Array(vec![map([])])), "no certificate");
        let of = |certificate: &[u8], envelope: &[u8]| {
            Value::Array(vec![map([(CERTIFICATE, numbers(certificate)), (SIGNATURE, Value::Bytes(envelope.to_vec()))])])
        };
        assert_eq!(told(Value::Array(vec![map([(CERTIFICATE, numbers(&signer.pem))])])), "no signature");
        assert_eq!(told(of(b"x", b"x")), "not a certificate in PEM");
        assert_eq!(told(of(&signer.pem, b"x")), "not a COSE_Sign1");
        assert_eq!(told(of(&signer.pem, &encoded(&Value::Array(vec![])))), "not a COSE_Sign1");
        // Another register, another algorithm, another's signature.
        let envelope = |register: Value, algorithm, key: &SigningKey| {
            let header = HeaderBuilder::new().algorithm(algorithm).build();
            let sign = |told: &[u8]| key.sign(told);
            let builder = CoseSign1Builder::new().protected(header).payload(encoded(&register));
            builder
                .create_signature(b"", |told| {
                    let signature: Signature = sign(told);
                    signature.to_bytes().to_vec()
                })
                .build()
                .to_vec()
                .unwrap()
        };
        let register = |index: u8| map([(INDEX, index.into()), (VALUE, numbers(&PCR0))]);
        let other = self::signer().0;
        for (register, algorithm, key, right) in [
            (register(0), iana::Algorithm::ES384, &signer.key, true),
            (register(1), iana::Algorithm::ES384, &signer.key, false),
            (map([(VALUE, numbers(&PCR0))]), iana::Algorithm::ES384, &signer.key, false),
            (register(0), iana::Algorithm::ES256, &signer.key, false),
            (register(0), iana::Algorithm::ES384, &other.key, false),
        ] {
            let section = encoded(&of(&signer.pem, &envelope(register, algorithm, key)));
            assert_eq!(Signed::read(&section, &PCR0).unwrap().right, right);
        }
        assert!(Signed::read(&good, &PCR0).unwrap().right);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_panics(at: proptest::sample::Index, byte: u8) {
            let (signer, _) = signer();
            let mut section = signer.section(&PCR0);
            let at = at.index(section.len());
            section[at] = byte;
            let _ = Signed::read(&section, &PCR0);
        }
    }

    #[test]
    fn no_bit_of_an_envelope_can_be_changed() {
        let (signer, _) = signer();
        let section: Value = ciborium::from_reader(&signer.section(&PCR0)[..]).unwrap();
        let signature = &section.as_array().unwrap()[0].as_map().unwrap()[1].1;
        let envelope: Vec<u8> =
            signature.as_array().unwrap().iter().map(|n| n.as_integer().unwrap().try_into().unwrap()).collect();
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            let list =
                Value::Array(vec![map([(CERTIFICATE, numbers(&signer.pem)), (SIGNATURE, Value::Bytes(changed))])]);
            assert!(!Signed::read(&encoded(&list), &PCR0).is_ok_and(|signed| signed.right), "{at}");
        }
    }
}

//! X.509 certificates (RFC 5280) in strict DER, as far as Nitro's and AMD's have things in common.

use alloc::string::String;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use x509_cert::Certificate as X509;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{AnyRef, Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::name::Name;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::crypto::{P384Key, RsaKey};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// AMD's, and nobody else's here.
const RSA_BITS: usize = 4096;
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// When certificates must be valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    /// Unix seconds.
    pub(crate) at: u64,
    /// How far the clock that says so may be off, seconds.
    pub(crate) skew: u64,
}

impl Validity {
    /// Whether `at` lies between two times, Unix seconds, both included.
    pub(crate) fn within(self, (not_before, not_after): (u64, u64)) -> bool {
        let Self { at, skew } = self;
        not_before <= at.saturating_add(skew) && at <= not_after.saturating_add(skew)
    }
}

/// A certificate, read and **not verified**.
pub(crate) struct Certificate {
    /// SHA-256 of its DER.
    pub(crate) digest: Digest,
    pub(crate) x509: X509,
    pub(crate) constraints: Option<BasicConstraints>,
    pub(crate) usage: Option<KeyUsage>,
    key: Option<PublicKey>,
    /// What the issuer signed, as received.
    signed: Vec<u8>,
}

/// A key of one of the kinds that are used.
enum PublicKey {
    P384(P384Key),
    Rsa(RsaKey),
}

impl Certificate {
    /// Reads exactly one certificate of version 3; says what is wrong otherwise.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, &'static str> {
        let x509 = X509::from_der(der).map_err(|_| "not a certificate in DER")?;
        // One certificate, one encoding: what was read is what was sent.
        if x509.to_der().ok().as_deref() != Some(der) {
            return Err("not in DER's one encoding");
        }
        let tbs = x509.tbs_certificate();
        let signed = signed_part(der).map_err(|_| "not a certificate in DER")?.to_vec();
        if tbs.version() != Version::V3 {
            return Err("not of version 3");
        }
        if tbs.signature() != x509.signature_algorithm() {
            return Err("two signature algorithms");
        }
        let extensions = tbs.extensions().map(Vec::as_slice).unwrap_or_default();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err("an extension occurs twice");
            }
            if extension.critical && ![BASIC_CONSTRAINTS, KEY_USAGE].contains(&extension.extn_id) {
                return Err("an unknown critical extension");
            }
        }
        let malformed = |_| "a malformed extension";
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(malformed)?.map(|(_, found)| found);
        let usage = tbs.get_extension::<KeyUsage>().map_err(malformed)?.map(|(_, found)| found);
        let key = PublicKey::read(tbs.subject_public_key_info());
        Ok(Self { digest: Digest::of(der), constraints, usage, key, signed, x509 })
    }

    /// First and last second of validity, Unix.
    pub(crate) fn validity(&self) -> (u64, u64) {
        let validity = self.x509.tbs_certificate().validity();
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
    }

    pub(crate) fn subject(&self) -> &Name {
        self.x509.tbs_certificate().subject()
    }

    pub(crate) fn issuer(&self) -> &Name {
        self.x509.tbs_certificate().issuer()
    }

    /// The subject's common name, when it has exactly one.
    pub(crate) fn common_name(&self) -> Option<String> {
        common_name(self.subject())
    }

    pub(crate) fn extensions(&self) -> &[Extension] {
        self.x509.tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default()
    }

    /// The signature, bytes.
    pub(crate) fn signature(&self) -> Option<&[u8]> {
        self.x509.signature().as_bytes()
    }

    /// May issue certificates, `below` authorities under it (RFC 5280 §4.2.1.3 and §4.2.1.9).
    pub(crate) fn check_authority(&self, below: usize) -> Result<(), &'static str> {
        match &self.constraints {
            Some(BasicConstraints { ca: true, path_len_constraint: Some(length) }) if usize::from(*length) < below => {
                Err("more authorities below it than it may have")
            }
            Some(BasicConstraints { ca: true, .. }) => match &self.usage {
                Some(usage) if usage.key_cert_sign() => Ok(()),
                _ => Err("may not sign certificates"),
            },
            _ => Err("is no authority"),
        }
    }

    /// What the issuer signed.
    pub(crate) fn signed(&self) -> &[u8] {
        &self.signed
    }

    /// A P-384 key; none for every other.
    pub(crate) fn p384_key(&self) -> Option<&P384Key> {
        match &self.key {
            Some(PublicKey::P384(key)) => Some(key),
            _ => None,
        }
    }

    /// An RSA key of 4096 bits; none for every other.
    pub(crate) fn rsa_key(&self) -> Option<&RsaKey> {
        match &self.key {
            Some(PublicKey::Rsa(key)) => Some(key),
            _ => None,
        }
    }
}

impl PublicKey {
    fn read(info: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let AlgorithmIdentifierOwned { oid, parameters } = &info.algorithm;
        let (parameters, key) = (AnyRef::from(parameters.as_ref()?), info.subject_public_key.as_bytes()?);
        match *oid {
            EC_PUBLIC_KEY if parameters.decode_as::<ObjectIdentifier>() == Ok(SECP384R1) => {
                P384Key::read(key).map(Self::P384)
            }
            RSA_ENCRYPTION if parameters.is_null() => RsaKey::read(key, RSA_BITS).map(Self::Rsa),
            _ => None,
        }
    }
}

/// The TBSCertificate of a certificate, as it stands.
fn signed_part(der: &[u8]) -> x509_cert::der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

/// The common name, when there is exactly one.
pub(crate) fn common_name(name: &Name) -> Option<String> {
    let oid = x509_cert::der::oid::db::rfc4519::COMMON_NAME;
    match name.iter().filter(|attribute| attribute.oid == oid).count() {
        1 => name.common_name().ok().flatten().map(|name| name.value().into()),
        _ => None,
    }
}

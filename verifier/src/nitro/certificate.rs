//! One X.509 certificate (RFC 5280) of a chain, strict DER.

use alloc::string::String;
use alloc::vec::Vec;

use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};
use x509_cert::Certificate as X509;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{AnyRef, Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::Refusal;

const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
/// An uncompressed point of P-384 (SEC 1 §2.3.3), bytes.
const POINT: usize = 97;

pub(super) struct Certificate {
    position: usize,
    x509: X509,
    /// What the issuer signed, as received.
    signed: Vec<u8>,
    key: VerifyingKey,
    constraints: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
}

impl Certificate {
    /// Reads the certificate at `position`, counted from the root.
    pub(super) fn parse(position: usize, der: &[u8]) -> Result<Self, Refusal> {
        let refuse = |problem| Refusal::NitroChainCertificate { position, problem };
        let x509 = X509::from_der(der).map_err(|_| refuse("not a certificate in DER"))?;
        // One certificate, one encoding: what was read is what was sent, so the part under the signature is, too.
        if x509.to_der().ok().as_deref() != Some(der) {
            return Err(refuse("not in DER's one encoding"));
        }
        let tbs = x509.tbs_certificate();
        let signed = tbs.to_der().map_err(|_| refuse("not a certificate in DER"))?;
        if tbs.version() != Version::V3 {
            return Err(refuse("not of version 3"));
        }
        for algorithm in [tbs.signature(), x509.signature_algorithm()] {
            if algorithm.oid != ECDSA_WITH_SHA384 || algorithm.parameters.is_some() {
                return Err(Refusal::NitroChainAlgorithm { position, problem: "signature algorithm" });
            }
        }
        let key = public_key(&x509).ok_or(Refusal::NitroChainAlgorithm { position, problem: "public key" })?;
        let extensions = tbs.extensions().map(Vec::as_slice).unwrap_or_default();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions[..index].iter().any(|earlier| earlier.extn_id == extension.extn_id) {
                return Err(refuse("an extension occurs twice"));
            }
            if extension.critical && ![BASIC_CONSTRAINTS, KEY_USAGE].contains(&extension.extn_id) {
                return Err(refuse("an unknown critical extension"));
            }
        }
        let malformed = |_| refuse("a malformed extension");
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(malformed)?.map(|(_, found)| found);
        let usage = tbs.get_extension::<KeyUsage>().map_err(malformed)?.map(|(_, found)| found);
        Ok(Self { position, key, constraints, usage, signed, x509 })
    }

    pub(super) fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// First and last second of validity, Unix.
    pub(super) fn validity(&self) -> (u64, u64) {
        let validity = self.x509.tbs_certificate().validity();
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
    }

    /// The subject's common name, when it has exactly one.
    pub(super) fn common_name(&self) -> Option<String> {
        let subject = self.x509.tbs_certificate().subject();
        let oid = x509_cert::der::oid::db::rfc4519::COMMON_NAME;
        match subject.iter().filter(|attribute| attribute.oid == oid).count() {
            1 => subject.common_name().ok().flatten().map(|name| name.value().into()),
            _ => None,
        }
    }

    /// Issued by `issuer`: name and signature.
    pub(super) fn check_issued_by(&self, issuer: &Self) -> Result<(), Refusal> {
        let position = self.position;
        if self.x509.tbs_certificate().issuer() != issuer.x509.tbs_certificate().subject() {
            return Err(Refusal::NitroChainIssuer { position });
        }
        let signature = self.x509.signature().as_bytes().and_then(|der| Signature::from_der(der).ok());
        match signature.is_some_and(|signature| issuer.key.verify(&self.signed, &signature).is_ok()) {
            true => Ok(()),
            false => Err(Refusal::NitroChainSignature { position }),
        }
    }

    /// May issue certificates, `below` authorities under it.
    pub(super) fn check_authority(&self, below: usize) -> Result<(), Refusal> {
        let refuse = |problem| Err(Refusal::NitroChainConstraints { position: self.position, problem });
        match &self.constraints {
            Some(BasicConstraints { ca: true, path_len_constraint: Some(length) }) if usize::from(*length) < below => {
                refuse("more authorities below it than it may have")
            }
            Some(BasicConstraints { ca: true, .. }) => match &self.usage {
                Some(usage) if usage.key_cert_sign() => Ok(()),
                _ => refuse("may not sign certificates"),
            },
            _ => refuse("is no authority"),
        }
    }

    /// May sign documents, and no certificates.
    pub(super) fn check_leaf(&self) -> Result<(), Refusal> {
        let refuse = |problem| Err(Refusal::NitroChainConstraints { position: self.position, problem });
        match (&self.constraints, &self.usage) {
            (Some(BasicConstraints { ca: true, .. }), _) => refuse("is an authority, where a leaf must be"),
            (Some(BasicConstraints { path_len_constraint: Some(_), .. }), _) => {
                refuse("has a path length, as no leaf has")
            }
            (_, Some(usage)) if usage.key_cert_sign() => refuse("may sign certificates, as no leaf may"),
            (_, Some(usage)) if usage.digital_signature() => Ok(()),
            _ => refuse("may not sign documents"),
        }
    }
}

fn public_key(x509: &X509) -> Option<VerifyingKey> {
    let info = x509.tbs_certificate().subject_public_key_info();
    let AlgorithmIdentifierOwned { oid, parameters } = &info.algorithm;
    let curve = AnyRef::from(parameters.as_ref()?).decode_as::<ObjectIdentifier>().ok()?;
    let point = info.subject_public_key.as_bytes()?;
    let is_p384 = *oid == EC_PUBLIC_KEY && curve == SECP384R1 && point.len() == POINT;
    // Refuses the identity, points off the curve and coordinates that are not below the prime.
    is_p384.then(|| VerifyingKey::from_sec1_bytes(point).ok()).flatten()
}

//! One certificate of a chain: ECDSA over P-384 with SHA-384 and nothing else.

use alloc::string::String;

use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::BasicConstraints;

use crate::crypto::{P384Key, P384Signature};
use crate::{Refusal, x509};

const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

pub(super) struct Certificate {
    position: usize,
    inner: x509::Certificate,
    key: P384Key,
}

impl Certificate {
    /// Reads the certificate at `position`, counted from the root.
    pub(super) fn parse(position: usize, der: &[u8]) -> Result<Self, Refusal> {
        let inner =
            x509::Certificate::parse(der).map_err(|problem| Refusal::NitroChainCertificate { position, problem })?;
        let algorithm = inner.x509.signature_algorithm();
        if algorithm.oid != ECDSA_WITH_SHA384 || algorithm.parameters.is_some() {
            return Err(Refusal::NitroChainAlgorithm { position, problem: "signature algorithm" });
        }
        let key = inner.p384_key().ok_or(Refusal::NitroChainAlgorithm { position, problem: "public key" })?;
        Ok(Self { position, inner, key })
    }

    pub(super) fn into_key(self) -> P384Key {
        self.key
    }

    /// First and last second of validity, Unix.
    pub(super) fn validity(&self) -> (u64, u64) {
        self.inner.validity()
    }

    /// The subject's common name, when it has exactly one.
    pub(super) fn common_name(&self) -> Option<String> {
        self.inner.common_name()
    }

    /// Issued by `issuer`: name and signature.
    pub(super) fn check_issued_by(&self, issuer: &Self) -> Result<(), Refusal> {
        let position = self.position;
        if self.inner.issuer() != issuer.inner.subject() {
            return Err(Refusal::NitroChainIssuer { position });
        }
        let signature = self.inner.signature().and_then(P384Signature::of_der);
        match signature.is_some_and(|signature| issuer.key.verifies(&self.inner.signed, &signature)) {
            true => Ok(()),
            false => Err(Refusal::NitroChainSignature { position }),
        }
    }

    /// May issue certificates, `below` authorities under it.
    pub(super) fn check_authority(&self, below: usize) -> Result<(), Refusal> {
        let position = self.position;
        self.inner.check_authority(below).map_err(|problem| Refusal::NitroChainConstraints { position, problem })
    }

    /// May sign documents, and no certificates.
    pub(super) fn check_leaf(&self) -> Result<(), Refusal> {
        let refuse = |problem| Err(Refusal::NitroChainConstraints { position: self.position, problem });
        match (&self.inner.constraints, &self.inner.usage) {
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

//! Verifies chains from a pinned root to the key that signs documents.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::certificate::{check_algorithm, check_leaf, is_signed_by, signature_check};
use crate::Refusal;
use crate::crypto::{P384Key, SignatureCheck};
use crate::signature_cache::SignatureCache;
use crate::signatures::Prechecked;
use crate::text::joined;
use crate::x509::{Certificate, Validity};

/// Maximum number of certificates before the leaf.
pub(crate) const MAX_BUNDLE: usize = 8;

/// Accepted roots, and the names of their leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor<'a> {
    /// SHA-256 digests of the root certificates.
    pub(crate) roots: &'a [Digest],
    /// How leaves under them are named.
    pub(crate) naming: Naming,
}

/// How a leaf is named.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Naming {
    /// The `module_id`, a full stop, a region and `.aws`.
    Aws,
    /// The `module_id`.
    Plain,
}

/// A chain from a pinned root, parsed and **not yet verified**.
pub(super) struct Chain<'a> {
    /// From the root to the leaf.
    certificates: Vec<Certificate<'a>>,
}

impl<'a> Chain<'a> {
    /// Parses `bundle` (root first) and `leaf`. Does not verify signatures.
    pub(super) fn read(bundle: &[&'a [u8]], leaf: &'a [u8], anchor: Anchor<'_>) -> Result<Self, Refusal> {
        let length = Refusal::NitroChainLength { limit: MAX_BUNDLE, actual: bundle.len() };
        let Some(root) = bundle.first().filter(|_| bundle.len() <= MAX_BUNDLE) else {
            return Err(length);
        };
        let root = Digest::of(root);
        if !anchor.roots.contains(&root) {
            return Err(Refusal::NitroChainRoot { expected: list(anchor.roots), actual: root.into() });
        }
        let ders: Vec<&'a [u8]> = bundle.iter().copied().chain([leaf]).collect();
        if ders.iter().enumerate().any(|(index, der)| ders[..index].contains(der)) {
            return Err(length);
        }
        let mut certificates = Vec::with_capacity(ders.len());
        for (position, der) in ders.iter().enumerate() {
            certificates.push(read(position, der)?);
        }
        Ok(Self { certificates })
    }

    /// The leaf's key, which signs documents.
    pub(super) fn key(&self) -> Option<&P384Key> {
        self.certificates.last()?.p384_key()
    }

    /// The signatures that [`Chain::verify`] checks, except cached ones.
    pub(super) fn signature_checks(&self, cache: &SignatureCache) -> impl Iterator<Item = SignatureCheck<'_>> {
        let named = self.links().take_while(|(issuer, issued)| issued.issuer == issuer.subject);
        named
            .filter(|(issuer, issued)| !cache.knows(issuer, &issued.signed))
            .filter_map(|(issuer, issued)| signature_check(issued, issuer))
    }

    /// Verifies the chain from the root to the leaf, which must be named for `module`.
    pub(super) fn verify(
        &self,
        module: &str,
        naming: Naming,
        validity: Validity,
        prechecked: &Prechecked<'_>,
    ) -> Result<(), Refusal> {
        // The root is pinned by a hash of the whole certificate, so its self-signature proves nothing more.
        for (position, (issuer, issued)) in (1..).zip(self.links()) {
            check_issued(position, issued, issuer, prechecked)?;
        }
        for (position, certificate) in self.certificates.iter().enumerate() {
            check_validity(position, certificate.validity, validity)?;
            let constraints = match self.certificates.len() - 1 - position {
                0 => check_leaf(certificate),
                // The leaf is not an authority.
                below => certificate.check_authority(below - 1),
            };
            constraints.map_err(|problem| Refusal::NitroChainConstraints { position, problem })?;
        }
        let leaf = self.certificates.last().and_then(|leaf| leaf.subject.common());
        check_name(leaf, module, naming)
    }

    /// Pairs of an issuer and the certificate that it issued.
    fn links(&self) -> impl Iterator<Item = (&Certificate<'a>, &Certificate<'a>)> {
        self.certificates.iter().zip(self.certificates.iter().skip(1))
    }
}

/// Parses the certificate at `position`, counted from the root.
fn read(position: usize, der: &[u8]) -> Result<Certificate<'_>, Refusal> {
    let read = Certificate::parse(der).map_err(|problem| Refusal::NitroChainCertificate { position, problem })?;
    check_algorithm(&read).map_err(|problem| Refusal::NitroChainAlgorithm { position, problem })?;
    Ok(read)
}

fn check_issued(
    position: usize,
    issued: &Certificate<'_>,
    issuer: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> Result<(), Refusal> {
    if issued.issuer != issuer.subject {
        return Err(Refusal::NitroChainIssuer { position });
    }
    match is_signed_by(issued, issuer, prechecked) {
        true => Ok(()),
        false => Err(Refusal::NitroChainSignature { position }),
    }
}

fn check_validity(position: usize, (not_before, not_after): (u64, u64), validity: Validity) -> Result<(), Refusal> {
    match validity.within((not_before, not_after)) {
        true => Ok(()),
        false => Err(Refusal::NitroChainValidity { position, not_before, not_after, at: validity.at }),
    }
}

fn check_name(name: Option<&str>, module: &str, naming: Naming) -> Result<(), Refusal> {
    let name = name.unwrap_or_default();
    let fits = match (naming, name.strip_prefix(module)) {
        (Naming::Plain, Some(rest)) => rest.is_empty(),
        (Naming::Aws, Some(rest)) => {
            let region = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".aws"));
            region.is_some_and(|region| !region.is_empty() && region.bytes().all(is_region))
        }
        (_, None) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::NitroChainModule { expected: module.to_string(), actual: name.to_string() }),
    }
}

/// Characters of regions such as `us-gov-east-1`.
fn is_region(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn list(roots: &[Digest]) -> String {
    joined(&mut roots.iter().map(Digest::to_string), " or ")
}

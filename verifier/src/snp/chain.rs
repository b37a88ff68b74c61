//! Verifies chains from AMD's root to the key that signs reports.

use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::rsa::{is_pss, is_signed_by, signature_check};
use super::vek::Vek;
use super::{Family, SigningKey, SnpRefusal, crl};
use crate::crypto::SignatureCheck;
use crate::signature_cache::SignatureCache;
use crate::signatures::Prechecked;
use crate::x509::{Certificate, RevocationList, Validity};

/// VEK, intermediate, root.
pub(crate) const LENGTH: usize = 3;
const VEK: &str = "VEK";
const INTERMEDIATE: &str = "intermediate";
const ROOT: &str = "root";

pub(super) struct Chain<'a> {
    pub(super) vek: Vek,
    /// The revocation lists, verified.
    pub(super) crls: Vec<RevocationList<'a>>,
}

/// Decides which root certificates are AMD's.
pub(crate) type Roots = fn(&Digest) -> Option<Family>;

/// Finds a root by the digest of its certificate.
pub(crate) fn pinned(root: &Digest) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family.root() == *root)
}

/// Parses `certificates`: VEK, intermediate, root.
pub(super) fn read<C: AsRef<[u8]>>(certificates: &[C]) -> Result<[Certificate<'_>; LENGTH], SnpRefusal> {
    let [vek, intermediate, root] = certificates else {
        return Err(SnpRefusal::ChainLength { expected: LENGTH, actual: certificates.len() });
    };
    Ok([parse(VEK, vek)?, parse(INTERMEDIATE, intermediate)?, parse(ROOT, root)?])
}

fn parse<'a, C: AsRef<[u8]>>(certificate: &'static str, der: &'a C) -> Result<Certificate<'a>, SnpRefusal> {
    Certificate::parse(der.as_ref()).map_err(|problem| SnpRefusal::ChainCertificate { certificate, problem })
}

/// The family of a chain by its root, algorithms and names, before any signature is checked.
pub(super) fn family(
    [vek, intermediate, root]: [&Certificate<'_>; LENGTH],
    kind: SigningKey,
    roots: Roots,
) -> Result<Family, SnpRefusal> {
    let actual = root.signed.digest;
    let family = roots(&actual).ok_or(SnpRefusal::ChainRoot { actual: actual.into() })?;
    // The root is pinned by a hash of the whole certificate, so its self-signature proves nothing more.
    for (name, certificate) in [(VEK, vek), (INTERMEDIATE, intermediate), (ROOT, root)] {
        if !is_pss(certificate.signed.algorithm) {
            return Err(SnpRefusal::ChainAlgorithm { certificate: name, problem: "not signed with AMD's RSA-PSS" });
        }
    }
    names(vek, intermediate, root, kind, family).map(|()| family)
}

/// The signatures that [`verify`] checks, except cached ones and those of revocation lists.
pub(super) fn signature_checks<'a>(
    [vek, intermediate, root]: [&'a Certificate<'_>; LENGTH],
    cache: &SignatureCache,
) -> impl Iterator<Item = SignatureCheck<'a>> {
    [(root, intermediate), (intermediate, vek)]
        .into_iter()
        .filter(|(issuer, issued)| !cache.knows(issuer, &issued.signed))
        .filter_map(|(issuer, issued)| signature_check(issuer, &issued.signed))
}

/// Verifies a chain of this family, and checks `crls` against it.
pub(super) fn verify<'a>(
    [vek, intermediate, root]: [&Certificate<'_>; LENGTH],
    family: Family,
    crls: &[&'a [u8]],
    kind: SigningKey,
    validity: Validity,
    prechecked: &Prechecked<'_>,
) -> Result<Chain<'a>, SnpRefusal> {
    check_key(ROOT, root)?;
    check_issued(INTERMEDIATE, intermediate, root, prechecked)?;
    check_key(INTERMEDIATE, intermediate)?;
    check_issued(VEK, vek, intermediate, prechecked)?;

    for (name, certificate) in [(VEK, vek), (INTERMEDIATE, intermediate), (ROOT, root)] {
        let (not_before, not_after) = certificate.validity;
        if !validity.within((not_before, not_after)) {
            return Err(SnpRefusal::ChainValidity { certificate: name, not_before, not_after, at: validity.at });
        }
    }
    let refuse = |certificate| move |problem| SnpRefusal::ChainConstraints { certificate, problem };
    root.check_authority(1).map_err(refuse(ROOT))?;
    intermediate.check_authority(0).map_err(refuse(INTERMEDIATE))?;
    check_leaf(vek).map_err(refuse(VEK))?;

    let serial = intermediate.serial;
    let mut read = Vec::with_capacity(crls.len());
    for crl in crls {
        read.push(crl::verify(crl, root, prechecked)?);
    }
    let chain = Chain { vek: Vek::read(vek, kind, family)?, crls: read };
    match chain.crls.iter().any(|crl| crl.revoked.contains(&serial)) {
        true => Err(SnpRefusal::Revoked { serial: hex::encode(serial) }),
        false => Ok(chain),
    }
}

/// The certificates that can be parsed, in the same order.
pub(super) fn readable<C: AsRef<[u8]>>(certificates: &[C]) -> Vec<Certificate<'_>> {
    certificates.iter().filter_map(|der| Certificate::parse(der.as_ref()).ok()).collect()
}

/// Every chain that the names of `certificates` allow, each with a leaf of this kind first.
pub(super) fn by_name<'a, 'b>(
    certificates: &'b [Certificate<'a>],
    kind: SigningKey,
) -> Vec<[&'b Certificate<'a>; LENGTH]> {
    let leaf = match kind {
        SigningKey::Vcek => "SEV-VCEK",
        SigningKey::Vlek => "SEV-VLEK",
    };
    let issuer = |issued: &Certificate<'_>| certificates.iter().find(|issuer| issuer.subject == issued.issuer);
    let chain = |vek| {
        let intermediate = issuer(vek)?;
        Some([vek, intermediate, issuer(intermediate)?])
    };
    certificates.iter().filter(|one| one.subject.common() == Some(leaf)).filter_map(chain).collect()
}

/// An issuer's key must be RSA of 4096 bits.
fn check_key(certificate: &'static str, holder: &Certificate<'_>) -> Result<(), SnpRefusal> {
    let problem = "its key is not RSA of 4096 bits";
    holder.rsa_key().map(|_| ()).ok_or(SnpRefusal::ChainAlgorithm { certificate, problem })
}

fn check_issued(
    certificate: &'static str,
    issued: &Certificate<'_>,
    issuer: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> Result<(), SnpRefusal> {
    match is_signed_by(issuer, &issued.signed, prechecked) {
        true => Ok(()),
        false => Err(SnpRefusal::ChainSignature { certificate }),
    }
}

/// Each must have the right name, and name the one above it.
fn names(
    vek: &Certificate<'_>,
    intermediate: &Certificate<'_>,
    root: &Certificate<'_>,
    kind: SigningKey,
    family: Family,
) -> Result<(), SnpRefusal> {
    let title = family.title();
    let (leaf, middle) = match kind {
        SigningKey::Vcek => ("SEV-VCEK", alloc::format!("SEV-{title}")),
        SigningKey::Vlek => ("SEV-VLEK", alloc::format!("SEV-VLEK-{title}")),
    };
    let named = |certificate, expected: &str, actual: Option<&str>| match actual.unwrap_or_default() {
        actual if actual == expected => Ok(()),
        actual => Err(SnpRefusal::ChainName { certificate, expected: expected.into(), actual: actual.into() }),
    };
    named(VEK, leaf, vek.subject.common())?;
    named(INTERMEDIATE, &middle, intermediate.subject.common())?;
    for (certificate, issued, issuer) in
        [("VEK's issuer", vek, intermediate), ("intermediate's issuer", intermediate, root)]
    {
        if issued.issuer != issuer.subject {
            let (expected, actual) = (issuer.subject, issued.issuer);
            let [expected, actual] = [expected, actual].map(|name| name.common().unwrap_or_default().into());
            return Err(SnpRefusal::ChainName { certificate, expected, actual });
        }
    }
    Ok(())
}

/// Checks that it may sign reports only.
fn check_leaf(vek: &Certificate<'_>) -> Result<(), &'static str> {
    match (vek.constraints, vek.usage) {
        (Some(constraints), _) if constraints.ca => Err("is an authority, but must be a leaf"),
        (_, Some(usage)) if usage.key_cert_sign => Err("may sign certificates, which a leaf must not do"),
        _ => Ok(()),
    }
}

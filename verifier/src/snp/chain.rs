//! From AMD's root to the key that signs reports.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::crl::Crl;
use super::rsa::{is_pss, is_signed_by};
use super::vek::Vek;
use super::{Family, SigningKey, SnpRefusal};
use crate::memory::Memory;
use crate::x509::{Certificate, Validity, common_name};

/// VEK, intermediate, root.
pub(crate) const LENGTH: usize = 3;
const VEK: &str = "VEK";
const INTERMEDIATE: &str = "intermediate";
const ROOT: &str = "root";

/// A verified chain.
pub(super) struct Chain {
    pub(super) family: Family,
    pub(super) vek: Vek,
    /// The revocation lists, verified.
    pub(super) crls: Vec<Crl>,
}

/// Which root certificates are AMD's.
pub(crate) type Roots = fn(&Digest) -> Option<Family>;

/// By the digest of a root's certificate.
pub(crate) fn pinned(root: &Digest) -> Option<Family> {
    Family::ALL.into_iter().find(|family| family.root() == *root)
}

/// A certificate that was read.
pub(super) type Link = Arc<Certificate>;

/// Reads `certificates`: VEK, intermediate, root.
pub(super) fn read<C: AsRef<[u8]>>(certificates: &[C], memory: &Memory) -> Result<[Link; LENGTH], SnpRefusal> {
    let [vek, intermediate, root] = certificates else {
        return Err(SnpRefusal::ChainLength { expected: LENGTH, actual: certificates.len() });
    };
    let link = |certificate, der: &C| {
        memory.certificate(der.as_ref()).map_err(|problem| SnpRefusal::ChainCertificate { certificate, problem })
    };
    Ok([link(VEK, vek)?, link(INTERMEDIATE, intermediate)?, link(ROOT, root)?])
}

/// Follows a chain and checks `crls` against it.
pub(super) fn verify(
    [vek, intermediate, root]: [&Certificate; LENGTH],
    crls: &[&[u8]],
    kind: SigningKey,
    roots: Roots,
    validity: Validity,
    memory: &Memory,
) -> Result<Chain, SnpRefusal> {
    let family = roots(&root.digest).ok_or(SnpRefusal::ChainRoot { actual: root.digest })?;
    // The root is pinned by the hash of all of it, so its signature on itself says nothing more.
    for (name, certificate) in [(VEK, vek), (INTERMEDIATE, intermediate), (ROOT, root)] {
        if !is_pss(certificate.x509.signature_algorithm()) {
            return Err(SnpRefusal::ChainAlgorithm { certificate: name, problem: "not signed by RSA-PSS as AMD does" });
        }
    }
    names(vek, intermediate, root, kind, family)?;

    check_key(ROOT, root)?;
    check_issued(INTERMEDIATE, intermediate, root, memory)?;
    check_key(INTERMEDIATE, intermediate)?;
    check_issued(VEK, vek, intermediate, memory)?;

    for (name, certificate) in [(VEK, vek), (INTERMEDIATE, intermediate), (ROOT, root)] {
        let (not_before, not_after) = certificate.validity();
        if !validity.within((not_before, not_after)) {
            return Err(SnpRefusal::ChainValidity { certificate: name, not_before, not_after, at: validity.at });
        }
    }
    let refuse = |certificate| move |problem| SnpRefusal::ChainConstraints { certificate, problem };
    root.check_authority(1).map_err(refuse(ROOT))?;
    intermediate.check_authority(0).map_err(refuse(INTERMEDIATE))?;
    check_leaf(vek).map_err(refuse(VEK))?;

    let serial = intermediate.x509.tbs_certificate().serial_number();
    let crls = crls.iter().map(|crl| Crl::verify(crl, root, memory)).collect::<Result<_, _>>()?;
    let chain = Chain { family, vek: Vek::read(vek, kind, family)?, crls };
    match chain.crls.iter().any(|crl| crl.revokes(serial)) {
        true => Err(SnpRefusal::Revoked { serial: hex::encode(serial.as_bytes()) }),
        false => Ok(chain),
    }
}

/// Those of `certificates`, in any order, that can be read.
pub(super) fn readable<C: AsRef<[u8]>>(certificates: &[C], memory: &Memory) -> Vec<Link> {
    certificates.iter().filter_map(|der| memory.certificate(der.as_ref()).ok()).collect()
}

/// Every chain that `links` can make by their names: a leaf of this kind first.
pub(super) fn by_name(links: &[Link], kind: SigningKey) -> Vec<[&Certificate; LENGTH]> {
    let leaf = match kind {
        SigningKey::Vcek => "SEV-VCEK",
        SigningKey::Vlek => "SEV-VLEK",
    };
    let issuer = |issued: &Certificate| links.iter().map(Arc::as_ref).find(|one| one.subject() == issued.issuer());
    let chain = |vek| {
        let intermediate = issuer(vek)?;
        Some([vek, intermediate, issuer(intermediate)?])
    };
    let is_leaf = |link: &&Certificate| link.common_name().as_deref() == Some(leaf);
    links.iter().map(Arc::as_ref).filter(is_leaf).filter_map(chain).collect()
}

/// Whether a key of AMD's kind is in it, which may issue.
fn check_key(certificate: &'static str, holder: &Certificate) -> Result<(), SnpRefusal> {
    let problem = "its key is not RSA of 4096 bits";
    holder.rsa_key().map(|_| ()).ok_or(SnpRefusal::ChainAlgorithm { certificate, problem })
}

fn check_issued(
    certificate: &'static str,
    issued: &Certificate,
    issuer: &Certificate,
    memory: &Memory,
) -> Result<(), SnpRefusal> {
    let signed = || is_signed_by(issuer, issued.signed(), issued.signature());
    match memory.signed(issuer, issued.digest, signed) {
        true => Ok(()),
        false => Err(SnpRefusal::ChainSignature { certificate }),
    }
}

/// Each is called what it must be, and names the one above it.
fn names(
    vek: &Certificate,
    intermediate: &Certificate,
    root: &Certificate,
    kind: SigningKey,
    family: Family,
) -> Result<(), SnpRefusal> {
    let title = family.title();
    let (leaf, middle) = match kind {
        SigningKey::Vcek => ("SEV-VCEK", alloc::format!("SEV-{title}")),
        SigningKey::Vlek => ("SEV-VLEK", alloc::format!("SEV-VLEK-{title}")),
    };
    let named = |certificate, expected: String, actual: Option<String>| match actual.unwrap_or_default() {
        actual if actual == expected => Ok(()),
        actual => Err(SnpRefusal::ChainName { certificate, expected, actual }),
    };
    named(VEK, leaf.to_string(), vek.common_name())?;
    named(INTERMEDIATE, middle, intermediate.common_name())?;
    for (certificate, issued, issuer) in
        [("VEK's issuer", vek, intermediate), ("intermediate's issuer", intermediate, root)]
    {
        if issued.issuer() != issuer.subject() {
            let name = |name| common_name(name).unwrap_or_default();
            let (expected, actual) = (name(issuer.subject()), name(issued.issuer()));
            return Err(SnpRefusal::ChainName { certificate, expected, actual });
        }
    }
    Ok(())
}

/// A VEK signs reports, and no certificates.
fn check_leaf(vek: &Certificate) -> Result<(), &'static str> {
    match (&vek.constraints, &vek.usage) {
        (Some(constraints), _) if constraints.ca => Err("is an authority, where a leaf must be"),
        (_, Some(usage)) if usage.key_cert_sign() => Err("may sign certificates, as no leaf may"),
        _ => Ok(()),
    }
}

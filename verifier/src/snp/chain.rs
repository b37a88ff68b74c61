//! From AMD's root to the key that signs reports.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::crl::Crl;
use super::report::Report;
use super::rsa::{Key, is_pss};
use super::vek::Vek;
use super::{Family, SigningKey, SnpRefusal};
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

/// A certificate as it came, and as it was read.
pub(super) struct Link<'a> {
    der: &'a [u8],
    certificate: Certificate,
}

/// Reads `certificates`: VEK, intermediate, root.
pub(super) fn read<C: AsRef<[u8]>>(certificates: &[C]) -> Result<[Link<'_>; LENGTH], SnpRefusal> {
    let [vek, intermediate, root] = certificates else {
        return Err(SnpRefusal::ChainLength { expected: LENGTH, actual: certificates.len() });
    };
    let link = |name, der| Ok(Link { der, certificate: parse(name, der)? });
    Ok([link(VEK, vek.as_ref())?, link(INTERMEDIATE, intermediate.as_ref())?, link(ROOT, root.as_ref())?])
}

/// Follows a chain and checks `crls` against it.
pub(super) fn verify(
    [vek, intermediate, root]: [&Link<'_>; LENGTH],
    crls: &[&[u8]],
    kind: SigningKey,
    roots: Roots,
    validity: Validity,
) -> Result<Chain, SnpRefusal> {
    let digest = Digest::of(root.der);
    let family = roots(&digest).ok_or(SnpRefusal::ChainRoot { actual: digest })?;
    // The root is pinned by the hash of all of it, so its signature on itself says nothing more.
    let [vek, intermediate, root] = [vek, intermediate, root].map(|link| &link.certificate);
    for (name, certificate) in [(VEK, vek), (INTERMEDIATE, intermediate), (ROOT, root)] {
        if !is_pss(certificate.x509.signature_algorithm()) {
            return Err(SnpRefusal::ChainAlgorithm { certificate: name, problem: "not signed by RSA-PSS as AMD does" });
        }
    }
    names(vek, intermediate, root, kind, family)?;

    let root_key = key(ROOT, root)?;
    issued(INTERMEDIATE, intermediate, &root_key)?;
    let intermediate_key = key(INTERMEDIATE, intermediate)?;
    issued(VEK, vek, &intermediate_key)?;

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
    let crls = crls.iter().map(|crl| Crl::verify(crl, root, &root_key)).collect::<Result<_, _>>()?;
    let chain = Chain { family, vek: Vek::read(vek, kind, family)?, crls };
    match chain.crls.iter().any(|crl| crl.revokes(serial)) {
        true => Err(SnpRefusal::Revoked { serial: hex::encode(serial.as_bytes()) }),
        false => Ok(chain),
    }
}

/// Those of `certificates`, in any order, that can be read.
pub(super) fn readable<C: AsRef<[u8]>>(certificates: &[C]) -> Vec<Link<'_>> {
    let link = |der| Some(Link { der, certificate: Certificate::parse(der).ok()? });
    certificates.iter().map(AsRef::as_ref).filter_map(link).collect()
}

/// Every chain that `links` can make by their names: a leaf of this kind first.
pub(super) fn by_name<'a, 'b>(links: &'b [Link<'a>], kind: SigningKey) -> Vec<[&'b Link<'a>; LENGTH]> {
    let leaf = match kind {
        SigningKey::Vcek => "SEV-VCEK",
        SigningKey::Vlek => "SEV-VLEK",
    };
    let issuer =
        |issued: &Link<'_>| links.iter().find(|issuer| issuer.certificate.subject() == issued.certificate.issuer());
    let chain = |vek: &'b Link<'a>| {
        let intermediate = issuer(vek)?;
        Some([vek, intermediate, issuer(intermediate)?])
    };
    let is_leaf = |link: &&Link<'_>| link.certificate.common_name().as_deref() == Some(leaf);
    links.iter().filter(is_leaf).filter_map(chain).collect()
}

impl Link<'_> {
    /// Whether its key has signed a report.
    pub(super) fn signed(&self, report: &Report) -> bool {
        self.certificate.p384_key().is_some_and(|key| report.verify(&key).is_ok())
    }

    pub(super) fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

fn parse(certificate: &'static str, der: &[u8]) -> Result<Certificate, SnpRefusal> {
    Certificate::parse(der).map_err(|problem| SnpRefusal::ChainCertificate { certificate, problem })
}

fn key(certificate: &'static str, holder: &Certificate) -> Result<Key, SnpRefusal> {
    Key::of(holder).ok_or(SnpRefusal::ChainAlgorithm { certificate, problem: "its key is not RSA of 4096 bits" })
}

fn issued(certificate: &'static str, issued: &Certificate, issuer: &Key) -> Result<(), SnpRefusal> {
    match issuer.verifies(&issued.signed, issued.signature()) {
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

//! From AMD's root to the key that signs reports.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::crl::Crl;
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

/// Follows `certificates` (VEK first) and checks `crls` against them.
pub(super) fn verify<C: AsRef<[u8]>>(
    certificates: &[C],
    crls: &[C],
    kind: SigningKey,
    roots: Roots,
    validity: Validity,
) -> Result<Chain, SnpRefusal> {
    let [vek, intermediate, root] = certificates else {
        return Err(SnpRefusal::ChainLength { expected: LENGTH, actual: certificates.len() });
    };
    let digest = Digest::of(root.as_ref());
    let family = roots(&digest).ok_or(SnpRefusal::ChainRoot { actual: digest })?;
    let vek = parse(VEK, vek.as_ref())?;
    let intermediate = parse(INTERMEDIATE, intermediate.as_ref())?;
    // Pinned by the hash of all of it, so its signature on itself says nothing more.
    let root = parse(ROOT, root.as_ref())?;
    names(&vek, &intermediate, &root, kind, family)?;

    let root_key = key(ROOT, &root)?;
    issued(INTERMEDIATE, &intermediate, &root_key)?;
    let intermediate_key = key(INTERMEDIATE, &intermediate)?;
    issued(VEK, &vek, &intermediate_key)?;

    for (name, certificate) in [(VEK, &vek), (INTERMEDIATE, &intermediate), (ROOT, &root)] {
        let (not_before, not_after) = certificate.validity();
        if !validity.within((not_before, not_after)) {
            return Err(SnpRefusal::ChainValidity { certificate: name, not_before, not_after, at: validity.at });
        }
    }
    let refuse = |certificate| move |problem| SnpRefusal::ChainConstraints { certificate, problem };
    root.check_authority(1).map_err(refuse(ROOT))?;
    intermediate.check_authority(0).map_err(refuse(INTERMEDIATE))?;
    check_leaf(&vek).map_err(refuse(VEK))?;

    let serial = intermediate.x509.tbs_certificate().serial_number();
    let crls = crls.iter().map(|crl| Crl::verify(crl.as_ref(), &root, &root_key)).collect::<Result<_, _>>()?;
    let chain = Chain { family, vek: Vek::read(&vek, kind, family)?, crls };
    match chain.crls.iter().any(|crl| crl.revokes(serial)) {
        true => Err(SnpRefusal::Revoked { serial: hex::encode(serial.as_bytes()) }),
        false => Ok(chain),
    }
}

/// Every chain that `certificates`, in any order, can make by their names: a leaf of this kind first.
pub(super) fn by_name<'a, C: AsRef<[u8]>>(certificates: &'a [C], kind: SigningKey) -> Vec<[&'a [u8]; LENGTH]> {
    let parsed: Vec<_> = certificates
        .iter()
        .filter_map(|der| Certificate::parse(der.as_ref()).ok().map(|parsed| (der.as_ref(), parsed)))
        .collect();
    let leaf = match kind {
        SigningKey::Vcek => "SEV-VCEK",
        SigningKey::Vlek => "SEV-VLEK",
    };
    let issuer = |issued: &Certificate| parsed.iter().find(|(_, issuer)| issuer.subject() == issued.issuer());
    let chain = |(der, vek): &(&'a [u8], Certificate)| {
        let (intermediate_der, intermediate) = issuer(vek)?;
        let (root_der, _) = issuer(intermediate)?;
        Some([*der, *intermediate_der, *root_der])
    };
    parsed.iter().filter(|(_, vek)| vek.common_name().as_deref() == Some(leaf)).filter_map(chain).collect()
}

fn parse(certificate: &'static str, der: &[u8]) -> Result<Certificate, SnpRefusal> {
    let parsed = Certificate::parse(der).map_err(|problem| SnpRefusal::ChainCertificate { certificate, problem })?;
    match is_pss(parsed.x509.signature_algorithm()) {
        true => Ok(parsed),
        false => Err(SnpRefusal::ChainAlgorithm { certificate, problem: "not signed by RSA-PSS as AMD does" }),
    }
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

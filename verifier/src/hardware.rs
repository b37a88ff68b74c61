//! Verdicts about hardware evidence of any enclave: first whether it is genuine, then whether the policy accepts it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::measurement::Pcr;
use quoth_attestation::statement::Platform;

use crate::checks::Checks;
use crate::nitro::{self, Anchor, Document, Naming};
use crate::policy::Acpi;
use crate::snp;
use crate::text::joined;
use crate::time::CLOCK_SKEW;
use crate::trust::Trust;
use crate::x509::Validity;
use crate::{Check, Policy, Refusal};

const NITRO_ROOT: &str = "Nitro Enclaves User Guide, verifying the root of trust";
const NITRO_PCRS: &str = "Nitro Enclaves User Guide, PCRs; the policy's images";
const SNP_CHAIN: &str = "AMD 57230 §3, roots pinned by hash";
/// The code of the check that a node's kernel runs no bytecode of its host.
pub(crate) const ACPI_STATIC: &str = "image.acpi";
const SNP_REPORT: &str = "AMD 56860, ATTESTATION_REPORT";

/// Evidence from the hardware of any enclave or guest, without a Quoth statement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HardwareEvidence {
    /// An attestation document of AWS Nitro Enclaves, CBOR.
    Nitro {
        /// The document.
        document: Vec<u8>,
    },
    /// A report of AMD SEV-SNP.
    SevSnp {
        /// ATTESTATION_REPORT, 1184 bytes.
        report: Vec<u8>,
        /// VCEK or VLEK, ASK or ASVK, ARK, and possibly others: DER, in any order.
        certificates: Vec<Vec<u8>>,
        /// Revocation lists, DER.
        crls: Vec<Vec<u8>>,
    },
}

/// The verdict about hardware evidence. Only [`Verifier::verify_hardware`](crate::Verifier::verify_hardware) makes one.
#[derive(Clone, Debug)]
pub struct HardwareVerdict {
    platform: Platform,
    is_genuine: bool,
    accepted: Result<String, Refusal>,
    checks: Vec<Check>,
}

impl HardwareVerdict {
    /// The evidence's platform.
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// Returns the name of the policy's image if the evidence is genuine and the policy accepts it.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn accepted(&self) -> Result<&str, &Refusal> {
        self.accepted.as_deref()
    }

    /// Every check that passed, in order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Describes the source of the time of the verdict.
    pub fn time_basis(&self) -> &'static str {
        "the time that was given"
    }

    /// Returns `Ok` if the evidence is genuine: chain and signatures are valid at the given time.
    ///
    /// # Errors
    /// The first [`Refusal`]; [`accepted`](Self::accepted) returns the same one.
    pub fn genuine(&self) -> Result<(), &Refusal> {
        match &self.accepted {
            Err(refusal) if !self.is_genuine => Err(refusal),
            _ => Ok(()),
        }
    }
}

pub(crate) fn appraise(policy: &Policy, trust: &Trust, evidence: &HardwareEvidence, at: u64) -> HardwareVerdict {
    let validity = Validity { at, skew: 0 };
    let mut checks = Checks::default();
    let (platform, is_genuine, accepted) = match evidence {
        HardwareEvidence::Nitro { document } => {
            let found = nitro_genuine(document, |_| validity, trust, &mut checks);
            let is_genuine = found.is_ok();
            let accepted = found.and_then(|found| {
                allowed(policy, Platform::Nitro, &mut checks)?;
                age(policy, at, found.timestamp / 1000, &mut checks)?;
                nitro_accepted(policy, &found, &mut checks)
            });
            (Platform::Nitro, is_genuine, accepted)
        }
        HardwareEvidence::SevSnp { report, certificates, crls } => {
            let found = snp::verify_any(report, certificates, crls, trust.amd, validity, &trust.signatures)
                .map_err(Refusal::from);
            if let Ok(found) = &found {
                snp_held(found, validity, &mut checks);
            }
            let is_genuine = found.is_ok();
            let accepted = found.and_then(|found| {
                allowed(policy, Platform::SevSnp, &mut checks)?;
                snp_accepted(policy, &found, validity, &mut checks)
            });
            (Platform::SevSnp, is_genuine, accepted)
        }
    };
    HardwareVerdict { platform, is_genuine, accepted, checks: checks.into_list() }
}

/// Verifies chain and signature of a document under AWS's root. `validity` gets the document's signing time, in Unix seconds.
pub(crate) fn nitro_genuine<'a>(
    document: &'a [u8],
    validity: impl FnOnce(u64) -> Validity,
    trust: &Trust,
    checks: &mut Checks,
) -> Result<nitro::Attested<'a>, Refusal> {
    let document = Document::parse(document)?;
    let validity = validity(document.signed_at());
    let anchor = Anchor { roots: &trust.aws, naming: Naming::Aws };
    let found = document.verify(anchor, validity, &trust.signatures)?;
    let root = joined(&mut trust.aws.iter().map(ToString::to_string), " or ");
    let at = validity.at.to_string();
    checks.held("nitro.chain.root", "the chain begins at AWS's root", NITRO_ROOT, root.clone(), root);
    checks.held("nitro.chain.validity", "every certificate is valid", "RFC 5280 §6.1.3", format!("valid at {at}"), at);
    checks.held("nitro.cose.signature", "the document is signed", "RFC 9052 §4.4, ES384", "signed", "signed");
    let module = found.module_id.clone();
    checks.held("nitro.chain.module", "the leaf is this enclave's", NITRO_ROOT, module.clone(), module);
    Ok(found)
}

/// Checks the registers of a genuine document. Returns the name of the policy's image.
pub(crate) fn nitro_accepted(
    policy: &Policy,
    found: &nitro::Attested<'_>,
    checks: &mut Checks,
) -> Result<String, Refusal> {
    let name = registers(policy, &found.registers, checks)?;
    for (index, accepted) in policy.nitro().pinned() {
        let actual = found.pcrs.get(index).copied().unwrap_or([0; 48]);
        if !accepted.contains(&actual) {
            return Err(Refusal::MeasurementPin { register: index, actual: hex::encode(actual) });
        }
        let expected = format!("pcr{index}: one of {}", accepted.len());
        checks.held("measurement.pin", "a register that the policy pins", NITRO_PCRS, expected, hex::encode(actual));
    }
    Ok(name)
}

/// Checks registers 0 to 2, of Nitro or of a simulated node.
pub(crate) fn registers(policy: &Policy, found: &[Pcr; 3], checks: &mut Checks) -> Result<String, Refusal> {
    if found.iter().all(|register| *register == [0; 48]) {
        return Err(Refusal::MeasurementDebug);
    }
    checks.held("measurement.debug", "the enclave is not in debug mode", NITRO_PCRS, "not all zero", "not all zero");
    let [pcr0, pcr1, pcr2] = found.map(hex::encode);
    let actual = format!("pcr0={pcr0} pcr1={pcr1} pcr2={pcr2}");
    let Some(name) = policy.image(found).map(String::from) else {
        return Err(Refusal::MeasurementUnknown { expected: policy.image_count(), actual });
    };
    let what = "the measured image is one that the policy lists";
    checks.held("measurement.unknown", what, NITRO_PCRS, name.clone(), actual);
    Ok(name)
}

/// Verifies chain and signature of a report under AMD's roots.
pub(crate) fn snp_genuine<C: AsRef<[u8]>>(
    report: &[u8],
    certificates: &[C],
    crls: &[C],
    validity: Validity,
    trust: &Trust,
    checks: &mut Checks,
) -> Result<snp::Attested, Refusal> {
    let found = snp::verify(report, certificates, crls, trust.amd, validity, &trust.signatures)?;
    snp_held(&found, validity, checks);
    Ok(found)
}

fn snp_held(found: &snp::Attested, validity: Validity, checks: &mut Checks) {
    let (family, at) = (found.family, validity.at.to_string());
    checks.held("snp.chain.root", "the chain ends at AMD's root", SNP_CHAIN, family.root().to_string(), family.name());
    checks.held("snp.chain.validity", "every certificate is valid", "RFC 5280 §6.1.3", format!("valid at {at}"), at);
    if !found.crls.is_empty() {
        let what = "the intermediate is not revoked";
        checks.held("snp.crl.revoked", what, "RFC 5280 §6.3", "not revoked", "not revoked");
    }
    let tcb = found.tcb.to_string();
    checks.held("snp.vek.tcb", "the key is for the reported firmware", "AMD 57230 §3.1", tcb.clone(), tcb);
    let chip = hex::encode(found.report.chip_id);
    checks.held("snp.vek.chip", "the key is for this chip", "AMD 57230 §3.1", chip.clone(), chip);
    checks.held("snp.report.signature", "the report is signed", SNP_REPORT, "signed", "signed");
}

/// Applies the policy's rules to a genuine report. Returns the name of the policy's image.
pub(crate) fn snp_accepted(
    policy: &Policy,
    found: &snp::Attested,
    validity: Validity,
    checks: &mut Checks,
) -> Result<String, Refusal> {
    policy.snp().check(found, validity, checks)?;
    let actual = hex::encode(found.report.measurement);
    let Some((name, acpi)) = policy.launch_image(&found.report.measurement) else {
        return Err(Refusal::MeasurementUnknown { expected: policy.launch_count(), actual });
    };
    let what = "the launch digest is one that the policy lists";
    checks.held("measurement.unknown", what, "AMD 56860 §8.17; the policy's images", name, actual);
    if acpi == Acpi::Static {
        let what = "the image's kernel runs no ACPI bytecode from the host";
        checks.held(ACPI_STATIC, what, "the policy's images", "static", "static");
    }
    Ok(name.into())
}

pub(crate) fn allowed(policy: &Policy, actual: Platform, checks: &mut Checks) -> Result<(), Refusal> {
    let expected = joined(&mut policy.platforms().map(|platform| platform.name().into()), ", ");
    if !policy.platforms().any(|platform| platform == actual) {
        return Err(Refusal::PlatformNotAllowed { expected, actual });
    }
    let what = "the policy accepts this platform";
    checks.held("platform.not_allowed", what, "the policy, platforms", expected, actual.name());
    Ok(())
}

/// `signed_at`: Unix seconds, by the platform's clock.
pub(crate) fn age(policy: &Policy, now: u64, signed_at: u64, checks: &mut Checks) -> Result<(), Refusal> {
    if signed_at > now.saturating_add(CLOCK_SKEW) {
        return Err(Refusal::EvidenceFuture { now, actual: signed_at });
    }
    let (limit, actual) = (policy.max_evidence_age(), now.saturating_sub(signed_at));
    if actual > limit.saturating_add(CLOCK_SKEW) {
        return Err(Refusal::EvidenceAge { limit, actual });
    }
    let (limit, actual) = (format!("{limit} s"), format!("{actual} s"));
    checks.held("evidence.age", "the evidence is fresh", "the policy, max_evidence_age", limit, actual);
    Ok(())
}

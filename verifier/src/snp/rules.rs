//! Rules of a policy for genuine reports.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::guest_policy::allows_smt;
use super::{Attested, Family, GuestRules, SigningKey, SnpRefusal, Tcb};
use crate::checks::Checks;
use crate::text::joined;
use crate::x509::Validity;

const ABI: &str = "AMD 56860, ATTESTATION_REPORT";
const PLATFORM_INFO: &str = "AMD 56860, PLATFORM_INFO";
const POLICY: &str = "the policy, [snp]";

/// Platform info bits.
const SMT_ON: u64 = 1;
const CIPHERTEXT_HIDING: u64 = 1 << 4;
const ALIAS_CHECK: u64 = 1 << 5;

/// Rules for SEV-SNP. The default accepts no family: callers must name floors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpRules {
    /// Accepted families, each with its oldest accepted firmware.
    pub floors: Vec<(Family, Tcb)>,
    /// Accepted kinds of signing keys.
    pub signers: Vec<SigningKey>,
    /// Greatest accepted VMPL of a report.
    pub max_vmpl: u32,
    /// What the guest policy may allow and must demand.
    pub guest: GuestRules,
    /// Mitigations, as bits, that must be in place now and at launch (CURRENT_MIT_VECTOR, LAUNCH_MIT_VECTOR).
    pub mitigations: u64,
    /// Whether reports of Milan are accepted without [`chips`](Self::chips). Software can extract the root of a Milan chip's keys
    /// (arXiv 2605.12990). The owner of one chip can then sign any report in its name, with any firmware.
    pub unpinned_milan: bool,
    /// Whether the platform must have checked for memory that answers at two addresses (AMD-SB-3015, BadRAM).
    pub alias_check: bool,
    /// Whether ciphertext must be hidden from the host.
    pub ciphertext_hiding: bool,
    /// Whether a valid revocation list must come with the report.
    pub crl: bool,
    /// Least accepted GUEST_SVN.
    pub guest_svn: u32,
    /// Accepted chips; `None` accepts any. Reports under a VLEK name no chip.
    pub chips: Option<Vec<[u8; 64]>>,
    /// Accepted HOST_DATA; `None` accepts any.
    pub host_data: Option<Vec<[u8; 32]>>,
    /// Accepted ID key digests; `None` accepts any.
    pub id_keys: Option<Vec<[u8; 48]>>,
    /// Accepted author key digests; `None` accepts any.
    pub author_keys: Option<Vec<[u8; 48]>>,
}

impl Default for SnpRules {
    fn default() -> Self {
        Self {
            floors: Vec::new(),
            signers: [SigningKey::Vcek].into(),
            max_vmpl: 0,
            guest: GuestRules::default(),
            mitigations: 0,
            unpinned_milan: false,
            alias_check: true,
            ciphertext_hiding: false,
            crl: true,
            guest_svn: 0,
            chips: None,
            host_data: None,
            id_keys: None,
            author_keys: None,
        }
    }
}

impl SnpRules {
    pub(crate) fn check(&self, found: &Attested, validity: Validity, checks: &mut Checks) -> Result<(), SnpRefusal> {
        self.family_and_signer(found, checks)?;
        self.guest_policy(found, checks)?;
        self.platform(found, checks)?;
        self.versions(found, checks)?;
        self.revocation(found, validity, checks)?;
        self.pins(found, checks)
    }

    /// The oldest accepted firmware of a family; `None` refuses the family.
    fn floor(&self, family: Family) -> Option<Tcb> {
        self.floors.iter().find(|(known, _)| *known == family).map(|(_, floor)| *floor)
    }

    fn family_and_signer(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let expected = joined(&mut self.floors.iter().map(|(family, _)| family.name().into()), ", ");
        let actual = found.family;
        if self.floor(actual).is_none() {
            return Err(SnpRefusal::FamilyNotAllowed { expected, actual });
        }
        checks.held(
            "snp.family.not_allowed",
            "the processor is of an accepted family",
            POLICY,
            expected,
            actual.name(),
        );
        if actual == Family::Milan && self.chips.is_none() && !self.unpinned_milan {
            return Err(SnpRefusal::FamilyUnpinned { actual });
        }
        let actual = found.report.signing_key;
        if !self.signers.contains(&actual) {
            return Err(SnpRefusal::SignerNotAllowed { actual });
        }
        let signers = joined(&mut self.signers.iter().map(|signer| signer.shown().into()), ", ");
        let (expected, actual) = (["{", &signers, "}"].concat(), actual.shown());
        checks.held(
            "snp.signer.not_allowed",
            "the report is signed by an accepted kind of key",
            POLICY,
            expected,
            actual,
        );
        Ok(())
    }

    fn guest_policy(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        self.guest.check(found.report.policy, checks)?;
        let (expected, actual) = (self.max_vmpl, found.report.vmpl);
        if actual > expected {
            return Err(SnpRefusal::Vmpl { expected, actual });
        }
        checks.held(
            "snp.vmpl",
            "the report was made at an accepted level",
            ABI,
            format!("at most {expected}"),
            actual.to_string(),
        );
        Ok(())
    }

    fn platform(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let actual = found.report.platform_info;
        let refuse = |problem| Err(SnpRefusal::PlatformInfo { problem, actual });
        if actual & SMT_ON != 0 && !(self.guest.smt && allows_smt(found.report.policy)) {
            return refuse("SMT is on");
        }
        if actual & ALIAS_CHECK == 0 && self.alias_check {
            return refuse("memory was not checked for aliases");
        }
        if actual & CIPHERTEXT_HIDING == 0 && self.ciphertext_hiding {
            return refuse("ciphertext is not hidden");
        }
        checks.held(
            "snp.platform_info",
            "the platform has the required settings",
            PLATFORM_INFO,
            "as the policy requires",
            format!("{actual:#x}"),
        );
        self.mitigations(found, checks)
    }

    fn mitigations(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let expected = self.mitigations;
        if expected == 0 {
            return Ok(());
        }
        let Some([launch, current]) = found.report.mitigations else {
            return Err(SnpRefusal::MitigationsUnknown { version: found.report.version });
        };
        for (which, actual) in [("launch", launch), ("current", current)] {
            if actual & expected != expected {
                return Err(SnpRefusal::Mitigations { which, expected, actual });
            }
        }
        checks.held(
            "snp.mitigations",
            "the required mitigations are in place now and were at launch",
            ABI,
            format!("{expected:#x}"),
            format!("{launch:#x}, {current:#x}"),
        );
        Ok(())
    }

    /// Checks versions against the floor and each other.
    fn versions(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let report = &found.report;
        let tcb = |which, raw| match found.family.split(raw) {
            (tcb, [0, 0, 0, 0]) => Ok(tcb),
            _ => Err(SnpRefusal::TcbReserved { which }),
        };
        let (current, committed) = (tcb("current", report.current_tcb)?, tcb("committed", report.committed_tcb)?);
        let (reported, launch) = (found.tcb, tcb("launch", report.launch_tcb)?);
        for (lesser, less, greater, limit) in [
            ("reported", reported, "committed", committed),
            ("committed", committed, "current", current),
            ("launch", launch, "current", current),
        ] {
            if !limit.reaches(&less) {
                return Err(SnpRefusal::TcbRollback { lesser, greater, found: less, limit });
            }
        }
        let order = "reported ≤ committed ≤ current";
        checks.held("snp.tcb.rollback", "firmware was not rolled back", "AMD 56860 §3.3", order, current.to_string());
        // `family_and_signer` refused families without a floor.
        let expected = self.floor(found.family).unwrap_or(Tcb { snp: u8::MAX, ..Tcb::default() });
        for (which, actual) in [("reported", reported), ("launch", launch)] {
            if !actual.reaches(&expected) {
                return Err(SnpRefusal::TcbFloor { which, expected, actual });
            }
        }
        checks.held(
            "snp.tcb.floor",
            "firmware is not older than accepted",
            POLICY,
            expected.to_string(),
            reported.to_string(),
        );
        let (expected, actual) = (self.guest_svn, report.guest_svn);
        if actual < expected {
            return Err(SnpRefusal::GuestSvn { expected, actual });
        }
        checks.held(
            "snp.guest_svn",
            "the image is not older than accepted",
            POLICY,
            expected.to_string(),
            actual.to_string(),
        );
        Ok(())
    }

    fn revocation(&self, found: &Attested, validity: Validity, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let Validity { at, skew } = validity;
        let holds = |(made, next): &(u64, u64)| *made <= at.saturating_add(skew) && at <= next.saturating_add(skew);
        let shown = joined(&mut found.crls.iter().map(|(made, next)| format!("{made} to {next}")), ", ");
        let shown = if shown.is_empty() { "none given".into() } else { shown };
        match found.crls.iter().any(holds) {
            false if self.crl => return Err(SnpRefusal::CrlStale { at, found: shown }),
            true => checks.held(
                "snp.crl.stale",
                "a revocation list is valid",
                "RFC 5280 §5.1.2.5",
                format!("valid at {at}"),
                shown,
            ),
            false => {}
        }
        Ok(())
    }

    fn pins(&self, found: &Attested, checks: &mut Checks) -> Result<(), SnpRefusal> {
        let report = &found.report;
        pin("chip_id", self.chips.as_ref(), &report.chip_id, checks)?;
        pin("host_data", self.host_data.as_ref(), &report.host_data, checks)?;
        pin("id_key", self.id_keys.as_ref(), &report.id_key_digest, checks)?;
        let author = if report.has_author_key { report.author_key_digest } else { [0; 48] };
        pin("author_key", self.author_keys.as_ref(), &author, checks)
    }
}

fn pin<const N: usize>(
    field: &'static str,
    accepted: Option<&Vec<[u8; N]>>,
    found: &[u8; N],
    checks: &mut Checks,
) -> Result<(), SnpRefusal> {
    let Some(accepted) = accepted else { return Ok(()) };
    let actual: String = hex::encode(found);
    if !accepted.contains(found) {
        return Err(SnpRefusal::Pin { field, actual });
    }
    let expected = format!("{field}: one of {}", accepted.len());
    checks.held("snp.pin", "a value that the policy pins", POLICY, expected, actual);
    Ok(())
}

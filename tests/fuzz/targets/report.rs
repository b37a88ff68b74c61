//! An SEV-SNP report, followed by a certificate table with its endorsements.
#![no_main]

use std::sync::LazyLock;

use quoth_verifier::{HardwareEvidence, Policy, Verifier, certificate_table};

/// Length of a report, bytes.
const REPORT: usize = 1184;
/// A time at which most captured evidence is valid.
const AT: u64 = 1_755_000_000;

/// One verifier for all inputs. It caches valid signatures, which would otherwise take most of the time.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(Policy::hardware_only()));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (report, table) = bytes.split_at(bytes.len().min(REPORT));
    // Revocation lists and certificates begin differently. Here the last document is the list.
    let mut certificates: Vec<Vec<u8>> =
        certificate_table(table).unwrap_or_default().into_iter().map(<[u8]>::to_vec).collect();
    let crls = if certificates.len() > 3 { certificates.split_off(3) } else { Vec::new() };
    let evidence = HardwareEvidence::SevSnp { report: report.to_vec(), certificates, crls };
    let verdict = VERIFIER.verify_hardware(&evidence, AT);
    assert!(verdict.accepted().is_err());
});

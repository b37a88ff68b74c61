//! How often a verdict asks for memory. The numbers are written down in README.md; one that grows wants a reason.
#![allow(clippy::unwrap_used)]

use quoth_test_evidence::{of_kind, read};
use quoth_verifier::{HardwareEvidence, Policy, Verifier};
use serde_json::Value;

/// Allocations of the first verdict about a piece of evidence, and of the next.
fn allocations(evidence: &HardwareEvidence, at: u64) -> [u64; 2] {
    let verifier = Verifier::new(Policy::hardware_only());
    [(); 2].map(|()| {
        let info = allocation_counter::measure(|| assert_eq!(verifier.verify_hardware(evidence, at).genuine(), Ok(())));
        info.count_total
    })
}

#[test]
fn verdicts_take_few_allocations() {
    let documents = of_kind("nitro-attestation-document");
    let reports = of_kind("snp-report");
    let report = reports.iter().find(|report| report["family"] == "genoa" && report["endorsement"][0].is_string());
    let (Some(document), Some(report)) = (documents.last(), report) else { return };
    let at = |vector: &Value| vector["verify_at"].as_u64().unwrap();
    let file = |vector: &Value| read(vector["name"].as_str().unwrap()).unwrap();
    let nitro = allocations(&HardwareEvidence::Nitro { document: file(document) }, at(document));
    let vek = format!("snp/vek/{}", report["endorsement"][0].as_str().unwrap());
    let certificates = [&*vek, "snp/ca/sev-genoa.der", "snp/ca/ark-genoa.der"].map(|name| read(name).unwrap()).into();
    let evidence = HardwareEvidence::SevSnp { report: file(report), certificates, crls: Vec::new() };
    let snp = allocations(&evidence, at(report));
    println!("allocations: a Nitro document {nitro:?}, an SEV-SNP report {snp:?}");
    for [first, next] in [nitro, snp] {
        assert!(first <= 200 && next <= 100, "{first} and {next}");
    }
}

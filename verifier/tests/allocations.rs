//! How often a verdict asks for memory. The numbers are written down in README.md; one that grows wants a reason.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::{env, fs};

use quoth_verifier::{HardwareEvidence, Policy, Verifier};

fn read(name: &str) -> Vec<u8> {
    let fallback = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let path = env::var_os("QUOTH_VECTORS").map_or(fallback, PathBuf::from).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; set QUOTH_VECTORS", path.display()))
}

/// Allocations of the first verdict about a piece of evidence, and of the next.
fn allocations(evidence: &HardwareEvidence, at: u64) -> [u64; 2] {
    let verifier = Verifier::new(Policy::hardware_only());
    [(); 2].map(|()| {
        let info = allocation_counter::measure(|| assert_eq!(verifier.hardware(evidence, at).genuine(), Ok(())));
        info.count_total
    })
}

#[test]
fn verdicts_take_few_allocations() {
    let document = read("nitro/opengradient-og-evm-2026-02-12-65ce3118.cbor");
    let nitro = allocations(&HardwareEvidence::Nitro { document }, 1_770_918_962);
    let report = read("snp/genoa-v5-vcek-lunal-dev-attestation-rs-8fd94192.bin");
    let certificates =
        ["snp/vek/sev-vcek-genoa-a267ef49.der", "snp/ca/sev-genoa.der", "snp/ca/ark-genoa.der"].map(read).into();
    let snp = allocations(&HardwareEvidence::SevSnp { report, certificates, crls: Vec::new() }, 1_776_000_000);
    println!("allocations: a Nitro document {nitro:?}, an SEV-SNP report {snp:?}");
    for [first, next] in [nitro, snp] {
        assert!(first <= 200 && next <= 100, "{first} and {next}");
    }
}

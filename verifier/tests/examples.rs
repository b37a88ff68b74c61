//! What the examples read gets the verdict that they show.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use quoth_verifier::{HardwareEvidence, Policy, TimeChoice, Verifier};

const AT: u64 = 1_800_000_000;

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)).unwrap()
}

fn verifier(policy: &str) -> Verifier {
    Verifier::new(Policy::from_toml(&String::from_utf8(read(policy)).unwrap()).unwrap())
}

#[test]
fn the_transcript_is_proven() {
    let verifier = verifier("simulated.policy.toml");
    let verified = verifier.verify_transcript(&read("simulated.transcript.json"), TimeChoice::Archived).unwrap();
    assert_eq!(verified.node().platform().name(), "simulated");
}

#[test]
fn forged_evidence_is_refused_for_its_root_alone() {
    let verifier = verifier("hardware.policy.toml");
    let document = read("forged.nitro.cbor");
    let verdict = verifier.verify_hardware(&HardwareEvidence::Nitro { document }, AT);
    assert_eq!(verdict.genuine().unwrap_err().code(), "nitro.chain.root");
    let report = read("forged.snp.bin");
    let certificates = ["vcek", "ask", "ark"].map(|name| read(&format!("forged.{name}.der"))).to_vec();
    let verdict = verifier.verify_hardware(&HardwareEvidence::SevSnp { report, certificates, crls: vec![] }, AT);
    assert_eq!(verdict.genuine().unwrap_err().code(), "snp.chain.root");
}

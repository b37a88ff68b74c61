//! Measures published verifiers on the same evidence that quoth-bench gives Quoth's verifier.
//!
//! `verify-peers nitro DOCUMENT` and `verify-peers snp REPORT VCEK ASK ARK`. Each line on stdin is a number. The
//! program verifies the bytes that often, and prints the microseconds of one verification.

#![forbid(unsafe_code)]

use std::io::{Write, stdin, stdout};
use std::time::Instant;
use std::{env, fs};

use attestation_doc_validation::validate_and_parse_attestation_doc;
use sev::certs::snp::{Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

fn main() {
    let mut arguments = env::args().skip(1);
    let family = arguments.next().unwrap_or_default();
    let files: Vec<Vec<u8>> = arguments.map(|path| fs::read(path).expect("evidence")).collect();
    match (family.as_str(), files.as_slice()) {
        ("nitro", [document]) => answer(|| nitro(document)),
        ("snp", [report, vcek, ask, ark]) => answer(|| snp(report, vcek, ask, ark)),
        _ => {
            eprintln!("Usage: verify-peers nitro DOCUMENT | snp REPORT VCEK ASK ARK");
            std::process::exit(2);
        }
    }
}

fn nitro(document: &[u8]) {
    validate_and_parse_attestation_doc(document).expect("a genuine document");
}

fn snp(report: &[u8], vcek: &[u8], ask: &[u8], ark: &[u8]) {
    let chain = Chain::from_der(ark, ask, vcek).expect("certificates");
    let report = AttestationReport::from_bytes(report).expect("a report");
    (&chain, &report).verify().expect("a genuine report");
}

fn answer(verify: impl Fn()) {
    for line in stdin().lines() {
        let times: u32 = line.expect("text").parse().expect("a number");
        let start = Instant::now();
        (0..times).for_each(|_| verify());
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e6 / f64::from(times));
        stdout().flush().expect("a reader");
    }
}

//! Verifies an attestation report of any AMD SEV-SNP guest: is it genuine, and does a policy accept it?
//!
//! ```text
//! cargo run -p quoth-verifier --example verify_snp [POLICY.TOML REPORT.BIN UNIX-SECONDS CERTIFICATE.DER...]
//! ```
//!
//! The certificates are VCEK (or VLEK), ASK (or ASVK) and ARK, in any order. Without arguments it judges a forged report, which
//! is in `examples/data`: signed by a whole chain with the right names, but not AMD's.

use std::error::Error;
use std::{env, fs};

use quoth_verifier::{HardwareEvidence, Policy, Verifier};

fn main() -> Result<(), Box<dyn Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let mut arguments = env::args().skip(1);
    let policy = arguments.next().unwrap_or(format!("{data}/hardware.policy.toml"));
    let report = fs::read(arguments.next().unwrap_or(format!("{data}/forged.snp.bin")))?;
    let at = arguments.next().map_or(Ok(1_800_000_000), |seconds| seconds.parse())?;
    let mut certificates = arguments.map(fs::read).collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        certificates = ["ark", "ask", "vcek"]
            .map(|name| fs::read(format!("{data}/forged.{name}.der")))
            .into_iter()
            .collect::<Result<_, _>>()?;
    }

    let verifier = Verifier::new(Policy::from_toml(&fs::read_to_string(policy)?)?);
    // A policy may demand a revocation list, too; here none is at hand.
    let evidence = HardwareEvidence::SevSnp { report, certificates, crls: Vec::new() };
    let verdict = verifier.verify_hardware(&evidence, at);

    for check in verdict.checks() {
        println!("checked       {}", check.what);
    }
    match verdict.genuine() {
        Ok(()) => println!("genuine       at {at}"),
        Err(refusal) => println!("not genuine   {}: {refusal}", refusal.code()),
    }
    match verdict.accepted() {
        Ok(image) => println!("accepted      as the policy's image {image}"),
        Err(refusal) => println!("not accepted  {}: {refusal}", refusal.code()),
    }
    Ok(())
}

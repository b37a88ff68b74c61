//! Verifies an attestation document of any AWS Nitro enclave: is it genuine, and does a policy accept it?
//!
//! ```text
//! cargo run -p quoth-verifier --example verify_nitro [POLICY.TOML DOCUMENT.CBOR UNIX-SECONDS]
//! ```
//!
//! Without arguments it judges a forged document, which is in `examples/data`: well formed and signed, but under a root that
//! is not AWS's.

use std::error::Error;
use std::{env, fs};

use quoth_verifier::{HardwareEvidence, Policy, Verifier};

fn main() -> Result<(), Box<dyn Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let mut arguments = env::args().skip(1);
    let policy = arguments.next().unwrap_or(format!("{data}/hardware.policy.toml"));
    let document = fs::read(arguments.next().unwrap_or(format!("{data}/forged.nitro.cbor")))?;
    let at = arguments.next().map_or(Ok(1_800_000_000), |seconds| seconds.parse())?;

    let verifier = Verifier::new(Policy::from_toml(&fs::read_to_string(policy)?)?);
    let verdict = verifier.verify_hardware(&HardwareEvidence::Nitro { document }, at);

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

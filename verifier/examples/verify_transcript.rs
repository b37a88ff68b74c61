//! Verifies a saved exchange offline: who answered, and that every byte is what the node signed.
//!
//! ```text
//! cargo run -p quoth-verifier --example verify_transcript [POLICY.TOML TRANSCRIPT.JSON]
//! ```
//!
//! Without arguments it verifies an exchange of a simulated node, which is in `examples/data`.

use std::error::Error;
use std::{env, fs};

use quoth_verifier::{Policy, TimeChoice, Verifier};

fn main() -> Result<(), Box<dyn Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data");
    let mut arguments = env::args().skip(1);
    let policy = arguments.next().unwrap_or(format!("{data}/simulated.policy.toml"));
    let transcript = arguments.next().unwrap_or(format!("{data}/simulated.transcript.json"));

    let verifier = Verifier::new(Policy::from_toml(&fs::read_to_string(policy)?)?);
    let verified = verifier.verify_transcript(&fs::read(transcript)?, TimeChoice::Archived)?;

    let (node, receipt) = (verified.node(), verified.exchange().receipt().claims());
    println!("node      {} on platform {}", node.digest(), node.platform().name());
    println!("time      {}, by {}", receipt.iat, node.time_basis());
    println!("receipt   number {} of exchange {}", receipt.seq, receipt.cti);
    println!("answer    {} bytes, status {}", receipt.exchange.response_length, receipt.exchange.status);
    for check in node.checks() {
        println!("checked   {}", check.what);
    }
    Ok(())
}

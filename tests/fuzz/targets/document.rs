//! An attestation document in Nitro's layout, alone under AWS's root, and as evidence of a node under another root.
//!
//! Every document must be refused.
#![no_main]

use std::sync::LazyLock;

use quoth_attestation::bounded::List;
use quoth_attestation::evidence::{Encoded, Evidence, Quote};
use quoth_attestation::statement::{Platform, Statement};
use quoth_verifier::{HardwareEvidence, Policy, Time, Verifier};

/// Any time works, because a chain checks it last.
const AT: u64 = 1_755_000_000;
/// The specification's example, as a simulated node.
const STATEMENT: &[u8] = include_bytes!("../corpus/statement/spec");

static STATEMENT_BYTES: LazyLock<(Encoded, u64)> = LazyLock::new(|| {
    let mut statement = Statement::decode(STATEMENT).unwrap();
    statement.platform = Platform::Simulated;
    // The base point of Ed25519, which is a valid key.
    statement.keys.receipt = [0x66; 32];
    statement.keys.receipt[0] = 0x58;
    (statement.encode().try_into().unwrap(), statement.issued())
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let register = "11".repeat(48);
    let policy = format!(
        "version = 1\nplatforms = [\"simulated\"]\n[simulated]\nroots = [\"{}\"]\n[[image]]\nname = \"x\"\n\
         pcr0 = \"{register}\"\npcr1 = \"{register}\"\npcr2 = \"{register}\"\n[models]\naccept = \"any\"\n",
        "00".repeat(32),
    );
    Verifier::new(Policy::from_toml(&policy).unwrap())
});

libfuzzer_sys::fuzz_target!(|quote: &[u8]| {
    assert!(VERIFIER.verify_hardware(&HardwareEvidence::Nitro { document: quote.to_vec() }, AT).accepted().is_err());
    let (statement, issued) = STATEMENT_BYTES.clone();
    // Evidence cannot hold a quote of another length.
    let Ok(quote) = Quote::new(quote) else { return };
    let evidence = Evidence { statement, quote, nonce: None, certificates: List::default(), crls: List::default() };
    let evidence = evidence.encode();
    assert!(VERIFIER.verify_node(&evidence, None, Time::Live { now: issued + 1 }).is_err());
    assert!(VERIFIER.verify_node(&evidence, None, Time::Archived { at: issued + 1 }).is_err());
});

//! Verifies nodes, receipts and answers. It takes bytes, a policy and a time, and returns a verdict whose type only this crate
//! can make.
//!
//! ```no_run
//! use quoth_verifier::{Policy, TimeChoice, Verifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::from_toml(&std::fs::read_to_string("policy.toml")?)?;
//! let file = std::fs::read("answer.transcript.json")?;
//! let transcript = Verifier::new(policy).verify_transcript(&file, TimeChoice::Archived)?;
//! println!("answered by {}, by {}", transcript.node().digest(), transcript.node().time_basis());
//! # Ok(())
//! # }
//! ```
//!
//! | you have | you call | you get |
//! |---|---|---|
//! | a saved transcript | [`Verifier::verify_transcript`] | [`VerifiedTranscript`]: everything below, offline |
//! | evidence of a node | [`Verifier::verify_node`] | [`VerifiedNode`]: platform, image, keys, models |
//! | a receipt | [`VerifiedNode::verify_receipt`] | [`VerifiedReceipt`]: signed by that node |
//! | request and response | [`VerifiedReceipt::verify_exchange`] | [`VerifiedExchange`]: the receipt is about these bytes |
//! | an event stream | [`VerifiedNode::verify_stream`] | [`StreamVerifier`]: the body as it passes, then a verdict |
//! | a head of a node's log | [`VerifiedReceipt::verify_in_log`] | [`VerifiedHead`]: the log that it signs has this receipt |
//! | many receipts | [`verify_chain`] | [`ChainReport`]: what is missing |
//! | hardware evidence of any enclave | [`Verifier::verify_hardware`] | [`HardwareVerdict`]: genuine, and accepted |
//!
//! Everything else is a [`Refusal`] with a stable [`code`](Refusal::code), the expected value and the value found. The README
//! describes what a policy holds, what a verdict does not prove, and which attacks the tests try.
//!
//! `no_std` with `alloc`: no input or output, no clock, no `unsafe`. Features:
//!
//! - `toml` (default): reads policies in TOML. Without it, policies are canonical JSON.
//! - `log`: verifies heads of the receipt log. Without it, they are refused.
//! - `aws-lc-rs`: verifies signatures of hardware evidence with aws-lc, four times faster. Needs std.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "aws-lc-rs")]
extern crate std;

mod chain;
mod checks;
mod crypto;
mod der;
mod ed25519;
mod exchange;
mod hardware;
mod head;
mod log;
mod nitro;
mod node;
pub mod policy;
mod receipt;
mod refusal;
mod signature_cache;
mod signatures;
mod snp;
mod stream;
mod text;
mod time;
mod transcript;
mod trust;
mod verifier;
mod x509;

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Parsers outside the API, for fuzzers only.
#[cfg(fuzzing)]
pub mod fuzzing {
    use crate::x509::{Certificate, RevocationList};

    /// Returns true if `bytes` are a certificate.
    pub fn certificate(bytes: &[u8]) -> bool {
        Certificate::parse(bytes).is_ok()
    }

    /// Returns true if `bytes` are a revocation list.
    pub fn revocation_list(bytes: &[u8]) -> bool {
        RevocationList::parse(bytes).is_ok()
    }
}

pub use chain::{ChainReport, Gap, verify_chain};
pub use checks::Check;
pub use exchange::{PassThrough, VerifiedDetails, VerifiedExchange};
pub use hardware::{HardwareEvidence, HardwareVerdict};
pub use head::ResponseHead;
pub use log::VerifiedHead;
pub use node::VerifiedNode;
pub use policy::{Accept, AcceptUpstreams, Acpi, Image, NitroPins, Policy, PolicyBuilder, PolicyError, SnpImage};
pub use quoth_attestation::ExchangeId;
pub use quoth_attestation::record::Kind;
pub use quoth_attestation::transcript::{Details, LocalDetails, Request, Response, UpstreamDetails};
pub use receipt::VerifiedReceipt;
pub use refusal::Refusal;
pub use snp::{
    Abi, Family, GuestRules, Protection, ReportSigner, SigningKey, SnpRefusal, SnpRules, Tcb, certificate_table,
    revocation_list_window,
};
pub use stream::{Pushed, Record, StreamVerifier};
pub use time::{CLOCK_SKEW, Time, TimeChoice};
pub use transcript::VerifiedTranscript;
pub use verifier::Verifier;

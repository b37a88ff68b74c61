#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "fast")]
extern crate std;

mod chain;
mod crypto;
mod ed25519;
mod exchange;
mod hardware;
mod memory;
mod nitro;
mod node;
pub mod policy;
mod receipt;
mod refusal;
mod signatures;
mod snp;
mod stream;
mod transcript;
mod trust;
mod verifier;
mod x509;

/// Readers that are no part of the API, for fuzzers alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    use crate::x509::{Certificate, RevocationList};

    /// Whether bytes are a certificate.
    pub fn certificate(bytes: &[u8]) -> bool {
        Certificate::parse(bytes).is_ok()
    }

    /// Whether bytes are a revocation list.
    pub fn revocation_list(bytes: &[u8]) -> bool {
        RevocationList::parse(bytes).is_ok()
    }
}

pub use chain::{ChainReport, Gap, verify_chain};
pub use exchange::{Passed, VerifiedDetails, VerifiedExchange};
pub use hardware::{HardwareEvidence, HardwareVerdict};
pub use node::{Check, VerifiedNode};
pub use policy::{Accept, AcceptUpstreams, Acpi, Image, NitroPins, Policy, PolicyBuilder, PolicyError, SnpImage};
pub use quoth_attestation::sorted::{SortedMap, SortedSet};
pub use quoth_attestation::transcript::{Details, LocalDetails, Request, Response, UpstreamDetails};
pub use receipt::VerifiedReceipt;
pub use refusal::Refusal;
pub use snp::{
    Abi, Family, GuestRules, Protection, ReportSigner, SigningKey, SnpRefusal, SnpRules, Tcb, certificate_table,
    revocation_list_window,
};
pub use stream::StreamVerifier;
pub use transcript::VerifiedTranscript;
pub use verifier::{CLOCK_SKEW, Time, TimeChoice, Verifier};

//! Quoth's wire formats: everything that leaves a node and is checked elsewhere.
//!
//! ```no_run
//! use quoth_attestation::cose::Signed;
//! use quoth_attestation::receipt::Receipt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let receipt = Signed::<Receipt>::decode(&std::fs::read("receipt.cose")?)?; // well formed; quoth-verifier verifies it
//! println!("receipt {} of node {}", receipt.claims().seq, receipt.claims().node);
//! # Ok(())
//! # }
//! ```
//!
//! `no_std`, without input or output, clock, randomness or private keys: callers supply time, random bytes
//! and signatures. `SPEC.md` beside this crate describes each format to the byte. This crate's tests read their test
//! vectors from that page.
//!
//! | module | format |
//! |---|---|
//! | [`statement`] | a node's identity, made once at boot |
//! | [`evm`] | the node's and its operator's names on Ethereum |
//! | [`binding`] | the 64 bytes that hardware signs |
//! | [`evidence`] | statement, quote and endorsements in one bundle |
//! | [`commit`] | salted commitments to requests, responses and their parts |
//! | [`receipt`] | signed claims about one exchange |
//! | [`checkpoint`] | signed progress of a stream that still runs |
//! | [`events`] | where the events of a stream end, and which one ends it |
//! | [`record`] | how checkpoints and receipts travel inside an event stream |
//! | [`bounded`] | texts, byte strings, lists and integers that carry their format's bounds |
//! | [`sampling`] | how a local model's tokens were chosen |
//! | [`headers`] | header fields that pass to providers and back |
//! | [`guest_policy`] | bits of SEV-SNP's guest policy |
//! | [`json`] | the JSON of transcripts and policies |
//! | [`log`] | the transparency log of receipts: tree, proofs, tiles, heads, notes |
//! | [`secret`] | sealed secrets for a node, such as provider keys |
//! | [`token`] | access tokens of callers, and the hashes that nodes store |
//! | [`transcript`] | one exchange in one file, for an auditor |
//!
//! Decoding is strict everywhere: each value has exactly one accepted encoding. Every signed value can be decoded: the types
//! hold each format's bounds, so a value that its decoder would refuse cannot be made.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod base64url;
pub mod binding;
pub mod bounded;
pub mod cbor;
pub mod checkpoint;
pub mod commit;
pub mod cose;
mod digest;
mod error;
pub mod events;
pub mod evidence;
pub mod evm;
mod exchange_id;
pub mod guest_policy;
pub mod headers;
pub mod json;
pub mod log;
pub mod measurement;
pub mod receipt;
pub mod record;
pub mod sampling;
pub mod secret;
pub mod statement;
pub mod token;
pub mod transcript;

pub use digest::Digest;
pub use error::FormatError;
pub use exchange_id::ExchangeId;

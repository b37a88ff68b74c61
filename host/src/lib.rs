//! The untrusted host of an enclave: starts it, feeds it models, relays encrypted traffic and keeps receipts on disk.
//!
//! A verifier trusts nothing that the host says. A dishonest host can refuse service, and it sees sizes, timing and
//! receipts.
//!
//! | module | what it does |
//! |---|---|
//! | [`relay`] | relays clients' TCP connections to the enclave, blind |
//! | [`egress`] | connects the enclave to closed providers, also blind |
//! | [`journal`] | writes receipts to SQLite, acknowledges them after fsync, checks the stored chains |
//! | [`models`] | hashes GGUF files and feeds them to the enclave |
//! | [`upstreams`] | lists the closed providers that `quoth up` knows by name |
//! | [`run_dir`] | manages the folder of one node: lock, state, paths |
//! | `launch` | starts the enclave: a process, nitro-cli or QEMU |
//! | [`up`] | runs one node from start to stop |
//! | [`endorsements`] | gets AMD's certificates and revocation lists for SEV-SNP reports, and caches them |
//! | [`commands`] | implements `quoth status`, `receipts`, `metrics` and `endorse` |
#![forbid(unsafe_code)]

pub mod args;
pub mod commands;
mod configuration;
mod context_id;
mod control;
pub mod egress;
pub mod endorsements;
mod error;
mod events;
pub mod journal;
mod launch;
pub mod models;
mod policy;
mod process;
mod program;
pub mod relay;
pub mod run_dir;
mod screen;
pub mod up;
pub mod upstreams;

pub use error::HostError;

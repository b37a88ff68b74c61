//! The untrusted shim beside an enclave: it starts one, feeds it models, relays clients to it without seeing what they
//! say, and keeps its receipts on disk. Nothing here is believed by anybody who verifies; what a dishonest host could do
//! is refuse service, and see sizes, timing and receipts.
//!
//! | module | what it does |
//! |---|---|
//! | [`relay`] | TCP to the enclave and back, blind |
//! | [`egress`] | the enclave to closed providers and back, blind too |
//! | [`journal`] | receipts to SQLite, acknowledged after fsync; what the file says about chains |
//! | [`models`] | GGUF files by digest, and their feed |
//! | [`upstreams`] | closed providers that `quoth up` knows by name |
//! | [`run_dir`] | the folder of one node: lock, state, what is written where |
//! | `launch` | how its enclave comes to life: a process, nitro-cli, QEMU |
//! | [`up`] | the life of one node |
//! | [`endorsements`] | what makes a report of SEV-SNP worth something to others: from AMD, kept on disk |
//! | [`commands`] | `quoth status`, `receipts`, `metrics`, `endorse` |
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

//! A node made by the tests: its keys, its simulated evidence, its receipts, and a TLS server that says what a test wants.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

pub mod node;
pub mod server;

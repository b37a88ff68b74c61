//! The trusted program. TLS ends here and nowhere else. Prompts leave it only for the provider that the configuration
//! names.
//!
//! | module | what it does |
//! |---|---|
//! | [`init`] | the first process of an image |
//! | [`boot`] | the steps from an empty process to a node that answers |
//! | [`config`] | the measured configuration |
//! | [`platform`] | what vouches for the node |
//! | [`identity`] | who the node is: statement and evidence |
//! | [`node`] | everything that a node answers with |
//! | [`exchange`] | one request and its answer, ending in one receipt |
//! | [`api`] | what the HTTP paths mean |
//! | [`server`] | connections, TLS, limits |
//! | [`upstream`] | closed providers, over TLS through the host |
//! | [`callers`] | who may ask, and how much |
//! | [`budgets`], [`shares`], [`turns`], [`hold`], [`pace`] | what is held for each caller, and for how long |
//! | [`secrets`] | keys for providers, sealed to this boot |
//! | [`journal`], [`events`], [`feed`] | the link to the host |
#![forbid(unsafe_code)]

mod answer_text;
pub mod api;
pub mod boot;
pub mod budgets;
pub mod callers;
pub mod clock;
pub mod config;
pub mod endorse;
mod error;
pub mod events;
pub mod exchange;
pub mod feed;
pub mod hold;
pub mod identity;
pub mod init;
pub mod journal;
pub mod keys;
pub mod limits;
mod log;
mod log_keys;
pub mod metrics;
pub mod node;
pub mod pace;
pub mod platform;
pub mod process;
pub mod secrets;
pub mod server;
pub mod shares;
pub mod tls;
pub mod turns;
pub mod upstream;

pub use error::EnclaveError;

//! A closed provider for tests: the public APIs over real TLS and HTTP, and every way they may go wrong.
//!
//! [`Provider`] listens on a loopback port with a certificate of its own authority and answers as `OpenAI` and
//! Anthropic do, the same question always in the same words. It keeps each [`Request`] as it came. [`Behaviour`] says
//! how it misbehaves, from now on, until told otherwise.

#![forbid(unsafe_code)]
// Tests stop at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

mod answer;
mod anthropic;
mod ask;
mod behaviour;
mod body;
mod certificates;
mod connection;
mod errors;
mod gzip;
mod openai;
mod options;
mod prompt;
mod provider;
mod raw;
mod record;
mod reply;
mod respond;
mod schema;
mod service;
mod session;
mod shared;
mod sse;
mod steps;
mod tls;
mod watch;
mod wire;

pub use behaviour::{Behaviour, FALSE_RECORD, LineEnd, Notice, TRAILER};
pub use options::Options;
pub use provider::Provider;
pub use record::Request;

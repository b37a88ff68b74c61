//! A fake closed provider for tests: the public APIs over real TLS and HTTP, with every kind of misbehaviour.
//!
//! [`Provider`] listens on a loopback port with a certificate of its own authority and answers as `OpenAI` and
//! Anthropic do. The same question always gets the same answer. It keeps each [`Request`] as it arrived. [`Behaviour`]
//! says how it misbehaves until the next change.

#![forbid(unsafe_code)]
// Tests stop at the first unexpected result.
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

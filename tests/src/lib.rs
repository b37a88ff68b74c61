//! End to end: real processes, real sockets, real models.
//!
//! [`Node`] starts `quoth up` with a tiny model on a free loopback port and ends what it started. [`Wire`] is a TLS
//! connection on which a test may say anything, however wrong. [`Relay`] stands between client and node and mistreats
//! what passes. [`Http2`] is a client's side of HTTP/2. [`House`] is a node in front of a fake provider. [`Image`] is what machines boot from. [`Liar`] signs what was never computed. [`FalseHost`] is a host that
//! misbehaves on the ports of its link. The tests are under `tests/`, by what they are about; the demo is the binary `quoth-demo`.

#![forbid(unsafe_code)]
// Tests stop at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

mod chat;
mod false_host;
mod house;
mod http2;
mod image;
mod journal;
mod liar;
mod load;
mod node;
mod relay;
mod wire;

pub use chat::{ask, chat_body, long_chat_body, proven_chat};
pub use false_host::{FalseHost, Manner, noise};
pub use house::{House, bearer};
pub use http2::Http2;
pub use image::{Image, Machine};
pub use journal::{Journal, journal, verify_journal};
pub use liar::Liar;
pub use load::{Request, save, transcripts_under_load};
pub use node::{Boot, Node, Options, command};
pub use relay::{Mischief, Relay};
pub use wire::{Answer, Wire};

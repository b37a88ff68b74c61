//! Tools for end-to-end tests with real processes, sockets and models.
//!
//! [`Node`] starts `quoth up` with a tiny model on a free loopback port and ends what it started. [`Wire`] is a TLS
//! connection that can send any bytes. [`Relay`] stands between client and node and changes the traffic. [`Http2`] is a
//! client's side of HTTP/2. [`House`] is a node in front of a fake provider. [`Image`] is an image that machines boot.
//! [`Liar`] signs false receipts. [`FalseHost`] is a host that misbehaves on the ports of its link. The tests are in
//! `tests/`, one file for each topic. The demo is the binary `quoth-demo`.

#![forbid(unsafe_code)]
// Tests stop at the first unexpected result.
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
pub use house::{House, bearer, passed_through};
pub use http2::Http2;
pub use image::{Image, Machine};
pub use journal::{Journal, journal, verify_journal};
pub use liar::Liar;
pub use load::{Request, save, transcripts_under_load};
pub use node::{Boot, Node, Options, command};
pub use relay::{Mischief, Relay};
pub use wire::{Answer, Wire};

//! Events and status from the enclave, and the one command from the host: a JSON object a line.
//! Fixed names and numbers only; nothing that a caller said ever comes here.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

use crate::{LinkError, line};

/// A line, bytes, at most.
pub const MAX_LINE: usize = 16 * 1024;

/// From enclave to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A boot step is done.
    Boot {
        /// Its name.
        step: String,
        /// How long it took, milliseconds.
        ms: u64,
    },
    /// The node answers. Sent again after every re-attachment.
    Ready(Ready),
    /// A boot step failed; the enclave ends.
    Fatal {
        /// The step's name.
        step: String,
        /// Why: a fixed text with numbers.
        reason: String,
    },
    /// Once a second.
    Status(Status),
    /// Everything is finished and acknowledged; the enclave ends.
    Stopped {},
}

/// What the host may know of a running node, and tell its callers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The instance, hex.
    pub instance: String,
    /// Digest of the node statement, hex.
    pub node: String,
    /// Certificate of the TLS chain's root, PEM.
    pub ca: String,
    /// Raw Ed25519 receipt key, hex.
    pub receipt_key: String,
    /// SHA-256 of the simulated platform's root certificate, hex; absent on other platforms.
    pub simulated_root: Option<String>,
}

/// Counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Seconds since boot.
    pub uptime: u64,
    /// Client connections open now.
    pub connections: u64,
    /// Exchanges in progress.
    pub active: u64,
    /// Receipts issued since boot.
    pub receipts: u64,
    /// Receipts not yet acknowledged.
    pub unacknowledged: u64,
}

/// From host to enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Take no more requests, finish the running ones, hand over every receipt, end.
    Drain {},
}

/// One line of JSON.
pub trait Message: Serialize + for<'a> Deserialize<'a> {
    /// The line, LF included.
    fn encode(&self) -> Vec<u8> {
        // safe: plain structures serialize
        let mut line = serde_json::to_vec(self).expect("plain structures serialize");
        line.push(b'\n');
        line
    }

    /// Reads a line without its LF.
    fn decode(line: &[u8]) -> Result<Self, LinkError> {
        serde_json::from_slice(line).map_err(|_| LinkError::Malformed { what: "event" })
    }

    /// Sends it.
    fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> impl Future<Output = Result<(), LinkError>> {
        let line = self.encode();
        async move {
            stream.write_all(&line).await?;
            Ok(stream.flush().await?)
        }
    }

    /// Receives one; `None` when the stream ended between lines.
    fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> impl Future<Output = Result<Option<Self>, LinkError>> {
        async move { line::read(stream, "event", MAX_LINE).await?.map(|line| Self::decode(&line)).transpose() }
    }
}

impl Message for Event {}
impl Message for Command {}

//! Limits on what SDKs can make the proxy hold or wait for, and on its use of a node. Limits on the node's answers are in
//! [`quoth_client::limits`].

use std::time::Duration;

/// Maximum number of connections to the node; further requests wait.
pub(super) const NODE_CONNECTIONS: usize = 32;
/// Maximum wait for such a connection, then 503.
pub(super) const WAIT: Duration = Duration::from_secs(60);
/// Maximum idle time of a kept connection; nodes close theirs after ten seconds.
pub(super) const IDLE: Duration = Duration::from_secs(8);
/// Maximum age of a verified connection; then the node is verified again.
pub(super) const VERIFIED: Duration = Duration::from_secs(3600);
/// Maximum number of connections from SDKs; further ones wait to be accepted.
pub(super) const SDK_CONNECTIONS: usize = 128;
/// Maximum time for a request's head, from the end of the request before.
pub(super) const HEAD: Duration = Duration::from_secs(60);
/// Maximum time for a request's body.
pub(super) const BODY: Duration = Duration::from_secs(60);
/// Maximum time in which an SDK accepts no byte.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(60);
/// Maximum bytes in a request's head.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// Maximum header fields of a request.
pub(super) const HEADERS: usize = 64;
/// Maximum bytes in a request-target; a receipt can name no longer one.
pub(super) const TARGET_BYTES: usize = 2048;
/// Maximum bytes in a request's body. Nodes have their own limits.
pub(super) const BODY_BYTES: usize = 32 << 20;
/// Maximum bytes drained from an oversized body, so the client can read the error.
pub(super) const DISCARD_BYTES: usize = 32 << 20;
/// Maximum time to drain it.
pub(super) const DISCARD: Duration = Duration::from_secs(5);
/// Time between the event that says why a stream is not proven and the end of the connection, so that the event can arrive.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);
/// Maximum time for running answers to end after Ctrl-C.
pub(super) const DRAIN: Duration = Duration::from_secs(60);
/// Pause after the system has no more file descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

//! Every bound on what SDKs can make the proxy hold or wait for, and on what it asks of a node. How long the node may
//! take, and how much it may send, is for [`quoth_client::limits`] to say.

use std::time::Duration;

/// Connections to the node at one time; further requests wait.
pub(super) const NODE_CONNECTIONS: usize = 32;
/// They wait so long, then get 503.
pub(super) const WAIT: Duration = Duration::from_secs(60);
/// A connection that carries nothing is kept so long: nodes close theirs after ten seconds.
pub(super) const IDLE: Duration = Duration::from_secs(8);
/// A node is verified anew, on a new connection, at least so often.
pub(super) const VERIFIED: Duration = Duration::from_secs(3600);
/// Connections of SDKs at one time; further ones wait to be accepted.
pub(super) const SDK_CONNECTIONS: usize = 128;
/// The head of a request, from the end of the one before.
pub(super) const HEAD: Duration = Duration::from_secs(60);
/// The body of a request.
pub(super) const BODY: Duration = Duration::from_secs(60);
/// An SDK that takes no byte for so long is gone.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(60);
/// The head of a request, bytes.
pub(super) const HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
pub(super) const HEADERS: usize = 64;
/// A request-target, bytes: as long as a receipt can name.
pub(super) const TARGET_BYTES: usize = 2048;
/// The body of a request, bytes. Nodes have limits of their own.
pub(super) const BODY_BYTES: usize = 32 << 20;
/// Of a body that is too long so much more is read, so that its sender hears why, bytes.
pub(super) const DISCARD_BYTES: usize = 32 << 20;
/// And for so long.
pub(super) const DISCARD: Duration = Duration::from_secs(5);
/// A stream that is not proven breaks off so long after the event that says why, which is on its way until then.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(100);
/// After Ctrl-C, running answers get so long to end.
pub(super) const DRAIN: Duration = Duration::from_secs(60);
/// How long to wait when the system has no more descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

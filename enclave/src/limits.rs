//! Every bound on what clients and the host can make the enclave hold or wait for.

use std::time::Duration;

/// A configuration file, bytes.
pub const CONFIG_BYTES: u64 = 64 * 1024;
/// A TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// The head of a request, from the end of the one before.
pub const HEAD: Duration = Duration::from_secs(10);
/// The body of a request.
pub const BODY: Duration = Duration::from_secs(30);
/// A client that takes no byte for so long is gone.
pub const WRITE_STALL: Duration = Duration::from_secs(60);
/// Pieces of a stream that wait for a slow client.
pub const STREAM_PIECES: usize = 8;
/// The head of a request, bytes.
pub const HEAD_BYTES: usize = 16 * 1024;
/// A request-target, bytes: as long as a receipt can name.
pub const TARGET_BYTES: usize = 2048;
/// Header fields of a request.
pub const HEADERS: usize = 64;
/// The body of a request, bytes, unless configured.
pub const BODY_BYTES: usize = 4 << 20;
/// Request bodies held at one time, bytes, all together.
pub const BODIES_BYTES: usize = 256 << 20;
/// Of a body that is too long so much more is read, so that its sender hears why, bytes.
pub const DISCARD_BYTES: usize = 8 << 20;
/// And for so long.
pub const DISCARD: Duration = Duration::from_secs(5);
/// Client connections, unless configured.
pub const CONNECTIONS: usize = 4096;
/// Exchanges in progress, unless configured.
pub const EXCHANGES: usize = 512;
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS: u32 = 128;
/// Streams that a client may open and reset before they are looked at (CVE-2023-44487).
pub const H2_RESETS: usize = 20;
/// Quotes under way or waited for at one time; one more gets 429.
pub const QUOTES: usize = 64;
/// Receipts that the host has not acknowledged; at so many the node answers 503.
pub const UNACKNOWLEDGED: usize = quoth_link::journal::MAX_UNACKNOWLEDGED;
/// Receipts kept for `GET /v1/receipts`.
pub const RECENT_RECEIPTS: usize = 4096;
/// Exchanges whose details are kept.
pub const DETAILS: usize = 256;
/// Their bytes, all together.
pub const DETAILS_BYTES: usize = 64 << 20;
/// How long details are kept.
pub const DETAILS_LIFE: Duration = Duration::from_secs(600);
/// Bytes that have left get a checkpoint within this time: at least one a second, with room for a busy moment.
pub const CHECKPOINT: Duration = Duration::from_millis(900);
/// Evidence older than this is made anew.
pub const EVIDENCE_LIFE: Duration = Duration::from_secs(3600);
/// A statement's life.
pub const STATEMENT_LIFE: Duration = Duration::from_secs(quoth_attestation::statement::MAX_LIFE);
/// A model feed that brings no byte for so long has stalled.
pub const FEED_STALL: Duration = Duration::from_secs(20);
/// Running exchanges get so long to finish when the node drains.
pub const DRAIN: Duration = Duration::from_secs(20);
/// Clients get so long to close once nothing runs.
pub const CLOSE: Duration = Duration::from_secs(2);
/// The journal gets so long to take the last receipts.
pub const JOURNAL_DRAIN: Duration = Duration::from_secs(5);
/// Receipts wait so long for others to go to the host with them: fewer wake-ups here, fewer syncs of its disk there.
pub const JOURNAL_LINGER: Duration = Duration::from_millis(20);
/// Receipts sent to the host in one write, bytes.
pub const JOURNAL_BATCH: usize = 64 * 1024;
/// A host that takes no receipt for so long is gone.
pub const JOURNAL_STALL: Duration = Duration::from_secs(10);

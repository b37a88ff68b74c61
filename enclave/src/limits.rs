//! Every bound on what clients and the host can make the enclave hold or wait for.

use std::time::Duration;

/// A configuration file, bytes.
pub const CONFIG_BYTES: u64 = 64 * 1024;
/// A TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// The head of a request, from the end of the one before.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that moves no byte for this long is gone, in either direction.
pub const STALL: Duration = Duration::from_secs(30);
/// A client that moves fewer bytes a second is gone after a while, too.
pub const LEAST_RATE: u64 = 4 * 1024;
/// Pieces of a stream that wait for a slow client.
pub const STREAM_PIECES: usize = 8;
/// The head of a request, bytes.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
pub const HEADERS: usize = 64;
/// The body of a request, bytes, unless configured.
pub const BODY_BYTES: usize = 4 << 20;
/// Memory held on behalf of others, bytes, unless configured: requests, answers, events, details.
pub const MEMORY_BYTES: usize = 192 << 20;
/// What a request counts for in it beside its head, body and answer, bytes.
pub const REQUEST_BYTES: usize = 16 * 1024;
/// What a header field counts for in it beside its name and value, bytes.
pub const FIELD_BYTES: usize = 96;
/// Heads are held in so many copies: as received, as passed on, as sent.
pub const HEAD_COPIES: usize = 3;
/// One part in this many of the memory budget is for requests that are not admitted: lookups and refusals.
pub const UNADMITTED_PART: usize = 16;
/// What a node of a JSON tree counts for in it, bytes (a `serde_json::Value`, its key and spare room).
pub const JSON_NODE_BYTES: usize = 96;
/// A buffer that collects a body grows by at least this, bytes.
pub const GROWTH: usize = 16 * 1024;
/// An answer is handed to its connection in pieces of at most this, bytes.
pub const ANSWER_PIECE: usize = 64 * 1024;
/// Of a body that is too long so much more is read, so that its sender hears why, bytes.
pub const DISCARD_BYTES: usize = 8 << 20;
/// And for so long.
pub const DISCARD: Duration = Duration::from_secs(5);
/// Client connections, unless configured.
pub const CONNECTIONS: usize = 4096;
/// One part in this many of them may be connections that have shown no valid token and brought no whole request.
pub const UNPROVEN_PART: usize = 8;
/// A connection that was opened or used within this time makes no room for another, which waits.
pub const GRACE: Duration = Duration::from_millis(200);
/// An HTTP/2 connection without a request is closed after this time.
pub const IDLE: Duration = Duration::from_secs(60);
/// One that never had a whole request is closed after this time.
pub const IDLE_UNPROVEN: Duration = Duration::from_secs(10);
/// A connection takes no new request after this time.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(60 * 60);
/// So many more requests of a connection than succeed are turned away at once.
pub const REFUSALS_AT_ONCE: u32 = 16;
/// Each further refusal waits longer by this.
pub const REFUSAL_PAUSE: Duration = Duration::from_millis(20);
/// But at most this.
pub const REFUSAL_PAUSE_MOST: Duration = Duration::from_secs(1);
/// More refusals than this are not counted: so many successes make up for all.
pub const REFUSALS_COUNTED: u32 = 66;
/// Connections are looked after at this interval.
pub const UPKEEP: Duration = Duration::from_secs(5);
/// Of the exchanges in progress, one part in this many is not for any one provider, where there is more than one.
pub const UPSTREAM_PART: usize = 4;
/// Exchanges in progress, unless configured.
pub const EXCHANGES: usize = 2048;
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS: u32 = 128;
/// Streams that a client may open and reset before they are looked at (CVE-2023-44487).
pub const H2_RESETS: usize = 20;
/// Quotes under way or waited for at one time; one more gets 429.
pub const QUOTES: u64 = 64;
/// Quotes that the platform makes at one time.
pub const QUOTES_AT_ONCE: usize = 1;
/// Receipts to come and receipts that the host has not acknowledged, unless more exchanges are configured; at so many the
/// node answers 503.
pub const UNACKNOWLEDGED: usize = quoth_link::journal::MAX_UNACKNOWLEDGED;
/// Receipts kept for `GET /v1/receipts`.
pub const RECENT_RECEIPTS: usize = 4096;
/// Exchanges whose details are kept.
pub const DETAILS: u64 = 256;
/// One part in this many of the memory budget is for their bytes.
pub const DETAILS_PART: usize = 4;
/// How long details are kept.
pub const DETAILS_LIFE: Duration = Duration::from_secs(600);
/// Bytes that have left get a checkpoint within this time: at least one a second, with room for a busy moment.
pub const CHECKPOINT: Duration = Duration::from_millis(900);
/// Evidence older than this is made anew.
pub const EVIDENCE_LIFE: Duration = Duration::from_secs(3600);
/// A statement's life.
pub const STATEMENT_LIFE: Duration = Duration::from_secs(quoth_attestation::statement::MAX_LIFE);
/// Counters are handed to so many connections of the host's at one time.
pub const METRICS: usize = 8;
/// One that does not take them in this time does not want them.
pub const METRICS_WRITE: Duration = Duration::from_secs(2);
/// The host gets so long to find out what endorses a report: it may have to wait for its turn with the manufacturer's service.
pub const ENDORSEMENTS: Duration = Duration::from_secs(60);
/// They are asked for anew after this time: among them are revocation lists.
pub const ENDORSEMENTS_LIFE: Duration = Duration::from_secs(6 * 60 * 60);
/// A host that had none is asked again after this time, and after twice as long each time.
pub const ENDORSEMENTS_RETRY: Duration = Duration::from_secs(10);
/// But at most after this.
pub const ENDORSEMENTS_RETRY_MOST: Duration = Duration::from_secs(600);
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
/// A host that owes an answer, and gives none for so long, is asked again over another connection.
pub const JOURNAL_SILENCE: Duration = Duration::from_secs(10);
/// A host that takes no receipt for so long is gone.
pub const JOURNAL_STALL: Duration = Duration::from_secs(10);
/// From a request for a provider to a connection that carries it: waiting for a turn, the way through the host, TLS, and
/// all of that again when a request is sent again.
pub const UPSTREAM_CONNECT: Duration = Duration::from_secs(10);
/// Connections to one provider that are made at one time: the others of a burst find those.
pub const CONNECTING: usize = 4;
/// And as many more once it is known to speak HTTP/1.1, where each connection carries one request.
pub const CONNECTING_HTTP1: usize = 60;
/// A request that was not processed is sent again so often: over a connection that turns out to be closed nothing of it has left,
/// or the provider says that it did nothing with it.
pub const RESENDS: usize = 3;
/// After so many failures in a row to connect to a provider, its requests fail at once.
pub const UPSTREAM_FAILURES: u32 = 8;
/// For so long; then one of them finds out whether it is back.
pub const UPSTREAM_PAUSE: Duration = Duration::from_secs(2);
/// HTTP/1.1 connections to one provider that are kept for the next request.
pub const UPSTREAM_CONNECTIONS: usize = 256;
/// How long they are kept.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(60);
/// Requests that one HTTP/2 connection to a provider carries.
pub const UPSTREAM_STREAMS: u64 = 64;
/// So much of one answer over HTTP/2 may wait to be read, bytes.
pub const UPSTREAM_WINDOW: u32 = 128 * 1024;
/// And of all answers over one connection: one that is not read takes nothing from the others.
pub const UPSTREAM_WINDOWS: u32 = UPSTREAM_WINDOW * UPSTREAM_STREAMS as u32;
/// A provider is asked for a sign of life so often, and given as long to send it.
pub const UPSTREAM_PING: Duration = Duration::from_secs(20);
/// The head of a provider's answer, bytes.
pub const UPSTREAM_HEAD_BYTES: usize = 64 * 1024;
/// Its header fields.
pub const UPSTREAM_HEADERS: usize = 128;
/// An answer of a provider in one piece, bytes.
pub const UPSTREAM_BODY: usize = 16 << 20;
/// One event of a provider's stream, bytes.
pub const UPSTREAM_EVENT: usize = 16 << 20;
/// JSON of a provider that is looked into at once, bytes: less than a millisecond. What is longer is left to a thread that
/// may block.
pub const UPSTREAM_JSON: usize = 128 * 1024;
/// Choices of one answer that are followed to their ends.
pub const UPSTREAM_CHOICES: usize = 256;
/// Counts of cached tokens in one answer or event that can be hidden.
pub const UPSTREAM_COUNTS: usize = 256;
/// So much after the end of a provider's stream is read and dropped, bytes, so that the connection can be used again.
pub const UPSTREAM_AFTER_END: usize = 64 * 1024;
/// A provider closes its stream so soon after the event that ends it, or is not waited for.
pub const UPSTREAM_CLOSE: Duration = Duration::from_secs(2);
/// A provider's list of models, bytes.
pub const MODELS_BYTES: usize = 4 << 20;
/// Models of one list that are kept.
pub const MODELS: usize = 4096;
/// A provider gets so long to list its models.
pub const MODELS_WAIT: Duration = Duration::from_secs(5);
/// The list is kept for so long.
pub const MODELS_LIFE: Duration = Duration::from_secs(300);
/// A provider that gave none is asked again after so long.
pub const MODELS_RETRY: Duration = Duration::from_secs(60);
/// A request is sent again so soon, unless the provider names another time.
pub const RETRY: Duration = Duration::from_secs(1);
/// A provider that wants to be left alone for longer is not asked again.
pub const RETRY_MOST: Duration = Duration::from_secs(10);
/// An operator's order, bytes.
pub const SECRET_BYTES: usize = 8 * 1024;

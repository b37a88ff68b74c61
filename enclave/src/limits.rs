//! Every limit on what clients and the host can make the enclave hold or wait for.

use std::time::Duration;

/// A configuration file, bytes.
pub const CONFIG_BYTES: u64 = 64 * 1024;
/// A TLS handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the head of a request, from the end of the request before.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that moves no byte for this long, in either direction, loses its request.
pub const STALL: Duration = Duration::from_secs(30);
/// A client that moves fewer bytes a second for a while loses its request, too.
pub const LEAST_RATE: u64 = 4 * 1024;
/// Pieces of a stream that wait for a slow client.
pub const STREAM_PIECES: usize = 8;
/// The head of a request, bytes.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
pub const HEADERS: usize = 64;
/// The body of a request, bytes, unless configured.
pub const BODY_BYTES: usize = 4 << 20;
/// Memory for requests, answers, events and details, bytes, unless configured.
pub const MEMORY_BYTES: usize = 192 << 20;
/// What a request costs beside its head, body and answer, bytes.
pub const REQUEST_BYTES: usize = 16 * 1024;
/// What a header field costs beside its name and value, bytes.
pub const FIELD_BYTES: usize = 96;
/// Copies of a head that are held: as received, as passed on, as sent.
pub const HEAD_COPIES: usize = 3;
/// One part in this many of the memory is for requests that are not admitted: lookups and refusals.
pub const UNADMITTED_PART: usize = 16;
/// What a node of a JSON tree costs, bytes (a `serde_json::Value`, its key and spare room).
pub const JSON_NODE_BYTES: usize = 96;
/// A buffer that collects a body grows by at least this, bytes.
pub const GROWTH: usize = 16 * 1024;
/// Largest piece of an answer that a connection gets at a time, bytes.
pub const ANSWER_PIECE: usize = 64 * 1024;
/// Most bytes that are read and dropped of a body that is too long, so that its sender can read the error.
pub const DISCARD_BYTES: usize = 8 << 20;
/// Longest time for that.
pub const DISCARD: Duration = Duration::from_secs(5);
/// Client connections, unless configured.
pub const CONNECTIONS: usize = 4096;
/// One part in this many of them may be connections that have shown no valid token and brought no whole request.
pub const UNPROVEN_PART: usize = 8;
/// A connection that was opened or used within this time makes no room for another, which waits.
pub const GRACE: Duration = Duration::from_millis(200);
/// An HTTP/2 connection without a request is closed after this time.
pub const IDLE: Duration = Duration::from_secs(60);
/// An HTTP/2 connection that never had a whole request is closed after this time.
pub const IDLE_UNPROVEN: Duration = Duration::from_secs(10);
/// A connection takes no new request after this time.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(60 * 60);
/// A connection may have this many more refusals than successes before refusals wait.
pub const REFUSALS_AT_ONCE: u32 = 16;
/// Each further refusal waits this much longer.
pub const REFUSAL_PAUSE: Duration = Duration::from_millis(20);
/// Longest wait of a refusal.
pub const REFUSAL_PAUSE_MOST: Duration = Duration::from_secs(1);
/// Refusals beyond this number are not counted, so that this many successes make up for all.
pub const REFUSALS_COUNTED: u32 = 66;
/// Interval at which connections are checked.
pub const UPKEEP: Duration = Duration::from_secs(5);
/// If there are several providers or models, one part in this many of the exchange slots is kept free of any one provider.
pub const UPSTREAM_PART: usize = 4;
/// Exchanges in progress, unless configured.
pub const EXCHANGES: usize = 2048;
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS: u32 = 128;
/// Streams that a client may open and reset before they are accepted (CVE-2023-44487).
pub const H2_RESETS: usize = 20;
/// Quotes in progress or waited for at one time; one more gets 429.
pub const QUOTES: u64 = 64;
/// Threads for work that blocks: long events of providers, quotes, connecting. Each holds a few megabytes of freed memory.
pub const BLOCKING_THREADS: usize = 32;
/// Quotes that the platform makes at one time.
pub const QUOTES_AT_ONCE: usize = 1;
/// Future receipts and unacknowledged receipts together, unless more exchanges are configured. At this number the node
/// answers 503.
pub const UNACKNOWLEDGED: usize = quoth_link::journal::MAX_UNACKNOWLEDGED;
/// Receipts kept for `GET /v1/receipts`.
pub const RECENT_RECEIPTS: usize = 4096;
/// Heads of the log that callers get within [`HEADS_TIME`]. Each costs a signature.
pub const HEADS: u64 = 256;
/// The time in which they are counted.
pub const HEADS_TIME: Duration = Duration::from_secs(1);
/// The host gets a head at most once in this time.
pub const PUBLISH: Duration = Duration::from_secs(1);
/// Exchanges whose details are kept.
pub const DETAILS: u64 = 256;
/// One part in this many of the memory is for their bytes.
pub const DETAILS_PART: usize = 4;
/// How long details are kept.
pub const DETAILS_LIFE: Duration = Duration::from_secs(600);
/// Bytes that have left get a checkpoint within this time: at least one a second, with room for a busy moment.
pub const CHECKPOINT: Duration = Duration::from_millis(900);
/// Evidence older than this is renewed.
pub const EVIDENCE_LIFE: Duration = Duration::from_secs(3600);
/// A statement's life.
pub const STATEMENT_LIFE: Duration = Duration::from_secs(quoth_attestation::statement::MAX_LIFE);
/// Connections of the host that read counters at one time.
pub const METRICS: usize = 8;
/// Time in which such a connection must read them.
pub const METRICS_WRITE: Duration = Duration::from_secs(2);
/// Time for the host to get a report's endorsements. It may have to wait for the manufacturer's service.
pub const ENDORSEMENTS: Duration = Duration::from_secs(60);
/// They are renewed after this time, because they contain revocation lists.
pub const ENDORSEMENTS_LIFE: Duration = Duration::from_secs(6 * 60 * 60);
/// A host that had none is asked again after this time, which doubles each time.
pub const ENDORSEMENTS_RETRY: Duration = Duration::from_secs(10);
/// Longest such pause.
pub const ENDORSEMENTS_RETRY_MOST: Duration = Duration::from_secs(600);
/// A model feed without a byte for this long has stalled.
pub const FEED_STALL: Duration = Duration::from_secs(20);
/// Time for running exchanges to finish when the node drains.
pub const DRAIN: Duration = Duration::from_secs(20);
/// Time for clients to close once nothing runs.
pub const CLOSE: Duration = Duration::from_secs(2);
/// Time for the host to keep the closed head.
pub const LOG_CLOSE: Duration = Duration::from_secs(2);
/// Time for the host to acknowledge the last receipts.
pub const JOURNAL_DRAIN: Duration = Duration::from_secs(5);
/// Receipts wait this long for others, so that there are fewer writes here and fewer disk syncs on the host.
pub const JOURNAL_LINGER: Duration = Duration::from_millis(20);
/// Receipts sent to the host in one write, bytes.
pub const JOURNAL_BATCH: usize = 64 * 1024;
/// If the host owes an acknowledgement for this long, the node connects again.
pub const JOURNAL_SILENCE: Duration = Duration::from_secs(10);
/// If the host takes no receipt for this long, the connection ends.
pub const JOURNAL_STALL: Duration = Duration::from_secs(10);
/// Time to get a connection for a request: waiting for a turn, the way through the host, and TLS. Resends share the
/// same time.
pub const UPSTREAM_CONNECT: Duration = Duration::from_secs(10);
/// Connections to one provider that are made at one time. Other requests of a burst use those.
pub const CONNECTING: usize = 4;
/// Further ones once the provider is known to speak HTTP/1.1, where each connection carries one request.
pub const CONNECTING_HTTP1: usize = 60;
/// How often a request is sent again if nothing of it had left, because the connection was closed, or if the provider
/// says that it did nothing.
pub const RESENDS: usize = 3;
/// After this many failures in a row to connect to a provider, its requests fail at once.
pub const UPSTREAM_FAILURES: u32 = 8;
/// How long they fail at once. Then one of them tests whether the provider is back.
pub const UPSTREAM_PAUSE: Duration = Duration::from_secs(2);
/// HTTP/1.1 connections to one provider that are kept for the next request.
pub const UPSTREAM_CONNECTIONS: usize = 256;
/// How long they are kept.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(60);
/// Requests that one HTTP/2 connection to a provider carries.
pub const UPSTREAM_STREAMS: u64 = 64;
/// Bytes of one answer over HTTP/2 that may wait to be read.
pub const UPSTREAM_WINDOW: u32 = 128 * 1024;
/// The same for all answers over one connection. An answer that is not read takes nothing from the others.
pub const UPSTREAM_WINDOWS: u32 = UPSTREAM_WINDOW * UPSTREAM_STREAMS as u32;
/// Interval of HTTP/2 pings to a provider, and the time that it has to answer one.
pub const UPSTREAM_PING: Duration = Duration::from_secs(20);
/// The head of a provider's answer, bytes.
pub const UPSTREAM_HEAD_BYTES: usize = 64 * 1024;
/// Its header fields.
pub const UPSTREAM_HEADERS: usize = 128;
/// An answer of a provider in one piece, bytes.
pub const UPSTREAM_BODY: usize = 16 << 20;
/// One event of a provider's stream, bytes.
pub const UPSTREAM_EVENT: usize = 16 << 20;
/// Longest JSON of a provider that is read at once, bytes; it takes less than a millisecond. Longer JSON is read on a
/// blocking thread.
pub const UPSTREAM_JSON: usize = 128 * 1024;
/// Choices of one answer that are tracked until they finish.
pub const UPSTREAM_CHOICES: usize = 256;
/// Counts of cached tokens in one answer or event that can be hidden.
pub const UPSTREAM_COUNTS: usize = 256;
/// Bytes after the end of a provider's stream that are read and dropped, so that the connection can be used again.
pub const UPSTREAM_AFTER_END: usize = 64 * 1024;
/// How long to wait for a provider to close its stream after the event that ends it.
pub const UPSTREAM_CLOSE: Duration = Duration::from_secs(2);
/// A provider's list of models, bytes.
pub const MODELS_BYTES: usize = 4 << 20;
/// Models of one list that are kept.
pub const MODELS: usize = 4096;
/// Time for a provider to list its models.
pub const MODELS_WAIT: Duration = Duration::from_secs(5);
/// How long the list is kept.
pub const MODELS_LIFE: Duration = Duration::from_secs(300);
/// A provider that gave none is asked again after this time.
pub const MODELS_RETRY: Duration = Duration::from_secs(60);
/// Pause before a request is tried again, unless the provider names another time.
pub const RETRY: Duration = Duration::from_secs(1);
/// If the provider names a longer time than this, the request is not tried again.
pub const RETRY_MOST: Duration = Duration::from_secs(10);
/// An operator's order, bytes.
pub const SECRET_BYTES: usize = 8 * 1024;

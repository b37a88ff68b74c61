//! Sends receipts to the host's disk, in order. Each is kept until it is acknowledged; none is lost for lack of room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quoth_attestation::cose::{OVERHEAD, Payload as _};
use quoth_attestation::log::{self, frontier::Frontier};
use quoth_attestation::receipt::Receipt;
use quoth_attestation::{Digest, statement};
use quoth_link::journal::{HEAD, MAX_RECEIPT, MAX_STATEMENT, ToEnclave, ToHost};
use quoth_link::{Address, CONNECT_TIMEOUT, Frame, Frames, LinkError, Port, RETRY, Stream};
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::limits;
use crate::log::log;
use crate::log_keys::LogKeys;

/// Checks that one frame holds the longest statement, and the longest receipt in its envelope.
const _: () = assert!(statement::MAX_BYTES <= MAX_STATEMENT && Receipt::MAX_BYTES + OVERHEAD <= MAX_RECEIPT);
/// Checks that a frame holds a head.
const _: () = assert!(log::head::BYTES == HEAD);

/// The buffer between the receipt chain and the host.
pub struct Journal {
    instance: [u8; 16],
    statement: Bytes,
    keys: Arc<LogKeys>,
    state: Mutex<State>,
    /// Receipts to come and receipts that are not acknowledged, at most.
    places: usize,
    /// A receipt was added.
    added: Notify,
    /// The last receipt was acknowledged.
    empty: Notify,
    /// The log is to be closed, or the host has kept the closed head.
    closing: Notify,
}

#[derive(Default)]
struct State {
    /// Whether the host stores receipts.
    attached: bool,
    /// Places kept for running exchanges.
    reserved: usize,
    /// Receipts that are not acknowledged, and their digests.
    held: VecDeque<(Digest, Bytes)>,
    /// Sequence number of the first receipt held; if none is held, of the next one.
    first: u64,
    /// The log of all receipts that are acknowledged.
    tree: Frontier,
    /// Whether the log takes no more receipts.
    end: LogEnd,
    /// When the host got its last head.
    published: Option<Instant>,
}

/// How far a log is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LogEnd {
    /// It takes receipts.
    #[default]
    Open,
    /// It takes none, and the host is to keep its closed head.
    Closing,
    /// The host has kept it.
    Closed,
}

/// A place for a future receipt.
pub struct Reservation {
    journal: Arc<Journal>,
}

/// The host does not store receipts, or lags behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl Journal {
    /// A journal of this instance for at most `exchanges` at a time, not attached yet.
    pub fn new(instance: [u8; 16], statement: Vec<u8>, keys: Arc<LogKeys>, exchanges: usize) -> Self {
        let (added, empty, closing) = (Notify::new(), Notify::new(), Notify::new());
        // While all exchange slots are taken, as many receipts may still be unacknowledged.
        let places = limits::UNACKNOWLEDGED.max(2 * exchanges);
        Self { instance, statement: statement.into(), keys, state: Mutex::default(), places, added, empty, closing }
    }

    /// Keeps a place for one receipt, which can then be issued even if the host detaches.
    pub fn reserve(self: &Arc<Self>) -> Result<Reservation, Unavailable> {
        let mut state = self.lock();
        if !state.attached || state.end != LogEnd::Open || state.held.len() + state.reserved >= self.places {
            return Err(Unavailable);
        }
        state.reserved += 1;
        Ok(Reservation { journal: Arc::clone(self) })
    }

    /// Appends the next receipt. The caller keeps the order: it holds the chain's lock.
    pub fn append(&self, reservation: Reservation, digest: Digest, receipt: Bytes) {
        self.lock().held.push_back((digest, receipt));
        drop(reservation);
        self.added.notify_one();
    }

    /// Whether the host stores receipts now.
    pub fn is_attached(&self) -> bool {
        self.lock().attached
    }

    /// Receipts that are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.lock().held.len()
    }

    /// Exchanges that run.
    pub fn running(&self) -> usize {
        self.lock().reserved
    }

    /// Returns once every receipt is acknowledged.
    pub async fn emptied(&self) {
        loop {
            let empty = self.empty.notified();
            if self.unacknowledged() == 0 {
                return;
            }
            empty.await;
        }
    }

    /// Closes the log: no receipt follows, and the host keeps a head that says so. Returns true once it has. Returns false
    /// at once if the log cannot be closed: receipts are still to come or not acknowledged, or the host stores nothing.
    pub async fn close(&self) -> bool {
        {
            let mut state = self.lock();
            if state.reserved > 0 || !state.held.is_empty() || !state.attached {
                return false;
            }
            state.end = LogEnd::Closing;
        }
        loop {
            let kept = self.closing.notified();
            if self.lock().end == LogEnd::Closed {
                return true;
            }
            self.added.notify_one();
            kept.await;
        }
    }

    /// Keeps a connection to the host's journal for as long as the node lives.
    pub async fn run(&self, address: Address) {
        loop {
            if let Ok(stream) = address.connect(Port::JOURNAL, CONNECT_TIMEOUT).await {
                let ended = self.session(stream).await;
                log!("journal_detached orderly={}", u8::from(ended.is_ok()));
            }
            self.lock().attached = false;
            sleep(RETRY).await;
        }
    }

    async fn session(&self, stream: Stream) -> Result<(), LinkError> {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut frames = Frames::<ToEnclave, _>::new(reader);
        let first = self.lock().first;
        let hello = ToHost::Hello { instance: self.instance, first, statement: self.statement.clone() };
        write(&mut writer, &hello.to_bytes()).await?;
        // The next receipt to send, once the host has said where to begin.
        let mut next: Option<u64> = None;
        // When receipts that were added meanwhile are sent together.
        let mut due: Option<Instant> = None;
        // When size and root of the log are signed, if the host has asked for that.
        let mut publish: Option<Instant> = None;
        // Whether the closed head was sent.
        let mut closed = false;
        // Whether the host has said that its storage fails.
        let mut failed = false;
        // A connection that has ended may look silent, because not every device reports the end.
        let mut heard = Instant::now();
        loop {
            // Acknowledgements are read while receipts wait. Nothing is sent before the host's welcome.
            let frame = tokio::select! {
                frame = frames.next() => frame?,
                () = self.added.notified(), if next.is_some() && due.is_none() => {
                    due = Some(Instant::now() + limits::JOURNAL_LINGER);
                    continue;
                }
                () = sleep_until(heard + limits::JOURNAL_SILENCE) => {
                    if next.is_none() || self.unacknowledged() > 0 {
                        return Err(LinkError::Truncated);
                    }
                    heard = Instant::now();
                    continue;
                }
                () = at(due) => {
                    due = None;
                    self.send(&mut next, &mut writer).await?;
                    if !closed && self.lock().end == LogEnd::Closing {
                        closed = self.publish(&mut writer).await?;
                    }
                    continue;
                }
                () = at(publish) => {
                    publish = None;
                    closed |= self.publish(&mut writer).await?;
                    continue;
                }
            };
            heard = Instant::now();
            match frame {
                None => return Ok(()),
                // Each message must say something new. Otherwise a host could keep a thread busy at no cost.
                Some(ToEnclave::Welcome { .. }) if next.is_some() => {
                    return Err(LinkError::Malformed { what: "welcome" });
                }
                Some(ToEnclave::Welcome { next: wanted }) => {
                    (next, failed) = (Some(self.welcome(wanted)?), false);
                    self.send(&mut next, &mut writer).await?;
                    // A closed head is sent again, too.
                    (due, closed) = (Some(Instant::now()), false);
                }
                Some(ToEnclave::Ack { seq }) => self.acknowledge(seq, next)?,
                Some(ToEnclave::Publish) if publish.is_some() || next.is_none() => {
                    return Err(LinkError::Malformed { what: "publish" });
                }
                Some(ToEnclave::Publish) => publish = Some(self.may_publish()),
                Some(ToEnclave::Kept) => self.kept(closed)?,
                Some(ToEnclave::Failed) if failed => return Err(LinkError::Malformed { what: "failure" }),
                Some(ToEnclave::Failed) => {
                    (next, publish, failed) = (None, None, true);
                    self.lock().attached = false;
                    log!("journal_failed");
                }
            }
        }
    }

    /// Sends receipts from `next` on; without it, nothing.
    async fn send(&self, next: &mut Option<u64>, writer: &mut WriteHalf<Stream>) -> Result<(), LinkError> {
        let Some(next) = next else { return Ok(()) };
        let mut batch = Vec::new();
        loop {
            batch.clear();
            self.fill(next, &mut batch);
            if batch.is_empty() {
                return Ok(());
            }
            write(writer, &batch).await?;
        }
    }

    /// Sends size and root of the log of all acknowledged receipts. Returns whether they say that it is closed.
    async fn publish(&self, writer: &mut WriteHalf<Stream>) -> Result<bool, LinkError> {
        let (tree, closed) = {
            let mut state = self.lock();
            state.published = Some(Instant::now());
            // What follows a closed head is a closed head.
            (state.tree.clone(), state.end != LogEnd::Open)
        };
        match self.keys.publish(&tree, closed) {
            Ok((head, note)) => {
                write(writer, &ToHost::Head { head: head.encode(), note: note.into() }.to_bytes()).await?;
                Ok(closed)
            }
            Err(error) => {
                log!("head_failed {error}");
                Ok(false)
            }
        }
    }

    /// When the host may have the next head, on this connection or on another.
    fn may_publish(&self) -> Instant {
        self.lock().published.map_or_else(Instant::now, |last| last + limits::PUBLISH)
    }

    /// Notes that the host has kept the closed head, which must have been sent.
    fn kept(&self, sent: bool) -> Result<(), LinkError> {
        let mut state = self.lock();
        if !sent || state.end != LogEnd::Closing {
            return Err(LinkError::Malformed { what: "closed head" });
        }
        state.end = LogEnd::Closed;
        self.closing.notify_waiters();
        Ok(())
    }

    /// Drops everything below `wanted`, which the host has. Returns where to send from.
    fn welcome(&self, wanted: u64) -> Result<u64, LinkError> {
        let mut state = self.lock();
        if wanted > state.first + state.held.len() as u64 {
            return Err(LinkError::Malformed { what: "welcome" });
        }
        self.drop_below(&mut state, wanted);
        state.attached = true;
        log!("journal_attached next={wanted} held={}", state.held.len());
        Ok(state.first.max(wanted))
    }

    /// Drops everything up to `seq`, which is on the host's disk and must have been sent.
    fn acknowledge(&self, seq: u64, next: Option<u64>) -> Result<(), LinkError> {
        let mut state = self.lock();
        if next.is_none_or(|next| seq >= next) || seq < state.first {
            return Err(LinkError::Malformed { what: "acknowledgement" });
        }
        self.drop_below(&mut state, seq + 1);
        Ok(())
    }

    fn drop_below(&self, state: &mut State, seq: u64) {
        while state.first < seq
            && let Some((digest, _)) = state.held.pop_front()
        {
            state.first += 1;
            // A log that is full has issued no further receipt.
            let _ = state.tree.push(&digest);
        }
        debug_assert_eq!(state.tree.size(), state.first, "the log has what is acknowledged");
        if state.held.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// Adds receipts from `next` on to `batch` until it is large enough.
    fn fill(&self, next: &mut u64, batch: &mut Vec<u8>) {
        let state = self.lock();
        let skip = usize::try_from(next.saturating_sub(state.first)).unwrap_or(usize::MAX);
        for (digest, bytes) in state.held.iter().skip(skip) {
            ToHost::Receipt { seq: *next, digest: digest.0, bytes: bytes.clone() }.put(batch);
            *next += 1;
            if batch.len() >= limits::JOURNAL_BATCH {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.journal.lock().reserved -= 1;
    }
}

/// Waits until that time; without one, for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn write<W: tokio::io::AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> Result<(), LinkError> {
    let stalled = || LinkError::Io(std::io::ErrorKind::TimedOut.into());
    timeout(limits::JOURNAL_STALL, writer.write_all(bytes)).await.map_err(|_| stalled())??;
    Ok(())
}

#[cfg(test)]
impl Journal {
    /// Attaches the journal as a host's welcome does.
    pub(crate) fn attach(&self) {
        self.lock().attached = true;
    }
}

#[cfg(test)]
mod tests;

//! The journal port: stores what an enclave sends and acknowledges it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Frame as _, Frames, LinkError, Listener, Stream};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::store::{Incoming, JournalError, NotStored, SignedLog, Store};

/// Maximum number of receipts in one commit. A commit costs one fsync for any number of receipts.
const BATCH: usize = 256;
/// Time limit for the enclave's first frame.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before failed storage is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Whether an enclave's receipts are being stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// No enclave is connected.
    Waiting,
    /// Receipts are being stored.
    Attached {
        /// The next sequence number.
        next: u64,
    },
    /// The enclave is connected, and storage failed.
    Failed,
}

/// A notice for the operator.
#[derive(Debug)]
pub enum Notice {
    /// Storage failed.
    Failed(JournalError),
    /// Storage works again.
    Recovered,
    /// The journal lacks receipts that the enclave no longer has. The gap is permanent.
    Gap {
        /// The first missing receipt.
        from: u64,
        /// The first receipt after the gap.
        to: u64,
    },
    /// The bytes for this place are stored, but they are not a readable receipt of the enclave.
    Unreadable {
        /// The place.
        seq: u64,
    },
    /// The enclave violated the protocol.
    Link(LinkError),
}

/// Serves the journal port for as long as it is polled. Serves one enclave at a time; a new connection replaces the old one.
pub async fn serve(
    listener: Listener,
    path: PathBuf,
    attachment: watch::Sender<Attachment>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let mut next = listener.accept().await;
    loop {
        let connection = match next {
            Ok(stream) => Connection::serve(stream, &path, &attachment, &notices),
            Err(error) => {
                tell(&notices, Notice::Link(error));
                tokio::time::sleep(RETRY).await;
                next = listener.accept().await;
                continue;
            }
        };
        next = tokio::select! {
            replaced = listener.accept() => replaced,
            result = connection => {
                attachment.send_replace(Attachment::Waiting);
                if let Err(error) = result {
                    tell(&notices, Notice::Link(error));
                }
                listener.accept().await
            }
        };
        attachment.send_replace(Attachment::Waiting);
    }
}

fn tell(notices: &mpsc::UnboundedSender<Notice>, notice: Notice) {
    // The receiver may already be gone.
    let _ = notices.send(notice);
}

struct Connection<'a> {
    frames: Frames<ToHost, ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
    path: &'a Path,
    instance: [u8; 16],
    statement: Bytes,
    first: u64,
    attachment: &'a watch::Sender<Attachment>,
    notices: &'a mpsc::UnboundedSender<Notice>,
    failed: bool,
}

impl<'a> Connection<'a> {
    /// Serves a connection until the enclave closes it or violates the protocol.
    async fn serve(
        stream: Stream,
        path: &'a Path,
        attachment: &'a watch::Sender<Attachment>,
        notices: &'a mpsc::UnboundedSender<Notice>,
    ) -> Result<(), LinkError> {
        let (reader, writer) = split(stream);
        let mut frames = Frames::new(reader);
        let hello = match timeout(HELLO_TIMEOUT, frames.next()).await {
            Ok(hello) => hello?,
            Err(_) => return Err(LinkError::Malformed { what: "journal: no hello in time" }),
        };
        let (instance, first, statement) = match hello {
            Some(ToHost::Hello { instance, first, statement }) => (instance, first, statement),
            Some(_) => return Err(LinkError::Malformed { what: "journal: expected hello" }),
            None => return Ok(()),
        };
        let failed = false;
        let mut this = Self { frames, writer, path, instance, statement, first, attachment, notices, failed };
        loop {
            let error = match this.open().await {
                Ok((store, next)) => match this.store(store, next).await? {
                    Some(error) => error,
                    None => return Ok(()),
                },
                Err(error) => error,
            };
            let passing = error.is_passing();
            if !this.failed {
                this.failed = true;
                this.attachment.send_replace(Attachment::Failed);
                tell(this.notices, Notice::Failed(error));
                this.say(ToEnclave::Failed).await?;
            }
            let again = passing.then(|| Instant::now() + RETRY);
            if this.discard_until(again).await? {
                return Ok(());
            }
        }
    }

    /// Opens the storage for this instance.
    async fn open(&self) -> Result<(Store, u64), JournalError> {
        let (path, instance, statement) = (self.path.to_owned(), self.instance, self.statement.clone());
        blocking(move || Store::open(&path, instance, &statement)).await
    }

    /// Welcomes the enclave and stores its receipts. Returns `None` when it closes, an error when storage fails.
    async fn store(&mut self, mut store: Store, next: u64) -> Result<Option<JournalError>, LinkError> {
        let mut expected = next.max(self.first);
        if expected > next {
            tell(self.notices, Notice::Gap { from: next, to: expected });
        }
        if self.failed {
            self.failed = false;
            tell(self.notices, Notice::Recovered);
        }
        self.say(ToEnclave::Welcome { next }).await?;
        self.attachment.send_replace(Attachment::Attached { next: expected });
        loop {
            let Some(mut frame) = self.frames.next().await? else { return Ok(None) };
            let (mut received, mut log) = (Vec::new(), None::<SignedLog>);
            loop {
                match frame {
                    // A later one was sent before the enclave was welcomed. The enclave sends it again in order.
                    ToHost::Receipt { seq, .. } if seq > expected => {}
                    ToHost::Receipt { seq, digest, bytes } => {
                        expected = expected.max(seq.saturating_add(1));
                        received.push(Incoming { seq, digest, bytes });
                    }
                    ToHost::Head { head, note } => {
                        let newer = SignedLog::new(&head, &note).filter(|log| store.is_about(log));
                        let newer = newer.ok_or(LinkError::Malformed { what: "journal: head" })?;
                        if log.as_ref().is_none_or(|earlier| newer.follows(earlier)) {
                            log = Some(newer);
                        }
                    }
                    ToHost::Hello { .. } => return Err(LinkError::Malformed { what: "journal: second hello" }),
                }
                match if received.len() < BATCH { self.frames.buffered()? } else { None } {
                    Some(another) => frame = another,
                    None => break,
                }
            }
            if let Some(log) = log {
                let closed = log.is_closed();
                let result;
                (store, result) = on_disk(store, move |store| store.keep(&log)).await;
                match result {
                    Ok(()) if closed => self.say(ToEnclave::Kept).await?,
                    Ok(()) => {}
                    Err(error) => return Ok(Some(error)),
                }
            }
            if received.is_empty() {
                continue;
            }
            let (result, batch);
            (store, (result, batch)) = on_disk(store, move |store| (store.append(&received), received)).await;
            match result {
                Ok(unreadable) => {
                    unreadable.into_iter().for_each(|seq| tell(self.notices, Notice::Unreadable { seq }));
                }
                Err(NotStored { stored, error }) => {
                    if let Some(seq) = batch[..stored].iter().map(|receipt| receipt.seq).max() {
                        self.say(ToEnclave::Ack { seq }).await?;
                    }
                    return Ok(Some(error));
                }
            }
            self.say(ToEnclave::Ack { seq: expected - 1 }).await?;
            self.attachment.send_replace(Attachment::Attached { next: expected });
        }
    }

    /// Discards frames until `time`, or for ever. Returns true if the enclave has closed.
    async fn discard_until(&mut self, time: Option<Instant>) -> Result<bool, LinkError> {
        loop {
            let frame = match time {
                Some(time) => match timeout_at(time, self.frames.next()).await {
                    Ok(frame) => frame?,
                    Err(_) => return Ok(false),
                },
                None => self.frames.next().await?,
            };
            if frame.is_none() {
                return Ok(true);
            }
        }
    }

    async fn say(&mut self, message: ToEnclave) -> Result<(), LinkError> {
        self.writer.write_all(&message.to_bytes()).await?;
        Ok(self.writer.flush().await?)
    }
}

/// Runs disk work with the store, and gives it back.
async fn on_disk<R: Send + 'static>(
    mut store: Store,
    work: impl FnOnce(&mut Store) -> R + Send + 'static,
) -> (Store, R) {
    blocking(move || {
        let result = work(&mut store);
        (store, result)
    })
    .await
}

/// Runs blocking disk work on a thread for such work.
async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

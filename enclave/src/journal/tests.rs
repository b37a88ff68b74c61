//! Tests of the journal.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use quoth_attestation::Digest;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::head::SignedHead;
use quoth_attestation::log::note::Note;
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Frame, Frames, LinkError, Stream};
use tokio::io::{AsyncWriteExt, split};

use super::{Journal, Unavailable};
use crate::keys::ReceiptKey;
use crate::limits::{JOURNAL_BATCH, PUBLISH, UNACKNOWLEDGED};
use crate::log_keys::{LogKeys, SettlementKey, signer};

const DIGEST: Digest = Digest([9; 32]);
const NODE: Digest = Digest([5; 32]);

/// A journal, and the public keys that sign its log.
struct Signed {
    journal: Arc<Journal>,
    receipt: [u8; 32],
    settlement: quoth_attestation::evm::SettlementKey,
}

fn signed() -> Signed {
    let (settlement, receipt) = (SettlementKey::generate().unwrap(), Arc::new(ReceiptKey::generate().unwrap()));
    let (public, receipt_public) = (settlement.public(), receipt.public());
    let keys = Arc::new(LogKeys::new(NODE, settlement, receipt));
    let journal = Arc::new(Journal::new([7; 16], vec![1], keys, 8));
    Signed { journal, receipt: receipt_public, settlement: public }
}

fn journal() -> Arc<Journal> {
    signed().journal
}

#[test]
fn nothing_is_admitted_before_the_host_stores_receipts() {
    let journal = journal();
    assert_eq!(journal.reserve().err(), Some(Unavailable));
    journal.attach();
    assert!(journal.reserve().is_ok());
}

#[test]
fn places_end_at_their_limits() {
    let journal = journal();
    journal.attach();
    let mut places: Vec<_> = (0..UNACKNOWLEDGED).map(|_| journal.reserve().unwrap()).collect();
    assert_eq!(journal.reserve().err(), Some(Unavailable));
    journal.append(places.pop().unwrap(), DIGEST, Bytes::from_static(b"0"));
    assert_eq!(journal.reserve().err(), Some(Unavailable), "an unacknowledged receipt keeps its place");
    journal.acknowledge(0, Some(1)).unwrap();
    assert!(journal.reserve().is_ok());
}

#[test]
fn a_host_cannot_acknowledge_what_it_was_not_sent() {
    let journal = journal();
    journal.attach();
    journal.append(journal.reserve().unwrap(), DIGEST, Bytes::from_static(b"0"));
    assert!(journal.acknowledge(0, Some(0)).is_err());
    assert!(journal.acknowledge(0, None).is_err());
    assert!(journal.welcome(2).is_err());
    assert_eq!(journal.unacknowledged(), 1);
    journal.acknowledge(0, Some(1)).unwrap();
    assert!(journal.acknowledge(0, Some(1)).is_err(), "and only once");
}

#[tokio::test]
async fn a_host_that_repeats_itself_is_left() {
    for (word, what) in [(ToEnclave::Welcome { next: 0 }, "welcome"), (ToEnclave::Failed, "failure")] {
        let journal = journal();
        let (host, enclave) = Stream::pair().unwrap();
        let (_reader, mut writer) = split(host);
        writer.write_all(&ToEnclave::Welcome { next: 0 }.to_bytes()).await.unwrap();
        // A failure may come before any welcome, but not twice.
        if word == ToEnclave::Failed {
            writer.write_all(&word.to_bytes()).await.unwrap();
        }
        writer.write_all(&word.to_bytes()).await.unwrap();
        let ended = journal.session(enclave).await;
        assert!(matches!(ended, Err(LinkError::Malformed { what: found }) if found == what), "{word:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_host_whose_storage_failed_may_come_back() {
    let journal = journal();
    let (host, enclave) = Stream::pair().unwrap();
    let (reader, mut writer) = split(host);
    for word in [ToEnclave::Welcome { next: 0 }, ToEnclave::Failed, ToEnclave::Welcome { next: 0 }] {
        writer.write_all(&word.to_bytes()).await.unwrap();
    }
    writer.shutdown().await.unwrap();
    journal.session(enclave).await.unwrap();
    assert!(journal.is_attached());
    drop(reader);
}

#[test]
fn a_host_may_have_every_receipt_and_no_more() {
    let journal = journal();
    journal.attach();
    journal.append(journal.reserve().unwrap(), DIGEST, Bytes::from_static(b"0"));
    assert!(journal.welcome(2).is_err());
    assert_eq!(journal.welcome(1).unwrap(), 1);
    assert_eq!(journal.unacknowledged(), 0);
}

#[test]
fn batches_are_filled_to_their_limit() {
    let journal = journal();
    journal.attach();
    let half = JOURNAL_BATCH / 2;
    for length in [1, half, half, half] {
        journal.append(journal.reserve().unwrap(), DIGEST, Bytes::from(vec![0; length]));
    }
    let (mut next, mut batch) = (0, Vec::new());
    journal.fill(&mut next, &mut batch);
    assert_eq!(next, 3, "the third receipt passes the limit");
    batch.clear();
    journal.fill(&mut next, &mut batch);
    assert_eq!(next, 4);
}

#[tokio::test]
async fn emptied_waits_for_the_last_acknowledgement() {
    let journal = journal();
    journal.attach();
    let place = journal.reserve().unwrap();
    assert_eq!(journal.running(), 1);
    journal.append(place, DIGEST, Bytes::from_static(b"0"));
    assert_eq!(journal.running(), 0);
    let waiting = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.emptied().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    journal.acknowledge(0, Some(1)).unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn what_was_not_acknowledged_is_sent_again() {
    let journal = journal();
    journal.attach();
    for seq in 0..3u8 {
        journal.append(journal.reserve().unwrap(), DIGEST, Bytes::copy_from_slice(&[seq]));
    }
    for (has, expected) in [(1, vec![1, 2]), (1, vec![1, 2]), (3, vec![])] {
        let (host, enclave) = Stream::pair().unwrap();
        let (reader, mut writer) = split(host);
        let mut frames = Frames::<ToHost, _>::new(reader);
        let session = journal.session(enclave);
        let host = async {
            assert!(
                matches!(frames.next().await.unwrap(), Some(ToHost::Hello { instance, .. }) if instance == [7; 16])
            );
            writer.write_all(&ToEnclave::Welcome { next: has }.to_bytes()).await.unwrap();
            for wanted in expected {
                let Some(ToHost::Receipt { seq, bytes, .. }) = frames.next().await.unwrap() else {
                    panic!("no receipt")
                };
                assert_eq!((seq, &bytes[..]), (wanted, &[wanted as u8][..]));
            }
        };
        tokio::select! {
            ended = session => panic!("the session ended: {ended:?}"),
            () = host => {}
        }
    }
}

/// Appends receipts with these digests.
fn hold(journal: &Arc<Journal>, digests: &[Digest]) {
    for digest in digests {
        journal.append(journal.reserve().unwrap(), *digest, Bytes::from_static(b"receipt"));
    }
}

/// The root of the log of these digests.
fn root(digests: &[Digest]) -> Digest {
    let mut tree = Frontier::new();
    digests.iter().for_each(|digest| tree.push(digest).unwrap());
    tree.root()
}

/// Reads frames until a head comes.
async fn head(frames: &mut Frames<ToHost, tokio::io::ReadHalf<Stream>>) -> (SignedHead, Bytes) {
    loop {
        if let ToHost::Head { head, note } = frames.next().await.unwrap().unwrap() {
            let head = SignedHead::decode(&head).unwrap();
            let checkpoint = LogCheckpoint::decode(Note::decode(&note).unwrap().text()).unwrap();
            let said = (checkpoint.node(), checkpoint.size(), checkpoint.root());
            assert_eq!(said, (head.head().node(), head.head().size(), head.head().root()));
            assert_eq!(said.0, NODE);
            return (head, note);
        }
    }
}

/// A connection of a host, and the enclave's session on it.
struct Host {
    frames: Frames<ToHost, tokio::io::ReadHalf<Stream>>,
    writer: tokio::io::WriteHalf<Stream>,
    session: tokio::task::JoinHandle<Result<(), LinkError>>,
}

impl Host {
    fn connect(journal: &Arc<Journal>) -> Self {
        let (host, enclave) = Stream::pair().unwrap();
        let (reader, writer) = split(host);
        let journal = Arc::clone(journal);
        let session = tokio::spawn(async move { journal.session(enclave).await });
        Self { frames: Frames::new(reader), writer, session }
    }

    async fn say(&mut self, words: &[ToEnclave]) {
        for word in words {
            self.writer.write_all(&word.to_bytes()).await.unwrap();
        }
    }

    async fn head(&mut self) -> (u64, Digest, bool) {
        let (signed, _) = head(&mut self.frames).await;
        let head = signed.head();
        (head.size(), head.root(), head.is_closed())
    }

    async fn refusal(self) -> &'static str {
        match self.session.await.unwrap() {
            Err(LinkError::Malformed { what }) => what,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn heads_and_notes_are_signed_by_the_keys_of_the_statement() {
    let Signed { journal, receipt, settlement } = signed();
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 0 }, ToEnclave::Publish]).await;
    let (signed, note) = head(&mut host.frames).await;
    assert_eq!(signer(&signed), settlement);
    let note = Note::decode(&note).unwrap();
    let checkpoint = LogCheckpoint::decode(note.text()).unwrap();
    let own: Vec<_> = checkpoint.own(&note, &receipt).collect();
    assert_eq!((own.len(), note.signatures().len()), (1, 1));
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, receipt);
    key.verify(note.text().as_bytes(), own[0].bytes()).unwrap();
}

#[tokio::test]
async fn a_head_covers_what_is_acknowledged_and_no_more() {
    let journal = journal();
    journal.attach();
    let digests = [Digest([1; 32]), Digest([2; 32]), Digest([3; 32])];
    hold(&journal, &digests);
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 0 }, ToEnclave::Publish]).await;
    assert_eq!(host.head().await, (0, root(&[]), false));
    let since = tokio::time::Instant::now();
    host.say(&[ToEnclave::Ack { seq: 1 }, ToEnclave::Publish]).await;
    assert_eq!(host.head().await, (2, root(&digests[..2]), false));
    let almost = PUBLISH - std::time::Duration::from_millis(100);
    assert!(since.elapsed() >= almost, "at most one a second");
    // On another connection, too, which says that the host has the third receipt.
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 3 }, ToEnclave::Publish]).await;
    assert_eq!(host.head().await, (3, root(&digests), false));
    assert!(since.elapsed() >= 2 * almost, "at most one a second");
    // Two questions at one time are one too many.
    host.say(&[ToEnclave::Publish, ToEnclave::Publish]).await;
    assert_eq!(host.refusal().await, "publish");
}

#[tokio::test]
async fn a_host_that_stores_nothing_gets_no_head() {
    let journal = journal();
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Publish]).await;
    assert_eq!(host.refusal().await, "publish");
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 0 }, ToEnclave::Publish]).await;
    host.head().await;
    // A failure takes an open question back.
    let again = ToEnclave::Welcome { next: 0 };
    host.say(&[ToEnclave::Publish, ToEnclave::Failed, again, ToEnclave::Publish]).await;
    host.head().await;
}

#[tokio::test]
async fn a_log_is_closed_when_every_receipt_is_acknowledged_and_the_host_has_kept_that() {
    let journal = journal();
    assert!(!journal.close().await, "no host stores it");
    journal.attach();
    let place = journal.reserve().unwrap();
    assert!(!journal.close().await, "a receipt is still to come");
    journal.append(place, DIGEST, Bytes::from_static(b"receipt"));
    assert!(!journal.close().await, "a receipt is not acknowledged");
    journal.acknowledge(0, Some(1)).unwrap();
    assert!(journal.reserve().is_ok(), "so far it takes receipts");
    let closing = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.close().await }
    });
    let closed = (1, root(&[DIGEST]), true);
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 1 }]).await;
    assert_eq!(host.head().await, closed);
    assert_eq!(journal.reserve().err(), Some(Unavailable), "nothing follows a closed head");
    // Storage that failed, and another connection, get it again. An open head does not follow.
    host.say(&[ToEnclave::Failed, ToEnclave::Welcome { next: 1 }]).await;
    assert_eq!(host.head().await, closed);
    let mut host = Host::connect(&journal);
    host.say(&[ToEnclave::Welcome { next: 1 }]).await;
    assert_eq!(host.head().await, closed);
    host.say(&[ToEnclave::Publish]).await;
    assert_eq!(host.head().await, closed);
    assert!(!closing.is_finished());
    host.say(&[ToEnclave::Kept]).await;
    assert!(closing.await.unwrap());
    host.say(&[ToEnclave::Kept]).await;
    assert_eq!(host.refusal().await, "closed head");
}

#[tokio::test]
async fn a_host_cannot_have_kept_what_it_was_not_sent() {
    let mut host = Host::connect(&journal());
    host.say(&[ToEnclave::Welcome { next: 0 }, ToEnclave::Kept]).await;
    assert_eq!(host.refusal().await, "closed head");
}

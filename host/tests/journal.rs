//! The journal port with a scripted enclave, over real sockets and with a real file.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;

use bytes::Bytes;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::head::{Head, Signature, SignedHead};
use quoth_attestation::log::tree::empty_root;
use quoth_attestation::{Digest, ExchangeId};
use quoth_host::journal::{self, Attachment, Break, JournalError, Notice};
use quoth_link::journal::{MAX_RECEIPT, ToEnclave, ToHost};
use quoth_link::{Address, Frame, LinkError, Port};
use rusqlite::Connection;
use support::{Instance, Journal};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

struct Served {
    folder: tempfile::TempDir,
    address: Address,
    attachment: watch::Receiver<Attachment>,
    notices: mpsc::UnboundedReceiver<Notice>,
    task: JoinHandle<()>,
}

impl Served {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn on(folder: tempfile::TempDir) -> Self {
        let address = Address::Unix(folder.path().to_owned());
        let (attached, attachment) = watch::channel(Attachment::Waiting);
        let (notice, notices) = mpsc::unbounded_channel();
        let listener = address.listen(Port::JOURNAL).unwrap();
        let task = tokio::spawn(journal::serve(listener, folder.path().join("journal.sqlite"), attached, notice));
        Self { folder, address, attachment, notices, task }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal.sqlite")
    }

    /// Restarts the host's side on the same file.
    async fn again(self) -> Self {
        self.task.abort();
        let _ = self.task.await;
        Self::on(self.folder)
    }
}

#[tokio::test]
async fn receipts_are_on_disk_once_acknowledged_and_the_chain_goes_on() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    for _ in 0..3 {
        journal.send(&instance.receipt()).await;
    }
    journal.acknowledged(2).await;
    let other = Connection::open(served.path()).unwrap();
    let stored: i64 = other.query_row("SELECT count(*) FROM receipts", [], |row| row.get(0)).unwrap();
    assert_eq!(stored, 3, "another connection sees what was acknowledged");
    assert_eq!(*served.attachment.borrow(), Attachment::Attached { next: 3 });

    let served = served.again().await;
    let mut journal = Journal::attach(&served.address, &instance, 3).await;
    journal.expect(ToEnclave::Welcome { next: 3 }).await;
    journal.send(&instance.receipt()).await;
    journal.acknowledged(3).await;
    let read = journal::read(&served.path(), None).unwrap();
    assert!(read[0].chain.whole);
    assert_eq!(read[0].receipts.iter().map(|receipt| receipt.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(journal::read(&served.path(), Some(ExchangeId([0xee; 16]))).unwrap()[0].receipts.len(), 0);
}

#[tokio::test]
async fn a_burst_larger_than_a_batch_is_taken_whole() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    for _ in 0..1024 {
        journal.send(&instance.receipt()).await;
    }
    journal.acknowledged(1023).await;
    let read = journal::read(&served.path(), None).unwrap();
    assert!(read[0].chain.whole);
    assert_eq!(read[0].receipts.len(), 1024);
}

#[tokio::test]
async fn the_same_receipt_may_come_twice_and_another_one_in_its_place_may_not() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let receipt = instance.receipt();
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    for _ in 0..2 {
        journal.send(&receipt).await;
        journal.acknowledged(0).await;
    }
    let mut tampered = receipt.1.to_vec();
    *tampered.last_mut().unwrap() ^= 1;
    journal.send(&(0, Bytes::from(tampered))).await;
    journal.expect(ToEnclave::Failed).await;
    let notice = served.notices.recv().await.unwrap();
    assert!(matches!(notice, Notice::Failed(JournalError::Conflict { seq: 0 })), "{notice:?}");
    assert_eq!(*served.attachment.borrow(), Attachment::Failed);
    assert_eq!(journal::read(&served.path(), None).unwrap()[0].receipts[0].cose, receipt.1);
}

#[tokio::test]
async fn what_cannot_be_read_is_stored_at_its_place_and_the_journal_goes_on() {
    let (mut other, mut later) = (Instance::new(2), Instance::new(1));
    let foreign = other.receipt().1;
    let late = (0..4).map(|_| later.receipt().1).last().unwrap();
    for wrong in [Bytes::from_static(b"no receipt"), Bytes::from(vec![0xff; MAX_RECEIPT]), foreign, late] {
        let (mut served, mut instance) = (Served::new(), Instance::new(1));
        let honest: Vec<_> = (0..4).map(|_| instance.receipt()).collect();
        let mut journal = Journal::attach(&served.address, &instance, 0).await;
        journal.expect(ToEnclave::Welcome { next: 0 }).await;
        // One batch. Nothing of it is lost.
        let sent = [honest[0].clone(), (1, wrong.clone()), honest[2].clone()];
        let frames: Vec<u8> = sent
            .iter()
            .flat_map(|(seq, bytes)| ToHost::Receipt { seq: *seq, digest: [0; 32], bytes: bytes.clone() }.to_bytes())
            .collect();
        journal.writer.write_all(&frames).await.unwrap();
        journal.acknowledged(2).await;
        let notice = served.notices.recv().await.unwrap();
        assert!(matches!(notice, Notice::Unreadable { seq: 1 }), "{notice:?}");
        // The same receipt may be sent again. After a restart of the host the chain continues.
        journal.send(&(1, wrong.clone())).await;
        journal.acknowledged(2).await;
        let served = served.again().await;
        let mut journal = Journal::attach(&served.address, &instance, 3).await;
        journal.expect(ToEnclave::Welcome { next: 3 }).await;
        journal.send(&honest[3]).await;
        journal.acknowledged(3).await;

        let read = journal::read(&served.path(), None).unwrap().remove(0);
        assert_eq!(read.chain.breaks, [Break::Unreadable { seq: 1 }]);
        assert_eq!(read.receipts.iter().map(|receipt| receipt.seq).collect::<Vec<_>>(), [0, 2, 3]);
        let stored: Vec<u8> = Connection::open(served.path())
            .unwrap()
            .query_row("SELECT cose FROM receipts WHERE seq = 1", [], |row| row.get(0))
            .unwrap();
        assert_eq!(stored, wrong, "the bytes as they came");
    }
}

#[tokio::test]
async fn what_came_before_a_conflict_in_its_batch_is_kept() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let honest: Vec<_> = (0..3).map(|_| instance.receipt()).collect();
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    journal.send(&honest[0]).await;
    journal.acknowledged(0).await;
    let sent = [&honest[1], &honest[2], &(0, honest[1].1.clone())];
    let frames: Vec<u8> = sent
        .iter()
        .flat_map(|(seq, bytes)| ToHost::Receipt { seq: *seq, digest: [0; 32], bytes: bytes.clone() }.to_bytes())
        .collect();
    journal.writer.write_all(&frames).await.unwrap();
    journal.acknowledged(2).await;
    journal.expect(ToEnclave::Failed).await;
    let notice = served.notices.recv().await.unwrap();
    assert!(matches!(notice, Notice::Failed(JournalError::Conflict { seq: 0 })), "{notice:?}");
    assert_eq!(journal::read(&served.path(), None).unwrap()[0].receipts.len(), 3);
}

#[tokio::test]
async fn a_journal_of_an_earlier_version_opens() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let receipts = [instance.receipt(), instance.receipt()];
    Connection::open(served.path())
        .unwrap()
        .execute_batch(&format!(
            "CREATE TABLE instances (id INTEGER PRIMARY KEY, instance BLOB NOT NULL UNIQUE, statement BLOB NOT NULL,
                 attached INTEGER NOT NULL) STRICT;
             CREATE TABLE receipts (id INTEGER NOT NULL REFERENCES instances (id), seq INTEGER NOT NULL,
                 cti BLOB NOT NULL, cose BLOB NOT NULL, UNIQUE (id, seq)) STRICT;
             CREATE INDEX receipts_by_cti ON receipts (cti);
             INSERT INTO instances VALUES (1, x'{}', x'{}', 1);
             INSERT INTO receipts VALUES (1, 0, x'{}', x'{}');",
            hex::encode(instance.id),
            hex::encode(&instance.statement),
            "00".repeat(16),
            hex::encode(&receipts[0].1),
        ))
        .unwrap();
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 1 }).await;
    journal.send(&receipts[1]).await;
    journal.acknowledged(1).await;
    assert!(journal::read(&served.path(), None).unwrap()[0].chain.whole);
}

#[tokio::test]
async fn a_statement_of_another_instance_is_refused() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    instance.id = [9; 16];
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Failed).await;
    assert!(matches!(served.notices.recv().await, Some(Notice::Failed(JournalError::Statement))));
}

#[tokio::test]
async fn a_gap_is_stored_as_it_is_and_shown() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let mut receipts: Vec<_> = (0..6).map(|_| instance.receipt()).collect();
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    journal.send(&receipts[0]).await;
    journal.acknowledged(0).await;
    drop(journal);
    // The enclave no longer holds receipts before 4.
    let mut journal = Journal::attach(&served.address, &instance, 4).await;
    journal.expect(ToEnclave::Welcome { next: 1 }).await;
    for receipt in receipts.drain(4..) {
        journal.send(&receipt).await;
    }
    journal.acknowledged(5).await;
    assert!(matches!(served.notices.recv().await, Some(Notice::Gap { from: 1, to: 4 })));
    let chain = journal::read(&served.path(), None).unwrap().remove(0).chain;
    assert!(!chain.whole);
    assert_eq!(chain.breaks, [Break::Gap { from: 1, to: 3 }]);
}

#[tokio::test]
async fn a_receipt_ahead_of_its_turn_is_not_acknowledged() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let receipts = [instance.receipt(), instance.receipt()];
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    journal.send(&receipts[1]).await;
    journal.send(&receipts[0]).await;
    journal.expect(ToEnclave::Ack { seq: 0 }).await;
    journal.send(&receipts[1]).await;
    journal.expect(ToEnclave::Ack { seq: 1 }).await;
}

#[tokio::test]
async fn storage_that_fails_says_so_and_recovers() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let receipts = [instance.receipt(), instance.receipt()];
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    journal.send(&receipts[0]).await;
    journal.acknowledged(0).await;
    let other = Connection::open(served.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal.send(&receipts[1]).await;
    journal.expect(ToEnclave::Failed).await;
    assert!(matches!(served.notices.recv().await, Some(Notice::Failed(JournalError::Database(_)))));
    other.execute_batch("ROLLBACK").unwrap();
    journal.expect(ToEnclave::Welcome { next: 1 }).await;
    journal.send(&receipts[1]).await;
    journal.acknowledged(1).await;
    assert!(matches!(served.notices.recv().await, Some(Notice::Recovered)));
    assert!(journal::read(&served.path(), None).unwrap()[0].chain.whole);
}

#[tokio::test]
async fn a_journal_whose_file_is_gone_acknowledges_nothing_into_the_void() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let receipts = [instance.receipt(), instance.receipt()];
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    journal.send(&receipts[0]).await;
    journal.acknowledged(0).await;
    for file in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
        std::fs::remove_file(served.folder.path().join(file)).unwrap();
    }
    journal.send(&receipts[1]).await;
    journal.expect(ToEnclave::Failed).await;
    assert!(matches!(served.notices.recv().await, Some(Notice::Failed(JournalError::Replaced))));
    // A new file begins. Lost receipts show as a gap if the enclave no longer has them.
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
}

#[tokio::test]
async fn a_stranger_to_the_protocol_is_cut_off_and_the_next_one_served() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let mut stranger = Journal::connect(&served.address, Port::JOURNAL).await;
    stranger.say(&ToHost::Receipt { seq: 0, digest: [0; 32], bytes: instance.receipt().1 }).await;
    assert_eq!(stranger.hear().await.unwrap(), None);
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    let hello = ToHost::Hello { instance: instance.id, first: 0, statement: Bytes::from(instance.statement.clone()) };
    journal.say(&hello).await;
    assert_eq!(journal.hear().await.unwrap(), None, "a second hello");
}

#[tokio::test]
async fn a_new_connection_replaces_one_that_hangs() {
    let (served, instance) = (Served::new(), Instance::new(1));
    let mut hanging = Journal::connect(&served.address, Port::JOURNAL).await;
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    assert_eq!(hanging.hear().await.unwrap(), None);
}

#[tokio::test]
async fn damage_in_the_file_is_shown_where_it_is() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    for _ in 0..7 {
        journal.send(&instance.receipt()).await;
    }
    journal.acknowledged(6).await;
    // Another chain of the same node. One of its receipts is inserted.
    let mut forged = Instance::new(1);
    forged.receipt();
    let foreign = Instance::new(2).receipt().1;
    let other = Connection::open(served.path()).unwrap();
    other.execute("DELETE FROM receipts WHERE seq IN (2, 3)", []).unwrap();
    other.execute("UPDATE receipts SET cose = ?1 WHERE seq = 5", [foreign.to_vec()]).unwrap();
    let read = journal::read(&served.path(), None).unwrap().remove(0);
    assert_eq!(read.chain.breaks, [Break::Gap { from: 2, to: 3 }, Break::Unreadable { seq: 5 }]);
    assert_eq!(read.receipts.len(), 4);
    other.execute("UPDATE receipts SET cose = zeroblob(100000) WHERE seq = 5", []).unwrap();
    assert!(!journal::read(&served.path(), None).unwrap()[0].chain.whole);
}

/// A head and a note of this node, with signatures that nobody checks here.
fn log(node: Digest, size: u64, closed: bool) -> ToHost {
    let root = if size == 0 { empty_root() } else { Digest([size as u8; 32]) };
    let mut number = [0; 32];
    number[31] = 1;
    let signature = Signature::new(number, number, false).unwrap();
    let head = SignedHead::new(Head::new(node, size, root, 0, closed).unwrap(), signature).encode();
    let note = LogCheckpoint::new(node, size, root).unwrap().sign(&[1; 32], |_| [2; 64]).encode();
    ToHost::Head { head, note: note.into() }
}

/// Size of the head that the journal keeps, and whether it is closed.
fn kept(served: &Served) -> Option<(u64, bool)> {
    let database = Connection::open(served.path()).unwrap();
    let head: Result<Vec<u8>, _> = database.query_row("SELECT head FROM heads", [], |row| row.get(0));
    let head = SignedHead::decode(&head.ok()?).unwrap();
    Some((head.head().size(), head.head().is_closed()))
}

#[tokio::test]
async fn the_latest_head_is_kept_and_a_closed_one_is_confirmed() {
    let (served, mut instance) = (Served::new(), Instance::new(1));
    let node = Digest::of(&instance.statement);
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    // An acknowledgement comes after what came before it in the same batch.
    journal.say(&log(node, 1, false)).await;
    journal.send(&instance.receipt()).await;
    journal.acknowledged(0).await;
    assert_eq!(kept(&served), Some((1, false)));
    // Of several in one write the closed one stays.
    let frames = [log(node, 2, true), log(node, 2, false), log(node, 1, false)];
    let frames: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
    journal.writer.write_all(&frames).await.unwrap();
    journal.expect(ToEnclave::Kept).await;
    assert_eq!(kept(&served), Some((2, true)));
    journal.say(&log(node, 2, false)).await;
    journal.send(&instance.receipt()).await;
    journal.acknowledged(1).await;
    assert_eq!(kept(&served), Some((2, true)), "a closed head stays");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_ends_the_connection_and_no_more() {
    let (mut served, mut instance) = (Served::new(), Instance::new(1));
    let node = Digest::of(&instance.statement);
    let ToHost::Head { head, note } = log(node, 1, false) else { unreachable!() };
    let ToHost::Head { note: other, .. } = log(node, 2, false) else { unreachable!() };
    for wrong in [
        ToHost::Head { head: [0xff; 146], note: note.clone() },
        ToHost::Head { head, note: Bytes::from_static(b"no note") },
        ToHost::Head { head, note: other },
        log(Digest([9; 32]), 1, false),
    ] {
        let mut journal = Journal::attach(&served.address, &instance, 0).await;
        assert!(matches!(journal.hear().await.unwrap(), Some(ToEnclave::Welcome { .. })));
        journal.say(&wrong).await;
        assert!(journal.hear().await.unwrap().is_none(), "closed");
        let notice = served.notices.recv().await.unwrap();
        assert!(matches!(notice, Notice::Link(LinkError::Malformed { what: "journal: head" })), "{notice:?}");
    }
    let mut journal = Journal::attach(&served.address, &instance, 0).await;
    journal.expect(ToEnclave::Welcome { next: 0 }).await;
    let digest = [7; 32];
    let (seq, bytes) = instance.receipt();
    journal.say(&ToHost::Receipt { seq, digest, bytes }).await;
    journal.acknowledged(0).await;
    let database = Connection::open(served.path()).unwrap();
    let stored: Vec<u8> = database.query_row("SELECT digest FROM receipts", [], |row| row.get(0)).unwrap();
    assert_eq!((stored.as_slice(), kept(&served)), (&digest[..], None));
}

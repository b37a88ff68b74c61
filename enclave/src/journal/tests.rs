//! Tests of the journal.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Frame, Frames, LinkError, Stream};
use tokio::io::{AsyncWriteExt, split};

use super::{Journal, Unavailable};
use crate::limits::{JOURNAL_BATCH, UNACKNOWLEDGED};

fn journal() -> Arc<Journal> {
    Arc::new(Journal::new([7; 16], vec![1], 8))
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
    journal.append(places.pop().unwrap(), Bytes::from_static(b"0"));
    assert_eq!(journal.reserve().err(), Some(Unavailable), "an unacknowledged receipt keeps its place");
    journal.acknowledge(0, Some(1)).unwrap();
    assert!(journal.reserve().is_ok());
}

#[test]
fn a_host_cannot_acknowledge_what_it_was_not_sent() {
    let journal = journal();
    journal.attach();
    journal.append(journal.reserve().unwrap(), Bytes::from_static(b"0"));
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
    journal.append(journal.reserve().unwrap(), Bytes::from_static(b"0"));
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
        journal.append(journal.reserve().unwrap(), Bytes::from(vec![0; length]));
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
    journal.append(place, Bytes::from_static(b"0"));
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
        journal.append(journal.reserve().unwrap(), Bytes::copy_from_slice(&[seq]));
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
                let Some(ToHost::Receipt { seq, bytes }) = frames.next().await.unwrap() else { panic!("no receipt") };
                assert_eq!((seq, &bytes[..]), (wanted, &[wanted as u8][..]));
            }
        };
        tokio::select! {
            ended = session => panic!("the session ended: {ended:?}"),
            () = host => {}
        }
    }
}

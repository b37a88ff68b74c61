//! Tests of the journal.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Frame, Frames, Stream};
use tokio::io::{AsyncWriteExt, split};

use super::{Journal, Unavailable};
use crate::limits::UNACKNOWLEDGED;

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
    for word in [ToEnclave::Welcome { next: 0 }, ToEnclave::Failed] {
        let journal = journal();
        let (host, enclave) = Stream::pair().unwrap();
        let (_reader, mut writer) = split(host);
        writer.write_all(&ToEnclave::Welcome { next: 0 }.to_bytes()).await.unwrap();
        // A failure may come before any welcome, but not twice.
        if word == ToEnclave::Failed {
            writer.write_all(&word.to_bytes()).await.unwrap();
        }
        writer.write_all(&word.to_bytes()).await.unwrap();
        assert!(journal.session(enclave).await.is_err(), "{word:?}");
    }
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

//! Every decoder against limits, unknown input and arbitrary bytes.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use quoth_link::event::{Command, Event, MAX_LINE, Pem, Ready, Status};
use quoth_link::journal::{MAX_RECEIPT, MAX_STATEMENT, ToEnclave, ToHost};
use quoth_link::{Frame, Frames, LinkError, Name, feed, metrics};

fn take<T: Frame>(bytes: &[u8]) -> Result<Option<T>, LinkError> {
    T::take(&mut BytesMut::from(bytes))
}

fn receipt(length: usize) -> ToHost {
    ToHost::Receipt { seq: u64::MAX, bytes: Bytes::from(vec![7; length]) }
}

fn hello(length: usize) -> ToHost {
    ToHost::Hello { instance: [1; 16], first: 2, statement: Bytes::from(vec![3; length]) }
}

fn ready() -> Event {
    Event::Ready(Ready {
        instance: [1; 16],
        node: [2; 32],
        ca: Pem::try_from("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned()).unwrap(),
        simulated_root: None,
        receipt_key: [3; 32],
    })
}

#[test]
fn journal_frames_are_bounded_by_their_kind() {
    for (message, fits) in [
        (receipt(1), true),
        (receipt(MAX_RECEIPT), true),
        (receipt(0), false),
        (receipt(MAX_RECEIPT + 1), false),
        (hello(MAX_STATEMENT), true),
        (hello(MAX_STATEMENT + 1), false),
    ] {
        let result = take::<ToHost>(&message.to_bytes());
        match fits {
            true => assert_eq!(result.unwrap().unwrap(), message),
            false => assert!(matches!(result, Err(LinkError::Length { .. }))),
        }
    }
    assert!(matches!(take::<ToHost>(&[0x81]), Err(LinkError::Kind { actual: 0x81 })), "the other direction's");
    assert!(matches!(take::<ToEnclave>(&[0x01]), Err(LinkError::Kind { actual: 0x01 })));
    assert!(matches!(take::<ToEnclave>(&[0x83, 0, 0, 0, 1, 0]), Err(LinkError::Length { .. })));
    let mut other_version = hello(4).to_bytes();
    other_version[5] = 2;
    assert!(matches!(take::<ToHost>(&other_version), Err(LinkError::Version { expected: 1, actual: 2 })));
}

#[test]
fn an_over_long_frame_is_refused_before_its_body_comes() {
    assert!(matches!(take::<ToHost>(&[0x02, 0xff, 0xff, 0xff, 0xff]), Err(LinkError::Length { .. })));
}

#[test]
fn lines_are_bounded() {
    let padded = |length: usize| {
        let mut line = Command::Drain {}.to_bytes();
        line.pop();
        line.resize(length, b' ');
        line.push(b'\n');
        line
    };
    assert_eq!(take::<Command>(&padded(MAX_LINE)).unwrap(), Some(Command::Drain {}));
    assert!(matches!(take::<Command>(&padded(MAX_LINE + 1)), Err(LinkError::Length { .. })));
    assert!(take::<Command>(&[b' '; MAX_LINE]).unwrap().is_none());
    assert!(matches!(take::<Command>(&[b' '; MAX_LINE + 1]), Err(LinkError::Length { .. })));
}

#[test]
fn unknown_fields_names_and_texts_are_refused() {
    for line in [
        r#"{"event":"stopped","more":1}"#,
        r#"{"event":"boot","step":"model","ms":1,"more":1}"#,
        r#"{"event":"boot","step":"What the user said","ms":1}"#,
        r#"{"event":"boot","step":"","ms":1}"#,
        r#"{"event":"boot","step":"model","ms":-1}"#,
        r#"{"event":"boot","step":"model","ms":1,"ms":2}"#,
        r#"{"event":"surprise"}"#,
        r#"{"event":"stopped"} {}"#,
        "",
        "null",
        &format!(r#"{{"event":"boot","step":"{}","ms":1}}"#, "a".repeat(Name::MAX + 1)),
    ] {
        let result = take::<Event>(format!("{line}\n").as_bytes());
        assert!(matches!(result, Err(LinkError::Malformed { .. })), "{line}");
    }
    let longest = format!(r#"{{"event":"boot","step":"{}","ms":1}}"#, "a".repeat(Name::MAX));
    assert!(take::<Event>(format!("{longest}\n").as_bytes()).unwrap().is_some());
    let upper = String::from_utf8(ready().to_bytes()).unwrap().replace("0101", "ABCD");
    assert!(take::<Event>(upper.as_bytes()).is_err());
    let escape = String::from_utf8(ready().to_bytes()).unwrap().replace("AA==", "\\u001b[2J");
    assert!(take::<Event>(escape.as_bytes()).is_err());
}

#[test]
fn events_have_the_agreed_spelling() {
    let boot = Event::Boot { step: Name::of("model"), ms: 12 };
    assert_eq!(boot.to_bytes(), b"{\"event\":\"boot\",\"step\":\"model\",\"ms\":12}\n");
    assert_eq!(Command::Drain {}.to_bytes(), b"{\"command\":\"drain\"}\n");
    for event in [boot, ready(), Event::Status(Status::default()), Event::Stopped {}] {
        assert_eq!(take::<Event>(&event.to_bytes()).unwrap(), Some(event));
    }
}

#[test]
fn model_requests_have_one_spelling() {
    let request = feed::Request { sha256: [0xab; 32], size: 98_362_432 };
    assert_eq!(feed::Request::parse(request.to_line().as_bytes()).unwrap(), request);
    let digest = "ab".repeat(32);
    for size in ["", "0", "01", "+1", "1 ", " 1", "-1", "18446744073709551616", "4398046511105"] {
        assert!(feed::Request::parse(format!("{digest} {size}").as_bytes()).is_err(), "{size:?}");
    }
    assert!(feed::Request::parse(format!("{digest} 4398046511104").as_bytes()).is_ok());
    assert!(feed::Request::parse(format!("{} 1", "AB".repeat(32)).as_bytes()).is_err());
    assert!(feed::Request::parse(format!("{digest}x1").as_bytes()).is_err());
}

#[tokio::test]
async fn a_feed_leaves_the_models_bytes_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut enclave, mut host) = tokio::io::duplex(1024);
    let request = feed::Request { sha256: [1; 32], size: 3 };
    let serve = async {
        assert_eq!(feed::Request::read(&mut host).await.unwrap(), request);
        feed::answer(&mut host, true).await.unwrap();
        host.write_all(b"abc").await.unwrap();
        assert_eq!(feed::Request::read(&mut host).await.unwrap(), request);
        feed::answer(&mut host, false).await.unwrap();
    };
    let ask = async {
        request.ask(&mut enclave).await.unwrap();
        let mut bytes = [0; 3];
        enclave.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abc");
        assert!(matches!(request.ask(&mut enclave).await, Err(LinkError::UnknownModel)));
    };
    tokio::join!(serve, ask);
    let long = [b'a'; 200];
    assert!(matches!(feed::Request::read(&mut &long[..]).await, Err(LinkError::Length { .. })));
    assert!(matches!(feed::Request::read(&mut &b"ab"[..]).await, Err(LinkError::Truncated)));
}

#[tokio::test]
async fn metrics_are_bounded_and_plain() {
    let mut wire = Vec::new();
    metrics::write(&mut wire, "quoth_up 1\n").await.unwrap();
    assert_eq!(metrics::read(&mut &wire[..]).await.unwrap(), "quoth_up 1\n");
    assert!(metrics::write(&mut Vec::new(), &"a".repeat(metrics::MAX_TEXT)).await.is_ok());
    assert!(metrics::write(&mut Vec::new(), &"a".repeat(metrics::MAX_TEXT + 1)).await.is_err());
    let claimed = (metrics::MAX_TEXT as u32 + 1).to_be_bytes();
    assert!(matches!(metrics::read(&mut &claimed[..]).await, Err(LinkError::Length { .. })));
    assert!(matches!(metrics::read(&mut &b"\0\0\0\x01\x1b"[..]).await, Err(LinkError::Malformed { .. })));
}

#[tokio::test]
async fn a_stream_may_end_only_between_messages() {
    let bytes = [receipt(5).to_bytes(), receipt(6).to_bytes()].concat();
    let mut whole = Frames::<ToHost, _>::new(&bytes[..]);
    assert_eq!(whole.next().await.unwrap(), Some(receipt(5)));
    assert_eq!(whole.buffered().unwrap(), Some(receipt(6)));
    assert_eq!(whole.next().await.unwrap(), None);
    let mut cut = Frames::<ToHost, _>::new(&bytes[..bytes.len() - 1]);
    cut.next().await.unwrap();
    assert!(matches!(cut.next().await, Err(LinkError::Truncated)));
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = take::<ToHost>(&bytes);
        let _ = take::<ToEnclave>(&bytes);
        let _ = take::<Event>(&bytes);
        let _ = take::<Command>(&bytes);
        let _ = feed::Request::parse(&bytes);
    }

    #[test]
    fn journal_bytes_that_are_taken_are_the_only_encoding(
        kind in prop::sample::select(vec![1u8, 2, 0x81, 0x82, 0x83]),
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = vec![kind];
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(&body);
        if let Ok(Some(message)) = take::<ToHost>(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes.clone());
        }
        if let Ok(Some(message)) = take::<ToEnclave>(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn messages_survive_any_split(length in 1usize..3000, cut in 1usize..3000) {
        let bytes = receipt(length).to_bytes();
        let cut = cut.min(bytes.len() - 1);
        let mut buffer = BytesMut::from(&bytes[..cut]);
        prop_assert!(ToHost::take(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(&bytes[cut..]);
        prop_assert_eq!(ToHost::take(&mut buffer).unwrap(), Some(receipt(length)));
        prop_assert!(buffer.is_empty());
    }
}

//! Every decoder with input at the limits, unknown input and arbitrary bytes.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use quoth_link::egress::{self, Answer, Destination};
use quoth_link::endorse::{self, Endorsements, MAX_CERTIFICATE, MAX_CERTIFICATES, MAX_CRL, MAX_CRLS};
use quoth_link::event::{Command, Event, MAX_LINE, Pem, Ready, Status};
use quoth_link::journal::{HEAD, MAX_NOTE, MAX_RECEIPT, MAX_STATEMENT, ToEnclave, ToHost};
use quoth_link::{Frame, Frames, LinkError, Name, feed, metrics};

fn take<T: Frame>(bytes: &[u8]) -> Result<Option<T>, LinkError> {
    T::take(&mut BytesMut::from(bytes))
}

fn receipt(length: usize) -> ToHost {
    ToHost::Receipt { seq: u64::MAX, digest: [8; 32], bytes: Bytes::from(vec![7; length]) }
}

fn head(length: usize) -> ToHost {
    ToHost::Head { head: [4; HEAD], note: Bytes::from(vec![5; length]) }
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
        (head(1), true),
        (head(MAX_NOTE), true),
        (head(0), false),
        (head(MAX_NOTE + 1), false),
    ] {
        let result = take::<ToHost>(&message.to_bytes());
        match fits {
            true => assert_eq!(result.unwrap().unwrap(), message),
            false => assert!(matches!(result, Err(LinkError::Length { .. }))),
        }
    }
    assert!(matches!(take::<ToHost>(&[0x81]), Err(LinkError::Kind { actual: 0x81 })), "the other direction's");
    assert!(matches!(take::<ToEnclave>(&[0x01]), Err(LinkError::Kind { actual: 0x01 })));
    for kind in [0x83, 0x84, 0x85] {
        assert!(matches!(take::<ToEnclave>(&[kind, 0, 0, 0, 1, 0]), Err(LinkError::Length { .. })));
    }
    let mut other_version = hello(4).to_bytes();
    other_version[5] = 1;
    assert!(matches!(take::<ToHost>(&other_version), Err(LinkError::Version { expected: 2, actual: 1 })));
}

#[test]
fn endorsements_are_bounded_by_their_kind() {
    let of = |certificates: &[usize], crls: &[usize]| {
        let pieces = |lengths: &[usize]| lengths.iter().map(|length| vec![5; *length]).collect();
        Endorsements { certificates: pieces(certificates), crls: pieces(crls) }
    };
    for (message, fits) in [
        (of(&[], &[]), true),
        (of(&[1, 2], &[3]), true),
        (of(&[MAX_CERTIFICATE; MAX_CERTIFICATES], &[MAX_CRL; MAX_CRLS]), true),
        (of(&[1; MAX_CERTIFICATES + 1], &[]), false),
        (of(&[], &[1; MAX_CRLS + 1]), false),
        (of(&[MAX_CERTIFICATE + 1], &[]), false),
        (of(&[], &[MAX_CRL + 1]), false),
        (of(&[0], &[]), false),
    ] {
        let bytes = message.to_bytes();
        match fits {
            true => {
                assert_eq!(take::<Endorsements>(&bytes).unwrap().unwrap(), message);
                let inside = bytes.len() - 1;
                assert_eq!(take::<Endorsements>(&bytes[..inside]).unwrap(), None, "more is needed");
            }
            false => assert!(matches!(take::<Endorsements>(&bytes), Err(LinkError::Length { .. }))),
        }
    }
}

#[tokio::test]
async fn a_report_is_answered_with_what_endorses_it() {
    let (enclave, mut host) = tokio::io::duplex(100);
    let report = [9; endorse::REPORT];
    let asked = tokio::spawn(async move { Endorsements::ask(enclave, &report).await });
    assert_eq!(endorse::read(&mut host).await.unwrap(), report);
    let told = Endorsements { certificates: vec![vec![1; 1500], vec![2; 1600]], crls: vec![vec![3; 900]] };
    told.answer(&mut host).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), told);

    let (enclave, mut host) = tokio::io::duplex(100);
    let asked = tokio::spawn(async move { Endorsements::ask(enclave, &report).await });
    endorse::read(&mut host).await.unwrap();
    drop(host);
    assert!(matches!(asked.await.unwrap(), Err(LinkError::Truncated)));
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

#[test]
fn destinations_have_one_spelling() {
    for line in [
        "api.openai.com:443",
        "localhost:1",
        "xn--bcher-kva.example:65535",
        "a-b.1c:80",
        "0x.example:80",
        "127.0.0.1:443",
        "[::1]:443",
        "[2001:db8::1:0:0:1]:443",
    ] {
        let destination = Destination::parse(line.as_bytes()).unwrap();
        assert_eq!((destination.to_line(), destination.to_string()), (line.to_owned(), line.to_owned()));
        assert_eq!(Destination::new(destination.host(), destination.port()).unwrap(), destination);
    }
    let hosts =
        ["", ".", "A", "a b", "a_b", "-a", "a-", "a..b", ".a", "a.", "ü", "a\0", "a\r", "a:1", "a/", "a@b", "*.a"];
    let numbers = ["1", "127.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "0x7f000001", "127.0x1", "0x", "a.7"];
    let brackets =
        ["::1", "[]", "[::1", "::1]", "[[::1]]", "[::01]", "[::1%1]", "[::A]", "[0:0:0:0:0:0:0:1]", "[1.2.3.4]"];
    for host in [&hosts[..], &numbers, &brackets].concat() {
        assert!(matches!(Destination::new(host, 1), Err(LinkError::Malformed { .. })), "{host:?}");
        assert!(Destination::parse(format!("{host}:1").as_bytes()).is_err(), "{host:?}");
    }
    for port in ["", "0", "01", "+1", "-1", " 1", "1 ", "1\r", "65536", "https", "1:1"] {
        assert!(Destination::parse(format!("a:{port}").as_bytes()).is_err(), "{port:?}");
    }
    assert!(Destination::new("a", 0).is_err());
    for line in [&b""[..], b":", b"a", b"\xff:1", b"a:1\n"] {
        assert!(Destination::parse(line).is_err(), "{line:?}");
    }
}

#[tokio::test]
async fn hosts_are_as_long_as_dns_names_and_no_longer() {
    let label = |length: usize| "a".repeat(length);
    assert!(Destination::new(&label(egress::MAX_LABEL), 1).is_ok());
    assert!(Destination::new(&label(egress::MAX_LABEL + 1), 1).is_err());
    let name = |length: usize| [label(63), label(63), label(63), label(length - 3 * 64)].join(".");
    let longest = Destination::new(&name(egress::MAX_HOST), u16::MAX).unwrap();
    assert!(Destination::new(&name(egress::MAX_HOST + 1), 1).is_err());
    let line = format!("{longest}\n");
    assert_eq!(Destination::read(&mut line.as_bytes()).await.unwrap(), longest);
    let longer = format!("{longest}0\n");
    assert!(matches!(Destination::read(&mut longer.as_bytes()).await, Err(LinkError::Length { actual: 260, .. })));
}

#[test]
fn a_stored_destination_is_checked_again() {
    let destination = Destination::new("api.example", 443).unwrap();
    assert_eq!(serde_json::to_string(&destination).unwrap(), "\"api.example:443\"");
    assert_eq!(serde_json::from_str::<Destination>("\"api.example:443\"").unwrap(), destination);
    assert!(serde_json::from_str::<Destination>("\"API.example:443\"").is_err());
}

#[tokio::test]
async fn an_enclave_hears_why_it_is_not_led_and_its_bytes_are_left_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let destination = Destination::new("api.example", 443).unwrap();
    let (mut enclave, mut host) = tokio::io::duplex(1024);
    let serve = async {
        for answer in [Answer::Refused, Answer::Unresolved, Answer::Unreachable, Answer::Ok] {
            assert_eq!(Destination::read(&mut host).await.unwrap(), destination);
            egress::answer(&mut host, answer).await.unwrap();
        }
        host.write_all(b"abc").await.unwrap();
    };
    let ask = async {
        assert!(matches!(destination.ask(&mut enclave).await, Err(LinkError::DestinationRefused)));
        assert!(matches!(destination.ask(&mut enclave).await, Err(LinkError::DestinationUnresolved)));
        assert!(matches!(destination.ask(&mut enclave).await, Err(LinkError::DestinationUnreachable)));
        destination.ask(&mut enclave).await.unwrap();
        let mut bytes = [0; 3];
        enclave.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"abc");
    };
    tokio::join!(serve, ask);
}

#[tokio::test]
async fn an_answer_is_one_of_four_words() {
    use tokio::io::AsyncWriteExt;
    for (line, expected) in [
        (&b"OK\n"[..], "malformed"),
        (b"ok \n", "malformed"),
        (b"ok\r\n", "malformed"),
        (b"\n", "malformed"),
        (b"unknown\n", "malformed"),
        (b"unreachable!\n", "of 12 bytes"),
        (b"ok", "ended"),
        (b"", "ended"),
    ] {
        let (mut enclave, mut host) = tokio::io::duplex(1024);
        host.write_all(line).await.unwrap();
        host.shutdown().await.unwrap();
        let error = Destination::new("a", 1).unwrap().ask(&mut enclave).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{line:?}: {error}");
    }
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
        let _ = take::<Endorsements>(&bytes);
        let _ = feed::Request::parse(&bytes);
        let _ = Destination::parse(&bytes);
        let _ = Answer::parse(&bytes);
    }

    #[test]
    fn a_destination_that_is_taken_is_its_only_spelling(line in "[a-c0-2.:x\\[\\]-]{1,12}:[0-9]{1,6}") {
        if let Ok(destination) = Destination::parse(line.as_bytes()) {
            prop_assert_eq!(destination.to_line(), line);
            prop_assert_eq!(Destination::new(destination.host(), destination.port()).unwrap(), destination);
        }
    }

    #[test]
    fn names_and_addresses_are_destinations(name in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{1,9}){0,4}", v4: [u8; 4], v6: [u16; 8], port in 1u16..) {
        let v6 = format!("[{}]", std::net::Ipv6Addr::from(v6));
        for host in [name, std::net::Ipv4Addr::from(v4).to_string(), v6] {
            let destination = Destination::new(&host, port).unwrap();
            prop_assert_eq!(Destination::parse(destination.to_line().as_bytes()).unwrap(), destination);
        }
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

//! Misbehaving clients: too much data, slow data, garbage or silence must not harm other clients.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use quoth_tests::{Node, Options, Wire, ask, chat_body, journal, long_chat_body, proven_chat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CHAT: &str = "/v1/chat/completions";
/// The enclave's limits (its own tests are at the limit and one past it).
const BODY_BYTES: usize = 4 * 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(30);
/// Additional time for a busy machine.
const SLACK: Duration = Duration::from_secs(10);

async fn still_answers(node: &Node) {
    proven_chat(node, "still there?", 4, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let node = Node::start().await;
    let padded = |length: usize| {
        let mut body = chat_body("hello", 4, false).to_string().into_bytes();
        body.resize(length, b' ');
        body
    };
    let answer = node.wire().await.post(CHAT, &[], &padded(BODY_BYTES)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("quoth-receipt").is_some());
    let answer = node.wire().await.post(CHAT, &[], &padded(BODY_BYTES + 1)).await.unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.header("quoth-receipt").is_none(), "it was not read, so nothing can be said of it");

    // The same without an announced length.
    let mut wire = node.wire().await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    wire.send(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..BODY_BYTES / 0x10000 + 1 {
        if wire.send(&chunk).await.is_err() {
            break;
        }
    }
    assert_eq!(wire.answer().await.unwrap().status, 413);
    still_answers(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_slow_bodies_and_half_open_handshakes_end() {
    let node = Node::start().await;
    let began = Instant::now();
    let mut waiting = JoinSet::new();

    // One byte per second until the node closes.
    let mut wire = node.wire().await;
    waiting.spawn(async move {
        let mut lines =
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n".to_vec().into_iter().chain(std::iter::repeat(b'a'));
        while wire.send(&[lines.next().unwrap()]).await.is_ok() && !wire.ends_within(Duration::from_secs(1)).await {}
        ("slow headers", HEADERS)
    });
    let mut wire = node.wire().await;
    waiting.spawn(async move {
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n");
        wire.send(head.as_bytes()).await.unwrap();
        while wire.send(b" ").await.is_ok() && !wire.ends_within(Duration::from_secs(1)).await {}
        ("slow body", BODY)
    });
    for hello in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut tcp = TcpStream::connect(("127.0.0.1", node.port())).await.unwrap();
        waiting.spawn(async move {
            tcp.write_all(hello).await.unwrap();
            // The connection ends, whatever the node answers.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
            ("half-open handshake", HANDSHAKE)
        });
    }
    // Not TLS at all.
    let mut tcp = TcpStream::connect(("127.0.0.1", node.port())).await.unwrap();
    waiting.spawn(async move {
        tcp.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
        ("plain HTTP", HANDSHAKE)
    });

    still_answers(&node).await;
    while let Some(ended) =
        tokio::time::timeout(BODY + SLACK, waiting.join_next()).await.expect("a request still waits")
    {
        let (what, limit) = ended.unwrap();
        assert!(began.elapsed() < limit + SLACK, "{what} lasted {:?}", began.elapsed());
    }
    still_answers(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_connections_are_nobodys_harm() {
    let wanted = 4096;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).unwrap();
    }
    let node = Node::start().await;
    let mut opening = JoinSet::new();
    let (port, ca) = (node.port(), node.run_dir().join("ca.pem"));
    let mut idle = Vec::new();
    for count in 1..=1000 {
        let ca = ca.clone();
        opening.spawn(async move { Wire::open(port, &ca).await.unwrap() });
        if count % 20 == 0 {
            while let Some(wire) = opening.join_next().await {
                idle.push(wire.unwrap());
            }
        }
    }
    assert_eq!(idle.len(), 1000);
    still_answers(&node).await;
    drop(idle);
    still_answers(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_chats_at_once_are_all_proven() {
    let node = Node::with(Options { parallel: 8, context: 256, ..Options::default() }).await;
    let mut chats = JoinSet::new();
    for number in 0..64 {
        let (url, policy) = (node.url(), node.policy());
        let body = chat_body(&format!("number {number}"), 24, number % 2 == 0);
        chats.spawn(async move { ask(&url, policy, &body).await.unwrap() });
    }
    let mut places: Vec<u64> = Vec::new();
    while let Some(proven) = chats.join_next().await {
        places.push(proven.unwrap().exchange.receipt().claims().seq);
    }
    places.sort_unstable();
    assert_eq!(places, (0..64).collect::<Vec<u64>>(), "each has its own place in one chain");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_with_a_receipt_and_quickly() {
    let node = Node::start().await;
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let bombs: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("no JSON", b"hello".to_vec()),
        ("invalid UTF-8", b"{\"model\":\"tiny\",\"messages\":\"\xff\xfe\"}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("a lone surrogate", br#"{"model":"\ud800"}"#.to_vec()),
        ("a key twice", br#"{"model":"tiny","model":"tiny","messages":[]}"#.to_vec()),
        ("a key twice, escaped", br#"{"model":"tiny","\u006dodel":"tiny","messages":[]}"#.to_vec()),
        ("65 deep", deep(65)),
        ("a million deep", deep(1_000_000)),
        ("only opening brackets", vec![b'['; BODY_BYTES]),
        ("a number past a double", br#"{"model":"tiny","messages":[],"temperature":1e999}"#.to_vec()),
        ("a number of a million digits", [b"{\"seed\":".to_vec(), vec![b'9'; 1_000_000], b"}".to_vec()].concat()),
        (
            "a million keys",
            format!("{{{}\"z\":0}}", (0..400_000).map(|i| format!("\"{i:x}\":0,")).collect::<String>()).into(),
        ),
        ("trailing bytes", b"{} {}".to_vec()),
        ("not an object", b"[]".to_vec()),
    ];
    let mut wire = node.wire().await;
    for (what, body) in bombs {
        let began = Instant::now();
        let answer = wire.post(CHAT, &[], &body).await.unwrap();
        assert_eq!(answer.status, 400, "{what}");
        assert!(answer.header("quoth-receipt").is_some() && answer.header("quoth-opening").is_some(), "{what}");
        let error = &answer.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{what}");
        assert!(began.elapsed() < Duration::from_secs(10), "{what} took {:?}", began.elapsed());
    }
    still_answers(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_honoured_are_refused() {
    let node = Node::start().await;
    let body = chat_body("hello", 2, false).to_string();
    let mut wire = node.wire().await;
    for header in ["quoth-nonce: zz", "quoth-nonce: 00", "quoth-parent: 00", "quoth-details: 2", "quoth-else: 1"] {
        let answer = wire.post(CHAT, &[header], body.as_bytes()).await.unwrap();
        assert_eq!((answer.status, answer.code()), (400, "invalid_header".to_owned()), "{header}");
        wire = node.wire().await;
    }
    for coding in ["gzip", "br", "identity, gzip"] {
        let header = format!("content-encoding: {coding}");
        assert_eq!(node.wire().await.post(CHAT, &[&header], body.as_bytes()).await.unwrap().status, 415, "{coding}");
    }
    assert_eq!(wire.post(CHAT, &["content-encoding: identity"], body.as_bytes()).await.unwrap().status, 200);
    let mut wire = node.wire().await;
    wire.send(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(64 * 1024)).as_bytes())
        .await
        .unwrap();
    assert!(matches!(wire.answer().await, Ok(answer) if answer.status == 431) || wire.get("/healthz").await.is_err());
    still_answers(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_that_still_sends() {
    let node = Node::start().await;
    let body = vec![b' '; BODY_BYTES - 1];
    // The node may read it before the connection breaks or not, so the test tries often.
    for _ in 0..40 {
        let answer = node.wire().await.post(CHAT, &["quoth-else: 1"], &body).await.unwrap();
        assert_eq!((answer.status, answer.code()), (400, "invalid_header".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_leave_at_any_moment() {
    let node = Node::with(Options { parallel: 1, ..Options::default() }).await;
    let long = long_chat_body("hello").to_string();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", long.len());

    // Before and after a handshake, inside a head and inside a body: no exchange has begun.
    drop(TcpStream::connect(("127.0.0.1", node.port())).await.unwrap());
    drop(node.wire().await);
    for part in [&head[..20], &head, &format!("{head}{}", &long[..30])] {
        let mut wire = node.wire().await;
        wire.send(part.as_bytes()).await.unwrap();
    }
    // After the whole request has arrived, each exchange ends in a receipt and frees the only slot.
    let mut admitted = 0;
    for phase in ["before the head", "before the body", "in the middle"] {
        let mut wire = node.wire().await;
        wire.send(format!("{head}{long}").as_bytes()).await.unwrap();
        match phase {
            "before the head" => tokio::time::sleep(Duration::from_millis(20)).await,
            "before the body" => drop(wire.head().await.unwrap()),
            _ => {
                wire.head().await.unwrap();
                wire.some().await.unwrap();
                wire.some().await.unwrap();
            }
        }
        drop(wire);
        admitted += 1;
        let began = Instant::now();
        let proven = proven_chat(&node, "next", 2, true).await;
        assert!(began.elapsed() < Duration::from_secs(10), "{phase}: the slot was not freed");
        assert_eq!(proven.exchange.receipt().claims().seq, admitted, "{phase}: exactly one receipt for who left");
        admitted += 1;
    }
    let outcomes = journal(&node).await.outcomes();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "client_closed").count(), 3, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_implementations_of_http_read_differently_is_refused() {
    let node = Node::start().await;
    let answered = async |head: &str| {
        let mut wire = node.wire().await;
        wire.send(format!("{head}\r\n\r\n0\r\n\r\n").as_bytes()).await.unwrap();
        wire.answer().await.map_or(0, |answer| answer.status)
    };
    for (fields, status) in [
        ("host: localhost", 200),
        ("host: localhost\r\ntransfer-encoding: chunked", 200),
        ("host: localhost\r\ntransfer-encoding: gzip, chunked", 400),
        ("host: localhost\r\ntransfer-encoding: chunked, chunked", 400),
        ("host: localhost\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked", 400),
        ("host: localhost\r\ntransfer-encoding: identity", 400),
        ("host: localhost\r\ntransfer-encoding: xchunked", 400),
        ("accept: */*", 400),
        ("host:", 400),
        ("host: localhost\r\nhost: localhost", 400),
        ("host: localhost, elsewhere", 400),
    ] {
        assert_eq!(answered(&format!("GET /v1/models HTTP/1.1\r\n{fields}")).await, status, "{fields}");
    }
    assert_eq!(answered("GET https://localhost/v1/models HTTP/1.1\r\nhost: localhost").await, 200);
    assert_eq!(answered("GET https://localhost/v1/models HTTP/1.1\r\nhost: elsewhere").await, 400);
    assert_eq!(answered("GET /v1/models HTTP/1.0").await, 200);
    assert_eq!(answered("GET /v1/models HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked").await, 400);
    still_answers(&node).await;
}

//! A client against nodes that are honest, and nodes that are not, over real sockets and real TLS.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http_body_util::Empty;
use quoth_attestation::ExchangeId;
use quoth_attestation::binding::Nonce;
use quoth_attestation::statement::Platform;
use quoth_client::{Client, ClientError, Connector, Options, Proven, Step, limits, tls_config_pinned};
use quoth_verifier::{Policy, VerifiedNode};
use support::node::{Asked, Node, OPENING, details, event};
use support::server::{Received, Server, answer, chunked, open_ended};
use tokio_rustls::TlsConnector;

const CTI: ExchangeId = ExchangeId([5; 16]);
const PROMPT: &str = r#"{"model":"tiny","messages":[{"role":"user","content":"a secret question"}]}"#;

type Frame = fn(&[(&str, String)], &[u8]) -> Vec<u8>;
type Script = Box<dyn Fn(&Received) -> Option<Vec<u8>> + Send + Sync>;

/// A node that does all it should, unless `script` answers in its stead.
async fn serve(node: &Arc<Node>, script: Script) -> Server {
    let (key, certificate) = (&node.tls_key, &node.tls_certificate);
    let honest = Arc::clone(node);
    Server::start(key, certificate, move |request| script(request).unwrap_or_else(|| respond(&honest, request))).await
}

fn respond(node: &Node, request: &Received) -> Vec<u8> {
    match (request.method(), request.target()) {
        ("GET", target) if target.starts_with("/.well-known/quoth/node") => {
            answer(200, &[], &node.evidence(request.nonce().as_ref(), 0))
        }
        ("GET", target) if target.starts_with("/v1/exchanges/") => answer(200, &[], details().encode().as_bytes()),
        ("POST", _) if request.body.starts_with(b"{\"stream\"") => stream(node, request, chunked, |wire| wire),
        ("POST", _) => whole(node, request, 200, br#"{"choices":[{"message":{"content":"hello"}}]}"#),
        _ => answer(404, &[], b""),
    }
}

fn asked(request: &Received) -> Asked<'_> {
    Asked { target: request.target(), body: &request.body, nonce: request.nonce(), cti: CTI }
}

fn head(node: &Node) -> Vec<(&'static str, String)> {
    vec![
        ("quoth-cti", CTI.to_string()),
        ("quoth-node", node.digest().to_string()),
        ("quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(OPENING)),
    ]
}

fn whole(node: &Node, request: &Received, status: u16, body: &[u8]) -> Vec<u8> {
    let receipt = node.receipt(&asked(request), status, body, false);
    let mut headers = head(node);
    headers.push(("quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt)));
    answer(status, &headers, body)
}

/// The stream of an honest node, changed by `attack` on its way.
fn stream(node: &Node, request: &Received, frame: Frame, attack: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let wire = attack(node.stream(&asked(request), &[event("hel"), event("lo")]));
    let mut headers = head(node);
    headers.push(("content-type", "text/event-stream".into()));
    frame(&headers, &wire)
}

fn streamed() -> String {
    format!(r#"{{"stream":true,{}"#, &PROMPT[1..])
}

async fn ask(node: &Node, server: &Server, body: &str) -> Result<Proven, ClientError> {
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    client.chat(&server.url(), body, Options { details: true, ..Options::default() }).await?.finish().await
}

fn code<T>(result: Result<T, ClientError>) -> String {
    match result {
        Ok(_) => "proven".into(),
        Err(error) => error.code().into(),
    }
}

#[tokio::test]
async fn an_honest_node_is_proven_whole_and_streamed() {
    for platform in [Platform::Simulated, Platform::None] {
        let node = Arc::new(Node::new(platform));
        let server = serve(&node, Box::new(|_| None)).await;
        for body in [PROMPT.to_owned(), streamed()] {
            let proven = ask(&node, &server, &body).await.unwrap();
            assert_eq!(proven.exchange.receipt().claims().cti, CTI);
            assert_eq!(proven.transcript.request.body, body.as_bytes());
            assert_eq!(proven.transcript.details, Some(details()));
            assert!(proven.transcript.receipt.is_some());
            let words = String::from_utf8(proven.transcript.response.body).unwrap();
            assert!(words.contains("hel") && !words.contains(": quoth"));
        }
        assert_eq!(server.posts(), 2);
    }
}

#[tokio::test]
async fn the_event_that_ends_a_stream_comes_with_the_verdict() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let server = serve(&node, Box::new(|_| None)).await;
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let mut exchange = client.chat(&server.url(), streamed(), Options::default()).await.unwrap();
    assert_eq!((exchange.cti(), exchange.head().status, exchange.head().opening.as_bytes()), (CTI, 200, &OPENING));
    assert_eq!(exchange.headers()["content-type"], "text/event-stream");
    let mut pieces = Vec::new();
    while let Some(bytes) = exchange.next().await.unwrap() {
        let ends = bytes.windows(6).any(|window| window == b"[DONE]");
        assert_eq!(ends, exchange.is_proven());
        pieces.extend(bytes);
    }
    assert!(pieces.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(exchange.finish().await.unwrap().transcript.response.body, pieces);
}

#[tokio::test]
async fn lookups_share_the_verified_connection() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let script: Script =
        Box::new(|request| (request.target() == "/v1/models").then(|| answer(200, &[], request.head.as_bytes())));
    let server = serve(&node, script).await;
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let mut connection = client.connect(&server.url()).await.unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::ACCEPT, "application/json".parse().unwrap())]);
    let models = connection.get("/v1/models", headers).await.unwrap();
    assert!(models.status() == 200 && models.body().windows(8).any(|window| window == b"accept: "));
    let unknown = connection.get("/v1/unknown", http::HeaderMap::new()).await.unwrap();
    assert_eq!(unknown.status(), 404);
    let mut exchange = connection.post(Client::CHAT, PROMPT, Options::default()).await.unwrap();
    assert!(exchange.next().await.unwrap().is_some() && exchange.is_proven());
    // One that the node has closed carries nothing away.
    let connection = exchange.finish().await.unwrap().connection;
    server.hang_up().await;
    let error = connection.post(Client::CHAT, PROMPT, Options::default()).await.err().unwrap();
    assert!(error.is_unsent() && !error.is_refusal(), "{error}");
    assert_eq!(server.posts(), 1);
}

#[tokio::test]
async fn one_connection_carries_many_questions() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let server = serve(&node, Box::new(|_| None)).await;
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let mut connection = client.connect(&server.url()).await.unwrap();
    for seq in 0..3 {
        let exchange = connection.post(Client::CHAT, PROMPT, Options::default()).await.unwrap();
        let proven = exchange.finish().await.unwrap();
        assert_eq!(proven.exchange.receipt().claims().seq, seq);
        connection = proven.connection;
    }
    let asked_for_evidence = server.received().iter().filter(|request| request.method() == "GET").count();
    assert_eq!((asked_for_evidence, server.posts()), (1, 3));
}

#[tokio::test]
async fn another_tls_key_is_refused_before_the_prompt_leaves() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let (attacker, honest) = (Node::new(Platform::Simulated), Arc::clone(&node));
    let server =
        Server::start(&attacker.tls_key, &attacker.tls_certificate, move |request| respond(&honest, request)).await;
    assert_eq!(code(ask(&node, &server, PROMPT).await), "tls.key_mismatch");
    assert_eq!(server.posts(), 0);
    assert!(server.received().iter().all(|request| !request.head.contains("secret")));
}

#[tokio::test]
async fn old_evidence_is_refused_before_the_prompt_leaves() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let old = Arc::clone(&node);
    let server =
        serve(&node, Box::new(move |request| evidence(request, |nonce| old.evidence(nonce, 2 * 3600 + 301)))).await;
    assert_eq!(code(ask(&node, &server, PROMPT).await), "evidence.age");
    let other = Arc::clone(&node);
    let nonce = Nonce::new([1; 32]).unwrap();
    let replay = serve(&node, Box::new(move |request| evidence(request, |_| other.evidence(Some(&nonce), 0)))).await;
    assert_eq!(code(ask(&node, &replay, PROMPT).await), "evidence.nonce");
    let none = Arc::clone(&node);
    let without = serve(&node, Box::new(move |request| evidence(request, |_| none.evidence(None, 0)))).await;
    assert_eq!(code(ask(&node, &without, PROMPT).await), "evidence.nonce");
    assert_eq!((server.posts(), replay.posts(), without.posts()), (0, 0, 0));
}

fn evidence(request: &Received, make: impl Fn(Option<&Nonce>) -> Vec<u8>) -> Option<Vec<u8>> {
    (request.method() == "GET").then(|| answer(200, &[], &make(request.nonce().as_ref())))
}

#[tokio::test]
async fn a_platform_or_root_outside_the_policy_is_refused() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let server = serve(&node, Box::new(|_| None)).await;
    let none = Node::new(Platform::None);
    assert_eq!(code(ask(&none, &server, PROMPT).await), "platform.not_allowed");
    let other_root = Node::new(Platform::Simulated);
    assert_eq!(code(ask(&other_root, &server, PROMPT).await), "nitro.chain.root");
    assert_eq!(server.posts(), 0);
}

/// What a stream becomes when `attack` is done to it.
async fn attacked(attack: fn(Vec<u8>) -> Vec<u8>) -> Result<Proven, ClientError> {
    let node = Arc::new(Node::new(Platform::Simulated));
    let honest = Arc::clone(&node);
    let server = serve(
        &node,
        Box::new(move |request| (request.method() == "POST").then(|| stream(&honest, request, open_ended, attack))),
    )
    .await;
    ask(&node, &server, &streamed()).await
}

#[tokio::test]
async fn cut_streams_say_how_far_they_are_proven() {
    let cut = attacked(|wire| {
        let at = wire.windows(14).position(|window| window == b": quoth receip").unwrap();
        wire[..at].to_vec()
    });
    assert_eq!(code(cut.await), "stream.cut");
    assert_eq!(code(attacked(|wire| wire[..wire.len() - 1].to_vec()).await), "stream.cut");
    assert!(attacked(|_| Vec::new()).await.err().unwrap().is_refusal());
}

#[tokio::test]
async fn an_edited_byte_of_a_stream_is_refused() {
    let edited = attacked(|mut wire| {
        let at = wire.windows(4).position(|window| window == b"\"hel").unwrap();
        wire[at + 1] = b'H';
        wire
    });
    assert!(edited.await.err().unwrap().is_refusal());
    let appended = attacked(|wire| [wire, b"data: more\n\n".to_vec()].concat());
    assert!(appended.await.err().unwrap().is_refusal());
}

#[tokio::test]
async fn an_edited_answer_another_question_and_an_old_receipt_are_refused() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let attack = |attack: fn(&Node, &Received) -> Vec<u8>| {
        let node = Arc::clone(&node);
        async move {
            let other = Arc::clone(&node);
            let script: Script = Box::new(move |request| (request.method() == "POST").then(|| attack(&other, request)));
            let server = serve(&node, script).await;
            code(ask(&node, &server, PROMPT).await)
        }
    };
    let edited = attack(|node, request| {
        let mut bytes = whole(node, request, 200, b"honest answer");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        bytes
    });
    assert_eq!(edited.await, "receipt.response_mismatch");
    let other_question = attack(|node, request| {
        let other = Received { head: request.head.clone(), body: b"{}".to_vec() };
        whole(node, &other, 200, b"answer")
    });
    assert_eq!(other_question.await, "receipt.request_mismatch");
    let old_receipt = attack(|node, request| {
        let nonce = hex::encode(request.nonce().unwrap().as_bytes());
        let other = Received { head: request.head.replace(&nonce, &"00".repeat(32)), body: request.body.clone() };
        whole(node, &other, 200, b"answer")
    });
    assert!(old_receipt.await.starts_with("receipt."));
}

#[tokio::test]
async fn heads_without_a_proof_are_refused() {
    let node = Arc::new(Node::new(Platform::Simulated));
    for (missing, expected) in [
        ("quoth-cti", "response.header_missing"),
        ("quoth-node", "response.header_missing"),
        ("quoth-opening", "response.header_missing"),
        ("quoth-receipt", "response.header_missing"),
    ] {
        let honest = Arc::clone(&node);
        let script: Script = Box::new(move |request| {
            let bytes = (request.method() == "POST").then(|| whole(&honest, request, 200, b"answer"))?;
            let text = String::from_utf8(bytes).unwrap();
            Some(text.replace(missing, "x-other").into_bytes())
        });
        let server = serve(&node, script).await;
        assert_eq!(code(ask(&node, &server, PROMPT).await), expected, "{missing}");
    }
    let honest = Arc::clone(&node);
    let script: Script = Box::new(move |request| {
        let text = String::from_utf8(respond(&honest, request)).unwrap_or_default();
        (request.method() == "POST").then(|| text.replace(&honest.digest().to_string(), &"0".repeat(64)).into_bytes())
    });
    let server = serve(&node, script).await;
    assert_eq!(code(ask(&node, &server, PROMPT).await), "response.node");
}

#[tokio::test]
async fn error_answers_are_proven_or_named() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let honest = Arc::clone(&node);
    let script: Script =
        Box::new(move |request| (request.method() == "POST").then(|| whole(&honest, request, 400, b"{\"error\":{}}")));
    let proven = ask(&node, &serve(&node, script).await, PROMPT).await.unwrap();
    assert_eq!(proven.exchange.receipt().claims().exchange.status, 400);
    let script: Script = Box::new(|request| {
        let body = br#"{"error":{"message":"x","type":"t","param":null,"code":"journal_unavailable"}}"#;
        (request.method() == "POST").then(|| answer(503, &[("retry-after", "1".into())], body))
    });
    let error = ask(&node, &serve(&node, script).await, PROMPT).await.err().unwrap();
    assert!(
        matches!(&error, ClientError::Status { status: 503, code: Some(code), retry_after: Some(1) } if code == "journal_unavailable")
    );
    assert!(!error.is_refusal());
}

#[tokio::test]
async fn heads_and_bodies_have_limits() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let padded = |count: usize, size: usize| {
        let (node, honest) = (Arc::clone(&node), Arc::clone(&node));
        async move {
            let script: Script = Box::new(move |request| {
                let fields: String = (0..count).map(|i| format!("x-{i}: {}\r\n", "a".repeat(size))).collect();
                let text = String::from_utf8(whole(&honest, request, 200, b"answer")).ok()?;
                (request.method() == "POST")
                    .then(|| text.replacen("quoth-cti", &format!("{fields}quoth-cti"), 1).into_bytes())
            });
            code(ask(&node, &serve(&node, script).await, PROMPT).await)
        }
    };
    // The head carries five fields of its own.
    assert_eq!(padded(limits::HEADERS - 5, 1).await, "proven");
    assert_eq!(padded(limits::HEADERS - 4, 1).await, "client.http");
    assert_eq!(padded(1, limits::HEAD_BYTES).await, "client.http");
    let script: Script = Box::new(|request| {
        (request.method() == "GET").then(|| answer(200, &[], &vec![0; quoth_attestation::evidence::MAX_BYTES + 1]))
    });
    let error = ask(&node, &serve(&node, script).await, PROMPT).await.err().unwrap();
    assert!(matches!(error, ClientError::TooLong { step: Step::Evidence, .. }));
}

#[tokio::test]
async fn bytes_that_answer_nothing_are_refused() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let honest = Arc::clone(&node);
    let script: Script = Box::new(move |request| {
        let forged = answer(200, &[], b"an answer to a question not yet asked");
        (request.method() == "GET").then(|| [respond(&honest, request), forged].concat())
    });
    let server = serve(&node, script).await;
    let error = ask(&node, &server, PROMPT).await.err().unwrap();
    assert!(matches!(error, ClientError::Protocol { .. } | ClientError::Http { .. }), "{error}");
}

#[tokio::test]
async fn a_pooling_client_knows_which_node_answered() {
    use hyper_util::{client::legacy, rt::TokioExecutor};
    let node = Arc::new(Node::new(Platform::Simulated));
    let server = serve(&node, Box::new(|request| (request.target() == "/x").then(|| answer(200, &[], b"x")))).await;
    let connector = |node: &Node| Connector::new(Policy::from_toml(&node.policy()).unwrap());
    let get = || http::Request::get(format!("{}/x", server.url())).body(Empty::<Bytes>::new()).unwrap();
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector(&node));
    let answered = client.request(get()).await.unwrap();
    assert_eq!(answered.extensions().get::<VerifiedNode>().unwrap().digest(), node.digest());
    let seen = server.received().len();
    let stranger = legacy::Client::builder(TokioExecutor::new()).build(connector(&Node::new(Platform::None)));
    assert!(stranger.request(get()).await.is_err());
    assert_eq!(server.received().len(), seen + 1, "evidence was asked for, and nothing else");
}

#[tokio::test]
async fn a_pinned_configuration_takes_one_key() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let server = serve(&node, Box::new(|_| None)).await;
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let connection = client.connect(&server.url()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(tls_config_pinned(connection.node())));
    let other = Node::new(Platform::Simulated);
    let impostor = Server::start(&other.tls_key, &other.tls_certificate, |_| Vec::new()).await;
    for (server, accepted) in [(&server, true), (&impostor, false)] {
        let tcp = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        assert_eq!(tls.connect(name, tcp).await.is_ok(), accepted);
    }
}

/// Time stands still here, and jumps whenever nothing else can happen.
#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let url = format!("https://{}", silent.local_addr().unwrap());
    let error = client.connect(&url).await.err().unwrap();
    assert!(matches!(error, ClientError::Timeout { step: Step::Handshake, limit: limits::HANDSHAKE }), "{error}");
}

#[tokio::test]
async fn a_stream_that_stalls_is_cut() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let honest = Arc::clone(&node);
    let script: Script = Box::new(move |request| {
        let stalls = |headers: &[(&str, String)], body: &[u8]| {
            let bytes = chunked(headers, body);
            bytes[..bytes.len() - 5].to_vec()
        };
        let half = |wire: Vec<u8>| wire[..wire.len() / 2].to_vec();
        (request.method() == "POST").then(|| stream(&honest, request, stalls, half))
    });
    let server = serve(&node, script).await;
    let client = Client::new(Policy::from_toml(&node.policy()).unwrap());
    let mut exchange = client.chat(&server.url(), streamed(), Options::default()).await.unwrap();
    assert!(exchange.next().await.unwrap().is_some());
    // From here on time jumps whenever nothing else can happen.
    tokio::time::pause();
    assert_eq!(code(exchange.finish().await), "stream.cut");
}

//! `quoth-verify proxy`: a node that answers over real TLS at one end, a plain HTTP client at the other.
#![allow(clippy::unwrap_used)]

#[path = "support/sdk.rs"]
mod sdk;
#[path = "../../client/tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use quoth_attestation::ExchangeId;
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::Transcript;
use sdk::{End, get, post};
use serde_json::{Value, json};
use support::node::{Asked, Node, OPENING, details, event};
use support::server::{Paced, Received, Server, answer};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

const CHAT: &str = "/v1/chat/completions";
const PROMPT: &str = "{ \"messages\":[{\"role\":\"user\",\"content\":\"a secret question\"}],\n\t\"model\" : \"tiny\"}";
const ANSWER: &str = r#"{"choices":[{"message":{"content":"a secret answer"}}]}"#;

/// The node, and what is done to its answers on their way.
struct Rig {
    node: Arc<Node>,
    /// Lets pieces of streams through.
    gate: Arc<Semaphore>,
    /// The evidence is too old from now on.
    stale: Arc<AtomicBool>,
    server: Server,
    folder: tempfile::TempDir,
}

type Attack = fn(Vec<u8>) -> Vec<u8>;

impl Rig {
    /// A node whose streams come whole, and whose answers are changed by `attack`.
    async fn new(attack: Attack) -> Self {
        Self::paced(attack, Semaphore::MAX_PERMITS).await
    }

    /// A node whose streams stop after every piece, until the gate has a permit.
    async fn paced(attack: Attack, permits: usize) -> Self {
        let node = Arc::new(Node::new(Platform::Simulated));
        let gate = Arc::new(Semaphore::new(permits));
        let stale = Arc::new(AtomicBool::new(false));
        let (key, certificate) = (&node.tls_key, &node.tls_certificate);
        let (answering, opened, old, count) =
            (Arc::clone(&node), Arc::clone(&gate), Arc::clone(&stale), AtomicU8::new(0));
        let script = move |request: &Received| {
            let cti = ExchangeId([count.fetch_add(1, Ordering::SeqCst); 16]);
            let age = if old.load(Ordering::SeqCst) { 2 * 3600 + 301 } else { 0 };
            let pieces = respond(&answering, request, cti, age, attack);
            Paced { pieces, gate: Arc::clone(&opened) }
        };
        let server = Server::start_paced(key, certificate, script).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.toml"), node.policy()).unwrap();
        Self { node, gate, stale, server, folder }
    }

    async fn proxy(&self, arguments: &[&str]) -> Proxy {
        let mut proxy = Proxy::spawn(self.folder.path(), &self.server.url(), arguments);
        let started = proxy.line().await;
        assert_eq!(started["event"], "listening", "{started}");
        assert_eq!(started["node"]["digest"], self.node.digest().to_string());
        assert_eq!(started["node"]["platform"], "simulated");
        proxy.address = started["address"].as_str().unwrap().parse().unwrap();
        proxy
    }

    /// How often the node was verified.
    fn verified(&self) -> usize {
        self.server.received().iter().filter(|request| request.target().starts_with("/.well-known/")).count()
    }

    /// The last request that was no lookup.
    fn asked(&self) -> Received {
        self.server.received().into_iter().rfind(|request| request.method() == "POST").unwrap()
    }

    fn transcripts(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder.path().join("kept")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    /// What `quoth-verify transcript` says about a file.
    async fn check(&self, file: &Path) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
        command.arg("transcript").arg(file).args(["--policy", "policy.toml", "--json"]);
        let output = command.current_dir(self.folder.path()).output().await.unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The program, running.
struct Proxy {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    printed: Mutex<String>,
    address: SocketAddr,
}

impl Proxy {
    fn spawn(folder: &Path, url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
        command.args(["proxy", "--node", url, "--listen", "127.0.0.1:0", "--policy", "policy.toml", "--json"]);
        command.args(arguments).current_dir(folder).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, printed: Mutex::default(), address: ([127, 0, 0, 1], 0).into() }
    }

    /// The next line that it prints.
    async fn line(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
        let line = line.unwrap().unwrap().unwrap_or_default();
        self.printed.lock().unwrap().push_str(&line);
        serde_json::from_str(&line).unwrap_or_default()
    }

    async fn interrupt(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    }
}

fn respond(node: &Node, request: &Received, cti: ExchangeId, age: u64, attack: Attack) -> Vec<Vec<u8>> {
    let asked = Asked { target: request.target(), body: &request.body, nonce: request.nonce(), cti };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut headers = vec![
        ("content-type", "application/json".into()),
        ("quoth-cti", cti.to_string()),
        ("quoth-node", node.digest().to_string()),
        ("quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(OPENING)),
        ("x-request-id", "req_1".into()),
        ("set-cookie", "a=b".into()),
    ];
    match (request.method(), request.target()) {
        ("GET", target) if target.starts_with("/.well-known/quoth/node") => {
            vec![answer(200, &[], &node.evidence(request.nonce().as_ref(), age))]
        }
        ("GET", "/healthz") => vec![answer(200, &[], b"ok\n")],
        ("GET", "/v1/models?limit=1") => vec![answer(200, &headers, br#"{"data":[]}"#)],
        ("GET", target) if target.starts_with("/v1/exchanges/") => {
            vec![answer(200, &[], details().encode().as_bytes())]
        }
        ("POST", _) if body["model"] == "overloaded" => {
            let error = br#"{"error":{"message":"x","type":"t","param":null,"code":"journal_unavailable"}}"#;
            vec![answer(503, &[("retry-after", "1".into())], error)]
        }
        ("POST", _) if body["stream"] == true => {
            headers[0].1 = "text/event-stream".into();
            let done = body["done"].as_str().unwrap_or("data: [DONE]\n\n");
            let wire = attack(node.stream_with_end(&asked, &[event("one"), event("two")], done));
            in_chunks(&headers, &wire)
        }
        ("POST", _) => {
            let status = if body["model"] == "tiny" { 200 } else { 404 };
            let receipt = node.receipt(&asked, status, ANSWER.as_bytes(), false);
            headers.push(("quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt)));
            // The head goes first, so that the gate can hold an answer back.
            let bytes = answer(status, &headers, &attack(ANSWER.into()));
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            vec![bytes[..end].to_vec(), bytes[end..].to_vec()]
        }
        _ => vec![answer(404, &[], b"{}")],
    }
}

/// The head, then a chunk for each record with what follows it; the terminal event alone, and so the end of all chunks.
fn in_chunks(headers: &[(&str, String)], wire: &[u8]) -> Vec<Vec<u8>> {
    let mut head = String::from("HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let text = std::str::from_utf8(wire).unwrap();
    let mut starts: Vec<_> = text.match_indices(": quoth ").map(|(at, _)| at).collect();
    starts.extend(text.find("data: [DONE]"));
    starts.push(text.len());
    let chunks = starts.windows(2).map(|at| &text[at[0]..at[1]]);
    let chunks = chunks.map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()).into_bytes());
    [format!("{head}\r\n").into_bytes()].into_iter().chain(chunks).chain([b"0\r\n\r\n".to_vec()]).collect()
}

fn streamed() -> Vec<u8> {
    PROMPT.replacen('{', r#"{"stream":true,"#, 1).into_bytes()
}

/// Before the receipt.
fn cut(wire: Vec<u8>) -> Vec<u8> {
    let at = wire.windows(14).position(|window| window == b": quoth receip").unwrap();
    wire[..at].to_vec()
}

/// Before the receipt, or less than the answer.
fn half(wire: Vec<u8>) -> Vec<u8> {
    match wire.starts_with(b":") {
        true => cut(wire),
        false => wire[..wire.len() / 2].to_vec(),
    }
}

/// A letter of the answer. The signatures before it may spell "two" as well, in base64url, which has no quotes or spaces.
fn edit(wire: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(wire).unwrap();
    let edited = text.replacen("\"two\"", "\"twp\"", 1).replacen(" secret ", " secreu ", 1);
    assert_ne!(edited, text);
    edited.into_bytes()
}

#[tokio::test]
async fn a_proven_answer_passes_byte_for_byte_and_only_listed_headers_do() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    let passed = [
        ("accept", "application/json"),
        ("authorization", "Bearer key"),
        ("content-type", "application/json; charset=utf-8"),
        ("anthropic-beta", "b"),
        ("anthropic-version", "v"),
        ("idempotency-key", "i"),
        ("openai-beta", "o"),
        ("openai-project", "p"),
        ("x-api-key", "k"),
    ];
    let kept_back = [("cookie", "c"), ("quoth-nonce", "00"), ("quoth-details", "1"), ("x-stainless-os", "s")];
    let target = "/v1/chat/completions?beta=true";
    let sent = post(proxy.address, target, &[&passed[..], &kept_back].concat(), PROMPT.as_bytes()).await;
    assert_eq!(sent.status, 200, "{}", sent.head);
    let asked = rig.asked();
    assert_eq!((asked.target(), &asked.body[..]), (target, PROMPT.as_bytes()));
    for (name, value) in passed {
        let values: Vec<_> = asked.head.lines().filter_map(|line| line.strip_prefix(&format!("{name}: "))).collect();
        assert_eq!(values, [value], "{name}");
    }
    for (name, value) in kept_back {
        assert_ne!(asked.header(name), Some(value));
    }
    assert_eq!(asked.header("quoth-nonce").unwrap().len(), 64, "the client's own");
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!((sent.header("quoth-cti").unwrap().len(), sent.header("x-request-id")), (32, Some("req_1")));
    assert_eq!(sent.header("quoth-node"), Some(&*rig.node.digest().to_string()));
    assert_eq!((sent.header("quoth-opening"), sent.header("set-cookie")), (None, None));
    assert_eq!(sent.body().await, (ANSWER.into(), End::Whole));
    // A proven error is an answer.
    let unknown = post(proxy.address, CHAT, &[], br#"{"model":"none"}"#).await;
    assert_eq!((unknown.status, unknown.body().await.0.as_str()), (404, ANSWER));
    let opening = rig.proxy(&["--opening"]).await;
    let sent = post(opening.address, CHAT, &[], PROMPT.as_bytes()).await;
    let expected = BASE64_URL_SAFE_NO_PAD.encode(OPENING).to_lowercase();
    assert_eq!(sent.header("quoth-opening"), Some(&*expected));
}

#[tokio::test]
async fn events_pass_as_they_come_and_the_last_one_when_all_is_proven() {
    let rig = Rig::paced(|wire| wire, 0).await;
    let proxy = rig.proxy(&[]).await;
    let mut sent = post(proxy.address, CHAT, &[], &streamed()).await;
    assert_eq!((sent.status, sent.header("content-type")), (200, Some("text/event-stream")));
    // Each is here while the node has not sent the next.
    for words in ["one", "two"] {
        rig.gate.add_permits(1);
        assert_eq!(sent.chunk().await.unwrap(), event(words));
    }
    // The receipt and the terminal event, but not the end of the body.
    rig.gate.add_permits(2);
    let early = tokio::time::timeout(Duration::from_millis(300), sent.chunk()).await;
    assert!(early.is_err(), "{early:?}");
}

#[tokio::test]
async fn the_last_event_and_the_end_come_with_the_proof() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    for _ in 0..3 {
        let sent = post(proxy.address, CHAT, &[], &streamed()).await;
        let whole = format!("{}{}data: [DONE]\n\n", event("one"), event("two"));
        assert_eq!(sent.body().await, (whole, End::Whole));
    }
    assert_eq!(rig.verified(), 1, "one connection carried them all");
}

#[tokio::test]
async fn an_edited_answer_is_an_error_to_the_sdk() {
    let rig = Rig::new(edit).await;
    let mut proxy = rig.proxy(&[]).await;
    let sent = post(proxy.address, CHAT, &[], PROMPT.as_bytes()).await;
    assert_eq!((sent.status, sent.header("x-should-retry")), (502, Some("false")));
    let error = &sent.json().await["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("quoth_refused"), &json!("receipt.response_mismatch")));
    assert!(error["message"].as_str().is_some_and(|message| message.contains("somebody has changed it")));
    let line = proxy.line().await;
    assert_eq!((&line["event"], &line["code"]), (&json!("refused"), &json!("receipt.response_mismatch")));
    let sent = post(proxy.address, "/v1/messages", &[], PROMPT.as_bytes()).await;
    let body = sent.json().await;
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("quoth_refused")));
    proxy.line().await;
    let (body, end) = post(proxy.address, CHAT, &[], &streamed()).await.body().await;
    assert_eq!(end, End::Broken);
    assert!(body.starts_with(&event("one")) && body.contains("quoth_refused") && !body.contains("[DONE]"), "{body}");
    assert_eq!(proxy.line().await["event"], "refused");
    assert!(!proxy.printed.lock().unwrap().contains("secret"));
}

#[tokio::test]
async fn a_cut_stream_breaks_off_in_the_shape_of_its_api_and_is_kept() {
    let rig = Rig::new(cut).await;
    let mut proxy = rig.proxy(&["--transcripts", "kept"]).await;
    for (target, shape) in [
        (CHAT, "data: {\"error\":{"),
        ("/v1/messages", "event: error\ndata: {\"error\":{"),
        ("/v1/responses", "event: error\ndata: {\"code\":\"stream.cut\","),
    ] {
        let (body, end) = post(proxy.address, target, &[], &streamed()).await.body().await;
        assert_eq!(end, End::Broken, "{body}");
        let events = format!("{}{}", event("one"), event("two"));
        let last = body.strip_prefix(&events).unwrap();
        assert!(last.starts_with(shape) && last.ends_with("\n\n"), "{last}");
        let data: Value = serde_json::from_str(last.split_once("data: ").unwrap().1).unwrap();
        assert_eq!((&data["error"]["type"], &data["error"]["code"]), (&json!("quoth_refused"), &json!("stream.cut")));
        let line = proxy.line().await;
        assert_eq!(
            (&line["event"], &line["code"], line["cti"].is_string()),
            (&json!("refused"), &json!("stream.cut"), true)
        );
    }
    let kept = rig.transcripts();
    assert_eq!(kept.len(), 3);
    for file in kept {
        assert!(file.to_str().unwrap().ends_with(".cut.transcript.json"));
        assert_eq!(rig.check(&file).await["code"], "stream.cut");
    }
}

/// An SDK takes `data: [DONE]` for success, wherever it stands.
#[tokio::test]
async fn a_terminal_event_without_a_receipt_never_passes() {
    for attack in [
        |wire| [cut(wire), b"data: [DONE]\n\n".to_vec()].concat(),
        |wire| [cut(wire), b"data: [DONE]\n".to_vec()].concat(),
        |wire| [cut(wire), b"data: [DONE]".to_vec()].concat(),
        |wire| [cut(wire), b"data: [DONE] \n\n".to_vec()].concat(),
        |wire: Vec<u8>| wire[..wire.len() - 1].to_vec(),
    ] as [Attack; 5]
    {
        let rig = Rig::new(attack).await;
        let proxy = rig.proxy(&[]).await;
        let (body, end) = post(proxy.address, CHAT, &[], &streamed()).await.body().await;
        assert_eq!(end, End::Broken);
        assert!(body.contains(r#"data: {"error":"#) && !body.contains("[DONE]"), "{body}");
    }
}

#[tokio::test]
async fn whatever_an_sdk_takes_for_the_end_passes_with_the_proof_and_not_before() {
    // The type inside the data decides when there is no other name; an empty end is that of the body.
    let ends = [
        "",
        "data: [DONE]\r\n\r\n",
        "data: [DONE]x\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "data: {\"\\u0074ype\":\"response.comp\\u006ceted\"}\n\n",
        "event: response.failed\r\r",
    ];
    let whole = Rig::new(|wire| wire).await;
    let proxy = whole.proxy(&["--transcripts", "kept"]).await;
    let asks = |done: &str| {
        let body: Value = serde_json::from_slice(&streamed()).unwrap();
        let mut body = body.as_object().unwrap().clone();
        body.insert("done".into(), done.into());
        Value::Object(body).to_string()
    };
    for done in ends {
        let (body, end) = post(proxy.address, CHAT, &[], asks(done).as_bytes()).await.body().await;
        assert_eq!((body, end), (format!("{}{}{done}", event("one"), event("two")), End::Whole));
    }
    for file in whole.transcripts() {
        assert_eq!(whole.check(&file).await["verdict"], "proven");
    }
    // Without the receipt there is an exception in the end's place.
    fn without_receipt(wire: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8(wire).unwrap();
        let at = text.find(": quoth receipt").unwrap();
        let end = at + text[at..].find("\n\n").unwrap() + 2;
        [&text[..at], &text[end..]].concat().into_bytes()
    }
    let rig = Rig::new(without_receipt).await;
    let proxy = rig.proxy(&[]).await;
    for done in ends {
        let (body, end) = post(proxy.address, CHAT, &[], asks(done).as_bytes()).await.body().await;
        // What comes in one piece with the end may be lost with it.
        let last = body.strip_prefix(&event("one")).unwrap();
        let last = last.strip_prefix(&event("two")).unwrap_or(last);
        assert!(end == End::Broken && last.starts_with("data: {\"error\":{"), "{done:?}: {last}");
        let code = if done.is_empty() { "stream.cut" } else { "stream.receipt_late" };
        assert!(last.contains(code), "{done:?}: {last}");
    }
}

/// `./just test-sdk` prepares them.
#[tokio::test]
async fn official_sdks_raise_unless_all_is_proven() {
    let Ok(sdks) = std::env::var("QUOTH_SDKS") else {
        eprintln!("not tried: QUOTH_SDKS names no folder with the SDKs");
        return;
    };
    let honest = json!(["a secret answer", "onetwo", 2, "a secret answer", 0]);
    let raised = |whole: &str, stream: &str| {
        let raised = |name: &str, code: &str| json!({ "raised": name, "code": code });
        let openai = [raised("InternalServerError", whole), raised("APIError", stream), raised("APIError", stream)];
        let anthropic = [raised("InternalServerError", whole), raised("APIStatusError", stream)];
        [&openai[..], &anthropic].concat()
    };
    let answers = honest.as_array().unwrap().iter().map(|answer| json!({ "answer": answer })).collect();
    let (mismatch, cut) = ("receipt.response_mismatch", "stream.cut");
    let attacks: [(Attack, Vec<Value>); 3] =
        [(|wire| wire, answers), (edit, raised(mismatch, mismatch)), (half, raised(mismatch, cut))];
    for (attack, expected) in attacks {
        // The client for JavaScript is OpenAI's.
        for (program, script, asks) in [("python", "refusals.py", 5), ("node", "refusals.mjs", 3)] {
            let rig = Rig::new(attack).await;
            let proxy = rig.proxy(&[]).await;
            let url = format!("http://{}", proxy.address);
            let mut client = Command::new(Path::new(&sdks).join("bin").join(program));
            client.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdk").join(script));
            client.env("OPENAI_BASE_URL", format!("{url}/v1")).env("OPENAI_API_KEY", "none");
            client.env("ANTHROPIC_BASE_URL", url).env("ANTHROPIC_API_KEY", "none");
            let output = client.output().await.unwrap();
            let lines = output.stdout.split(|byte| *byte == b'\n');
            let outcomes: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
            assert_eq!(outcomes, expected[..asks], "{script}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(rig.server.posts(), asks, "what was refused is not asked again");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_node_that_is_not_verified() {
    let node = Arc::new(Node::new(Platform::Simulated));
    let (attacker, honest) = (Node::new(Platform::Simulated), Arc::clone(&node));
    let script = move |request: &Received| answer(200, &[], &honest.evidence(request.nonce().as_ref(), 0));
    let server = Server::start(&attacker.tls_key, &attacker.tls_certificate, script).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.toml"), node.policy()).unwrap();
    let mut proxy = Proxy::spawn(folder.path(), &server.url(), &[]);
    let refused = proxy.line().await;
    assert_eq!((&refused["verdict"], &refused["code"]), (&json!("refused"), &json!("tls.key_mismatch")));
    assert_eq!((proxy.child.wait().await.unwrap().code(), server.posts()), (Some(1), 0));
    // One that was in order when the proxy began.
    let rig = Rig::new(|wire| wire).await;
    let mut proxy = rig.proxy(&[]).await;
    rig.stale.store(true, Ordering::SeqCst);
    rig.server.hang_up().await;
    for body in [PROMPT.as_bytes(), &streamed()] {
        let sent = post(proxy.address, CHAT, &[], body).await;
        assert_eq!(sent.status, 502);
        let error = &sent.json().await["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!("quoth_refused"), &json!("evidence.age")));
        assert_eq!(proxy.line().await["code"], "evidence.age");
    }
    assert_eq!(get(proxy.address, "/healthz").await.status, 502);
    assert_eq!(rig.server.posts(), 0);
}

#[tokio::test]
async fn a_model_outside_the_policy_gets_no_prompt() {
    let rig = Rig::new(|wire| wire).await;
    let policy = rig.node.policy();
    let (start, _) = policy.split_once("[models]").unwrap();
    let other = format!("{start}[models]\naccept = [\"{}\"]\n", "0".repeat(64));
    std::fs::write(rig.folder.path().join("policy.toml"), other).unwrap();
    let proxy = rig.proxy(&[]).await;
    let sent = post(proxy.address, CHAT, &[], PROMPT.as_bytes()).await;
    assert_eq!(sent.json().await["error"]["code"], "model.not_accepted");
    assert_eq!(rig.server.posts(), 0);
}

#[tokio::test]
async fn parallel_requests_get_connections_of_their_own_and_keep_them() {
    const MANY: usize = 32;
    let rig = Rig::paced(|wire| wire, 0).await;
    let proxy = rig.proxy(&[]).await;
    let address = proxy.address;
    // One more than there may be connections: it waits.
    let asking: Vec<_> = (0..=MANY)
        .map(|_| tokio::spawn(async move { post(address, CHAT, &[], PROMPT.as_bytes()).await.body().await.0 }))
        .collect();
    while rig.server.posts() < MANY {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((rig.server.posts(), rig.server.live()), (MANY, MANY));
    assert_eq!(get(address, "/healthz").await.status, 200, "they stand, though none is free");
    rig.gate.add_permits(Semaphore::MAX_PERMITS);
    for asked in asking {
        assert_eq!(asked.await.unwrap(), ANSWER);
    }
    assert_eq!((rig.verified(), rig.server.live()), (MANY, MANY));
    for _ in 0..MANY {
        assert_eq!(post(address, CHAT, &[], PROMPT.as_bytes()).await.status, 200);
    }
    assert_eq!(rig.verified(), MANY);
}

#[tokio::test]
async fn a_connection_that_died_is_replaced_and_the_node_verified_again() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    for times in 1..4 {
        assert_eq!(post(proxy.address, CHAT, &[], PROMPT.as_bytes()).await.status, 200);
        assert_eq!((rig.verified(), rig.server.posts()), (times, times));
        rig.server.hang_up().await;
    }
    assert_eq!(get(proxy.address, "/v1/models?limit=1").await.status, 200);
    assert_eq!(rig.verified(), 4);
}

#[tokio::test]
async fn transcripts_verify_offline_and_belong_to_their_owner() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&["--transcripts", "kept", "--details"]).await;
    let mut ids = Vec::new();
    for body in [PROMPT.into(), streamed()] {
        let sent = post(proxy.address, CHAT, &[], &body).await;
        ids.push(sent.header("quoth-cti").unwrap().to_owned());
        assert_eq!(sent.body().await.1, End::Whole);
    }
    let kept = rig.transcripts();
    assert_eq!(kept.len(), 2);
    for (file, cti) in kept.iter().zip(ids) {
        assert!(file.to_str().unwrap().ends_with(&format!("Z-{cti}.transcript.json")), "{file:?}");
        let verdict = rig.check(file).await;
        assert_eq!((&verdict["verdict"], &verdict["receipt"]["cti"]), (&json!("proven"), &json!(cti)));
        assert_eq!(Transcript::decode(&std::fs::read(file).unwrap()).unwrap().details, Some(details()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    // What cannot be kept is not answered.
    std::fs::remove_dir_all(rig.folder.path().join("kept")).unwrap();
    let sent = post(proxy.address, CHAT, &[], PROMPT.as_bytes()).await;
    assert_eq!((sent.status, sent.json().await["error"]["type"].as_str()), (500, Some("quoth_unsaved")));
    let (body, end) = post(proxy.address, CHAT, &[], &streamed()).await.body().await;
    assert!(end == End::Broken && !body.contains("[DONE]"), "{body}");
}

#[tokio::test]
async fn bodies_have_a_limit() {
    const LIMIT: usize = 32 << 20;
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    let start = br#"{"model":"tiny","user":""#;
    let body = |length: usize| [&start[..], &vec![b'a'; length - start.len() - 2], b"\"}"].concat();
    assert_eq!(post(proxy.address, CHAT, &[], &body(LIMIT)).await.status, 200);
    let sent = post(proxy.address, CHAT, &[], &body(LIMIT + 1)).await;
    assert_eq!((sent.status, sent.json().await["error"]["code"].as_str()), (413, Some("proxy.body_too_long")));
    let chunked = format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    let long = [format!("{:x}\r\n", LIMIT + 1).as_bytes(), &body(LIMIT + 1), b"\r\n0\r\n\r\n"].concat();
    assert_eq!(sdk::send(proxy.address, &chunked, &long).await.status, 413);
    assert_eq!(rig.server.posts(), 1);
}

#[tokio::test]
async fn lookups_pass_and_other_requests_do_not() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    let address = proxy.address;
    let models = get(address, "/v1/models?limit=1").await;
    assert_eq!((models.status, models.header("set-cookie")), (200, None));
    assert_eq!(models.json().await, json!({ "data": [] }));
    let health = get(address, "/healthz").await;
    assert_eq!((health.status, health.json().await["status"].as_str()), (200, Some("ok")));
    let seen = rig.server.received().len();
    let long = format!("/v1/{}", "a".repeat(2045));
    for (line, host, more, status, code) in [
        ("GET /", "localhost", "", 404, "proxy.not_found"),
        ("GET /.well-known/quoth/node", "localhost", "", 404, "proxy.not_found"),
        ("POST /v2/chat", "localhost", "", 404, "proxy.not_found"),
        ("DELETE /v1/models/x", "localhost", "", 404, "proxy.not_found"),
        ("OPTIONS /v1/models", "localhost", "", 404, "proxy.not_found"),
        ("POST /v1/embeddings", "localhost", "content-encoding: gzip\r\n", 415, "proxy.content_encoding"),
        ("POST /v1/embeddings", "evil.example", "", 403, "proxy.foreign"),
        ("POST /v1/embeddings", "localhost", "origin: https://evil.example\r\n", 403, "proxy.foreign"),
        (&format!("GET {long}"), "localhost", "", 414, "proxy.target_too_long"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\n{more}content-length: 2\r\n\r\n");
        let sent = sdk::send(address, &head, b"{}").await;
        assert_eq!(sent.status, status, "{line}");
        assert_eq!(sent.json().await["error"]["code"], code, "{line}");
    }
    // In HTTP/1.0 a stream that breaks off looks like one that ends.
    let sent = sdk::send(address, &format!("POST {CHAT} HTTP/1.0\r\ncontent-length: 2\r\n\r\n"), b"{}").await;
    assert_eq!(sent.status, 505);
    assert_eq!(rig.server.received().len(), seen);
}

#[tokio::test]
async fn a_busy_node_is_a_busy_node() {
    let rig = Rig::new(|wire| wire).await;
    let proxy = rig.proxy(&[]).await;
    let sent = post(proxy.address, CHAT, &[], br#"{"model":"overloaded"}"#).await;
    assert_eq!((sent.status, sent.header("retry-after")), (503, Some("1")));
    let error = &sent.json().await["error"];
    assert_eq!((&error["type"], &error["code"]), (&json!("quoth_node"), &json!("journal_unavailable")));
}

#[tokio::test]
async fn an_sdk_that_goes_away_ends_the_exchange() {
    let rig = Rig::paced(|wire| wire, 0).await;
    let proxy = rig.proxy(&[]).await;
    for body in [PROMPT.into(), streamed()] {
        let sent = tokio::spawn(async move { post(proxy.address, CHAT, &[], &body).await.chunk().await });
        let asked = rig.server.posts();
        while rig.server.posts() == asked || rig.server.live() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sent.abort();
        while rig.server.live() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_lets_running_answers_end() {
    let rig = Rig::paced(|wire| wire, 0).await;
    let mut proxy = rig.proxy(&[]).await;
    let mut sent = post(proxy.address, CHAT, &[], &streamed()).await;
    rig.gate.add_permits(1);
    assert_eq!(sent.chunk().await.unwrap(), event("one"));
    proxy.interrupt().await;
    assert_eq!(proxy.line().await["event"], "stopping");
    assert!(tokio::net::TcpStream::connect(proxy.address).await.is_err(), "nobody else may come");
    rig.gate.add_permits(Semaphore::MAX_PERMITS - 8);
    let (rest, end) = sent.body().await;
    assert!(end == End::Whole && rest.ends_with("data: [DONE]\n\n"), "{rest}");
    assert_eq!(proxy.child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn other_addresses_come_with_a_warning() {
    let rig = Rig::new(|wire| wire).await;
    let mut proxy = Proxy::spawn(rig.folder.path(), &rig.server.url(), &[]);
    assert_eq!(proxy.line().await["event"], "listening");
    let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
    let url = rig.server.url();
    command.args(["proxy", "--node", &url, "--listen", "0.0.0.0:0", "--policy", "policy.toml"]);
    command.current_dir(rig.folder.path()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut open = command.spawn().unwrap();
    let mut lines = BufReader::new(open.stderr.take().unwrap()).lines();
    let started = lines.next_line().await.unwrap().unwrap();
    assert!(started.contains("simulated, image test, policy policy.toml"), "{started}");
    assert!(lines.next_line().await.unwrap().unwrap().starts_with("warning"));
}

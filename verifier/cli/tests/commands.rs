//! The program itself, against a node that answers over real TLS: what it prints, writes and exits with.
#![allow(clippy::unwrap_used)]

#[path = "../../client/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use quoth_attestation::ExchangeId;
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::Transcript;
use serde_json::Value;
use support::node::{Asked, Node, OPENING, details, event};
use support::server::{Received, Server, answer, chunked};

const CTI: ExchangeId = ExchangeId([5; 16]);
/// What a hostile model says.
const WORDS: &str = "hello \\u001b[31mworld";

struct Bench {
    node: Arc<Node>,
    server: Server,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new(attack: fn(Vec<u8>) -> Vec<u8>) -> Self {
        let node = Arc::new(Node::new(Platform::Simulated));
        let answering = Arc::clone(&node);
        let server =
            Server::start(&node.tls_key, &node.tls_certificate, move |request| respond(&answering, request, attack))
                .await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.toml"), node.policy()).unwrap();
        Self { node, server, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program in the folder; `URL` stands for the node's.
    async fn run(&self, arguments: &[&str]) -> Output {
        let url = self.server.url();
        let arguments = arguments.iter().map(|argument| if *argument == "URL" { url.as_str() } else { argument });
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
        command.args(arguments).current_dir(self.folder.path());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// [`Bench::run`] with `--policy` and `--json`.
    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.run(&[arguments, &["--policy", "policy.toml", "--json"]].concat()).await;
        (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
    }
}

fn respond(node: &Node, request: &Received, attack: fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let asked = Asked { target: request.target(), body: &request.body, nonce: request.nonce(), cti: CTI };
    let mut headers = vec![
        ("quoth-cti", CTI.to_string()),
        ("quoth-node", node.digest().to_string()),
        ("quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(OPENING)),
    ];
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (request.method(), request.target()) {
        ("GET", target) if target.starts_with("/.well-known/quoth/node") => {
            answer(200, &[], &node.evidence(request.nonce().as_ref(), 0))
        }
        ("GET", target) if target.starts_with("/v1/exchanges/") => answer(200, &[], details().encode().as_bytes()),
        ("POST", _) if body["model"] != "tiny" => {
            let error = br#"{"error":{"message":"no such model","type":"x","param":"model","code":"model_not_found"}}"#;
            let receipt = node.receipt(&asked, 404, error, false);
            headers.push(("quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt)));
            answer(404, &headers, error)
        }
        ("POST", _) if body["stream"] == true => {
            headers.push(("content-type", "text/event-stream; charset=utf-8".into()));
            chunked(&headers, &attack(node.stream(&asked, &[event(WORDS), event("!")])))
        }
        ("POST", _) => {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"{WORDS}!"}}}}]}}"#);
            let receipt = node.receipt(&asked, 200, body.as_bytes(), false);
            headers.push(("quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt)));
            answer(200, &headers, body.as_bytes())
        }
        _ => answer(404, &[], b""),
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn transcript(file: &Path) -> Transcript {
    Transcript::decode(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn a_node_is_shown_only_under_a_policy_that_names_its_platform() {
    let bench = Bench::new(|wire| wire).await;
    let proven = bench.run(&["node", "URL", "--policy", "policy.toml"]).await;
    assert_eq!(code(&proven), 0, "{}", text(&proven.stderr));
    let panel = text(&proven.stderr);
    assert!(panel.contains("✓ proven") && panel.contains("simulated") && panel.contains("not proven"), "{panel}");
    assert!(!panel.contains('\u{1b}'), "no colours into a pipe");
    let refused = bench.run(&["node", "URL"]).await;
    assert_eq!(code(&refused), 1);
    let panel = text(&refused.stderr);
    assert!(
        panel.contains("✗ refused") && panel.contains("platform.not_allowed") && panel.contains("--policy"),
        "{panel}"
    );
    let (exit, object) = bench.json(&["node", "URL"]).await;
    assert_eq!((exit, object["verdict"].as_str(), object["code"].is_null()), (0, Some("proven"), true));
    assert_eq!(object["node"]["digest"], bench.node.digest().to_string());
    assert_eq!(object["node"]["platform"], "simulated");
}

#[tokio::test]
async fn answers_are_streamed_and_whole_and_proven() {
    let bench = Bench::new(|wire| wire).await;
    for extra in [&[][..], &["--no-stream"], &["--details", "--system", "be brief"]] {
        let ask = [&["ask", "URL", "-m", "tiny", "hi", "--policy", "policy.toml"], extra].concat();
        let output = bench.run(&ask).await;
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "hello \u{1b}[31mworld!\n", "a file gets the words as they are");
        let panel = text(&output.stderr);
        assert!(panel.contains("words from") && panel.contains("tiny") && panel.contains("receipt"), "{panel}");
        assert!(!panel.contains('\u{1b}'));
    }
    let (exit, object) = bench.json(&["ask", "URL", "-m", "tiny", "hi", "--details"]).await;
    assert_eq!((exit, object["verdict"].as_str()), (0, Some("proven")));
    assert_eq!(object["answer"], "hello \u{1b}[31mworld!");
    assert_eq!(object["receipt"]["execution"]["model"], "tiny");
    assert_eq!(object["checkpoints"], 2);
}

#[tokio::test]
async fn saved_exchanges_verify_offline_and_edited_ones_do_not() {
    let bench = Bench::new(|wire| wire).await;
    let (exit, object) = bench.json(&["ask", "URL", "-m", "tiny", "hi", "--details", "--save", "demo"]).await;
    assert_eq!((exit, object["transcript"].as_str()), (0, Some("demo.transcript.json")));
    let file = bench.path("demo.transcript.json");
    let (exit, object) = bench.json(&["transcript", "demo.transcript.json"]).await;
    assert_eq!((exit, object["verdict"].as_str()), (0, Some("proven")), "{object}");
    let again = bench.run(&["ask", "URL", "-m", "tiny", "hi", "--save", "demo", "--policy", "policy.toml"]).await;
    assert_eq!(code(&again), 2, "a saved exchange is never overwritten");
    assert_eq!(bench.server.posts(), 1, "and nothing is asked for it");

    let mut edited = transcript(&file);
    edited.response.body.push(b'!');
    std::fs::write(bench.path("edited.json"), edited.encode()).unwrap();
    let (exit, object) = bench.json(&["transcript", "edited.json"]).await;
    assert_eq!((exit, object["verdict"].as_str()), (1, Some("refused")));
    assert!(object["meaning"].as_str().is_some_and(|meaning| meaning.len() > 20));
    let mut other = transcript(&file);
    other.request.body = b"another question".to_vec();
    std::fs::write(bench.path("other.json"), other.encode()).unwrap();
    let (exit, object) = bench.json(&["transcript", "other.json"]).await;
    assert_eq!((exit, object["code"].as_str()), (1, Some("receipt.request_mismatch")));
    std::fs::write(bench.path("not.json"), b"{}").unwrap();
    let (exit, object) = bench.json(&["transcript", "not.json"]).await;
    assert_eq!((exit, object["code"].as_str()), (1, Some("format.json")));
}

#[tokio::test]
async fn cut_streams_are_refused_and_kept() {
    let bench = Bench::new(|wire| {
        let at = wire.windows(14).position(|window| window == b": quoth receip").unwrap();
        wire[..at].to_vec()
    })
    .await;
    let (exit, object) = bench.json(&["ask", "URL", "-m", "tiny", "hi", "--save", "cut"]).await;
    assert_eq!((exit, object["code"].as_str()), (1, Some("stream.cut")));
    assert!(transcript(&bench.path("cut.transcript.json")).receipt.is_none());
    let (exit, object) = bench.json(&["transcript", "cut.transcript.json"]).await;
    assert_eq!((exit, object["code"].as_str()), (1, Some("stream.cut")));
}

#[tokio::test]
async fn receipts_need_the_evidence_of_their_node() {
    let bench = Bench::new(|wire| wire).await;
    bench.json(&["ask", "URL", "-m", "tiny", "hi", "--save", "demo"]).await;
    let saved = transcript(&bench.path("demo.transcript.json"));
    let receipt = saved.receipt.unwrap();
    std::fs::write(bench.path("raw"), &receipt).unwrap();
    std::fs::write(bench.path("text"), format!("{}\n", BASE64_URL_SAFE_NO_PAD.encode(&receipt))).unwrap();
    assert_eq!(bench.json(&["node", "URL", "--save", "evidence"]).await.0, 0);
    for (file, proof) in [("raw", ["--evidence", "evidence"]), ("text", ["--transcript", "demo.transcript.json"])] {
        let (exit, object) = bench.json(&[&["receipt", file], &proof[..]].concat()).await;
        assert_eq!((exit, object["receipt"]["seq"].as_u64()), (0, Some(0)), "{object}");
    }
    let alone = bench.run(&["receipt", "raw"]).await;
    assert_eq!(code(&alone), 2);
    assert!(text(&alone.stderr).contains("signature was not checked") && text(&alone.stderr).contains("--evidence"));
    let mut forged = receipt;
    *forged.last_mut().unwrap() ^= 1;
    std::fs::write(bench.path("forged"), &forged).unwrap();
    let (exit, object) = bench.json(&["receipt", "forged", "--evidence", "evidence"]).await;
    assert_eq!((exit, object["code"].as_str()), (1, Some("receipt.signature")));
}

#[tokio::test]
async fn usage_network_and_file_errors_exit_2() {
    let bench = Bench::new(|wire| wire).await;
    assert_eq!(code(&bench.run(&["frobnicate"]).await), 2);
    assert_eq!(code(&bench.run(&["ask", "URL", "hi"]).await), 2, "no model");
    for (arguments, expected) in [
        (&["node", "http://localhost"][..], "client.url"),
        (&["node", "https://127.0.0.1:1"], "client.io"),
        (&["transcript", "absent"], "file.io"),
        (&["ask", "URL", "-m", "other", "hi"], "node.answered_error"),
    ] {
        let (exit, object) = bench.json(arguments).await;
        assert_eq!((exit, object["code"].as_str(), object["verdict"].as_str()), (2, Some(expected), Some("error")));
    }
    std::fs::write(bench.path("bad.toml"), "version = 9").unwrap();
    let output = bench.run(&["node", "URL", "--policy", "bad.toml", "--json"]).await;
    assert_eq!((code(&output), text(&output.stdout).contains("policy.invalid")), (2, true));
}

//! Answers are proven, saved and proven again. Unproven answers are refused.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Output;

use quoth_attestation::receipt::{Execution, Level, Outcome};
use quoth_attestation::transcript::{Details, Transcript};
use quoth_tests::{Node, ask, chat_body, command, proven_chat};
use quoth_verifier::{Policy, Time, TimeChoice, Verifier};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_proven_streamed_or_whole() {
    let node = Node::start().await;
    let mut answers = Vec::new();
    for stream in [false, true] {
        let proven = proven_chat(&node, "Why is the sky blue?", 16, stream).await;
        let claims = proven.exchange.receipt().claims().clone();
        assert_eq!((claims.exchange.status.get(), claims.exchange.streamed, claims.level), (200, stream, Level::Tee));
        assert!(matches!(claims.exchange.outcome, Outcome::Complete | Outcome::Length));
        let Some(Execution::Local(local)) = &claims.execution else { panic!("not a local execution") };
        assert_eq!(local.model, Node::MODEL);
        let (usage, details) =
            (claims.usage.unwrap(), proven.transcript.details.as_ref().and_then(Details::local).unwrap().clone());
        assert_eq!(usage.prompt as usize, details.prompt_tokens.len());
        assert_eq!(usage.completion as usize, details.output_tokens.len());
        assert_eq!(stream, !proven.transcript.checkpoints.is_empty());
        answers.push(details.output_tokens);
    }
    assert_eq!(answers[0], answers[1], "the same request and seed, the same tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_proven_offline_and_no_part_of_it_can_be_changed() {
    let node = Node::start().await;
    for stream in [false, true] {
        let text = proven_chat(&node, "Name a colour.", 6, stream).await.transcript.encode().into_bytes();
        let verifier = Verifier::new(node.policy());
        judge(&verifier, &text).unwrap();
        // Changes every seventh byte. The verifier's own tests change every byte.
        for at in (0..text.len()).step_by(7) {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(judge(&verifier, &changed).is_err(), "byte {at} of {} was changed", text.len());
        }
    }
}

fn judge(verifier: &Verifier, text: &[u8]) -> Result<(), String> {
    verifier.verify_transcript(text, TimeChoice::Archived).map(drop).map_err(|refusal| refusal.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_has_a_receipt_too() {
    let node = Node::start().await;
    let mut wrong = chat_body("hello", 4, false);
    wrong["temperature"] = json!(3);
    let proven = ask(&node.url(), node.policy(), &wrong).await.unwrap();
    assert_eq!(proven.transcript.response.status, 400);
    assert_eq!(proven.exchange.receipt().claims().exchange.outcome, Outcome::Refused);
    let mut unknown = chat_body("hello", 4, true);
    unknown["model"] = json!("other");
    let proven = ask(&node.url(), node.policy(), &unknown).await.unwrap();
    assert_eq!(proven.transcript.response.status, 404);
    assert_eq!(proven.exchange.receipt().claims().exchange.outcome, Outcome::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_does_not_name_is_refused() {
    let node = Node::start().await;
    let accepted = fs::read_to_string(node.policy_file()).unwrap();
    let refused = async |policy: &str| {
        let policy = Policy::from_toml(policy).unwrap();
        ask(&node.url(), policy, &chat_body("hello", 4, true)).await.err().unwrap().code().to_owned()
    };
    let value = |key: &str| {
        let line = accepted.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let (pcr0, model, root) = (value("pcr0"), value("accept"), value("roots"));
    assert_eq!(refused(&accepted.replace(&model, &"0".repeat(64))).await, "model.not_accepted");
    assert_eq!(refused(&accepted.replace(&pcr0, &"1".repeat(96))).await, "measurement.unknown");
    assert_eq!(refused(&accepted.replace(&root, &"2".repeat(64))).await, "nitro.chain.root");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_the_policy_does_not_accept_gets_no_prompt() {
    let node = Node::start().await;
    let other = node.run_dir().join("other-model.toml");
    let policy = node.policy_file();
    let policy = fs::read_to_string(policy).unwrap();
    let model = policy.lines().find(|line| line.starts_with("accept")).unwrap().split('"').nth(1).unwrap();
    fs::write(&other, policy.replace(model, &"0".repeat(64))).unwrap();
    let ask = ["ask", &node.url(), "-m", Node::MODEL, "hello", "--json", "--policy", other.to_str().unwrap()];
    let output = command("quoth-verify").args(ask).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["code"], "model.not_accepted");
    assert!(node.quoth(&["metrics"]).contains("quoth_exchanges_total{outcome=\"complete\"} 0"), "nothing was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_for_people_says_proven_or_refused_by_its_exit_code() {
    let node = Node::start().await;
    let folder = tempfile::tempdir().unwrap();
    let policy = node.policy_file();
    let (url, policy) = (node.url(), policy.to_str().unwrap());
    let run = |arguments: &[&str]| command("quoth-verify").args(arguments).current_dir(folder.path()).output().unwrap();
    let object = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();

    let output = run(&["node", &url, "--policy", policy, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(object(&output)["verdict"], "proven");
    let output = run(&["node", &url, "--json"]);
    assert_eq!(output.status.code(), Some(1), "no policy accepts no simulated node");
    assert_eq!(object(&output)["code"], "platform.not_allowed");

    let ask = ["ask", &url, "-m", Node::MODEL, "Why?", "--max-tokens", "8", "--policy", policy, "--save", "why"];
    let output = run(&[&ask[..], &["--details"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let saved = folder.path().join("why.transcript.json");
    let file = saved.to_str().unwrap();
    let output = run(&["transcript", file, "--policy", policy, "--json"]);
    assert_eq!((output.status.code(), &object(&output)["verdict"]), (Some(0), &json!("proven")));

    let mut transcript = Transcript::decode(&fs::read(&saved).unwrap()).unwrap();
    let receipt = folder.path().join("receipt");
    let evidence = folder.path().join("evidence");
    fs::write(&receipt, transcript.receipt.as_ref().unwrap()).unwrap();
    fs::write(&evidence, &transcript.evidence).unwrap();
    assert_eq!(run(&["receipt", "receipt", "--evidence", "evidence", "--policy", policy]).status.code(), Some(0));
    assert_eq!(run(&["receipt", "receipt", "--policy", policy]).status.code(), Some(2), "nothing was checked");
    transcript.request.body = transcript.request.body.to_ascii_uppercase();
    fs::write(&saved, transcript.encode()).unwrap();
    let output = run(&["transcript", file, "--policy", policy, "--json"]);
    assert_eq!((output.status.code(), &object(&output)["verdict"]), (Some(1), &json!("refused")));

    assert_eq!(run(&["ask"]).status.code(), Some(2));
    assert_eq!(run(&["node", "https://127.0.0.1:1", "--policy", policy]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_read_once_and_with_the_opening_alone() {
    let node = Node::start().await;
    let proven = proven_chat(&node, "hello", 4, false).await;
    let cti = proven.exchange.receipt().claims().cti;
    let credential = hex::encode(proven.transcript.opening.details_credential());
    let mut wire = node.wire().await;
    let mut get = async |authorization: &str| {
        let request = format!("GET /v1/exchanges/{cti} HTTP/1.1\r\nhost: localhost\r\n{authorization}\r\n");
        wire.send(request.as_bytes()).await.unwrap();
        wire.answer().await.unwrap().status
    };
    assert!([401, 403, 404].contains(&get("").await));
    assert!([401, 403, 404].contains(&get(&format!("authorization: Quoth {}\r\n", "0".repeat(64))).await));
    // The client has already read the details, which works only once.
    assert!([401, 403, 404, 410].contains(&get(&format!("authorization: Quoth {credential}\r\n")).await));
    let receipt = wire.get(&format!("/v1/receipts/{cti}")).await.unwrap();
    assert_eq!(receipt.status, 200);
    assert_eq!(receipt.header("content-type"), Some("application/vnd.quoth.receipt+cwt"));
    assert_eq!(Some(receipt.body), proven.transcript.receipt);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_quoted_over_the_nonce_that_was_asked_for() {
    let node = Node::start().await;
    let mut wire = node.wire().await;
    let nonce = quoth_attestation::binding::Nonce::new([7; 32]).unwrap();
    let verifier = Verifier::new(node.policy());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let fresh = wire.get(&format!("/.well-known/quoth/node?nonce={}", hex::encode([7; 32]))).await.unwrap();
    assert_eq!(fresh.header("content-type"), Some(quoth_attestation::evidence::MEDIA_TYPE));
    verifier.verify_node(&fresh.body, Some(&nonce), Time::Live { now }).unwrap();
    let stored = wire.get("/.well-known/quoth/node").await.unwrap();
    verifier.verify_node(&stored.body, None, Time::Live { now }).unwrap();
    assert!(verifier.verify_node(&stored.body, Some(&nonce), Time::Live { now }).is_err());
    let other = quoth_attestation::binding::Nonce::new([8; 32]).unwrap();
    assert!(verifier.verify_node(&fresh.body, Some(&other), Time::Live { now }).is_err());
    for wrong in ["", "00", "zz", &"0".repeat(14), &"0".repeat(130), &"0".repeat(15)] {
        let status = wire.get(&format!("/.well-known/quoth/node?nonce={wrong}")).await.unwrap().status;
        assert_eq!(status, 400, "nonce {wrong:?}");
    }
}

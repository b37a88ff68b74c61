//! `quoth-verify replay` as far as it comes without running a model: what is refused, what cannot be compared, and how it says so.
#![cfg(feature = "replay")]
#![allow(clippy::unwrap_used)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::process::{Command, Output};

use quoth_attestation::Digest;
use quoth_attestation::receipt::{Execution, Receipt};
use quoth_attestation::statement::Platform;
use quoth_attestation::transcript::{Details, Transcript};
use quoth_engine::{Arithmetic, Replayer};
use serde_json::{Value, json};
use support::Node;

/// Stands for a model wherever only its hash matters.
const MODEL: &[u8] = &[b'm'; 64];

struct Bench {
    node: Node,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { node: Node::new(Platform::None), folder: tempfile::tempdir().unwrap() };
        bench.write("policy.toml", bench.node.policy_text().replace(&Digest::of(b"tiny").to_string(), &model()));
        bench.write("model.gguf", MODEL);
        bench
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    /// An exchange signed after `bend`.
    fn signed(&self, bend: impl FnOnce(&mut Transcript, &mut Receipt)) -> Transcript {
        let mut transcript = self.node.transcript();
        let mut claims = self.node.claims(&transcript.response.body, true);
        bend(&mut transcript, &mut claims);
        transcript.receipt = Some(self.node.sign(claims));
        transcript
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
        command.arg("replay").args(arguments).args(["--model", "model.gguf"]).current_dir(self.folder.path());
        command.output().unwrap()
    }

    /// The objects it prints under the policy, and its exit code.
    fn json(&self, files: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.run(&[files, &["--policy", "policy.toml", "--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.code())
    }
}

fn model() -> String {
    Digest::of(MODEL).to_string()
}

fn local(claims: &mut Receipt) -> &mut quoth_attestation::receipt::Local {
    match &mut claims.execution {
        Some(Execution::Local(local)) => local,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_exchange_gets_a_line_and_all_of_them_a_summary() {
    let mut bench = Bench::new();
    bench.node.statement.models[0].sha256 = Digest::of(MODEL);
    let other = Digest::of(b"another model");
    let right = |claims: &mut Receipt| {
        local(claims).model_sha256 = Digest::of(MODEL);
        local(claims).arithmetic = Arithmetic::Exact.profile().try_into().unwrap();
    };
    bench.write("a", bench.signed(|_, claims| right(claims)).encode());
    bench.write("b", bench.signed(|_, claims| local(claims).model_sha256 = Digest::of(MODEL)).encode());
    let without = |transcript: &mut Transcript, claims: &mut Receipt| {
        right(claims);
        transcript.details = None;
    };
    bench.write("c", bench.signed(without).encode());
    let (objects, exit) = bench.json(&["a", "b", "c"]);
    assert_eq!((objects.len(), exit), (4, Some(3)));
    let codes: Vec<_> = objects.iter().map(|object| object["code"].as_str()).collect();
    let expected = [Some("replay.engine"), Some("replay.arithmetic"), Some("replay.no_details"), None];
    assert_eq!(codes, expected);
    for (object, file) in objects.iter().zip(["a", "b", "c"]) {
        assert_eq!((&object["kind"], &object["file"]), (&json!("transcript"), &json!(file)));
        assert_eq!((&object["verdict"], &object["model"]), (&json!("not-comparable"), &json!("tiny")));
        assert_eq!(object["tokens"], json!({ "prompt": 3, "output": 2 }));
        assert!(object["message"].as_str().is_some_and(|message| message.len() > 20));
    }
    let arithmetic = &objects[1]["difference"];
    assert_eq!(arithmetic["expected"], Arithmetic::Exact.profile());
    assert_eq!(arithmetic["found"], "cpu-1/x86-64-v3");
    assert_eq!(objects[0]["difference"]["expected"], Replayer::identity());
    let summary = &objects[3];
    assert_eq!((&summary["kind"], &summary["not_comparable"]), (&json!("summary"), &json!(3)));
    assert_eq!((&summary["model_sha256"], &summary["tokens"]), (&json!(model()), &json!(0)));

    // Another file, and a hash decides before anything else of the execution is looked at.
    bench.node.statement.models[0].sha256 = other;
    bench.write("policy.toml", bench.node.policy_text().replace(&Digest::of(b"tiny").to_string(), &other.to_string()));
    bench.write("d", bench.signed(|_, claims| local(claims).model_sha256 = other).encode());
    let (objects, exit) = bench.json(&["d"]);
    assert_eq!((objects[0]["code"].as_str(), exit), (Some("replay.model"), Some(3)));
    assert_eq!(objects[0]["difference"]["found"], format!("SHA-256 {other}"));
}

#[test]
fn what_no_node_signed_is_refused_before_anything_is_computed() {
    let mut bench = Bench::new();
    bench.node.statement.models[0].sha256 = Digest::of(MODEL);
    let honest = bench.signed(|_, claims| local(claims).model_sha256 = Digest::of(MODEL));
    let mut edited = honest.clone();
    let Some(Details::Local(details)) = &mut edited.details else { panic!("not a local execution") };
    details.output_tokens[0] = 9;
    let mut cut = honest.clone();
    (cut.receipt, cut.details) = (None, None);
    let mut empty = cut.clone();
    empty.checkpoints.clear();
    for (name, transcript) in [("edited", &edited), ("cut", &cut), ("empty", &empty)] {
        bench.write(name, transcript.encode());
    }
    bench.write("not", b"\x1b[2J no transcript");
    let (objects, exit) = bench.json(&["edited", "cut", "empty", "not"]);
    let said: Vec<_> = objects.iter().map(|object| (object["verdict"].as_str(), object["code"].as_str())).collect();
    let refused = |code| (Some("refused"), Some(code));
    let expected = [
        refused("receipt.details_mismatch"),
        (Some("not-comparable"), Some("replay.cut")),
        refused("transcript.empty"),
        refused("format.json"),
    ];
    assert_eq!((&said[..4], exit), (&expected[..], Some(1)));
    assert_eq!((&objects[4]["refused"], &objects[4]["replay_seconds"]), (&json!(3), &Value::Null));

    let output = bench.run(&["edited", "cut", "not", "--policy", "policy.toml"]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(
        shown.contains("✗ refused") && shown.contains("○ not comparable") && shown.contains("2 refused"),
        "{shown}"
    );
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n') && output.stdout.is_empty());
    // Without a policy no node without hardware is accepted.
    let output = bench.run(&["edited", "--json"]);
    let first: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((first["code"].as_str(), output.status.code()), (Some("platform.not_allowed"), Some(1)));
}

#[test]
fn usage_and_file_errors_exit_2() {
    let mut bench = Bench::new();
    bench.node.statement.models[0].sha256 = Digest::of(MODEL);
    let right = |_: &mut Transcript, claims: &mut Receipt| {
        let local = local(claims);
        local.model_sha256 = Digest::of(MODEL);
        local.arithmetic = Arithmetic::Exact.profile().try_into().unwrap();
        local.engine = Replayer::identity().try_into().unwrap();
    };
    bench.write("a", bench.signed(right).encode());
    // The right hash of what no engine can load.
    let (objects, exit) = bench.json(&["a"]);
    assert_eq!((objects[0]["code"].as_str(), exit), (Some("model.invalid"), Some(2)), "{objects:?}");
    assert_eq!(bench.json(&["absent"]).1, Some(2));
    assert_eq!(bench.json(&["a", "absent"]).1, Some(2), "nothing is half done");
    assert_eq!(bench.run(&[]).status.code(), Some(2), "no transcript");
    assert_eq!(bench.run(&["a", "--threads", "0"]).status.code(), Some(2));
    bench.write("model.gguf", b"too short");
    assert_eq!(bench.json(&["a"]).0[0]["code"], "model.invalid");
    fs::remove_file(bench.folder.path().join("model.gguf")).unwrap();
    assert_eq!(bench.json(&["a"]).0[0]["code"], "file.io");
}

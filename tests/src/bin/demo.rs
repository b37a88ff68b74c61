//! `just demo`: a real model answers in a simulated enclave, the answer is proven, four forgeries are refused.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anstream::println;
use anstyle::{AnsiColor, Style};
use quoth_attestation::transcript::Transcript;
use quoth_tests::{Mischief, Node, Options, Relay, command};
use serde_json::Value;

const MODEL: &str = "smollm2-135m-instruct";
const QUESTION: &str = "Why is the sky blue? Answer in two sentences.";
const OTHER_QUESTION: &str = "Is the sky green? Answer in two sentences.";

const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

#[tokio::main]
async fn main() -> ExitCode {
    let Some(model) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: quoth-demo MODEL.gguf");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    println!(
        "\n{TITLE}1  A model in an enclave{TITLE:#} {DIM}(simulated: same documents, same checks, no hardware){DIM:#}"
    );
    let more = vec!["--name".to_owned(), MODEL.to_owned()];
    let node =
        Node::with(Options { parallel: 2, threads: 2, context: 1024, model: Some(model), more, ..Options::default() })
            .await;
    // All traffic between client and enclave passes this relay. It can do everything that an untrusted host can.
    let relay = Relay::start(node.port(), Mischief::None, 0).await;
    println!("   {GOOD}✓{GOOD:#} up in {:.1} s: enclave, host and an untrusted relay", began.elapsed().as_secs_f32());

    println!("\n{TITLE}2  A question{TITLE:#}");
    let saved = node.run_dir().join("answer");
    let (policy, url) = (node.policy_file(), relay.url());
    println!("   {DIM}$ quoth-verify ask {url} -m {MODEL} --policy run/policy.toml \"{QUESTION}\"{DIM:#}\n");
    let asked = command("quoth-verify")
        .args(["ask", &url, "-m", MODEL, QUESTION, "--max-tokens", "80", "--temperature", "0", "--details", "--save"])
        .arg(&saved)
        .arg("--policy")
        .arg(&policy)
        .status()
        .unwrap();
    if !asked.success() {
        println!("{BAD}The answer was not proven.{BAD:#}");
        return ExitCode::FAILURE;
    }

    println!("\n{TITLE}3  Four forgeries{TITLE:#}");
    let saved = saved.with_extension("transcript.json");
    let transcript = Transcript::decode(&fs::read(&saved).unwrap()).unwrap();
    let forged = node.run_dir().join("forged.transcript.json");
    let judge_forged = |transcript: &Transcript| {
        fs::write(&forged, transcript.encode()).unwrap();
        judge(&["transcript", forged.to_str().unwrap()], &policy)
    };

    let mut edited = transcript.clone();
    replace(&mut edited.response.body, "blue", "pink");
    let edited_refused = report("edited answer", "someone turns blue into pink in the answer", judge_forged(&edited));

    let other = node.run_dir().join("other-model.toml");
    let own = transcript_model(&policy);
    fs::write(&other, fs::read_to_string(&policy).unwrap().replace(&own, &"0".repeat(64))).unwrap();
    let ask = ["ask", &url, "-m", MODEL, QUESTION, "--max-tokens", "8"];
    let other_refused =
        report("other model", "you accept another model file than the one that answers", judge(&ask, &other));

    let cutting = Relay::start(node.port(), Mischief::Cut, relay.passed() / 2).await;
    let ask = ["ask", &cutting.url(), "-m", MODEL, QUESTION, "--max-tokens", "80", "--temperature", "0"];
    let cut_refused = report("cut stream", "the relay hangs up in the middle of the answer", judge(&ask, &policy));

    let mut replayed = transcript;
    replace(&mut replayed.request.body, QUESTION, OTHER_QUESTION);
    let replayed_refused =
        report("replayed receipt", "the same proofs, shown for another question", judge_forged(&replayed));

    let all = edited_refused && other_refused && cut_refused && replayed_refused;
    println!(
        "\n   {DIM}{:.1} s in all. `just serve` keeps a node up for curl and the openai client.{DIM:#}\n",
        began.elapsed().as_secs_f32()
    );
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs `quoth-verify` as a program does. Returns its exit code and its output.
fn judge(arguments: &[&str], policy: &Path) -> (Option<i32>, Value) {
    let output = command("quoth-verify").args(arguments).arg("--json").arg("--policy").arg(policy).output().unwrap();
    let last = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    (output.status.code(), serde_json::from_slice(last).unwrap_or_default())
}

/// Shows the result for one forgery. Returns true if it was refused.
fn report(name: &str, what: &str, (exit, verdict): (Option<i32>, Value)) -> bool {
    let refused = exit == Some(1) && verdict["verdict"] == "refused";
    let code = verdict["code"].as_str().unwrap_or("no code");
    match refused {
        true => println!("   {GOOD}✗ refused{GOOD:#}  {name:<17} {code:<28} {DIM}{what}{DIM:#}"),
        false => println!("   {BAD}! ACCEPTED{BAD:#} {name:<17} {verdict}"),
    }
    refused
}

/// Replaces a text that must exist.
fn replace(bytes: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(std::mem::take(bytes)).unwrap();
    assert!(text.contains(from), "{from:?} does not occur");
    *bytes = text.replacen(from, to, 1).into_bytes();
}

/// Returns the model's hash in the policy that `quoth up` wrote.
fn transcript_model(policy: &Path) -> String {
    let text = fs::read_to_string(policy).unwrap();
    let (_, models) = text.split_once("[models]").unwrap();
    models.split('"').nth(1).unwrap().to_owned()
}

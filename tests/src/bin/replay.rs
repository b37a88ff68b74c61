//! `just replay`: a real model answers a hundred long chats under load, and every answer is replayed from its proof.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anstream::println;
use anstyle::{AnsiColor, Style};
use quoth_attestation::transcript::{Details, Transcript};
use quoth_tests::{Node, Options, Request, command, save, transcripts_under_load};
use serde_json::{Value, json};

const MODEL: &str = "smollm2-135m-instruct";
const CHATS: usize = 100;
/// Number of callers at the same time, and of sequences that the node computes together.
const AT_ONCE: usize = 12;
/// Minimum length of every answer, tokens.
const LEAST: usize = 200;
/// SmolLM2's `<|endoftext|>` and `<|im_end|>`. They are forbidden, so that no answer ends early.
const ENDS: [&str; 2] = ["0", "2"];
const QUESTIONS: [&str; 5] = [
    "Why is the sky blue?",
    "Tell me a long story about a fox and a lighthouse.",
    "Write a Rust function that reverses a list, and explain every line.",
    "Erkläre mir, wie ein Schiff schwimmt.",
    "List the planets, and one fact about each.",
];

const TITLE: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

#[tokio::main]
async fn main() -> ExitCode {
    let Some(model) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: quoth-replay MODEL.gguf");
        return ExitCode::from(2);
    };
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let more = vec!["--name".to_owned(), MODEL.to_owned()];
    let options =
        Options { parallel: AT_ONCE as u32, threads, context: 1024, model: Some(model), more, ..Options::default() };
    let mut node = Node::with(options).await;

    println!("{TITLE}{CHATS} chats of {LEAST} tokens and more, {AT_ONCE} at a time, {threads} threads{TITLE:#}");
    let requests = (0..CHATS).map(|index| Request { body: chat(index), hang_up_after: None }).collect();
    let began = Instant::now();
    let transcripts = transcripts_under_load(&node, requests, AT_ONCE).await;
    let generating = began.elapsed().as_secs_f64();
    let output =
        |transcript: &Transcript| transcript.details.as_ref().and_then(Details::local).unwrap().output_tokens.len();
    let (least, all) = (transcripts.iter().map(output).min().unwrap(), transcripts.iter().map(output).sum::<usize>());
    println!("generating  {generating:>7.1} s  {all} tokens, {least} and more a chat");

    let folder = tempfile::tempdir().unwrap();
    let files = save(folder.path(), &transcripts);
    let mut command = command("quoth-verify");
    command.arg("replay").args(&files).arg("--json").arg("--policy").arg(node.policy_file());
    command.arg("--model").arg(node.model_file());
    // Generating and replaying both use all processors.
    assert!(node.stop().success());
    let began = Instant::now();
    let output = command.output().unwrap();
    let replaying = began.elapsed().as_secs_f64();
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let Some((summary, verdicts)) = lines.split_last() else { return ExitCode::FAILURE };
    println!("replaying   {replaying:>7.1} s  {} tokens, prompts included", summary["tokens"]);
    println!("ratio       {:>7.2}", replaying / generating);
    for verdict in verdicts.iter().filter(|verdict| verdict["verdict"] != "match") {
        println!("{BAD}{verdict}{BAD:#}");
    }
    let [matching, mismatch, refused, open] =
        ["match", "mismatch", "refused", "not_comparable"].map(|name| summary[name].as_u64().unwrap_or_default());
    let all = output.status.success() && matching as usize == CHATS && least >= LEAST;
    let (style, sign) = if all { (GOOD, "✓") } else { (BAD, "✗") };
    println!("{style}{sign}{style:#} {matching} match, {mismatch} mismatch, {refused} refused, {open} not comparable");
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns a chat that differs for each number.
fn chat(index: usize) -> Value {
    let strings =
        json!({ "type": "array", "items": { "type": "string", "maxLength": 60 }, "minItems": 200, "maxItems": 250 });
    let numbers = json!({ "type": "array", "items": { "type": "integer" }, "minItems": 250, "maxItems": 300 });
    let format = |schema: &Value| json!({ "type": "json_schema", "json_schema": { "name": "list", "schema": schema } });
    let kinds = [
        json!({ "temperature": 0.7 }),
        json!({ "temperature": 1.0, "top_p": 0.95, "logprobs": true, "top_logprobs": 5 }),
        json!({ "temperature": 0.8, "response_format": format(&strings) }),
        json!({ "temperature": 0.6, "frequency_penalty": 0.6, "presence_penalty": 0.4 }),
        json!({ "temperature": 1.3, "top_k": 50, "min_p": 0.02, "repeat_penalty": 1.15 }),
        json!({ "temperature": 0.9, "response_format": format(&numbers), "logprobs": true, "top_logprobs": 2 }),
        json!({ "temperature": 2.0 }),
    ];
    let [text, turn] = ENDS;
    let mut body = json!({
        "model": MODEL, "messages": [{ "role": "user", "content": QUESTIONS[index % QUESTIONS.len()] }],
        "max_tokens": LEAST + index % 40, "stream": !index.is_multiple_of(3), "logit_bias": { text: -100, turn: -100 },
    });
    body.as_object_mut().unwrap().extend(kinds[index % kinds.len()].as_object().unwrap().clone());
    body
}

//! The part `replays`: compares the speed of replaying answers with the speed of generating them, on the same threads.

use std::time::Instant;

use quoth_tests::{Node, Request, command, save, transcripts_under_load};
use serde_json::{Value, json};

use super::settings::{self, THREADS, TOKENS};
use crate::machine;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::row::{Goal, Row};

/// Numbers of chats at the same time.
const CHATS: [usize; 2] = [1, 8];

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    CHATS.into_iter().map(|count| runtime.block_on(of(plan, count))).collect()
}

async fn of(plan: &Plan, count: usize) -> Row {
    let node = Node::with(settings::options(plan, 8)).await;
    let model = super::chat::model_of(&node);
    let mut pair = Pair::default();
    for round in 1..=plan.rounds {
        eprintln!("replays: {count} chats, turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let requests = (0..count).map(|seed| Request { body: body(&model, seed), hang_up_after: None }).collect();
        let start = Instant::now();
        let transcripts = transcripts_under_load(&node, requests, count).await;
        let generating = start.elapsed().as_secs_f64();

        let folder = tempfile::tempdir().unwrap();
        let mut replay = command("quoth-verify");
        replay.arg("replay").args(save(folder.path(), &transcripts)).arg("--json");
        replay.args(["--threads", &THREADS.to_string()]).arg("--model").arg(&plan.model);
        let output = replay.arg("--policy").arg(node.policy_file()).output().unwrap();
        let summary: Value =
            serde_json::from_slice(output.stdout.split(|b| *b == b'\n').rev().nth(1).unwrap()).unwrap();
        assert_eq!(summary["match"], count, "{summary}");
        pair.push(
            (count * TOKENS) as f64 / summary["replay_seconds"].as_f64().unwrap(),
            (count * TOKENS) as f64 / generating,
        );
    }
    let chats = if count == 1 { "an answer" } else { "8 answers, given at once," };
    pair.row(&format!("{chats} run again, sampling and comparing included"), "giving them", "tokens/s", Goal::None)
}

/// Returns a request for a story of exactly [`TOKENS`] tokens.
fn body(model: &str, seed: usize) -> Value {
    json!({
        "model": model, "messages": [{ "role": "user", "content": super::chat::QUESTION }], "max_tokens": TOKENS,
        "temperature": 0.8, "seed": seed, "stream": true, "logit_bias": { "0": -100, "2": -100 },
    })
}

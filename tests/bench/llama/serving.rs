//! The part `serving`: compares many chats over HTTPS with llama.cpp's HTTP server and batched bench.
//!
//! The peers run with the engine's flags and with llama.cpp's defaults. The defaults show the cost of exact arithmetic. It also
//! measures how a long prompt delays running answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quoth_tests::{Node, Options};

use super::benches::{Benches, Flags};
use super::chat::{self, Answer, Door, Question};
use super::server::Server;
use super::settings;

use crate::machine;
use crate::node;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::percentile;

/// Numbers of chats at the same time.
const CHATS: [usize; 4] = [1, 4, 8, 16];
const MOST: usize = 16;
/// Number of running chats when a long prompt arrives.
const RUNNING: usize = 4;
/// Their length, tokens. More than needed.
const RUNNING_TOKENS: usize = 300;
/// Time until the long prompt arrives.
const HEAD_START: Duration = Duration::from_millis(1500);
/// Length of the long prompt, words. It has about as many tokens.
const LONG: usize = 1000;

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let node = Host::start(plan, None);
    let wide = plan.wide.as_ref().map(|program| Host::start(plan, Some(program)));
    let servers = plan.servers.as_deref().expect("--servers");
    let mut rows = speeds(plan, servers, &node, wide.as_ref().unwrap_or(&node));
    drop(wide);
    rows.extend(latencies(plan, servers, &node));
    rows
}

/// A node, and questions with answers of full length.
struct Host {
    node: Node,
    model: String,
    stories: Vec<Question>,
}

impl Host {
    fn start(plan: &Plan, enclave: Option<&PathBuf>) -> Self {
        let more = enclave.iter().flat_map(|path| ["--enclave".into(), path.display().to_string()]).collect();
        let node = node::start(Options { more, ..settings::options(plan, MOST as u32) });
        let model = chat::model_of(&node);
        let stories = chat::stories(&node, &model, MOST);
        Self { node, model, stories }
    }

    /// Returns tokens per second of `count` chats.
    fn speed(&self, count: usize) -> f64 {
        machine::wait_until_quiet();
        chat::speed(&chat::together(Door::Node(&self.node), &self.model, &self.stories[..count]))
    }
}

/// Measures tokens per second. llama.cpp's defaults use all instructions of the processor, so they are compared with the widest
/// build of the engine.
fn speeds(plan: &Plan, servers: &Path, node: &Host, widest: &Host) -> Vec<Row> {
    let prompt = chat::together(Door::Node(&node.node), &node.model, &node.stories[..1])[0].prompt_tokens;
    let bench = |folder| Benches { folder, model: &plan.model, prompt, room: MOST };
    let (exact, defaults) = (servers.join("exact"), servers.join("defaults"));
    let served = |folder: &Path, flags, count: usize| {
        let server = Server::start(folder, &plan.model, flags, MOST);
        // One request to warm up, as for the node.
        chat::together(Door::Server(&server), &node.model, &node.stories[..1]);
        machine::wait_until_quiet();
        chat::speed(&chat::together(Door::Server(&server), &node.model, &node.stories[..count]))
    };
    let mut pairs: Vec<[Pair; 4]> = CHATS.iter().map(|_| Default::default()).collect();
    for round in 1..=plan.rounds {
        for (count, pairs) in CHATS.into_iter().zip(&mut pairs) {
            eprintln!("serving: {count} chats, turn {round} of {}", plan.rounds);
            // Each measurement of Quoth stands between those of two peers.
            let server = served(&exact, Flags::Exact, count);
            let ours = node.speed(count);
            pairs[0].push(ours, server);
            pairs[1].push(ours, bench(&plan.peers).batched_bench("batched-bench", Flags::Exact, count));
            let server = served(&defaults, Flags::Defaults, count);
            let ours = widest.speed(count);
            pairs[2].push(ours, server);
            pairs[3].push(ours, bench(&defaults).batched_bench("llama-batched-bench", Flags::Defaults, count));
        }
    }
    let isa = if plan.wide.is_some() { " (x86-64-v4)" } else { "" };
    let peers = [
        ("llama-server, same flags", "", Goal::AtLeast(1.0)),
        ("batched-bench, same flags", "", Goal::AtLeast(0.98)),
        ("llama-server, its defaults", isa, Goal::None),
        ("batched-bench, its defaults", isa, Goal::None),
    ];
    let rows = peers.iter().enumerate().flat_map(|(index, (peer, isa, goal))| {
        CHATS.iter().zip(&pairs).map(move |(count, pairs)| {
            let chats = if *count == 1 { "chat" } else { "chats at once" };
            pairs[index].row(&format!("{count} {chats}, prompts included{isa}"), peer, "tokens/s", *goal)
        })
    });
    rows.collect()
}

/// Measures milliseconds between words, and to the first word of the answer to a long prompt.
fn latencies(plan: &Plan, servers: &Path, host: &Host) -> Vec<Row> {
    let Host { node, model, stories } = host;
    let server = Server::start(&servers.join("exact"), &plan.model, Flags::Exact, MOST);
    let (mut eight, mut first, mut typical, mut worst) =
        (Pair::default(), Pair::default(), Pair::default(), Pair::default());
    for round in 1..=plan.rounds {
        eprintln!("serving: latencies, turn {round} of {}", plan.rounds);
        let measure = |door: Door<'_>| {
            machine::wait_until_quiet();
            let answers = chat::together(door, model, &stories[..8]);
            let start = answers.iter().map(|answer| answer.words[0]).max().unwrap();
            let end = answers.iter().map(|answer| answer.end).min().unwrap();
            (percentile(gaps(&answers, start, end), 0.99), beside(door, model))
        };
        let (ours, peers) = (measure(Door::Node(node)), measure(Door::Server(&server)));
        eight.push(ours.0, peers.0);
        first.push(ours.1.first, peers.1.first);
        typical.push(ours.1.typical, peers.1.typical);
        worst.push(ours.1.worst, peers.1.worst);
    }
    let row = |what: &str, pair: &Pair| pair.row(what, "llama-server, same flags", "ms", Goal::AtMost(1.0));
    vec![
        row("8 chats: from word to word, 99th percentile", &eight),
        row("4 chats, and a prompt of 1,000 tokens comes: its first word", &first),
        row("meanwhile, for the 4: from word to word, median", &typical),
        row("meanwhile, for the 4: from word to word, 99th percentile", &worst),
    ]
}

/// Times of a long prompt beside running chats, milliseconds.
struct Beside {
    first: f64,
    typical: f64,
    worst: f64,
}

fn beside(door: Door<'_>, model: &str) -> Beside {
    let endless = |seed| Question { tokens: RUNNING_TOKENS, endless: true, ..Question::story(seed) };
    let running: Vec<Question> = (0..RUNNING as u32).map(endless).collect();
    let long = Question { text: "lighthouse ".repeat(LONG), tokens: 1, endless: true, seed: 1 };
    let (answers, late) = std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            let mut connection = door.open();
            connection.get("/v1/models");
            std::thread::sleep(HEAD_START);
            chat::chat(door, &mut connection, model, &long)
        });
        (chat::together(door, model, &running), late.join().unwrap())
    });
    let first = late.words.first().copied().unwrap_or(late.end);
    assert!(answers.iter().all(|answer| answer.end > first), "the running chats ended too early");
    let gaps = gaps(&answers, late.asked, first);
    let first = (first - late.asked).as_secs_f64() * 1e3;
    Beside { first, typical: percentile(gaps.clone(), 0.5), worst: percentile(gaps, 0.99) }
}

/// Returns milliseconds from each word to the next, between two moments.
fn gaps(answers: &[Answer], start: Instant, end: Instant) -> Vec<f64> {
    let within = |pair: &&[Instant]| pair[1] > start && pair[0] < end;
    let pairs = answers.iter().flat_map(|answer| answer.words.windows(2).filter(within));
    pairs.map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect()
}

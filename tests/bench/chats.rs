//! Chats over HTTPS, streamed and sampled, against llama.cpp's own benches of nothing but decoding.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;

use quoth_tests::{Node, Options};
use serde_json::{Value, json};

use crate::Plan;
use crate::client::Connection;
use crate::machine;
use crate::page::{Goal, Row};
use crate::statistics::Series;

const THREADS: u32 = 2;
const CONTEXT: u32 = 2048;
const PARALLEL: usize = 8;
/// Tokens of each answer.
const TOKENS: usize = 128;
/// Tokens of one decode step, as the engine has them.
const BATCH: &str = "512";
/// Seeds tried until enough of them give answers of full length.
const SEEDS: u32 = 100;

const QUESTION: &str = "Tell me a long story about an old lighthouse keeper who finds a message in a bottle.";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let options = Options {
        parallel: PARALLEL as u32,
        threads: THREADS,
        context: CONTEXT,
        model: Some(plan.model.clone()),
        ..Options::default()
    };
    let node = crate::start(options);
    let ours = Chats::new(&node);
    let peer = Peer { folder: &plan.peers, model: &plan.model, prompt: ours.prompt_tokens };

    let mut one = Pair::default();
    let mut whole = Pair::default();
    let mut eight = Pair::default();
    let mut batched_one = Pair::default();
    for round in 1..=plan.rounds {
        eprintln!("chats: turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let chat = ours.run(1);
        let decoding = peer.llama_bench(&["-p", "0", "-n", &TOKENS.to_string(), "-d", &peer.prompt.to_string()]);
        one.push(chat.generation, decoding);
        machine::wait_until_quiet();
        let chat = ours.run(1);
        let shape = format!("{},{TOKENS}", peer.prompt);
        let both = peer.llama_bench(&["-p", "0", "-n", "0", "-pg", &shape]);
        // It counts the prompt's tokens too.
        whole.push(chat.whole, both * TOKENS as f64 / (TOKENS + peer.prompt) as f64);
        machine::wait_until_quiet();
        let chat = ours.run(1);
        batched_one.push(chat.whole, peer.batched_bench(1));
        machine::wait_until_quiet();
        let chats = ours.run(PARALLEL);
        eight.push(chats.whole, peer.batched_bench(PARALLEL));
    }
    let goal = Goal::AtLeast(0.95);
    let row = |what: &str, peer: &str, pair: &Pair| Row {
        what: what.into(),
        ours: format!("{:.1} tokens/s", pair.ours.median()),
        peer: format!("{peer}: {:.1} tokens/s", pair.peer.median()),
        value: pair.ours.over(&pair.peer),
        goal,
    };
    vec![
        row("1 chat, first to last token", "llama-bench tg", &one),
        row("1 chat, request to end, prompt included", "llama-bench pp+tg", &whole),
        row("1 chat, request to end, prompt included", "batched-bench, 1 sequence", &batched_one),
        row("8 parallel chats, first request to last end, prompts included", "batched-bench, 8 sequences", &eight),
    ]
}

#[derive(Default)]
struct Pair {
    ours: Series,
    peer: Series,
}

impl Pair {
    fn push(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }
}

/// Chats with the node, each on a connection of its own.
struct Chats<'a> {
    node: &'a Node,
    model: String,
    seeds: Vec<u32>,
    prompt_tokens: usize,
}

/// Tokens a second.
struct Speed {
    /// All tokens, over the time from the first request to the last end.
    whole: f64,
    /// The first chat's tokens after its first, over the time from its first to its last.
    generation: f64,
}

struct Answer {
    first: Instant,
    last: Instant,
    end: Instant,
    tokens: usize,
    prompt_tokens: usize,
}

impl<'a> Chats<'a> {
    /// Finds seeds whose answers are not shorter than they may be: the same seed gives the same answer, alone or not.
    fn new(node: &'a Node) -> Self {
        let mut connection = Connection::open(node);
        let model = connection.get("/v1/models")["data"][0]["id"].as_str().unwrap().to_owned();
        let mut seeds = Vec::new();
        let mut prompt_tokens = 0;
        for seed in 1..=SEEDS {
            let answer = chat(&mut connection, &model, seed);
            if answer.tokens == TOKENS {
                prompt_tokens = answer.prompt_tokens;
                seeds.push(seed);
            }
            if seeds.len() == PARALLEL {
                return Self { node, model, seeds, prompt_tokens };
            }
        }
        panic!("of {SEEDS} seeds only {} give {TOKENS} tokens", seeds.len());
    }

    /// Connections are open, and have been used, before the clock starts: clients keep theirs.
    fn run(&self, count: usize) -> Speed {
        let mut connections: Vec<Connection> = (0..count).map(|_| Connection::open(self.node)).collect();
        for connection in &mut connections {
            connection.get("/v1/models");
        }
        let barrier = Barrier::new(count + 1);
        let (start, answers) = std::thread::scope(|scope| {
            let chats: Vec<_> = connections
                .iter_mut()
                .zip(&self.seeds)
                .map(|(connection, seed)| {
                    let (barrier, model) = (&barrier, &self.model);
                    scope.spawn(move || {
                        barrier.wait();
                        chat(connection, model, *seed)
                    })
                })
                .collect();
            barrier.wait();
            let start = Instant::now();
            (start, chats.into_iter().map(|chat| chat.join().unwrap()).collect::<Vec<_>>())
        });
        assert!(answers.iter().all(|answer| answer.tokens == TOKENS), "the same seed gave another answer");
        let seconds = |from: Instant, to: Instant| (to - from).as_secs_f64();
        let end = answers.iter().map(|answer| answer.end).max().unwrap();
        Speed {
            whole: (TOKENS * count) as f64 / seconds(start, end),
            generation: (TOKENS - 1) as f64 / seconds(answers[0].first, answers[0].last),
        }
    }
}

fn chat(connection: &mut Connection, model: &str, seed: u32) -> Answer {
    let body = json!({
        "model": model, "messages": [{ "role": "user", "content": QUESTION }],
        "max_tokens": TOKENS, "temperature": 0.8, "seed": seed,
        "stream": true, "stream_options": { "include_usage": true },
    });
    let mut stream = Vec::new();
    let mut times: Vec<(usize, Instant)> = Vec::new();
    let head = connection.post("/v1/chat/completions", body.to_string().as_bytes(), |piece| {
        stream.extend_from_slice(piece);
        times.push((stream.len(), Instant::now()));
    });
    let end = Instant::now();
    assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&stream));
    read(&stream, &times, end)
}

/// Finds in a stream when its first and its last text came, and how many tokens it counts.
fn read(stream: &[u8], times: &[(usize, Instant)], end: Instant) -> Answer {
    let text = std::str::from_utf8(stream).unwrap();
    assert!(text.contains(": quoth receipt "), "an answer without a receipt");
    let came = |offset: usize| times[times.partition_point(|(length, _)| *length <= offset)].1;
    let mut offset = 0;
    let (mut first, mut last, mut usage) = (None, None, None);
    for line in text.split_inclusive('\n') {
        let at = offset;
        offset += line.len();
        let Some(event) = line.strip_prefix("data: ").filter(|event| event.starts_with('{')) else { continue };
        let event: Value = serde_json::from_str(event).unwrap();
        if event["choices"][0]["delta"]["content"].as_str().is_some_and(|content| !content.is_empty()) {
            first.get_or_insert(came(at));
            last = Some(came(at));
        }
        if event["usage"].is_object() {
            usage = Some(event["usage"].clone());
        }
    }
    let usage = usage.expect("a usage chunk");
    let count = |name: &str| usage[name].as_u64().unwrap() as usize;
    Answer {
        first: first.expect("a text"),
        last: last.expect("a text"),
        end,
        tokens: count("completion_tokens"),
        prompt_tokens: count("prompt_tokens"),
    }
}

/// llama.cpp's own benches, at the engine's flags.
struct Peer<'a> {
    folder: &'a PathBuf,
    model: &'a Path,
    prompt: usize,
}

impl Peer<'_> {
    /// Tokens a second of the one test that the arguments name.
    fn llama_bench(&self, arguments: &[&str]) -> f64 {
        let more = ["-fa", "0", "-r", "1", "-o", "jsonl"];
        let result = self.run("llama-bench", &[arguments, &more].concat());
        result["avg_ts"].as_f64().unwrap()
    }

    /// Tokens generated a second, the time for the prompts included.
    fn batched_bench(&self, sequences: usize) -> f64 {
        let context = (CONTEXT as usize * PARALLEL).to_string();
        let (prompt, tokens, sequences) = (self.prompt.to_string(), TOKENS.to_string(), sequences.to_string());
        let shape = ["-npp", &prompt, "-ntg", &tokens, "-npl", &sequences, "-c", &context];
        let more = ["-fa", "off", "-no-kvu", "--output-format", "jsonl"];
        let result = self.run("batched-bench", &[shape.as_slice(), &more].concat());
        let count = |name: &str| result[name].as_f64().unwrap();
        count("pl") * count("tg") / count("t")
    }

    /// Runs a bench and reads the one line of JSON that it prints.
    fn run(&self, program: &str, arguments: &[&str]) -> Value {
        let mut command = Command::new(self.folder.join(program));
        command.arg("-m").arg(self.model).args(["-t", &THREADS.to_string(), "-b", BATCH, "-ub", BATCH]).args(arguments);
        let output = command.env("GGML_CPU_TILED_MM", "0").stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let mut results = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let result = results.next().unwrap_or_else(|| panic!("{program} printed no result:\n{text}"));
        assert!(results.next().is_none(), "{program} printed more than one result");
        result
    }
}

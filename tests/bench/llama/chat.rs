//! Streamed chats with the arrival time of each word: one chat, or many at once.

use std::sync::Barrier;
use std::time::Instant;

use quoth_tests::Node;
use serde_json::{Value, json};

use super::server::Server;
use super::settings::TOKENS;
use crate::client::Connection;

pub(super) const QUESTION: &str =
    "Tell me a long story about an old lighthouse keeper who finds a message in a bottle.";
/// Maximum number of seeds that are tried to find answers of full length.
const SEEDS: u32 = 200;

/// The server to talk to.
#[derive(Clone, Copy)]
pub(crate) enum Door<'a> {
    Node(&'a Node),
    Server(&'a Server),
}

/// The question of a chat.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) tokens: usize,
    /// Whether the answer must have full length.
    pub(crate) endless: bool,
    pub(crate) seed: u32,
}

/// The times of a chat.
pub(crate) struct Answer {
    /// When the question was sent.
    pub(crate) asked: Instant,
    /// When each event with text arrived.
    pub(crate) words: Vec<Instant>,
    pub(crate) end: Instant,
    pub(crate) tokens: usize,
    pub(crate) prompt_tokens: usize,
}

impl Question {
    /// Returns the question for a story. With a suitable seed the answer has full length.
    pub(crate) fn story(seed: u32) -> Self {
        Self { text: QUESTION.into(), tokens: TOKENS, endless: false, seed }
    }
}

impl Door<'_> {
    pub(crate) fn open(self) -> Connection {
        match self {
            Self::Node(node) => Connection::open(node),
            Self::Server(server) => Connection::plain(server.port()),
        }
    }

    fn body(self, model: &str, question: &Question) -> Value {
        let mut body = json!({
            "model": model, "messages": [{ "role": "user", "content": question.text }],
            "max_tokens": question.tokens, "temperature": 0.8, "seed": question.seed,
            "stream": true, "stream_options": { "include_usage": true },
        });
        match self {
            Self::Node(_) if question.endless => body["logit_bias"] = json!({ "0": -100, "2": -100 }),
            Self::Node(_) => {}
            Self::Server(_) => {
                body["ignore_eos"] = true.into();
                // The node has nothing cached for a new connection.
                body["cache_prompt"] = false.into();
            }
        }
        body
    }
}

/// Asks, and reads the whole answer.
pub(crate) fn chat(door: Door<'_>, connection: &mut Connection, model: &str, question: &Question) -> Answer {
    let body = door.body(model, question).to_string();
    let mut stream = Vec::new();
    let mut times: Vec<(usize, Instant)> = Vec::new();
    let asked = Instant::now();
    let head = connection.post("/v1/chat/completions", body.as_bytes(), |piece| {
        stream.extend_from_slice(piece);
        times.push((stream.len(), Instant::now()));
    });
    let end = Instant::now();
    let text = String::from_utf8(stream).unwrap();
    assert_eq!(head.status, 200, "{text}");
    assert!(matches!(door, Door::Server(_)) || text.contains(": quoth receipt "), "an answer without a receipt");
    read(&text, &times, asked, end)
}

/// Finds the arrival time of each text in a stream, and the number of tokens.
fn read(text: &str, times: &[(usize, Instant)], asked: Instant, end: Instant) -> Answer {
    let came = |offset: usize| times[times.partition_point(|(length, _)| *length <= offset)].1;
    let mut offset = 0;
    let (mut words, mut usage) = (Vec::new(), None);
    for line in text.split_inclusive('\n') {
        let at = offset;
        offset += line.len();
        let Some(event) = line.strip_prefix("data: ").filter(|event| event.starts_with('{')) else { continue };
        let event: Value = serde_json::from_str(event).unwrap();
        if event["choices"][0]["delta"]["content"].as_str().is_some_and(|content| !content.is_empty()) {
            words.push(came(at));
        }
        if event["usage"].is_object() {
            usage = Some(event["usage"].clone());
        }
    }
    let usage = usage.expect("a usage chunk");
    let count = |name: &str| usage[name].as_u64().unwrap() as usize;
    assert!(!words.is_empty(), "a text");
    Answer { asked, words, end, tokens: count("completion_tokens"), prompt_tokens: count("prompt_tokens") }
}

/// Asks all questions at the same time, each on its own connection. The connections were used before, as those of usual
/// clients.
pub(crate) fn together(door: Door<'_>, model: &str, questions: &[Question]) -> Vec<Answer> {
    let mut connections: Vec<Connection> = questions.iter().map(|_| door.open()).collect();
    for connection in &mut connections {
        connection.get("/v1/models");
    }
    let barrier = Barrier::new(questions.len());
    std::thread::scope(|scope| {
        let chats: Vec<_> = connections
            .iter_mut()
            .zip(questions)
            .map(|(connection, question)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    chat(door, connection, model, question)
                })
            })
            .collect();
        chats.into_iter().map(|chat| chat.join().unwrap()).collect()
    })
}

/// Returns tokens per second of all answers together, from the first question to the last end.
pub(crate) fn speed(answers: &[Answer]) -> f64 {
    assert!(answers.iter().all(|answer| answer.tokens == TOKENS), "the same seed gave another answer");
    let start = answers.iter().map(|answer| answer.asked).min().unwrap();
    let end = answers.iter().map(|answer| answer.end).max().unwrap();
    (TOKENS * answers.len()) as f64 / (end - start).as_secs_f64()
}

/// Finds questions with answers of full length. The same seed always gives the same answer.
pub(crate) fn stories(node: &Node, model: &str, count: usize) -> Vec<Question> {
    let mut found = Vec::new();
    for first in (1..=SEEDS).step_by(count) {
        let questions: Vec<Question> = (first..).take(count).map(Question::story).collect();
        let answers = together(Door::Node(node), model, &questions);
        let whole = questions.into_iter().zip(answers).filter(|(_, answer)| answer.tokens == TOKENS);
        found.extend(whole.map(|(question, _)| question));
        if found.len() >= count {
            found.truncate(count);
            return found;
        }
    }
    panic!("of {SEEDS} seeds only {} give {TOKENS} tokens", found.len());
}

/// Returns the name of the node's model.
pub(crate) fn model_of(node: &Node) -> String {
    Connection::open(node).get("/v1/models")["data"][0]["id"].as_str().unwrap().to_owned()
}

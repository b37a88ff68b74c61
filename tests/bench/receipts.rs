//! The part `receipts`: compares a node with a build without receipts, to measure their cost.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quoth_tests::{Node, Options};
use serde_json::{Value, json};

use crate::client::Connection;
use crate::machine::{self, Usage};
use crate::node;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::slice;
use crate::statistics::Series;

/// Number of connections that ask one question after the other.
const CONNECTIONS: usize = 4;
/// Number of threads that compute tokens.
const ENGINE: &[&str] = &["engine"];
/// Context length, tokens. Small, so that the engine's share stays small.
const CONTEXT: u32 = 256;
/// Pause for a stalled disk to catch up.
const STALL: Duration = Duration::from_secs(2);
const SLICE: Duration = Duration::from_secs(1);
/// Number of slices of each server for each turn of the other benches, because slices are short.
const SLICES_A_ROUND: usize = 4;

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let with = Server::start(Vec::new(), true);
    let without = Server::start(vec!["--enclave".into(), plan.without_receipts.to_str().unwrap().to_owned()], false);
    [1024, 64 << 10].into_iter().flat_map(|size| at(size, &with, &without, plan.rounds * SLICES_A_ROUND)).collect()
}

/// Alternates the order: with and without, then without and with, and so on.
fn at(size: usize, with: &Server, without: &Server, turns: usize) -> Vec<Row> {
    let (mut ours, mut bare) = (Slices::default(), Slices::default());
    let asks = [Ask::chat(size), Ask::completion(size)];
    for (server, ask) in [(with, &asks[0]), (without, &asks[0])] {
        server.slice(ask);
    }
    for turn in 0..turns {
        if turn % 4 == 0 {
            eprintln!("receipts: {} KiB bodies, turn {} of {turns}", size >> 10, turn + 1);
            machine::wait_until_quiet();
        }
        for (ask, measured) in asks.iter().zip([Measured::Rate, Measured::Micros]) {
            match turn % 2 {
                0 => {
                    ours.push(measured, with.slice(ask));
                    bare.push(measured, without.slice(ask));
                }
                _ => {
                    bare.push(measured, without.slice(ask));
                    ours.push(measured, with.slice(ask));
                }
            }
        }
    }
    let kib = size >> 10;
    let cost = ours.micros.with(&bare.micros, |with, without| with - without);
    vec![
        Row {
            what: format!("requests with {kib} KiB bodies, receipts on"),
            ours: format!("{:.0} /s", ours.rate.median()),
            peer: format!("receipts off: {:.0} /s", bare.rate.median()),
            value: ours.rate.over(&bare.rate),
            goal: Goal::AtLeast(0.98),
        },
        Row {
            what: format!("receipt work a request, {kib} KiB bodies (CPU of the enclave, engine thread apart)"),
            ours: format!("{:.1} µs", ours.micros.median()),
            peer: format!("receipts off: {:.1} µs", bare.micros.median()),
            value: cost,
            goal: if size == 1024 { Goal::MicrosAtMost(30.0) } else { Goal::Micros },
        },
    ]
}

/// A short question with an answer of one token, filled with white space. The engine's work is the same for every size.
struct Ask {
    path: &'static str,
    body: Vec<u8>,
    /// The place of a number that differs in each request, and the next number. So no beginning of a prompt is in the cache.
    number: Option<(usize, AtomicU64)>,
}

/// Placeholder of that number in the body.
const NUMBER: &str = "00000000";

impl Ask {
    /// A typical question, for measuring throughput.
    fn chat(size: usize) -> Self {
        let messages = json!([{ "role": "system", "content": NUMBER }, { "role": "user", "content": "Hi" }]);
        let question =
            json!({ "model": Node::MODEL, "messages": messages, "max_tokens": 1, "temperature": 0, "seed": 1 });
        let body = filled(&question, size);
        let place = body.windows(NUMBER.len()).position(|window| window == NUMBER.as_bytes()).unwrap();
        Self { path: "/v1/chat/completions", body, number: Some((place, AtomicU64::new(0))) }
    }

    /// A minimal question, so that the receipt's share of the processor time is large.
    fn completion(size: usize) -> Self {
        let question = json!({ "model": Node::MODEL, "prompt": "Hi", "max_tokens": 1, "temperature": 0, "seed": 1 });
        Self { path: "/v1/completions", body: filled(&question, size), number: None }
    }

    /// The next request's body.
    fn body(&self) -> Cow<'_, [u8]> {
        let Some((place, number)) = &self.number else { return (&self.body).into() };
        let mut body = self.body.clone();
        let digits = format!("{:08}", number.fetch_add(1, Ordering::Relaxed));
        body[*place..*place + NUMBER.len()].copy_from_slice(digits.as_bytes());
        body.into()
    }
}

fn filled(question: &Value, size: usize) -> Vec<u8> {
    let mut body = question.to_string().into_bytes();
    let end = body.pop().unwrap();
    body.resize(size - 1, b' ');
    body.push(end);
    body
}

/// The purpose of a slice of time.
#[derive(Clone, Copy)]
enum Measured {
    Rate,
    Micros,
}

#[derive(Default)]
struct Slices {
    /// Requests per second.
    rate: Series,
    /// Processor time of the enclave for a request, microseconds.
    micros: Series,
}

impl Slices {
    fn push(&mut self, measured: Measured, (rate, micros): (f64, f64)) {
        match measured {
            Measured::Rate => self.rate.push(rate),
            Measured::Micros => self.micros.push(micros),
        }
    }
}

struct Server {
    node: Node,
    has_receipts: bool,
}

impl Server {
    fn start(more: Vec<String>, has_receipts: bool) -> Self {
        let options =
            Options { parallel: CONNECTIONS as u32, threads: 1, context: CONTEXT, more, ..Options::default() };
        Self { node: node::start(options), has_receipts }
    }

    /// Measures requests per second and processor time per request over one slice of time.
    fn slice(&self, ask: &Ask) -> (f64, f64) {
        loop {
            let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(&self.node)).collect();
            // The first answer completes the last work of the handshakes, such as tickets.
            for connection in &mut connections {
                self.ask(connection, ask);
            }
            let enclave = self.node.enclave();
            let (before, start) = (Usage::without(enclave, ENGINE), Instant::now());
            let requests = slice::requests(&mut connections, SLICE, |connection| self.ask(connection, ask));
            let (elapsed, after) = (start.elapsed().as_secs_f64(), Usage::without(enclave, ENGINE));
            let Some(requests) = requests else {
                eprintln!("the disk stalled until the journal was full: this slice is taken again");
                std::thread::sleep(STALL);
                continue;
            };
            if let Some(used) = after.since(&before) {
                return (requests as f64 / elapsed, used.as_secs_f64() * 1e6 / requests as f64);
            }
        }
    }

    /// Sends one request. Returns `None` if the node refuses because the host's disk is too slow.
    fn ask(&self, connection: &mut Connection, ask: &Ask) -> Option<()> {
        let head = connection.post(ask.path, &ask.body(), |_| ());
        if head.status == 503 {
            return None;
        }
        assert_eq!((head.status, head.has_receipt), (200, self.has_receipts));
        Some(())
    }
}

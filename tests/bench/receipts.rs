//! What receipts cost: the same server with all receipt work compiled out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quoth_tests::{Node, Options};
use serde_json::json;

use crate::Plan;
use crate::client::Connection;
use crate::machine::{self, Usage};
use crate::page::{Goal, Row};
use crate::statistics::Series;

/// Connections that ask one question after the other.
const CONNECTIONS: usize = 4;
/// Threads that compute tokens: the same work on both sides, and much of it.
const ENGINE: &[&str] = &["engine"];
const SLICE: Duration = Duration::from_secs(2);
/// Slices of each server, for every turn of the other benches: these are short.
const SLICES_A_ROUND: usize = 2;

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let with = Server::start(Vec::new(), true);
    let without = Server::start(vec!["--enclave".into(), plan.without_receipts.to_str().unwrap().to_owned()], false);
    [1024, 64 << 10].into_iter().flat_map(|size| at(size, &with, &without, plan.rounds * SLICES_A_ROUND)).collect()
}

/// Takes turns: with, without; without, with; and so on.
fn at(size: usize, with: &Server, without: &Server, turns: usize) -> Vec<Row> {
    let body = body(size);
    let (mut ours, mut bare) = (Slices::default(), Slices::default());
    for server in [with, without] {
        server.slice(&body);
    }
    for turn in 0..turns {
        if turn % 4 == 0 {
            eprintln!("receipts: {} KiB bodies, turn {} of {turns}", size >> 10, turn + 1);
            machine::wait_until_quiet();
        }
        match turn % 2 {
            0 => {
                ours.push(with.slice(&body));
                bare.push(without.slice(&body));
            }
            _ => {
                bare.push(without.slice(&body));
                ours.push(with.slice(&body));
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

/// A short question, filled up with white space: the engine's part is small and the same for every size.
fn body(size: usize) -> Vec<u8> {
    let question = json!({
        "model": Node::MODEL, "messages": [{ "role": "user", "content": "Hi" }],
        "max_tokens": 1, "temperature": 0, "seed": 1,
    });
    let mut body = question.to_string().into_bytes();
    let end = body.pop().unwrap();
    body.resize(size - 1, b' ');
    body.push(end);
    body
}

#[derive(Default)]
struct Slices {
    /// Requests a second.
    rate: Series,
    /// Microseconds of processor time of the enclave for a request.
    micros: Series,
}

impl Slices {
    fn push(&mut self, (rate, micros): (f64, f64)) {
        self.rate.push(rate);
        self.micros.push(micros);
    }
}

struct Server {
    node: Node,
    has_receipts: bool,
}

impl Server {
    fn start(more: Vec<String>, has_receipts: bool) -> Self {
        let options = Options { parallel: CONNECTIONS as u32, threads: 1, more, ..Options::default() };
        Self { node: crate::start(options), has_receipts }
    }

    /// Requests a second, and microseconds of processor time a request, over one slice of time.
    fn slice(&self, body: &[u8]) -> (f64, f64) {
        loop {
            let stop = AtomicBool::new(false);
            let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(&self.node)).collect();
            // The handshakes' last work, tickets and the like, is done with the first answer.
            for connection in &mut connections {
                self.ask(connection, body);
            }
            let enclave = self.node.enclave();
            let (before, start) = (Usage::without(enclave, ENGINE), Instant::now());
            let requests: usize = std::thread::scope(|scope| {
                let stop = &stop;
                let askers: Vec<_> = connections
                    .iter_mut()
                    .map(|connection| {
                        scope.spawn(move || {
                            let mut count = 0;
                            while !stop.load(Ordering::Relaxed) {
                                self.ask(connection, body);
                                count += 1;
                            }
                            count
                        })
                    })
                    .collect();
                std::thread::sleep(SLICE);
                stop.store(true, Ordering::Relaxed);
                askers.into_iter().map(|asker| asker.join().unwrap()).sum()
            });
            let (elapsed, after) = (start.elapsed().as_secs_f64(), Usage::without(enclave, ENGINE));
            if let Some(used) = after.since(&before) {
                return (requests as f64 / elapsed, used.as_secs_f64() * 1e6 / requests as f64);
            }
        }
    }

    fn ask(&self, connection: &mut Connection, body: &[u8]) {
        let head = connection.post("/v1/chat/completions", body, |_| ());
        assert_eq!((head.status, head.has_receipt), (200, self.has_receipts));
    }
}

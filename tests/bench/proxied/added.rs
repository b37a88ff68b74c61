//! Measures the time that a node adds to an answer, and the time that nginx adds, one request at a time.

use std::time::Instant;

use super::door::Door;
use super::house::House;
use super::nginx::Nginx;
use super::provider::{Http, Provider};
use super::question::{STALL, TARGET, ask, question};
use crate::client::Connection;
use crate::machine;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::{Series, percentile};

/// Number of requests in a block, before the other side's turn.
const BLOCK: usize = 250;
/// Number of blocks of each side in a round.
const BLOCKS: usize = 8;
/// The beginning of the answer, in the first event with words.
const FIRST: &[u8] = b"\"content\":\"You";

/// The client always speaks HTTP/1.1. The node speaks `http` to the provider, nginx always HTTP/1.1.
pub(super) fn measure(plan: &Plan, http: Http, node: &House, nginx: &Nginx, provider: &Provider) -> Vec<Row> {
    let over = http.name();
    let (mut whole, mut streams) = ([Sides::default(), Sides::default()], [Sides::default(), Sides::default()]);
    for round in 1..=plan.rounds {
        eprintln!("proxied: latency, {over}, turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        // A node does not wait long for a first request.
        let mut connections = [node.connect(), nginx.connect(), provider.connect()];
        let times = turns(&mut connections, answered);
        for (sides, share) in whole.iter_mut().zip([0.5, 0.99]) {
            sides.push(&times, share);
        }
        for (sides, time) in streams.iter_mut().zip([begun, spoken]) {
            sides.push(&turns(&mut connections, time), 0.5);
        }
    }
    let ([median, worst], [byte, word]) = (&whole, &streams);
    let row = |sides: &Sides, what: &str, goal| sides.added(&format!("{what}, {over} to the provider"), goal);
    vec![
        row(median, "a proxied request, its whole answer: added, median", Goal::MillisAtMost(0.3)),
        row(worst, "a proxied request, its whole answer: added, 99th percentile", Goal::MillisAtMost(2.0)),
        row(byte, "a proxied stream, its first byte: added, median", Goal::MillisAtMost(0.3)),
        row(word, "a proxied stream, its first word: added, median", Goal::Millis),
    ]
}

/// Times through the node, through nginx and directly to the provider, milliseconds.
#[derive(Default)]
struct Sides {
    ours: Series,
    nginx: Series,
    straight: Series,
}

impl Sides {
    /// Adds this percentile of the times of each side.
    fn push(&mut self, [ours, nginx, straight]: &[Vec<f64>; 3], share: f64) {
        self.ours.push(percentile(ours.clone(), share));
        self.nginx.push(percentile(nginx.clone(), share));
        self.straight.push(percentile(straight.clone(), share));
    }

    fn added(&self, what: &str, goal: Goal) -> Row {
        Row {
            what: what.into(),
            ours: format!("{:.3} ms", self.ours.median()),
            peer: format!(
                "straight to the provider: {:.3} ms; nginx adds {:.3} ms",
                self.straight.median(),
                self.nginx.with(&self.straight, |nginx, straight| nginx - straight).median()
            ),
            value: self.ours.with(&self.straight, |ours, straight| ours - straight),
            goal,
        }
    }
}

/// Measures the time of each request in turns, milliseconds.
fn turns(connections: &mut [Connection; 3], time: fn(&mut Connection) -> Option<f64>) -> [Vec<f64>; 3] {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..BLOCKS {
        for (connection, times) in connections.iter_mut().zip(&mut times) {
            // The first request of a block is not counted, because caches are cold.
            patiently(connection, time);
            times.extend((0..BLOCK).map(|_| patiently(connection, time)));
        }
    }
    times
}

/// Asks again while the node refuses because its host's disk is too slow for the receipts.
fn patiently(connection: &mut Connection, time: fn(&mut Connection) -> Option<f64>) -> f64 {
    loop {
        match time(connection) {
            Some(taken) => return taken,
            None => std::thread::sleep(STALL),
        }
    }
}

fn answered(connection: &mut Connection) -> Option<f64> {
    let body = question(false);
    let start = Instant::now();
    let status = ask(connection, &body).status;
    (status == 200).then(|| start.elapsed().as_secs_f64() * 1e3)
}

/// Returns the time until the first byte of a stream.
fn begun(connection: &mut Connection) -> Option<f64> {
    until(connection, |seen| !seen.is_empty())
}

/// Returns the time until the first event with words of the answer.
fn spoken(connection: &mut Connection) -> Option<f64> {
    until(connection, |seen| seen.windows(FIRST.len()).any(|window| window == FIRST))
}

/// Returns the time until `enough` accepts the received part of a stream. Reads the rest, too.
fn until(connection: &mut Connection, is_enough: fn(&[u8]) -> bool) -> Option<f64> {
    let (body, mut seen, mut first) = (question(true), Vec::new(), None);
    let start = Instant::now();
    let head = connection.post(TARGET, &body, |piece| {
        if first.is_none() {
            seen.extend_from_slice(piece);
            if is_enough(&seen) {
                first = Some(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    });
    assert!(first.is_some() || head.status == 503, "no words: {}", String::from_utf8_lossy(&seen));
    first
}

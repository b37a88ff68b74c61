//! Compares requests per second and processor time per request of a node with other proxies.

use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::door::Door;
use super::house::House;
use super::litellm::LiteLlm;
use super::nginx::Nginx;
use super::provider::Http;
use super::question::{STALL, ask, question};
use crate::client::Connection;
use crate::machine::Usage;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;
use crate::{machine, slice};

/// Number of connections that ask one question after the other.
const CONNECTIONS: usize = 4;
const SLICE: Duration = Duration::from_secs(1);
/// Number of slices of each in a round.
const SLICES: usize = 2;

/// Compares nodes with nginx. nginx speaks HTTP/1.1 to the provider, each node the newest version that its provider offers.
pub(super) fn against_nginx(plan: &Plan, nodes: &[(Http, &House)], nginx: &Nginx) -> Vec<Row> {
    let mut compared: Vec<_> = nodes.iter().map(|_| <[Pair; 3]>::default()).collect();
    turns(plan, "nginx", || {
        let peer = slice_of(nginx, &[nginx.worker()]);
        for ((_, node), [enclave, all, rate]) in nodes.iter().zip(&mut compared) {
            let ours = slice_of_node(node);
            enclave.push(ours.micros[0], peer.micros[0]);
            all.push(ours.micros[0] + ours.micros[1], peer.micros[0]);
            rate.push(ours.rate, peer.rate);
        }
    });
    let rows = nodes.iter().zip(&compared).flat_map(|((http, _), [enclave, all, rate])| {
        let over = |what: &str| format!("{what}, {} to the provider", http.name());
        [
            enclave.row(&over("processor time a proxied request, enclave"), "nginx", "µs", Goal::AtMost(1.5)),
            all.row(&over("processor time a proxied request, enclave and host"), "nginx", "µs", Goal::None),
            rate.row(&over("proxied requests, 4 connections"), "nginx", "/s", Goal::None),
        ]
    });
    rows.collect()
}

pub(super) fn without_receipts(plan: &Plan, node: &House, bare: &House) -> Vec<Row> {
    let (mut rate, mut with, mut without) = (Pair::default(), Series::default(), Series::default());
    turns(plan, "without receipts", || {
        let (ours, peer) = (slice_of_node(node), slice_of_node(bare));
        rate.push(ours.rate, peer.rate);
        with.push(ours.micros[0]);
        without.push(peer.micros[0]);
    });
    let cost = Row {
        what: "receipt work a proxied request (CPU of the enclave)".into(),
        ours: format!("{:.1} µs", with.median()),
        peer: format!("receipts off: {:.1} µs", without.median()),
        value: with.with(&without, |with, without| with - without),
        goal: Goal::Micros,
    };
    vec![rate.row("proxied requests, 4 connections, receipts on", "receipts off", "/s", Goal::None), cost]
}

pub(super) fn against_litellm(plan: &Plan, node: &House, litellm: &LiteLlm) -> Vec<Row> {
    let mut rate = Pair::default();
    turns(plan, "LiteLLM", || rate.push(slice_of_node(node).rate, slice_of(litellm, &[]).rate));
    vec![rate.row("proxied requests, 4 connections", "LiteLLM's proxy", "/s", Goal::AtLeast(20.0))]
}

/// Puts load on a node for some time.
pub(super) fn load(node: &House, time: Duration) {
    slice::requests(&mut connections(node), time, |connection| once(connection, &question(false)));
}

fn turns(plan: &Plan, against: &str, mut turn: impl FnMut()) {
    for round in 1..=plan.rounds {
        eprintln!("proxied: {against}, turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        (0..SLICES).for_each(|_| turn());
    }
}

/// The results of a slice of time.
struct Slice {
    /// Requests per second.
    rate: f64,
    /// Processor time of each process for a request, microseconds.
    micros: Vec<f64>,
}

/// Measures enclave and host.
fn slice_of_node(node: &House) -> Slice {
    slice_of(node, &[node.enclave(), node.host()])
}

fn slice_of(door: &impl Door, processes: &[Pid]) -> Slice {
    let body = question(false);
    let usage = || processes.iter().map(|process| Usage::of(*process)).collect::<Vec<_>>();
    loop {
        let mut connections = connections(door);
        let (before, start) = (usage(), Instant::now());
        let requests = slice::requests(&mut connections, SLICE, |connection| once(connection, &body));
        let (elapsed, after) = (start.elapsed().as_secs_f64(), usage());
        let Some(requests) = requests else {
            eprintln!("the disk stalled until the journal was full: this slice is taken again");
            std::thread::sleep(STALL);
            continue;
        };
        let used: Option<Vec<_>> = after.iter().zip(&before).map(|(after, before)| after.since(before)).collect();
        if let Some(used) = used {
            let micros = used.iter().map(|used| used.as_secs_f64() * 1e6 / requests as f64).collect();
            return Slice { rate: requests as f64 / elapsed, micros };
        }
    }
}

/// Opens connections and sends one request on each.
fn connections(door: &impl Door) -> Vec<Connection> {
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| door.connect()).collect();
    connections.iter_mut().for_each(|connection| _ = ask(connection, &question(false)));
    connections
}

/// Returns `None` if the node refuses because the host's disk is too slow.
fn once(connection: &mut Connection, body: &[u8]) -> Option<()> {
    (ask(connection, body).status == 200).then_some(())
}

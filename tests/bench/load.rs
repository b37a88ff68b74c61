//! The part `load`: compares feeding, hashing and sealing a model with hashing and copying its file.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use quoth_tests::{Node, Options};

use crate::machine;
use crate::node;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;

/// A folder in memory, if the system has it.
const MEMORY: &str = "/dev/shm";

pub(crate) fn measure(plan: &Plan) -> Vec<Row> {
    let (mut ours, mut peer) = (Series::default(), Series::default());
    for round in 1..=plan.rounds {
        eprintln!("load: turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let options = Options { threads: 2, context: 2048, model: Some(plan.model.clone()), ..Options::default() };
        ours.push(boot_step(&node::start(options), "model"));
        peer.push(hash_and_copy(&plan.model));
    }
    vec![Row {
        what: "model load, 98 MB: feed, hash, seal, load".into(),
        ours: format!("{:.0} ms", ours.median()),
        peer: format!("openssl dgst + cp: {:.0} ms", peer.median()),
        value: ours.over(&peer),
        goal: Goal::AtMost(1.0),
    }]
}

/// Returns the time of a boot step in the enclave's log, milliseconds.
fn boot_step(node: &Node, step: &str) -> f64 {
    let log = node.enclave_log();
    let line = log.lines().find(|line| line.contains(&format!("step={step} "))).unwrap_or_else(|| panic!("{log}"));
    let took = line.split_once("ms=").unwrap().1;
    took.split(' ').next().unwrap().parse().unwrap()
}

/// Returns the time for `openssl dgst -sha256 FILE` and `cp FILE` into memory, milliseconds.
fn hash_and_copy(file: &Path) -> f64 {
    let memory = Path::new(MEMORY);
    let builder = tempfile::Builder::new();
    let folder = if memory.is_dir() { builder.tempdir_in(memory) } else { builder.tempdir() }.unwrap();
    let start = Instant::now();
    run(Command::new("openssl").args(["dgst", "-sha256"]).arg(file));
    run(Command::new("cp").arg(file).arg(folder.path()));
    start.elapsed().as_secs_f64() * 1e3
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

//! Measures the time from power-on to the first answer, and the share of each step.

use std::time::Instant;

use quoth_tests::{Image, chat_body};
use tokio::runtime::Builder;

use crate::machine;
use crate::plan::Plan;
use crate::row::{Goal, Row};
use crate::statistics::Series;

/// The names of the steps of a boot.
const STEPS: [&str; 7] = ["host and QEMU", "kernel", "model", "engine", "tls", "statement", "first answer"];

pub(crate) fn measure(plan: &Plan, image: &Image, platform: &'static str) -> Row {
    let (mut whole, mut steps) = (Series::default(), STEPS.map(|_| Series::default()));
    for round in 1..=plan.rounds {
        eprintln!("boot: {platform}, turn {round} of {}", plan.rounds);
        machine::wait_until_quiet();
        let (took, shares) = boot(image, platform);
        whole.push(took);
        steps.iter_mut().zip(shares).for_each(|(step, share)| step.push(share));
    }
    let told = STEPS.iter().zip(&steps).map(|(name, step)| format!("{name} {:.0} %", 100.0 * step.median()));
    Row {
        what: format!("power-on to the first answer, tiny model, {platform}, emulated"),
        ours: told.collect::<Vec<_>>().join(", "),
        peer: String::new(),
        value: whole,
        goal: Goal::Millis,
    }
}

/// Boots a node. Returns the total time in milliseconds, and the share of each step.
fn boot(image: &Image, platform: &'static str) -> (f64, [f64; 7]) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let node = image.boot(platform).await;
        let ready = start.elapsed().as_secs_f64() * 1e3;
        let mut wire = node.wire().await;
        let body = chat_body("Why?", 1, false).to_string();
        let answer = wire.post("/v1/chat/completions", &[], body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", node.enclave_log());
        let whole = start.elapsed().as_secs_f64() * 1e3;

        let log = node.enclave_log();
        let kernel = kernel(&log);
        let [model, engine, tls, statement] = ["model", "engine", "tls", "statement"].map(|step| took(&log, step));
        let own = kernel + model + engine + tls + statement;
        let steps = [ready - own, kernel, model, engine, tls, statement, whole - ready];
        (whole, steps.map(|step| step / whole))
    })
}

/// Returns the time until the first process, by the kernel's clock, milliseconds.
fn kernel(log: &str) -> f64 {
    let line = log.lines().find(|line| line.contains("Run /init")).unwrap_or_else(|| panic!("{log}"));
    let stamp = line.trim_start_matches('[').split(']').next().unwrap();
    stamp.trim().parse::<f64>().unwrap() * 1e3
}

/// Returns the time of one of the enclave's steps, milliseconds.
fn took(log: &str, step: &str) -> f64 {
    let line = log.lines().find_map(|line| line.strip_prefix(&format!("boot step={step} ms=")));
    line.unwrap_or_else(|| panic!("{log}")).trim().parse().unwrap()
}

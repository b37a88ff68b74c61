//! `just bench`: Quoth beside its peers on this machine, as ratios, written to `BENCHMARKS.md`.
//!
//! Every comparison takes turns: one measurement of Quoth, one of the peer, again and again, so that whatever else the
//! machine does meets both. What is reported is the median of the ratios of neighbours, and the range they span.

#![forbid(unsafe_code)]
// A bench stops at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

mod boot;
mod client;
mod exercise;
mod llama;
mod load;
mod machine;
mod page;
mod proxied;
mod receipts;
mod relay;
mod slice;
mod statistics;
mod verify;

use std::path::PathBuf;

use page::Row;
use quoth_tests::{Node, Options};

const USAGE: &str = "\
Usage: quoth-bench [--model FILE.gguf] [--peers DIR] [--without-receipts PROGRAM] [--servers DIR] [--wide PROGRAM]
                   [--image PROGRAM] [--litellm PROGRAM] [--verify-peers PROGRAM] [--only PART,...] [--rounds N] [--out FILE]
       quoth-bench --exercise PROGRAM

Parts: chats, serving, replays, receipts, proxied, relay, load, boot, verify. `just bench` builds everything and calls this.
--exercise measures nothing: images/profile counts meanwhile.";

/// What can be measured.
const PARTS: [&str; 9] = ["chats", "serving", "replays", "receipts", "proxied", "relay", "load", "boot", "verify"];

/// What to measure, and with what.
struct Plan {
    /// The model of `chats` and `load`.
    model: PathBuf,
    /// Folder of llama-bench and batched-bench.
    peers: PathBuf,
    /// The enclave built with `bench-without-receipts`.
    without_receipts: PathBuf,
    /// The enclave as images have it.
    image: PathBuf,
    /// Folder of llama.cpp's server and batched bench, built with the engine's flags and with llama.cpp's own.
    servers: Option<PathBuf>,
    /// The enclave built for x86-64-v4, where the processor can run it.
    wide: Option<PathBuf>,
    /// LiteLLM's proxy.
    litellm: Option<PathBuf>,
    /// An enclave to exercise, instead of measuring anything.
    exercise: Option<PathBuf>,
    /// The published verifiers that `verify` compares with.
    verify_peers: Option<PathBuf>,
    /// Turns a comparison takes.
    rounds: usize,
    parts: Vec<String>,
    out: Option<PathBuf>,
}

fn main() {
    let plan = Plan::from_arguments().unwrap_or_else(|problem| {
        eprintln!("{problem}\n{USAGE}");
        std::process::exit(2);
    });
    if let Some(program) = &plan.exercise {
        return exercise::run(program);
    }
    let (mut rows, mut profile) = (Vec::<Row>::new(), String::new());
    for part in &plan.parts {
        let start = rows.len();
        rows.extend(match part.as_str() {
            "chats" => llama::chats(&plan),
            "serving" => llama::serving(&plan),
            "replays" => llama::replays(&plan),
            "receipts" => receipts::measure(&plan),
            "proxied" => {
                let (rows, found) = proxied::measure(&plan);
                println!("{found}\n");
                profile = found;
                rows
            }
            "relay" => relay::measure(&plan),
            "load" => load::measure(&plan),
            "boot" => boot::measure(&plan),
            "verify" => verify::measure(&plan),
            other => panic!("no part is called {other}"),
        });
        println!("{}", page::table(&rows[start..]));
    }
    if let Some(out) = &plan.out {
        std::fs::write(out, page::page(&rows, &profile, plan.rounds)).unwrap();
        eprintln!("written to {}", out.display());
    }
    if rows.iter().any(|row| !row.met()) {
        eprintln!("not every goal is met");
    }
}

/// A node of real processes, ready to answer.
fn start(options: Options) -> Node {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(Node::with(options))
}

impl Plan {
    fn from_arguments() -> Result<Self, String> {
        let mut plan = Self {
            model: PathBuf::new(),
            peers: PathBuf::new(),
            without_receipts: PathBuf::new(),
            image: PathBuf::new(),
            servers: None,
            wide: None,
            litellm: None,
            exercise: None,
            verify_peers: None,
            rounds: 7,
            parts: PARTS.map(str::to_owned).to_vec(),
            out: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--model" => plan.model = value.into(),
                "--peers" => plan.peers = value.into(),
                "--without-receipts" => plan.without_receipts = value.into(),
                "--image" => plan.image = value.into(),
                "--servers" => plan.servers = Some(value.into()),
                "--wide" => plan.wide = Some(value.into()),
                "--litellm" => plan.litellm = Some(value.into()),
                "--exercise" => (plan.exercise, plan.parts) = (Some(value.into()), Vec::new()),
                "--verify-peers" => plan.verify_peers = Some(value.into()),
                "--rounds" => plan.rounds = value.parse().ok().filter(|n| *n > 0).ok_or("--rounds needs a number")?,
                "--only" => plan.parts = value.split(',').map(str::to_owned).collect(),
                "--out" => plan.out = Some(value.into()),
                _ => return Err(format!("unknown option {name}")),
            }
        }
        let needs: [(_, _, &[_]); 4] = [
            ("--model", &plan.model, &["chats", "serving", "replays", "load"]),
            ("--peers", &plan.peers, &["chats", "serving"]),
            ("--without-receipts", &plan.without_receipts, &["receipts", "proxied"]),
            ("--image", &plan.image, &["proxied"]),
        ];
        for (name, path, parts) in needs {
            if !path.exists() && plan.parts.iter().any(|part| parts.contains(&part.as_str())) {
                return Err(format!("{name} must name something that exists"));
            }
        }
        match plan.parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
            Some(part) => Err(format!("no part is called {part}")),
            None => Ok(plan),
        }
    }
}

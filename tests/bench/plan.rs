//! The command line of `quoth-bench`.

use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
Usage: quoth-bench [--model FILE.gguf] [--peers DIR] [--without-receipts PROGRAM] [--servers DIR] [--wide PROGRAM]
                   [--image PROGRAM] [--litellm PROGRAM] [--verify-peers PROGRAM] [--only PART,...] [--rounds N] [--out FILE]
       quoth-bench --exercise PROGRAM

Parts: chats, serving, replays, receipts, proxied, relay, load, boot, verify. `just bench` builds everything and calls this.
--exercise measures nothing. It runs the program while images/profile.sh counts.";

/// The names of the parts.
const PARTS: [&str; 9] = ["chats", "serving", "replays", "receipts", "proxied", "relay", "load", "boot", "verify"];

/// The parts to measure, and the programs to measure them with.
pub(crate) struct Plan {
    /// The model of `chats` and `load`.
    pub(crate) model: PathBuf,
    /// Folder of llama-bench and batched-bench.
    pub(crate) peers: PathBuf,
    /// The enclave built with `--cfg quoth_without_receipts`.
    pub(crate) without_receipts: PathBuf,
    /// The enclave's program as it is in images.
    pub(crate) image: PathBuf,
    /// Folder of llama.cpp's server and batched bench, built with the engine's flags and with llama.cpp's own.
    pub(crate) servers: Option<PathBuf>,
    /// The enclave built for x86-64-v4, if the processor can run it.
    pub(crate) wide: Option<PathBuf>,
    /// LiteLLM's proxy.
    pub(crate) litellm: Option<PathBuf>,
    /// An enclave to exercise instead of measuring.
    pub(crate) exercise: Option<PathBuf>,
    /// The published verifiers that `verify` compares with.
    pub(crate) verify_peers: Option<PathBuf>,
    /// Number of turns of a comparison.
    pub(crate) rounds: usize,
    pub(crate) parts: Vec<String>,
    pub(crate) out: Option<PathBuf>,
}

impl Plan {
    pub(crate) fn from_arguments() -> Result<Self, String> {
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

//! Runs llama.cpp's own benches, which only decode.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::settings::{BATCH, CONTEXT, SWITCH, THREADS, TOKENS};

/// The folder of the benches, and their parameters.
pub(crate) struct Benches<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) model: &'a Path,
    /// Length of the prompt, tokens.
    pub(crate) prompt: usize,
    /// Number of sequences that fit into the context.
    pub(crate) room: usize,
}

/// The settings of a bench.
#[derive(Clone, Copy)]
pub(crate) enum Flags {
    /// The engine's settings.
    Exact,
    /// llama.cpp's default settings.
    Defaults,
}

impl Benches<'_> {
    /// Runs the test of the arguments. Returns tokens per second.
    pub(crate) fn llama_bench(&self, arguments: &[&str]) -> f64 {
        let more = ["-fa", "0", "-r", "1", "-o", "jsonl"];
        let result = self.run("llama-bench", Flags::Exact, &[arguments, &more].concat());
        result["avg_ts"].as_f64().unwrap()
    }

    /// Runs the batched bench. Returns generated tokens per second, including the time for the prompts.
    pub(crate) fn batched_bench(&self, program: &str, flags: Flags, sequences: usize) -> f64 {
        let context = (CONTEXT as usize * self.room).to_string();
        let (prompt, tokens, sequences) = (self.prompt.to_string(), TOKENS.to_string(), sequences.to_string());
        let shape = ["-npp", &prompt, "-ntg", &tokens, "-npl", &sequences, "-c", &context];
        let exact = ["-fa", "off", "-no-kvu"];
        let more: &[&str] = match flags {
            Flags::Exact => &exact,
            Flags::Defaults => &[],
        };
        let result = self.run(program, flags, &[&shape, more, &["--output-format", "jsonl"]].concat());
        let count = |name: &str| result[name].as_f64().unwrap();
        count("pl") * count("tg") / count("t")
    }

    /// Runs a bench and reads the one line of JSON that it prints.
    fn run(&self, program: &str, flags: Flags, arguments: &[&str]) -> Value {
        let mut command = Command::new(self.folder.join(program));
        command.arg("-m").arg(self.model).args(["-t", &THREADS.to_string()]).args(arguments);
        if let Flags::Exact = flags {
            command.args(["-b", BATCH, "-ub", BATCH]).env(SWITCH.0, SWITCH.1);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        let mut results = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let result = results.next().unwrap_or_else(|| panic!("{program} printed no result:\n{text}"));
        assert!(results.next().is_none(), "{program} printed more than one result");
        result
    }
}

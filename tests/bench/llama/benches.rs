//! llama.cpp's own benches: nothing but decoding.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::settings::{BATCH, CONTEXT, SWITCH, THREADS, TOKENS};

/// Where they are, and what they run.
pub(crate) struct Benches<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) model: &'a Path,
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// Sequences that there is room for.
    pub(crate) room: usize,
}

/// How a bench computes.
#[derive(Clone, Copy)]
pub(crate) enum Flags {
    /// As the engine does.
    Exact,
    /// As llama.cpp does when nobody says otherwise.
    Defaults,
}

impl Benches<'_> {
    /// Tokens a second of the one test that the arguments name.
    pub(crate) fn llama_bench(&self, arguments: &[&str]) -> f64 {
        let more = ["-fa", "0", "-r", "1", "-o", "jsonl"];
        let result = self.run("llama-bench", Flags::Exact, &[arguments, &more].concat());
        result["avg_ts"].as_f64().unwrap()
    }

    /// Tokens generated a second, the time for the prompts included.
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

//! Runs the fake provider as a process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use super::door::Door;

const KEY: &str = "sk-fake-0123456789abcdef";

/// The HTTP version that a provider offers. Nodes choose the newest.
#[derive(Clone, Copy)]
pub(crate) enum Http {
    One,
    Two,
}

impl Http {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }
}

pub(super) struct Provider {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Provider {
    /// Starts a provider. Its answers have `words` words, with a pause before each word of a stream.
    pub(super) fn start(http: Http, words: usize, pause_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = quoth_tests::command("quoth-fake-provider");
        command.args(["--port", "0", "--key", KEY, "--ca-out"]).arg(folder.path().join("ca.pem"));
        command.args(["--deltas", &words.to_string(), "--pause-ms", &pause_ms.to_string()]);
        if let Http::One = http {
            command.arg("--http1");
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split([':', ',']).nth(2).unwrap().parse().unwrap();
        Self { process, port, folder }
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Door for Provider {
    fn port(&self) -> u16 {
        self.port
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.authority())
    }

    fn key(&self) -> &str {
        KEY
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

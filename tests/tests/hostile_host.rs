//! A host that sends garbage, floods, stays silent or cuts connections on every port.
//!
//! The enclave ends with a clear state, or continues to answer correctly in bounded memory.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use quoth_attestation::Digest;
use quoth_link::{Address, Port};
use quoth_tests::{FalseHost, Manner, Node, Wire, chat_body, command, noise};
use tempfile::TempDir;

/// Memory that misbehaviour may cost, KiB.
const ROOM: u64 = 48 * 1024;
const LONG: Duration = Duration::from_secs(40);

/// The program and a misbehaving host.
struct Enclave {
    folder: TempDir,
    host: FalseHost,
    process: Child,
}

impl Enclave {
    fn start(feed: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32);
        let config = format!(
            "version = 1\nplatform = \"simulated\"\ntls_names = [\"localhost\"]\n[[model]]\nname = \"{}\"\nsha256 = \"{}\"\n\
             size = {}\ncontext = {}\nparallel = 2\nthreads = 1\n\
             [[upstream]]\nname = \"far\"\nhost = \"far.example\"\napi = \"openai\"\nmodels = [\"far-*\"]\n",
            Node::MODEL,
            Digest::of(&model),
            model.len(),
            quoth_tiny_model::CONTEXT,
        );
        let file = folder.path().join("enclave.toml");
        fs::write(&file, config).unwrap();
        let link = Address::Unix(folder.path().into());
        let host = FalseHost::new(link.clone(), model);
        host.behave(Port::MODEL, feed);
        let mut enclave = command("quoth-enclave");
        enclave.arg("--config").arg(file).arg("--link").arg(link.to_string());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = enclave.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { folder, host, process }
    }

    /// Opens a client's connection. The enclave must be ready.
    async fn wire(&self) -> Wire {
        let ca = self.folder.path().join("ca.pem");
        fs::write(&ca, self.host.ready().await.ca.as_str()).unwrap();
        Wire::open(self.host.client_port().await, &ca).await.unwrap()
    }

    /// Returns the status of the answer to a request for a provider's model.
    async fn far(&self) -> u16 {
        let mut body = chat_body("Why?", 4, false);
        body["model"] = "far-1".into();
        let mut wire = self.wire().await;
        let headers = ["authorization: Bearer sk-test"];
        wire.post("/v1/chat/completions", &headers, body.to_string().as_bytes()).await.unwrap().status
    }

    /// Returns the status of an answer. Returns `None` if the connection closed early and the answer was lost.
    async fn asked(&self) -> Option<u16> {
        let body = chat_body("Why?", 4, false).to_string();
        let answer = self.wire().await.post("/v1/chat/completions", &[], body.as_bytes()).await;
        answer.ok().map(|answer| answer.status)
    }

    /// Asks until the answer has this status.
    async fn comes_to(&self, status: u16) {
        let start = Instant::now();
        loop {
            let asked = self.asked().await;
            if asked == Some(status) {
                return;
            }
            assert!(start.elapsed() < LONG, "{asked:?}, not {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < LONG, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the memory of the enclave, KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_cut_anywhere_ends_the_boot() {
    let length = quoth_tiny_model::gguf(quoth_tiny_model::Kind::F32).len();
    let anywhere = noise(80);
    for (number, bytes) in anywhere.chunks(4).enumerate() {
        let at = match number {
            0 => 0,
            1 => length - 1,
            _ => u32::from_le_bytes(bytes.try_into().unwrap()) as usize % length,
        };
        let mut enclave = Enclave::start(Manner::Cut(at));
        assert_eq!(enclave.host.fatal().await, "model.feed", "cut at {at}");
        assert_eq!(enclave.ended().await.code(), Some(1), "cut at {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_something_else_ends_the_boot() {
    for (manner, code) in [
        (Manner::Flipped(0), "model.hash"),
        (Manner::Flipped(100_000), "model.hash"),
        (Manner::Flood, "model.hash"),
        (Manner::Garbage, "link"),
        (Manner::Closing, "link"),
    ] {
        let mut enclave = Enclave::start(manner);
        assert_eq!(enclave.host.fatal().await, code, "{manner:?}");
        assert_eq!(enclave.ended().await.code(), Some(1), "{manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_feed_ends_the_boot() {
    let mut enclave = Enclave::start(Manner::Silent);
    assert_eq!(enclave.host.fatal().await, "model.feed");
    assert_eq!(enclave.ended().await.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_honest_journal_nothing_is_answered_and_nothing_is_held() {
    let enclave = Enclave::start(Manner::Honest);
    enclave.comes_to(200).await;
    let before = enclave.memory();
    for manner in [Manner::Silent, Manner::Closing, Manner::Garbage, Manner::Flood, Manner::Again] {
        enclave.host.behave(Port::JOURNAL, manner);
        // With repeated welcomes the journal works for short moments.
        if manner != Manner::Again {
            enclave.comes_to(503).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let grown = enclave.memory().saturating_sub(before);
        assert!(grown < ROOM, "{manner:?}: {grown} KiB more");
        enclave.host.behave(Port::JOURNAL, Manner::Honest);
        enclave.comes_to(200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_on_the_port_of_commands_the_node_answers() {
    let enclave = Enclave::start(Manner::Honest);
    enclave.comes_to(200).await;
    let before = enclave.memory();
    for manner in [Manner::Silent, Manner::Closing, Manner::Garbage, Manner::Flood] {
        enclave.host.behave(Port::EVENTS, manner);
        tokio::time::sleep(Duration::from_secs(1)).await;
        enclave.comes_to(200).await;
        let grown = enclave.memory().saturating_sub(before);
        assert!(grown < ROOM, "{manner:?}: {grown} KiB more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_a_provider_that_leads_nowhere_is_an_error_of_the_providers() {
    let enclave = Enclave::start(Manner::Honest);
    enclave.comes_to(200).await;
    let before = enclave.memory();
    for manner in [Manner::Honest, Manner::Closing, Manner::Garbage, Manner::Flood, Manner::Silent] {
        enclave.host.behave(Port::EGRESS, manner);
        let status = enclave.far().await;
        assert!((502..=504).contains(&status), "{manner:?}: {status}");
        enclave.comes_to(200).await;
        let grown = enclave.memory().saturating_sub(before);
        assert!(grown < ROOM, "{manner:?}: {grown} KiB more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_on_the_ports_of_clients_and_metrics_are_cut_off() {
    let enclave = Enclave::start(Manner::Honest);
    enclave.comes_to(200).await;
    let before = enclave.memory();
    let flood = noise(4 << 20);
    for port in [Port::CLIENTS, Port::METRICS] {
        drop(enclave.host.crowd(port, 20, &flood).await);
        enclave.comes_to(200).await;
    }
    let grown = enclave.memory().saturating_sub(before);
    assert!(grown < ROOM, "{grown} KiB more");
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_on_the_ports_of_clients_and_metrics_take_little() {
    let enclave = Enclave::start(Manner::Honest);
    enclave.comes_to(200).await;
    let before = enclave.memory();
    let mut crowds = Vec::new();
    for port in [Port::CLIENTS, Port::METRICS] {
        for first in [&b""[..], &noise(4096), b"\x16\x03\x01\xff\xff"] {
            crowds.push(enclave.host.crowd(port, 300, first).await);
        }
    }
    enclave.comes_to(200).await;
    let grown = enclave.memory().saturating_sub(before);
    assert!(grown < ROOM, "{grown} KiB more");
    drop(crowds);
    enclave.comes_to(200).await;
}

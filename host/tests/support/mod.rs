//! A scripted enclave, which speaks the link protocol over the real sockets of a run folder.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use quoth_attestation::bounded::List;
use quoth_attestation::commit::Commitment;
use quoth_attestation::cose::{KeyId, Signed};
use quoth_attestation::receipt::{Exchange, Level, Outcome, Receipt, Status, Times, Usage};
use quoth_attestation::statement::{Clock, Keys, Platform, Software, Statement, Validity};
use quoth_attestation::{Digest, ExchangeId};
use quoth_link::event::{Event, Pem, Ready};
use quoth_link::journal::{ToEnclave, ToHost};
use quoth_link::{Address, Frame, Frames, LinkError, Port, Stream};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};

pub const SOON: Duration = Duration::from_secs(20);

/// One instance that signs receipts.
pub struct Instance {
    pub id: [u8; 16],
    pub statement: Vec<u8>,
    key: SigningKey,
    prev: Digest,
    seq: u64,
}

impl Instance {
    pub fn new(id: u8) -> Self {
        let key = SigningKey::from_bytes(&[id; 32]);
        let statement = Statement {
            instance: [id; 16],
            platform: Platform::Simulated,
            keys: Keys {
                receipt: key.verifying_key().to_bytes(),
                tls: Digest([2; 32]),
                seal: None,
                settlement: None,
                operator_evm: None,
                other: Default::default(),
            },
            config: Digest([3; 32]),
            software: Software {
                name: "quoth-enclave".try_into().unwrap(),
                version: "0.1.0".try_into().unwrap(),
                commit: "unknown".try_into().unwrap(),
                engine: None,
            },
            models: List::default(),
            upstreams: List::default(),
            operator: None,
            validity: Validity::new(1_800_000_000, 1_800_000_000 + 1000).unwrap(),
            clock: Clock::Host,
        }
        .encode();
        let prev = Digest::of(&statement);
        Self { id: [id; 16], statement, key, prev, seq: 0 }
    }

    pub fn node(&self) -> Digest {
        Digest::of(&self.statement)
    }

    /// Returns the next receipt of the chain.
    pub fn receipt(&mut self) -> (u64, Bytes) {
        let mut cti = [0; 16];
        cti[..8].copy_from_slice(&self.seq.to_be_bytes());
        cti[15] = self.id[0];
        let claims = Receipt {
            iat: 1_800_000_001,
            cti: ExchangeId(cti),
            nonce: None,
            node: self.node(),
            seq: self.seq,
            prev: self.prev,
            level: Level::Tee,
            exchange: Exchange {
                method: "POST".try_into().unwrap(),
                target: "/v1/chat/completions".try_into().unwrap(),
                status: Status::new(200).unwrap(),
                request: Commitment(Digest([4; 32])),
                response: Commitment(Digest([5; 32])),
                response_length: 6,
                streamed: false,
                outcome: Outcome::Complete,
                ending: None,
                answer: None,
            },
            execution: None,
            usage: Some(Usage { prompt: 7, completion: 8 }),
            times: Times::new(9, 10, 11).unwrap(),
            parent: None,
        };
        let id = KeyId::of(&self.key.verifying_key().to_bytes());
        let signed = Signed::sign(claims, id, |bytes| self.key.sign(bytes).to_bytes()).unwrap();
        self.prev = signed.digest();
        self.seq += 1;
        (self.seq - 1, Bytes::copy_from_slice(signed.bytes()))
    }

    pub fn ready(&self) -> Event {
        Event::Ready(Ready {
            instance: self.id,
            node: self.node().0,
            ca: Pem::try_from("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned()).unwrap(),
            simulated_root: Some([6; 32]),
            receipt_key: self.key.verifying_key().to_bytes(),
        })
    }
}

/// One side of a stream of messages.
pub struct Talk<In> {
    pub frames: Frames<In, ReadHalf<Stream>>,
    pub writer: WriteHalf<Stream>,
}

impl<In: Frame> Talk<In> {
    pub async fn connect(address: &Address, port: Port) -> Self {
        let start = Instant::now();
        loop {
            match address.connect(port, SOON).await {
                Ok(stream) => {
                    let (reader, writer) = split(stream);
                    return Self { frames: Frames::new(reader), writer };
                }
                Err(error) => assert!(start.elapsed() < SOON, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn say(&mut self, message: &impl Frame) {
        self.writer.write_all(&message.to_bytes()).await.unwrap();
    }

    pub async fn hear(&mut self) -> Result<Option<In>, LinkError> {
        tokio::time::timeout(SOON, self.frames.next()).await.expect("an answer in time")
    }
}

pub type Journal = Talk<ToEnclave>;

impl Journal {
    pub async fn attach(address: &Address, instance: &Instance, first: u64) -> Self {
        let mut journal = Self::connect(address, Port::JOURNAL).await;
        let statement = Bytes::copy_from_slice(&instance.statement);
        journal.say(&ToHost::Hello { instance: instance.id, first, statement }).await;
        journal
    }

    pub async fn send(&mut self, (seq, bytes): &(u64, Bytes)) {
        self.say(&ToHost::Receipt { seq: *seq, digest: [0; 32], bytes: bytes.clone() }).await;
    }

    pub async fn expect(&mut self, message: ToEnclave) {
        assert_eq!(self.hear().await.unwrap(), Some(message));
    }

    /// Reads acknowledgements up to this one.
    pub async fn acknowledged(&mut self, wanted: u64) {
        loop {
            match self.hear().await.unwrap() {
                Some(ToEnclave::Ack { seq }) if seq == wanted => return,
                Some(ToEnclave::Ack { seq }) if seq < wanted => {}
                other => panic!("{other:?} instead of an acknowledgement of {wanted}"),
            }
        }
    }
}

/// `quoth up` on a separate folder, with an idle program as the enclave's process.
pub struct Host {
    pub folder: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Host {
    pub const MODEL: &[u8] = b"GGUF, as far as a host can tell";

    /// Creates a folder with a model and an enclave program. Starts nothing.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Tiny Model.gguf"), Self::MODEL).unwrap();
        Self::script(&folder.path().join("quoth-enclave"), "exec /bin/sleep 300");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, port, child: None }
    }

    pub fn script(path: &Path, command: &str) {
        fs::write(path, format!("#!/bin/sh\n{command}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    pub fn start(&mut self, with_model: bool) {
        let model = self.folder.path().join("Tiny Model.gguf");
        match with_model {
            true => self.start_with(&["--model".as_ref(), model.as_ref()]),
            false => self.start_with(&[]),
        }
    }

    pub fn start_with(&mut self, arguments: &[&OsStr]) {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("host.log")).unwrap();
        let mut command = self.command("up");
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("--enclave").arg(self.folder.path().join("quoth-enclave"));
        command.args(arguments);
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// Returns the command `quoth COMMAND` for this folder.
    pub fn command(&self, command: &str) -> Command {
        let mut quoth = Command::new(env!("CARGO_BIN_EXE_quoth"));
        quoth.arg(command).arg("--run-dir").arg(self.run_dir());
        quoth
    }

    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub fn link(&self) -> Address {
        Address::Unix(self.run_dir().join("sockets"))
    }

    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("host.log")).unwrap()
    }

    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.child.as_ref().unwrap())
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Returns the process that stands for the enclave, from the state file.
    pub fn enclave(&self) -> rustix::process::Pid {
        let (file, start) = (self.run_dir().join("state.json"), Instant::now());
        // The host's ports exist before the enclave starts.
        while !file.exists() {
            assert!(start.elapsed() < SOON, "no enclave was started");
            std::thread::sleep(Duration::from_millis(5));
        }
        let state: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        rustix::process::Pid::from_raw(state["pid"].as_i64().unwrap().try_into().unwrap()).unwrap()
    }

    /// Waits until the process has ended.
    pub fn kill_enclave(&self) {
        let (enclave, start) = (self.enclave(), Instant::now());
        rustix::process::kill_process(enclave, rustix::process::Signal::KILL).unwrap();
        let stat = format!("/proc/{}/stat", enclave.as_raw_nonzero());
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X ")) {
            assert!(start.elapsed() < SOON, "the enclave still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub async fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(start.elapsed() < SOON, "the host still runs\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Checks that neither state nor sockets are left of an enclave that has ended.
    pub fn nothing_is_left(&self) {
        let run_dir = self.run_dir();
        assert!(!run_dir.join("state.json").exists() && !run_dir.join("control.sock").exists());
        let sockets: Vec<_> = fs::read_dir(run_dir.join("sockets")).unwrap().flatten().collect();
        assert!(sockets.is_empty(), "{sockets:?}");
    }

    /// Waits until the host has printed this text.
    pub async fn printed(&self, text: &str) {
        let start = Instant::now();
        while !self.output().contains(text) {
            assert!(start.elapsed() < SOON, "{text:?} is not in\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.run_dir().join("state.json").exists() {
            let _ = rustix::process::kill_process(self.enclave(), rustix::process::Signal::KILL);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

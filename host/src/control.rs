//! The control socket: `quoth status` connects to the running host and reads one JSON object.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quoth_link::event::Status;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::HostError;
use crate::run_dir::{RunDir, remove};

/// Maximum length of an answer, bytes.
const MAX_ANSWER: u64 = 1024 * 1024;
/// How long each side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of a node, as its host sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Process id of the host.
    pub(crate) host_pid: u32,
    /// Process id of the enclave.
    pub(crate) enclave_pid: i32,
    /// Whether the enclave's event stream is connected.
    pub(crate) attached: bool,
    /// Whether the node is stopping.
    pub(crate) draining: bool,
    /// The instance, hex. Known once the enclave is ready.
    pub(crate) instance: Option<String>,
    /// Digest of the node statement, hex.
    pub(crate) node: Option<String>,
    pub(crate) platform: String,
    pub(crate) url: String,
    pub(crate) models: Vec<ModelLine>,
    /// `host:port` of each provider.
    #[serde(default)]
    pub(crate) upstreams: Vec<String>,
    /// `attached`, `waiting` or `failed`.
    pub(crate) journal: String,
    /// The next sequence number that the journal expects.
    pub(crate) journal_next: Option<u64>,
    /// The enclave's own counters.
    pub(crate) enclave: Option<Status>,
    pub(crate) relay: RelayLine,
    #[serde(default)]
    pub(crate) egress: EgressLine,
}

/// A model of a running node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ModelLine {
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

/// Counters of the relay.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RelayLine {
    pub(crate) open: u64,
    pub(crate) accepted: u64,
    pub(crate) shed: u64,
    pub(crate) unreachable: u64,
}

/// Counters of egress.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct EgressLine {
    pub(crate) open: u64,
    pub(crate) led: u64,
    pub(crate) refused: u64,
    pub(crate) unresolved: u64,
    pub(crate) unreachable: u64,
    pub(crate) shed: u64,
}

/// The newest snapshot, shared with the tasks that answer.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Snapshot>>);

impl Shared {
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn snapshot(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Listens on the control socket. Removes an old socket; the folder's lock ensures that no other host uses it.
pub(crate) fn listen(run_dir: &RunDir) -> Result<UnixListener, HostError> {
    let path = run_dir.control();
    remove(&path)?;
    UnixListener::bind(&path).map_err(HostError::file(path))
}

/// Answers for as long as it is polled. `refresh` updates the values that change without a call to [`Shared::change`].
pub(crate) async fn serve(listener: UnixListener, shared: Shared, refresh: impl Fn(&mut Snapshot)) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let mut snapshot = shared.snapshot();
        refresh(&mut snapshot);
        let answer = serde_json::to_vec(&snapshot).unwrap_or_default();
        // A client that does not read delays the next one by at most this time.
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(&answer)).await;
    }
}

/// Asks the running host. Returns `None` if no host is running.
pub(crate) async fn ask(run_dir: &RunDir) -> Result<Option<Snapshot>, HostError> {
    let path = run_dir.control();
    let exchange = async {
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(error) => return Err(HostError::file(&path)(error)),
        };
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await.map_err(HostError::file(&path))?;
        let snapshot = serde_json::from_slice(&answer).ok();
        snapshot.map(Some).ok_or(HostError::Content { path: path.clone(), what: "status" })
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(result) => result,
        Err(_) => Err(HostError::file(&path)(io::ErrorKind::TimedOut.into())),
    }
}

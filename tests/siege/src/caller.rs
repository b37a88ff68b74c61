//! A caller that verifies the node on every connection and every answer it gets.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use quoth_client::{Client, ClientError, Connection, Exchange, Options, Proven};
use quoth_verifier::{Policy, VerifiedExchange};
use serde_json::json;
use tokio::time::timeout;

/// Time limit for an exchange.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a caller reaches a node.
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) policy: PathBuf,
    pub(crate) headers: HeaderMap,
}

/// A caller with at most one connection.
pub(crate) struct Caller {
    target: Arc<Target>,
    client: Option<(String, Client)>,
    connection: Option<Connection>,
}

/// A verified exchange, and its receipt as it arrived.
pub(crate) struct Answer {
    pub(crate) exchange: VerifiedExchange,
    pub(crate) status: u16,
    pub(crate) receipt: Vec<u8>,
}

/// Why there is no verified exchange.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The node has no policy file, so it is not running.
    Down,
    /// There was no proof within [`PATIENCE`].
    Late,
    /// The client's error.
    Client(ClientError),
}

impl Failure {
    /// Returns a short name, for counting.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Down => "node is down".into(),
            Self::Late => "timeout".into(),
            Self::Client(ClientError::Status { status, code, .. }) => {
                format!("{status} {}", code.as_deref().unwrap_or("without a code"))
            }
            Self::Client(ClientError::Io { step, .. } | ClientError::Http { step, .. }) => format!("{step} failed"),
            Self::Client(error) => error.code().to_owned(),
        }
    }

    /// Returns whether the node sent something that an honest node never sends. A stream without its receipt does not count,
    /// because anything on its way may have cut it.
    pub(crate) fn is_false(&self) -> bool {
        match self {
            Self::Client(ClientError::Refused(refusal)) => refusal.code() != "stream.cut",
            Self::Client(
                ClientError::HeaderMissing { .. }
                | ClientError::HeaderInvalid { .. }
                | ClientError::NodeChanged { .. }
                | ClientError::TooLong { .. },
            ) => true,
            _ => false,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl Caller {
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self { target, client: None, connection: None }
    }

    /// Closes the connection, so that the next request opens another.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Returns whether a connection is open, as far as known.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Opens and verifies a connection unless there is one.
    pub(crate) async fn connect(&mut self) -> Result<(), Failure> {
        if self.connection.is_some() {
            return Ok(());
        }
        // Each boot of a simulated node has its own root, and so its own policy.
        let policy = fs::read_to_string(&self.target.policy).map_err(|_| Failure::Down)?;
        if self.client.as_ref().is_none_or(|(known, _)| *known != policy) {
            let parsed = Policy::from_toml(&policy).map_err(|_| Failure::Down)?;
            self.client = Some((policy, Client::new(parsed)));
        }
        let Some((_, client)) = &self.client else { return Err(Failure::Down) };
        self.connection = Some(client.connect(&format!("https://127.0.0.1:{}", self.target.port)).await?);
        Ok(())
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn begin(&mut self, target: &str, body: String, details: bool) -> Result<Exchange, Failure> {
        self.connect().await?;
        let Some(connection) = self.connection.take() else { return Err(Failure::Down) };
        let options = Options { details, headers: self.target.headers.clone(), ..Options::default() };
        Ok(connection.post(target, body, options).await?)
    }

    /// Sends a request and verifies the whole answer.
    pub(crate) async fn ask(&mut self, target: &str, body: String, details: bool) -> Result<Answer, Failure> {
        let asked = async {
            let Proven { exchange, transcript, connection, .. } =
                self.begin(target, body, details).await?.finish().await?;
            Ok((exchange, transcript, connection))
        };
        let (exchange, transcript, connection) = timeout(PATIENCE, asked).await.unwrap_or(Err(Failure::Late))?;
        self.connection = Some(connection);
        let receipt = transcript.receipt.unwrap_or_default();
        Ok(Answer { exchange, status: transcript.response.status, receipt })
    }
}

/// Returns a chat request for a model.
pub(crate) fn chat(model: &str, stream: bool) -> String {
    let message = json!({ "role": "user", "content": "why is the sky so blue" });
    json!({ "model": model, "messages": [message], "stream": stream, "max_tokens": 16 }).to_string()
}

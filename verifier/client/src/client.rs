//! The client: connects, asks, proves.

use quoth_verifier::Policy;

use crate::exchange::{Exchange, Options};
use crate::{ClientError, Connection, Connector, Endpoint};

/// Asks nodes and proves their answers, under one policy.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
}

impl Client {
    /// The request-target of chats.
    pub const CHAT: &str = "/v1/chat/completions";

    /// A client under `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { connector: Connector::new(policy) }
    }

    /// Opens a connection and appraises the node on it, before anything is asked.
    ///
    /// # Errors
    /// See [`Connector::open`].
    pub async fn connect(&self, url: &str) -> Result<Connection, ClientError> {
        let endpoint = Endpoint::parse(url)?;
        Connection::new(self.connector.open(&endpoint).await?, endpoint).await
    }

    /// Opens a connection, appraises the node, and only then sends `body`, an OpenAI chat request in JSON. Whether the
    /// policy accepts the model is known before, too: [`VerifiedNode::accepts_model`](quoth_verifier::VerifiedNode::accepts_model)
    /// on a [`Connection`]; otherwise it is judged by the receipt.
    ///
    /// # Errors
    /// See [`Connector::open`] and [`Connection::post`].
    pub async fn chat(&self, url: &str, body: impl Into<Vec<u8>>, options: Options) -> Result<Exchange, ClientError> {
        self.connect(url).await?.post(Self::CHAT, body, options).await
    }
}

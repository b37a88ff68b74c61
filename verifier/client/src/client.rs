//! The client: connects, asks and proves.

use quoth_verifier::Policy;

use crate::exchange::{Exchange, Options};
use crate::{ClientError, Connection, Connector, Endpoint};

/// Sends requests to nodes and proves their answers, under one policy.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
}

impl Client {
    /// The request-target of chat requests.
    pub const CHAT: &str = "/v1/chat/completions";

    /// Creates a client under `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { connector: Connector::new(policy) }
    }

    /// Opens a connection and appraises its node before it sends a request.
    ///
    /// # Errors
    /// See [`Connector::open`].
    pub async fn connect(&self, url: &str) -> Result<Connection, ClientError> {
        let endpoint = Endpoint::parse(url)?;
        Connection::new(self.connector.open(&endpoint).await?, endpoint).await
    }

    /// Opens a connection, appraises the node, and only then sends `body`, an OpenAI chat request in JSON. The receipt decides
    /// whether the policy accepts the model. To know it before, call
    /// [`VerifiedNode::accepts_model`](quoth_verifier::VerifiedNode::accepts_model) on a [`Connection`].
    ///
    /// # Errors
    /// See [`Connector::open`] and [`Connection::post`].
    pub async fn chat(&self, url: &str, body: impl Into<Vec<u8>>, options: Options) -> Result<Exchange, ClientError> {
        self.connect(url).await?.post(Self::CHAT, body, options).await
    }
}

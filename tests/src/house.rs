//! A node in front of a fake provider.

use http::HeaderMap;
use quoth_client::{Client, ClientError, OperatorKey, Options as Ask, Proven};
use quoth_fake_provider::{Options as Fake, Provider};
use quoth_verifier::VerifiedExchange;

use crate::{Node, Options};

/// Time limit for a silent provider, seconds. It is shorter than the time limits of tests.
const SILENCE: u64 = 2;

/// A node in front of a fake provider. The provider is called `fake` and has the models `m-*`. `fast` is an alias of
/// `m-small`.
pub struct House {
    /// The node.
    pub node: Node,
    /// The provider.
    pub provider: Provider,
    /// The operator, who can give the node secrets.
    pub operator: OperatorKey,
}

impl House {
    /// Starts a node and a provider that speaks one of the APIs.
    pub async fn new(api: &str, fake: Fake) -> Self {
        let provider = Provider::start(fake);
        Self::behind(provider.port(), api, provider, "").await
    }

    /// Starts a node that reaches the provider at `port`. Its configuration has `more` tables.
    pub async fn behind(port: u16, api: &str, provider: Provider, more: &str) -> Self {
        let operator = OperatorKey::generate().unwrap();
        let config = format!(
            "version = 1\nplatform = \"simulated\"\ntls_names = [\"localhost\", \"127.0.0.1\"]\noperator = \"{}\"\n\
             [[upstream]]\nname = \"fake\"\nhost = \"localhost\"\nport = {port}\napi = \"{api}\"\nmodels = [\"m-*\"]\n\
             aliases = {{ fast = \"m-small\" }}\ntimeout_seconds = {SILENCE}\nca = '''\n{}'''\n{more}",
            hex::encode(operator.public()),
            provider.ca_pem(),
        );
        let node = Node::with(Options { config: Some(config), ..Options::default() }).await;
        Self { node, provider, operator }
    }

    /// Asks on a new connection and reads the whole answer.
    pub async fn ask(&self, target: &str, body: String, options: Ask) -> Result<Proven, ClientError> {
        let connection = Client::new(self.node.policy()).connect(&self.node.url()).await?;
        connection.post(target, body, options).await?.finish().await
    }

    /// Gives the node a secret, or removes one.
    pub async fn provision(&self, name: &str, secret: Option<&str>, counter: u64) -> Result<(), ClientError> {
        let mut connection = Client::new(self.node.policy()).connect(&self.node.url()).await?;
        connection.provision(&self.operator, name, secret, counter).await.map(drop)
    }
}

/// Returns the header field `authorization: Bearer KEY`.
pub fn bearer(key: &str) -> HeaderMap {
    [(http::header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())].into_iter().collect()
}

/// Whether request and response passed through the node byte for byte; `None` unless a provider gave the answer.
pub fn passed_through(exchange: &VerifiedExchange) -> Option<(bool, bool)> {
    exchange.pass_through().map(|passed| (passed.request(), passed.response()))
}

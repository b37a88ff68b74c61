use http::HeaderMap;
use quoth_client::{Client, ClientError, OperatorKey, Options as Ask, Proven};
use quoth_fake_provider::{Options as Fake, Provider};

use crate::{Node, Options};

/// A provider that is silent for so long, seconds, has stalled: shorter than a test's patience.
const SILENCE: u64 = 2;

/// A node in front of a fake provider, named `fake`, which has the models `m-*`, and `m-small` under the alias `fast`.
pub struct House {
    /// The node.
    pub node: Node,
    /// The provider.
    pub provider: Provider,
    /// Whoever may give the node secrets.
    pub operator: OperatorKey,
}

impl House {
    /// The provider speaks one of the APIs.
    pub async fn new(api: &str, fake: Fake) -> Self {
        let provider = Provider::start(fake);
        Self::behind(provider.port(), api, provider, "").await
    }

    /// The node's way to the provider begins at `port`; its configuration has `more` tables.
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

    /// Asks over a connection of its own, and reads the answer to its end.
    pub async fn ask(&self, target: &str, body: String, options: Ask) -> Result<Proven, ClientError> {
        let connection = Client::new(self.node.policy()).connect(&self.node.url()).await?;
        connection.post(target, body, options).await?.finish().await
    }

    /// Gives the node a secret, or has it forget one.
    pub async fn provision(&self, name: &str, secret: Option<&str>, counter: u64) -> Result<(), ClientError> {
        let mut connection = Client::new(self.node.policy()).connect(&self.node.url()).await?;
        connection.provision(&self.operator, name, secret, counter).await.map(drop)
    }
}

/// `authorization: Bearer KEY`.
pub fn bearer(key: &str) -> HeaderMap {
    [(http::header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap())].into_iter().collect()
}

//! The options of a provider.

use std::time::Duration;

use crate::Behaviour;

/// The options of a provider, chosen before it starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1, 0 for any free one.
    pub port: u16,
    /// The only key that it accepts.
    pub key: String,
    /// DNS names and addresses in its certificate.
    pub names: Vec<String>,
    /// Whether ALPN offers only `http/1.1`.
    pub http1_only: bool,
    /// Maximum number of concurrent requests on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Number of pieces of an answer in words. `None` means one for each word.
    pub deltas: Option<usize>,
    /// The pause before each piece of a stream.
    pub pause: Duration,
    /// Whether requests are kept. Long benchmarks turn it off.
    pub record: bool,
    /// The first behaviour.
    pub behaviour: Behaviour,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            key: "sk-fake-0123456789abcdef".into(),
            names: vec!["localhost".into(), "127.0.0.1".into()],
            http1_only: false,
            streams_per_connection: 1_000,
            deltas: None,
            pause: Duration::ZERO,
            record: true,
            behaviour: Behaviour::Good,
        }
    }
}

//! What a test chooses before the provider starts.

use std::time::Duration;

use crate::Behaviour;

/// How a provider is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1, 0 for any free one.
    pub port: u16,
    /// The one key it accepts.
    pub key: String,
    /// DNS names and addresses in its certificate.
    pub names: Vec<String>,
    /// No HTTP/2: ALPN offers `http/1.1` alone.
    pub http1_only: bool,
    /// How many requests one HTTP/2 connection may carry at once.
    pub streams_per_connection: u32,
    /// How many pieces an answer in words has. `None` is one for each word.
    pub deltas: Option<usize>,
    /// Waited before each piece of a stream.
    pub pause: Duration,
    /// Whether requests are kept; a long benchmark does without.
    pub record: bool,
    /// How it behaves at first.
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

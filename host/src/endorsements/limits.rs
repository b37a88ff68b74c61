//! How long to wait for the service, and how often to ask it.

use std::time::Duration;

/// How long to wait for the service, and how often to ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connecting, name lookup and TLS included, at most. Whoever cannot be reached is asked once.
    pub connect: Duration,
    /// The head of an answer, and each piece of its body, at most.
    pub idle: Duration,
    /// One request whole, at most.
    pub request: Duration,
    /// Requests for one document, at most.
    pub attempts: u32,
    /// The pause after the first attempt; each further one is twice as long, and none is shorter than the service says.
    /// Up to half of it is left to chance, so that hosts that start together do not come together.
    pub first_pause: Duration,
    /// One pause, at most; a service that wants a longer one is not asked again.
    pub longest_pause: Duration,
    /// All requests for one document and the pauses between them, at most.
    pub total: Duration,
}

impl Default for Limits {
    /// AMD's service answers about one request for a VCEK in ten seconds.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            request: Duration::from_secs(40),
            attempts: 6,
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(60),
            total: Duration::from_secs(180),
        }
    }
}

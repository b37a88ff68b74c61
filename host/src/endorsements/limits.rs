//! How long to wait for the service, and how often to ask it.

use std::time::Duration;

/// Time limits and number of attempts for requests to the service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum time for a connection, including name lookup and TLS. If it fails, there is no other attempt.
    pub connect: Duration,
    /// Maximum time to wait for the head of an answer and for each piece of its body.
    pub idle: Duration,
    /// Maximum time for one whole request.
    pub request: Duration,
    /// Maximum number of requests for one document.
    pub attempts: u32,
    /// The pause after the first attempt. Each further pause is twice as long, and none is shorter than the service asks.
    /// Up to half of a pause is random, so that hosts that start together do not retry together.
    pub first_pause: Duration,
    /// Maximum length of one pause. If the service asks for a longer one, the host gives up.
    pub longest_pause: Duration,
    /// Maximum time for all requests for one document and the pauses between them.
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

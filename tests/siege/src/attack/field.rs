//! The state that all attackers share: how to reach the node, and their counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::{HeaderMap, Method, Request, Uri};

use crate::caller::Target;
use crate::loopback::Dialer;
use crate::site::Site;
use crate::tally::Tally;

/// The attackers' view of the node.
pub(super) struct Field {
    /// Connections for HTTP/2.
    pub(super) http2: Dialer,
    /// Connections for HTTP/1.1.
    pub(super) http1: Dialer,
    /// The target of attackers that verify answers.
    pub(super) target: Arc<Target>,
    /// Key and token of every attacker.
    pub(super) headers: HeaderMap,
    /// Maximum number of connections of the node.
    pub(super) connections: usize,
    /// The node's answers to each attack, counted as `attack status`.
    pub(super) seen: Tally,
    /// Number of requests that the node must refuse early.
    pub(super) refusals_sent: AtomicU64,
    /// Number of those whose refusal arrived.
    pub(super) refusals_arrived: AtomicU64,
    /// Number of streams whose final event came without a receipt.
    pub(super) unproven_ends: AtomicU64,
}

impl Field {
    /// Creates the state. The attackers use the token of one caller.
    pub(super) fn new(site: &Site, caller: usize, connections: usize) -> Self {
        let (port, ca) = (site.node.port(), site.ca());
        Self {
            http2: Dialer::new(port, &ca, b"h2").unwrap(),
            http1: Dialer::new(port, &ca, b"http/1.1").unwrap(),
            target: site.target(port, caller),
            headers: site.headers(caller),
            connections,
            seen: Tally::default(),
            refusals_sent: AtomicU64::new(0),
            refusals_arrived: AtomicU64::new(0),
            unproven_ends: AtomicU64::new(0),
        }
    }

    /// Returns a POST of JSON with the attackers' headers.
    pub(super) fn post(&self, path: &str) -> Request<()> {
        let mut request = request(Method::POST, path);
        request.headers_mut().extend(self.headers.clone());
        request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        request
    }

    /// Returns a GET without headers.
    pub(super) fn get(&self, path: &str) -> Request<()> {
        request(Method::GET, path)
    }

    /// Counts an answer or a missing answer.
    pub(super) fn saw(&self, attack: &str, status: Option<u16>) {
        match status {
            Some(status) => self.seen.add(format!("{attack} {status}")),
            None => self.seen.add(format!("{attack} unanswered")),
        }
    }
}

fn request(method: Method, path: &str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = format!("https://localhost{path}").parse::<Uri>().unwrap();
    request
}

//! Closed providers: where requests go, over which connection, and what passes of the answer.
//!
//! ```text
//! model name ─▶ routes ─▶ request: head and body ─▶ pool ─▶ connect: egress by the host, TLS ends here ─▶ provider
//!                                                                                                         │
//! caller ◀── api ◀── events: whole ones, nothing that imitates a record ◀── seen: model, usage, end ◀─────┘
//!                    hidden: counts of cached tokens, if the operator says so
//! ```

mod body;
mod breaker;
mod connect;
mod error;
mod events;
mod hidden;
mod http2;
mod idempotency;
mod listing;
mod pool;
mod provider;
mod request;
mod routes;
mod seen;
mod tls;

use std::sync::Arc;

use futures_util::future::join_all;
use http::HeaderMap;
use quoth_attestation::statement::{self, ShortText};
use quoth_link::Address;

pub use body::Body;
pub use connect::Peer;
pub use error::UpstreamError;
pub use events::{EventReader, Framed};
pub use hidden::{CachedCounts, Received};
pub use pool::{Answered, Failed, Lease};
pub use provider::Upstream;
pub use request::{Key, UpstreamRequest, keys, returns};
pub use routes::Routes;
pub use seen::Seen;

use crate::EnclaveError;
use crate::config::Settings;
use idempotency::Idempotency;
use request::passes;

/// All providers of the configuration.
pub struct Upstreams {
    all: Vec<Arc<Upstream>>,
    routes: Routes,
    idempotency: Idempotency,
}

/// Where a request goes.
pub struct Route {
    /// The provider.
    pub upstream: Arc<Upstream>,
    /// Its place in the configuration.
    pub place: usize,
    /// The model that it is asked for.
    pub model: ShortText,
}

impl Upstreams {
    /// Providers without a connection yet.
    pub fn new(settings: &Settings, link: &Address) -> Result<Self, EnclaveError> {
        let routes = Routes::new(settings).map_err(|reason| EnclaveError::Config(reason.into()))?;
        let all = settings.upstreams.iter().map(|upstream| Upstream::new(upstream, link).map(Arc::new));
        Ok(Self { all: all.collect::<Result<_, _>>()?, routes, idempotency: Idempotency::new()? })
    }

    /// Returns the caller's headers that a provider gets, as it gets them. `connection`: the number of the caller's
    /// connection.
    pub fn passes(&self, headers: &HeaderMap, connection: u64) -> HeaderMap {
        let mut passed = passes(headers);
        self.idempotency.map(headers, connection, &mut passed);
        passed
    }

    /// Returns where requests for `model` go; none if no provider has it.
    pub fn route(&self, model: &ShortText) -> Option<Route> {
        let (index, model) = self.routes.find(model)?;
        let upstream = Arc::clone(self.all.get(index)?);
        Some(Route { upstream, place: index, model: model.clone() })
    }

    /// Names of models without patterns, each with its provider's name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes.names().map(|(name, index)| (name, self.all[index].name()))
    }

    /// Models that providers list themselves and patterns lead to, each with its provider's name. `key`: the key for a
    /// provider, by its name.
    pub async fn listed(&self, key: impl Fn(&str) -> Option<Key>) -> Vec<(String, &str)> {
        let of_patterns = self.all.iter().enumerate().filter(|(index, _)| self.routes.has_patterns(*index));
        let listed = join_all(of_patterns.map(|(index, upstream)| {
            let key = key(upstream.name());
            async move {
                let names = match key {
                    Some(key) => upstream.lists(&key).await,
                    None => Arc::default(),
                };
                (index, names)
            }
        }));
        let mut models = Vec::new();
        for (index, names) in listed.await {
            let routed = names.iter().filter(|name| self.routes.by_pattern(name) == Some(index));
            models.extend(routed.map(|name| (name.clone(), self.all[index].name())));
        }
        models
    }

    /// What the statement says about them.
    pub fn described(&self) -> Vec<statement::Upstream> {
        self.all.iter().map(|upstream| upstream.described().clone()).collect()
    }
}

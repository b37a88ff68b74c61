//! One closed provider: its names, its connections, its list of models.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use quoth_attestation::statement::{self, ShortText};
use quoth_link::Address;

use super::error::no_name;
use super::listing::{self, Listing};
use super::pool::{Answered, Failed, Pool};
use super::request::{Key, Named, UpstreamRequest};
use crate::EnclaveError;
use crate::config::{self, Api, CachedTokens};

/// One provider.
pub struct Upstream {
    settings: config::Upstream,
    described: statement::Upstream,
    named: Named,
    pool: Pool,
    listing: Listing,
}

impl Upstream {
    pub(super) fn new(settings: &config::Upstream, link: &Address) -> Result<Self, EnclaveError> {
        let named = Named::new(settings).ok_or_else(no_name)?;
        let text = |text: &String| ShortText::new(text.as_str()).map_err(|_| no_name());
        let described =
            statement::Upstream { name: text(&settings.name)?, host: text(&settings.host)?, port: settings.port };
        let pool = Pool::new(settings, link)?;
        Ok(Self { settings: settings.clone(), described, named, pool, listing: Listing::default() })
    }

    /// What statement and receipts say about it.
    pub fn described(&self) -> &statement::Upstream {
        &self.described
    }

    /// Its name in secrets.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Which API it speaks.
    pub fn api(&self) -> Api {
        self.settings.api
    }

    /// Whether counts of cached tokens are hidden from callers who use the operator's key.
    pub fn hides_cached_tokens(&self) -> bool {
        self.settings.cached_tokens == CachedTokens::Hide
    }

    /// How long it may be silent.
    pub fn silence(&self) -> Duration {
        self.settings.timeout()
    }

    /// Makes the request to `target` as this provider gets it; none if a value cannot stand in a request.
    pub fn request(&self, target: &str, passed: &HeaderMap, key: &Key, body: Bytes) -> Option<UpstreamRequest> {
        UpstreamRequest::new(&self.settings, &self.named, target, passed, key, body)
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(&self, request: &UpstreamRequest) -> Result<Answered, Failed> {
        self.pool.send(request, self.silence()).await
    }

    /// The models that the provider lists for this key.
    pub(super) async fn lists(&self, key: &Key) -> Arc<[String]> {
        self.listing.names(self.asked_for_models(key)).await
    }

    async fn asked_for_models(&self, key: &Key) -> Option<Vec<String>> {
        let question = UpstreamRequest::models(&self.settings, &self.named, key)?;
        listing::read(self.send(&question).await.ok()?).await
    }
}

//! Who the node is: one statement and one set of keys a boot; only the evidence is renewed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use quoth_attestation::Digest;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::evidence::Evidence;
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Keys, Model, Software, Statement};
use quoth_engine::Engine;
use quoth_link::endorse::{self, Endorsements};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::callers::Callers;
use crate::config::{Config, Limits};
use crate::exchange::{Ledger, Shelf};
use crate::journal::Journal;
use crate::keys::{ReceiptKey, random};
use crate::metrics::Metrics;
use crate::platform::{self, Platform, Quote};
use crate::secrets::Secrets;
use crate::tls::Tls;
use crate::upstream::Upstreams;
use crate::{EnclaveError, clock, limits};

/// A node that can answer.
pub struct Node {
    /// Local models, in configuration order.
    pub engines: Vec<Engine>,
    /// Closed providers.
    pub upstreams: Upstreams,
    /// Keys for them, and hashes of tokens.
    pub secrets: Secrets,
    /// Who may ask.
    pub callers: Callers,
    /// The receipt chain.
    pub ledger: Ledger,
    /// Details that callers asked to be kept.
    pub shelf: Shelf,
    /// Receipts on their way to the host.
    pub journal: Arc<Journal>,
    /// Counters.
    pub metrics: Metrics,
    /// Bounds of the configuration.
    pub limits: Limits,
    statement: Statement,
    encoded: Vec<u8>,
    digest: Digest,
    digest_value: HeaderValue,
    platform: Arc<dyn Platform>,
    newest: Mutex<Option<Newest>>,
    endorsements: Mutex<Endorsements>,
    quotes: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// The newest evidence without a nonce.
struct Newest {
    made: Instant,
    evidence: Evidence,
    bytes: Bytes,
}

impl Newest {
    fn new(made: Instant, evidence: Evidence) -> Self {
        let bytes = evidence.encode().into();
        Self { made, evidence, bytes }
    }
}

/// Why there is no quote now.
#[derive(Debug)]
pub enum NoQuote {
    /// Too many are under way: try again later.
    Busy,
    /// The platform failed.
    Failed,
}

impl Node {
    /// Makes keys and statement and takes the first quote.
    pub fn make(config: &Config, engines: Vec<Engine>, upstreams: Upstreams, tls: &Tls) -> Result<Self, EnclaveError> {
        let instance = random()?;
        let key = Arc::new(ReceiptKey::generate()?);
        let platform = platform::open(config, instance, &key)?;
        let secrets = Secrets::new(&config.settings)?;
        let issued = clock::seconds();
        let statement = Statement {
            instance,
            platform: platform.name(),
            keys: Keys { receipt: key.public(), tls: tls.spki, seal: secrets.seal_key(), other: Default::default() },
            config: config.digest(),
            software: Software {
                name: "quoth-enclave".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                commit: env!("QUOTH_COMMIT").into(),
                engine: engines.first().map(|engine| format!("{} {}", engine.info().identity, engine.info().processor)),
            },
            models: engines.iter().map(model).collect(),
            upstreams: upstreams.described(),
            operator: secrets.operator(),
            issued,
            not_after: issued + limits::STATEMENT_LIFE.as_secs(),
            clock: platform.clock(),
        };
        let encoded = statement.encode();
        let digest = Digest::of(&encoded);
        let journal = Arc::new(Journal::new(instance, encoded.clone(), config.settings.limits.exchanges));
        let node = Self {
            engines,
            upstreams,
            secrets,
            callers: Callers::new(&config.settings),
            ledger: Ledger::new(key, digest, Arc::clone(&journal)),
            shelf: Shelf::default(),
            journal,
            metrics: Metrics::default(),
            limits: config.settings.limits,
            statement,
            encoded,
            digest,
            digest_value: HeaderValue::try_from(digest.to_string()).map_err(EnclaveError::make("statement"))?,
            platform,
            newest: Mutex::new(None),
            endorsements: Mutex::default(),
            quotes: Arc::new(Semaphore::new(limits::QUOTES)),
            bodies: Arc::new(Semaphore::new(limits::BODIES_BYTES)),
        };
        node.renew()?;
        Ok(node)
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The same, hex, as a header field has it.
    pub fn digest_value(&self) -> HeaderValue {
        self.digest_value.clone()
    }

    /// How strongly receipts are proven.
    pub fn level(&self) -> Level {
        self.platform.level()
    }

    /// SHA-256 of the platform's root certificate, when it was made for this run.
    pub fn simulated_root(&self) -> Option<Digest> {
        self.platform.simulated_root()
    }

    /// The local model that requests call `name`.
    pub fn engine(&self, name: &str) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.info().name == name)
    }

    /// Memory for `bytes` of a request body, if there is any left; given back when the permit is dropped.
    pub fn memory_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// The newest evidence bundle; one that is old is made anew.
    pub async fn evidence(self: &Arc<Self>) -> Result<Bytes, NoQuote> {
        let fresh = match &*lock(&self.newest) {
            Some(newest) if newest.made.elapsed() < self.platform.renewal() => Some(newest.bytes.clone()),
            _ => None,
        };
        match fresh {
            Some(bytes) => Ok(bytes),
            None => self.blocking(|node| node.renew()).await,
        }
    }

    /// An evidence bundle over a nonce.
    pub async fn fresh_evidence(self: &Arc<Self>, nonce: Nonce) -> Result<Bytes, NoQuote> {
        self.blocking(move |node| Ok(node.quote(Some(nonce))?.encode().into())).await
    }

    async fn blocking(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<Bytes, EnclaveError> + Send + 'static,
    ) -> Result<Bytes, NoQuote> {
        let permit = Arc::clone(&self.quotes).try_acquire_owned().map_err(|_| NoQuote::Busy)?;
        let node = Arc::clone(self);
        let outcome = tokio::task::spawn_blocking(move || {
            // Kept by the work itself: a caller that leaves does not end it.
            let _permit = permit;
            work(&node)
        })
        .await;
        outcome.ok().and_then(Result::ok).ok_or(NoQuote::Failed)
    }

    fn renew(&self) -> Result<Bytes, EnclaveError> {
        let newest = Newest::new(Instant::now(), self.quote(None)?);
        let bytes = newest.bytes.clone();
        *lock(&self.newest) = Some(newest);
        Ok(bytes)
    }

    /// The newest report, where others endorse it.
    pub fn report(&self) -> Option<[u8; endorse::REPORT]> {
        let newest = lock(&self.newest);
        let report = &newest.as_ref().filter(|_| self.platform.is_endorsed_by_others())?.evidence.quote;
        report.as_slice().try_into().ok()
    }

    /// Evidence carries these from now on.
    pub fn endorse(&self, endorsements: Endorsements) {
        let mut newest = lock(&self.newest);
        if let Some(Newest { made, evidence, .. }) = newest.take() {
            *newest = Some(Newest::new(made, endorsed(evidence, &endorsements)));
        }
        *lock(&self.endorsements) = endorsements;
    }

    fn quote(&self, nonce: Option<Nonce>) -> Result<Evidence, EnclaveError> {
        let binding = node_binding(&self.digest, nonce.as_ref());
        let Quote { bytes, certificates } = self.platform.quote(&binding, nonce.as_ref())?;
        let evidence =
            Evidence { statement: self.encoded.clone(), quote: bytes, nonce, certificates, crls: Vec::new() };
        Ok(endorsed(evidence, &lock(&self.endorsements)))
    }
}

/// What came with the report itself stays where there is nothing else.
fn endorsed(evidence: Evidence, endorsements: &Endorsements) -> Evidence {
    match endorsements.certificates.is_empty() {
        true => evidence,
        false => {
            let Endorsements { certificates, crls } = endorsements.clone();
            Evidence { certificates, crls, ..evidence }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn model(engine: &Engine) -> Model {
    let info = engine.info();
    Model { name: info.name.clone(), sha256: Digest(info.sha256), size: info.size }
}

//! Who the node is: one statement and one set of keys a boot; only the evidence is renewed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::bounded::{Blob, List};
use quoth_attestation::evidence::{Certificates, Crls, Encoded, Evidence};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Keys, Model, OtherKeys, ShortText, Software, Statement, Validity};
use quoth_attestation::{Digest, FormatError};
use quoth_engine::Engine;
use quoth_link::endorse::{self, Endorsements};

use crate::callers::Callers;
use crate::config::{self, Config, Limits};
use crate::exchange::{Ledger, Named, Shelf};
use crate::journal::Journal;
use crate::keys::{ReceiptKey, random};
use crate::metrics::Metrics;
use crate::platform::{self, Platform, Quote};
use crate::secrets::Secrets;
use crate::shares::{Account, Party, Shares};
use crate::tls::Tls;
use crate::turns::Turns;
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
    /// Memory held on behalf of others, bytes.
    pub memory: Arc<Shares>,
    /// Exchanges in progress, by caller.
    pub slots: Arc<Shares>,
    /// Exchanges in progress with each provider, in configuration order, by caller.
    pub upstream_slots: Vec<Arc<Shares>>,
    /// Memory for requests that are not admitted, bytes.
    pub unadmitted: Arc<Shares>,
    /// Counters.
    pub metrics: Metrics,
    /// Bounds of the configuration.
    pub limits: Limits,
    statement: Statement,
    encoded: Encoded,
    digest: Digest,
    digest_value: HeaderValue,
    platform: Arc<dyn Platform>,
    newest: Mutex<Option<Newest>>,
    endorsements: Mutex<Endorsed>,
    quotes: Arc<Shares>,
    turns: Arc<Turns>,
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

/// What endorses quotes, within the bounds of evidence.
#[derive(Clone, Default)]
struct Endorsed {
    certificates: Certificates,
    crls: Crls,
}

impl Endorsed {
    fn of(certificates: Vec<Vec<u8>>, crls: Vec<Vec<u8>>) -> Result<Self, FormatError> {
        let certificates = certificates.into_iter().map(Blob::new).collect::<Result<Vec<_>, _>>()?;
        let crls = crls.into_iter().map(Blob::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { certificates: List::new(certificates)?, crls: List::new(crls)? })
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
        let unfit = |what: &'static str| move |_: FormatError| EnclaveError::Config(what.into());
        let text = |text: String| ShortText::new(text).map_err(EnclaveError::make("statement"));
        let engine = engines.first().map(|engine| format!("{} {}", engine.info().identity, engine.info().processor));
        let models: Vec<Model> = engines.iter().map(model).collect::<Result<_, _>>()?;
        let statement = Statement {
            instance,
            platform: platform.name(),
            keys: Keys { receipt: key.public(), tls: tls.spki, seal: secrets.seal_key(), other: OtherKeys::default() },
            config: config.digest(),
            software: Software {
                name: text("quoth-enclave".into())?,
                version: text(env!("CARGO_PKG_VERSION").into())?,
                commit: text(env!("QUOTH_COMMIT").into())?,
                engine: engine.map(text).transpose()?,
            },
            models: List::new(models).map_err(unfit("too many models"))?,
            upstreams: List::new(upstreams.described()).map_err(unfit("too many upstreams"))?,
            operator: secrets.operator(),
            validity: Validity::new(issued, issued + limits::STATEMENT_LIFE.as_secs())
                .map_err(EnclaveError::make("statement"))?,
            clock: platform.clock(),
        };
        let encoded =
            Encoded::new(statement.encode()).map_err(unfit("more models and upstreams than a statement holds"))?;
        let digest = Digest::of(&encoded);
        let journal = Arc::new(Journal::new(instance, encoded.to_vec(), config.settings.limits.exchanges));
        let limits = config.settings.limits;
        let details = limits.memory_bytes / limits::DETAILS_PART;
        let unadmitted = limits.memory_bytes / limits::UNADMITTED_PART;
        // A provider that does not answer leaves slots for everything else.
        let is_alone = config.settings.upstreams.len() + config.settings.models.len() == 1;
        let others = if is_alone { 0 } else { limits.exchanges / limits::UPSTREAM_PART };
        let of_upstream = |_: &config::Upstream| Shares::new((limits.exchanges - others) as u64);
        let upstream_slots = config.settings.upstreams.iter().map(of_upstream).collect();
        let node = Self {
            engines,
            upstreams,
            secrets,
            callers: Callers::new(&config.settings),
            ledger: Ledger::new(key, digest, Arc::clone(&journal)),
            shelf: Shelf::new(details),
            journal,
            memory: Shares::new((limits.memory_bytes - details - unadmitted) as u64),
            slots: Shares::new(limits.exchanges as u64),
            upstream_slots,
            unadmitted: Shares::new(unadmitted as u64),
            metrics: Metrics::default(),
            limits,
            statement,
            encoded,
            digest,
            digest_value: HeaderValue::try_from(digest.to_string()).map_err(EnclaveError::make("statement"))?,
            platform,
            newest: Mutex::new(None),
            endorsements: Mutex::default(),
            quotes: Shares::new(limits::QUOTES),
            turns: Turns::new(limits::QUOTES_AT_ONCE),
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

    /// Counters, in Prometheus text.
    pub fn metrics_text(&self) -> String {
        let gauges = [
            ("quoth_exchanges_running", self.journal.running() as u64),
            ("quoth_exchange_slots_held", self.slots.held()),
            ("quoth_receipts_unacknowledged", self.journal.unacknowledged() as u64),
            ("quoth_memory_held_bytes", self.memory.held() + self.unadmitted.held()),
            ("quoth_memory_limit_bytes", self.memory.total() + self.unadmitted.total()),
        ];
        self.metrics.text(&gauges) + &self.callers.metrics()
    }

    /// The memory budget as `party` may use it.
    pub fn account(&self, party: Party) -> Account {
        Account { memory: Arc::clone(&self.memory), party }
    }

    /// The newest evidence bundle; one that is old is made anew.
    pub async fn evidence(self: &Arc<Self>, party: Party) -> Result<Bytes, NoQuote> {
        match self.newest() {
            Some(bytes) => Ok(bytes),
            // Another may have made it while this one waited.
            None => self.blocking(party, |node| node.newest().map_or_else(|| node.renew(), Ok)).await,
        }
    }

    /// An evidence bundle over a nonce.
    pub async fn fresh_evidence(self: &Arc<Self>, party: Party, nonce: Nonce) -> Result<Bytes, NoQuote> {
        self.blocking(party, move |node| Ok(node.quote(Some(nonce))?.encode().into())).await
    }

    /// The newest evidence bundle without a nonce, while it is not too old.
    fn newest(&self) -> Option<Bytes> {
        let newest = lock(&self.newest);
        newest
            .as_ref()
            .filter(|newest| newest.made.elapsed() < self.platform.renewal())
            .map(|newest| newest.bytes.clone())
    }

    /// Asks the platform. A few ask at a time, and parties take turns.
    async fn blocking(
        self: &Arc<Self>,
        party: Party,
        work: impl FnOnce(&Self) -> Result<Bytes, EnclaveError> + Send + 'static,
    ) -> Result<Bytes, NoQuote> {
        let place = self.quotes.take(party, 1).ok_or(NoQuote::Busy)?;
        let turn = self.turns.take(party).await;
        let node = Arc::clone(self);
        let outcome = tokio::task::spawn_blocking(move || {
            // The work itself keeps them: a caller that leaves does not end it.
            let _held = (place, turn);
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
        report[..].try_into().ok()
    }

    /// Evidence carries these from now on.
    ///
    /// # Errors
    /// When evidence cannot hold them: then it goes on as before.
    pub fn endorse(&self, endorsements: Endorsements) -> Result<(), FormatError> {
        let endorsements = Endorsed::of(endorsements.certificates, endorsements.crls)?;
        let mut newest = lock(&self.newest);
        if let Some(Newest { made, evidence, .. }) = newest.take() {
            *newest = Some(Newest::new(made, endorsed(evidence, &endorsements)));
        }
        *lock(&self.endorsements) = endorsements;
        Ok(())
    }

    fn quote(&self, nonce: Option<Nonce>) -> Result<Evidence, EnclaveError> {
        let binding = node_binding(&self.digest, nonce.as_ref());
        let Quote { bytes, certificates } = self.platform.quote(&binding, nonce.as_ref())?;
        let endorsements = Endorsed::of(certificates, Vec::new()).map_err(EnclaveError::make("quote"))?;
        let evidence = Evidence {
            statement: self.encoded.clone(),
            quote: bytes.try_into().map_err(EnclaveError::make("quote"))?,
            nonce,
            certificates: endorsements.certificates,
            crls: endorsements.crls,
        };
        Ok(endorsed(evidence, &lock(&self.endorsements)))
    }
}

/// What came with the report itself stays where there is nothing else.
fn endorsed(evidence: Evidence, endorsements: &Endorsed) -> Evidence {
    match endorsements.certificates.is_empty() {
        true => evidence,
        false => {
            let Endorsed { certificates, crls } = endorsements.clone();
            Evidence { certificates, crls, ..evidence }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the statement says of a model; receipts can name it, too.
fn model(engine: &Engine) -> Result<Model, EnclaveError> {
    let info = engine.info();
    let unfit = |_| EnclaveError::Config("a model's name, or what runs it, is longer than receipts can say".into());
    let named = Named::of(info).map_err(unfit)?;
    Ok(Model { name: named.model().clone(), sha256: Digest(info.sha256), size: info.size })
}

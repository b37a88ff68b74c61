//! A node that can answer: its identity, its receipts, its models and providers, and what callers share.

use std::sync::Arc;

use quoth_attestation::bounded::List;
use quoth_attestation::statement::{Keys, Model, OtherKeys, ShortText, Software, Statement, Validity};
use quoth_attestation::{Digest, FormatError};
use quoth_engine::Engine;

use crate::budgets::Budgets;
use crate::callers::Callers;
use crate::config::{Config, Limits};
use crate::exchange::{DetailsStore, Ledger, Named, Notary};
use crate::identity::Identity;
use crate::journal::Journal;
use crate::keys::{ReceiptKey, random};
use crate::log_keys::{LogKeys, SettlementKey};
use crate::metrics::Metrics;
use crate::platform;
use crate::secrets::Secrets;
use crate::tls::Tls;
use crate::upstream::Upstreams;
use crate::{EnclaveError, clock, limits};

/// A node that can answer.
pub struct Node {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// What exchanges are proven with.
    pub notary: Arc<Notary>,
    /// Receipts on their way to the host.
    pub journal: Arc<Journal>,
    /// Local models, in configuration order.
    pub engines: Vec<Engine>,
    /// Closed providers.
    pub upstreams: Upstreams,
    /// Keys for them, and hashes of tokens.
    pub secrets: Secrets,
    /// Who may ask.
    pub callers: Callers,
    /// What callers share.
    pub budgets: Budgets,
    /// Bounds of the configuration.
    pub limits: Limits,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Node {
    /// Makes keys and statement and takes the first quote.
    pub fn make(config: &Config, engines: Vec<Engine>, upstreams: Upstreams, tls: &Tls) -> Result<Self, EnclaveError> {
        let settings = &config.settings;
        let instance = random()?;
        let key = Arc::new(ReceiptKey::generate()?);
        let platform = platform::open(config, instance, &key)?;
        let secrets = Secrets::new(settings)?;
        let settlement = SettlementKey::generate()?;
        let keys = Keys {
            receipt: key.public(),
            tls: tls.spki,
            seal: secrets.seal_key(),
            settlement: Some(settlement.public()),
            operator_evm: settings.operator_evm.map(|address| address.0),
            other: OtherKeys::default(),
        };
        let issued = clock::seconds();
        let unfit = |what: &'static str| move |_: FormatError| EnclaveError::Config(what.into());
        let models: Vec<Model> = engines.iter().map(model).collect::<Result<_, _>>()?;
        let statement = Statement {
            instance,
            platform: platform.name(),
            keys,
            config: config.digest(),
            software: software(engines.first())?,
            models: List::new(models).map_err(unfit("too many models"))?,
            upstreams: List::new(upstreams.described()).map_err(unfit("too many upstreams"))?,
            operator: secrets.operator(),
            validity: Validity::new(issued, issued + limits::STATEMENT_LIFE.as_secs())
                .map_err(EnclaveError::make("statement"))?,
            clock: platform.clock(),
        };
        let identity = Arc::new(Identity::new(statement, platform)?);
        let log_keys = Arc::new(LogKeys::new(identity.digest(), settlement, Arc::clone(&key)));
        let encoded = identity.encoded().to_vec();
        let journal = Arc::new(Journal::new(instance, encoded, Arc::clone(&log_keys), settings.limits.exchanges));
        let (budgets, metrics) = (Budgets::new(settings), Arc::new(Metrics::default()));
        let notary = Notary {
            identity: Arc::clone(&identity),
            ledger: Ledger::new(key, log_keys, identity.digest(), Arc::clone(&journal)),
            details: DetailsStore::new(budgets.details),
            metrics: Arc::clone(&metrics),
        };
        Ok(Self {
            identity,
            notary: Arc::new(notary),
            journal,
            engines,
            upstreams,
            secrets,
            callers: Callers::new(settings),
            budgets,
            limits: settings.limits,
            metrics,
        })
    }

    /// The local model that requests call `name`.
    pub fn engine(&self, name: &str) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.info().name == name)
    }

    /// Counters, in Prometheus text.
    pub fn metrics_text(&self) -> String {
        let Budgets { memory, unadmitted, slots, .. } = &self.budgets;
        let gauges = [
            ("quoth_exchanges_running", self.journal.running() as u64),
            ("quoth_exchange_slots_held", slots.held()),
            ("quoth_receipts_unacknowledged", self.journal.unacknowledged() as u64),
            ("quoth_memory_held_bytes", memory.held() + unadmitted.held()),
            ("quoth_memory_limit_bytes", memory.total() + unadmitted.total()),
        ];
        self.metrics.text(&gauges) + &self.callers.metrics()
    }
}

/// What the statement says about the program and the engine.
fn software(engine: Option<&Engine>) -> Result<Software, EnclaveError> {
    let text = |text: String| ShortText::new(text).map_err(EnclaveError::make("statement"));
    let engine = engine.map(|engine| format!("{} {}", engine.info().identity, engine.info().processor));
    Ok(Software {
        name: text("quoth-enclave".into())?,
        version: text(env!("CARGO_PKG_VERSION").into())?,
        commit: text(env!("QUOTH_COMMIT").into())?,
        engine: engine.map(text).transpose()?,
    })
}

/// What the statement says about a model. Checks that receipts can name it, too.
fn model(engine: &Engine) -> Result<Model, EnclaveError> {
    let info = engine.info();
    let unfit = |_| EnclaveError::Config("a model's name, or what runs it, is longer than receipts can say".into());
    let named = Named::of(info).map_err(unfit)?;
    Ok(Model { name: named.model().clone(), sha256: Digest(info.sha256), size: info.size })
}

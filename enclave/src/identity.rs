//! Who the node is: one statement for a boot, and evidence for it, which is renewed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use quoth_attestation::binding::{Nonce, node_binding};
use quoth_attestation::bounded::{Blob, List};
use quoth_attestation::evidence::{Certificates, Crls, Encoded, Evidence};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::Statement;
use quoth_attestation::{Digest, FormatError};
use quoth_link::endorse::{self, Endorsements};

use crate::platform::{Platform, Quote};
use crate::shares::{Party, Shares};
use crate::turns::Turns;
use crate::{EnclaveError, limits};

/// The statement, and the platform that vouches for it.
pub struct Identity {
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

/// Why there is no quote.
#[derive(Debug)]
pub enum NoQuote {
    /// Too many are under way: try again later.
    Busy,
    /// The platform failed.
    Failed,
}

impl Identity {
    /// Encodes the statement and takes the first quote.
    ///
    /// # Errors
    /// A statement that is too long, and a platform that gives no quote.
    pub fn new(statement: Statement, platform: Arc<dyn Platform>) -> Result<Self, EnclaveError> {
        let too_long = |_| EnclaveError::Config("more models and upstreams than a statement holds".into());
        let encoded = Encoded::new(statement.encode()).map_err(too_long)?;
        let digest = Digest::of(&encoded);
        let identity = Self {
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
        identity.renew()?;
        Ok(identity)
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The statement as it is signed.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Its digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest in hex, as a header value.
    pub fn digest_value(&self) -> HeaderValue {
        self.digest_value.clone()
    }

    /// How strongly receipts are proven.
    pub fn level(&self) -> Level {
        self.platform.level()
    }

    /// SHA-256 of the platform's root certificate, if it was made for this run.
    pub fn simulated_root(&self) -> Option<Digest> {
        self.platform.simulated_root()
    }

    /// Returns the newest evidence bundle, or a new one if that is too old.
    pub async fn evidence(self: &Arc<Self>, party: Party) -> Result<Bytes, NoQuote> {
        match self.newest() {
            Some(bytes) => Ok(bytes),
            // Another request may have made it while this one waited.
            None => self.blocking(party, |identity| identity.newest().map_or_else(|| identity.renew(), Ok)).await,
        }
    }

    /// Makes an evidence bundle over a nonce.
    pub async fn fresh_evidence(self: &Arc<Self>, party: Party, nonce: Nonce) -> Result<Bytes, NoQuote> {
        self.blocking(party, move |identity| Ok(identity.quote(Some(nonce))?.encode().into())).await
    }

    /// The newest evidence bundle without a nonce, if it is not too old.
    fn newest(&self) -> Option<Bytes> {
        let newest = lock(&self.newest);
        newest
            .as_ref()
            .filter(|newest| newest.made.elapsed() < self.platform.renewal())
            .map(|newest| newest.bytes.clone())
    }

    /// Asks the platform. Only a few requests ask at a time, and parties take turns.
    async fn blocking(
        self: &Arc<Self>,
        party: Party,
        work: impl FnOnce(&Self) -> Result<Bytes, EnclaveError> + Send + 'static,
    ) -> Result<Bytes, NoQuote> {
        let place = self.quotes.take(party, 1).ok_or(NoQuote::Busy)?;
        let turn = self.turns.take(party).await;
        let identity = Arc::clone(self);
        let outcome = tokio::task::spawn_blocking(move || {
            // The work keeps them, because it goes on if the caller leaves.
            let _held = (place, turn);
            work(&identity)
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

    /// The newest report, if the host has to get its endorsements.
    pub fn report(&self) -> Option<[u8; endorse::REPORT]> {
        let newest = lock(&self.newest);
        let report = &newest.as_ref().filter(|_| self.platform.is_endorsed_by_others())?.evidence.quote;
        report[..].try_into().ok()
    }

    /// Adds these endorsements to evidence from now on.
    ///
    /// # Errors The endorsements do not fit into evidence, which stays as it was.
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

/// Replaces the endorsements that came with the report, if there are others.
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

//! Gets the endorsements of a report from the cache or from the service, and verifies them.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use quoth_attestation::Digest;
use quoth_verifier::{
    CLOCK_SKEW, Family, HardwareEvidence, Policy, Refusal, SnpRefusal, Verifier, revocation_list_window,
};
use tokio::sync::Mutex;

use super::crl::{self, Chosen, List};
use super::document::{Document, two_certificates};
use super::error::EndorsementError;
use super::service::Service;
use super::source::Source;
use super::store::{Store, Stored};

/// The verifier's check that the revocation list is signed by the root and does not list the intermediate.
const REVOKED: &str = "snp.crl.revoked";

/// The endorsements of a report. With them the verifier accepts the report as genuine.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endorsement {
    /// Certificate of the key that signed the report (VCEK), DER.
    pub vek: Vec<u8>,
    /// Certificate of the intermediate (ASK), DER.
    pub intermediate: Vec<u8>,
    /// Certificate of AMD's root (ARK), DER.
    pub root: Vec<u8>,
    /// The root's revocation list, DER. `None` if it was not requested.
    pub crl: Option<Vec<u8>>,
    /// The documents that did not come from the cache.
    pub downloaded: Vec<Document>,
    /// Why a valid revocation list older than a day was not renewed.
    pub crl_not_renewed: Option<Box<EndorsementError>>,
}

/// Gets endorsements from a service and caches them in a folder.
#[derive(Debug)]
pub struct Endorsements {
    store: Store,
    service: Service,
    family: Option<Family>,
    crl: bool,
    at: Option<u64>,
    verifier: Verifier,
    /// Lets one task at a time ask the service. The others then find the documents in the folder.
    turn: Mutex<()>,
}

impl Endorsements {
    /// Takes the service and the cache folder. The folder is created when it is needed.
    pub fn new(folder: impl Into<PathBuf>, service: Service) -> Self {
        Self {
            store: Store::new(folder.into()),
            service,
            family: None,
            crl: true,
            at: None,
            verifier: Verifier::new(Policy::hardware_only()),
            turn: Mutex::new(()),
        }
    }

    /// Sets the family for reports of version 2, which do not name it.
    #[must_use]
    pub fn of_family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Turns revocation lists off.
    #[must_use]
    pub fn without_crl(self) -> Self {
        Self { crl: false, ..self }
    }

    /// Sets a fixed time for the verification, Unix seconds, instead of now.
    #[must_use]
    pub fn at(self, time: u64) -> Self {
        Self { at: Some(time), ..self }
    }

    /// Reads from a report which key signed it.
    ///
    /// # Errors
    /// [`EndorsementError`] if the bytes are not a report, or if the service cannot have the certificate of its key.
    pub fn source(&self, report: &[u8]) -> Result<Source, EndorsementError> {
        Source::of(report, self.family)
    }

    /// Returns the endorsements of a report that are valid now.
    ///
    /// # Errors
    /// [`EndorsementError`]. For each document this can take as long as the [`Limits`](super::Limits) allow.
    pub async fn fetch(&self, report: &[u8]) -> Result<Endorsement, EndorsementError> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.fetch_at(report, self.at.unwrap_or_else(now)).await
    }

    /// Returns the endorsements of a report that are valid at a time, Unix seconds.
    ///
    /// # Errors
    /// The same as [`fetch`](Self::fetch).
    pub async fn fetch_at(&self, report: &[u8], now: u64) -> Result<Endorsement, EndorsementError> {
        let source = self.source(report)?;
        let _turn = self.turn.lock().await;
        self.store.prepare()?;
        let mut asked = Asked { parent: self, report, source, now, downloaded: Vec::new() };
        let mut chain = asked.certificates(true).await?;
        let (crl, crl_not_renewed) = match self.crl {
            false => (None, None),
            true => {
                let mut chosen = asked.crl(&chain).await;
                if matches!(&chosen, Err(EndorsementError::Refused(refusal)) if refusal.code() == REVOKED)
                    && !asked.downloaded.contains(&Document::Chain)
                {
                    // AMD replaces an intermediate that it revokes. The cached chain may be older than that.
                    chain = asked.certificates(false).await?;
                    chosen = asked.crl(&chain).await;
                }
                chosen.map(|(crl, warning)| (Some(crl), warning))?
            }
        };
        let Chain { vek, intermediate, root } = chain;
        Ok(Endorsement { vek, intermediate, root, crl, downloaded: asked.downloaded, crl_not_renewed })
    }
}

/// Certificates, DER.
struct Chain {
    vek: Vec<u8>,
    intermediate: Vec<u8>,
    root: Vec<u8>,
}

/// A document that is not yet verified.
struct Piece {
    document: Document,
    bytes: Vec<u8>,
    cached: bool,
}

/// One request for the endorsements of a report.
struct Asked<'a> {
    parent: &'a Endorsements,
    report: &'a [u8],
    source: Source,
    now: u64,
    downloaded: Vec<Document>,
}

impl Asked<'_> {
    /// Returns VEK and chain. Uses the cache if `trusted`. If the verifier does not accept cached documents, downloads them
    /// once more.
    async fn certificates(&mut self, trusted: bool) -> Result<Chain, EndorsementError> {
        // The chain first: a VCEK is slow to get, and cannot be cached without the chain.
        let mut chain = self.obtain(Document::Chain, trusted).await?;
        let mut vek = self.obtain(Document::Vcek, trusted).await?;
        let found = loop {
            let verdict = self.chain(&vek.bytes, &chain.bytes);
            match verdict.and_then(|chain| self.judge(&chain, None).map(|()| chain)) {
                Ok(found) => break found,
                // With a wrong signature the report itself is at fault, so new documents do not help.
                Err(refusal) if refusal.code() == "snp.report.signature" || !(chain.cached || vek.cached) => {
                    return Err(EndorsementError::Refused(refusal));
                }
                Err(_) => {
                    for piece in [&mut chain, &mut vek].into_iter().filter(|piece| piece.cached) {
                        *piece = self.download(piece.document).await?;
                    }
                }
            }
        };
        for piece in [chain, vek].iter().filter(|piece| !piece.cached) {
            self.keep(piece.document, &piece.bytes)?;
        }
        Ok(found)
    }

    async fn obtain(&mut self, document: Document, trusted: bool) -> Result<Piece, EndorsementError> {
        match self.stored(document)? {
            Some(Stored { bytes, .. }) if trusted => Ok(Piece { document, bytes, cached: true }),
            _ => self.download(document).await,
        }
    }

    async fn download(&mut self, document: Document) -> Result<Piece, EndorsementError> {
        let bytes = self.parent.service.get(&self.source, document).await?;
        document.check(&bytes).map_err(|problem| EndorsementError::Malformed { document, problem })?;
        self.downloaded.push(document);
        Ok(Piece { document, bytes, cached: false })
    }

    async fn crl(&mut self, chain: &Chain) -> Result<Chosen, EndorsementError> {
        let stored = self.stored(Document::Crl)?;
        let young = stored.as_ref().is_some_and(|stored| crl::is_young(stored.at, self.now));
        let held = stored.and_then(|stored| self.list(chain, stored.bytes).ok()).filter(|list| list.holds(self.now));
        match held {
            Some(list) if young => list.chosen(),
            held => crl::choose(self.renew(chain, held.as_ref()).await, held),
        }
    }

    /// Downloads a new revocation list. A list that revokes the chain is cached, too, so that a later failure of the service
    /// does not undo the revocation.
    async fn renew(&mut self, chain: &Chain, held: Option<&List>) -> Result<List, EndorsementError> {
        let document = Document::Crl;
        let bytes = match held {
            // The held list is still valid, so one attempt is enough.
            Some(_) => self.parent.service.get_once(&self.source, document).await?,
            None => self.parent.service.get(&self.source, document).await?,
        };
        document.check(&bytes).map_err(|problem| EndorsementError::Malformed { document, problem })?;
        let list = self.list(chain, bytes).map_err(EndorsementError::Refused)?;
        list.succeeds(held, self.now)?;
        self.keep(document, &list.bytes)?;
        self.downloaded.push(document);
        Ok(list)
    }

    fn list(&self, chain: &Chain, bytes: Vec<u8>) -> Result<List, Refusal> {
        let window = revocation_list_window(&bytes)?;
        let verdict = match self.judge(chain, Some(&bytes)) {
            Err(refusal) if refusal.code() != REVOKED => return Err(refusal),
            verdict => verdict,
        };
        Ok(List { bytes, window, verdict })
    }

    /// Verifies the report with a chain. The service dates a VCEK at the time of the request. For a clock that is a little
    /// slow, this date is in the future, so a short skew is accepted.
    fn judge(&self, chain: &Chain, crl: Option<&[u8]>) -> Result<(), Refusal> {
        match self.judge_at(chain, crl, self.now) {
            Err(Refusal::Snp(SnpRefusal::ChainValidity { not_before, .. }))
                if (self.now..=self.now.saturating_add(CLOCK_SKEW)).contains(&not_before) =>
            {
                self.judge_at(chain, crl, not_before)
            }
            verdict => verdict,
        }
    }

    fn judge_at(&self, chain: &Chain, crl: Option<&[u8]>, at: u64) -> Result<(), Refusal> {
        let evidence = HardwareEvidence::SevSnp {
            report: self.report.to_vec(),
            certificates: vec![chain.vek.clone(), chain.intermediate.clone(), chain.root.clone()],
            crls: crl.iter().map(|crl| crl.to_vec()).collect(),
        };
        let verdict = self.parent.verifier.verify_hardware(&evidence, at);
        verdict.genuine()?;
        // The verifier ignores a list of another root, because it says nothing about this chain.
        match crl.is_some() && !verdict.checks().iter().any(|check| check.code == REVOKED) {
            true => Err(SnpRefusal::Crl { problem: "of another family" }.into()),
            false => Ok(()),
        }
    }

    /// Finds intermediate and root in the chain, in either order. The pinned digest identifies the root.
    fn chain(&self, vek: &[u8], chain: &[u8]) -> Result<Chain, Refusal> {
        let [first, second] = two_certificates(chain).unwrap_or_default();
        let is_root = |der: &[u8]| Digest::of(der) == self.source.family().root();
        let (intermediate, root) = if is_root(&first) { (second, first) } else { (first, second) };
        match is_root(&root) {
            true => Ok(Chain { vek: vek.to_vec(), intermediate, root }),
            false => Err(SnpRefusal::ChainRoot { actual: Digest::of(&root).into() }.into()),
        }
    }

    fn stored(&self, document: Document) -> Result<Option<Stored>, EndorsementError> {
        let name = self.source.file_name(document);
        self.parent.store.read(&name, document.limit(), |bytes| document.check(bytes).is_ok())
    }

    fn keep(&self, document: Document, bytes: &[u8]) -> Result<(), EndorsementError> {
        self.parent.store.write(&self.source.file_name(document), bytes, self.now)
    }
}

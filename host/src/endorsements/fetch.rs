//! Finds what endorses a report: in the cache, or at the service.

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

/// The check whose name says that a revocation list was the root's, and that the intermediate is not on it.
const REVOKED: &str = "snp.crl.revoked";

/// What endorses a report: the verifier accepts it as genuine with these.
#[derive(Debug)]
#[non_exhaustive]
pub struct Endorsement {
    /// Certificate of the key that signed the report (VCEK), DER.
    pub vek: Vec<u8>,
    /// The one above it (ASK), DER.
    pub intermediate: Vec<u8>,
    /// AMD's root (ARK), DER.
    pub root: Vec<u8>,
    /// The root's revocation list, DER; none where none was wanted.
    pub crl: Option<Vec<u8>>,
    /// What did not come from the cache.
    pub downloaded: Vec<Document>,
    /// Why the revocation list is older than a day, though it still holds.
    pub crl_not_renewed: Option<Box<EndorsementError>>,
}

/// Endorsements from a service, kept in a folder.
#[derive(Debug)]
pub struct Endorsements {
    store: Store,
    service: Service,
    family: Option<Family>,
    crl: bool,
    at: Option<u64>,
    verifier: Verifier,
    /// One at a time asks the service; the others find in the folder what it got.
    turn: Mutex<()>,
}

impl Endorsements {
    /// Endorsements from `service`, kept in `folder`, which is made when it is needed.
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

    /// Names the family for reports of version 2, which do not.
    #[must_use]
    pub fn of_family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// The same without revocation lists.
    #[must_use]
    pub fn without_crl(self) -> Self {
        Self { crl: false, ..self }
    }

    /// The same, judging at one time, Unix seconds, instead of now.
    #[must_use]
    pub fn at(self, time: u64) -> Self {
        Self { at: Some(time), ..self }
    }

    /// Whose a report is.
    ///
    /// # Errors
    /// [`EndorsementError`]: not a report, or not one whose key the service can be asked for.
    pub fn source(&self, report: &[u8]) -> Result<Source, EndorsementError> {
        Source::of(report, self.family)
    }

    /// What endorses a report now.
    ///
    /// # Errors
    /// [`EndorsementError`]. It may take as long as the [`Limits`](super::Limits) let it, for each document.
    pub async fn fetch(&self, report: &[u8]) -> Result<Endorsement, EndorsementError> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.fetch_at(report, self.at.unwrap_or_else(now)).await
    }

    /// What endorses a report at a time, Unix seconds.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
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
                    // AMD replaces an intermediate that it revokes; what the cache has may be from before that.
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

/// A document, not yet judged.
struct Piece {
    document: Document,
    bytes: Vec<u8>,
    cached: bool,
}

/// One report for which endorsements are wanted.
struct Asked<'a> {
    parent: &'a Endorsements,
    report: &'a [u8],
    source: Source,
    now: u64,
    downloaded: Vec<Document>,
}

impl Asked<'_> {
    /// VEK and chain, from the cache where that has them. What the cache has and the verifier does not accept is asked for
    /// once more; unless that is to be `trusted`, all is.
    async fn certificates(&mut self, trusted: bool) -> Result<Chain, EndorsementError> {
        // The chain first: without it a VCEK, which is dear, could not be kept.
        let mut chain = self.obtain(Document::Chain, trusted).await?;
        let mut vek = self.obtain(Document::Vcek, trusted).await?;
        let found = loop {
            let verdict = self.chain(&vek.bytes, &chain.bytes);
            match verdict.and_then(|chain| self.judge(&chain, None).map(|()| chain)) {
                Ok(found) => break found,
                // A signature that the right key did not make is the report's own fault.
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

    /// A new revocation list. One that revokes the chain is kept, too: a service that is later silent must not undo it.
    async fn renew(&mut self, chain: &Chain, held: Option<&List>) -> Result<List, EndorsementError> {
        let document = Document::Crl;
        let bytes = match held {
            // Nobody should wait long for what is not needed yet.
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

    /// The verifier's own judgement. The service dates a VCEK at the moment when it is asked for it, which a clock that is a
    /// little late takes for the future.
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
        let verdict = self.parent.verifier.hardware(&evidence, at);
        verdict.genuine()?;
        // A list by another root says nothing about this chain, and the verifier passes over it.
        match crl.is_some() && !verdict.checks.iter().any(|check| check.code == REVOKED) {
            true => Err(SnpRefusal::Crl { problem: "of another family" }.into()),
            false => Ok(()),
        }
    }

    /// The root by its pinned digest, whichever way round the two came.
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

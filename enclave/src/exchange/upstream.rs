//! What a receipt says about a closed provider's answer: which bytes left for which host, and which came back.

use std::sync::Arc;

use bytes::Bytes;
use quoth_attestation::Digest;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::receipt::{Credential, Retries, Upstream, Usage};
use quoth_attestation::statement::{self, ShortText};
use quoth_attestation::transcript::UpstreamDetails;
use sha2::{Digest as _, Sha256};

use crate::hold::Hold;
use crate::upstream::{Peer, Received, Route, Seen, UpstreamRequest};

/// An upstream execution in progress.
pub(super) struct UpstreamRecord {
    provider: statement::Upstream,
    peer: Option<Arc<Peer>>,
    head: Vec<u8>,
    /// The body as sent, if it differs from the caller's.
    altered: Option<Bytes>,
    model_asked: ShortText,
    model_answered: Option<ShortText>,
    request_id: Option<ShortText>,
    credential: Credential,
    retries: Retries,
    pub(super) usage: Option<Usage>,
    received: Committed,
    /// What came back, for the details; none if there was no memory for it.
    kept: Option<Vec<u8>>,
}

/// What came back, as receipts commit to it.
enum Committed {
    /// What was answered.
    Answered,
    /// The first bytes of what was answered; the node then broke off.
    Beginning { digest: Digest, length: usize },
    /// What was answered, with other text in place of hidden counts.
    Hidden(Sha256),
}

impl UpstreamRecord {
    /// Names the request that is about to go to the provider.
    pub(super) fn new(route: &Route, request: &UpstreamRequest, altered: bool, credential: Credential) -> Self {
        Self {
            provider: route.upstream.described().clone(),
            peer: None,
            head: request.head(),
            altered: altered.then(|| request.body().clone()),
            model_asked: route.model.clone(),
            model_answered: None,
            request_id: None,
            credential,
            retries: Retries::LEAST,
            usage: None,
            received: Committed::Beginning { digest: Digest::of(b""), length: 0 },
            kept: Some(Vec::new()),
        }
    }

    /// Names the provider that was connected to.
    pub(super) fn connected(&mut self, peer: Arc<Peer>) {
        self.peer = Some(peer);
    }

    /// Counts another attempt.
    pub(super) fn retries(&mut self) {
        self.retries = self.retries.next();
    }

    /// Notes that an answer has begun, what the provider calls it, and whether counts in it are hidden.
    pub(super) fn answers(&mut self, request_id: Option<&str>, hides: bool) {
        self.request_id = request_id.and_then(|id| ShortText::new(id).ok());
        self.received = if hides { Committed::Hidden(Sha256::new()) } else { Committed::Answered };
    }

    /// Hashes bytes that came back, if counts in them are hidden. `details`: pays for a copy, if one is wanted.
    pub(super) fn received(&mut self, received: &Received, details: Option<&Hold>) {
        for bytes in received.committed() {
            if let Committed::Hidden(digest) = &mut self.received {
                digest.update(bytes);
                if let Some(hold) = details {
                    self.keep(bytes, hold);
                }
            }
        }
    }

    /// Notes what the provider says of its answer.
    pub(super) fn saw(&mut self, seen: &Seen) {
        self.model_answered.clone_from(&seen.model);
        self.usage = seen.usage;
    }

    /// Notes that the provider's answer ends here, after `length` bytes with this digest: what follows is the node's own.
    pub(super) fn breaks_off(&mut self, digest: impl FnOnce() -> Digest, length: usize) {
        if matches!(self.received, Committed::Answered) {
            self.received = Committed::Beginning { digest: digest(), length };
        }
    }

    /// Keeps bytes of the answer that are about to leave, unless the original bytes are kept.
    pub(super) fn answered(&mut self, bytes: &[u8], hold: &Hold) {
        if !matches!(self.received, Committed::Hidden(_)) {
            self.keep(bytes, hold);
        }
    }

    /// Keeps bytes while there is memory for them.
    fn keep(&mut self, bytes: &[u8], hold: &Hold) {
        match &mut self.kept {
            Some(kept) if hold.grow(bytes.len()) => kept.extend_from_slice(bytes),
            _ => self.kept = None,
        }
    }

    /// What the receipt says, and what opens it, given the digests of the caller's body and of the answer.
    pub(super) fn end(
        self,
        opening: &Opening,
        body: &Digest,
        response: &Digest,
    ) -> (Upstream, Option<UpstreamDetails>) {
        let sent = self.altered.as_ref().map_or(*body, |altered| Digest::of(altered));
        let (received, length) = match self.received {
            Committed::Answered => (*response, None),
            Committed::Beginning { digest, length } => (digest, Some(length)),
            Committed::Hidden(digest) => (Digest(digest.finalize().into()), None),
        };
        let upstream = Upstream {
            provider: self.provider.name,
            host: self.provider.host,
            port: self.provider.port,
            tls: self.peer.as_ref().map(|peer| peer.tls.clone()),
            head: opening.commit(Label::UpstreamHead, &self.head),
            sent: opening.commit_digest(Label::UpstreamRequest, &sent),
            received: opening.commit_digest(Label::UpstreamResponse, &received),
            model_asked: self.model_asked,
            model_answered: self.model_answered,
            request_id: self.request_id,
            credential: self.credential,
            retries: self.retries,
        };
        // Bytes that equal the answer need no second copy.
        let received = match self.kept {
            _ if received == *response => Some(None),
            Some(mut kept) => {
                kept.truncate(length.unwrap_or(kept.len()));
                Some(Some(kept))
            }
            None => None,
        };
        let details = received.map(|received| UpstreamDetails {
            head: self.head,
            certificates: self.peer.map(|peer| peer.certificates.clone()).unwrap_or_default(),
            sent: self.altered.map(Vec::from),
            received,
        });
        (upstream, details)
    }
}

//! What a receipt says of an answer that a closed provider gave: which bytes went to whom, and which came back.

use std::sync::Arc;

use bytes::Bytes;
use quoth_attestation::Digest;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::receipt::{Credential, Retries, Upstream, Usage};
use quoth_attestation::statement::{self, ShortText};
use quoth_attestation::transcript::UpstreamDetails;
use sha2::{Digest as _, Sha256};

use super::{Exchange, RECEIPTS, Work};
use crate::hold::Hold;
use crate::upstream::{Forward, Peer, Route, Seen};

/// An upstream execution as it goes.
pub(super) struct Forwarded {
    provider: statement::Upstream,
    peer: Option<Arc<Peer>>,
    head: Vec<u8>,
    /// The body as sent, when it is not the caller's.
    altered: Option<Bytes>,
    model_asked: ShortText,
    model_answered: Option<ShortText>,
    request_id: Option<ShortText>,
    credential: Credential,
    retries: Retries,
    pub(super) usage: Option<Usage>,
    received: Received,
    /// What came back, for the details; none when there was no memory for it.
    kept: Option<Vec<u8>>,
}

/// What came back, as receipts commit to it.
enum Received {
    /// What was answered.
    Answered,
    /// The first bytes of what was answered; the node then broke off.
    Beginning { digest: Digest, length: usize },
    /// What was answered, with other text in place of hidden counts.
    Hidden(Sha256),
}

impl Exchange {
    /// Names the request that is about to go to a provider.
    pub fn forwards(&mut self, route: &Route, forward: &Forward, altered: bool, credential: Credential) {
        let Some(open) = &mut self.open else { return };
        open.work = Some(Work::Upstream(Box::new(Forwarded {
            provider: route.upstream.described().clone(),
            peer: None,
            head: forward.head(),
            altered: altered.then(|| forward.body().clone()),
            model_asked: route.model.clone(),
            model_answered: None,
            request_id: None,
            credential,
            retries: Retries::LEAST,
            usage: None,
            received: Received::Beginning { digest: Digest::of(b""), length: 0 },
            kept: Some(Vec::new()),
        })));
    }

    /// Names the provider that was connected to.
    pub fn connected(&mut self, peer: Arc<Peer>) {
        if let Some(forwarded) = self.forwarded() {
            forwarded.peer = Some(peer);
        }
    }

    /// The same is about to be sent again.
    pub fn retries(&mut self) {
        if let Some(forwarded) = self.forwarded() {
            forwarded.retries = forwarded.retries.next();
        }
    }

    /// An answer has begun that will be passed on as it comes. `request_id`: what the provider calls it. `hides`: counts in
    /// it are hidden, and [`received`](Self::received) gets what came back.
    pub fn answers(&mut self, request_id: Option<&str>, hides: bool) {
        if let Some(forwarded) = self.forwarded() {
            forwarded.request_id = request_id.and_then(|id| ShortText::new(id).ok());
            forwarded.received = if hides { Received::Hidden(Sha256::new()) } else { Received::Answered };
        }
    }

    /// Takes bytes that came back, as the receipt commits to them. Nothing happens unless counts are hidden.
    pub fn received(&mut self, bytes: &[u8]) {
        let Some(open) = self.open.as_mut().filter(|_| RECEIPTS) else { return };
        if let Some(Work::Upstream(forwarded)) = &mut open.work
            && let Received::Hidden(digest) = &mut forwarded.received
        {
            digest.update(bytes);
            if open.caller.details {
                forwarded.keep(bytes, &self.hold);
            }
        }
    }

    /// What the provider says of its answer.
    pub fn saw(&mut self, seen: &Seen) {
        if let Some(forwarded) = self.forwarded() {
            forwarded.model_answered.clone_from(&seen.model);
            forwarded.usage = seen.usage;
        }
    }

    /// Whatever leaves from now on is the node's own, not the provider's.
    pub fn breaks_off(&mut self) {
        let Some(open) = &mut self.open else { return };
        if let Some(Work::Upstream(forwarded)) = &mut open.work
            && matches!(forwarded.received, Received::Answered)
        {
            forwarded.received = Received::Beginning {
                digest: Digest(open.response.clone().finalize().into()),
                length: open.length as usize,
            };
        }
    }

    fn forwarded(&mut self) -> Option<&mut Forwarded> {
        match self.open.as_mut()?.work.as_mut()? {
            Work::Upstream(forwarded) => Some(forwarded),
            Work::Local(_) => None,
        }
    }
}

impl Forwarded {
    /// Bytes of the answer are about to leave.
    pub(super) fn answered(&mut self, bytes: &[u8], hold: &Hold) {
        if !matches!(self.received, Received::Hidden(_)) {
            self.keep(bytes, hold);
        }
    }

    /// Remembers what came back, while there is memory for it.
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
            Received::Answered => (*response, None),
            Received::Beginning { digest, length } => (digest, Some(length)),
            Received::Hidden(digest) => (Digest(digest.finalize().into()), None),
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
        // What is the same as the answer needs no second copy.
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

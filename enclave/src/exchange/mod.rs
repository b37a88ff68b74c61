//! One request and its answer. However it ends, it ends in exactly one receipt.

#[cfg(test)]
mod tests;

mod details;
mod ledger;
mod local;
mod notary;
mod open;
mod piece;
mod request;
mod stream;
mod upstream;
mod work;

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::HeaderMap;
use http::header::HeaderValue;
use quoth_attestation::receipt::{Credential, Ending, Outcome};
use quoth_attestation::{FormatError, record};

pub use details::DetailsStore;
pub use ledger::{Issued, Ledger};
pub use local::{LocalRecord, Named};
pub use notary::Notary;
pub use piece::{End, Noted, Piece, Pieces};
pub use request::{IncomingRequest, ProofOptions};
pub use stream::Streamed;

use self::open::{Open, RECEIPTS};
use self::upstream::UpstreamRecord;
use self::work::Work;
use crate::EnclaveError;
use crate::hold::Hold;
use crate::journal::Reservation;
use crate::upstream::{Peer, Route, UpstreamRequest};

/// Header fields with proofs, at most.
const PROOFS: usize = 5;

/// The status in a receipt when the client left before a status was sent.
const CLIENT_GONE: u16 = 499;

/// An exchange in progress. Dropping it unfinished means that the caller went away.
pub struct Exchange {
    notary: Arc<Notary>,
    open: Option<Open>,
    hold: Arc<Hold>,
}

impl Exchange {
    /// Begins an exchange for a request that was read whole.
    pub fn begin(
        notary: &Arc<Notary>,
        place: Reservation,
        hold: Arc<Hold>,
        request: &IncomingRequest,
    ) -> Result<Self, EnclaveError> {
        Ok(Self { notary: Arc::clone(notary), open: Some(Open::new(place, request)?), hold })
    }

    /// The headers that every answer carries before its first body byte.
    pub fn headers(&self, headers: &mut HeaderMap) {
        let Some(open) = self.open.as_ref().filter(|_| RECEIPTS) else { return };
        headers.reserve(PROOFS);
        put(headers, "quoth-cti", open.cti.to_string());
        headers.insert("quoth-node", self.notary.identity.digest_value());
        put(headers, "quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(open.opening.as_bytes()));
    }

    /// What the node holds for the request.
    pub fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// The request's id, hex.
    pub fn id(&self) -> String {
        self.open.as_ref().map(|open| open.cti.to_string()).unwrap_or_default()
    }

    /// Names the local execution that answers.
    pub fn runs(&mut self, record: LocalRecord) {
        if let Some(open) = &mut self.open {
            open.work = Some(Work::Local(Box::new(record)));
        }
    }

    /// Names the request that is about to go to a provider.
    pub fn forwards(&mut self, route: &Route, request: &UpstreamRequest, altered: bool, credential: Credential) {
        if let Some(open) = &mut self.open {
            let record = UpstreamRecord::new(route, request, altered, credential);
            open.work = Some(Work::Upstream(Box::new(record)));
        }
    }

    /// Names the provider that was connected to.
    pub fn connected(&mut self, peer: Arc<Peer>) {
        if let Some(upstream) = self.upstream() {
            upstream.connected(peer);
        }
    }

    /// Counts another attempt to send the request.
    pub fn retries(&mut self) {
        if let Some(upstream) = self.upstream() {
            upstream.retries();
        }
    }

    /// Notes that the provider's answer has begun. `request_id`: the provider's id for it. `hides`: counts in it are
    /// hidden, and [`note`](Self::note) gets the original bytes.
    pub fn answers(&mut self, request_id: Option<&str>, hides: bool) {
        if let Some(upstream) = self.upstream() {
            upstream.answers(request_id, hides);
        }
    }

    /// Notes what was done for a part of the answer, before its bytes leave.
    pub fn note(&mut self, noted: Noted) {
        if let Some(open) = &mut self.open {
            open.note(noted, &self.hold);
        }
    }

    /// The node breaks off: bytes from now on are its own, not the provider's.
    pub fn breaks_off(&mut self) {
        if let Some(open) = &mut self.open {
            open.breaks_off();
        }
    }

    /// Hashes bytes of the response body that are about to leave.
    pub fn wrote(&mut self, bytes: &[u8]) {
        if let Some(open) = self.open.as_mut().filter(|_| RECEIPTS) {
            open.wrote(bytes, &self.hold);
        }
    }

    /// Signs checkpoint 0 ahead of time, in case the answer is an event stream. That checkpoint says nothing about the
    /// answer.
    pub fn may_stream(&mut self) {
        if let Some(open) = &mut self.open {
            open.sign_first(&self.notary);
        }
    }

    /// The answer will be an event stream; returns checkpoint 0.
    pub fn streams(&mut self) -> String {
        self.open.as_mut().map(|open| open.stream(&self.notary)).unwrap_or_default()
    }

    /// A checkpoint record for this place in the stream.
    pub fn checkpoint(&mut self) -> String {
        self.open.as_mut().map(|open| open.checkpoint(&self.notary)).unwrap_or_default()
    }

    /// Ends the exchange with an answer in one piece, and signs its receipt into the headers.
    ///
    /// # Errors
    /// As [`Ledger::issue`]: then there is no receipt, and the answer must not leave.
    pub fn answer(
        mut self,
        status: u16,
        body: &[u8],
        outcome: Outcome,
        headers: &mut HeaderMap,
    ) -> Result<(), FormatError> {
        self.headers(headers);
        self.wrote(body);
        if let Some(open) = &mut self.open {
            open.status = status;
        }
        if let Some(Issued { receipt, head }) = self.finish(outcome, None)? {
            put(headers, "quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt));
            if let Some(head) = head {
                put(headers, "quoth-head", BASE64_URL_SAFE_NO_PAD.encode(head.encode()));
            }
        }
        Ok(())
    }

    /// Ends a stream; returns the records of the receipt and, if the caller asked for it, of the head. `ending`: how, if the answer is whole.
    ///
    /// # Errors
    /// As [`Ledger::issue`]: then there is no receipt, and the terminal event must not leave.
    pub fn end_stream(mut self, outcome: Outcome, ending: Ending) -> Result<String, FormatError> {
        let Some(Issued { receipt, head }) = self.finish(outcome, Some(ending))? else { return Ok(String::new()) };
        let head = head.map(|head| record::encode(record::Kind::Head, &head.encode()));
        Ok(record::encode(record::Kind::Receipt, &receipt) + &head.unwrap_or_default())
    }

    /// Issues the receipt, once.
    fn finish(&mut self, outcome: Outcome, ending: Option<Ending>) -> Result<Option<Issued>, FormatError> {
        match self.open.take() {
            Some(open) => open.finish(&self.notary, &self.hold, outcome, ending),
            None => Ok(None),
        }
    }

    fn upstream(&mut self) -> Option<&mut UpstreamRecord> {
        match self.open.as_mut()?.work.as_mut()? {
            Work::Upstream(upstream) => Some(upstream),
            Work::Local(_) => None,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.streamed) {
            open.status = CLIENT_GONE;
        }
        let outcome = match std::thread::panicking() {
            true => Outcome::EngineFailed,
            false => Outcome::ClientClosed,
        };
        // The log has a failure, and no client is left to hear of it.
        let _ = self.finish(outcome, None);
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: String) {
    // Hex and base64 are always valid header values.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

//! One request and its answer. However it ends, it ends in exactly one receipt.

#[cfg(test)]
mod tests;

mod forwarded;
mod ledger;
mod local;
mod shelf;
mod stream;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use quoth_attestation::binding::Nonce;
use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Commitment, Label, Opening};
use quoth_attestation::receipt::{self, Ending, Execution, Method, Outcome, Receipt, Status, Target, Times, Usage};
use quoth_attestation::transcript::Details;
use quoth_attestation::{Digest, FormatError, record};
use sha2::{Digest as _, Sha256};

pub use ledger::Ledger;
pub use local::Named;
pub use shelf::Shelf;
pub use stream::{End, Events, Streamed};

use self::forwarded::Forwarded;
use self::local::Run;
use crate::hold::Hold;
use crate::journal::Reservation;
use crate::log::log;
use crate::node::Node;
use crate::upstream::Key;
use crate::{EnclaveError, clock, keys};

/// False in the build that a benchmark compares with: the same server without any receipt work.
const RECEIPTS: bool = !cfg!(feature = "bench-without-receipts");

/// Header fields that answers carry for them.
const PROOFS: usize = 4;

/// The status in a receipt when no status was sent, because there was nobody left to send it to.
const NOBODY: u16 = 499;

/// What a caller asked of the proofs, in request headers.
#[derive(Clone, Default)]
pub struct Caller {
    /// `quoth-nonce`.
    pub nonce: Option<Nonce>,
    /// `quoth-parent`.
    pub parent: Option<Digest>,
    /// `quoth-details: 1`.
    pub details: bool,
    /// `quoth-retries`: how often a provider that answers 429 or 503 may be asked again.
    pub retries: u16,
}

/// A request that was read whole, parsed or not.
pub struct Asked {
    /// HTTP method.
    pub method: Method,
    /// Path and query of the request-target, as received.
    pub target: Target,
    /// The body.
    pub body: Bytes,
    /// What the caller asked of the proofs.
    pub caller: Caller,
    /// Those of its headers that a provider may see.
    pub passed: HeaderMap,
    /// The caller's own key for a provider.
    pub key: Option<Key>,
    /// The connection it came over, as somebody whose prompts may share computed beginnings.
    pub connection: quoth_engine::Caller,
    /// When the body was read whole, milliseconds.
    pub received: u64,
}

/// An exchange in progress. Dropping it unfinished means that the caller went away.
pub struct Exchange {
    node: Arc<Node>,
    open: Option<Open>,
    hold: Arc<Hold>,
}

/// What an unfinished exchange has gathered.
struct Open {
    place: Reservation,
    cti: [u8; 16],
    opening: Opening,
    caller: Caller,
    method: Method,
    target: Target,
    /// SHA-256 of the request's body.
    body: Digest,
    request: Commitment,
    received: u64,
    status: u16,
    streamed: bool,
    first_byte: Option<u64>,
    response: Sha256,
    length: u64,
    work: Option<Work>,
    /// Checkpoint 0, signed ahead of time.
    first: Option<String>,
    /// That of the next checkpoint.
    next: Place,
}

/// What produces the answer.
enum Work {
    Local(Box<Run>),
    Upstream(Box<Forwarded>),
}

impl Work {
    fn usage(&self) -> Option<Usage> {
        match self {
            Self::Local(run) => Some(run.usage()),
            Self::Upstream(forwarded) => forwarded.usage,
        }
    }

    /// The outcome of a request that the node gave up. A refused one has no execution (SPEC §7).
    fn given_up(&self) -> Outcome {
        match self {
            Self::Local(_) => Outcome::EngineFailed,
            Self::Upstream(_) => Outcome::UpstreamFailed,
        }
    }
}

impl Exchange {
    /// Begins an exchange for a request that was read whole.
    pub fn begin(node: &Arc<Node>, place: Reservation, hold: Arc<Hold>, asked: &Asked) -> Result<Self, EnclaveError> {
        let random = keys::random_of_many::<48>()?;
        let (mut opening, mut cti) = ([0; 32], [0; 16]);
        opening.copy_from_slice(&random[..32]);
        cti.copy_from_slice(&random[32..]);
        let opening = Opening::new(opening);
        let body = if RECEIPTS { Digest::of(&asked.body) } else { Digest([0; 32]) };
        let request = match RECEIPTS {
            true => opening.commit_digest(Label::Request, &body),
            false => Commitment(body),
        };
        let open = Open {
            place,
            cti,
            opening,
            caller: asked.caller.clone(),
            method: asked.method.clone(),
            target: asked.target.clone(),
            body,
            request,
            received: asked.received,
            status: 200,
            streamed: false,
            first_byte: None,
            response: Sha256::new(),
            length: 0,
            work: None,
            first: None,
            next: Place::First,
        };
        Ok(Self { node: Arc::clone(node), open: Some(open), hold })
    }

    /// The headers that every answer carries before its first body byte.
    pub fn headers(&self, headers: &mut HeaderMap) {
        let Some(open) = self.open.as_ref().filter(|_| RECEIPTS) else { return };
        headers.reserve(PROOFS);
        put(headers, "quoth-cti", hex::encode(open.cti));
        headers.insert("quoth-node", self.node.digest_value());
        put(headers, "quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(open.opening.as_bytes()));
    }

    /// What the node holds for the request.
    pub fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// The request's id, hex.
    pub fn id(&self) -> String {
        self.open.as_ref().map(|open| hex::encode(open.cti)).unwrap_or_default()
    }

    /// Bytes of the response body are about to leave.
    pub fn wrote(&mut self, bytes: &[u8]) {
        let Some(open) = self.open.as_mut().filter(|_| RECEIPTS) else { return };
        open.first_byte.get_or_insert_with(clock::millis);
        open.response.update(bytes);
        open.length += bytes.len() as u64;
        if let Some(Work::Upstream(forwarded)) = open.work.as_mut().filter(|_| open.caller.details) {
            forwarded.answered(bytes, &self.hold);
        }
    }

    /// The answer will perhaps be an event stream, and now is time to sign checkpoint 0, which says nothing of it.
    pub fn may_stream(&mut self) {
        if self.open.as_ref().is_none_or(|open| open.next != Place::First) {
            return;
        }
        let first = self.checkpoint();
        if let Some(open) = &mut self.open {
            open.first = Some(first);
        }
    }

    /// The answer will be an event stream; returns checkpoint 0.
    pub fn streams(&mut self) -> String {
        let first = self.open.as_mut().and_then(|open| {
            open.streamed = true;
            open.first.take()
        });
        first.unwrap_or_else(|| self.checkpoint())
    }

    /// A checkpoint record for this place in the stream.
    pub fn checkpoint(&mut self) -> String {
        let Some(open) = self.open.as_mut().filter(|_| RECEIPTS) else { return String::new() };
        let prefix = Digest(open.response.clone().finalize().into());
        let signed = self.node.ledger.sign(Checkpoint {
            node: self.node.digest(),
            cti: open.cti,
            nonce: open.caller.nonce.clone(),
            request: open.request,
            status: open.status,
            place: open.next,
            offset: open.length,
            prefix: open.opening.commit_digest(Label::PrefixAt(open.next.number()), &prefix),
            version: Version::V2,
        });
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => {
                log!("checkpoint_failed {error}");
                return String::new();
            }
        };
        open.next = open.next.next(signed.digest());
        record::encode(record::Kind::Checkpoint, signed.bytes())
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
        if let Some(receipt) = self.finish(outcome, None)? {
            put(headers, "quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt));
        }
        Ok(())
    }

    /// Ends a stream; returns the receipt's record. `ending`: how, if the answer is whole.
    ///
    /// # Errors
    /// As [`Ledger::issue`]: then there is no receipt, and the terminal event must not leave.
    pub fn end_stream(mut self, outcome: Outcome, ending: Ending) -> Result<String, FormatError> {
        let receipt = self.finish(outcome, Some(ending))?;
        Ok(receipt.map_or_else(String::new, |receipt| record::encode(record::Kind::Receipt, &receipt)))
    }

    /// Issues the receipt, once.
    fn finish(&mut self, outcome: Outcome, ending: Option<Ending>) -> Result<Option<Bytes>, FormatError> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let outcome = match &open.work {
            Some(work) if outcome == Outcome::Refused => work.given_up(),
            _ => outcome,
        };
        self.node.metrics.count(outcome);
        if let Some(usage) = open.work.as_ref().and_then(Work::usage) {
            self.node.metrics.prompt_tokens.fetch_add(usage.prompt, Relaxed);
            self.node.metrics.completion_tokens.fetch_add(usage.completion, Relaxed);
        }
        if !RECEIPTS {
            return Ok(None);
        }
        let now = clock::millis().max(open.received);
        let first_byte = open.first_byte.unwrap_or(now).clamp(open.received, now);
        let Open { place, opening, caller, work, .. } = open;
        let usage = work.as_ref().and_then(Work::usage);
        let response = Digest(open.response.finalize().into());
        let (execution, details) = match work {
            Some(Work::Local(run)) => {
                let (local, details) = run.end(&opening);
                (Some(Execution::Local(local)), Some(Details::Local(details)))
            }
            Some(Work::Upstream(forwarded)) => {
                let (upstream, details) = forwarded.end(&opening, &open.body, &response);
                (Some(Execution::Upstream(upstream)), details.map(Details::Upstream))
            }
            None => (None, None),
        };
        let (node, level) = (self.node.digest(), self.node.level());
        let issued = self.node.ledger.issue(place, open.cti, |seq, prev| {
            let exchange = receipt::Exchange {
                method: open.method,
                target: open.target,
                status: Status::new(open.status)?,
                request: open.request,
                response: opening.commit_digest(Label::Response, &response),
                response_length: open.length,
                streamed: open.streamed,
                outcome,
                ending: ending.filter(|_| open.streamed && outcome.is_whole()),
            };
            Ok(Receipt {
                iat: now / 1000,
                cti: open.cti,
                nonce: caller.nonce,
                node,
                seq,
                prev,
                level,
                exchange,
                execution,
                usage,
                times: Times::new(open.received, first_byte, now)?,
                parent: caller.parent,
            })
        });
        let bytes = issued.inspect_err(|error| log!("receipt_failed {error}"))?;
        if let Some(details) = details.filter(|_| caller.details) {
            let party = self.hold.account().party;
            self.node.shelf.put(party, open.cti, opening.details_credential(), details.encode());
        }
        Ok(Some(bytes))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.streamed) {
            open.status = NOBODY;
        }
        let outcome = match std::thread::panicking() {
            true => Outcome::EngineFailed,
            false => Outcome::ClientClosed,
        };
        // A failure is in the log, and no client is left to be told.
        let _ = self.finish(outcome, None);
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: String) {
    // Hex and base64 are always valid header values.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

//! An exchange in progress: what it has gathered, and the receipt that it becomes.

use std::sync::atomic::Ordering::Relaxed;

use quoth_attestation::checkpoint::{Checkpoint, Place, Version};
use quoth_attestation::commit::{Commitment, Label, Opening};
use quoth_attestation::receipt::{self, Ending, Method, Outcome, Receipt, Status, Target, Times};
use quoth_attestation::{Digest, ExchangeId, FormatError, record};
use sha2::{Digest as _, Sha256};

use super::ledger::Issued;
use super::notary::Notary;
use super::piece::Noted;
use super::request::{IncomingRequest, ProofOptions};
use super::work::Work;
use crate::answer_text::AnswerText;
use crate::hold::Hold;
use crate::journal::Reservation;
use crate::log::log;
use crate::{EnclaveError, clock, keys};

/// False in a build for `tests/bench` that measures what receipts cost. No feature can switch them off.
pub(super) const RECEIPTS: bool = !cfg!(quoth_without_receipts);

/// What an unfinished exchange has gathered.
pub(super) struct Open {
    place: Reservation,
    pub(super) cti: ExchangeId,
    pub(super) opening: Opening,
    proof: ProofOptions,
    method: Method,
    target: Target,
    /// SHA-256 of the request's body.
    body: Digest,
    request: Commitment,
    received: u64,
    pub(super) status: u16,
    pub(super) streamed: bool,
    first_byte: Option<u64>,
    response: Sha256,
    length: u64,
    answer: AnswerText,
    pub(super) work: Option<Work>,
    /// Checkpoint 0, signed ahead of time.
    first: Option<String>,
    /// The place of the next checkpoint.
    next: Place,
}

impl Open {
    /// Begins with what the request says.
    pub(super) fn new(place: Reservation, request: &IncomingRequest) -> Result<Self, EnclaveError> {
        let random = keys::random_of_many::<48>()?;
        let (mut opening, mut cti) = ([0; 32], [0; 16]);
        opening.copy_from_slice(&random[..32]);
        cti.copy_from_slice(&random[32..]);
        let opening = Opening::new(opening);
        let body = if RECEIPTS { Digest::of(&request.body) } else { Digest([0; 32]) };
        let commitment = match RECEIPTS {
            true => opening.commit_digest(Label::Request, &body),
            false => Commitment(body),
        };
        Ok(Self {
            place,
            cti: ExchangeId(cti),
            opening,
            proof: request.proof.clone(),
            method: request.method.clone(),
            target: request.target.clone(),
            body,
            request: commitment,
            received: request.received,
            status: 200,
            streamed: false,
            first_byte: None,
            response: Sha256::new(),
            length: 0,
            answer: AnswerText::default(),
            work: None,
            first: None,
            next: Place::First,
        })
    }

    /// Hashes bytes of the response body that are about to leave.
    pub(super) fn wrote(&mut self, bytes: &[u8], hold: &Hold) {
        self.first_byte.get_or_insert_with(clock::millis);
        self.response.update(bytes);
        self.length += bytes.len() as u64;
        if let Some(Work::Upstream(upstream)) = self.work.as_mut().filter(|_| self.proof.details) {
            upstream.answered(bytes, hold);
        }
    }

    /// Notes what was done for a part of the answer.
    pub(super) fn note(&mut self, noted: Noted, hold: &Hold) {
        match (&mut self.work, noted) {
            (Some(Work::Local(local)), Noted::Local { tokens, text }) => {
                local.produced(&tokens);
                text.iter().for_each(|text| self.answer.says(text));
            }
            (Some(Work::Upstream(upstream)), Noted::Upstream { received, seen }) => {
                let details = self.proof.details.then_some(hold);
                received.iter().filter(|_| RECEIPTS).for_each(|received| upstream.received(received, details));
                if let Some(seen) = seen {
                    upstream.saw(&seen);
                    self.answer = seen.answer;
                }
            }
            // Without an execution there is nothing to note, as in tests.
            _ => {}
        }
    }

    /// Notes that the node breaks off: the provider's answer ends here.
    pub(super) fn breaks_off(&mut self) {
        if let Some(Work::Upstream(upstream)) = &mut self.work {
            upstream.breaks_off(|| Digest(self.response.clone().finalize().into()), self.length as usize);
        }
    }

    /// Signs checkpoint 0 ahead of time, once.
    pub(super) fn sign_first(&mut self, notary: &Notary) {
        if self.next == Place::First {
            self.first = Some(self.checkpoint(notary));
        }
    }

    /// Becomes an event stream; returns checkpoint 0.
    pub(super) fn stream(&mut self, notary: &Notary) -> String {
        self.streamed = true;
        self.first.take().unwrap_or_else(|| self.checkpoint(notary))
    }

    /// Signs a checkpoint of what has left so far; returns its record.
    pub(super) fn checkpoint(&mut self, notary: &Notary) -> String {
        if !RECEIPTS {
            return String::new();
        }
        let prefix = Digest(self.response.clone().finalize().into());
        let signed = notary.ledger.sign(Checkpoint {
            node: notary.identity.digest(),
            cti: self.cti,
            nonce: self.proof.nonce.clone(),
            request: self.request,
            status: self.status,
            place: self.next,
            offset: self.length,
            prefix: self.opening.commit_digest(Label::PrefixAt(self.next.number()), &prefix),
            version: Version::V2,
        });
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => {
                log!("checkpoint_failed {error}");
                return String::new();
            }
        };
        self.next = self.next.next(signed.digest());
        record::encode(record::Kind::Checkpoint, signed.bytes())
    }

    /// Issues the receipt, and keeps the details if the caller asked for them.
    ///
    /// # Errors
    /// As [`Ledger::issue`](super::Ledger::issue).
    pub(super) fn finish(
        self,
        notary: &Notary,
        hold: &Hold,
        outcome: Outcome,
        ending: Option<Ending>,
    ) -> Result<Option<Issued>, FormatError> {
        let outcome = match &self.work {
            Some(work) if outcome == Outcome::Refused => work.given_up(),
            _ => outcome,
        };
        notary.metrics.count(outcome);
        let usage = self.work.as_ref().and_then(Work::usage);
        if let Some(usage) = usage {
            notary.metrics.prompt_tokens.fetch_add(usage.prompt, Relaxed);
            notary.metrics.completion_tokens.fetch_add(usage.completion, Relaxed);
        }
        if !RECEIPTS {
            return Ok(None);
        }
        let now = clock::millis().max(self.received);
        let first_byte = self.first_byte.unwrap_or(now).clamp(self.received, now);
        let Self { place, cti, opening, proof, work, .. } = self;
        let response = Digest(self.response.finalize().into());
        let has_answer = outcome.is_whole() && self.status == 200 && AnswerText::is_of(&self.target);
        let answer = has_answer.then(|| self.answer.digest()).flatten();
        let answer = answer.map(|digest| opening.commit_digest(Label::Answer, &digest));
        let (execution, details) = match work {
            Some(work) => {
                let (execution, details) = work.end(&opening, &self.body, &response);
                (Some(execution), details)
            }
            None => (None, None),
        };
        let (node, level) = (notary.identity.digest(), notary.identity.level());
        let issued = notary.ledger.issue(place, cti, proof.head, |seq, prev| {
            let exchange = receipt::Exchange {
                method: self.method,
                target: self.target,
                status: Status::new(self.status)?,
                request: self.request,
                response: opening.commit_digest(Label::Response, &response),
                response_length: self.length,
                streamed: self.streamed,
                outcome,
                // It is written of a whole stream alone.
                ending,
                answer,
            };
            Ok(Receipt {
                iat: now / 1000,
                cti,
                nonce: proof.nonce,
                node,
                seq,
                prev,
                level,
                exchange,
                execution,
                usage,
                times: Times::new(self.received, first_byte, now)?,
                parent: proof.parent,
            })
        });
        let issued = issued.inspect_err(|error| log!("receipt_failed {error}"))?;
        if let Some(details) = details.filter(|_| proof.details) {
            notary.details.put(hold.account().party, cti, opening.details_credential(), details.encode());
        }
        Ok(Some(issued))
    }
}

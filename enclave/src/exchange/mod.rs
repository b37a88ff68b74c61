//! One request and its answer. However it ends, it ends in exactly one receipt.

#[cfg(test)]
mod tests;

mod ledger;
mod shelf;
mod stream;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use quoth_attestation::binding::Nonce;
use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::commit::{Commitment, Label, Opening, token_bytes};
use quoth_attestation::receipt::{self, Execution, Local, Outcome, Receipt, Times, Usage};
use quoth_attestation::transcript::Details;
use quoth_attestation::{Digest, record};
use quoth_engine::{Generation, ModelInfo};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

pub use ledger::Ledger;
pub use shelf::Shelf;
pub use stream::{End, Events, Streamed};

use crate::journal::Reservation;
use crate::node::Node;
use crate::{EnclaveError, clock, keys};

/// False in the build that a benchmark compares with: the same server without any receipt work.
const RECEIPTS: bool = !cfg!(feature = "bench-without-receipts");

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
}

/// A request that was read whole, parsed or not.
pub struct Asked {
    /// HTTP method.
    pub method: String,
    /// Request-target as received.
    pub target: String,
    /// The body.
    pub body: Bytes,
    /// What the caller asked of the proofs.
    pub caller: Caller,
    /// The connection it came over, as somebody whose prompts may share computed beginnings.
    pub connection: quoth_engine::Caller,
    /// When the body was read whole, milliseconds.
    pub received: u64,
    /// The memory that the body takes.
    pub _memory: Option<OwnedSemaphorePermit>,
}

/// An exchange in progress. Dropping it unfinished means that the caller went away.
pub struct Exchange {
    node: Arc<Node>,
    open: Option<Open>,
}

/// What an unfinished exchange has gathered.
struct Open {
    place: Reservation,
    cti: [u8; 16],
    opening: Opening,
    caller: Caller,
    method: String,
    target: String,
    request: Commitment,
    received: u64,
    status: u16,
    streamed: bool,
    first_byte: Option<u64>,
    response: Sha256,
    length: u64,
    run: Option<Run>,
    checkpoints: u64,
    last_checkpoint: Option<Digest>,
}

/// A local execution as it goes.
struct Run {
    info: ModelInfo,
    prompt: Vec<u8>,
    prompt_tokens: Vec<u32>,
    sampling: Vec<u8>,
    output_tokens: Vec<u32>,
}

impl Run {
    fn usage(&self) -> Usage {
        Usage { prompt: self.prompt_tokens.len() as u64, completion: self.output_tokens.len() as u64 }
    }
}

impl Exchange {
    /// Begins an exchange for a request that was read whole.
    pub fn begin(node: &Arc<Node>, place: Reservation, asked: &Asked) -> Result<Self, EnclaveError> {
        let opening = Opening::new(keys::random()?);
        let request = match RECEIPTS {
            true => opening.commit(Label::Request, &asked.body),
            false => Commitment(Digest([0; 32])),
        };
        let open = Open {
            place,
            cti: keys::random()?,
            opening,
            caller: asked.caller.clone(),
            method: asked.method.clone(),
            target: asked.target.clone(),
            request,
            received: asked.received,
            status: 200,
            streamed: false,
            first_byte: None,
            response: Sha256::new(),
            length: 0,
            run: None,
            checkpoints: 0,
            last_checkpoint: None,
        };
        Ok(Self { node: Arc::clone(node), open: Some(open) })
    }

    /// The headers that every answer carries before its first body byte.
    pub fn headers(&self, headers: &mut HeaderMap) {
        let Some(open) = self.open.as_ref().filter(|_| RECEIPTS) else { return };
        put(headers, "quoth-cti", hex::encode(open.cti));
        put(headers, "quoth-node", self.node.digest().to_string());
        put(headers, "quoth-opening", BASE64_URL_SAFE_NO_PAD.encode(open.opening.as_bytes()));
    }

    /// The request's id, hex.
    pub fn id(&self) -> String {
        self.open.as_ref().map(|open| hex::encode(open.cti)).unwrap_or_default()
    }

    /// Names the generation that answers.
    pub fn generates(&mut self, info: &ModelInfo, generation: &Generation) {
        let sampling = generation.sampling.to_cbor();
        self.runs(info, generation.prompt.clone(), generation.prompt_tokens.clone(), sampling);
    }

    /// Names the local execution that answers.
    pub fn runs(&mut self, info: &ModelInfo, prompt: Vec<u8>, prompt_tokens: Vec<u32>, sampling: Vec<u8>) {
        self.node.metrics.prompt_tokens.fetch_add(prompt_tokens.len() as u64, Relaxed);
        if let Some(open) = &mut self.open {
            open.run = Some(Run { info: info.clone(), prompt, prompt_tokens, sampling, output_tokens: Vec::new() });
        }
    }

    /// A token was produced.
    pub fn produced(&mut self, token: u32) {
        if let Some(run) = self.open.as_mut().and_then(|open| open.run.as_mut()) {
            run.output_tokens.push(token);
        }
    }

    /// Replaces the produced tokens by the engine's own final list.
    pub fn produced_all(&mut self, tokens: Vec<u32>) {
        if let Some(run) = self.open.as_mut().and_then(|open| open.run.as_mut()) {
            run.output_tokens = tokens;
        }
    }

    /// Tokens so far.
    pub fn usage(&self) -> Usage {
        let run = self.open.as_ref().and_then(|open| open.run.as_ref());
        run.map_or(Usage { prompt: 0, completion: 0 }, Run::usage)
    }

    /// Bytes of the response body are about to leave.
    pub fn wrote(&mut self, bytes: &[u8]) {
        let Some(open) = self.open.as_mut().filter(|_| RECEIPTS) else { return };
        open.first_byte.get_or_insert_with(clock::millis);
        open.response.update(bytes);
        open.length += bytes.len() as u64;
    }

    /// The answer will be an event stream.
    pub fn streams(&mut self) {
        if let Some(open) = &mut self.open {
            open.streamed = true;
        }
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
            number: open.checkpoints,
            offset: open.length,
            prefix: open.opening.commit_digest(Label::Prefix, &prefix),
            prev: open.last_checkpoint,
        });
        open.checkpoints += 1;
        open.last_checkpoint = Some(signed.digest());
        record::encode(record::Kind::Checkpoint, signed.bytes())
    }

    /// Ends the exchange with an answer in one piece, and signs its receipt into the headers.
    pub fn answer(mut self, status: u16, body: &[u8], outcome: Outcome, headers: &mut HeaderMap) {
        self.headers(headers);
        self.wrote(body);
        if let Some(open) = &mut self.open {
            open.status = status;
        }
        if let Some(receipt) = self.finish(outcome) {
            put(headers, "quoth-receipt", BASE64_URL_SAFE_NO_PAD.encode(&receipt));
        }
    }

    /// Ends a stream; returns the receipt's record.
    pub fn end_stream(mut self, outcome: Outcome) -> String {
        self.finish(outcome).map_or_else(String::new, |receipt| record::encode(record::Kind::Receipt, &receipt))
    }

    /// Issues the receipt, once.
    fn finish(&mut self, outcome: Outcome) -> Option<Bytes> {
        let open = self.open.take()?;
        self.node.metrics.count(outcome);
        let produced = open.run.as_ref().map_or(0, |run| run.output_tokens.len() as u64);
        self.node.metrics.completion_tokens.fetch_add(produced, Relaxed);
        if !RECEIPTS {
            return None;
        }
        let now = clock::millis().max(open.received);
        let first_byte = open.first_byte.unwrap_or(now).clamp(open.received, now);
        let Open { place, opening, caller, run, .. } = open;
        let usage = run.as_ref().map(Run::usage);
        let (execution, details) = match run {
            Some(run) => {
                let details = Details {
                    prompt: run.prompt,
                    prompt_tokens: run.prompt_tokens,
                    output_tokens: run.output_tokens,
                    sampling: run.sampling,
                };
                (Some(Execution::Local(local(&run.info, &opening, &details))), Some(details))
            }
            None => (None, None),
        };
        let exchange = receipt::Exchange {
            method: open.method,
            target: open.target,
            status: open.status,
            request: open.request,
            response: opening.commit_digest(Label::Response, &Digest(open.response.finalize().into())),
            response_length: open.length,
            streamed: open.streamed,
            outcome,
        };
        let (node, level) = (self.node.digest(), self.node.level());
        let bytes = self.node.ledger.issue(place, open.cti, |seq, prev| Receipt {
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
            times: Times { received: open.received, first_byte, last_byte: now },
            parent: caller.parent,
        });
        if let Some(details) = details.filter(|_| caller.details) {
            self.node.shelf.put(open.cti, opening.details_credential(), details.encode());
        }
        Some(bytes)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.streamed) {
            open.status = NOBODY;
        }
        self.finish(match std::thread::panicking() {
            true => Outcome::EngineFailed,
            false => Outcome::ClientClosed,
        });
    }
}

fn local(info: &ModelInfo, opening: &Opening, details: &Details) -> Local {
    Local {
        model: info.name.clone(),
        model_sha256: Digest(info.sha256),
        prompt: opening.commit(Label::Prompt, &details.prompt),
        prompt_tokens: opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
        output_tokens: opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens)),
        sampling: opening.commit(Label::Sampling, &details.sampling),
        arithmetic: info.profile.clone(),
        engine: info.identity.clone(),
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: String) {
    // Hex and base64 are always valid header values.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

//! Checks an event stream as it passes (`attestation/SPEC.md` §8 and §9).

mod checkpoints;
mod events;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use checkpoints::Checkpoints;
use events::Events;
use quoth_attestation::Digest;
use quoth_attestation::binding::Nonce;
use quoth_attestation::commit::{Label, Opening};
use quoth_attestation::record::{Kind, Piece, Splitter};
use quoth_attestation::transcript::Request;
use sha2::{Digest as _, Sha256};

use crate::exchange::{self, Received};
use crate::{Refusal, VerifiedExchange, VerifiedNode, VerifiedReceipt};

/// Takes a stream as it arrives, hands on its body, and says at the end whether all of it is proven.
///
/// The bytes that [`push`](Self::push) returns are provisional until [`finish`](Self::finish) has accepted them; up to
/// [`proven`](Self::proven) they are already what the node signed.
pub struct StreamVerifier {
    node: VerifiedNode,
    method: String,
    target: String,
    request: Digest,
    nonce: Option<Nonce>,
    opening: Opening,
    status: u16,
    splitter: Splitter,
    length: u64,
    hasher: Sha256,
    checkpoints: Checkpoints,
    events: Events,
    /// The terminal event has passed.
    ended: bool,
    receipt: Option<VerifiedReceipt>,
    refused: Option<Refusal>,
}

impl StreamVerifier {
    pub(crate) fn new(
        node: VerifiedNode,
        request: &Request,
        nonce: Option<&Nonce>,
        opening: Opening,
        cti: Option<[u8; 16]>,
        status: u16,
    ) -> Self {
        let body = Digest::of(&request.body);
        let commitment = opening.commit_digest(Label::Request, &body);
        Self {
            checkpoints: Checkpoints::new(node.clone(), cti, nonce.cloned(), commitment, status),
            node,
            method: request.method.clone(),
            target: request.target.clone(),
            request: body,
            nonce: nonce.cloned(),
            opening,
            status,
            splitter: Splitter::new(),
            length: 0,
            hasher: Sha256::new(),
            events: Events::default(),
            ended: false,
            receipt: None,
            refused: None,
        }
    }

    /// Takes the next bytes as they came from the network, cut anywhere, and returns the body bytes among them.
    ///
    /// # Errors
    /// The first [`Refusal`]; every later call repeats it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, &Refusal> {
        let refusal = match self.refused.take() {
            Some(refusal) => refusal,
            None => match self.take(bytes) {
                Ok(body) => return Ok(body),
                Err(refusal) => refusal,
            },
        };
        Err(self.refused.insert(refusal))
    }

    /// Body bytes, from the start, that a checkpoint already proves.
    pub fn proven(&self) -> u64 {
        self.checkpoints.proven()
    }

    /// The stream has ended: is every byte of it what the node signed?
    ///
    /// # Errors
    /// A [`Refusal`]; `stream.cut` when the receipt, or the end of what it covers, never came.
    pub fn finish(self) -> Result<VerifiedExchange, Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        let proven = self.checkpoints.proven();
        let cut = || Refusal::StreamCut { proven };
        // A stream that ends in the middle of a record, or of what may yet become one, is cut there.
        let held = self.splitter.finish().map_err(|_| cut())?;
        match self.receipt {
            Some(receipt) if held.is_empty() && self.length >= receipt.claims().exchange.response_length => {
                let digest = Digest(self.hasher.finalize().into());
                let received = Received { status: self.status, length: self.length, digest };
                exchange::finish(receipt, self.request, &received, self.opening)
            }
            _ => Err(cut()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut pieces = Vec::new();
        // What stands before a malformed record is judged first, so that the verdict does not depend on where the
        // network cut the stream.
        let split = self.splitter.push(bytes, &mut pieces);
        let mut body = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Body(bytes) => {
                    self.body(&bytes)?;
                    match body.is_empty() {
                        true => body = bytes,
                        false => body.extend(bytes),
                    }
                }
                Piece::Record { offset, .. } if self.ended || self.receipt.is_some() => {
                    return Err(Refusal::StreamAfterEnd { offset });
                }
                Piece::Record { kind: Kind::Checkpoint, bytes, offset } => {
                    let prefix = Digest(self.hasher.clone().finalize().into());
                    let prefix = self.opening.commit_digest(Label::Prefix, &prefix);
                    self.checkpoints.next(&bytes, Some(offset), |_| Some(prefix))?;
                }
                Piece::Record { kind: Kind::Receipt, bytes, .. } => self.receipt(&bytes)?,
            }
        }
        split?;
        Ok(body)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.checkpoints.is_empty() {
            return Err(Refusal::StreamCheckpointMissing);
        }
        for &byte in bytes {
            if self.ended && !self.events.completes_line_end(byte) {
                return Err(Refusal::StreamAfterEnd { offset: self.length });
            }
            self.length += 1;
            let offset = self.length;
            match (self.events.push(byte), &self.receipt) {
                (None, _) | (Some(events::End { terminal: false }), None) => {}
                (Some(events::End { terminal: true }), Some(_)) => self.ended = true,
                (Some(events::End { terminal: true }), None) => return Err(Refusal::StreamReceiptLate { offset }),
                (Some(events::End { terminal: false }), Some(_)) => return Err(Refusal::StreamAfterEnd { offset }),
            }
        }
        self.hasher.update(bytes);
        Ok(())
    }

    fn receipt(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(cti) = self.checkpoints.cti().filter(|_| !self.checkpoints.is_empty()) else {
            return Err(Refusal::StreamCheckpointMissing);
        };
        let receipt = self.node.receipt(bytes)?;
        check_streamed(&receipt, cti)?;
        exchange::check_request(&receipt, &self.method, &self.target, &self.request, &self.opening)?;
        exchange::check_nonce(&receipt, self.nonce.as_ref())?;
        self.receipt = Some(receipt);
        Ok(())
    }
}

/// A receipt that ends a stream says so, and is of the same request as its checkpoints.
pub(crate) fn check_streamed(receipt: &VerifiedReceipt, cti: [u8; 16]) -> Result<(), Refusal> {
    let claims = receipt.claims();
    if !claims.exchange.streamed {
        return Err(Refusal::ReceiptStreamed { expected: true, actual: false });
    }
    match claims.cti == cti {
        true => Ok(()),
        false => Err(Refusal::ReceiptCti { expected: hex::encode(cti), actual: hex::encode(claims.cti) }),
    }
}

impl fmt::Debug for StreamVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamVerifier")
            .field("node", &self.node)
            .field("length", &self.length)
            .field("proven", &self.proven())
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

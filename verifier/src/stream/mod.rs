//! Verifies event streams as they arrive (`attestation/SPEC.md` §8 and §9).

mod checkpoints;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use checkpoints::Checkpoints;
use quoth_attestation::checkpoint::Version;
use quoth_attestation::commit::Label;
use quoth_attestation::events::{End, Event, Scanner};
use quoth_attestation::receipt::Ending;
use quoth_attestation::record::{Kind, Piece, Splitter};
use quoth_attestation::transcript::Request;
use quoth_attestation::{Digest, ExchangeId};
use sha2::{Digest as _, Sha256};

use crate::exchange::{self, Received};
use crate::{Refusal, ResponseHead, VerifiedExchange, VerifiedNode, VerifiedReceipt};

/// Takes a stream as it arrives, returns its body, and decides at the end whether all of it is proven.
///
/// The bytes that [`push`](Self::push) returns are provisional until [`finish`](Self::finish) accepts them. Up to
/// [`proven`](Self::proven) they are already proven to be the node's.
pub struct StreamVerifier {
    node: VerifiedNode,
    method: String,
    target: String,
    request: Digest,
    head: ResponseHead,
    splitter: Splitter,
    length: u64,
    hasher: Sha256,
    checkpoints: Checkpoints,
    scanner: Scanner,
    /// Body bytes up to the end of the last event that does not end the stream.
    passable: u64,
    /// How the stream ended, once its last event has passed.
    ended: Option<End>,
    receipt: Option<VerifiedReceipt>,
    /// Whether a head of the log has followed the receipt.
    headed: bool,
    refused: Option<Refusal>,
}

/// What [`StreamVerifier::push`] found in its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Bytes of the body, still provisional.
    pub body: Vec<u8>,
    /// Records that ended in these bytes, verified and in order. Transcripts keep them.
    pub records: Vec<Record>,
}

/// A checkpoint, a receipt or a head of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

impl VerifiedNode {
    /// Starts to verify an event stream as it arrives: the answer to `request`, with this head.
    pub fn verify_stream(&self, request: &Request, head: ResponseHead) -> StreamVerifier {
        StreamVerifier::new(self.clone(), request, head)
    }
}

impl StreamVerifier {
    fn new(node: VerifiedNode, request: &Request, head: ResponseHead) -> Self {
        let body = Digest::of(&request.body);
        let commitment = head.opening.commit_digest(Label::Request, &body);
        Self {
            checkpoints: Checkpoints::new(node.clone(), &head, commitment),
            node,
            method: request.method.clone(),
            target: request.target.clone(),
            request: body,
            head,
            splitter: Splitter::new(),
            length: 0,
            hasher: Sha256::new(),
            scanner: Scanner::default(),
            passable: 0,
            ended: None,
            receipt: None,
            headed: false,
            refused: None,
        }
    }

    /// Takes the next bytes from the network, cut anywhere. Returns the body bytes and the records in them.
    ///
    /// # Errors
    /// The first [`Refusal`]; every later call repeats it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Pushed, &Refusal> {
        let refusal = match self.refused.take() {
            Some(refusal) => refusal,
            None => match self.take(bytes) {
                Ok(pushed) => return Ok(pushed),
                Err(refusal) => refusal,
            },
        };
        Err(self.refused.insert(refusal))
    }

    /// Number of body bytes, from the start, that a checkpoint already proves.
    pub fn proven(&self) -> u64 {
        self.checkpoints.proven()
    }

    /// Number of body bytes, from the start, that may go to an SDK before [`finish`](Self::finish): whole events, none of
    /// which an SDK could take for the end.
    pub fn passable(&self) -> u64 {
        self.passable
    }

    /// Ends the stream, and verifies that every byte of it is what the node signed.
    ///
    /// # Errors
    /// A [`Refusal`]; `stream.cut` if the receipt, or the end of what it covers, is missing.
    pub fn finish(self) -> Result<VerifiedExchange, Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        let proven = self.checkpoints.proven();
        let cut = || Refusal::StreamCut { proven };
        // A stream that ends inside a record, or inside a line that could become one, is cut.
        let held = self.splitter.finish().map_err(|_| cut())?;
        match self.receipt {
            Some(receipt) if held.is_empty() && self.length >= receipt.claims().exchange.response_length => {
                let digest = Digest(self.hasher.finalize().into());
                let received = Received { status: self.head.status, length: self.length, digest };
                check_ending(self.checkpoints.version(), self.ended, &receipt)?;
                exchange::finish(receipt, self.request, &received, self.head.opening)
            }
            _ => Err(cut()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Pushed, Refusal> {
        let mut pieces = Vec::new();
        // Judge the pieces before a malformed record first, so the verdict does not depend on where the network cuts the
        // stream.
        let split = self.splitter.push(bytes, &mut pieces);
        let mut pushed = Pushed::default();
        for piece in pieces {
            match piece {
                Piece::Body(bytes) => {
                    self.body(&bytes)?;
                    match pushed.body.is_empty() {
                        true => pushed.body = bytes,
                        false => pushed.body.extend(bytes),
                    }
                }
                Piece::Record { kind, bytes, offset } => {
                    self.record(kind, &bytes, offset)?;
                    pushed.records.push(Record { kind, bytes });
                }
            }
        }
        split?;
        Ok(pushed)
    }

    fn record(&mut self, kind: Kind, bytes: &[u8], offset: u64) -> Result<(), Refusal> {
        match (kind, &self.receipt) {
            // Right behind the receipt: the body's last bytes follow both.
            (Kind::Head, Some(receipt)) if !self.headed && self.ended.is_none() => {
                receipt.verify_in_log(bytes)?;
                self.headed = true;
                Ok(())
            }
            (_, Some(_)) | (Kind::Head, None) => Err(Refusal::StreamAfterEnd { offset }),
            (Kind::Checkpoint, None) => {
                let digest = Digest(self.hasher.clone().finalize().into());
                let opening = &self.head.opening;
                self.checkpoints.next(bytes, Some(offset), |label, _| Some(opening.commit_digest(label, &digest)))
            }
            (Kind::Receipt, None) => self.receipt(bytes),
        }
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.checkpoints.is_empty() {
            return Err(Refusal::StreamCheckpointMissing);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            // After the end, only the LF of a CRLF may follow, whose CR already ended the line.
            if self.ended.is_some() && !(self.scanner.after_cr() && rest.starts_with(b"\n")) {
                return Err(Refusal::StreamAfterEnd { offset: self.length });
            }
            let allowed = if self.ended.is_some() { &rest[..1] } else { rest };
            let ambiguous = |reason| Refusal::StreamAmbiguous { offset: self.passable, reason };
            let (taken, event) = self.scanner.scan(allowed).map_err(ambiguous)?;
            self.length += taken as u64;
            rest = rest.get(taken..).unwrap_or_default();
            if let Some(event) = event {
                self.event(event)?;
            }
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Handles an event that ends at the current end of the body.
    fn event(&mut self, event: Event) -> Result<(), Refusal> {
        let offset = self.length;
        // In version 1, errors do not wait for the receipt.
        let end = event.end.filter(|end| *end == End::Terminal || self.checkpoints.version() != Version::V1);
        match (end, &self.receipt) {
            (None, None) => self.passable = offset,
            (Some(_), Some(_)) => self.ended = end,
            (Some(_), None) => return Err(Refusal::StreamReceiptLate { offset }),
            (None, Some(_)) => return Err(Refusal::StreamAfterEnd { offset }),
        }
        Ok(())
    }

    fn receipt(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.checkpoints.is_empty() {
            return Err(Refusal::StreamCheckpointMissing);
        }
        let receipt = self.node.verify_receipt(bytes)?;
        check_streamed(&receipt, self.checkpoints.cti())?;
        exchange::check_request(&receipt, &self.method, &self.target, &self.request, &self.head.opening)?;
        exchange::check_nonce(&receipt, self.head.nonce.as_ref())?;
        self.receipt = Some(receipt);
        Ok(())
    }
}

/// Checks that a stream's receipt says so, and belongs to the same exchange as the checkpoints.
pub(crate) fn check_streamed(receipt: &VerifiedReceipt, cti: Option<ExchangeId>) -> Result<(), Refusal> {
    if !receipt.claims().exchange.streamed {
        return Err(Refusal::ReceiptStreamed { expected: true, actual: false });
    }
    cti.map_or(Ok(()), |cti| exchange::check_cti(receipt, cti))
}

/// Checks that a saved stream ends as its receipt says.
pub(crate) fn check_whole_stream(version: Version, body: &[u8], receipt: &VerifiedReceipt) -> Result<(), Refusal> {
    let (mut scanner, mut offset, mut begin) = (Scanner::default(), 0, 0);
    let mut found = None;
    while version != Version::V1 && offset < body.len() {
        let rest = body.get(offset..).unwrap_or_default();
        if found.is_some() && !(scanner.after_cr() && rest == b"\n") {
            return Err(Refusal::StreamAfterEnd { offset: offset as u64 });
        }
        let ambiguous = |reason| Refusal::StreamAmbiguous { offset: begin, reason };
        let (taken, event) = scanner.scan(rest).map_err(ambiguous)?;
        offset += taken;
        if let Some(event) = event {
            begin = offset as u64;
            found = event.end;
        }
    }
    check_ending(version, found, receipt)
}

/// Checks that the receipt names `found` as the end of its stream; version 1 names no end.
fn check_ending(version: Version, found: Option<End>, receipt: &VerifiedReceipt) -> Result<(), Refusal> {
    let exchange = &receipt.claims().exchange;
    let expected = match found {
        _ if version == Version::V1 => None,
        Some(End::Terminal) => Some(Ending::Terminal),
        Some(End::Error) => None,
        None => Some(Ending::FinishReason).filter(|_| exchange.outcome.is_whole()),
    };
    let named = |ending: Option<Ending>| ending.map_or("no sign of a whole answer", Ending::name);
    match exchange.ending == expected {
        true => Ok(()),
        false => Err(Refusal::ReceiptEnding { expected: named(expected), actual: named(exchange.ending) }),
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

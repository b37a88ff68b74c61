//! Verifies saved exchanges offline.

use core::fmt;

use quoth_attestation::Digest;
use quoth_attestation::commit::Label;
use quoth_attestation::cose::Signed;
use quoth_attestation::evidence::Evidence;
use quoth_attestation::receipt::Receipt;
use quoth_attestation::statement::Statement;
use quoth_attestation::transcript::Transcript;
use sha2::{Digest as _, Sha256};

use crate::stream::{Checkpoints, check_streamed, check_whole_stream};
use crate::{
    Refusal, ResponseHead, Time, TimeChoice, VerifiedDetails, VerifiedExchange, VerifiedHead, VerifiedNode,
    VerifiedReceipt, Verifier,
};

/// A saved exchange whose every byte is proven.
#[derive(Clone)]
pub struct VerifiedTranscript {
    transcript: Transcript,
    node: VerifiedNode,
    exchange: VerifiedExchange,
    details: Option<VerifiedDetails>,
    head: Option<VerifiedHead>,
}

impl VerifiedTranscript {
    /// The file's content.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The node that answered.
    pub fn node(&self) -> &VerifiedNode {
        &self.node
    }

    /// The exchange, with its receipt.
    pub fn exchange(&self) -> &VerifiedExchange {
        &self.exchange
    }

    /// Values that only the enclave knew, if the transcript has them.
    pub fn details(&self) -> Option<&VerifiedDetails> {
        self.details.as_ref()
    }

    /// A head of the node's log that covers the receipt, if the transcript has one.
    pub fn head(&self) -> Option<&VerifiedHead> {
        self.head.as_ref()
    }
}

/// Shows nothing of the prompt or the answer.
impl fmt::Debug for VerifiedTranscript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTranscript").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Verifies an encoded [`Transcript`] without other inputs.
    ///
    /// # Errors
    /// A [`Refusal`]. For a stream without a receipt it is `stream.cut`, with the number of bytes that its checkpoints prove.
    pub fn verify_transcript(&self, text: &[u8], time: TimeChoice) -> Result<VerifiedTranscript, Refusal> {
        verify(self, text, time)
    }
}

fn verify(verifier: &Verifier, text: &[u8], time: TimeChoice) -> Result<VerifiedTranscript, Refusal> {
    let transcript = Transcript::decode(text)?;
    let node = verifier.verify_node(&transcript.evidence, None, moment(&transcript, time)?)?;
    let Some(receipt) = &transcript.receipt else {
        return Err(cut(&node, &transcript));
    };
    let receipt = node.verify_receipt(receipt)?;
    let response = response_head(&transcript);
    let exchange = receipt.verify_saved(&transcript.request, &response, &transcript.response.body)?;
    check_checkpoints(&node, &transcript, &receipt)?;
    let details = transcript.details.as_ref().map(|details| exchange.verify_details(details)).transpose()?;
    let head = transcript.log.as_ref().map(|log| receipt.verify_in_log(log)).transpose()?;
    Ok(VerifiedTranscript { transcript, node, exchange, details, head })
}

/// The response head in a transcript. It has no id: receipt and checkpoints name it.
fn response_head(transcript: &Transcript) -> ResponseHead {
    let Transcript { response, opening, nonce, .. } = transcript;
    ResponseHead { status: response.status, cti: None, opening: opening.clone(), nonce: nonce.clone() }
}

/// When the node is judged. This reads the receipt's `iat` before its signature is verified. That is harmless: the statement
/// must be valid then, and a receipt that the node did not sign is refused.
fn moment(transcript: &Transcript, time: TimeChoice) -> Result<Time, Refusal> {
    match (time, &transcript.receipt) {
        (TimeChoice::Live { now }, _) => Ok(Time::Live { now }),
        (TimeChoice::Archived, Some(receipt)) => {
            Ok(Time::Archived { at: Signed::<Receipt>::decode(receipt)?.claims().iat })
        }
        (TimeChoice::Archived, None) => {
            let evidence = Evidence::decode(&transcript.evidence)?;
            Ok(Time::Archived { at: Statement::decode(&evidence.statement)?.issued() })
        }
    }
}

/// Without a receipt: how much of the answer the checkpoints prove.
fn cut(node: &VerifiedNode, transcript: &Transcript) -> Refusal {
    match (&transcript.details, transcript.checkpoints.is_empty()) {
        _ if transcript.log.is_some() => Refusal::TranscriptLog,
        (Some(_), _) => Refusal::TranscriptDetails,
        (None, true) => Refusal::TranscriptEmpty,
        (None, false) => match verify_checkpoints(node, transcript) {
            Ok(checkpoints) => Refusal::StreamCut { proven: checkpoints.proven() },
            Err(refusal) => refusal,
        },
    }
}

fn check_checkpoints(node: &VerifiedNode, transcript: &Transcript, receipt: &VerifiedReceipt) -> Result<(), Refusal> {
    match (receipt.claims().exchange.streamed, transcript.checkpoints.is_empty()) {
        (false, true) => Ok(()),
        (false, false) => Err(Refusal::ReceiptStreamed { expected: true, actual: false }),
        (true, true) => Err(Refusal::StreamCheckpointMissing),
        (true, false) => {
            let checkpoints = verify_checkpoints(node, transcript)?;
            check_streamed(receipt, checkpoints.cti())?;
            check_whole_stream(checkpoints.version(), &transcript.response.body, receipt)
        }
    }
}

fn verify_checkpoints(node: &VerifiedNode, transcript: &Transcript) -> Result<Checkpoints, Refusal> {
    let (opening, body) = (&transcript.opening, &transcript.response.body[..]);
    let request = opening.commit(Label::Request, &transcript.request.body);
    let mut checkpoints = Checkpoints::new(node.clone(), &response_head(transcript), request);
    // Offsets never decrease, so the body is hashed only once, for any number of checkpoints.
    let (mut hasher, mut hashed) = (Sha256::new(), 0);
    for cose in &transcript.checkpoints {
        checkpoints.next(cose, None, |label, offset| {
            let end = usize::try_from(offset).ok()?;
            hasher.update(body.get(hashed..end)?);
            hashed = end;
            Some(opening.commit_digest(label, &Digest(hasher.clone().finalize().into())))
        })?;
    }
    Ok(checkpoints)
}

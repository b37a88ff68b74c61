//! Verifies exchanges: that a receipt is about this request and this response.

mod upstream;

use alloc::string::{String, ToString};
use core::fmt;

use quoth_attestation::binding::Nonce;
use quoth_attestation::commit::{Label, Opening, token_bytes};
use quoth_attestation::receipt::{Execution, Local};
use quoth_attestation::transcript::{Details, LocalDetails, Request};
use quoth_attestation::{Digest, ExchangeId};

use crate::text::nonce_text;
use crate::{Refusal, ResponseHead, VerifiedReceipt};

pub use upstream::PassThrough;

/// A request and a response that a verified receipt is about.
#[derive(Clone, Debug)]
pub struct VerifiedExchange {
    receipt: VerifiedReceipt,
    opening: Opening,
    /// SHA-256 of the request's body.
    request: Digest,
    /// SHA-256 of the response's body.
    response: Digest,
}

/// Details that a verified receipt commits to.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedDetails {
    details: Details,
}

impl VerifiedExchange {
    /// The receipt.
    pub fn receipt(&self) -> &VerifiedReceipt {
        &self.receipt
    }

    /// Verifies what only the enclave knew: rendered prompt, token ids, sampling parameters as used; or what went to a
    /// provider, and whose certificates it showed.
    ///
    /// # Errors
    /// A [`Refusal`] that says which part the receipt does not commit to.
    pub fn verify_details(&self, details: &Details) -> Result<VerifiedDetails, Refusal> {
        match (&self.receipt.claims().execution, details) {
            (Some(Execution::Local(execution)), Details::Local(details)) => self.local(execution, details)?,
            (Some(Execution::Upstream(execution)), Details::Upstream(details)) => self.upstream(execution, details)?,
            _ => return Err(Refusal::ReceiptDetailsUnexpected),
        }
        Ok(VerifiedDetails { details: details.clone() })
    }

    fn local(&self, local: &Local, details: &LocalDetails) -> Result<(), Refusal> {
        let commitments = [
            ("prompt", local.prompt, self.opening.commit(Label::Prompt, &details.prompt)),
            (
                "prompt tokens",
                local.prompt_tokens,
                self.opening.commit(Label::PromptTokens, &token_bytes(&details.prompt_tokens)),
            ),
            (
                "output tokens",
                local.output_tokens,
                self.opening.commit(Label::OutputTokens, &token_bytes(&details.output_tokens)),
            ),
            ("sampling", local.sampling, self.opening.commit(Label::Sampling, &details.sampling)),
        ];
        for (part, expected, actual) in commitments {
            same(part, &expected.0, &actual.0, details_mismatch)?;
        }
        if let Some(usage) = self.receipt.claims().usage {
            same("prompt token count", &usage.prompt, &(details.prompt_tokens.len() as u64), details_mismatch)?;
            same("completion token count", &usage.completion, &(details.output_tokens.len() as u64), details_mismatch)?;
        }
        Ok(())
    }
}

impl VerifiedDetails {
    /// The details.
    pub fn details(&self) -> &Details {
        &self.details
    }
}

/// Without the prompt, and without the tokens that spell it.
impl fmt::Debug for VerifiedDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedDetails(..)")
    }
}

/// What was received of a response: its body may have been hashed as it passed.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) length: u64,
    pub(crate) digest: Digest,
}

impl VerifiedReceipt {
    /// Verifies that the receipt is for this request, and for an answer in one piece with this head and body.
    ///
    /// # Errors
    /// A [`Refusal`] that says which part differs, or that the receipt is of a stream.
    pub fn verify_exchange(
        &self,
        request: &Request,
        head: &ResponseHead,
        body: &[u8],
    ) -> Result<VerifiedExchange, Refusal> {
        match self.claims().exchange.streamed {
            true => Err(Refusal::ReceiptStreamed { expected: false, actual: true }),
            false => self.verify_saved(request, head, body),
        }
    }

    /// The same for an answer of either kind, of which all bytes are there.
    pub(crate) fn verify_saved(
        &self,
        request: &Request,
        head: &ResponseHead,
        body: &[u8],
    ) -> Result<VerifiedExchange, Refusal> {
        if let Some(cti) = head.cti {
            check_cti(self, cti)?;
        }
        let asked = Digest::of(&request.body);
        check_request(self, &request.method, &request.target, &asked, &head.opening)?;
        check_nonce(self, head.nonce.as_ref())?;
        let received = Received { status: head.status, length: body.len() as u64, digest: Digest::of(body) };
        finish(self.clone(), asked, &received, head.opening.clone())
    }
}

pub(crate) fn check_request(
    receipt: &VerifiedReceipt,
    method: &str,
    target: &str,
    body: &Digest,
    opening: &Opening,
) -> Result<(), Refusal> {
    let exchange = &receipt.claims().exchange;
    same("method", &exchange.method.as_str(), &method, request_mismatch)?;
    same("target", &exchange.target.as_str(), &target, request_mismatch)?;
    same("body", &exchange.request.0, &opening.commit_digest(Label::Request, body).0, request_mismatch)
}

pub(crate) fn check_nonce(receipt: &VerifiedReceipt, expected: Option<&Nonce>) -> Result<(), Refusal> {
    let actual = receipt.claims().nonce.as_ref();
    match actual == expected {
        true => Ok(()),
        false => Err(Refusal::ReceiptNonce { expected: nonce_text(expected), actual: nonce_text(actual) }),
    }
}

/// The receipt is of the exchange with this id.
pub(crate) fn check_cti(receipt: &VerifiedReceipt, expected: ExchangeId) -> Result<(), Refusal> {
    match receipt.claims().cti {
        actual if actual == expected => Ok(()),
        actual => Err(Refusal::ReceiptCti { expected: expected.to_string(), actual: actual.to_string() }),
    }
}

/// The last step: the response. Request and nonce have been checked.
pub(crate) fn finish(
    receipt: VerifiedReceipt,
    request: Digest,
    received: &Received,
    opening: Opening,
) -> Result<VerifiedExchange, Refusal> {
    let exchange = &receipt.claims().exchange;
    same("status", &exchange.status.get(), &received.status, response_mismatch)?;
    same("length", &exchange.response_length, &received.length, response_mismatch)?;
    let found = opening.commit_digest(Label::Response, &received.digest);
    same("body", &exchange.response.0, &found.0, response_mismatch)?;
    Ok(VerifiedExchange { receipt, opening, request, response: received.digest })
}

type Mismatch = fn(&'static str, String, String) -> Refusal;

fn same<T: PartialEq + ToString>(
    field: &'static str,
    expected: &T,
    actual: &T,
    mismatch: Mismatch,
) -> Result<(), Refusal> {
    match expected == actual {
        true => Ok(()),
        false => Err(mismatch(field, expected.to_string(), actual.to_string())),
    }
}

fn request_mismatch(field: &'static str, expected: String, actual: String) -> Refusal {
    Refusal::ReceiptRequestMismatch { field, expected, actual }
}

fn response_mismatch(field: &'static str, expected: String, actual: String) -> Refusal {
    Refusal::ReceiptResponseMismatch { field, expected, actual }
}

fn details_mismatch(part: &'static str, expected: String, actual: String) -> Refusal {
    Refusal::ReceiptDetailsMismatch { part, expected, actual }
}

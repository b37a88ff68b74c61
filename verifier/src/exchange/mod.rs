//! Verifies exchanges: that a receipt belongs to this request and this response.

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

/// A request and a response, and the verified receipt for them.
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

    /// Verifies values that only the enclave knew: rendered prompt, token ids, sampling parameters as used; or what the node
    /// sent to a provider, and the provider's certificates.
    ///
    /// # Errors
    /// A [`Refusal`] that names the part that the receipt does not commit to.
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

/// Shows neither the prompt nor its tokens.
impl fmt::Debug for VerifiedDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedDetails(..)")
    }
}

/// A received response; its body may have been hashed on the way.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) length: u64,
    pub(crate) digest: Digest,
}

impl VerifiedReceipt {
    /// Verifies that the receipt belongs to this request, and to a whole answer with this head and body.
    ///
    /// # Errors
    /// A [`Refusal`] that names the part that differs, or says that the receipt belongs to a stream.
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

    /// Verifies an answer of either kind whose bytes are all present.
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

pub(crate) fn check_cti(receipt: &VerifiedReceipt, expected: ExchangeId) -> Result<(), Refusal> {
    match receipt.claims().cti {
        actual if actual == expected => Ok(()),
        actual => Err(Refusal::ReceiptCti { expected: expected.to_string(), actual: actual.to_string() }),
    }
}

/// Checks the response, the last step. The caller has checked request and nonce.
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

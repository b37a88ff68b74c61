//! Verifies what was exchanged with a closed provider, and which certificates the provider showed.

use alloc::string::ToString;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::commit::Label;
use quoth_attestation::receipt::{Execution, TlsPeer, Upstream};
use quoth_attestation::transcript::UpstreamDetails;

use super::{VerifiedExchange, details_mismatch, same};
use crate::Refusal;
use crate::x509::{is_one_item, public_key_info};

/// Which bodies passed between caller and provider byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassThrough {
    request: bool,
    response: bool,
}

impl PassThrough {
    /// Returns true if the provider got the caller's request unchanged.
    pub fn request(self) -> bool {
        self.request
    }

    /// Returns true if the caller got the provider's response unchanged.
    pub fn response(self) -> bool {
        self.response
    }
}

impl VerifiedExchange {
    /// Which bodies passed through the node byte for byte. `None` unless a provider gave the answer.
    pub fn pass_through(&self) -> Option<PassThrough> {
        let Some(Execution::Upstream(upstream)) = &self.receipt.claims().execution else { return None };
        Some(PassThrough {
            request: upstream.sent == self.opening.commit_digest(Label::UpstreamRequest, &self.request),
            response: upstream.received == self.opening.commit_digest(Label::UpstreamResponse, &self.response),
        })
    }

    pub(super) fn upstream(&self, upstream: &Upstream, details: &UpstreamDetails) -> Result<(), Refusal> {
        let digest = |altered: &Option<Vec<u8>>, whole| altered.as_ref().map_or(whole, |bytes| Digest::of(bytes));
        let (sent, received) = (digest(&details.sent, self.request), digest(&details.received, self.response));
        let commitments = [
            ("head", upstream.head, self.opening.commit(Label::UpstreamHead, &details.head)),
            ("sent", upstream.sent, self.opening.commit_digest(Label::UpstreamRequest, &sent)),
            ("received", upstream.received, self.opening.commit_digest(Label::UpstreamResponse, &received)),
        ];
        for (part, expected, actual) in commitments {
            same(part, &expected.0, &actual.0, details_mismatch)?;
        }
        // Bodies that equal the request or the response must be left out, so an exchange has only one transcript.
        for (part, repeated) in [
            ("sent", details.sent.is_some() && sent == self.request),
            ("received", details.received.is_some() && received == self.response),
        ] {
            if repeated {
                return Err(details_mismatch(part, "left out".to_string(), "given again".to_string()));
            }
        }
        match (&upstream.tls, &details.certificates[..]) {
            (None, []) => Ok(()),
            (Some(tls), [leaf, ..]) => check_certificates(tls, leaf, &details.certificates),
            (tls, certificates) => {
                let expected = if tls.is_some() { "some" } else { "none" };
                Err(details_mismatch("certificates", expected.into(), certificates.len().to_string()))
            }
        }
    }
}

fn check_certificates(tls: &TlsPeer, leaf: &[u8], certificates: &[Vec<u8>]) -> Result<(), Refusal> {
    same("certificates", &tls.chain, &Digest::of(&certificates.concat()), details_mismatch)?;
    // The digest is over their concatenation; DER itself marks where each one ends.
    if !certificates.iter().all(|certificate| is_one_item(certificate)) {
        return Err(details_mismatch("certificates", "one item of DER each".to_string(), "other bounds".to_string()));
    }
    let key = public_key_info(leaf).map_or_else(|| "unreadable".to_string(), |key| Digest::of(key).to_string());
    same("provider's key", &tls.leaf_spki.to_string(), &key, details_mismatch)
}

//! Attestation documents of AWS Nitro Enclaves (Nitro Enclaves User Guide, "Verifying the root of trust"; the NSM's
//! attestation process document), parsed strictly. Simulated nodes use the same layout under their own root.

mod cbor;
mod certificate;
mod chain;
mod cose;
mod document;
#[cfg(test)]
mod tests;

pub(crate) use chain::{Anchor, Naming};
pub(crate) use document::{Attested, Document};
use hex_literal::hex;
use quoth_attestation::Digest;

/// SHA-256 of the certificate (DER) of the AWS Nitro Enclaves root G1, as Amazon publishes it.
pub(crate) const AWS_ROOT_G1: Digest = Digest(hex!("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"));

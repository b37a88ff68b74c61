//! The attestation document of AWS Nitro Enclaves (Nitro Enclaves User Guide, "Verifying the root of trust" and the NSM's
//! attestation process document), read strictly. Simulated nodes use the same layout under a root of their own.

mod cbor;
mod certificate;
mod chain;
mod cose;
mod document;
#[cfg(test)]
mod tests;

pub(crate) use chain::{Anchor, Naming};
pub(crate) use document::{Attested, Document};
use quoth_attestation::Digest;

/// SHA-256 of the certificate (DER) of the AWS Nitro Enclaves root G1, as Amazon publishes it.
pub(crate) const AWS_ROOT_G1: Digest = Digest([
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd,
    0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
]);

//! The attestation document of AWS Nitro Enclaves (Nitro Enclaves User Guide, "Verifying the root of trust" and the NSM's
//! attestation process document), read strictly. Simulated nodes use the same layout under a root of their own.

mod cbor;
mod certificate;
mod chain;
mod cose;
mod document;
#[cfg(test)]
mod tests;

pub(crate) use chain::{Naming, Validity};
pub(crate) use document::Document;

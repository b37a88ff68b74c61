//! Enclave image files, which AWS Nitro boots (aws-nitro-enclaves-image-format, version 4).
//!
//! A file is a header and sections. Each section has a small header. All numbers are big-endian.

mod header;
mod inspect;
mod sign;
mod signature;
mod write;

pub use header::Kind;
pub use inspect::{EifError, Inspected, Section, inspect};
pub use sign::ImageSigner;
pub use signature::Signed;
pub use write::Image;

use quoth_attestation::measurement::Pcr;

/// The registers that an image determines (Nitro Enclaves User Guide, "Where to get an enclave's measurements").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// Measures the whole image: kernel, command line, all ramdisks.
    pub pcr0: Pcr,
    /// Measures what boots: kernel, command line, the first ramdisk.
    pub pcr1: Pcr,
    /// Measures the other ramdisks.
    pub pcr2: Pcr,
}

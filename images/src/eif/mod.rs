//! Enclave image files, as AWS Nitro boots them (aws-nitro-enclaves-image-format, version 4): a header, then sections, each
//! with a small header of its own. All numbers are big-endian.

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

/// The registers that an image decides (Nitro Enclaves User Guide, "Where to get an enclave's measurements").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The whole image: kernel, command line, all ramdisks.
    pub pcr0: Pcr,
    /// What boots: kernel, command line, the first ramdisk.
    pub pcr1: Pcr,
    /// The other ramdisks.
    pub pcr2: Pcr,
}

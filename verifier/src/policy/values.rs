//! What policies list: reference values of images, and what else is accepted.

use alloc::string::String;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::measurement::Pcr;

/// A policy file, bytes, at most.
pub const MAX_FILE: usize = 256 * 1024;
/// Entries in one list of a policy, at most.
pub const MAX_ENTRIES: usize = 1024;
/// An image's name, bytes, at most.
pub const MAX_NAME: usize = 128;
/// Age that evidence may have, seconds, when the policy does not say (2 hours).
pub const DEFAULT_MAX_EVIDENCE_AGE: u64 = 2 * 60 * 60;
/// The greatest age that a policy may allow, seconds (a statement's longest life).
pub const GREATEST_EVIDENCE_AGE: u64 = 30 * 24 * 60 * 60;

/// A launch digest of SEV-SNP, SHA-384.
pub type LaunchDigest = [u8; 48];

/// Reference values of one image on SEV-SNP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpImage {
    /// What to call it.
    pub name: String,
    /// Its launch digests: one for each number and type of virtual processors.
    pub launch: Vec<LaunchDigest>,
    /// What its kernel does with the ACPI tables that the host writes.
    pub acpi: Acpi,
}

/// What an image's kernel does with the ACPI tables that its host writes. They contain bytecode, which an ordinary kernel runs
/// with access to all of the guest's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acpi {
    /// Not known: the kernel may run the host's bytecode, and verdicts say so.
    #[default]
    Unknown,
    /// It reads the table of processors and runs no bytecode.
    Static,
}

/// Accepted values of registers that say who runs an image and where (Nitro Enclaves User Guide, PCRs); none for any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NitroPins {
    /// The IAM role of the parent instance.
    pub pcr3: Option<Vec<Pcr>>,
    /// The parent instance.
    pub pcr4: Option<Vec<Pcr>>,
    /// The certificate that signed the image.
    pub pcr8: Option<Vec<Pcr>>,
}

impl NitroPins {
    /// Registers that are pinned, and what they may be.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = (u64, &Vec<Pcr>)> {
        let pins = [(3, &self.pcr3), (4, &self.pcr4), (8, &self.pcr8)];
        pins.into_iter().filter_map(|(index, pin)| Some((index, pin.as_ref()?)))
    }
}

/// Registers 0 to 2.
pub(crate) type Registers = [Pcr; 3];

/// Reference values for registers 0 to 2 of one image (see [`quoth_attestation::measurement`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What to call it.
    pub name: String,
    /// The whole image.
    pub pcr0: Pcr,
    /// Kernel and first ramdisk; of a simulated node the program.
    pub pcr1: Pcr,
    /// The other ramdisks; of a simulated node the configuration.
    pub pcr2: Pcr,
}

/// Which SHA-256 digests are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Every one; said explicitly, since silence is an error.
    Any,
    /// These and no other.
    Only(Vec<Digest>),
}

impl Accept {
    /// These digests and no other.
    pub fn only(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self::Only(digests.into_iter().collect())
    }

    /// Whether `digest` is accepted.
    pub fn accepts(&self, digest: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Only(digests) => digests.contains(digest),
        }
    }
}

/// Which closed providers may answer, by the DNS name that they authenticate as and the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptUpstreams {
    /// Every one; said explicitly, since silence accepts none.
    Any,
    /// These and no other.
    Only(Vec<(String, u16)>),
}

impl Default for AcceptUpstreams {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl AcceptUpstreams {
    /// Whether the provider at `host`, `port` is accepted.
    pub fn accepts(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Only(known) => known.iter().any(|(known, at)| known == host && *at == port),
        }
    }
}

//! Values of policies: reference values of images, and other accepted values.

use alloc::string::String;
use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::measurement::Pcr;

/// Maximum bytes in a policy file.
pub const MAX_FILE: usize = 256 * 1024;
/// Maximum number of entries in one list of a policy.
pub const MAX_ENTRIES: usize = 1024;
/// Maximum bytes in an image's name.
pub const MAX_NAME: usize = 128;
/// Default maximum age of evidence, in seconds (2 hours).
pub const DEFAULT_MAX_EVIDENCE_AGE: u64 = 2 * 60 * 60;
/// Greatest maximum age that a policy may set, in seconds (a statement's longest lifetime).
pub const GREATEST_EVIDENCE_AGE: u64 = 30 * 24 * 60 * 60;

/// A launch digest of SEV-SNP, SHA-384.
pub type LaunchDigest = [u8; 48];

/// Reference values of one image on SEV-SNP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpImage {
    /// The image's name.
    pub name: String,
    /// Its launch digests: one for each number and type of virtual processors.
    pub launch: Vec<LaunchDigest>,
    /// How its kernel treats the ACPI tables that the host writes.
    pub acpi: Acpi,
}

/// How an image's kernel treats the ACPI tables that its host writes. They contain bytecode, which an ordinary kernel runs
/// with access to all of the guest's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acpi {
    /// Unknown: the kernel may run the host's bytecode, and verdicts say so.
    #[default]
    Unknown,
    /// The kernel reads the table of processors and runs no bytecode.
    Static,
}

/// Accepted values of registers that name an image's signer and instance (Nitro Enclaves User Guide, PCRs). `None` accepts any.
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
    /// Pinned registers with their accepted values.
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
    /// The image's name.
    pub name: String,
    /// Measures the whole image.
    pub pcr0: Pcr,
    /// Measures kernel and first ramdisk; for a simulated node, the program.
    pub pcr1: Pcr,
    /// Measures the other ramdisks; for a simulated node, the configuration.
    pub pcr2: Pcr,
}

/// Which SHA-256 digests are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Every digest; must be explicit, since an omitted list is an error.
    Any,
    /// Only these digests.
    Only(Vec<Digest>),
}

impl Accept {
    /// Only these digests.
    pub fn only(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self::Only(digests.into_iter().collect())
    }

    /// Returns true if `digest` is accepted.
    pub fn accepts(&self, digest: &Digest) -> bool {
        match self {
            Self::Any => true,
            Self::Only(digests) => digests.contains(digest),
        }
    }
}

/// Which closed providers may answer, by port and by the DNS name of their certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptUpstreams {
    /// Every provider; must be explicit, since an omitted list accepts none.
    Any,
    /// Only these providers.
    Only(Vec<(String, u16)>),
}

impl Default for AcceptUpstreams {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl AcceptUpstreams {
    /// Returns true if the provider at `host`, `port` is accepted.
    pub fn accepts(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Only(known) => known.iter().any(|(known, at)| known == host && *at == port),
        }
    }
}

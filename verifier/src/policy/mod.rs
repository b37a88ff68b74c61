//! What a relying party accepts: reference values (RFC 9334 §8.3) and rules.

mod build;
mod file;
mod reader;
mod snp;
#[cfg(all(test, feature = "toml"))]
mod tests;
#[cfg(feature = "toml")]
mod toml;

use alloc::string::String;
use alloc::vec::Vec;

pub use build::{PolicyBuilder, PolicyError};
use quoth_attestation::Digest;
use quoth_attestation::measurement::Pcr;
use quoth_attestation::statement::Platform;

use crate::snp::SnpRules;

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

/// What is accepted; made by [`Policy::from_json`] or a [`PolicyBuilder`], never incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    platforms: Vec<Platform>,
    roots: Vec<Digest>,
    receipt_keys: Vec<[u8; 32]>,
    images: Vec<Image>,
    models: Accept,
    upstreams: AcceptUpstreams,
    config: Option<Accept>,
    max_evidence_age: u64,
    launches: Vec<SnpImage>,
    nitro: NitroPins,
    snp: SnpRules,
}

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

pub(crate) type Registers = [Pcr; 3];

impl Policy {
    /// Reads a compiled policy: canonical JSON (RFC 8785) with the keys and values of the TOML file.
    ///
    /// # Errors
    /// [`PolicyError`] for text that is no policy, for unknown keys, for a missing reference value, for contradictions.
    pub fn from_json(text: &[u8]) -> Result<Self, PolicyError> {
        file::parse(text).map_err(|wrong| wrong.error)
    }

    /// Reads a policy file, TOML.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json); [`PolicyError::Malformed`] names the line.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        toml::parse(text)
    }

    /// Compiles a policy file, TOML, to what [`from_json`](Self::from_json) reads.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml): only a policy is compiled.
    #[cfg(feature = "toml")]
    pub fn compile(text: &str) -> Result<String, PolicyError> {
        toml::compile(text)
    }

    /// Begins a policy that accepts nothing yet.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// The policy of somebody who has not given one: no development platform, no image, no model. It refuses every node,
    /// each with the code that says what a policy of theirs would have to accept.
    pub fn hardware_only() -> Self {
        Self {
            platforms: [Platform::Nitro, Platform::SevSnp].into(),
            roots: Vec::new(),
            receipt_keys: Vec::new(),
            images: Vec::new(),
            models: Accept::Only(Vec::new()),
            upstreams: AcceptUpstreams::default(),
            config: None,
            max_evidence_age: DEFAULT_MAX_EVIDENCE_AGE,
            launches: Vec::new(),
            nitro: NitroPins::default(),
            snp: SnpRules::default(),
        }
    }

    /// The image with this launch digest: its name, and what its kernel does with the host's ACPI tables.
    pub(crate) fn launch_image(&self, found: &LaunchDigest) -> Option<(&str, Acpi)> {
        let known = self.launches.iter().find(|known| known.launch.contains(found))?;
        Some((&known.name, known.acpi))
    }

    /// How many images have launch digests.
    pub(crate) fn launch_count(&self) -> usize {
        self.launches.len()
    }

    /// What is pinned beside the image on Nitro.
    pub fn nitro(&self) -> &NitroPins {
        &self.nitro
    }

    /// Rules for SEV-SNP.
    pub fn snp(&self) -> &SnpRules {
        &self.snp
    }

    /// The platforms that are accepted.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.platforms.iter().copied()
    }

    /// SHA-256 digests of the roots that simulated nodes may have.
    pub(crate) fn roots(&self) -> &[Digest] {
        &self.roots
    }

    /// Receipt keys that nodes on platform `none` may have.
    pub(crate) fn receipt_keys(&self) -> &[[u8; 32]] {
        &self.receipt_keys
    }

    /// How many images are listed.
    pub(crate) fn image_count(&self) -> usize {
        self.images.len()
    }

    /// The name of the image with these registers, all three of them.
    pub(crate) fn image(&self, found: &Registers) -> Option<&str> {
        let measured = |image: &&Image| [image.pcr0, image.pcr1, image.pcr2] == *found;
        self.images.iter().find(measured).map(|image| image.name.as_str())
    }

    /// Which models may answer.
    pub fn models(&self) -> &Accept {
        &self.models
    }

    /// Which closed providers may answer.
    pub fn upstreams(&self) -> &AcceptUpstreams {
        &self.upstreams
    }

    /// Which configurations are accepted; `None` where the registers cover them.
    pub fn config(&self) -> Option<&Accept> {
        self.config.as_ref()
    }

    /// Age that evidence may have in live checks, seconds.
    pub fn max_evidence_age(&self) -> u64 {
        self.max_evidence_age
    }
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

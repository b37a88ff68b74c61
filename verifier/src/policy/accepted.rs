//! A policy, and the questions that verifiers ask it.

use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::values::{
    Accept, AcceptUpstreams, Acpi, DEFAULT_MAX_EVIDENCE_AGE, Image, LaunchDigest, NitroPins, Registers, SnpImage,
};
use crate::snp::SnpRules;

/// What is accepted. [`Policy::from_json`] and [`PolicyBuilder`](crate::PolicyBuilder) make only complete policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(super) platforms: Vec<Platform>,
    pub(super) roots: Vec<Digest>,
    pub(super) receipt_keys: Vec<[u8; 32]>,
    pub(super) images: Vec<Image>,
    pub(super) models: Accept,
    pub(super) upstreams: AcceptUpstreams,
    pub(super) config: Option<Accept>,
    pub(super) max_evidence_age: u64,
    pub(super) launches: Vec<SnpImage>,
    pub(super) nitro: NitroPins,
    pub(super) snp: SnpRules,
}

impl Policy {
    /// The default policy for a caller who gave none: no development platform, no image, no model. It refuses every node. Each
    /// refusal's code says what a policy would have to accept.
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

    /// The image with this launch digest: its name, and how its kernel treats the host's ACPI tables.
    pub(crate) fn launch_image(&self, found: &LaunchDigest) -> Option<(&str, Acpi)> {
        let known = self.launches.iter().find(|known| known.launch.contains(found))?;
        Some((&known.name, known.acpi))
    }

    /// Number of images that have launch digests.
    pub(crate) fn launch_count(&self) -> usize {
        self.launches.len()
    }

    /// Registers pinned beside the image on Nitro.
    pub fn nitro(&self) -> &NitroPins {
        &self.nitro
    }

    /// Rules for SEV-SNP.
    pub fn snp(&self) -> &SnpRules {
        &self.snp
    }

    /// The accepted platforms.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> + '_ {
        self.platforms.iter().copied()
    }

    /// SHA-256 digests of the accepted roots of simulated nodes.
    pub(crate) fn roots(&self) -> &[Digest] {
        &self.roots
    }

    /// The accepted receipt keys of nodes on platform `none`.
    pub(crate) fn receipt_keys(&self) -> &[[u8; 32]] {
        &self.receipt_keys
    }

    pub(crate) fn image_count(&self) -> usize {
        self.images.len()
    }

    /// The name of the image whose three registers all match.
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

    /// Which configurations are accepted; `None` if the registers cover them.
    pub fn config(&self) -> Option<&Accept> {
        self.config.as_ref()
    }

    /// Maximum age of evidence in live checks, in seconds.
    pub fn max_evidence_age(&self) -> u64 {
        self.max_evidence_age
    }
}

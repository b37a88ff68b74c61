//! Builds policies, and refuses incomplete or contradictory ones.

use alloc::vec::Vec;

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::accepted::Policy;
use super::error::PolicyError;
use super::values::{
    Accept, AcceptUpstreams, DEFAULT_MAX_EVIDENCE_AGE, GREATEST_EVIDENCE_AGE, Image, MAX_ENTRIES, MAX_FILE, MAX_NAME,
    NitroPins, SnpImage,
};
use crate::snp::SnpRules;

/// Builds a [`Policy`] in Rust. It accepts only what the caller names.
#[derive(Clone, Debug, Default)]
pub struct PolicyBuilder {
    pub(super) platforms: Vec<Platform>,
    pub(super) roots: Option<Vec<Digest>>,
    pub(super) receipt_keys: Option<Vec<[u8; 32]>>,
    pub(super) images: Vec<Image>,
    pub(super) models: Option<Accept>,
    pub(super) upstreams: Option<AcceptUpstreams>,
    pub(super) config: Option<Accept>,
    pub(super) max_evidence_age: Option<u64>,
    pub(super) launches: Vec<SnpImage>,
    pub(super) nitro: Option<NitroPins>,
    pub(super) snp: Option<SnpRules>,
}

impl PolicyBuilder {
    /// Accepts a platform. `simulated` also needs [`simulated_roots`](Self::simulated_roots), and `none` needs
    /// [`receipt_keys`](Self::receipt_keys).
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platforms.push(platform);
        self
    }

    /// Adds SHA-256 digests of accepted root certificates (DER) of simulated nodes.
    pub fn simulated_roots(mut self, roots: impl IntoIterator<Item = Digest>) -> Self {
        self.roots.get_or_insert_default().extend(roots);
        self
    }

    /// Adds accepted receipt keys (Ed25519, raw) of nodes on platform `none`.
    pub fn receipt_keys(mut self, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.receipt_keys.get_or_insert_default().extend(keys);
        self
    }

    /// Adds an image. A node must match all registers of one image.
    pub fn image(mut self, image: Image) -> Self {
        self.images.push(image);
        self
    }

    /// Adds launch digests of an image on SEV-SNP.
    pub fn snp_image(mut self, image: SnpImage) -> Self {
        self.launches.push(image);
        self
    }

    /// Pins registers of Nitro beside the image.
    pub fn nitro(mut self, pins: NitroPins) -> Self {
        self.nitro = Some(pins);
        self
    }

    /// Sets the rules for SEV-SNP, which that platform requires.
    pub fn snp(mut self, rules: SnpRules) -> Self {
        self.snp = Some(rules);
        self
    }

    /// Sets which GGUF files may answer, by SHA-256.
    pub fn models(mut self, models: Accept) -> Self {
        self.models = Some(models);
        self
    }

    /// Sets which closed providers may answer. Without this call, none may.
    pub fn upstreams(mut self, upstreams: AcceptUpstreams) -> Self {
        self.upstreams = Some(upstreams);
        self
    }

    /// Sets which configuration files are accepted, by SHA-256.
    pub fn config(mut self, config: Accept) -> Self {
        self.config = Some(config);
        self
    }

    /// Sets the maximum age of evidence in live checks, in seconds.
    pub fn max_evidence_age(mut self, seconds: u64) -> Self {
        self.max_evidence_age = Some(seconds);
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    /// [`PolicyError`] if a reference value is missing or values contradict each other.
    pub fn build(self) -> Result<Policy, PolicyError> {
        self.check()?;
        Ok(Policy {
            platforms: self.platforms,
            roots: self.roots.unwrap_or_default(),
            receipt_keys: self.receipt_keys.unwrap_or_default(),
            images: self.images,
            // Without models, only providers may answer.
            models: self.models.unwrap_or(Accept::Only(Vec::new())),
            upstreams: self.upstreams.unwrap_or_default(),
            config: self.config,
            max_evidence_age: self.max_evidence_age.unwrap_or(DEFAULT_MAX_EVIDENCE_AGE),
            launches: self.launches,
            nitro: self.nitro.unwrap_or_default(),
            snp: self.snp.unwrap_or_default(),
        })
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.platforms.is_empty() {
            return missing("platforms", "a policy accepts at least one");
        }
        self.check_paired(Platform::Simulated, "simulated.roots", self.roots.as_ref().map(Vec::len))?;
        self.check_paired(Platform::None, "none.receipt_keys", self.receipt_keys.as_ref().map(Vec::len))?;
        self.check_images()?;
        self.check_launches()?;
        self.check_snp()?;
        self.check_nitro()?;
        match (&self.models, &self.upstreams) {
            (Some(models), _) => check_accept("models.accept", models)?,
            (None, Some(_)) => {}
            (None, None) => return missing("models.accept", "say which models may answer, or \"any\""),
        }
        if let Some(AcceptUpstreams::Only(known)) = &self.upstreams {
            in_range("upstreams.accept", 1, MAX_ENTRIES, known.len())?;
        }
        if let Some(config) = &self.config {
            check_accept("config.accept", config)?;
        } else if self.platforms.contains(&Platform::None) {
            let reason = "nothing else vouches for the configuration of platform none";
            return missing("config.accept", reason);
        }
        let max_evidence_age = self.max_evidence_age.unwrap_or(DEFAULT_MAX_EVIDENCE_AGE);
        in_bounds("max_evidence_age", 1, GREATEST_EVIDENCE_AGE, max_evidence_age)
    }

    fn check_launches(&self) -> Result<(), PolicyError> {
        let field = "image.snp_launch";
        match (self.platforms.contains(&Platform::SevSnp), self.launches.is_empty()) {
            (true, true) => return missing(field, "its platform is accepted"),
            (false, false) => return contradiction(field, "its platform is not accepted"),
            _ => {}
        }
        in_range(field, 0, MAX_ENTRIES, self.launches.len())?;
        for (index, SnpImage { name, launch, .. }) in self.launches.iter().enumerate() {
            in_range("image.name", 1, MAX_NAME, name.len())?;
            in_range(field, 1, MAX_ENTRIES, launch.len())?;
            if launch.contains(&[0; 48]) {
                return contradiction(field, "a digest of zeros measures nothing");
            }
            check_new(self.launches[..index].iter().all(|earlier| earlier.name != *name))?;
        }
        Ok(())
    }

    fn check_nitro(&self) -> Result<(), PolicyError> {
        let Some(pins) = &self.nitro else { return Ok(()) };
        if !self.platforms.contains(&Platform::Nitro) {
            return contradiction("nitro", "its platform is not accepted");
        }
        for (_, accepted) in pins.pinned() {
            in_range("nitro", 1, MAX_ENTRIES, accepted.len())?;
            if accepted.contains(&[0; 48]) {
                return contradiction("nitro", "a register of zeros pins nothing");
            }
        }
        Ok(())
    }

    fn check_snp(&self) -> Result<(), PolicyError> {
        match (self.platforms.contains(&Platform::SevSnp), &self.snp) {
            (false, None) => Ok(()),
            (false, Some(_)) => contradiction("snp", "its platform is not accepted"),
            (true, None) => missing("snp", "its platform is accepted"),
            (true, Some(rules)) => super::snp::checked(rules),
        }
    }

    /// Checks a list that only its platform needs and may have.
    fn check_paired(&self, platform: Platform, field: &'static str, length: Option<usize>) -> Result<(), PolicyError> {
        match (self.platforms.contains(&platform), length) {
            (false, None) => Ok(()),
            (false, Some(_)) => contradiction(field, "its platform is not accepted"),
            (true, None | Some(0)) => missing(field, "its platform is accepted"),
            (true, Some(length)) => in_range(field, 1, MAX_ENTRIES, length),
        }
    }

    fn check_images(&self) -> Result<(), PolicyError> {
        let field = "image";
        match (self.platforms.iter().any(|platform| is_measured(*platform)), self.images.is_empty()) {
            (true, true) => return missing(field, "a measured platform is accepted"),
            (false, false) => return contradiction(field, "no accepted platform is measured"),
            _ => {}
        }
        in_range(field, 0, MAX_ENTRIES, self.images.len())?;
        for (index, image) in self.images.iter().enumerate() {
            in_range("image.name", 1, MAX_NAME, image.name.len())?;
            // A debug enclave shows zeros, and a forgotten placeholder looks the same.
            if [&image.pcr0, &image.pcr1, &image.pcr2].contains(&&[0; 48]) {
                return contradiction(field, "a register of zeros measures nothing");
            }
            check_new(self.images[..index].iter().all(|earlier| earlier.name != image.name))?;
        }
        Ok(())
    }
}

fn check_new(name_is_new: bool) -> Result<(), PolicyError> {
    match name_is_new {
        true => Ok(()),
        false => contradiction("image.name", "two images have the same name"),
    }
}

fn missing(field: &'static str, reason: &'static str) -> Result<(), PolicyError> {
    Err(PolicyError::Missing { field, reason })
}

fn contradiction(field: &'static str, reason: &'static str) -> Result<(), PolicyError> {
    Err(PolicyError::Contradiction { field, reason })
}

fn is_measured(platform: Platform) -> bool {
    matches!(platform, Platform::Nitro | Platform::Simulated)
}

fn check_accept(field: &'static str, accept: &Accept) -> Result<(), PolicyError> {
    match accept {
        Accept::Any => Ok(()),
        Accept::Only(digests) if digests.is_empty() => missing(field, "an empty list accepts nothing"),
        Accept::Only(digests) => in_range(field, 1, MAX_ENTRIES, digests.len()),
    }
}

fn in_range(field: &'static str, least: u64, greatest: usize, actual: usize) -> Result<(), PolicyError> {
    in_bounds(field, least, greatest as u64, actual as u64)
}

fn in_bounds(field: &'static str, least: u64, greatest: u64, actual: u64) -> Result<(), PolicyError> {
    match (least..=greatest).contains(&actual) {
        true => Ok(()),
        false => Err(PolicyError::OutOfRange { field, least, greatest, actual }),
    }
}

pub(super) fn check_length(text: &[u8]) -> Result<(), PolicyError> {
    match text.len() {
        0..=MAX_FILE => Ok(()),
        actual => Err(PolicyError::TooLong { limit: MAX_FILE, actual }),
    }
}

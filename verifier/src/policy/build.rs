use alloc::string::String;
use alloc::vec::Vec;
use quoth_attestation::sorted::{SortedMap, SortedSet};

use quoth_attestation::Digest;
use quoth_attestation::statement::Platform;

use super::{
    Accept, AcceptUpstreams, DEFAULT_MAX_EVIDENCE_AGE, GREATEST_EVIDENCE_AGE, Image, LaunchDigest, MAX_ENTRIES,
    MAX_FILE, MAX_NAME, NitroPins, Policy, SnpImage,
};
use crate::snp::SnpRules;

/// Why text or values are no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is too long.
    #[error("{actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// Named limit.
        limit: usize,
        /// Bytes found.
        actual: usize,
    },
    /// The text is not TOML, or has a key that no policy has, or a value of the wrong type.
    #[error("{message}")]
    Toml {
        /// What and where.
        message: String,
    },
    /// The file is of another version.
    #[error("version {actual}, expected {expected}")]
    Version {
        /// The one this version reads.
        expected: u64,
        /// The one found.
        actual: u64,
    },
    /// A platform that nobody knows.
    #[error("unknown platform {actual:?}")]
    Platform {
        /// The name found.
        actual: String,
    },
    /// A value is not hex of the right length.
    #[error("{field}: expected {expected} hexadecimal digits")]
    Hex {
        /// The key.
        field: &'static str,
        /// Digits.
        expected: usize,
    },
    /// A reference value that the policy's platforms need is missing or empty.
    #[error("{field} is missing: {reason}")]
    Missing {
        /// The key.
        field: &'static str,
        /// Why it must be there.
        reason: &'static str,
    },
    /// Two parts of the policy contradict each other, or one says nothing.
    #[error("{field}: {reason}")]
    Contradiction {
        /// The key.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A number or a list is out of bounds.
    #[error("{field} is {actual}, allowed are {least} to {greatest}")]
    OutOfRange {
        /// The key.
        field: &'static str,
        /// Least value.
        least: u64,
        /// Greatest value.
        greatest: u64,
        /// The one found.
        actual: u64,
    },
}

/// Makes a [`Policy`] in Rust. Nothing is accepted that was not named.
#[derive(Clone, Debug, Default)]
pub struct PolicyBuilder {
    platforms: SortedSet<Platform>,
    roots: Option<Vec<Digest>>,
    receipt_keys: Option<Vec<[u8; 32]>>,
    images: Vec<Image>,
    models: Option<Accept>,
    upstreams: Option<AcceptUpstreams>,
    config: Option<Accept>,
    max_evidence_age: Option<u64>,
    launches: Vec<SnpImage>,
    nitro: Option<NitroPins>,
    snp: Option<SnpRules>,
}

impl PolicyBuilder {
    /// Accepts a platform. `simulated` and `none` need [`simulated_roots`](Self::simulated_roots) and
    /// [`receipt_keys`](Self::receipt_keys) beside it.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platforms.insert(platform);
        self
    }

    /// SHA-256 digests of the root certificates (DER) that simulated nodes may have.
    pub fn simulated_roots(mut self, roots: impl IntoIterator<Item = Digest>) -> Self {
        self.roots.get_or_insert_default().extend(roots);
        self
    }

    /// Receipt keys (Ed25519, raw) that nodes on platform `none` may have.
    pub fn receipt_keys(mut self, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.receipt_keys.get_or_insert_default().extend(keys);
        self
    }

    /// Adds an image; a node must match one of them wholly.
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

    /// Rules for SEV-SNP; the platform needs them.
    pub fn snp(mut self, rules: SnpRules) -> Self {
        self.snp = Some(rules);
        self
    }

    /// Which GGUF files may answer, by SHA-256.
    pub fn models(mut self, models: Accept) -> Self {
        self.models = Some(models);
        self
    }

    /// Which closed providers may answer; none, unless this is called.
    pub fn upstreams(mut self, upstreams: AcceptUpstreams) -> Self {
        self.upstreams = Some(upstreams);
        self
    }

    /// Which configuration files are accepted, by SHA-256.
    pub fn config(mut self, config: Accept) -> Self {
        self.config = Some(config);
        self
    }

    /// Age that evidence may have in live checks, seconds.
    pub fn max_evidence_age(mut self, seconds: u64) -> Self {
        self.max_evidence_age = Some(seconds);
        self
    }

    /// The policy.
    ///
    /// # Errors
    /// [`PolicyError`] when a reference value is missing, or values contradict each other.
    pub fn build(self) -> Result<Policy, PolicyError> {
        if self.platforms.is_empty() {
            return Err(PolicyError::Missing { field: "platforms", reason: "a policy accepts at least one" });
        }
        let roots = self.paired(Platform::Simulated, "simulated.roots", self.roots.as_deref())?;
        let receipt_keys = self.paired(Platform::None, "none.receipt_keys", self.receipt_keys.as_deref())?;
        let images = self.checked_images()?;
        let (launches, snp) = (self.checked_launches()?, self.checked_snp()?);
        let nitro = self.checked_nitro()?;
        let models = match (&self.models, &self.upstreams) {
            (Some(models), _) => {
                check_accept("models.accept", models)?;
                models.clone()
            }
            // Only providers may answer.
            (None, Some(_)) => Accept::Only(SortedSet::new()),
            (None, None) => {
                let reason = "say which models may answer, or \"any\"";
                return Err(PolicyError::Missing { field: "models.accept", reason });
            }
        };
        let upstreams = self.upstreams.clone().unwrap_or_default();
        if let (Some(_), AcceptUpstreams::Only(known)) = (&self.upstreams, &upstreams) {
            in_range("upstreams.accept", 1, MAX_ENTRIES as u64, known.len() as u64)?;
        }
        if let Some(config) = &self.config {
            check_accept("config.accept", config)?;
        } else if self.platforms.contains(&Platform::None) {
            let reason = "nothing else vouches for the configuration of platform none";
            return Err(PolicyError::Missing { field: "config.accept", reason });
        }
        let max_evidence_age = self.max_evidence_age.unwrap_or(DEFAULT_MAX_EVIDENCE_AGE);
        in_range("max_evidence_age", 1, GREATEST_EVIDENCE_AGE, max_evidence_age)?;
        Ok(Policy {
            platforms: self.platforms,
            roots,
            receipt_keys,
            images,
            models,
            upstreams,
            config: self.config,
            max_evidence_age,
            launches,
            nitro,
            snp,
        })
    }

    fn checked_launches(&self) -> Result<SortedMap<String, SortedSet<LaunchDigest>>, PolicyError> {
        let field = "image.snp_launch";
        match (self.platforms.contains(&Platform::SevSnp), self.launches.is_empty()) {
            (true, true) => return Err(PolicyError::Missing { field, reason: "its platform is accepted" }),
            (false, false) => return Err(PolicyError::Contradiction { field, reason: "its platform is not accepted" }),
            _ => {}
        }
        in_range(field, 0, MAX_ENTRIES as u64, self.launches.len() as u64)?;
        let mut launches = SortedMap::new();
        for SnpImage { name, launch } in &self.launches {
            in_range("image.name", 1, MAX_NAME as u64, name.len() as u64)?;
            in_range(field, 1, MAX_ENTRIES as u64, launch.len() as u64)?;
            if launch.contains(&[0; 48]) {
                return Err(PolicyError::Contradiction { field, reason: "a digest of zeros measures nothing" });
            }
            if launches.insert(name.clone(), launch.clone()).is_some() {
                return Err(PolicyError::Contradiction {
                    field: "image.name",
                    reason: "two images have the same name",
                });
            }
        }
        Ok(launches)
    }

    fn checked_nitro(&self) -> Result<NitroPins, PolicyError> {
        let pins = self.nitro.clone().unwrap_or_default();
        if self.nitro.is_some() && !self.platforms.contains(&Platform::Nitro) {
            return Err(PolicyError::Contradiction { field: "nitro", reason: "its platform is not accepted" });
        }
        for (_, accepted) in pins.pinned() {
            in_range("nitro", 1, MAX_ENTRIES as u64, accepted.len() as u64)?;
            if accepted.contains(&[0; 48]) {
                return Err(PolicyError::Contradiction { field: "nitro", reason: "a register of zeros pins nothing" });
            }
        }
        Ok(pins)
    }

    fn checked_snp(&self) -> Result<SnpRules, PolicyError> {
        match (self.platforms.contains(&Platform::SevSnp), &self.snp) {
            (false, None) => Ok(SnpRules::default()),
            (false, Some(_)) => {
                Err(PolicyError::Contradiction { field: "snp", reason: "its platform is not accepted" })
            }
            (true, None) => Err(PolicyError::Missing { field: "snp", reason: "its platform is accepted" }),
            (true, Some(rules)) => super::snp::checked(rules),
        }
    }

    /// A list that must be there with its platform, and only then.
    fn paired<T: Copy + Ord>(
        &self,
        platform: Platform,
        field: &'static str,
        list: Option<&[T]>,
    ) -> Result<SortedSet<T>, PolicyError> {
        match (self.platforms.contains(&platform), list) {
            (false, None) => Ok(SortedSet::new()),
            (false, Some(_)) => Err(PolicyError::Contradiction { field, reason: "its platform is not accepted" }),
            (true, None | Some([])) => Err(PolicyError::Missing { field, reason: "its platform is accepted" }),
            (true, Some(list)) => {
                in_range(field, 1, MAX_ENTRIES as u64, list.len() as u64)?;
                Ok(list.iter().copied().collect())
            }
        }
    }

    fn checked_images(&self) -> Result<SortedMap<String, super::Registers>, PolicyError> {
        let field = "image";
        match (self.platforms.iter().any(|platform| is_measured(*platform)), self.images.is_empty()) {
            (true, true) => return Err(PolicyError::Missing { field, reason: "a measured platform is accepted" }),
            (false, false) => {
                return Err(PolicyError::Contradiction { field, reason: "no accepted platform is measured" });
            }
            _ => {}
        }
        in_range(field, 0, MAX_ENTRIES as u64, self.images.len() as u64)?;
        let mut images = SortedMap::new();
        for image in &self.images {
            in_range("image.name", 1, MAX_NAME as u64, image.name.len() as u64)?;
            let registers = [image.pcr0, image.pcr1, image.pcr2];
            // Zero is what a debug enclave shows, and what a forgotten placeholder looks like.
            if registers.contains(&[0; 48]) {
                return Err(PolicyError::Contradiction { field, reason: "a register of zeros measures nothing" });
            }
            if images.insert(image.name.clone(), registers).is_some() {
                return Err(PolicyError::Contradiction {
                    field: "image.name",
                    reason: "two images have the same name",
                });
            }
        }
        Ok(images)
    }
}

fn is_measured(platform: Platform) -> bool {
    matches!(platform, Platform::Nitro | Platform::Simulated)
}

fn check_accept(field: &'static str, accept: &Accept) -> Result<(), PolicyError> {
    match accept {
        Accept::Any => Ok(()),
        Accept::Only(digests) if digests.is_empty() => {
            Err(PolicyError::Missing { field, reason: "an empty list accepts nothing" })
        }
        Accept::Only(digests) => in_range(field, 1, MAX_ENTRIES as u64, digests.len() as u64),
    }
}

fn in_range(field: &'static str, least: u64, greatest: u64, actual: u64) -> Result<(), PolicyError> {
    match (least..=greatest).contains(&actual) {
        true => Ok(()),
        false => Err(PolicyError::OutOfRange { field, least, greatest, actual }),
    }
}

pub(super) fn check_length(text: &str) -> Result<(), PolicyError> {
    match text.len() {
        0..=MAX_FILE => Ok(()),
        actual => Err(PolicyError::TooLong { limit: MAX_FILE, actual }),
    }
}

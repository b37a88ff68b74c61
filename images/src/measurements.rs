//! The file `measurements.toml`: the measurements of an image. `quoth-verify policy init` makes a policy from it.

use quoth_attestation::Digest;
use quoth_attestation::measurement::Pcr;
use serde::Serialize;

use crate::config::Config;
use crate::eif::Registers;
use crate::guest::Guest;

/// The measurements of one image.
#[derive(Debug, Serialize)]
pub struct Measurements {
    version: u32,
    name: String,
    /// SHA-256 of the image's configuration, hex.
    config: String,
    /// SHA-256 of the configuration's models, hex.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nitro: Option<Nitro>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest: Option<Guest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snp: Vec<Snp>,
}

#[derive(Debug, Serialize)]
struct Nitro {
    pcr0: String,
    pcr1: String,
    pcr2: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcr8: Option<String>,
}

/// The launch digest for a number and a type of virtual processors.
#[derive(Debug, Serialize)]
pub struct Snp {
    /// Number of processors.
    pub vcpus: u32,
    /// Type of processor, by QEMU's name.
    pub cpu: String,
    /// The launch digest, hex.
    pub launch: String,
}

impl Measurements {
    /// Creates the file's content without platform measurements.
    ///
    /// # Errors
    /// A message that says what is wrong with the configuration.
    pub fn new(name: &str, config: &[u8]) -> Result<Self, String> {
        let models = Config::parse(config)?.model.into_iter().map(|model| model.sha256).collect();
        let config = Digest::of(config).to_string();
        Ok(Self { version: 1, name: name.into(), config, models, nitro: None, guest: None, snp: Vec::new() })
    }

    /// Adds the measurements of an enclave image file, with PCR8 if it is signed.
    pub fn nitro(self, registers: &Registers, pcr8: Option<Pcr>) -> Self {
        let Registers { pcr0, pcr1, pcr2 } = registers;
        let [pcr0, pcr1, pcr2] = [pcr0, pcr1, pcr2].map(hex::encode);
        Self { nitro: Some(Nitro { pcr0, pcr1, pcr2, pcr8: pcr8.map(hex::encode) }), ..self }
    }

    /// Adds the launch digests of SEV-SNP, and what the launch requires.
    pub fn snp(self, snp: Vec<Snp>, guest: Guest) -> Self {
        Self { snp, guest: Some(guest), ..self }
    }

    /// Returns the file's text.
    pub fn to_toml(&self) -> String {
        // safe: texts and numbers, whose tables come last
        toml::to_string(self).expect("plain structures serialize")
    }
}

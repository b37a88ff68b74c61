//! `measurements.toml`: what an image measures to, computed from its sources before it is launched anywhere.

use serde::Deserialize;

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// What is known of one image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measurements {
    pub(crate) version: u32,
    /// The image's name.
    pub(crate) name: String,
    /// SHA-256 of the configuration inside, hex.
    pub(crate) config: Option<String>,
    /// SHA-256 of the models that it names, hex.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    pub(crate) nitro: Option<Nitro>,
    pub(crate) guest: Option<Guest>,
    #[serde(default)]
    pub(crate) snp: Vec<Snp>,
}

/// What the image's launch asks of SEV-SNP, and what is known of its kernel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guest {
    /// The oldest interface of the firmware.
    pub(crate) abi: String,
    /// Protections, by name.
    #[serde(default)]
    pub(crate) require: Vec<String>,
    /// `static` for a kernel that runs none of its host's ACPI bytecode.
    pub(crate) acpi: Option<String>,
}

/// Registers of the image as an EIF, hex.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nitro {
    pub(crate) pcr0: String,
    pub(crate) pcr1: String,
    pub(crate) pcr2: String,
    /// The certificate that signed it.
    pub(crate) pcr8: Option<String>,
}

/// The image's launch digest with these virtual processors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snp {
    /// How many.
    #[serde(rename = "vcpus")]
    pub(crate) _vcpus: u32,
    /// Of which type, as QEMU names it.
    #[serde(rename = "cpu")]
    pub(crate) _cpu: String,
    /// Hex.
    pub(crate) launch: String,
}

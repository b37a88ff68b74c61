//! Reads `measurements.toml`: an image's measurements, computed from its sources before any launch.

use serde::Deserialize;

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// The measurements of one image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measurements {
    pub(crate) version: u32,
    /// The image's name.
    pub(crate) name: String,
    /// SHA-256 of the configuration inside, hex.
    pub(crate) config: Option<String>,
    /// SHA-256 of the models in the configuration, hex.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    pub(crate) nitro: Option<Nitro>,
    pub(crate) guest: Option<Guest>,
    #[serde(default)]
    pub(crate) snp: Vec<Snp>,
}

/// What the image's launch demands of SEV-SNP, and facts about its kernel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guest {
    /// The oldest firmware ABI.
    pub(crate) abi: String,
    /// Protections, by name.
    #[serde(default)]
    pub(crate) require: Vec<String>,
    /// `static` for a kernel that runs no ACPI bytecode from its host.
    pub(crate) acpi: Option<String>,
}

/// Registers of the image as an EIF, hex.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nitro {
    pub(crate) pcr0: String,
    pub(crate) pcr1: String,
    pub(crate) pcr2: String,
    /// The certificate that signed the image.
    pub(crate) pcr8: Option<String>,
}

/// The image's launch digest for one set of virtual processors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snp {
    /// Number of vCPUs.
    #[serde(rename = "vcpus")]
    pub(crate) _vcpus: u32,
    /// Their type, as QEMU names it.
    #[serde(rename = "cpu")]
    pub(crate) _cpu: String,
    /// The digest, hex.
    pub(crate) launch: String,
}

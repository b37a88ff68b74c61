//! The folder that `quoth-images build` wrote.

use std::fs;
use std::path::{Path, PathBuf};

use quoth_attestation::Digest;
use serde::Deserialize;

use crate::HostError;
use crate::configuration::Configuration;

/// The configuration inside the image.
pub(crate) const CONFIG: &str = "enclave.toml";
const MEASUREMENTS: &str = "measurements.toml";
const EIF: &str = "image.eif";
/// Measurements, bytes, at most.
const MAX_MEASUREMENTS: u64 = 1 << 20;
const VERSION: u32 = 1;

/// An image, and what it measures to.
pub(crate) struct Image {
    pub(super) folder: PathBuf,
    /// Its size.
    pub(super) bytes: u64,
    /// PCR0 to 2, hex.
    pub(super) registers: [String; 3],
}

#[derive(Deserialize)]
struct Measurements {
    version: u32,
    config: String,
    nitro: Option<Registers>,
}

#[derive(Deserialize)]
struct Registers {
    pcr0: String,
    pcr1: String,
    pcr2: String,
}

impl Image {
    /// Reads what was measured; `configuration` is the image's.
    pub(super) fn open(folder: &Path, configuration: &Configuration) -> Result<Self, HostError> {
        let path = folder.join(MEASUREMENTS);
        let wrong = || HostError::Content { path: path.clone(), what: "list of measurements" };
        let length = fs::metadata(&path).map_err(HostError::file(&path))?.len();
        if length > MAX_MEASUREMENTS {
            return Err(wrong());
        }
        let text = fs::read_to_string(&path).map_err(HostError::file(&path))?;
        let measurements: Measurements = toml::from_str(&text).map_err(|_| wrong())?;
        if measurements.version != VERSION {
            return Err(wrong());
        }
        if measurements.config != Digest::of(&configuration.bytes).to_string() {
            return Err(HostError::Usage(format!("{} is not the configuration of this image", CONFIG)));
        }
        let Registers { pcr0, pcr1, pcr2 } =
            measurements.nitro.ok_or_else(|| HostError::Usage("this image was not built for Nitro".into()))?;
        let eif = folder.join(EIF);
        let bytes = fs::metadata(&eif).map_err(HostError::file(&eif))?.len();
        let folder = fs::canonicalize(folder).map_err(HostError::file(folder))?;
        Ok(Self { folder, bytes, registers: [pcr0, pcr1, pcr2] })
    }

    /// The enclave image file.
    pub(super) fn eif(&self) -> PathBuf {
        self.folder.join(EIF)
    }
}

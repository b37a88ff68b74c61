//! The folder of an image, as `quoth-images build` writes it.

use std::fs;
use std::path::{Path, PathBuf};

use quoth_attestation::Digest;
use serde::Deserialize;

use crate::HostError;
use crate::configuration::{Configuration, IMAGE_CONFIG};
use crate::run_dir::Guest;

const MEASUREMENTS: &str = "measurements.toml";
const EIF: &str = "image.eif";
const INITRAMFS: &str = "initramfs.cpio";
const LAUNCH: &str = "launch";
/// Maximum size of the measurements file, bytes.
const MAX_MEASUREMENTS: u64 = 1 << 20;
const VERSION: u32 = 1;

/// An image and its measurements.
pub(crate) struct Image {
    folder: PathBuf,
    measurements: Measurements,
}

#[derive(Deserialize)]
struct Measurements {
    version: u32,
    config: String,
    nitro: Option<Registers>,
    guest: Option<Guest>,
    #[serde(default)]
    snp: Vec<Launched>,
}

#[derive(Deserialize)]
struct Registers {
    pcr0: String,
    pcr1: String,
    pcr2: String,
}

#[derive(Deserialize)]
struct Launched {
    vcpus: u32,
    cpu: String,
    launch: String,
}

impl Image {
    /// Reads the measurements. Checks that `configuration` is the image's.
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
            return Err(HostError::Usage(format!("{IMAGE_CONFIG} is not the configuration of this image")));
        }
        Ok(Self { folder: fs::canonicalize(folder).map_err(HostError::file(folder))?, measurements })
    }

    /// Returns PCR0 to PCR2, hex.
    pub(super) fn registers(&self) -> Result<[String; 3], HostError> {
        let built = self.measurements.nitro.as_ref();
        let Registers { pcr0, pcr1, pcr2 } =
            built.ok_or_else(|| HostError::Usage("this image was not built for Nitro".into()))?;
        Ok([pcr0.clone(), pcr1.clone(), pcr2.clone()])
    }

    /// Returns SEV-SNP's launch digest for a number and a type of processors, hex.
    pub(super) fn launch_digest(&self, vcpus: u32, cpu: &str) -> Result<String, HostError> {
        let launched = &self.measurements.snp;
        if launched.is_empty() {
            return Err(HostError::Usage("this image was not built for SEV-SNP".into()));
        }
        let found = launched.iter().find(|launched| launched.vcpus == vcpus && launched.cpu == cpu);
        found.map(|found| found.launch.clone()).ok_or_else(|| {
            let what = format!("{vcpus} processors of type {cpu} were not measured");
            HostError::Usage(format!(
                "{what}: build with --vcpus {vcpus} --cpu {cpu}, or choose by --cpus and --cpu-type"
            ))
        })
    }

    /// Returns what the launch requires of SEV-SNP.
    pub(super) fn guest(&self) -> Option<&Guest> {
        self.measurements.guest.as_ref()
    }

    /// Returns the enclave image file.
    pub(super) fn eif(&self) -> PathBuf {
        self.folder.join(EIF)
    }

    /// Returns the script that launches the image as a machine.
    pub(super) fn launch(&self) -> PathBuf {
        self.folder.join(LAUNCH)
    }

    /// Returns the size of the part that is unpacked in memory, bytes.
    pub(super) fn bytes(&self) -> Result<u64, HostError> {
        let file = if self.measurements.nitro.is_some() { self.eif() } else { self.folder.join(INITRAMFS) };
        Ok(fs::metadata(&file).map_err(HostError::file(&file))?.len())
    }
}

//! Computes launch digests of AMD SEV-SNP for a kernel that QEMU launches with hashes (SEV Secure Nested Paging Firmware ABI
//! Specification, §8.17).
//!
//! SEV-SNP measures the firmware, its table of hashes (of kernel, initramfs and command line), and the initial state of each
//! virtual processor.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use sev::measurement::snp::{SnpMeasurementArgs, snp_calc_launch_digest};
use sev::measurement::vcpu_types::CpuType;
use sev::measurement::vmsa::{GuestFeatures, VMMType};

use crate::error::ImageError;
use crate::inputs::Input;
use crate::measurements::Snp;
use crate::tool;

/// Path of the firmware in Debian's package.
const FIRMWARE: &str = "usr/share/ovmf/OVMF.amdsev.fd";
/// The value of SEV_FEATURES that QEMU sets: SNP is active.
const FEATURES: u64 = 1;
/// Minimum and maximum size of firmware, bytes.
const MIN_FIRMWARE: u64 = 64 << 10;
const MAX_FIRMWARE: u64 = 64 << 20;
/// The GUID at the end of the table: 96b582de-1fb2-45f7-baea-a366c55a082d.
const TABLE: [u8; 16] =
    [0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d];

/// The parts of a launch.
pub struct Launched {
    /// The kernel's file.
    pub kernel: PathBuf,
    /// The initramfs' file.
    pub initramfs: PathBuf,
    /// The firmware's file.
    pub firmware: PathBuf,
    /// The kernel's command line.
    pub command_line: String,
}

/// Returns the firmware of the locked package. Unpacks it next to the package.
pub(crate) fn firmware(input: &Input) -> Result<PathBuf, ImageError> {
    let package = input.fetch()?;
    let folder = package.with_extension("");
    let file = folder.join(FIRMWARE);
    if !file.is_file() {
        let mut unpack = tool::command("dpkg-deb");
        unpack.arg("-x").arg(&package).arg(&folder);
        tool::run(unpack, "dpkg")?;
    }
    Ok(file)
}

/// Computes the launch digests for each type and number of virtual processors.
///
/// # Errors
/// [`ImageError::Cpu`], [`ImageError::Firmware`].
pub fn digests(launched: &Launched, cpus: &[String], vcpus: &[u32]) -> Result<Vec<Snp>, ImageError> {
    let cpus = cpus.iter().map(|name| cpu(name).map(|cpu| (name, cpu)).ok_or_else(|| ImageError::Cpu(name.clone())));
    let cpus = cpus.collect::<Result<Vec<_>, _>>()?;
    let firmware = |problem: String| ImageError::Firmware { file: launched.firmware.clone(), problem };
    if !is_firmware(&launched.firmware).map_err(|error| firmware(error.to_string()))? {
        return Err(firmware("not OVMF firmware: there is no table at its end".into()));
    }
    let mut digests = Vec::new();
    for (name, cpu_type) in cpus {
        for vcpus in vcpus {
            let arguments = SnpMeasurementArgs {
                vcpus: *vcpus,
                vcpu_type: cpu_type,
                ovmf_file: launched.firmware.clone(),
                guest_features: GuestFeatures(FEATURES),
                kernel_file: Some(launched.kernel.clone()),
                initrd_file: Some(launched.initramfs.clone()),
                append: Some(&launched.command_line),
                ovmf_hash_str: None,
                vmm_type: Some(VMMType::QEMU),
            };
            // The library does not check offsets in the firmware and may panic.
            let digest = catch_unwind(move || snp_calc_launch_digest(arguments));
            let digest = digest.map_err(|_| firmware("not firmware with SEV metadata".into()))?;
            let launch = digest.map_err(|error| firmware(error.to_string()))?.get_hex_ld();
            digests.push(Snp { vcpus: *vcpus, cpu: name.clone(), launch });
        }
    }
    Ok(digests)
}

/// Returns whether a file ends as OVMF does: with a table before the last 32 bytes, closed by its own entry (OVMF,
/// ResetVectorVtf0.asm).
fn is_firmware(file: &Path) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    if !(MIN_FIRMWARE..=MAX_FIRMWARE).contains(&length) {
        return Ok(false);
    }
    let mut entry = [0; 18];
    file.seek(SeekFrom::Start(length - 32 - entry.len() as u64))?;
    file.read_exact(&mut entry)?;
    let size = u64::from(u16::from_le_bytes([entry[0], entry[1]]));
    Ok(entry[2..] == TABLE && (entry.len() as u64..length - 32).contains(&size))
}

/// Finds a type of processor with SEV-SNP by QEMU's name.
fn cpu(name: &str) -> Option<CpuType> {
    Some(match name {
        "EPYC-v4" => CpuType::EpycV4,
        "EPYC-Milan" => CpuType::EpycMilan,
        "EPYC-Milan-v1" => CpuType::EpycMilanV1,
        "EPYC-Milan-v2" => CpuType::EpycMilanV2,
        "EPYC-Genoa" => CpuType::EpycGenoa,
        "EPYC-Genoa-v1" => CpuType::EpycGenoaV1,
        "EPYC-Turin" => CpuType::EpycTurin,
        "EPYC-Turin-v1" => CpuType::EpycTurinV1,
        _ => return None,
    })
}

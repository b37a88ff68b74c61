//! Builds images from their parts. The same parts always give the same bytes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::args::{Nitro, Parts, Snp};
use crate::config::{Config, Target};
use crate::eif::{Image, ImageSigner};
use crate::error::ImageError;
use crate::guest::{self, Guest};
use crate::inputs::Lock;
use crate::kernel_image::KernelImage;
use crate::measurements::Measurements;
use crate::{initramfs, kernel, program, snp, tool};

/// An enclave that fails must end. A kernel without ACPI can end its machine only by a reset through the keyboard controller.
const COMMAND_LINE_START: &str = "reboot=k panic=-1 oops=panic";
/// Forbids modules. Left out for a kernel that needs modules; then the program forbids more modules after loading them.
const NO_MODULE: &str = " nomodule";
/// Nitro has one serial port. The processor's random numbers are trusted from the start.
const COMMAND_LINE_END: &str = " console=ttyS0 random.trust_cpu=on";
/// Memory of an enclave that is launched without a given size, bytes. Models come later and need more.
const DEFAULT_MEMORY: u64 = 1 << 30;
/// An image may take one in so many parts of the memory: it is unpacked there, and the packed image stays there, too (AWS,
/// nitro-cli run-enclave).
const PART_OF_MEMORY: u64 = 4;
/// Processors of an enclave that is launched without a given number.
const DEFAULT_PROCESSORS: u64 = 2;
/// The script that builds the program, in a clone of the source.
const ENCLAVE: &str = "images/enclave.sh";
const MEASUREMENTS: &str = "measurements.toml";

// The files in an image's folder.
pub(crate) const CONFIG: &str = "enclave.toml";
pub(crate) const EIF: &str = "image.eif";
pub(crate) const KERNEL: &str = "kernel";
pub(crate) const INITRAMFS: &str = "initramfs.cpio";
pub(crate) const FIRMWARE: &str = "firmware.fd";
pub(crate) const COMMAND_LINE: &str = "command-line";
pub(crate) const GUEST_POLICY: &str = "guest-policy";
const LAUNCH: &str = "launch";

/// The script that launches a machine.
const SCRIPT: &str = include_str!("../launch.sh");

/// The parts of an image, as bytes.
struct Read {
    kernel: Vec<u8>,
    has_static_acpi: bool,
    initramfs: Vec<u8>,
    command_line: String,
    measurements: Measurements,
}

impl Read {
    fn new(parts: &Parts, target: Target) -> Result<Self, ImageError> {
        let config = read(&parts.config)?;
        let problem = |problem| ImageError::Wrong { file: parts.config.clone(), problem };
        Config::parse(&config).and_then(|config| config.fits(target)).map_err(problem)?;
        let measurements = Measurements::new(&parts.name, &config).map_err(problem)?;
        fs::create_dir_all(&parts.out).map_err(ImageError::at(&parts.out))?;
        // Hosts read the configuration, too: it names the models to feed and the providers to allow.
        let copy = parts.out.join(CONFIG);
        fs::write(&copy, &config).map_err(ImageError::at(&copy))?;
        let file = enclave(parts)?;
        let program = read(&file)?;
        program::check(&file, &program)?;
        let initramfs = initramfs::bytes(program, config, modules(&parts.modules)?);
        let file = parts.kernel.clone().map_or_else(kernel::get, Ok)?;
        let kernel = read(&file)?;
        let has_static_acpi = KernelImage::parse(&file, &kernel)?.has_static_acpi();
        fits(kernel.len() as u64 + initramfs.len() as u64)?;
        let modules = if parts.modules.is_empty() { NO_MODULE } else { "" };
        let command_line = [COMMAND_LINE_START, modules, COMMAND_LINE_END].concat();
        Ok(Self { kernel, has_static_acpi, initramfs, command_line, measurements })
    }
}

/// Checks that a machine with the default memory can unpack an image of this size, bytes.
fn fits(actual: u64) -> Result<(), ImageError> {
    let limit = DEFAULT_MEMORY / PART_OF_MEMORY;
    if actual > limit { Err(ImageError::TooBig { limit, actual }) } else { Ok(()) }
}

/// Returns the path of the program. Builds it if none is given.
fn enclave(parts: &Parts) -> Result<PathBuf, ImageError> {
    match &parts.enclave {
        Some(file) => Ok(file.clone()),
        None if Path::new(ENCLAVE).is_file() => {
            eprintln!("Building the enclave's program (minutes, the first time)");
            Ok(tool::run(tool::command(ENCLAVE), "bash")?.trim_end().into())
        }
        None => Err(ImageError::NoEnclave),
    }
}

/// Reads modules, in the form that the kernel loads.
fn modules(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ImageError> {
    let wrong = |file: &Path, problem: &str| ImageError::Wrong { file: file.into(), problem: problem.into() };
    if let Some(file) = files.get(initramfs::MAX_MODULES) {
        return Err(wrong(file, "too many modules: at most 100 are allowed"));
    }
    let module = |file: &PathBuf| match read(file)? {
        module if module.starts_with(b"\x7fELF") => Ok(module),
        _ => Err(wrong(file, "not a module; unpack a compressed module first, with xz -dc or zstd -dc")),
    };
    files.iter().map(module).collect()
}

/// Runs `build nitro`.
pub(crate) fn nitro(options: &Nitro) -> Result<String, ImageError> {
    let parts = &options.parts;
    let Read { kernel, initramfs, command_line, measurements, .. } = Read::new(parts, Target::Nitro)?;
    let signer = signer(options)?;
    let metadata = metadata(&parts.name);
    let image = Image {
        kernel: &kernel,
        command_line: &command_line,
        ramdisk: &initramfs,
        metadata: metadata.as_bytes(),
        memory: DEFAULT_MEMORY,
        processors: DEFAULT_PROCESSORS,
        signer: signer.as_ref(),
    };
    let file = parts.out.join(EIF);
    fs::File::create(&file).and_then(|out| image.write(std::io::BufWriter::new(out))).map_err(ImageError::at(&file))?;
    told(parts, &measurements.nitro(&image.registers(), signer.as_ref().map(ImageSigner::pcr8)))
}

fn signer(options: &Nitro) -> Result<Option<ImageSigner>, ImageError> {
    let (Some(key), Some(certificate)) = (&options.signing_key, &options.signing_certificate) else { return Ok(None) };
    let wrong = |problem: &str| ImageError::Wrong { file: certificate.clone(), problem: problem.into() };
    ImageSigner::from_pem(&read(key)?, &read(certificate)?).map(Some).map_err(wrong)
}

/// Runs `build snp`.
pub(crate) fn snp(options: &Snp) -> Result<String, ImageError> {
    let parts = &options.parts;
    let Read { kernel, has_static_acpi, initramfs, command_line, measurements } = Read::new(parts, Target::Snp)?;
    let policy = guest::policy(&options.guest);
    let written = |name: &str, bytes: &[u8]| {
        let file = parts.out.join(name);
        fs::write(&file, bytes).map_err(ImageError::at(&file)).map(|()| file)
    };
    let launched = snp::Launched {
        kernel: written(KERNEL, &kernel)?,
        initramfs: written(INITRAMFS, &initramfs)?,
        firmware: written(FIRMWARE, &firmware(options)?)?,
        command_line,
    };
    written(COMMAND_LINE, launched.command_line.as_bytes())?;
    written(GUEST_POLICY, guest::to_text(policy).as_bytes())?;
    let script = written(LAUNCH, SCRIPT.as_bytes())?;
    fs::set_permissions(&script, Permissions::from_mode(0o755)).map_err(ImageError::at(&script))?;
    let digests = snp::digests(&launched, &options.processors.cpu, &options.processors.vcpus)?;
    told(parts, &measurements.snp(digests, Guest::new(policy, has_static_acpi)))
}

fn firmware(options: &Snp) -> Result<Vec<u8>, ImageError> {
    match &options.ovmf {
        Some(file) => read(file),
        None => read(&snp::firmware(Lock::committed()?.input("firmware")?)?),
    }
}

fn told(parts: &Parts, measurements: &Measurements) -> Result<String, ImageError> {
    let (text, file) = (measurements.to_toml(), parts.out.join(MEASUREMENTS));
    fs::write(&file, &text).map_err(ImageError::at(&file))?;
    Ok(text)
}

/// Returns metadata in the format of `nitro-cli describe-eif`. The time is fixed, so that the same parts give the same image.
fn metadata(name: &str) -> String {
    let (tool, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    json!({
        "ImageName": name,
        "ImageVersion": version,
        "BuildMetadata": {
            "BuildTime": "1970-01-01T00:00:00Z",
            "BuildTool": tool,
            "BuildToolVersion": version,
            "OperatingSystem": "Linux",
            "KernelVersion": "",
        },
        "DockerInfo": {},
        "CustomMetadata": {},
    })
    .to_string()
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, ImageError> {
    fs::read(file).map_err(ImageError::at(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_fit_into_a_quarter_of_the_memory() {
        assert!(fits(256 << 20).is_ok());
        let refused = fits((256 << 20) + 1);
        assert!(matches!(refused, Err(ImageError::TooBig { limit: 268_435_456, actual: 268_435_457 })));
    }
}

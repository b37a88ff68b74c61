//! The command line of `quoth-images`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use quoth_attestation::guest_policy::{Abi, Protection};

/// The oldest interface of SEV-SNP's firmware that an image accepts by default. No older firmware is known to report that memory
/// was checked for aliases, which policies require.
pub(crate) const DEFAULT_ABI: &str = "1.55";

/// Builds images that enclaves boot from, and computes their measurements.
#[derive(Debug, Parser)]
#[command(name = "quoth-images", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image and its measurements.toml, which `quoth-verify policy init` reads
    #[command(subcommand)]
    Build(Build),
    /// Compute the measurements of an existing image, for any type and number of processors
    Measure(Measure),
    /// Build the default kernel of images, and print its path
    Kernel,
    /// Update the list of inputs to Debian's current versions
    Lock(Lock),
    /// Describe any enclave image file and its measurements
    Inspect(Inspect),
}

/// The platform to build for.
#[derive(Debug, Subcommand)]
pub enum Build {
    /// For AWS Nitro Enclaves: an enclave image file
    Nitro(Nitro),
    /// For AMD SEV-SNP under QEMU and KVM: kernel, initramfs, firmware and how to launch them
    Snp(Snp),
}

/// The parts of both kinds of image.
#[derive(Args, Debug)]
pub struct Parts {
    /// The enclave's configuration, which becomes part of the image
    #[arg(long, value_name = "ENCLAVE.TOML")]
    pub config: PathBuf,
    /// The enclave's program, statically linked [default: built by images/enclave.sh, in a clone of the source]
    #[arg(long, value_name = "FILE")]
    pub enclave: Option<PathBuf>,
    /// A Linux kernel (bzImage) with all needed drivers built in [default: the one that `quoth-images kernel` builds]
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Modules (.ko) of that kernel, loaded first and in this order; may be repeated or separated by commas
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "kernel")]
    pub modules: Vec<PathBuf>,
    /// A readable name for the image
    #[arg(long, default_value = "quoth")]
    pub name: String,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Options of `build nitro`.
#[derive(Args, Debug)]
pub struct Nitro {
    /// The parts of the image.
    #[command(flatten)]
    pub parts: Parts,
    /// The key that signs the image (P-384, PEM)
    #[arg(long, value_name = "FILE", requires = "signing_certificate")]
    pub signing_key: Option<PathBuf>,
    /// The certificate of that key (PEM); it determines PCR8
    #[arg(long, value_name = "FILE", requires = "signing_key")]
    pub signing_certificate: Option<PathBuf>,
}

/// Options of `build snp`.
#[derive(Args, Debug)]
pub struct Snp {
    /// The parts of the image.
    #[command(flatten)]
    pub parts: Parts,
    /// What the launch requires of the platform.
    #[command(flatten)]
    pub guest: Guest,
    /// Firmware that measures kernel hashes, such as OVMF's AmdSev build [default: Debian's]
    #[arg(long, value_name = "FILE")]
    pub ovmf: Option<PathBuf>,
    /// The processors to measure for.
    #[command(flatten)]
    pub processors: Processors,
}

/// What a launch requires of SEV-SNP for the guest's whole life. It is part of reports, not of the launch digest, so policies
/// check it.
#[derive(Args, Debug)]
pub struct Guest {
    /// The oldest accepted version of the interface of SEV-SNP's firmware
    #[arg(long, value_name = "MAJOR.MINOR", default_value = DEFAULT_ABI, value_parser = abi)]
    pub abi: Abi,
    /// Protections that the platform must provide: single-socket, mem-aes-256-xts, rapl-disabled, ciphertext-hiding,
    /// page-swap-disabled. All but the first need a host whose KVM supports them (Linux 6.19)
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = protection)]
    pub require: Vec<Protection>,
}

fn abi(text: &str) -> Result<Abi, &'static str> {
    Abi::from_text(text).ok_or("not a version like 1.55")
}

fn protection(name: &str) -> Result<Protection, &'static str> {
    let known = "single-socket, mem-aes-256-xts, rapl-disabled, ciphertext-hiding or page-swap-disabled";
    Protection::from_name(name).ok_or(known)
}

/// The processors to measure for. SEV-SNP also measures the initial state of each processor.
#[derive(Args, Debug)]
pub struct Processors {
    /// Numbers of virtual processors to measure for
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub vcpus: Vec<u32>,
    /// Types of virtual processor to measure for, by QEMU's names
    #[arg(long, value_delimiter = ',', default_value = "EPYC-v4,EPYC-Milan,EPYC-Genoa")]
    pub cpu: Vec<String>,
}

/// Options of `measure`.
#[derive(Args, Debug)]
pub struct Measure {
    /// The folder of the image
    pub folder: PathBuf,
    /// A readable name for the image
    #[arg(long, default_value = "quoth")]
    pub name: String,
    /// The processors to measure for.
    #[command(flatten)]
    pub processors: Processors,
}

/// Options of `lock`.
#[derive(Args, Debug)]
pub struct Lock {
    /// The file with the list of inputs
    #[arg(default_value = "images/inputs.lock")]
    pub file: PathBuf,
}

/// Options of `inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The enclave image file
    pub file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

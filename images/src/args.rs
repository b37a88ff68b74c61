//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use quoth_attestation::guest_policy::{Abi, Protection};

/// The oldest interface of SEV-SNP's firmware that an image accepts by default. No older firmware is known to report that memory
/// was checked for aliases, which policies require.
pub(crate) const DEFAULT_ABI: &str = "1.55";

/// Builds images that enclaves boot from, and says what they measure to.
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
    /// Build an image; writes it and its measurements.toml, which `quoth-verify policy init` reads
    #[command(subcommand)]
    Build(Build),
    /// Say what an image that was built measures to, on any kind and number of processors
    Measure(Measure),
    /// Build the kernel that images have when no other is given, and print where it is
    Kernel,
    /// Move the list of what images are made of to what Debian has now
    Lock(Lock),
    /// Say what an enclave image file is and what it measures to, anybody's
    Inspect(Inspect),
}

/// What to build for.
#[derive(Debug, Subcommand)]
pub enum Build {
    /// For AWS Nitro Enclaves: an enclave image file
    Nitro(Nitro),
    /// For AMD SEV-SNP under QEMU and KVM: kernel, initramfs, firmware and how to launch them
    Snp(Snp),
}

/// What both kinds of image are made of.
#[derive(Args, Debug)]
pub struct Parts {
    /// The enclave's configuration, which becomes part of the image
    #[arg(long, value_name = "ENCLAVE.TOML")]
    pub config: PathBuf,
    /// The enclave's program, linked statically [default: what images/enclave builds, in a clone of the source]
    #[arg(long, value_name = "FILE")]
    pub enclave: Option<PathBuf>,
    /// A Linux kernel (bzImage) with everything built in that it needs [default: the one that `quoth-images kernel` builds]
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Modules (.ko) of such a kernel, loaded in this order before anything else; may be repeated, or separated by commas
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "kernel")]
    pub modules: Vec<PathBuf>,
    /// The image's name, for people
    #[arg(long, default_value = "quoth")]
    pub name: String,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Options of `build nitro`.
#[derive(Args, Debug)]
pub struct Nitro {
    /// What it is made of.
    #[command(flatten)]
    pub parts: Parts,
    /// Sign the image with this key (P-384, PEM)
    #[arg(long, value_name = "FILE", requires = "signing_certificate")]
    pub signing_key: Option<PathBuf>,
    /// The certificate of that key (PEM), which PCR8 is made of
    #[arg(long, value_name = "FILE", requires = "signing_key")]
    pub signing_certificate: Option<PathBuf>,
}

/// Options of `build snp`.
#[derive(Args, Debug)]
pub struct Snp {
    /// What it is made of.
    #[command(flatten)]
    pub parts: Parts,
    /// What the launch asks of the platform.
    #[command(flatten)]
    pub guest: Guest,
    /// Firmware that measures kernel hashes, as OVMF's AmdSev build does [default: Debian's]
    #[arg(long, value_name = "FILE")]
    pub ovmf: Option<PathBuf>,
    /// What it may be launched on.
    #[command(flatten)]
    pub processors: Processors,
}

/// What a launch asks of SEV-SNP for the guest's whole life. It is part of reports, not of the launch digest: policies demand it.
#[derive(Args, Debug)]
pub struct Guest {
    /// The oldest interface of SEV-SNP's firmware to run on
    #[arg(long, value_name = "MAJOR.MINOR", default_value = DEFAULT_ABI, value_parser = abi)]
    pub abi: Abi,
    /// Protections that the platform must give: single-socket, mem-aes-256-xts, rapl-disabled, ciphertext-hiding,
    /// page-swap-disabled. All but the first need a host whose KVM knows them (Linux 6.19)
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

/// What an image may be launched on: SEV-SNP measures the first state of each processor, too.
#[derive(Args, Debug)]
pub struct Processors {
    /// Numbers of virtual processors to measure for
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub vcpus: Vec<u32>,
    /// Types of virtual processor to measure for, as QEMU names them
    #[arg(long, value_delimiter = ',', default_value = "EPYC-v4,EPYC-Milan,EPYC-Genoa")]
    pub cpu: Vec<String>,
}

/// Options of `measure`.
#[derive(Args, Debug)]
pub struct Measure {
    /// The folder that was built
    pub folder: PathBuf,
    /// The image's name, for people
    #[arg(long, default_value = "quoth")]
    pub name: String,
    /// What it may be launched on.
    #[command(flatten)]
    pub processors: Processors,
}

/// Options of `lock`.
#[derive(Args, Debug)]
pub struct Lock {
    /// The list
    #[arg(default_value = "images/inputs.lock")]
    pub file: PathBuf,
}

/// Options of `inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The file
    pub file: PathBuf,
    /// Print one JSON object for programs
    #[arg(long)]
    pub json: bool,
}

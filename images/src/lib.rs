//! Images that enclaves boot from, and what they measure to, known before they are launched anywhere.
//!
//! | module | what |
//! |---|---|
//! | [`cpio`] | the initramfs: a program, its configuration, and nothing else |
//! | [`eif`] | enclave image files: written, and read with suspicion |
//! | [`snp`] | launch digests of AMD SEV-SNP |
//! | [`inputs`] | kernel source and firmware: Debian packages, known by their hashes |
//! | `kernel` | the kernel, from that source, a small configuration and a patch |
//! | `kernel_image`, `program` | what can boot, told from what cannot |
//! | `guest` | what a launch asks of SEV-SNP beside being measured |
//! | [`measurements`] | what an image measures to, as a file for policies |
#![forbid(unsafe_code)]

pub mod args;
mod build;
mod config;
pub mod cpio;
pub mod eif;
mod error;
mod guest;
mod initramfs;
pub mod inputs;
mod inspect;
mod kernel;
mod kernel_image;
mod measure;
pub mod measurements;
mod program;
pub mod snp;
mod tool;

pub use error::ImageError;

use args::{Build, Command};

/// Does what the command line says; returns what is to be printed.
///
/// # Errors
/// [`ImageError`].
pub fn run(command: Command) -> Result<String, ImageError> {
    match command {
        Command::Build(Build::Nitro(options)) => build::nitro(&options),
        Command::Build(Build::Snp(options)) => build::snp(&options),
        Command::Measure(options) => measure::run(&options),
        Command::Kernel => Ok(format!("{}\n", kernel::get()?.display())),
        Command::Lock(options) => inputs::lock(&options.file),
        Command::Inspect(options) => inspect::run(&options),
    }
}

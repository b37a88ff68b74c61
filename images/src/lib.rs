//! Builds the images that enclaves boot from, and computes their measurements before any launch.
//!
//! | module | content |
//! |---|---|
//! | [`cpio`] | archives for the initramfs |
//! | [`eif`] | writes enclave image files, and reads untrusted ones |
//! | [`snp`] | computes launch digests of AMD SEV-SNP |
//! | [`inputs`] | kernel source and firmware: Debian packages, pinned by hash |
//! | `kernel` | builds the kernel from that source, a small configuration and a patch |
//! | `kernel_image`, `program` | check that a kernel and a program can boot |
//! | `guest` | what a launch requires of SEV-SNP |
//! | [`measurements`] | the measurements of an image, as a file for policies |
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

/// Runs a command. Returns the text to print.
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

//! The errors of building and describing images.

use std::io;
use std::path::{Path, PathBuf};

use crate::eif::EifError;

/// Why an image could not be built or described.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file could not be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file has wrong content.
    #[error("{}: {problem}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not a kernel that can boot.
    #[error("{}: {problem}", file.display())]
    NoKernel {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file is not a program that the kernel can start.
    #[error("{}: {problem}", file.display())]
    NoProgram {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The image does not fit into the memory.
    #[error(
        "kernel and initramfs have {actual} bytes, at most {limit} fit: do not put models into an image, the host feeds them"
    )]
    TooBig {
        /// The maximum, bytes.
        limit: u64,
        /// The actual size, bytes.
        actual: u64,
    },
    /// The file is not an enclave image file.
    #[error("{}: {source}", file.display())]
    Eif {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: EifError,
    },
    /// There is neither the enclave's program nor the script that builds it.
    #[error(
        "give the enclave's program with --enclave, or run this in a clone of the source, where images/enclave.sh builds it"
    )]
    NoEnclave,
    /// No cache folder is known.
    #[error("neither QUOTH_CACHE nor HOME is set")]
    NoCache,
    /// The list of inputs is invalid.
    #[error("inputs.lock: {0}")]
    Lock(String),
    /// An input could not be downloaded.
    #[error("{url}: {problem}. If Debian has newer versions: run `quoth-images lock`, then build quoth-images again")]
    Fetch {
        /// The address of the input.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// A needed program is not installed.
    #[error("missing: {program}. Please install: apt-get install {package}")]
    Missing {
        /// The program.
        program: String,
        /// The packages that contain it.
        package: String,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// The program.
        program: String,
        /// Its error message.
        said: String,
    },
    /// The kernel cannot be built.
    #[error("kernel: {0}")]
    Kernel(String),
    /// The type of processor is unknown.
    #[error(
        "{0} is not a known type of virtual processor with SEV-SNP, such as EPYC-v4, EPYC-Milan, EPYC-Genoa or EPYC-Turin"
    )]
    Cpu(String),
    /// The launch digest cannot be computed for this firmware.
    #[error("{}: {problem}", file.display())]
    Firmware {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl ImageError {
    pub(crate) fn at(file: &Path) -> impl Fn(io::Error) -> Self {
        |source| Self::File { file: file.into(), source }
    }
}

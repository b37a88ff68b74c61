use std::io;
use std::path::{Path, PathBuf};

use crate::eif::EifError;

/// Why there is no image, or nothing to say of one.
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
    /// A file is not what it should be.
    #[error("{}: {problem}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A kernel that could not boot.
    #[error("{}: {problem}", file.display())]
    NoKernel {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A program that the kernel could not start.
    #[error("{}: {problem}", file.display())]
    NoProgram {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An image that its memory could not hold.
    #[error(
        "kernel and initramfs have {actual} bytes, at most {limit} fit: models do not belong in an image, the host feeds them"
    )]
    TooBig {
        /// Bytes.
        limit: u64,
        /// Bytes.
        actual: u64,
    },
    /// Not an enclave image file.
    #[error("{}: {source}", file.display())]
    Eif {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: EifError,
    },
    /// Neither the enclave's program nor what builds it.
    #[error(
        "give the enclave's program by --enclave, or call this in a clone of the source, whose images/enclave builds it"
    )]
    NoEnclave,
    /// No folder to keep things in.
    #[error("neither QUOTH_CACHE nor HOME is set")]
    NoCache,
    /// The list of inputs.
    #[error("inputs.lock: {0}")]
    Lock(String),
    /// An input that could not be fetched.
    #[error("{url}: {problem}. If Debian has moved on: `quoth-images lock`, and build quoth-images again")]
    Fetch {
        /// Where it should be.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// A program that is not there.
    #[error("missing: {program}. Please install: apt-get install {package}")]
    Missing {
        /// Which.
        program: String,
        /// The package that has it, or several.
        package: String,
    },
    /// A program that failed.
    #[error("{program} failed: {said}")]
    Tool {
        /// Which.
        program: String,
        /// What it said.
        said: String,
    },
    /// The kernel cannot be built as it should be.
    #[error("kernel: {0}")]
    Kernel(String),
    /// A type of processor that nobody knows.
    #[error(
        "{0} is no type of virtual processor with SEV-SNP: EPYC-v4, EPYC-Milan, EPYC-Genoa and EPYC-Turin are some"
    )]
    Cpu(String),
    /// Firmware that nothing can be computed for.
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

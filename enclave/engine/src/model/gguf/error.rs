//! Errors of GGUF files.

/// Why a file is not a GGUF file that this engine reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The first four bytes are not `GGUF`.
    #[error("no GGUF magic")]
    Magic,
    /// A version other than 2 and 3.
    #[error("version {actual}, expected 2 or 3")]
    Version {
        /// The file's.
        actual: u32,
    },
    /// The header ends early.
    #[error("the header is cut")]
    Truncated,
    /// A count or a length is beyond its bound.
    #[error("{what} is {actual}, at most {limit} accepted")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The file's.
        actual: u64,
        /// The bound.
        limit: u64,
    },
    /// A key or a tensor name appears twice.
    #[error("a {what} appears twice")]
    Duplicate {
        /// Of what.
        what: &'static str,
    },
    /// A value has an unknown type, or one that its key does not allow.
    #[error("a value has a wrong type ({actual})")]
    Type {
        /// The file's type number.
        actual: u32,
    },
    /// A key, a tensor name or a string that must be text is not UTF-8.
    #[error("a name is not UTF-8")]
    Utf8,
    /// A tensor has an unknown type, an impossible shape, or lies outside the file.
    #[error("tensor {index} ({}): {what}", printable(.name))]
    Tensor {
        /// Its position in the header.
        index: u64,
        /// Its name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The alignment is no power of two from 8 to 4096.
    #[error("alignment {actual}")]
    Alignment {
        /// The file's.
        actual: u64,
    },
    /// One part of a split model: only whole files are hashed, so only whole files are loaded.
    #[error("this is one part of a model split into {count}; merge it first")]
    Split {
        /// Parts.
        count: u64,
    },
    /// A projector of a multi-modal model (`clip`, `mmproj`), which is no language model.
    #[error("this is a projector file (mmproj), not a language model")]
    Projector,
    /// The header names no architecture.
    #[error("no general.architecture")]
    Architecture,
    /// Metadata names a measure that no model has.
    #[error("{key} is {actual}, must be within {min} to {max}")]
    Measure {
        /// The key, without the architecture's name.
        key: &'static str,
        /// The file's.
        actual: u64,
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
    },
    /// A number of the architecture is NaN or infinite, or negative where it must not be.
    #[error("{key} is not a number that a model has")]
    Float {
        /// The key, without the architecture's name, printable ASCII.
        key: String,
    },
    /// Two parts of the header contradict each other.
    #[error("{what}: {one} against {other}")]
    Contradiction {
        /// What is compared.
        what: &'static str,
        /// One of them.
        one: u64,
        /// The other.
        other: u64,
    },
}

/// A name of a hostile file, as it may be shown.
pub(crate) fn printable(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

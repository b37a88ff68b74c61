//! Why text or values are no policy.

use alloc::string::String;

/// Why text or values are no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is too long.
    #[error("{actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// Named limit.
        limit: usize,
        /// Bytes found.
        actual: usize,
    },
    /// The text is not in the form of a policy, has a key that no policy has, or a value of the wrong type.
    #[error("{message}")]
    Malformed {
        /// What is wrong; of a TOML file also the line.
        message: String,
    },
    /// The file is of another version.
    #[error("version {actual}, expected {expected}")]
    Version {
        /// The one this version reads.
        expected: u64,
        /// The one found.
        actual: u64,
    },
    /// An unknown platform.
    #[error("unknown platform \"{actual}\"")]
    Platform {
        /// The name found.
        actual: String,
    },
    /// A value is not hex of the right length.
    #[error("{field}: expected {expected} hexadecimal digits")]
    Hex {
        /// The key.
        field: &'static str,
        /// Digits.
        expected: usize,
    },
    /// A reference value that the policy's platforms need is missing or empty.
    #[error("{field} is missing: {reason}")]
    Missing {
        /// The key.
        field: &'static str,
        /// Why it must be there.
        reason: &'static str,
    },
    /// Two parts of the policy contradict each other, or one says nothing.
    #[error("{field}: {reason}")]
    Contradiction {
        /// The key.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A number or a list is out of bounds.
    #[error("{field} is {actual}, allowed are {least} to {greatest}")]
    OutOfRange {
        /// The key.
        field: &'static str,
        /// Least value.
        least: u64,
        /// Greatest value.
        greatest: u64,
        /// The one found.
        actual: u64,
    },
}

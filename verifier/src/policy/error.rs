//! Errors of policies.

use alloc::string::String;

/// Why text or values are not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is too long.
    #[error("{actual} bytes, at most {limit} are allowed")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The length found, in bytes.
        actual: usize,
    },
    /// The text does not have the form of a policy, has an unknown key, or has a value of the wrong type.
    #[error("{message}")]
    Malformed {
        /// What is wrong; for a TOML file, with the line.
        message: String,
    },
    /// The file is of another version.
    #[error("version {actual}, expected {expected}")]
    Version {
        /// The version that this crate reads.
        expected: u64,
        /// The version found.
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
        /// Number of digits.
        expected: usize,
    },
    /// A reference value that the policy's platforms need is missing or empty.
    #[error("{field} is missing: {reason}")]
    Missing {
        /// The key.
        field: &'static str,
        /// Why it is required.
        reason: &'static str,
    },
    /// Two parts of the policy contradict each other, or a part has no effect.
    #[error("{field}: {reason}")]
    Contradiction {
        /// The key.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A number or a list is out of bounds.
    #[error("{field} is {actual}, expected {least} to {greatest}")]
    OutOfRange {
        /// The key.
        field: &'static str,
        /// The least allowed value.
        least: u64,
        /// The greatest allowed value.
        greatest: u64,
        /// The value found.
        actual: u64,
    },
}

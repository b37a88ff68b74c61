//! What a relying party accepts: reference values (RFC 9334 §8.3) and rules.

mod accepted;
mod build;
mod error;
mod file;
mod reader;
mod snp;
#[cfg(all(test, feature = "toml"))]
mod tests;
#[cfg(feature = "toml")]
mod toml;
mod values;

#[cfg(feature = "toml")]
use alloc::string::String;

pub use accepted::Policy;
pub use build::PolicyBuilder;
pub use error::PolicyError;
pub use values::{
    Accept, AcceptUpstreams, Acpi, DEFAULT_MAX_EVIDENCE_AGE, GREATEST_EVIDENCE_AGE, Image, LaunchDigest, MAX_ENTRIES,
    MAX_FILE, MAX_NAME, NitroPins, SnpImage,
};

impl Policy {
    /// Reads a compiled policy: canonical JSON (RFC 8785) with the keys and values of the TOML file.
    ///
    /// # Errors
    /// [`PolicyError`] for text that is not a policy, unknown keys, missing reference values, and contradictions.
    pub fn from_json(text: &[u8]) -> Result<Self, PolicyError> {
        file::parse(text).map_err(|wrong| wrong.error)
    }

    /// Reads a policy file in TOML.
    ///
    /// # Errors
    /// Those of [`from_json`](Self::from_json); [`PolicyError::Malformed`] names the line.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        toml::parse(text)
    }

    /// Compiles a policy file in TOML to the JSON that [`from_json`](Self::from_json) reads.
    ///
    /// # Errors
    /// Those of [`from_toml`](Self::from_toml): it compiles valid policies only.
    #[cfg(feature = "toml")]
    pub fn compile(text: &str) -> Result<String, PolicyError> {
        toml::compile(text)
    }

    /// Starts a policy that accepts nothing yet.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }
}

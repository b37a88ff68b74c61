//! An Ethereum address in a configuration.

use quoth_attestation::evm::EvmAddress;
use serde::Deserialize;

/// `0x` and 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub EvmAddress);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "expected 0x and 40 hex digits of one letter case")
    }
}

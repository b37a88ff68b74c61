//! `[[caller]]`: who may ask, and how much.

use std::num::{NonZeroU32, NonZeroU64};

use quoth_attestation::secret;
use quoth_attestation::token::TokenHash;
use serde::{Deserialize, Deserializer, de};

/// Callers, at most.
const MAX_CALLERS: usize = 256;
/// Requests a minute that a caller may be allowed, at most.
const MAX_RATE: u32 = 1_000_000;

/// A caller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// The name: part of the token, and the name of the secret that sets its hash.
    pub name: String,
    /// The token's hash. If absent, the operator sets it as a secret.
    #[serde(default, deserialize_with = "hash")]
    pub token: Option<TokenHash>,
    /// Requests a minute.
    #[serde(default)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at one time.
    #[serde(default)]
    pub concurrent: Option<NonZeroU64>,
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TokenHash>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(de::Error::custom)
}

/// Says what is wrong with the callers, given the names of upstreams. `has_operator`: whether an operator can set
/// hashes.
pub(super) fn check<'a>(
    callers: &[Caller],
    upstreams: impl Iterator<Item = &'a str> + Clone,
    has_operator: bool,
) -> Result<(), &'static str> {
    if callers.len() > MAX_CALLERS {
        return Err("at most 256 callers are allowed");
    }
    for (at, caller) in callers.iter().enumerate() {
        if !secret::is_name(&caller.name) {
            return Err("a caller's name has between 1 and 64 of a-z, 0-9 and -");
        }
        let of_upstream = upstreams.clone().any(|upstream| upstream == caller.name);
        if of_upstream || callers[..at].iter().any(|other| other.name == caller.name) {
            return Err("a caller has the name of another, or of an upstream");
        }
        if caller.token.is_none() && !has_operator {
            return Err("a caller without a token needs an operator, who sets it");
        }
        if caller.requests_per_minute.is_some_and(|rate| rate.get() > MAX_RATE) {
            return Err("a caller's requests_per_minute are at most 1000000");
        }
    }
    Ok(())
}

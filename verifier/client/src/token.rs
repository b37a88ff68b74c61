//! Access tokens for callers of a node, as its operator makes them.

use quoth_attestation::secret::is_name;
use quoth_attestation::token::{self, TokenHash};
use zeroize::Zeroizing;

use crate::OrderError;

/// A fresh access token for the caller `name`.
///
/// # Errors
/// [`OrderError::Name`]; [`OrderError::Random`] when the system gives no random bytes.
pub fn access_token(name: &str) -> Result<Zeroizing<String>, OrderError> {
    if !is_name(name) {
        return Err(OrderError::Name);
    }
    Ok(token::token(name, &Zeroizing::new(random::<32>()?)))
}

/// What a node keeps of a token, under a fresh salt.
///
/// # Errors
/// [`OrderError::Random`] when the system gives no random bytes.
pub fn token_hash(token: &str) -> Result<TokenHash, OrderError> {
    Ok(TokenHash::of(token, random()?))
}

fn random<const N: usize>() -> Result<[u8; N], OrderError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| OrderError::Random)?;
    Ok(bytes)
}

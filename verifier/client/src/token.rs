//! Makes access tokens for a node's callers.

use quoth_attestation::secret::is_name;
use quoth_attestation::token::{self, TokenHash};
use zeroize::Zeroizing;

use crate::OrderError;

/// Makes a fresh access token for the caller `name`.
///
/// # Errors
/// [`OrderError::Name`] for an invalid name; [`OrderError::Random`] if the system gives no random bytes.
pub fn access_token(name: &str) -> Result<Zeroizing<String>, OrderError> {
    if !is_name(name) {
        return Err(OrderError::Name);
    }
    Ok(token::token(name, &Zeroizing::new(random::<32>()?)))
}

/// Hashes a token with a fresh salt, in the form that nodes store.
///
/// # Errors
/// [`OrderError::Random`] if the system gives no random bytes.
pub fn token_hash(token: &str) -> Result<TokenHash, OrderError> {
    Ok(TokenHash::of(token, random()?))
}

fn random<const N: usize>() -> Result<[u8; N], OrderError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| OrderError::Random)?;
    Ok(bytes)
}

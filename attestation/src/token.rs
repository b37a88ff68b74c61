//! Callers' access tokens, and the salted hashes that nodes store instead (`SPEC.md` §12).

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

use crate::secret::{MAX_NAME, is_name};
use crate::{Digest, FormatError, base64url};

/// Prefix of every token. A key with this prefix is for a node and never goes to a provider.
pub const PREFIX: &str = "quoth_";
/// Maximum bytes in a token.
pub const MAX_TOKEN: usize = PREFIX.len() + MAX_NAME + 1 + 43;
/// Hashed before salt and token.
const HASH: &[u8] = b"quoth/token/1\0";

/// `quoth_NAME_SECRET`: the caller's name, and 32 random bytes in base64url.
pub fn token(name: &str, secret: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(format!("{PREFIX}{name}_{}", base64url::encode(secret)))
}

/// The caller's name in a token; `None` if the text is not a token.
pub fn name(token: &str) -> Option<&str> {
    let (name, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let secret = base64url::decode(secret).map(Zeroizing::new);
    (is_name(name) && secret.is_some_and(|secret| secret.len() == 32)).then_some(name)
}

/// A salted hash that a node stores for a token: `SALT:HASH` in lower-case hex, 16 and 32 bytes. Tokens have 256 random bits, so
/// one round of SHA-256 is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash {
    salt: [u8; 16],
    hash: Digest,
}

impl TokenHash {
    /// SHA-256("quoth/token/1" ‖ 0x00 ‖ salt ‖ token).
    pub fn of(token: &str, salt: [u8; 16]) -> Self {
        let whole = Zeroizing::new([HASH, &salt, token.as_bytes()].concat());
        Self { salt, hash: Digest::of(&whole) }
    }

    /// Returns true if this is the hash of `token`. Timing can leak only a part of the hash, which is useless to an attacker.
    pub fn is_of(&self, token: &str) -> bool {
        Self::of(token, self.salt) == *self
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", hex::encode(self.salt), self.hash)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenHash {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let mut read = Self { salt: [0; 16], hash: Digest([0; 32]) };
        let parts = text.split_once(':').filter(|_| !text.bytes().any(|byte| byte.is_ascii_uppercase()));
        parts
            .and_then(|(salt, hash)| {
                hex::decode_to_slice(salt, &mut read.salt).ok()?;
                hex::decode_to_slice(hash, &mut read.hash.0).ok()
            })
            .ok_or(FormatError::OutOfRange { field: "token hash", expected: "32 and 64 lower-case hex digits" })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_token_names_its_caller_and_has_a_hash() {
        let token = token("team-a", &[7; 32]);
        assert_eq!(name(&token), Some("team-a"));
        assert!(token.len() <= MAX_TOKEN);
        let hash = TokenHash::of(&token, [1; 16]);
        assert!(hash.is_of(&token) && !hash.is_of(&super::token("team-a", &[8; 32])));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_ne!(TokenHash::of(&token, [2; 16]).hash, hash.hash);
    }

    #[test]
    fn invalid_tokens_have_no_name() {
        let good = token("a", &[7; 32]);
        for wrong in
            ["", "sk-1", "quoth_", "quoth_a", "quoth_a_", "quoth__x", &good[1..], &good[..good.len() - 1], "quoth_A_x"]
        {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert_eq!(name(&(good.to_string() + "A")), None);
    }

    #[test]
    fn a_hash_has_one_form() {
        let hash = TokenHash::of("x", [0xab; 16]).to_string();
        for wrong in [&hash[1..], &hash[..hash.len() - 1], &hash.to_uppercase(), &hash.replace(':', "")] {
            assert!(wrong.parse::<TokenHash>().is_err(), "{wrong}");
        }
    }
}

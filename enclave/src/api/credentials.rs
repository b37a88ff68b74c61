//! The credentials in a request's headers: an access token, a key for a provider.

use http::HeaderMap;
use quoth_attestation::{headers, token};
use zeroize::Zeroizing;

use crate::upstream::{self, Key};

/// The credentials of a request.
pub(super) struct Credentials {
    /// An access token of this node.
    pub(super) token: Option<Zeroizing<String>>,
    /// A key for a provider.
    pub(super) key: Option<Key>,
}

impl Credentials {
    /// Reads them where SDKs put them. Text that looks like a token is never used as a key, because keys leave the
    /// node.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let mut token = headers.get(headers::TOKEN).and_then(|value| value.to_str().ok());
        let mut key = None;
        for text in upstream::keys(headers) {
            if text.starts_with(token::PREFIX) {
                token.get_or_insert(text);
            }
            if !text.contains(token::PREFIX) {
                key.get_or_insert(text);
            }
        }
        Self { token: token.map(|text| Zeroizing::new(text.to_owned())), key: key.map(Key::new) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;

    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> (Option<String>, bool) {
        let mut headers = HeaderMap::new();
        pairs.iter().for_each(|(name, value)| _ = headers.append(*name, HeaderValue::from_static(value)));
        let Credentials { token, key } = Credentials::read(&headers);
        (token.map(|token| token.to_string()), key.is_some())
    }

    #[test]
    fn tokens_and_keys_are_told_apart() {
        let token = Some("quoth_a_x".to_owned());
        assert_eq!(read(&[]), (None, false));
        assert_eq!(read(&[("authorization", "Bearer sk-1")]), (None, true));
        assert_eq!(read(&[("authorization", "Bearer quoth_a_x")]), (token.clone(), false));
        assert_eq!(read(&[("x-api-key", "quoth_a_x")]), (token.clone(), false));
        assert_eq!(read(&[("authorization", "Bearer sk-1"), ("quoth-token", "quoth_a_x")]), (token.clone(), true));
        assert_eq!(read(&[("authorization", "Bearer quoth_a_x"), ("x-api-key", "sk-1")]), (token, true));
    }

    #[test]
    fn a_token_is_no_key_however_it_is_written() {
        for value in ["bearer quoth_a_x", "BEARER  quoth_a_x ", "Basic quoth_a_x", "quoth_a_x"] {
            assert!(!read(&[("authorization", value)]).1, "{value}");
        }
        assert!(!read(&[("authorization", "Bearer ")]).1);
    }
}
